"""Procrastinate, by its own job manager. Recovery is left to the user; here it is as its documentation writes it."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

import psycopg
from procrastinate import App, PsycopgConnector, jobs
from procrastinate.utils import utcnow

from tests.conformance.suite import Engine, NotOffered, Seen


class Procrastinate(Engine):
    """A worker is a row that it registers; a claim is the job as it was fetched, with that worker."""

    name = "Procrastinate"
    how = "its job manager"

    async def open(self, dsn: str) -> str:
        self.dsn = dsn
        self.app = App(connector=PsycopgConnector(conninfo=dsn))
        await self.app.open_async()
        await self.app.schema_manager.apply_schema_async()
        self.manager = self.app.job_manager
        self.workers: dict[str, int] = {}
        return version("procrastinate")

    async def close(self) -> None:
        await self.app.close_async()

    async def _worker(self, name: str) -> int:
        if name not in self.workers:
            self.workers[name] = await self.manager.register_worker()
        return self.workers[name]

    async def add(self) -> None:
        self.job = await self.app.configure_task("work").defer_async()

    async def claim(self, worker: str) -> tuple[str, Any]:
        job = await self.manager.fetch_job(queues=None, worker_id=await self._worker(worker))
        assert job is not None
        return worker, job

    async def lapse(self, claim: tuple[str, Any]) -> None:
        await self._execute(
            "update procrastinate_workers set last_heartbeat = now() - interval '1 hour' where id = %s",
            self.workers[claim[0]],
        )
        if claim[0] == "A":
            for job in await self.manager.get_stalled_jobs():
                await self.manager.retry_job(job, retry_at=utcnow())

    async def succeed(self, claim: tuple[str, Any]) -> None:
        await self.manager.finish_job_by_id_async(claim[1].id, jobs.Status.SUCCEEDED, delete_job=False)

    async def fail(self, claim: tuple[str, Any]) -> None:
        await self.manager.finish_job_by_id_async(claim[1].id, jobs.Status.FAILED, delete_job=False)

    async def beat(self, claim: tuple[str, Any]) -> None:
        await self.manager.update_heartbeat(self.workers[claim[0]])

    async def is_lapsed(self, claim: tuple[str, Any]) -> bool:
        return claim[1].id in [job.id for job in await self.manager.get_stalled_jobs()]

    async def look(self) -> Seen:
        ((status, worker),) = await self._execute(
            "select status::text, worker_id from procrastinate_jobs where id = %s", self.job
        )
        if status == "doing":
            return Seen("running", next(name for name, one in self.workers.items() if one == worker))
        return Seen({"todo": "waiting", "succeeded": "succeeded"}.get(status, "failed"))  # type: ignore[arg-type]

    async def overlap(self, limit: int) -> int:
        if limit > 1:
            raise NotOffered("its lock is a limit of 1")
        for _ in range(4):
            await self.app.configure_task("work", lock="one").defer_async()
        first, second = await self._worker("A"), await self._worker("B")
        fetch = "select id from procrastinate_fetch_job_v2(null, %s)"
        one, two = [await psycopg.AsyncConnection.connect(self.dsn) for _ in range(2)]
        async with one, two:
            await one.execute(fetch, (first,))
            other = asyncio.create_task(two.execute(fetch, (second,)))
            await asyncio.wait({other}, timeout=0.5)
            await one.commit()
            await asyncio.wait({other})
            if other.exception() is None:
                await two.commit()
            else:
                await two.rollback()
        ((running,),) = await self._execute("select count(*) from procrastinate_jobs where status = 'doing'")
        return int(running)

    async def _execute(self, statement: str, *arguments: Any) -> list[Any]:
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            cursor = await connection.execute(statement, arguments)
            return await cursor.fetchall() if cursor.description else []
