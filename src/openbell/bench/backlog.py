"""What a claim costs when a million jobs wait and ten million have ended, and when a thousand wait and few have."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from openbell.bench.figures import Figures
from openbell.bench.lab import SQL, Lab, open_database
from openbell.bench.tasks import noop
from openbell.engine.database import SQL as ENGINE
from openbell.engine.registry import CLASSES
from openbell.postgres.migrate import migrate

SHORT = 1_000
LONG = 1_000_000
ENDED = 10_000_000
LOAD_AT_ONCE = 100_000
CLAIM = 8
CYCLES = 60
LEASE = timedelta(days=1)


@dataclass(slots=True)
class Side:
    """One database with so many jobs waiting, and a worker in it."""

    pool: asyncpg.Pool
    raw: asyncpg.Connection
    worker: int
    loads: int = 0

    async def refill(self, jobs: int) -> None:
        """More waiting jobs."""
        while jobs > 0:
            self.loads += 1
            some = min(jobs, LOAD_AT_ONCE)
            await self.raw.execute(SQL.get("load_jobs"), noop.name, str(self.loads), some, timeout=600)
            jobs -= LOAD_AT_ONCE

    async def cycle(self) -> float:
        """Claim a few as a worker does and finish them; milliseconds."""
        began = time.perf_counter()
        rows = await self.pool.fetch(ENGINE.get("claim_jobs"), [noop.name], list(CLASSES.values()), self.worker, CLAIM)
        ours = await self.pool.fetchval(ENGINE.get("finish_tasks"), [row["id"] for row in rows], rows[0]["token"])
        took = time.perf_counter() - began
        assert ours == CLAIM
        return took * 1_000


async def measure(lab: Lab, scale: float, rounds: int, figures: Figures, say: Callable[[str], None]) -> None:
    """The two sides take turns, a cycle each, so that what else the machine does hits both alike."""
    dsn = lab.dsn_of("bench_backlog")
    await lab.raw.execute(SQL.get("create_backlog"))
    await migrate(dsn)
    async with open_database(dsn) as (pool, raw):
        short, long = await _side(lab.pool, lab.raw), await _side(pool, raw)
        await _fill(long, int(LONG * scale), int(ENDED * scale), say)
        await short.refill(SHORT)
        await short.raw.execute(SQL.get("vacuum_all"), timeout=600)
        for n in range(rounds):
            say(f"backlog: round {n + 1} of {rounds}")
            costs: list[tuple[float, float]] = []
            for _ in range(CYCLES):
                costs.append((await short.cycle(), await long.cycle()))
                await short.refill(CLAIM)
            short_ms, long_ms = (statistics.median(side) for side in zip(*costs, strict=True))
            figures.add("backlog_short_ms", short_ms)
            figures.add("backlog_long_ms", long_ms)
            figures.add("backlog_ratio", long_ms / short_ms)


async def _side(pool: asyncpg.Pool, raw: asyncpg.Connection) -> Side:
    return Side(pool, raw, await pool.fetchval(ENGINE.get("register_worker"), "bench backlog", CLAIM, LEASE))


async def _fill(side: Side, waiting: int, ended: int, say: Callable[[str], None]) -> None:
    say(f"backlog: loading {ended:,} ended jobs")
    await side.raw.execute(SQL.get("load_history"), noop.name, ended, timeout=1_800)
    say(f"backlog: loading {waiting:,} waiting jobs")
    await side.refill(waiting)
    await side.raw.execute(SQL.get("vacuum_all"), timeout=1_800)
