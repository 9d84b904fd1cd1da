"""`openbell bench picks`: a week of many people is queued, and their editions are read at a steady rate by sessions.

Reads are sent when they are due, whether or not those before have been answered, so that a slow moment is counted for
every reader whom it meets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date

from openbell.bench.figures import Figures, percentile
from openbell.bench.lab import SQL, open_lab
from openbell.bench.read import answer_of
from openbell.bench.targets import PICKS
from openbell.bench.webs import running_web
from openbell.engine.registry import Registry
from openbell.people.doors import open_session
from openbell.products.picks.queueing import plan_batches
from openbell.products.picks.reading import static_edition
from openbell.products.picks.store import attest, current_week
from openbell.products.picks.tasks import (
    WATCH,
    WEEKLY,
    picks_batch,
    picks_edition,
    picks_figures,
    picks_watch,
    picks_week,
)

SESSIONS = 100
MEMBERS = 100
WARM_UP = 50
COLD_S = 5.0
"""How long a process that has answered nobody yet is read from: every reader's first edition among them."""
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Size:
    """People with an edition, reads a second, and for how many seconds."""

    users: int = 10_000
    per_s: int = 200
    seconds: float = 20.0


async def run(size: Size, say: Callable[[str], None]) -> Figures:
    """Queue, fill, read."""
    figures = Figures(PICKS)
    async with open_lab() as lab:
        tasks = (picks_edition, picks_batch, picks_figures, picks_week, picks_watch)
        await Registry(tasks, (WEEKLY, WATCH)).seed(lab.pool)
        await attest(lab.pool, "Bench Operator", given=True, actor="bench")
        await lab.raw.execute(SQL.get("add_readers"), size.users)
        week: date = await current_week(lab.pool)
        say(f"queueing {size.users:,} people")
        begun = time.perf_counter()
        taken = await plan_batches(lab.pool, picks_batch, week, size=MEMBERS, together=True)
        figures.add("enqueue_s", time.perf_counter() - begun)
        figures.add("enqueued", taken)
        await lab.pool.execute(SQL.get("fill_editions"), static_edition().stored.model_dump(mode="json"))
        for statement in ("vacuum_all", "begin_checkpoint"):  # what a server has done long before people read
            await lab.raw.execute(SQL.get(statement), timeout=120)
        people = await lab.raw.fetch(SQL.get("list_readers"), SESSIONS)
        cookies = [f"openbell={await open_session(lab.pool, row['id'])}" for row in people]
        say(f"reading {size.per_s} times a second")
        settings = {"DATABASE_URL": lab.dsn, "ENABLE_WEEKLY_PICKS_GENERATION": "true"}
        async with running_web(settings=settings) as web:
            cold = await _read("127.0.0.1", web.port, cookies, replace(size, seconds=COLD_S), warm_up=0)
        async with running_web(settings=settings) as web:
            before = web.processor_s()
            took = await _read("127.0.0.1", web.port, cookies, size, warm_up=WARM_UP)
            used = web.processor_s() - before
    figures.add("read_cpu_ms", 1_000 * used / (len(took) + WARM_UP))
    figures.add("read_p50_ms", percentile(took, 50))
    figures.add("read_p99_ms", percentile(took, 99))
    figures.add("cold_p99_ms", percentile(cold, 99))
    figures.add("reads", len(took))
    return figures


async def _read(host: str, port: int, cookies: list[str], size: Size, *, warm_up: int) -> list[float]:
    """Milliseconds from when each read was due to its answer. A connection that is free is used again."""
    took: list[float] = []
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    requests = [
        f"GET /api/weekly-picks HTTP/1.1\r\nHost: {host}:{port}\r\nAccept-Encoding: gzip\r\nCookie: {cookie}\r\n\r\n"
        for cookie in cookies
    ]

    async def one(n: int, due: float) -> None:
        with suppress(OSError, TimeoutError, EOFError):
            async with asyncio.timeout(PATIENCE_S):
                ends = free.pop() if free else await asyncio.open_connection(host, port)
                ends[1].write(requests[n % len(requests)].encode())
                status, _ = await answer_of(ends[0])
                if status == 200:
                    took.append((time.perf_counter() - due) * 1_000)
                    free.append(ends)
                    return
        took.append(PATIENCE_S * 1_000)  # a read that fails is the slowest of all

    for n in range(warm_up):
        await one(n, time.perf_counter())
    took.clear()
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for n in range(int(size.per_s * size.seconds)):
            due = start + n / size.per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(n, due))
    for _, writer in free:
        writer.close()
    return took
