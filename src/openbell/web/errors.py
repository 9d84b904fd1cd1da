"""Every error of the doors, and how each is told: JSON to programs, a page to people.

::

    WebError                status, a stable code, a sentence, what to do next
    ├── Malformed           400  the request cannot be understood; carries a code of its own
    ├── NotHere             404  nothing is at this address
    ├── SignInNeeded        401  nobody has signed in; people are led to the page for that
    ├── AdminNeeded         403  it is for those who run this instance
    ├── OriginRefused       403  a foreign page tried to change something
    ├── TooLarge            413  the body is above the limit
    ├── TooMany             429  asked for too often, or nothing left of an allowance
    └── DatabaseUnavailable 503  the database does not answer; it is tried again by itself
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from openbell.engine.errors import EngineError, InvalidKey, KeepsNoResult, UnknownJob, UnknownProduct
from openbell.web.fragments import environment

API_PATHS = ("/api/", "/admin/", "/jobs/", "/openbb/", "/livez", "/readyz", "/health", "/metrics", "/openapi.json")
RETRY_S = 5
CODES = {
    400: "malformed",
    401: "sign_in_needed",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
}
TITLES = {
    400: "This address cannot be understood",
    403: "Refused",
    404: "Nothing is at this address",
    405: "This address does not take that",
    413: "Too large",
    429: "Too many",
    500: "Something failed on our side",
    503: "The database does not answer",
}


class WebError(Exception):
    """Base of all errors of the doors."""

    status = 500
    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, todo: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.next = todo


class Malformed(WebError):
    """The request cannot be understood."""

    status, code = 400, "malformed"


class NotHere(WebError):
    """Nothing is at this address."""

    status, code = 404, "not_found"


class SignInNeeded(WebError):
    """Nobody has signed in; ``where`` is the page that leads back here."""

    status, code = 401, "sign_in_needed"

    def __init__(self, where: str = "/sign-in") -> None:
        super().__init__("This needs somebody who has signed in.", todo="Send a token as Authorization: Bearer ob_….")
        self.where = where


class AdminNeeded(WebError):
    """It is for those who run this instance."""

    status, code = 403, "admin_needed"

    def __init__(self) -> None:
        super().__init__("This is for those who run this instance.", todo="Sign in with the address of an admin.")


class TooMany(WebError):
    """Asked for too often, or nothing left of an allowance."""

    status, code = 429, "too_many_requests"


class OriginRefused(WebError):
    """A page of another origin tried to change something."""

    status, code = 403, "origin_refused"


class TooLarge(WebError):
    """The body is above the limit."""

    status, code = 413, "too_large"


class DatabaseUnavailable(WebError):
    """The database does not answer, or is not migrated."""

    status, code = 503, "database_unavailable"

    def __init__(self, message: str | None = None, *, code: str | None = None) -> None:
        super().__init__(
            message or "The database does not answer at the moment. Nothing is lost; work resumes when it is back.",
            code=code,
            todo=f"Try again in {RETRY_S} seconds.",
        )


def to_web(error: Exception) -> WebError:
    """The same error with a status: what the engine or the framework raised, in the words of the doors."""
    if isinstance(error, WebError):
        return error
    if isinstance(error, UnknownProduct | InvalidKey | KeepsNoResult):
        return Malformed(str(error), code=error.code)
    if isinstance(error, UnknownJob):
        return NotHere(str(error), code=error.code)
    if isinstance(error, RequestValidationError):
        return Malformed(first_fault(error), code="invalid_request", todo="See /openapi.json for what is expected.")
    if isinstance(error, HTTPException):
        return from_http(error)
    if isinstance(error, EngineError):
        return Malformed(str(error), code=error.code)
    return WebError("The request failed for a reason that is our fault. The log has it under the request id.")


def from_http(error: HTTPException) -> WebError:
    """What the framework refused, in our words."""
    sentences = {404: "There is nothing at this address.", 405: "This address does not take this method."}
    sentence = sentences.get(error.status_code) or str(error.detail)
    found = WebError(sentence, code=CODES.get(error.status_code, "http_error"))
    found.status = error.status_code
    return found


def first_fault(error: RequestValidationError) -> str:
    """One sentence about the first thing wrong, without repeating what was sent."""
    fault = error.errors()[0] if error.errors() else {}
    place = ".".join(str(part) for part in fault.get("loc", ()) if part != "body")
    what = str(fault.get("msg", "it cannot be read")).lower()
    return f"The request is not valid{f' at {place}' if place else ''}: {what}."


def wants_json(path: str) -> bool:
    """Addresses for programs answer in JSON, also when they fail."""
    return path.startswith(API_PATHS)


def error_json(error: WebError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The form of every error of the API."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.next:
        body["next"] = error.next
    retry = {"Retry-After": str(RETRY_S)} if error.status == 503 else {}
    return JSONResponse(
        {"error": body}, status_code=error.status, headers={"Cache-Control": "no-store", **retry, **(headers or {})}
    )


def respond(request: Request, error: Exception) -> Response:
    """The answer for an error: JSON for programs, a page for people."""
    found = to_web(error)
    kept = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if wants_json(request.url.path):
        return error_json(found, kept)
    if isinstance(found, SignInNeeded):
        return RedirectResponse(found.where, 303, {"Cache-Control": "no-store"})
    return error_page(request, found, kept)


def error_page(request: Request, error: WebError, headers: Mapping[str, str]) -> HTMLResponse:
    """The same facts in our look, with an id to quote; when the database is away the page tries again by itself."""
    retry_s = RETRY_S if error.status == 503 else None
    html = (
        environment()
        .get_template("error.html")
        .render(
            title=TITLES.get(error.status, "This did not work"),
            status=error.status,
            code=error.code,
            message=error.message,
            next=error.next or ("" if error.status >= 500 else "The watchlist and the search above still work."),
            retry_s=retry_s if request.method == "GET" else None,
            request_id=getattr(request.state, "request_id", "unknown"),
            instance=request.app.state.config.instance,
            stream="",
        )
    )
    retry = {"Retry-After": str(RETRY_S)} if retry_s else {}
    return HTMLResponse(html, error.status, {"Cache-Control": "no-store", **retry, **headers})


def install(app: FastAPI) -> None:
    """Tell every expected error in the right form; the guard tells the others."""

    async def handle(request: Request, error: Exception) -> Response:
        return respond(request, error)

    for kind in (WebError, EngineError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)
