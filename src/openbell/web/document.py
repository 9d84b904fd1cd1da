"""The document of the API, made true: what every route may answer by what it declares, beside what it says itself.

The framework writes 422 for what cannot be understood; here that is a 400. Refusals follow from the declarations of
:mod:`openbell.web.protection` and from what stands before every route (:mod:`openbell.web.guards`).
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from openbell.web.protection import declared

PROBLEM = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
WORDS = {
    400: "it cannot be understood",
    401: "nobody has signed in, or the secret is wrong",
    403: "not for whoever asks, not from that page, or not here",
    404: "there is no such thing",
    408: "the body came too slowly",
    413: "the body is too large",
    429: "asked for too often",
    503: "the database does not answer",
}


def document(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, routes=app.routes)
        for route, protection in declared(app):
            for method in route.methods or ():
                one = made["paths"].get(route.path_format, {}).get(method.lower())
                if one is not None:
                    _complete(one, protection.by, changes=method not in ("GET", "HEAD"), found="{" in route.path)
        made.get("components", {}).get("schemas", {}).pop("HTTPValidationError", None)
        made.get("components", {}).get("schemas", {}).pop("ValidationError", None)
        app.openapi_schema = made
    return app.openapi_schema


def _complete(one: dict[str, Any], by: str, *, changes: bool, found: bool) -> None:
    answers = one.setdefault("responses", {})
    answers.pop("422", None)
    taken = bool(one.get("parameters") or one.get("requestBody"))
    codes = {400: taken or changes, 401: by != "everybody", 403: by != "everybody" or changes, 404: found}
    codes |= {408: changes, 413: changes, 429: True}
    for code, may in codes.items():
        if may:
            answers.setdefault(str(code), {"description": WORDS[code], "content": PROBLEM})
