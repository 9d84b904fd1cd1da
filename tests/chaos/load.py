"""The load: asks for things, queues work, cancels and retries, and notes what the database has promised."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any

import asyncpg

from openbell.engine import jobs
from openbell.engine.demand import want
from openbell.engine.enqueue import add_batch, enqueue, enqueue_many
from openbell.engine.errors import JobEnded, UnknownJob
from openbell.engine.persist import DATABASE_ERRORS
from openbell.engine.registry import Product
from tests.chaos.history import History
from tests.support import happens

MOST_LIVE = 500
"""No more is asked for while so many jobs are live; the machine must keep up for recovery times to mean something."""


ACTS: dict[str, float] = {
    "want_quotes": 30, "want_report": 10, "want_rude": 2, "mail": 12, "narrow": 14, "count": 6, "many": 2,
    "change_of_mind": 2, "cancel": 12, "retry": 4, "later": 4, "needy": 6,
}  # fmt: skip
"""What the load does, and how often each beside the others."""


class Changed(Exception):
    """The caller of a transaction changed his mind."""


class Load:
    """Asks, until it is stopped."""

    def __init__(
        self, pool: asyncpg.Pool, products: list[Product], history: History, random: Random, acts: Mapping[str, float]
    ) -> None:
        self._pool, self._history, self._random, self._acts = pool, history, random, ACTS | acts
        self._products = {one.name: one for one in products}
        self._recent: deque[int] = deque(maxlen=60)
        self._number = 0
        self._series = history.count("phase")
        self.failures = 0

    async def run(self, stop: asyncio.Event, pause_s: float) -> None:
        """One act after the other, about every ``pause_s``. What the database does not answer promises nothing."""
        while not stop.is_set():
            (act,) = self._random.choices(list(self._acts), list(self._acts.values()))
            try:
                while await self._pool.fetchval("select count(*) from openbell.job") > MOST_LIVE:
                    if await happens(stop, 0.1):
                        return
                await getattr(self, f"_{act}")()
            except (*DATABASE_ERRORS, asyncpg.InternalClientError):  # the latter: cut off within a transaction
                self.failures += 1
            await happens(stop, self._random.uniform(0, 2 * pause_s))

    def _accepted(self, created: list[tuple[int, str]]) -> None:
        for job_id, product in created:
            self._history.add("accepted", job=job_id, product=product)
            self._recent.append(job_id)

    async def _wanted(self, product: str, keys: list[str]) -> None:
        queued = await want(
            self._pool, [(product, key) for key in keys], source=f"v{self._random.randrange(5)}",
            seconds=self._random.uniform(1, 20), weight=self._random.randint(1, 5),
            job_class=self._random.choice(["interactive", "scheduled", "ad-hoc"]),
        )  # fmt: skip
        self._accepted([(job.id, product) for job in queued if job.created])

    async def _want_quotes(self) -> None:
        await self._wanted("quote", [f"Q{self._random.randrange(30)}" for _ in range(self._random.randint(1, 4))])

    async def _want_report(self) -> None:
        await self._wanted("report", [f"R{self._random.randrange(200)}"])

    async def _want_rude(self) -> None:
        await self._wanted("rude", [f"X{self._random.randrange(6)}"])

    def _keys(self, most: int) -> list[str]:
        self._number += most
        return [f"{self._series}-{self._number - n}" for n in range(self._random.randint(1, most))]

    async def _enqueue(self, product: str, keys: list[str], **options: Any) -> None:
        items = [(key, {"to": key}) for key in keys]
        queued = await enqueue(self._pool, self._products[product], items, **options)
        self._accepted([(job.id, product) for job in queued if job.created])

    async def _mail(self) -> None:
        await self._enqueue("mail", self._keys(2))

    async def _narrow(self) -> None:
        await self._enqueue("narrow", self._keys(3))

    async def _later(self) -> None:
        at = await self._pool.fetchval(
            "select openbell.now() + $1::interval", timedelta(seconds=self._random.uniform(0, 3))
        )
        await self._enqueue("narrow", self._keys(2), not_before=at)

    async def _count(self) -> None:
        """Jobs, and often a batch for them, in one transaction of ours."""
        items = [(key, None) for key in self._keys(60)]
        async with self._pool.acquire() as connection, connection.transaction():
            batch = await add_batch(connection, "count") if self._random.random() < 0.6 else None
            queued = await enqueue(connection, self._products["count"], items, batch=batch)
        self._accepted([(job.id, "count") for job in queued if job.created])

    async def _many(self) -> None:
        """The quick way for many; some of the keys may wait already."""
        keys = self._keys(100) + ["shared"] * (self._random.random() < 0.3)
        batch = await add_batch(self._pool, "many")
        added = await enqueue_many(self._pool, self._products["count"], [(key, None) for key in keys], batch=batch)
        self._history.add("added", batch=batch, jobs=added)

    async def _needy(self) -> None:
        """Jobs that wait for artifacts which somebody wants, and which may already be there."""
        needs = [("quote", f"Q{self._random.randrange(30)}") for _ in range(self._random.randint(1, 3))]
        await self._wanted("quote", [key for _, key in needs])
        await self._enqueue("needy", self._keys(2), needs=needs)

    async def _change_of_mind(self) -> None:
        """Queued in a transaction that is rolled back: none of it may ever be seen."""
        with contextlib.suppress(Changed):
            async with self._pool.acquire() as connection, connection.transaction():
                keys = [f"undone {key}" for key in self._keys(3)]
                await enqueue(connection, self._products["mail"], [(key, None) for key in keys])
                self._history.add("rolled_back", keys=keys)
                raise Changed

    async def _cancel(self) -> None:
        if self._recent:
            job_id = self._recent[self._random.randrange(len(self._recent))]
            with contextlib.suppress(UnknownJob, JobEnded):
                answer = await jobs.cancel(self._pool, job_id, actor="chaos")
                self._history.add("cancelled", job=job_id, answer=answer)

    async def _retry(self) -> None:
        failed = await jobs.list_jobs(self._pool, state="failed", limit=5)
        for one in failed[:1]:
            with contextlib.suppress(UnknownJob, JobEnded):
                self._history.add("retried", job=one.id, live=await jobs.retry(self._pool, one.id, actor="chaos"))
