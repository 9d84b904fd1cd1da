"""DBOS: workflows on a database-backed queue that is polled often; each is enqueued by a call of its own."""

from __future__ import annotations

import asyncio
import os
import time

from common import Peer, arguments, main
from dbos import DBOS, DBOSClient, DBOSConfig

CALLERS = 8


class DbosPeer(Peer):
    uses_uvloop = False

    def _launch(self) -> None:
        config: DBOSConfig = {
            "name": "bench",
            "system_database_url": self.dsn,
            "run_admin_server": False,
            "log_level": "WARNING",
            "max_executor_threads": 32,
            "executor_id": str(os.getpid()),  # else each takes the other's work for its own
        }
        DBOS(config=config)

        @DBOS.workflow(name="noop")
        async def noop(**_: object) -> None:
            self.effects.happen()

        DBOS.launch()
        DBOS.register_queue("bench", polling_interval_sec=0.05)

    async def install(self) -> None:
        await asyncio.to_thread(self._launch)
        await asyncio.to_thread(DBOS.destroy)

    async def enqueue(self, jobs: int) -> float:
        client = DBOSClient(system_database_url=self.dsn)
        options = {"queue_name": "bench", "workflow_name": "noop"}

        def some(first: int) -> None:
            for n in range(first, jobs, CALLERS):
                client.enqueue(options, **arguments(n))

        began = time.perf_counter()
        await asyncio.gather(*(asyncio.to_thread(some, first) for first in range(CALLERS)))
        return time.perf_counter() - began

    async def work(self, stop: asyncio.Event) -> None:
        await asyncio.to_thread(self._launch)
        await stop.wait()
        await asyncio.to_thread(DBOS.destroy)


if __name__ == "__main__":
    main(DbosPeer)
