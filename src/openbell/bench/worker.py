"""The processes of the benchmarks; :mod:`openbell.bench.actors` starts them.

work      an engine worker with the products of :mod:`openbell.bench.tasks`
enqueue   queues one job every so often through the engine, and notes each commit
ceiling   claims, finishes, claims, … with plain SQL and no handler, until nothing is left
listen    the least that picks a job up at once: LISTEN and one claiming statement
post      queues one row every so often for ``listen``
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import asyncpg

from openbell.bench.lab import SQL
from openbell.bench.stage import Options, Orders, Role, main, tell
from openbell.bench.tasks import EFFECTS, LIMITS, PRODUCTS, arguments, tick
from openbell.engine.enqueue import enqueue
from openbell.engine.hints import Hints
from openbell.engine.registry import Registry
from openbell.engine.worker import Worker
from openbell.postgres.pool import open_pool

LOOK_S = 0.002
"""How often a worker's count is looked at: the error of the moment at which a drain has ended."""


async def work(dsn: str, orders: Orders, options: Options) -> dict[str, Any]:
    """An engine worker; says ``done`` and ``at`` whenever its count has changed."""
    pool = await open_pool(dsn, name="bench worker", max_size=10, ordered=True)
    worker = Worker(pool, dsn, Registry(PRODUCTS), limits=LIMITS, slots=options.get("slots", 8))
    running = asyncio.create_task(worker.run(orders.stop))
    listening = asyncio.create_task(worker.hints.listening.wait())
    await asyncio.wait([running, listening], return_when=asyncio.FIRST_COMPLETED)
    tell(ready=True)
    counting = asyncio.create_task(_count(worker, options.get("look_s", LOOK_S)))
    await running
    counting.cancel()
    pool.terminate()
    return {"runs": EFFECTS.runs, "starts": EFFECTS.starts, "counters": dict(worker.runner.counters)}


async def _count(worker: Worker, every_s: float) -> None:
    seen, changed_at, told = 0, 0.0, 0
    while True:
        await asyncio.sleep(every_s)
        done = worker.runner.counters["done"]
        if done != seen:
            seen, changed_at = done, time.time()
        elif seen != told:
            told = seen
            tell(done=told, at=changed_at)


async def enqueue_steadily(dsn: str, orders: Orders, options: Options) -> dict[str, Any]:
    """Queue ``jobs`` jobs, one every ``every_s``; answers when each was committed."""
    pool = await open_pool(dsn, name="bench enqueue", max_size=2)
    hints, commits = Hints(pool, None), {}
    tell(ready=True)
    await orders.go.wait()
    for n in range(options["jobs"]):
        key = f"{options['name']}-{n}"
        await enqueue(pool, tick, [(key, arguments(n))])
        commits[key] = time.time()
        hints.tell("work", tick.name, key)
        await asyncio.sleep(options["every_s"])
    await hints.stop()
    tell(finished=True)
    await orders.stop.wait()
    pool.terminate()
    return {"commits": commits}


async def ceiling(dsn: str, orders: Orders, options: Options) -> dict[str, Any]:
    """Drain the plain table, ``batch`` rows a time."""
    conn = await asyncpg.connect(dsn)
    batch, done = options["batch"], 0
    tell(ready=True)
    await orders.go.wait()
    began = time.time()
    while rows := await conn.fetch(SQL.get("claim_ceiling"), batch):
        await conn.execute(SQL.get("finish_ceiling"), [row["id"] for row in rows])
        done += len(rows)
    ended = time.time()
    tell(done=done, began=began, at=ended)
    await orders.stop.wait()
    await conn.close()
    return {"runs": done}


async def listen(dsn: str, orders: Orders, _options: Options) -> dict[str, Any]:
    """Pick up rows of the plain table as they come."""
    conn, hearing = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    wake = asyncio.Event()
    starts: dict[str, float] = {}
    await hearing.add_listener("bench", lambda *_: wake.set())
    tell(ready=True)
    while not orders.stop.is_set():
        wake.clear()
        while rows := await conn.fetch(SQL.get("claim_ceiling"), 8):
            starts.update((json.loads(row["args"])["key"], time.time()) for row in rows)
            await conn.execute(SQL.get("finish_ceiling"), [row["id"] for row in rows])
        waits = [asyncio.ensure_future(wake.wait()), asyncio.ensure_future(orders.stop.wait())]
        await asyncio.wait(waits, timeout=2.5, return_when=asyncio.FIRST_COMPLETED)
        for one in waits:
            one.cancel()
    await conn.close()
    await hearing.close()
    return {"runs": len(starts), "starts": starts}


async def post(dsn: str, orders: Orders, options: Options) -> dict[str, Any]:
    """Queue rows for :func:`listen`, with the notification in the same statement."""
    conn, commits = await asyncpg.connect(dsn), {}
    tell(ready=True)
    await orders.go.wait()
    for n in range(options["jobs"]):
        key = f"{options['name']}-{n}"
        await conn.execute(SQL.get("add_ceiling"), json.dumps({"key": key, **arguments(n)}))
        commits[key] = time.time()
        await asyncio.sleep(options["every_s"])
    tell(finished=True)
    await orders.stop.wait()
    await conn.close()
    return {"commits": commits}


ROLES: dict[str, Role] = {
    "work": work,
    "enqueue": enqueue_steadily,
    "ceiling": ceiling,
    "listen": listen,
    "post": post,
}

if __name__ == "__main__":
    main(ROLES)
