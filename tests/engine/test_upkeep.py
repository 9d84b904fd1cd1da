"""Upkeep: ageing, giving up, sampling, history, and the watch over the database; by one process at a time."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine.database import SQL, Db
from openbell.engine.enqueue import add_batch, enqueue
from openbell.engine.keys import Key
from openbell.engine.registry import Product, Registry, days, hours, minutes, seconds, task
from openbell.engine.schedules import Scheduler
from openbell.engine.upkeep import Ager, Expirer, Historian, Sampler, Upkeep, Watch, depth, warnings
from tests.engine.hand import Hand, declare, ended, job, queue, wake
from tests.support import Clock


async def work(key: Key, ctx: Any) -> None:
    """A task."""


def chore(**other: Any) -> Product:
    """A task that does nothing, in class background."""
    policy: dict[str, Any] = {"version": 1, "timeout": seconds(10), "retry": seconds(30)}
    return task("chore", **(policy | other))(work)


async def classes(db: Db) -> dict[str, int]:
    """The class of each live job."""
    return {row["key"]: row["job_class"] for row in await db.fetch("select key, job_class from openbell.job")}


async def set_clock(db: Db, time: datetime) -> None:
    """Everybody's time is ``time`` now."""
    await db.execute("update openbell.clock set shift = $1::timestamptz - clock_timestamp()", time)


async def partitions(db: Db) -> list[str]:
    """The days that have a table of their own, attached or not."""
    return [
        row["relname"].removeprefix("job_history_")
        for row in await db.fetch("select relname from pg_class where relname ~ '^job_history_[0-9]{8}$' order by 1")
    ]


async def day_of(db: Db, offset: int = 0) -> date:
    """The day that it is now in UTC, or one near it."""
    now = await db.fetchval("select openbell.now()")
    return (now.astimezone(UTC) + timedelta(days=offset)).date()


async def test_a_job_moves_up_a_class_at_a_time(pool: asyncpg.Pool, clock: Clock) -> None:
    """DC-4: every 15 minutes of waiting lift a job by one class, up to interactive and no further."""
    made = chore()
    await Registry([made]).seed(pool)
    await enqueue(pool, made, [("a", None)])
    ager, seen = Ager(pool), []
    for _ in range(6):
        await ager.beat()
        await ager.beat()  # a second look changes nothing
        seen.append((await classes(pool))["a"])
        await clock.advance(minutes=15)
    assert seen == [90, 50, 30, 10, 0, 0]


async def test_after_a_long_wait_it_still_moves_one_class_at_a_time(pool: asyncpg.Pool, clock: Clock) -> None:
    """DC-4: what has waited for hours unseen moves up one class a beat, not all at once."""
    made = chore()
    await Registry([made]).seed(pool)
    await enqueue(pool, made, [("a", None)])
    await clock.advance(hours=5)
    seen = []
    for _ in range(5):
        await Ager(pool).beat()
        seen.append((await classes(pool))["a"])
    assert seen == [50, 30, 10, 0, 0]


async def test_ageing_is_bounded_and_takes_the_oldest(pool: asyncpg.Pool, clock: Clock) -> None:
    """DC-4: a beat lifts at most so many jobs, those that have waited longest."""
    made = chore()
    await Registry([made]).seed(pool)
    for key in "abc":
        await enqueue(pool, made, [(key, None)])
        await clock.advance(minutes=1)
    await clock.advance(minutes=20)
    await Ager(pool, most=2).beat()
    assert await classes(pool) == {"a": 50, "b": 50, "c": 90}


async def test_what_does_not_wait_does_not_age(pool: asyncpg.Pool, clock: Clock) -> None:
    """DC-4: running and parked jobs stay in their class, and so does one that another transaction has in hand."""
    made = chore()
    hand = await Hand.hire(pool, made)
    await enqueue(pool, made, [("runs", None)])
    (_,) = await hand.claim()
    later = await clock.now() + timedelta(days=2)
    await enqueue(pool, made, [("parked", None)], not_before=later)
    await enqueue(pool, made, [("held", None), ("free", None)])
    await clock.advance(minutes=20)
    async with pool.acquire() as conn, conn.transaction():
        await conn.fetch("select 1 from openbell.job where key = 'held' for update")
        await asyncio.wait_for(Ager(pool).beat(), 30)
    assert await classes(pool) == {"runs": 90, "parked": 90, "held": 90, "free": 50}


async def test_an_aged_job_is_served_before_newer_ones(pool: asyncpg.Pool, clock: Clock) -> None:
    """DC-4: background work gets its turn although better classes never end."""
    old, new = chore(), declare()
    hand = await Hand.hire(pool, old, new)
    await enqueue(pool, old, [("old", None)])
    await clock.advance(hours=2)
    for _ in range(4):
        await Ager(pool).beat()
    await queue(pool, "new")
    assert [claim.key for claim in await hand.claim()] == ["old"]


