"""Openbell, by the statements of its own worker."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import asyncpg

from openbell.engine.attempt import Claim
from openbell.engine.database import SQL
from openbell.engine.enqueue import enqueue
from openbell.engine.errors import Fenced
from openbell.engine.registry import CLASSES, Product, Registry, seconds, task
from openbell.postgres.migrate import migrate
from openbell.postgres.pool import open_pool
from tests.conformance.suite import Engine, Seen

LEASE = timedelta(seconds=10)
NO_SPENDS: list[Any] = []


@task("work", version=1, timeout=seconds(60), retry=seconds(1))
async def work(key: Any, ctx: Any) -> None:
    """Nothing; the suite says how it ends."""


class Openbell(Engine):
    """Workers are rows; what they do is what :class:`openbell.engine.worker.Worker` does."""

    name = "Openbell"
    how = "its worker's statements"

    async def open(self, dsn: str) -> str:
        await migrate(dsn)
        self.pool = await open_pool(dsn, name="conformance")
        self.product: Product = work
        await Registry([work]).seed(self.pool)
        self.workers: dict[str, int] = {}
        return version("openbell")

    async def close(self) -> None:
        await self.pool.close()

    async def add(self) -> None:
        (job,) = await enqueue(self.pool, self.product, [("one", None)])
        self.job = job.id

    async def _worker(self, name: str) -> int:
        if name not in self.workers:
            self.workers[name] = await self.pool.fetchval(SQL.get("register_worker"), name, 8, LEASE)
        return self.workers[name]

    async def claim(self, worker: str) -> tuple[str, Claim]:
        (row,) = await self.pool.fetch(
            SQL.get("claim_jobs"), ["work"], list(CLASSES.values()), await self._worker(worker), 1
        )
        return worker, Claim(**row)

    async def lapse(self, claim: tuple[str, Claim]) -> None:
        await self.pool.execute(
            "update openbell.worker set expires_at = openbell.now() - interval '1 second' where id = $1",
            self.workers[claim[0]],
        )
        if claim[0] == "A":  # whoever beats next takes the jobs back
            await self.pool.fetch(SQL.get("rescue_jobs"), 10)

    async def succeed(self, claim: tuple[str, Claim]) -> None:
        if await self.pool.fetchval(SQL.get("complete_task"), claim[1].id, claim[1].token, NO_SPENDS) is None:
            raise Fenced("the token is outdated")

    async def fail(self, claim: tuple[str, Claim]) -> None:
        ending = ("retry", "broken", "it broke", timedelta(0), timedelta(seconds=1), NO_SPENDS)
        if await self.pool.fetchrow(SQL.get("end_attempt"), claim[1].id, claim[1].token, *ending) is None:
            raise Fenced("the token is outdated")

    async def beat(self, claim: tuple[str, Claim]) -> None:
        beat = (self.workers[claim[0]], LEASE, False, {}, [claim[1].id], False)
        await self.pool.fetchrow(SQL.get("beat_worker"), *beat)

    async def is_lapsed(self, claim: tuple[str, Claim]) -> bool:
        lapsed: bool = await self.pool.fetchval(
            "select exists (select 1 from openbell.job j join openbell.worker w on w.id = j.worker"
            " where j.id = $1 and w.expires_at <= openbell.now())",
            claim[1].id,
        )
        return lapsed

    async def look(self) -> Seen:
        row = await self.pool.fetchrow(
            "select j.state::text as state, w.name from openbell.job j left join openbell.worker w on w.id = j.worker"
            " where j.id = $1",
            self.job,
        )
        if row is not None:
            return Seen("running", row["name"]) if row["state"] == "running" else Seen("waiting")
        outcome = await self.pool.fetchrow(
            "select h.outcome::text as outcome, w.name from openbell.job_history h"
            " left join openbell.worker w on w.id = h.worker where h.id = $1",
            self.job,
        )
        return Seen("succeeded" if outcome["outcome"] == "done" else "failed", result=outcome["name"])

    async def overlap(self, limit: int) -> int:
        await self.pool.execute(SQL.get("set_seat_limit"), "product", "work", limit, 0)
        await enqueue(self.pool, self.product, [(str(n), None) for n in range(6)])
        first, second = await self._worker("A"), await self._worker("B")
        held: asyncpg.Connection
        async with self.pool.acquire() as held:
            transaction = held.transaction()
            await transaction.start()
            await held.fetch(SQL.get("claim_seated"), ["work"], list(CLASSES.values()), first, 2)
            other = asyncio.create_task(
                self.pool.fetch(SQL.get("claim_seated"), ["work"], list(CLASSES.values()), second, 2)
            )
            await asyncio.wait({other}, timeout=0.5)
            await transaction.commit()
            await other
        running: int = await self.pool.fetchval("select count(*) from openbell.job where token is not null")
        return running
