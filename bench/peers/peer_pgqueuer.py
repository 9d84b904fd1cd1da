"""PgQueuer: asyncpg, uvloop, a pool, large batches; enqueue of lists with unique keys."""

from __future__ import annotations

import asyncio
import json
import time

import asyncpg
from common import AT_ONCE, Peer, arguments, main
from pgqueuer import PgQueuer
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence.queries import Queries


class PgQueuerPeer(Peer):
    async def install(self) -> None:
        async with asyncpg.create_pool(self.dsn, min_size=1, max_size=2) as pool:
            await Queries(AsyncpgPoolDriver(pool)).install()

    async def enqueue(self, jobs: int) -> float:
        async with asyncpg.create_pool(self.dsn, min_size=1, max_size=2) as pool:
            queries = Queries(AsyncpgPoolDriver(pool))
            name = f"k{time.time_ns()}"
            began = time.perf_counter()
            for start in range(0, jobs, AT_ONCE):
                part = range(start, min(jobs, start + AT_ONCE))
                await queries.enqueue(
                    ["noop"] * len(part),
                    [json.dumps(arguments(n)).encode() for n in part],
                    [0] * len(part),
                    dedupe_key=[f"{name}-{n}" for n in part],
                )
            return time.perf_counter() - began

    async def work(self, stop: asyncio.Event) -> None:
        async with asyncpg.create_pool(self.dsn, min_size=4, max_size=8) as pool:
            queuer = PgQueuer(AsyncpgPoolDriver(pool))

            @queuer.entrypoint("noop")
            async def noop(job: object) -> None:
                json.loads(job.payload)  # type: ignore[attr-defined]
                self.effects.happen()

            running = asyncio.create_task(queuer.run(batch_size=self.options.get("batch", 500)))
            await stop.wait()
            queuer.shutdown.set()
            await asyncio.wait({running}, timeout=10)
            running.cancel()


if __name__ == "__main__":
    main(PgQueuerPeer)
