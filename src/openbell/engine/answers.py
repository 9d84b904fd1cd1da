"""What providers answered within an attempt, held until it is known whether it passes.

An answer that was read and is not what was asked for is kept with the failed attempt, cut to :data:`MOST_BYTES`, so
that somebody can see what the provider has changed (MD-7). Answers that pass, and refusals, are forgotten.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

MOST_ANSWERS = 4
"""Of one attempt, the latest ones."""

MOST_BYTES = 64 * 1024
"""Of one answer, from its beginning."""

MOST_A_DAY = 20
"""Of one product: more of the same tell nothing new."""

MOST_FAULTS = 5
LONGEST_INPUT = 500

INVALID = "invalid_answer"
"""The code with which every attempt ends whose answer was read and did not pass."""

_READ = frozenset({INVALID, "unexpected_answer", "not_json", "not_csv"})


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: whose it was, its size in bytes, and how it began."""

    provider: str
    operation: str
    size: int
    beginning: bytes


_SEEN: ContextVar[deque[Answer] | None] = ContextVar("openbell_answers", default=None)


def watch() -> None:
    """From now on, what this task and those that it starts see is held; what was seen before is forgotten."""
    _SEEN.set(deque(maxlen=MOST_ANSWERS))


def saw(provider: str, operation: str, body: bytes) -> None:
    """A provider has answered something that is to be read."""
    seen = _SEEN.get()
    if seen is not None:
        seen.append(Answer(provider, operation, len(body), bytes(body[:MOST_BYTES])))


def is_rejection(code: str) -> bool:
    """Whether a client's error says that it has read the answer and that it is not what was asked for."""
    return code in _READ or code.startswith("wrong_")


def rejected() -> list[dict[str, Any]]:
    """What was seen, as the database keeps it; PostgreSQL's text has no NUL."""
    return [
        {
            "provider": one.provider,
            "operation": one.operation,
            "bytes": one.size,
            "body": one.beginning.decode("utf-8", "replace").replace("\x00", "�"),
        }
        for one in _SEEN.get() or ()
    ]


def faults(error: BaseException) -> list[dict[str, str]]:
    """What is wrong, as far as the error tells: where, what, and the value that was there. Notes come last."""
    found: list[dict[str, str]] = []
    if isinstance(error, ValidationError):
        for one in error.errors(include_url=False)[:MOST_FAULTS]:
            where = ".".join(str(part) for part in one["loc"])
            found.append({"at": _short(where), "fault": _short(one["msg"]), "value": _short(repr(one["input"]))})
    found += [{"note": _short(note)} for note in _notes(error)]
    return found


def _notes(error: BaseException) -> Iterable[str]:
    return getattr(error, "__notes__", ())[:MOST_FAULTS]


def _short(text: str) -> str:
    return plain(text if len(text) <= LONGEST_INPUT else f"{text[:LONGEST_INPUT]}…")


def plain(text: str) -> str:
    """Text that PostgreSQL takes: without NUL and halves of a surrogate pair, both of which JSON can bring."""
    return text.replace("\x00", "�").encode("utf-8", "replace").decode()
