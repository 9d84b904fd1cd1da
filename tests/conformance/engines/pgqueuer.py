"""PgQueuer, by the queries of its own queue manager."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import asyncpg
from pgqueuer.queries import EntrypointExecutionParameter, Queries

from tests.conformance.suite import Engine, Seen

STALE = timedelta(seconds=30)


class PgQueuer(Engine):
    """A worker is a queue manager's id; a claim is the job as it was dequeued."""

    name = "PgQueuer"
    how = "its queue manager's queries"

    async def open(self, dsn: str) -> str:
        self.pool = await asyncpg.create_pool(dsn, min_size=1, max_size=4)
        self.queries = Queries.from_asyncpg_pool(self.pool)
        await self.queries.install()
        self.managers = {name: uuid.uuid4() for name in ("A", "B")}
        return version("pgqueuer")

    async def close(self) -> None:
        await self.pool.close()

    async def add(self) -> None:
        (self.job,) = await self.queries.enqueue("work", b"")

    async def claim(self, worker: str) -> Any:
        (job,) = await self._dequeue(self.queries, worker, 1, 0)
        return job

    async def _dequeue(self, queries: Queries, worker: str, most: int, limit: int) -> list[Any]:
        entrypoints = {"work": EntrypointExecutionParameter(concurrency_limit=limit)}
        return await queries.dequeue(most, entrypoints, self.managers[worker], None, STALE)

    async def lapse(self, claim: Any) -> None:
        await self.pool.execute("update pgqueuer set heartbeat = now() - interval '1 hour' where id = $1", claim.id)

    async def succeed(self, claim: Any) -> None:
        await self.queries.log_jobs([(claim, "successful", None)])

    async def fail(self, claim: Any) -> None:
        await self.queries.retry_job(claim, timedelta(0), None)

    async def beat(self, claim: Any) -> None:
        await self.queries.update_heartbeat([claim.id])

    async def is_lapsed(self, claim: Any) -> bool:
        lapsed: bool = await self.pool.fetchval(
            "select heartbeat < now() - $2::interval from pgqueuer where id = $1", claim.id, STALE
        )
        return lapsed

    async def look(self) -> Seen:
        row = await self.pool.fetchrow(
            "select status::text as status, queue_manager_id from pgqueuer where id = $1", self.job
        )
        if row is None:
            return Seen("gone")
        if row["status"] != "picked":
            return Seen("waiting")
        return Seen("running", next(name for name, one in self.managers.items() if one == row["queue_manager_id"]))

    async def overlap(self, limit: int) -> int:
        await self.queries.enqueue(["work"] * 6, [b""] * 6, [0] * 6)
        async with self.pool.acquire() as one, self.pool.acquire() as two:
            transaction = one.transaction()
            await transaction.start()
            await self._dequeue(Queries.from_asyncpg_connection(one), "A", 2, limit)
            other = asyncio.create_task(self._dequeue(Queries.from_asyncpg_connection(two), "B", 2, limit))
            await asyncio.wait({other}, timeout=0.5)
            await transaction.commit()
            await other
        running: int = await self.pool.fetchval("select count(*) from pgqueuer where status = 'picked'")
        return running
