"""absurd: claims in batches. It has no call for queueing many: each is a call of its own, a thousand a transaction."""

from __future__ import annotations

import asyncio
import time

import absurdctl
import psycopg
from absurd_sdk import AsyncAbsurd
from common import Peer, arguments, main

IN_ONE_TRANSACTION = 1_000


class AbsurdPeer(Peer):
    async def install(self) -> None:
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            await connection.execute(absurdctl.BUNDLED_SCHEMA_SQL)
        client = AsyncAbsurd(self.dsn, queue_name="bench")
        await client.create_queue("bench")
        await client.close()

    async def enqueue(self, jobs: int) -> float:
        async with await psycopg.AsyncConnection.connect(self.dsn, autocommit=True) as connection:
            client = AsyncAbsurd(connection, queue_name="bench")
            began = time.perf_counter()
            for start in range(0, jobs, IN_ONE_TRANSACTION):
                async with connection.transaction():
                    for n in range(start, min(jobs, start + IN_ONE_TRANSACTION)):
                        await client.spawn("noop", arguments(n), queue="bench")
            return time.perf_counter() - began

    async def work(self, stop: asyncio.Event) -> None:
        client = AsyncAbsurd(self.dsn, queue_name="bench")

        @client.register_task("noop")
        async def noop(_params: object, _ctx: object) -> None:
            self.effects.happen()

        batch = self.options.get("batch", 100)
        running = asyncio.create_task(client.start_worker(concurrency=batch, batch_size=batch, poll_interval=0.05))
        await stop.wait()
        client.stop_worker()
        await asyncio.wait({running}, timeout=10)
        running.cancel()
        await client.close()


if __name__ == "__main__":
    main(AbsurdPeer)
