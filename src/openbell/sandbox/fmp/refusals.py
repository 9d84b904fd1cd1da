"""Every documented way of saying no, word for word as clients of the provider have captured it."""

from __future__ import annotations

import json
from dataclasses import dataclass

_SITE = "https://site.financialmodelingprep.com/"
_PRICING = f"{_SITE}developer/docs/pricing"
_PLANS = "https://financialmodelingprep.com/"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not data. `counts` tells whether the call is charged to the plan."""

    status: int
    body: bytes
    media_type: str
    counts: bool


def _message(status: int, text: str) -> Refusal:
    return Refusal(status, json.dumps({"Error Message": text}).encode(), "application/json", counts=False)


def _plan_text(text: str) -> Refusal:
    # Plain prose, not JSON: a client that parses before looking at the status breaks here, as with the provider.
    return Refusal(402, text.encode(), "text/plain", counts=True)


_LIMIT = f"Limit Reach . Please upgrade your plan or visit our documentation for more details at {_SITE}"

UNAUTHORIZED = _message(
    401,
    f"Invalid API KEY. Please retry or visit our documentation to create one FREE {_SITE}developer/docs",
)
RESTRICTED_ENDPOINT = _plan_text(
    "Restricted Endpoint: This endpoint is not available under your current subscription please visit our "
    f"subscription page to upgrade your plan at {_PLANS}"
)


def premium_parameter(name: str) -> Refusal:
    """A value of a parameter is outside of the plan."""
    return _plan_text(
        f"Premium Query Parameter: 'Special Endpoint : This value set for '{name}' is not available under your current "
        f"subscription please visit our subscription page to upgrade your plan at {_PLANS}"
    )


PREMIUM_SYMBOL = premium_parameter("symbol")
PREMIUM_LIMIT = _plan_text(
    "Premium Query Parameter: 'Special Parameters : The values for 'limit' must be between 0 and 5 based on your "
    f"current subscription. Please visit our subscription page to upgrade your plan at {_PLANS}"
)
EXCLUSIVE = _message(
    403,
    "Exclusive Endpoint : This endpoint is not available under your current subscription agreement, please visit our "
    f"subscription page to upgrade your plan or contact us at {_PRICING}",
)
LEGACY = _message(
    403,
    "Legacy Endpoint : Due to Legacy endpoints being no longer supported - This endpoint is only available for legacy "
    "users who have valid subscriptions prior August 31, 2025. Please visit our subscription page to upgrade your "
    f"plan or contact us at {_PRICING}",
)
SUSPENDED = _message(403, f"Account suspended. Please contact us at {_SITE}")
LIMIT = _message(429, _LIMIT)
BANDWIDTH = _message(429, f"Bandwidth {_LIMIT}")
LIMIT_IN_200 = _message(200, _LIMIT)
NOT_FOUND = Refusal(404, b"<html><head><title>404 Not Found</title></head></html>\r\n", "text/html", counts=False)


def bad_parameter(name: str, expected: str) -> Refusal:
    """No capture exists for a malformed parameter; a loud answer of our own shows a client's bug soonest."""
    return _message(400, f"Sandbox: the query parameter '{name}' must be {expected}.")
