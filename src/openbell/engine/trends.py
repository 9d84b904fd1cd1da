"""Depth, waits and cost over time, from what :class:`Folder` has summed while it happened (PF-36)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import asyncpg

from openbell.engine.database import SQL, Db
from openbell.engine.duty import Duty
from openbell.engine.registry import CLASSES

Over = Literal["hour", "day", "week"]
STEPS: Mapping[Over, tuple[int, int]] = {"hour": (1, 60), "day": (15, 96), "week": (120, 84)}
"""For each time that is looked back: the minutes of a step, and how many steps there are."""

EDGES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 14_400)
"""The edges of the histograms' buckets, in seconds."""

EVERY_S = 60.0
ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Step:
    """What happened from ``at`` on, for the length of a step.

    Jobs ``waiting``, ``parked`` and ``running`` at its deepest minute, None where no worker was there to look;
    ``good`` and ``bad`` jobs ended; half of the jobs, and 99 of 100, began within ``half_s`` and ``most_s`` seconds
    (interpolated within the buckets of a histogram). ``costs`` are (calls, millionths of a dollar) by provider.
    """

    at: datetime
    until: datetime
    waiting: int | None = None
    parked: int | None = None
    running: int | None = None
    oldest_wait_s: float | None = None
    good: int = 0
    bad: int = 0
    half_s: float | None = None
    most_s: float | None = None
    costs: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def cost_micro(self) -> int:
        """In millionths of a dollar, all providers together."""
        return sum(cost for _, cost in self.costs.values())

    @property
    def calls(self) -> int:
        """Of all providers together."""
        return sum(calls for calls, _ in self.costs.values())


class Folder(Duty):
    """Sums what has ended since it looked last, once a minute."""

    name = "folder"

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__()
        self._pool = pool

    async def beat(self) -> float:
        """One bounded piece."""
        await self._pool.execute(SQL.get("fold_trends"), list(EDGES_S))
        return EVERY_S


async def trends(db: Db, over: Over, *, job_class: str | None = None) -> list[Step]:
    """Every step of the last hour, day or week, oldest first; reads a few hundred rows however much has happened.

    With ``job_class`` only its jobs are counted; costs are those of all calls.
    """
    minutes, count = STEPS[over]
    now: datetime = await db.fetchval(SQL.get("read_clock"))
    number = None if job_class is None else CLASSES[job_class]
    work = await db.fetch(SQL.get("read_trend_work"), minutes, count, now)
    paid = await db.fetch(SQL.get("read_trend_cost"), minutes, count, now)
    by_step: dict[datetime, list[asyncpg.Record]] = {}
    for row in work:
        by_step.setdefault(row["at"], []).append(row)
    costs: dict[datetime, dict[str, tuple[int, int]]] = {}
    for row in paid:
        costs.setdefault(row["at"], {})[row["provider"]] = (row["calls"], row["cost_micro"])
    return [
        _step(at, length, by_step.get(at, ()), number, costs.get(at, {})) for at, length in _scale(now, minutes, count)
    ]


def _scale(now: datetime, minutes: int, count: int) -> Iterator[tuple[datetime, timedelta]]:
    length = timedelta(minutes=minutes)
    last = ORIGIN + (now - ORIGIN) // length * length
    return ((last - length * n, length) for n in reversed(range(count)))


def _step(
    at: datetime,
    length: timedelta,
    every: Sequence[asyncpg.Record],
    number: int | None,
    costs: Mapping[str, tuple[int, int]],
) -> Step:
    looked = any(row["waiting"] is not None for row in every)
    rows = [row for row in every if number in (None, row["job_class"])]
    waits = [0] * (len(EDGES_S) + 1)
    for row in rows:
        for n, jobs in enumerate(row["waits"]):
            waits[n] += jobs
    oldest = [row["oldest_wait_s"] for row in rows if row["oldest_wait_s"] is not None]
    return Step(
        at,
        at + length,
        waiting=sum(row["waiting"] or 0 for row in rows) if looked else None,
        parked=sum(row["parked"] or 0 for row in rows) if looked else None,
        running=sum(row["running"] or 0 for row in rows) if looked else None,
        oldest_wait_s=max(oldest, default=None),
        good=sum(row["good"] for row in rows),
        bad=sum(row["bad"] for row in rows),
        half_s=quantile(waits, 0.5),
        most_s=quantile(waits, 0.99),
        costs=costs,
    )


def quantile(counts: Sequence[int], share: float) -> float | None:
    """Below which time that share lies, in seconds; None of nothing, the last edge for what is above them all."""
    total = sum(counts)
    if not total:
        return None
    wanted, below = share * total, 0
    for n, jobs in enumerate(counts[:-1]):
        if jobs and below + jobs >= wanted:
            low = EDGES_S[n - 1] if n else 0.0
            return low + (EDGES_S[n] - low) * (wanted - below) / jobs
        below += jobs
    return float(EDGES_S[-1])
