"""Real worker processes, a real database and a real socket: killed, frozen, drained, cut off."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from openbell.engine import jobs
from openbell.engine.artifacts import Reading, read
from openbell.engine.demand import Interest, want
from openbell.engine.hints import Hints
from openbell.postgres.embedded import EmbeddedServer
from openbell.postgres.migrate import migrate
from openbell.postgres.pool import open_pool
from tests.conftest import QUICK
from tests.engine.hand import ended, queue
from tests.sandbox.harness import Running, Start
from tests.support import Clock, eventually

SCRIPT = Path(__file__).with_name("processes.py")

NEVER_S = 3_600
"""Polls so far apart that only a hint can be the cause."""

Launch = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def launch(tmp_path: Path) -> AsyncIterator[Launch]:
    """Start worker processes; whatever still lives at the end is killed."""
    started: list[asyncio.subprocess.Process] = []

    async def starter(**order: Any) -> asyncio.subprocess.Process:
        with (tmp_path / f"worker-{len(started)}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, str(SCRIPT), json.dumps(order), stdout=asyncio.subprocess.PIPE, stderr=log
            )
        started.append(process)
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 90)
        assert line == b"ready\n", (tmp_path / f"worker-{len(started) - 1}.log").read_text()
        return process

    yield starter
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def quote(pool: asyncpg.Pool, symbol: str = "AAPL") -> Reading:
    return await read(pool, "quote", symbol)


async def stored(pool: asyncpg.Pool, symbol: str = "AAPL", version: int = 1) -> Reading:
    """The quote, once that version is there."""

    async def look() -> Reading | None:
        reading = await quote(pool, symbol)
        return reading if reading.version >= version else None

    found = await eventually(look)
    assert found is not None
    return found


async def spends(pool: asyncpg.Pool) -> list[str]:
    return [row["state"] for row in await pool.fetch("select state::text from openbell.spend order by id")]


async def test_a_killed_worker_in_mid_call(pool: asyncpg.Pool, dsn: str, sandbox: Running, launch: Launch) -> None:
    """PF-6, PF-10: a worker that is killed in mid-call is followed within 30 seconds; its call is known as unknown."""
    await sandbox.fault("hang", path="quote", times=1)
    first = await launch(dsn=dsn, url=sandbox.url)
    (job_id,) = await queue(pool, "AAPL", name="quote")
    await sandbox.billed(1)
    await launch(dsn=dsn, url=sandbox.url)
    first.kill()
    reading = await stored(pool)  # waits for 30 seconds
    assert reading.state == "fresh"
    assert await spends(pool) == ["unknown", "settled"]
    assert (await sandbox.ledger())["totals"]["billed"] == 2
    view = await jobs.get(pool, job_id)
    assert view is not None
    assert (view.state, view.attempt) == ("done", 2)
    assert [event["event"] for event in view.timeline()].count("call") == 2
    held = await pool.fetchval("select held from openbell.account where resource = 'calls'")
    assert held == 2


async def test_a_terminated_worker_drains(pool: asyncpg.Pool, dsn: str, sandbox: Running, launch: Launch) -> None:
    """PF-26: SIGTERM: nothing more is claimed, what runs is handed back without using an attempt, and nobody waits for
    a call that hangs: exit 0 in less than the 20 seconds that it may take.
    """
    await sandbox.fault("hang", path="quote", symbol="AAPL", times=1)
    process = await launch(dsn=dsn, url=sandbox.url, grace_s=0.5)
    (job_id,) = await queue(pool, "AAPL", name="quote")
    await sandbox.billed(1)
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 10) == 0
    view = await jobs.get(pool, job_id)
    assert view is not None
    assert (view.state, view.attempt) == ("waiting", 0)
    assert await spends(pool) == ["settled"]
    assert await pool.fetchval("select count(*) from openbell.worker") == 0
    await launch(dsn=dsn, url=sandbox.url)
    await stored(pool)
    assert [row["attempts"] for row in await ended(pool, "AAPL", "quote")] == [1]


async def test_a_drain_lets_what_is_nearly_done_finish(
    pool: asyncpg.Pool, dsn: str, sandbox: Running, launch: Launch, tmp_path: Path
) -> None:
    """PF-26: what ends within the grace time is published, not thrown away."""
    await sandbox.fault("hang", path="quote")
    process = await launch(dsn=dsn, url=sandbox.url, grace_s=30)
    await queue(pool, "AAPL", name="quote")
    await sandbox.billed(1)
    process.terminate()
    await eventually(lambda: "worker.draining" in (tmp_path / "worker-0.log").read_text())
    await sandbox.release()
    assert await asyncio.wait_for(process.wait(), 30) == 0
    assert (await quote(pool)).version == 1


async def test_a_frozen_worker_writes_nothing_when_it_wakes(
    pool: asyncpg.Pool, dsn: str, sandbox: Running, launch: Launch
) -> None:
    """PF-5: a worker that was stopped in mid-call, lost its lease and woke up again changes nothing."""
    await sandbox.fault("hang", path="quote", times=1)
    frozen = await launch(dsn=dsn, url=sandbox.url)
    await queue(pool, "AAPL", name="quote")
    await sandbox.billed(1)
    os.kill(frozen.pid, signal.SIGSTOP)
    await launch(dsn=dsn, url=sandbox.url)
    await pool.execute(
        "update openbell.worker set expires_at = openbell.now() where id = (select min(id) from openbell.worker)"
    )
    reading = await stored(pool)
    before = await pool.fetch("select * from openbell.job_history order by id")
    states = await spends(pool)
    await sandbox.release()
    os.kill(frozen.pid, signal.SIGCONT)

    async def woken() -> bool:
        return bool(await pool.fetchval("select count(*) from openbell.worker where expires_at > openbell.now()") == 2)

    await eventually(woken)
    frozen.terminate()
    assert await asyncio.wait_for(frozen.wait(), 30) == 0
    after = await quote(pool)
    assert (after.version, after.checked_at) == (reading.version, reading.checked_at)
    assert await pool.fetch("select * from openbell.job_history order by id") == before
    assert await spends(pool) == states == ["unknown", "settled"]


async def test_work_goes_on_when_the_database_is_back(tmp_path_factory: Any, sandbox: Running, launch: Launch) -> None:
    """PF-30, PF-12: the server dies in mid-call and comes back within the lease: the result arrives by itself."""
    server = EmbeddedServer(tmp_path_factory.mktemp("database"), settings=QUICK)
    dsn = await server.start()
    try:
        await migrate(dsn)
        await sandbox.fault("hang", path="quote", times=1)
        process = await launch(dsn=dsn, url=sandbox.url)
        pool = await open_pool(dsn, name="test")
        await queue(pool, "AAPL", name="quote")
        await sandbox.billed(1)
        assert server.pid is not None
        await pool.execute("update openbell.worker set expires_at = expires_at + interval '1 minute'")
        os.kill(server.pid, signal.SIGQUIT)
        await eventually(lambda: server.pid is None)
        await sandbox.release()
        await server.stop()
        assert await server.start() == dsn
        await stored(pool)
        assert process.returncode is None
        assert await spends(pool) == ["settled"]
        assert (await sandbox.ledger())["totals"]["billed"] == 1
        await want(pool, [("quote", "MSFT")], source="test", seconds=60)
        await stored(pool, "MSFT")
        pool.terminate()
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        await server.stop()


def busiest(received: list[float], span_s: float) -> int:
    """The most calls in any window of that length, wherever it begins."""
    received = sorted(received)
    return max(sum(1 for other in received if at <= other < at + span_s) for at in received)


async def watch_many(pool: asyncpg.Pool, dsn: str, url: str, launch: Launch, *, granted: int, span_s: float) -> None:
    """Two hundred watched symbols, three processes."""
    await asyncio.gather(*(launch(dsn=dsn, url=url, granted=granted, span_s=span_s, slots=8) for _ in range(3)))
    await queue(pool, *(f"S{n}" for n in range(200)), name="quote")


async def test_the_limit_holds_over_processes(pool: asyncpg.Pool, dsn: str, sandbox: Running, launch: Launch) -> None:
    """MD-18: three processes on one limit never exceed it in any sliding window, and use it."""

    async def three_windows() -> list[float] | None:
        received = [entry["received_at"] for entry in (await sandbox.ledger())["entries"]]
        return received if len(received) >= 45 else None

    await watch_many(pool, dsn, sandbox.url, launch, granted=15, span_s=3)
    assert busiest(await eventually(three_windows), 3) <= 15
    assert await pool.fetchval("select bool_and(attempt = 0) from openbell.job where state <> 'running'")


AGES = """
    select min(g.frees_at) as first, max(g.frees_at) as last, coalesce(sum(g.amount), 0) = a.granted as full
    from openbell.account a left join openbell.aging g on g.account_id = a.id and g.frees_at > openbell.now()
    where a.resource = 'calls' group by a.granted
