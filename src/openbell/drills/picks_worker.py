"""A worker of the drill of weekly picks, which may be told where to die: ``python -m openbell.drills.picks_worker``.

A point is a place of the way: right before a statement of the database (``sql:NAME``), right before or right after a
call to the provider (``call:POST v1/batches``, ``answer:POST v1/batches``). The process kills itself there as a power
cut would, without a word to anybody.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Collection
from typing import Any

import httpx

from openbell.engine import schedules, sweep
from openbell.engine.registry import Registry
from openbell.engine.worker import Worker
from openbell.postgres.pool import open_pool
from openbell.postgres.queries import Queries
from openbell.products.context import contexts
from openbell.products.picks import tasks
from openbell.products.picks.config import PicksConfig
from openbell.products.sources import Connections, Source
from openbell.providers import wire

BUDGET = 10_000_000_000
TASKS = (tasks.picks_edition, tasks.picks_batch, tasks.picks_figures, tasks.picks_week, tasks.picks_watch)
SCHEDULES = (tasks.WEEKLY, tasks.WATCH)
EFFORT = "low@2026-10-16.0"


def connections_to(sandbox: str, members: int) -> Connections:
    """Whom the worker asks; there is money enough."""
    source = Source(f"{sandbox}/perplexity", key="sandbox", plan="1000", budget=BUDGET)
    config = PicksConfig(enabled=True, budget=BUDGET, effort=EFFORT, hold=500_000, members=members)
    return Connections({"perplexity": source}, picks=config)


def die_at(points: Collection[str]) -> None:
    """Kill this process when the way comes to one of ``points``; the last word on standard output is which."""

    def passed(here: str) -> None:
        if here in points:
            os.write(1, here.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    _watch_statements(passed)
    _watch_calls(passed)


def _watch_statements(passed: Callable[[str], None]) -> None:
    real = Queries.get

    def get(self: Queries, name: str) -> str:
        passed(f"sql:{name}")
        return real(self, name)

    Queries.get = get  # type: ignore[method-assign]


def _watch_calls(passed: Callable[[str], None]) -> None:
    real: Any = wire.exchange

    async def exchange(http: httpx.AsyncClient, call: Any, method: str, path: str, **request: Any) -> Any:
        name = f"{method} {'/'.join(path.split('/')[:2])}"
        passed(f"call:{name}")
        answer = await real(http, call, method, path, **request)
        passed(f"answer:{name}")
        return answer

    wire.exchange = exchange


async def work(dsn: str, sandbox: str, options: dict[str, Any]) -> None:
    """Until the end of standard input; looks often, since a drill moves the clock and tells nobody."""
    sweep.IDLE_BEAT_S = 0.4
    schedules.LOOK_S = 0.5
    pool = await open_pool(dsn, name=options["name"], max_size=6, ordered=True)
    connections = connections_to(sandbox, options["members"])
    stop = asyncio.Event()
    worker = Worker(
        pool,
        dsn,
        Registry(TASKS, SCHEDULES),
        limits=[one for one in connections.limits if one.resource != "calls"],
        context=contexts(connections),
        slots=options["slots"],
        name=options["name"],
    )
    reading = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    reading.add_done_callback(lambda _: stop.set())
    await worker.run(stop)
    await connections.close()
    pool.terminate()


def main() -> None:
    """``DSN SANDBOX OPTIONS``; the options are JSON: name, slots, members, and where to die."""
    dsn, sandbox, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    if options.get("die_at"):
        die_at(options["die_at"])
    asyncio.run(work(dsn, sandbox, options))


if __name__ == "__main__":
    main()
