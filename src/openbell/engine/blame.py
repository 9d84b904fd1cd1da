"""What went wrong in a producer, and where: one line that may be shown, without secrets or paths of this machine."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Iterator
from pathlib import PurePath
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openbell.engine.registry import Producer

MESSAGE_MOST = 300
ENGINE = __name__.rpartition(".")[0]

_NAMES = (
    r"(?:x-)?(?:api|access|secret|private|auth)?[_-]?"
    r"(?:key|token|secret|password|passwd|pwd|signature|authorization|credentials?)"
)
_SECRETS = (
    (
        re.compile(rf"(?i)(?<![a-z0-9])({_NAMES}[\"']?\s*[=:]\s*[\"']?)(?:(?:bearer|basic)\s+)?[^\s\"'&,;)}}\]]+"),
        r"\1…",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 …"),
    (re.compile(r"(?<=://)[^/\s@]+@"), "…@"),
    (re.compile(r"\b(?:sk|pk|rk|pplx|ghp|xox[abp])[-_][\w-]{8,}"), "…"),
)


def told(error: BaseException, producer: Producer) -> str:
    """``ValueError: what it says, at market/quote.py:42 in quote``."""
    said = clean(str(error))
    place = place_of(error, producer)
    return f"{type(error).__name__}{f': {said}' if said else ''}{f', at {place}' if place else ''}"


def clean(text: str) -> str:
    """The text in one line of bounded length, with what looks like a secret left out."""
    line = " ".join(text.replace("\x00", "").split())
    for pattern, instead in _SECRETS:
        line = pattern.sub(instead, line)
    return line if len(line) <= MESSAGE_MOST else f"{line[: MESSAGE_MOST - 1]}…"


def place_of(error: BaseException, producer: Producer) -> str | None:
    """The innermost place of the producer's own code that the error has passed; None when it has passed none."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        if is_own(trace.tb_frame, producer):
            places.append(_place(trace.tb_frame.f_code, trace.tb_lineno))
        trace = trace.tb_next
    return places[-1] if places else None


def place_of_task(task: asyncio.Future[Any], producer: Producer) -> str | None:
    """Where a task that is suspended stands, in the producer's own code."""
    own = [frame for frame in _suspended(task) if is_own(frame, producer)]
    return _place(own[-1].f_code, own[-1].f_lineno) if own else None


def place_of_producer(producer: Producer) -> str:
    """Where the producer begins."""
    code = inspect.unwrap(producer).__code__
    return _place(code, code.co_firstlineno)


def is_own(frame: FrameType, producer: Producer) -> bool:
    """Whether the frame runs code of the package that the producer is from, and not of the engine."""
    name = str(frame.f_globals.get("__name__", ""))
    return name.partition(".")[0] == producer.__module__.partition(".")[0] and not name.startswith(ENGINE)


def _suspended(task: asyncio.Future[Any]) -> Iterator[FrameType]:
    """The frames of a suspended task, from its outermost coroutine to the one that waits."""
    waiting = task.get_coro() if isinstance(task, asyncio.Task) else None
    while inspect.iscoroutine(waiting):
        if waiting.cr_frame is not None:
            yield waiting.cr_frame
        waiting = waiting.cr_await


def _place(code: CodeType, line: int) -> str:
    return f"{'/'.join(PurePath(code.co_filename).parts[-2:])}:{line} in {code.co_name}"
