"""awa, with real workers. A third one that runs nothing is started first: it does the rescues while A is stopped."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from awa import AsyncClient

from tests.conformance.engines.awa_worker import Work
from tests.conformance.engines.process import ProcessEngine, Worker
from tests.conformance.suite import Seen


class Awa(ProcessEngine):
    """The second attempt at the job is B's."""

    name = "awa"
    program = "awa_worker"

    async def open(self, dsn: str) -> str:
        self.dsn = dsn.replace("@/", "@localhost/")  # it wants a host; the socket's folder still wins
        self.client: Any = AsyncClient(self.dsn)
        await self.client.migrate()
        await self.client.install_queue_storage()
        rescuer = await self.start("rescuer", queue="other")
        await rescuer.hears("ready")
        return version("awa-pg")

    async def add(self) -> None:
        self.job = (await self.client.insert(Work(1), queue="q")).id

    async def claim(self, worker: str) -> Worker:
        started = await self.start(worker, queue="q")
        await started.hears("began")
        return started

    async def look(self) -> Seen:
        job = await self.client.get_job(self.job)
        state = str(job.state).rpartition(".")[2].lower()
        if state == "running":
            return Seen("running", "A" if job.attempt == 1 else "B")
        if state == "completed":
            return Seen("succeeded")
        return Seen("waiting" if state in ("available", "retryable", "scheduled") else "failed")
