"""The sweep: demand × staleness → jobs, in one statement. For one key the moment it is asked for, for all on a beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

import asyncpg

from openbell.engine.database import SQL, Db
from openbell.engine.duty import Duty
from openbell.engine.hints import Hints
from openbell.engine.rescue import rescue
from openbell.telemetry import traces

BEAT_S = 1.0
IDLE_BEAT_S = 5.0

DEEPEST = 10_000
"""Live jobs from which on lists, schedules and prefetching add none; what somebody waits for is queued all the same."""

UNSEEN_ATTEMPTS = 3
"""What a job of the class ``background`` may use at most."""


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job that a sweep has queued (``created``) or lifted."""

    id: int
    product: str
    key: str
    created: bool


async def sweep(db: Db, keys: Sequence[tuple[str, str]] | None = None, *, deepest: int = DEEPEST) -> list[QueuedJob]:
    """Queue a job for each demanded key that is not fresh; with ``keys``, look at these only."""
    columns = (None, None) if keys is None else ([product for product, _ in keys], [key for _, key in keys])
    queued = [QueuedJob(**row) for row in await db.fetch(SQL.get("sweep_demand"), *columns, deepest, UNSEEN_ATTEMPTS)]
    if traces.is_on():
        for job in queued:
            traces.note("demand", job.id, product=job.product, key=job.key)
    return queued


class Sweeper(Duty):
    """Sweeps all demand and wakes parked jobs whose time has come. One process does each beat, whichever is first."""

    name = "sweep"

    def __init__(self, pool: asyncpg.Pool, hints: Hints) -> None:
        super().__init__()
        self._pool, self._hints = pool, hints

    async def beat(self) -> float:
        """Sweep once; quick while there is demand, slow while there is none."""
        begun = monotonic()
        found = await self._pool.fetchrow(SQL.get("begin_sweep"), timedelta(seconds=BEAT_S * 0.9))
        if found is None:
            return IDLE_BEAT_S / 2
        queued = await sweep(self._pool) if found["demanded"] else []
        woken = await self._pool.fetch(SQL.get("wake_parked"), 1_000) if found["parked"] else []
        if found["needy"]:
            woken += await self._pool.fetch(SQL.get("wake_needy"))
        for job in queued:
            if job.created:
                self._hints.tell("work", job.product, job.key)
        if woken:
            self._hints.tell("work", "*", "*")
        return max(BEAT_S, 20 * (monotonic() - begun)) if any(found.values()) else IDLE_BEAT_S


PRUNING = (
    "prune_demand", "prune_workers", "prune_versions", "prune_cooldowns", "prune_spends", "prune_trouble",
    "prune_trials",
)  # fmt: skip


class Pruner(Duty):
    """Removes what has ended: expired demand, workers that are long gone, history beyond its retention."""

    name = "prune"

    def __init__(self, pool: asyncpg.Pool, hints: Hints, *, every_s: float = 60.0) -> None:
        super().__init__()
        self._pool, self._hints, self._every_s = pool, hints, every_s

    async def beat(self) -> float:
        """Prune once, and take back what a worker got that counted as gone already: no heartbeat looks for that."""
        if await self._pool.fetchval(SQL.get("begin_duty"), "prune", timedelta(seconds=self._every_s * 0.9)):
            for statement in PRUNING:
                await self._pool.execute(SQL.get(statement))
            await rescue(self._pool, self._hints)
            await self._pool.execute(SQL.get("recover_spends"), timedelta(seconds=10))
            await self._pool.execute(SQL.get("compact_aging"))
        return self._every_s
