"""Every way of saying no, in Anthropic's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from openbell.sandbox.simulator import Answer, Refused

# kind -> status, type, message, error code in the details
REFUSALS: Mapping[str, tuple[int, str, str, str | None]] = {
    "unauthorized": (401, "authentication_error", "invalid x-api-key", None),
    "permission_denied": (403, "permission_error", "Your API key may not use this resource.", None),
    "rate_limited": (429, "rate_limit_error", "This request would exceed your organization's rate limit.", None),
    "rate_limited_ms": (429, "rate_limit_error", "This request would exceed your organization's rate limit.", None),
    "credit_too_low": (
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to purchase credits.",
        None,
    ),
    "billing_error": (402, "billing_error", "There is a problem with your payment method.", None),
    "spend_limit": (
        429,
        "rate_limit_error",
        "Your organization has reached its monthly spend limit.",
        "enforced_spend_limit_reached",
    ),
    "context_length": (400, "invalid_request_error", "prompt is too long: 200001 tokens > 200000 maximum", None),
    "model_not_found": (404, "not_found_error", "model: not found", None),
    "server_error": (500, "api_error", "Internal server error", None),
    "overloaded": (529, "overloaded_error", "Overloaded", None),
}


def error(kind: str, *, message: str | None = None, retry_after_s: float | None = None) -> Answer:
    """An error; `kind` is one of REFUSALS."""
    status, of_type, words, code = REFUSALS[kind]
    headers = {}
    if retry_after_s is not None and kind == "rate_limited_ms":
        headers["retry-after-ms"] = f"{retry_after_s * 1000:g}"
    elif retry_after_s is not None:
        headers["retry-after"] = f"{retry_after_s:g}"
    return _answer(status, of_type, message or words, code, headers)


def bad(message: str, status: int = 400, of_type: str = "invalid_request_error") -> Refused:
    """A request that cannot be taken."""
    return Refused(_answer(status, of_type, message, None, {}))


def _answer(status: int, of_type: str, message: str, code: str | None, headers: Mapping[str, str]) -> Answer:
    number = f"req_{uuid4().hex[:24]}"
    about: dict[str, Any] = {"type": of_type, "message": message}
    if code is not None:
        about["details"] = {"error_code": code}
    body = {"type": "error", "error": about, "request_id": number}
    return Answer.of_json(body, status, {"request-id": number, **headers})
