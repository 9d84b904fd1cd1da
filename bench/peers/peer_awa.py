"""awa: COPY into its queue storage; many workers on one queue."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from awa import AsyncClient
from common import AT_ONCE, Peer, arguments, main


@dataclass
class Noop:
    n: int
    symbol: str
    source: str


class AwaPeer(Peer):
    def __init__(self, dsn: str, options: dict[str, Any]) -> None:
        super().__init__(dsn.replace("@/", "@localhost/"), options)  # it wants a host; the socket's folder still wins

    async def install(self) -> None:
        client = AsyncClient(self.dsn)
        await client.migrate()
        await client.install_queue_storage()

    async def enqueue(self, jobs: int) -> float:
        client = AsyncClient(self.dsn)
        began = time.perf_counter()
        for start in range(0, jobs, AT_ONCE):
            part = [Noop(**arguments(n)) for n in range(start, min(jobs, start + AT_ONCE))]
            await client.enqueue_many_copy(part, queue="bench")
        return time.perf_counter() - began

    async def work(self, stop: asyncio.Event) -> None:
        client = AsyncClient(self.dsn)

        @client.task(Noop, queue="bench")
        async def noop(_job: object) -> None:
            self.effects.happen()

        await client.start([("bench", self.options.get("workers", 256))], poll_interval_ms=50)
        await stop.wait()
        await client.shutdown()


if __name__ == "__main__":
    main(AwaPeer)
