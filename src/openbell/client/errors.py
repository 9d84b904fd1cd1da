"""Every error of the client. The API's stable codes decide which one it is; the sentence is the API's own.

::

    ClientError                     what happened, and what to do next
    ├── Unreachable                 nobody answered at this address, or the answer broke off
    ├── NotOpenbell                 something answered, and it was not Openbell
    ├── NoFrame                     there are no rows for a frame, or no library that makes one
    └── ApiError                    code, status and next, as the API told them
        ├── InvalidRequest          the request cannot be understood
        │   ├── UnknownProduct      no product of that name
        │   └── InvalidKey          the key cannot be one of this product
        ├── Missing                 nothing is known of this key (yet)
        └── Unavailable             Openbell cannot answer at the moment; try again in ``retry_after_s``
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RETRY_S = 5.0
GATEWAY = (502, 503, 504)
"""What a proxy says while the process behind it starts anew."""


class ClientError(Exception):
    """Base of all errors of the client."""


class Unreachable(ClientError):
    """Nobody answered, or the answer broke off. Reads may be repeated; so may a demand."""


class NotOpenbell(ClientError):
    """The answer is none that Openbell gives: another program listens there, or a proxy stands before it."""


class NoFrame(ClientError):
    """A frame cannot be made: the result has no rows, or neither pandas nor polars is installed."""


class ApiError(ClientError):
    """The API refused. ``code`` is stable and for programs; ``next`` says what to do, where the API knows."""

    def __init__(self, message: str, *, code: str, status: int, todo: str | None = None) -> None:
        super().__init__(f"{message} {todo}" if todo else message)
        self.message, self.code, self.status, self.next = message, code, status, todo


class InvalidRequest(ApiError):
    """The request cannot be understood."""


class UnknownProduct(InvalidRequest):
    """No product of that name."""


class InvalidKey(InvalidRequest):
    """The key cannot be one of this product."""


class Missing(ApiError):
    """Nothing is known of this key (yet); the message says why."""


class Unavailable(ApiError):
    """Openbell cannot answer at the moment; nothing is lost, and the same request may be tried again."""

    retry_after_s: float = RETRY_S


BY_CODE: Mapping[str, type[ApiError]] = {
    "malformed": InvalidRequest,
    "invalid_request": InvalidRequest,
    "malformed_watch": InvalidRequest,
    "too_large": InvalidRequest,
    "keeps_no_result": InvalidRequest,
    "unknown_product": UnknownProduct,
    "malformed_key": InvalidKey,
    "artifact_missing": Missing,
    "database_unavailable": Unavailable,
    "database_not_migrated": Unavailable,
    "streams_full": Unavailable,
}
"""The stable codes that have a class of their own; any other code is an :class:`ApiError`."""


def from_answer(status: int, body: Any, retry_after: str | None) -> ClientError:
    """The error that an answer tells of: its status, its JSON (None where it has none), and its Retry-After."""
    told = body.get("error") if isinstance(body, dict) else None
    if not (isinstance(told, dict) and isinstance(told.get("code"), str) and isinstance(told.get("message"), str)):
        if status in GATEWAY:
            return Unreachable(f"What stands before Openbell does not reach it (status {status}). Try again later.")
        return NotOpenbell(f"The answer has status {status} and is not one of Openbell. Check the address.")
    kind = BY_CODE.get(told["code"], ApiError)
    error = kind(told["message"], code=told["code"], status=status, todo=told.get("next"))
    if isinstance(error, Unavailable) and retry_after and retry_after.isdigit():
        error.retry_after_s = float(retry_after)
    return error
