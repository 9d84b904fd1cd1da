"""The strict check of a request's body: whatever the API does not know is a 400 that names it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from openbell.sandbox.llm.prices import PERPLEXITY
from openbell.sandbox.simulator import Answer, Refused

Body = dict[str, Any]

EFFORT = re.compile(r"(fast|low|medium|high|xhigh)(@\d{4}-\d{2}-\d{2}\.\d+)?")
MODELS_MAX = 5
STEPS_MAX = 100
FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "input": (str, list),
    "model": str,
    "models": list,
    "effort": str,
    "preset": str,
    "profile": dict,
    "instructions": str,
    "max_output_tokens": int,
    "max_steps": int,
    "tools": list,
    "tool_choice": (str, dict),
    "reasoning": dict,
    "response_format": dict,
    "stream": bool,
    "background": bool,
    "store": bool,
    "previous_response_id": str,
    "prompt_cache_key": str,
    "service_tier": str,
    "temperature": (int, float),
    "top_p": (int, float),
    "language_preference": str,
    "skills": list,
    "step_budget_reminder": bool,
}
SEARCH_FIELDS = frozenset(
    ("type", "filters", "max_tokens", "max_tokens_per_page", "search_context_size", "search_type", "user_location")
)
TOOLS: Mapping[str, frozenset[str] | None] = {
    "web_search": SEARCH_FIELDS,
    "fetch_url": frozenset(("type", "max_urls")),
    "finance_search": frozenset(("type",)),
    "people_search": frozenset(("type",)),
    "image_search": None,
    "sandbox": frozenset(("type",)),
    "function": frozenset(("type", "name", "description", "parameters", "strict")),
    "mcp": None,
    "connector": None,
}
FILTERS = frozenset(
    (
        "search_domain_filter",
        "search_recency_filter",
        "search_after_date_filter",
        "search_before_date_filter",
        "last_updated_after_filter",
        "last_updated_before_filter",
    )
)
FORMAT_FIELDS = frozenset(("type", "json_schema"))
SCHEMA_FIELDS = frozenset(("name", "schema", "strict", "description"))


def error(status: int, message: str, kind: str, param: str | None = None, **headers: str) -> Answer:
    """An error in the API's form."""
    about: Body = {"message": message, "type": kind, "code": status}
    if param is not None:
        about["param"] = param
    return Answer.of_json({"error": about}, status, {name.replace("_", "-"): value for name, value in headers.items()})


def bad(message: str, param: str | None = None) -> Refused:
    """The 400 of a body that cannot be taken."""
    return Refused(error(400, message, "invalid_request", param))


def read(raw: bytes) -> Body:
    """The body of a create call. Raises Refused with the documented 400."""
    try:
        body = json.loads(raw)
    except ValueError as wrong:
        raise bad(f"invalid request body: json: {wrong}") from wrong
    return check(body)


def check(given: Any) -> Body:
    """A body without the fields that are null. Raises Refused with the documented 400."""
    if not isinstance(given, dict):
        raise bad("invalid request body: json: a JSON object is needed")
    _only_known(given, frozenset(FIELDS))
    body: Body = {name: value for name, value in given.items() if value is not None}
    for name, value in body.items():
        kinds = FIELDS[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
            raise bad(f"invalid request body: json: the field {name} cannot be a {type(value).__name__}", name)
    if not body.get("input"):
        raise bad("input is required", "input")
    _check_model(body)
    _check_tools(body)
    _check_format(body)
    _check_numbers(body)
    return body


def _only_known(value: Body, known: frozenset[str]) -> None:
    for name in value:
        if name not in known:
            raise bad(f'invalid request body: json: unknown field "{name}"', name)


def _check_model(body: Body) -> None:
    models = body.get("models") or [body[name] for name in ("model",) if name in body]
    if not models and not any(name in body for name in ("effort", "preset", "profile")):
        raise bad("one of model, models, effort or profile is required", "model")
    if len(models) > MODELS_MAX:
        raise bad(f"models holds at most {MODELS_MAX} models", "models")
    for model in models:
        if not isinstance(model, str) or "/" not in model:
            raise bad(f"invalid model {model!r}: models are named provider/model", "model")
        if model not in PERPLEXITY:
            raise bad(f"unknown model {model!r}", "model")
        if model.startswith("anthropic/") and "max_output_tokens" not in body:
            raise bad("max_output_tokens is required for anthropic models", "max_output_tokens")
    effort = body.get("effort", body.get("preset"))
    if effort is not None and not EFFORT.fullmatch(effort):
        raise bad(
            f"unknown effort {effort!r}: use fast, low, medium, high or xhigh, or one of their versions", "effort"
        )


def _check_tools(body: Body) -> None:
    for tool in body.get("tools", []):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if not isinstance(kind, str) or kind not in TOOLS:
            raise bad(f"unknown tool type {kind!r}", "tools")
        known = TOOLS[kind]
        if known is not None:
            _only_known(tool, known)
        if kind == "web_search":
            _only_known(tool.get("filters") or {}, FILTERS)
    _only_known(body.get("reasoning", {}), frozenset(("effort",)))


def _check_format(body: Body) -> None:
    form = body.get("response_format")
    if form is None:
        return
    _only_known(form, FORMAT_FIELDS)
    schema = form.get("json_schema")
    if form.get("type") != "json_schema" or not isinstance(schema, dict):
        raise bad("response_format must be of type json_schema", "response_format")
    _only_known(schema, SCHEMA_FIELDS)
    if not schema.get("name") or not isinstance(schema.get("schema"), dict):
        raise bad("response_format.json_schema needs a name and a schema", "response_format")


def _check_numbers(body: Body) -> None:
    if not 1 <= body.get("max_steps", 1) <= STEPS_MAX:
        raise bad(f"max_steps must be between 1 and {STEPS_MAX}", "max_steps")
    if body.get("max_output_tokens", 1) < 1:
        raise bad("max_output_tokens must be at least 1", "max_output_tokens")