async def test_waiting_too_long_ends_a_job(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-7: a job that has waited longer than its patience ends as expired; its key cools down and history says why."""
    made = declare(patience=hours(1))
    await Hand.hire(pool, made)
    (job_id,) = await queue(pool, "a")
    await clock.advance(minutes=59)
    await Expirer(pool).beat()
    assert await job(pool, "a") is not None
    await clock.advance(minutes=2)
    await Expirer(pool).beat()
    assert await job(pool, "a") is None
    (end,) = await ended(pool, "a")
    assert (end["id"], end["word"], end["code"]) == (job_id, "expired", "expired")
    assert "01:00:00" in end["message"]
    assert await queue(pool, "a") == []  # it cools down
    await clock.advance(seconds=31)
    assert len(await queue(pool, "a")) == 1


async def test_running_time_is_not_waiting_time(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-7: what runs is not given up for its age; what was sent back to wait is."""
    made = chore(patience=hours(1))
    hand = await Hand.hire(pool, made)
    await enqueue(pool, made, [("runs", None)])
    (_,) = await hand.claim()
    await enqueue(pool, made, [("waits", None)])
    (claim,) = await hand.claim()
    await hand.end(claim, "wait", delay_s=7200)  # an account is full
    await clock.advance(minutes=61)
    await Expirer(pool).beat()
    assert set(await classes(pool)) == {"runs"}
    (end,) = await ended(pool, "waits", "chore")
    assert end["word"] == "expired"
    assert "it broke" in end["message"]


async def test_a_job_for_later_begins_to_wait_when_its_time_has_come(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-7: a job that was queued for next week is still there next week, and waits as long as any other."""
    made = chore(patience=hours(1))
    await Registry([made]).seed(pool)
    await enqueue(pool, made, [("a", None)], not_before=await clock.now() + timedelta(days=7))
    for step in (hours(2), days(6)):
        await clock.advance(step)
        await Expirer(pool).beat()
        assert await job(pool, "a", "chore") is not None
    await clock.advance(hours=22, minutes=5)
    await wake(pool)
    await Expirer(pool).beat()
    await Ager(pool).beat()
    assert await classes(pool) == {"a": 90}
    await clock.advance(hours=1)
    await Expirer(pool).beat()
    assert await job(pool, "a", "chore") is None


async def test_giving_up_is_bounded_and_waits_for_nobody(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-7: a beat gives up at most so many; a job that somebody is claiming is left to him."""
    made = chore(patience=hours(1))
    await Registry([made]).seed(pool)
    batch = await add_batch(pool, "many")
    await enqueue(pool, made, [(key, None) for key in "abcde"], batch=batch)
    await clock.advance(hours=2)
    await Expirer(pool, most=2).beat()
    assert len(await classes(pool)) == 3
    async with pool.acquire() as conn, conn.transaction():
        await conn.fetch("select 1 from openbell.job where key = 'e' for update")
        await asyncio.wait_for(Expirer(pool).beat(), 30)
    assert set(await classes(pool)) == {"e"}
    assert await pool.fetchval("select failed from openbell.batch where id = $1", batch) == 4


async def test_depth_over_time(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-36: depth is sampled once a minute, by product and class, and can be read over any time."""
    first, second = chore(), declare()
    hand = await Hand.hire(pool, first, second)
    await set_clock(pool, datetime(2030, 3, 4, 12, 0, 5, tzinfo=UTC))
    sampler = Sampler(pool)
    await sampler.beat()
    assert sampler.waiting == 0
    await enqueue(pool, first, [(key, None) for key in "abc"])
    await queue(pool, "q")
    await hand.claim(1, classes=["background"])
    await clock.advance(minutes=1)
    await sampler.beat()
    await sampler.beat()
    assert sampler.waiting == 3
    await clock.advance(minutes=4)
    await sampler.beat()
    points = await depth(pool, hours(1))
    assert [(p.at.minute, p.waiting, p.parked, p.running) for p in points] == [(0, 0, 0, 0), (1, 3, 0, 1), (5, 3, 0, 1)]
    assert points[0].oldest_wait is None
    assert points[2].as_json()["oldest_wait_s"] == pytest.approx(300, abs=5)
    (chores,) = await depth(pool, hours(1), step=minutes(10), product="chore", job_class="background")
    assert (chores.at.minute, chores.waiting, chores.running) == (0, 2, 1)
    assert [p.waiting for p in await depth(pool, minutes(2))] == [3]


async def test_history_has_its_days_ahead(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-37: the partitions of today and the next three days are there; finished jobs lie in them."""
    today = [(await day_of(pool, n)).strftime("%Y%m%d") for n in range(4)]
    assert await partitions(pool) == today  # the migration has made them
    await clock.advance(days=2)
    await Historian(pool).beat()
    await Historian(pool).beat()
    assert len(await partitions(pool)) == 6
    made = chore()
    hand = await Hand.hire(pool, made)
    await enqueue(pool, made, [("a", None)])
    (claim,) = await hand.claim()
    await pool.fetch(SQL.get("complete_task"), claim.id, claim.token, [])
    where = await pool.fetchval("select tableoid::regclass::text from openbell.job_history")
    assert where.endswith(f"job_history_{await day_of(pool):%Y%m%d}")


async def finish_one(pool: asyncpg.Pool, hand: Hand, made: Product, key: str) -> None:
    await enqueue(pool, made, [(key, None)])
    (claim,) = await hand.claim()
    await pool.fetch(SQL.get("complete_task"), claim.id, claim.token, [])


async def test_old_history_goes(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-37: finished jobs are kept for their retention and not much longer; the newer ones stay."""
    made = chore()
    hand = await Hand.hire(pool, made)
    await finish_one(pool, hand, made, "old")
    await clock.advance(days=20)
    await finish_one(pool, hand, made, "stray")  # no partition was made for this day
    await Historian(pool).beat()
    await clock.advance(days=9)
    await Historian(pool).beat()
    assert len(await ended(pool, "old", "chore")) == 1
    await clock.advance(days=3)
    await Historian(pool).beat()
    assert await ended(pool, "old", "chore") == []
    assert len(await ended(pool, "stray", "chore")) == 1
    await clock.advance(days=20)
    while await Historian(pool).beat() < 3600:
        pass
    assert await ended(pool, "stray", "chore") == []
    oldest = (await day_of(pool, -30)).strftime("%Y%m%d")
    assert all(day >= oldest for day in await partitions(pool))


async def test_what_a_crash_left_of_a_day_is_dropped(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-37: a day that was detached before the process died is dropped by whoever comes next."""
    (first, *_) = await partitions(pool)
    await pool.execute(f"alter table openbell.job_history detach partition openbell.job_history_{first}")
    await clock.advance(days=40)
    await Historian(pool).beat()
    assert first not in await partitions(pool)


async def test_an_index_that_cannot_be_made_keeps_no_old_day(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-37: days without an index get it one a beat, without an hour between; while that does not go, old days go."""
    first, second, third, _ = await partitions(pool)
    await pool.execute("create index job_history_odd on only openbell.job_history (product)")
    for day in (first, second):
        assert await pool.fetchval("select openbell.index_history(1 << 30)") == f"job_history_{day}_odd"
    await clock.advance(days=32)
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(f"lock table openbell.job_history_{third} in row exclusive mode")
        assert await Historian(pool).beat() < 3600
        assert (await partitions(pool))[0] == third
    while await Historian(pool).beat() < 3600:
        pass
    without = "select count(*) from pg_index where indrelid = 'openbell.job_history'::regclass and not indisvalid"
    assert await pool.fetchval("select openbell.index_history(1 << 30)") is None
    assert await pool.fetchval(without) == 0


async def test_history_waits_for_no_lock(pool: asyncpg.Pool, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """PF-37: while somebody reads history for long, the historian steps back at once and workers go on finishing."""
    made = chore()
    hand = await Hand.hire(pool, made)
    await clock.advance(days=40)
    async with pool.acquire() as conn, conn.transaction():
        await conn.fetch("select * from openbell.job_history")
        begun = asyncio.get_running_loop().time()
        beat = asyncio.create_task(Historian(pool).beat())
        await finish_one(pool, hand, made, "a")
        assert await beat == 60.0
        assert asyncio.get_running_loop().time() - begun < 10
    await Historian(pool).beat()
    assert len(await ended(pool, "a", "chore")) == 1


async def test_a_day_that_already_has_rows_stays_where_it_is(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-37: rows that came before their partition are neither moved nor in the way of the days to come."""
    made = chore()
    hand = await Hand.hire(pool, made)
    await clock.advance(days=10)
    await finish_one(pool, hand, made, "a")
    await Historian(pool).beat()
    today = (await day_of(pool)).strftime("%Y%m%d")
    assert today not in await partitions(pool)
    assert (await day_of(pool, 1)).strftime("%Y%m%d") in await partitions(pool)
    assert "history_in_default" in {one.code for one in await warnings(pool)}


async def test_what_belongs_to_nothing_any_more_goes(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-37: batches that have ended, samples, and memos of jobs that are gone, are removed in bounded steps."""
    made = chore()
    hand = await Hand.hire(pool, made)
    ready, open_ = await add_batch(pool, "ended"), await add_batch(pool, "open")
    await enqueue(pool, made, [("a", None)], batch=ready)
    (claim,) = await hand.claim()
    await pool.fetch(SQL.get("complete_task"), claim.id, claim.token, [])
    await enqueue(pool, made, [("b", None)], batch=open_)
    live = (await job(pool, "b", "chore"))["id"]  # type: ignore[index]
    await pool.executemany(
        "insert into openbell.step (job_id, name, token, value) values ($1, 'one', 1, '1')", [(live,), (claim.id,)]
    )
    await Sampler(pool).beat()
    await clock.advance(days=31)
    while await Historian(pool).beat() < 3600:
        pass
    assert [row["id"] for row in await pool.fetch("select id from openbell.batch")] == [open_]
    assert [row["job_id"] for row in await pool.fetch("select job_id from openbell.step")] == [live]
    assert await pool.fetchval("select count(*) from openbell.depth") == 0


async def test_an_old_transaction_is_named(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """PF-36: a transaction that holds the horizon back is reported with its session, once, and once when it is over."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("openbell.engine.upkeep.TRANSACTION_S", 0.0)
    watch = Watch(pool)
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read"):
        await conn.fetchval("select 1")
        found = {one.code: one for one in await warnings(pool)}
        assert "openbell test" in found["old_transaction"].message
        assert found["old_transaction"].figure >= 0
        await watch.beat()
        await watch.beat()
    await watch.beat()
    said = [record.getMessage().split()[0] for record in caplog.records if "old_transaction" in record.getMessage()]
    assert said == ["database.old_transaction", "database.old_transaction_over"]


async def test_autovacuum_and_dead_rows_are_watched(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """PF-36: what keeps dead rows in the table is reported, without special rights."""
    assert "old_transaction" not in {one.code for one in await warnings(pool)}
    await pool.execute("alter table openbell.job set (autovacuum_enabled = false)")
    monkeypatch.setattr("openbell.engine.upkeep.TRANSACTION_AGE", 0)
    monkeypatch.setattr("openbell.engine.upkeep.DEAD_ROWS", -1)
    monkeypatch.setattr("openbell.engine.upkeep.DEAD_RATIO", -1)
    await pool.execute("insert into openbell.job (product, key, job_class, max_attempts) values ('x', 'y', 90, 1)")
    found = {one.code for one in await warnings(pool)}
    assert {"autovacuum_off", "transaction_age"} <= found
    role = "openbell_reader"
    async with pool.acquire() as conn:
        try:
            await conn.execute(f"create role {role}")
            await conn.execute(
                f"grant usage on schema openbell to {role}; grant select on all tables in schema openbell to {role}"
            )
            async with conn.transaction():
                await conn.execute(f"set local role {role}")
                assert "autovacuum_off" in {one.code for one in await warnings(conn)}
        finally:
            await conn.execute(f"drop owned by {role}; drop role {role}")


async def test_one_process_takes_each_minute(pool: asyncpg.Pool, another_pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-50: of all processes one does the upkeep of a minute, and the next minute anybody may."""
    both = [Upkeep(pool), Upkeep(another_pool)]
    for _ in range(3):
        await asyncio.gather(*(one.beat() for one in both))
        await clock.advance(seconds=61)
    assert await pool.fetchval("select count(*) from openbell.depth") == 3


async def test_a_duty_that_fails_stops_no_other(
    pool: asyncpg.Pool, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """PF-35: a duty whose statement fails is counted and logged; the others are done."""
    made = chore(patience=minutes(1))
    await Registry([made]).seed(pool)
    await enqueue(pool, made, [("a", None)])
    await clock.advance(minutes=2)
    real = SQL.get
    monkeypatch.setattr(SQL, "get", lambda name: "select 1/0" if name == "raise_jobs" else real(name))
    await Upkeep(pool).beat()
    assert "duty.failed name=ager" in caplog.text
    assert len(await ended(pool, "a", "chore")) == 1


async def test_an_idle_process_asks_little(pool: asyncpg.Pool, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """PF-50: with nothing to do, upkeep and schedules cost a process at most 0.1 queries a second."""
    asked: list[str] = []
    real = SQL.get
    monkeypatch.setattr(SQL, "get", lambda name: (asked.append(name), real(name))[1])
    upkeep, scheduler, spent_s = Upkeep(pool), Scheduler(pool), 0.0
    await upkeep.beat()
    asked.clear()
    for _ in range(10):
        await clock.advance(seconds=60)
        spent_s += await upkeep.beat()
        rest = 60.0
        while rest > 0:
            rest -= await scheduler.beat()
    assert len(asked) / spent_s <= 0.1
