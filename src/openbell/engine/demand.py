"""Demand is a lease of interest: a source wants a key until a time. Nobody says goodbye; leases expire."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from openbell.engine.artifacts import NEVER
from openbell.engine.combiner import Combiner
from openbell.engine.database import SQL, Db
from openbell.engine.duty import Duty
from openbell.engine.hints import Hints
from openbell.engine.registry import CLASSES
from openbell.engine.sweep import QueuedJob, sweep

LEASE_S = 30.0
BEAT_S = 10.0
WISH_S = 600.0
"""How long an operator's wish stands."""

CROWD_MAX = 20_000
"""Viewers who are counted by one statement."""


async def want(
    db: Db,
    keys: Sequence[tuple[str, str]],
    *,
    source: str,
    seconds: float,
    weight: int = 1,
    job_class: str = "interactive",
) -> list[QueuedJob]:
    """Want ``keys`` for ``seconds``, and queue at once what is not fresh. Returns the jobs queued or lifted.

    The keys must be canonical. Demand for a key that is fresh, queued or running costs nothing.
    """
    if not keys:
        return []
    unique = sorted(set(keys))
    await _lease(db, source, dict.fromkeys(unique, weight), seconds, job_class)
    return await sweep(db, unique)


async def refresh(db: Db, product: str, key: str, *, actor: str, seconds: float = WISH_S) -> list[QueuedJob] | None:
    """Make ``key``, which must be canonical, again now, though it may be fresh or left alone after a failure. Audited.

    None where an operator has to look at the failure first, because something may have been paid for: nothing is
    queued then.
    """
    if not await db.fetchval(SQL.get("refresh_key"), product, key, actor, NEVER):
        return None
    return await want(db, [(product, key)], source="operator", seconds=seconds)


@dataclass(frozen=True, slots=True)
class Wish:
    """What one source wants, and for how long."""

    keys: Sequence[tuple[str, str]]
    source: str
    seconds: float


async def want_all(db: Db, wishes: Sequence[Wish]) -> list[list[QueuedJob]]:
    """As :func:`want` for each wish in turn, in two statements for all: the jobs queued or lifted of each.

    Many who ask at once would hold a connection each and wait for one another's rows.
    """
    rows = [
        (one.source, product, key, timedelta(seconds=one.seconds)) for one in wishes for product, key in set(one.keys)
    ]
    if not rows:
        return [[] for _ in wishes]
    await db.execute(SQL.get("want_wishes"), *map(list, zip(*rows, strict=True)), CLASSES["interactive"])
    queued = await sweep(db, sorted({(product, key) for _, product, key, _ in rows}))
    found = {(job.product, job.key): job for job in queued}
    return [[found[key] for key in sorted(set(one.keys)) if key in found] for one in wishes]


async def _lease(db: Db, source: str, weights: dict[tuple[str, str], int], seconds: float, job_class: str) -> None:
    await db.execute(
        SQL.get("want_keys"),
        source,
        [product for product, _ in weights],
        [key for _, key in weights],
        list(weights.values()),
        CLASSES[job_class],
        timedelta(seconds=seconds),
    )


class Interest(Duty):
    """The interest of all who watch through one process: counted in memory, one upsert per beat in the database.

    A viewer's open stream calls :meth:`add` for its keys and :meth:`drop` when it ends. If the process dies, its leases
    run out by themselves.
    """

    name = "interest"

    def __init__(self, pool: asyncpg.Pool, source: str, hints: Hints | None = None) -> None:
        super().__init__()
        self._pool, self._source, self._hints = pool, source, hints
        self._viewers: Counter[tuple[str, str]] = Counter()
        self._leased: set[tuple[str, str]] = set()
        self._leases = Combiner(self._lease_new, most=CROWD_MAX)
        self._turn = asyncio.Lock()  # one at a time: a goodbye must not land after the next hello

    @property
    def keys(self) -> list[tuple[str, str]]:
        """What is watched through this process now."""
        return [key for key, count in self._viewers.items() if count > 0]

    async def add(self, keys: Sequence[tuple[str, str]]) -> None:
        """One more viewer for each of ``keys``. Keys that nobody watched here are demanded at once."""
        self._viewers.update(set(keys))
        if not self._leased.issuperset(keys):  # nobody gives up a key that has a viewer
            await self._leases.ask(keys)

    async def _lease_new(self, wanted: list[Sequence[tuple[str, str]]]) -> list[None]:
        """Lease what all who came meanwhile want and nobody has leased yet, so that a crowd waits for one statement."""
        async with self._turn:
            keys = {key for keys in wanted for key in keys}
            fresh = [key for key in keys if self._viewers[key] > 0 and key not in self._leased]
            queued = await want(self._pool, fresh, source=self._source, seconds=LEASE_S)
            self._leased.update(fresh)
        if self._hints is not None:
            for job in queued:  # also of those that waited already: what is lifted may have been parked
                self._hints.tell("work", job.product, job.key)
        return [None] * len(wanted)

    async def drop(self, keys: Sequence[tuple[str, str]]) -> None:
        """One viewer less for each of ``keys``; the lease of a key that nobody watches any more is ended."""
        self._viewers.subtract(set(keys))
        async with self._turn:
            gone = [key for key in set(keys) if self._viewers[key] <= 0]
            for key in gone:
                del self._viewers[key]
            self._leased.difference_update(gone)
            if gone:
                products, symbols = [product for product, _ in gone], [key for _, key in gone]
                await self._pool.execute(SQL.get("drop_demand"), self._source, products, symbols)

    async def beat(self) -> float:
        """Renew the leases of everything that is watched."""
        async with self._turn:
            watched = {key: count for key, count in self._viewers.items() if count > 0}
            if watched:
                await _lease(self._pool, self._source, watched, LEASE_S, "interactive")
                self._leased.update(watched)
        return BEAT_S