"""
"""Between when and when what the last calls have taken is free again, and whether nothing more is free until then."""
LOOKED_SINCE = """
    select (select next_at > $1 from openbell.duty where name = 'sweep')
        and (select count(distinct name) = 3 from openbell.worker where beat_at > $1)
"""


async def test_sixty_a_minute_hold_over_processes(
    pool: asyncpg.Pool, dsn: str, start: Start, launch: Launch, clock: Clock
) -> None:
    """MD-18: 60 calls a minute, 200 symbols watched, three processes: the next leaves when the first has aged.

    The minute has 600 s here, so that no machine is too slow to look within it.
    """
    sandbox = await start(calls_per_minute=100_000)

    async def used_up() -> asyncpg.Record | None:
        ages = await pool.fetchrow(AGES)
        return ages if ages["full"] else None

    async def move_to(moment: datetime) -> None:
        await clock.advance(moment - await clock.now())
        moved = await clock.now()
        await eventually(lambda: pool.fetchval(LOOKED_SINCE, moved))

    await watch_many(pool, dsn, sandbox.url, launch, granted=60, span_s=600)
    for minute in (1, 2):
        ages = await eventually(used_up)
        await move_to(ages["first"] - timedelta(seconds=200))
        assert (await sandbox.ledger())["totals"]["calls"] == 60 * minute
        assert await clock.now() < ages["first"], "this machine was too slow to look before the first call had aged"
        await move_to(ages["last"])


async def test_a_viewer_gets_a_stale_quote_at_once(
    pool: asyncpg.Pool, dsn: str, sandbox: Running, launch: Launch
) -> None:
    """MD-9: a stale quote that somebody looks at is fetched and stored without waiting for any poll."""
    await launch(dsn=dsn, url=sandbox.url, poll_s=NEVER_S)
    await queue(pool, "AAPL", name="quote")
    before = await stored(pool)
    await pool.execute("update openbell.artifact set fresh_until = openbell.now()")
    await queue(pool, "AAPL", name="quote", source="viewer")

    async def checked() -> bool:
        return (await quote(pool)).checked_at != before.checked_at

    await eventually(checked)
    assert (await sandbox.ledger())["totals"]["billed"] == 2


LOOKED = """
    select (select bool_and(next_at > openbell.now() - interval '1 minute') from openbell.duty where name = 'sweep')
        and (select bool_and(beat_at > openbell.now() - interval '1 minute') from openbell.worker)
"""
"""Since the clock was moved, the worker has swept and beaten."""


async def test_ten_viewers_cost_one_call(
    pool: asyncpg.Pool, dsn: str, sandbox: Running, launch: Launch, clock: Clock
) -> None:
    """MD-9, MD-10, MD-13: by the provider's own ledger, ten viewers cost one call, without waiting for any poll, and
    none when they have left.
    """
    await launch(dsn=dsn, url=sandbox.url, poll_s=NEVER_S)
    hints = Hints(pool, None)
    webs = [Interest(pool, f"web {n}", hints) for n in range(2)]
    await asyncio.gather(*(webs[n % 2].add([("quote", "AAPL")]) for n in range(10)))
    await stored(pool)
    assert (await sandbox.ledger())["totals"]["by_symbol"]["AAPL"]["calls"] == 1
    for n in range(10):
        await webs[n % 2].drop([("quote", "AAPL")])
    await clock.advance(minutes=5)
    await eventually(lambda: pool.fetchval(LOOKED))
    assert (await sandbox.ledger())["totals"]["calls"] == 1
    assert (await quote(pool)).state == "stale"
    await hints.stop()
