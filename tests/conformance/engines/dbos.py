"""DBOS, with real executors; recovery is asked for as its recovery endpoint does."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from dbos import DBOSClient

from tests.conformance.engines.process import ProcessEngine, Worker
from tests.conformance.suite import Seen

JOBS = 24


class Dbos(ProcessEngine):
    """A job is a workflow on a queue; its result is the name of the executor that made it."""

    name = "DBOS Transact"
    program = "dbos_worker"

    async def open(self, dsn: str) -> str:
        self.dsn, self.first = dsn, None
        first = await self.start("installer", limit=None)
        await first.hears("ready")
        await first.end()
        self.client = await asyncio.to_thread(DBOSClient, system_database_url=dsn)
        return version("dbos")

    async def add(self) -> None:
        await self._enqueue(1)

    async def _enqueue(self, jobs: int) -> None:
        for _ in range(jobs):
            options = {"queue_name": "q", "workflow_name": "work"}
            handle = await asyncio.to_thread(self.client.enqueue, options)
            self.job = handle.workflow_id

    async def claim(self, worker: str) -> Worker:
        started = await self.start(worker, limit=None)
        if worker == "B":
            await started.hears("ready")
            started.tell("recover A")
        await started.hears("began")
        return started

    async def look(self) -> Seen:
        handle = await asyncio.to_thread(self.client.retrieve_workflow, self.job)
        status = await asyncio.to_thread(handle.get_status)
        match status.status:
            case "PENDING":
                return Seen("running", status.executor_id)
            case "SUCCESS":
                return Seen("succeeded", result=status.output)
            case "ENQUEUED":
                return Seen("waiting")
        return Seen("failed")

    async def overlap(self, limit: int) -> int:
        workers = [await self.start(name, limit=limit, quick=True) for name in ("A", "B")]
        for worker in workers:
            await worker.hears("ready")
        await self._enqueue(JOBS)
        return await self.busiest(workers, JOBS)
