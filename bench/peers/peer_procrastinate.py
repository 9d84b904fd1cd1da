"""Procrastinate: 30 jobs side by side on a pool, deleted when they are done; batch defer, without queueing locks."""

from __future__ import annotations

import asyncio
import time

from common import AT_ONCE, Peer, arguments, main
from procrastinate import App, PsycopgConnector


class ProcrastinatePeer(Peer):
    def _app(self) -> App:
        app = App(connector=PsycopgConnector(conninfo=self.dsn, min_size=4, max_size=12))

        @app.task(name="noop")
        async def noop(**_: object) -> None:
            self.effects.happen()

        return app

    async def install(self) -> None:
        async with self._app().open_async() as app:
            await app.schema_manager.apply_schema_async()

    async def enqueue(self, jobs: int) -> float:
        async with self._app().open_async() as app:
            task = app.tasks["noop"]
            began = time.perf_counter()
            for start in range(0, jobs, AT_ONCE):
                await task.batch_defer_async(*(arguments(n) for n in range(start, min(jobs, start + AT_ONCE))))
            return time.perf_counter() - began

    async def work(self, stop: asyncio.Event) -> None:
        async with self._app().open_async() as app:
            worker = asyncio.create_task(
                app.run_worker_async(
                    concurrency=self.options.get("concurrency", 30),
                    delete_jobs="always",
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=5,
                )
            )
            await stop.wait()
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)


if __name__ == "__main__":
    main(ProcrastinatePeer)
