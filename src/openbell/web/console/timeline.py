"""The time of one job as a picture: when it waited, when it was tried, which calls it made and which steps it ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openbell.engine.jobs import JobView
from openbell.web.words import NARROW, duration

WIDTH, LINE, LABELS = 720, 26, 190
LEAST = 3.0
"""Pixels of the shortest bar, so that it can be seen."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch of time, or a moment; places and sizes in pixels."""

    what: str
    kind: str
    lasted: str
    x: float
    y: float
    width: float


@dataclass(frozen=True, slots=True)
class Picture:
    """What the template draws; ``ticks`` are places and words along the foot."""

    bars: Sequence[Bar]
    ticks: Sequence[tuple[float, str]]
    height: int


Span = tuple[str, str, datetime, datetime]
"""What, which kind (wait, attempt, failed, call, step), from and to."""


def length(seconds: float) -> str:
    """A short time with what tells it from others: ``8 ms``, ``1.3 s``, ``5 min``. Pure."""
    if seconds < 1:
        return f"{1_000 * max(seconds, 0.0):.0f}{NARROW}ms"
    return f"{seconds:.1f}{NARROW}s" if seconds < 60 else duration(seconds)


def spans(job: JobView, steps: Iterable[Any], now: datetime) -> list[Span]:
    """What happened, in the order in which it began. Pure."""
    end = job.finished_at or now
    tried: list[tuple[int, datetime, datetime, bool]] = []
    for one in job.trail:
        if one["started_at"]:
            begun, over = (datetime.fromisoformat(one[name]) for name in ("started_at", "ended_at"))
            tried.append((one["attempt"], begun, over, True))
    if job.started_at is not None and job.attempt not in [one[0] for one in tried]:
        tried.append((job.attempt, job.started_at, end, job.state == "failed"))
    found: list[Span] = []
    since = job.queued_at
    for number, begun, over, failed in sorted(tried, key=lambda one: one[1]):
        found.append(("waited", "wait", since, begun))
        found.append((f"attempt {number}{' failed' if failed else ''}", "failed" if failed else "attempt", begun, over))
        since = over
    if not tried or since < end:
        found.append(("waits" if job.finished_at is None else "waited", "wait", since, end))
    found += [(f"{one.provider} {one.operation}", "call", one.intended_at, one.ended_at or now) for one in job.spends]
    found += [(f"step {step['name']}", "step", step["ended_at"], step["ended_at"]) for step in steps]
    return sorted(found, key=lambda one: one[2])


def draw(found: Sequence[Span]) -> Picture | None:
    """The picture of them, a line each; None when there is nothing to tell apart. Pure."""
    if not found:
        return None
    first, last = min(one[2] for one in found), max(one[3] for one in found)
    total = max((last - first).total_seconds(), 0.001)

    def place(at: datetime) -> float:
        return LABELS + (WIDTH - LABELS) * (at - first).total_seconds() / total

    bars = []
    for n, (what, kind, begun, over) in enumerate(found):
        width = max(LEAST, place(over) - place(begun))
        x = min(place(begun), WIDTH - width)
        lasted = "ended" if kind == "step" else length((over - begun).total_seconds())
        bars.append(Bar(what, kind, lasted, round(x, 1), n * LINE + 6, round(width, 1)))
    ticks = [(LABELS + (WIDTH - LABELS) * part, length(total * part) if part else "0") for part in (0.0, 0.5, 1.0)]
    return Picture(bars, ticks, len(found) * LINE + 26)
