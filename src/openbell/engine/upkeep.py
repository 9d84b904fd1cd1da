"""What keeps the engine in shape, once a minute: ageing, giving up, samples, history, estimates, the database.

Each duty is small and bounded. :class:`Upkeep` walks them, in whichever process takes the minute first; in an idle
system that costs a process one query a minute, and the one that took it a handful more.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import asyncpg

from openbell.engine.database import SQL, Db
from openbell.engine.duty import Duty
from openbell.engine.estimates import Estimator
from openbell.engine.hints import Hints
from openbell.engine.persist import DATABASE_ERRORS
from openbell.engine.registry import CLASSES
from openbell.engine.trends import Folder
from openbell.telemetry.tally import swallowed

log = logging.getLogger(__name__)

EVERY_S = 60.0
AGEING = timedelta(minutes=15)
KEEP = timedelta(days=30)
BOUND = 1_000
"""Rows that one beat of a duty changes at most, so that none holds its locks for long."""

DAYS_AHEAD = 3
STEPS_MOST = 8

TRANSACTION_S = 60.0
DEAD_ROWS = 50_000
DEAD_RATIO = 10
TRANSACTION_AGE = 500_000_000


class Ager(Duty):
    """Moves jobs that have waited longer than their class allows up one class at a time, the oldest first (DC-4)."""

    name = "ager"

    def __init__(self, pool: asyncpg.Pool, *, after: timedelta = AGEING, most: int = BOUND) -> None:
        super().__init__()
        self._pool, self._after, self._most = pool, after, most

    async def beat(self) -> float:
        """Move up what has waited ``after`` once more."""
        rows = await self._pool.fetch(SQL.get("raise_jobs"), list(CLASSES.values()), self._after, self._most)
        if rows:
            log.info("ager.raised jobs=%d", len(rows))
        return EVERY_S


class Expirer(Duty):
    """Gives up jobs that have waited longer than their product has patience (PF-7)."""

    name = "expirer"

    def __init__(self, pool: asyncpg.Pool, hints: Hints | None = None, *, most: int = BOUND) -> None:
        super().__init__()
        self._pool, self._hints, self._most = pool, hints, most

    async def beat(self) -> float:
        """End what has waited too long; its key cools down and history says why."""
        for row in await self._pool.fetch(SQL.get("expire_jobs"), self._most):
            log.warning("job.expired id=%d product=%s key=%s", *row.values())
            if self._hints is not None:
                self._hints.tell("artifact", row["product"], row["key"])
        return EVERY_S


class Sampler(Duty):
    """Writes down how deep the queue is (PF-36)."""

    name = "sampler"

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__()
        self._pool = pool
        self.waiting = 0

    async def beat(self) -> float:
        """One sample a minute; ``waiting`` is then how many jobs wait or are parked."""
        self.waiting = await self._pool.fetchval(SQL.get("sample_depth"))
        return EVERY_S


class Backfiller(Duty):
    """Queues work for backfills that are not over and have no job: new ones, and after a pause those that failed."""

    name = "backfiller"

    def __init__(self, pool: asyncpg.Pool, hints: Hints | None = None) -> None:
        super().__init__()
        self._pool, self._hints = pool, hints

    async def beat(self) -> float:
        """Look once."""
        for key in await queue_backfills(self._pool):
            log.info("backfill.queued key=%s", key)
            if self._hints is not None:
                self._hints.tell("work", "backfill", key)
        return EVERY_S


async def queue_backfills(db: Db) -> list[str]:
    """A job for each backfill that is not over and has none; their names."""
    return [row["key"] for row in await db.fetch(SQL.get("queue_backfills"))]


class Historian(Duty):
    """Keeps history: a partition a day, made ahead of its day and dropped after ``keep`` (PF-37).

    What came before its day had a partition is deleted in small batches. A lock that is taken is left for next time.
    """

    name = "historian"

    def __init__(self, pool: asyncpg.Pool, *, keep: timedelta = KEEP, most: int = 5 * BOUND) -> None:
        super().__init__()
        self._pool, self._keep, self._most = pool, keep, most

    async def beat(self) -> float:
        """Look ahead, and clear what is past; soon again when something was in the way."""
        try:
            await self._look_ahead()
            more = await self._clear()
            more = await self._index() or more  # last: one that takes too long keeps history from nothing else
        except (asyncpg.LockNotAvailableError, asyncpg.CheckViolationError) as error:
            swallowed("historian.waits", error)
            log.info("historian.waits error=%s", error)
            return EVERY_S
        return EVERY_S if more else 3600.0

    async def _look_ahead(self) -> None:
        for n in range(DAYS_AHEAD + 1):
            await self._pool.execute(SQL.get("add_history_day"), n)

    async def _index(self) -> bool:
        """One index of a day that is older than it; whether there was one to make."""
        if (made := await self._pool.fetchval(SQL.get("index_history"))) is not None:
            log.info("historian.indexed index=%s", made)
        return made is not None

    async def _clear(self) -> bool:
        """Whether there is more to do than one beat may."""
        for _ in range(STEPS_MOST):
            done = await self._pool.fetchval(SQL.get("drop_history_day"), self._keep)
            if done is None:
                break
            log.info("historian.cleared did=%s", done)
        else:
            return True
        counts = [
            await self._pool.execute(SQL.get(statement), self._keep, self._most)
            for statement in ("prune_history", "prune_depth", "prune_batches", "prune_occurrences", "prune_rejected")
        ]
        counts.append(await self._pool.execute(SQL.get("prune_steps"), self._most))
        return any(count == f"DELETE {self._most}" for count in counts)


class Watch(Duty):
    """Warns when something keeps the hot table from being cleaned; each warning once, and once when it is over."""

    name = "watch"

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__()
        self._pool = pool
        self._told: set[str] = set()

    async def beat(self) -> float:
        """Look once."""
        found = {one.code: one for one in await warnings(self._pool)}
        for code in found.keys() - self._told:
            log.warning("database.%s %s", code, found[code].message)
        for code in self._told - found.keys():
            log.info("database.%s_over", code)
        self._told = set(found)
        return EVERY_S


class Upkeep(Duty):
    """Walks the duties once a minute; of all processes, the first to take the minute. One that fails stops no other."""

    name = "upkeep"

    def __init__(
        self, pool: asyncpg.Pool, hints: Hints | None = None, *, ageing: timedelta = AGEING, keep: timedelta = KEEP
    ) -> None:
        super().__init__()
        self._pool = pool
        self._sampler = Sampler(pool)
        self._for_waiting = (Ager(pool, after=ageing), Expirer(pool, hints))
        self._always = (Watch(pool), Backfiller(pool, hints), Historian(pool, keep=keep), Estimator(pool), Folder(pool))
        self._due = dict.fromkeys((duty.name for duty in (*self._for_waiting, *self._always)), 0.0)

    async def beat(self) -> float:
        """One walk."""
        if not await self._pool.fetchval(SQL.get("begin_duty"), self.name, timedelta(seconds=EVERY_S * 0.9)):
            return EVERY_S
        await self._sampler.beat()
        for duty in (*(self._for_waiting if self._sampler.waiting else ()), *self._always):
            if monotonic() >= self._due[duty.name]:
                await self._walk(duty)
        return EVERY_S

    async def _walk(self, duty: Duty) -> None:
        try:
            pause_s = await duty.beat()
        except DATABASE_ERRORS as error:
            duty.failures += 1
            swallowed(f"duty.{duty.name}", error)
            pause_s = EVERY_S
            log.warning("duty.failed name=%s error=%s: %s", duty.name, type(error).__name__, error)
        self._due[duty.name] = monotonic() + pause_s * 0.9


@dataclass(frozen=True, slots=True)
class Depth:
    """The queue at one time: jobs by state, and how long the oldest waiting one had waited."""

    at: datetime
    waiting: int
    parked: int
    running: int
    oldest_wait: timedelta | None

    def as_json(self) -> dict[str, Any]:
        """For programs; the wait in seconds."""
        return {
            "at": self.at.isoformat(),
            "waiting": self.waiting,
            "parked": self.parked,
            "running": self.running,
            "oldest_wait_s": self.oldest_wait and self.oldest_wait.total_seconds(),
        }


async def depth(
    db: Db,
    span: timedelta,
    *,
    step: timedelta = timedelta(minutes=1),
    product: str | None = None,
    job_class: str | None = None,
) -> list[Depth]:
    """Depth over the last ``span`` (up to 30 days), oldest first: for each ``step`` its deepest minute.

    A step without a point is one in which no worker was there to look.
    """
    number = None if job_class is None else CLASSES[job_class]
    return [Depth(**row) for row in await db.fetch(SQL.get("read_depth"), span, step, product, number)]


@dataclass(frozen=True, slots=True)
class Warned:
    """Something about the database an operator should mend: a stable ``code``, a sentence, the figure behind it."""

    code: str
    message: str
    figure: float

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"code": self.code, "message": self.message, "figure": self.figure}


async def warnings(db: Db) -> Sequence[Warned]:
    """What keeps the database from cleaning up behind us; empty when all is well. Needs no special right."""
    row = await db.fetchrow(SQL.get("inspect_health"))
    assert row is not None
    open_s, dead, live, age = row["oldest_transaction_s"], row["dead_rows"], row["live_rows"], row["transaction_age"]
    candidates = (
        (
            open_s is not None and open_s > TRANSACTION_S,
            "old_transaction",
            f"Open for {open_s or 0:.0f} s: {row['oldest_transaction']}. Nothing that ended since can be cleaned up.",
            open_s or 0.0,
        ),
        (
            not row["autovacuum"],
            "autovacuum_off",
            "Autovacuum is off, for the server or for openbell.job: dead rows stay and slow claiming down. Turn it on.",
            0.0,
        ),
        (
            dead > DEAD_ROWS and dead > DEAD_RATIO * live,
            "dead_rows",
            f"openbell.job has {dead:,} dead rows beside {live:,} live ones: vacuum does not keep up or is held back.",
            float(dead),
        ),
        (
            age > TRANSACTION_AGE,
            "transaction_age",
            f"The oldest row is {age:,} transactions old; at 2 billion the server stops. Let vacuum freeze.",
            float(age),
        ),
        (
            row["history_in_default"],
            "history_in_default",
            "Finished jobs lie in the default partition of history; they are deleted in batches after their retention.",
            0.0,
        ),
    )
    return [Warned(code, message, figure) for holds, code, message, figure in candidates if holds]
