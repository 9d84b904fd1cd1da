"""Schedules: every occurrence once, whatever the clocks and the other schedulers do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from openbell.engine.cron import InvalidCron
from openbell.engine.database import SQL, Db
from openbell.engine.keys import Key
from openbell.engine.registry import Product, Registry, days, hours, minutes, seconds, task
from openbell.engine.schedules import (
    Schedule,
    Scheduler,
    UnknownSchedule,
    list_schedules,
    run_now,
    schedule,
    seed_schedules,
    set_schedule,
)
from openbell.engine.upkeep import Upkeep
from openbell.postgres.pool import open_pool
from tests.engine.hand import Hand, declare, ended, job, queue
from tests.support import Clock, eventually

NOON = datetime(2030, 3, 4, 12, 0, tzinfo=UTC)
AT_NOON = {"due_at": "2030-03-04T12:00:00+00:00"}


async def work(key: Key, ctx: Any) -> None:
    """A task."""


def chore(name: str = "chore", **other: Any) -> Product:
    """A task that does nothing."""
    policy: dict[str, Any] = {"version": 1, "timeout": seconds(10), "retry": seconds(30)}
    return task(name, **(policy | other))(work)


def every(name: str = "nightly", product: Product | None = None, *, key: str = "all", **other: Any) -> Schedule:
    """A schedule for noon, UTC."""
    policy: dict[str, Any] = {"cron": "0 12 * * *", "zone": "UTC", "missed": "late", "max_late": hours(2)}
    return schedule(name, product or chore(), key, **(policy | other))


async def set_up(db: Db, *products: Product, schedules: Sequence[Schedule]) -> None:
    """Products and schedules as a worker enters them when it starts."""
    await Registry(products).seed(db)
    await seed_schedules(db, schedules)


async def set_clock(db: Db, time: datetime) -> None:
    """Everybody's time is ``time`` now."""
    await db.execute("update openbell.clock set shift = $1::timestamptz - clock_timestamp()", time)


async def occurrences(db: Db, name: str = "nightly") -> list[tuple[datetime, str]]:
    """Every occurrence of a schedule with its state, in order."""
    rows = await db.fetch("select due_at, state from openbell.occurrence where schedule = $1 order by due_at", name)
    return [(row["due_at"], row["state"]) for row in rows]


async def look(*schedulers: Scheduler) -> None:
    """One look at the clock by each at the same time, and another until nothing is due."""
    while 0.0 in await asyncio.gather(*(one.beat() for one in schedulers)):
        pass


async def until_noon(pool: asyncpg.Pool, product: Product) -> Scheduler:
    """A scheduler that entered the schedule a minute before noon, and has looked again at noon."""
    await set_clock(pool, NOON - minutes(1))
    await set_up(pool, product, schedules=[every(product=product)])
    scheduler = Scheduler(pool)
    await look(scheduler)
    await set_clock(pool, NOON)
    await look(scheduler)
    return scheduler


@pytest.fixture
async def pools(dsn: str) -> Any:
    """Four processes, as far as the database can tell."""
    made = [await open_pool(dsn, name=f"scheduler {n}", max_size=3) for n in range(4)]
    yield made
    await asyncio.gather(*(asyncio.wait_for(pool.close(), timeout=30) for pool in made))


async def test_an_occurrence_queues_a_task_and_ends_with_it(pool: asyncpg.Pool) -> None:
    """PF-31, PF-32: a schedule queues its task at its time, and reports when it last succeeded."""
    made = chore()
    hand = await Hand.hire(pool, made)
    await set_clock(pool, NOON - minutes(1))
    await set_up(pool, made, schedules=[every(product=made, args={"depth": 2})])
    scheduler = Scheduler(pool)
    await look(scheduler)
    assert await occurrences(pool) == []
    await set_clock(pool, NOON + seconds(1))
    await look(scheduler)
    assert await occurrences(pool) == [(NOON, "queued")]
    (claim,) = await hand.claim()
    assert (claim.product, claim.key, claim.args, claim.job_class) == ("chore", "all", AT_NOON | {"depth": 2}, 10)
    assert await scheduler.beat() <= 15
    await pool.fetch(SQL.get("complete_task"), claim.id, claim.token, [])
    await scheduler.beat()
    assert await occurrences(pool) == [(NOON, "done")]
    (view,) = await list_schedules(pool)
    assert view.last_due_at == NOON
    assert view.last_success_at is not None
    assert view.last_success_at >= NOON
    assert view.next_at == NOON + days(1)
    assert view.last_job == claim.id
    assert not view.overdue


async def test_a_failure_is_no_success(pool: asyncpg.Pool) -> None:
    """PF-31: when the job of an occurrence fails, the schedule says so, and is overdue when its bound has passed."""
    made = chore()
    hand = await Hand.hire(pool, made)
    scheduler = await until_noon(pool, made)
    (claim,) = await hand.claim()
    await hand.end(claim, "permanent")
    await scheduler.beat()
    (view,) = await list_schedules(pool)
    assert (view.last_state, view.last_note, view.last_success_at, view.overdue) == ("failed", "it broke", None, False)
    await set_clock(pool, NOON + hours(2) + seconds(5))
    (view,) = await list_schedules(pool)
    assert view.overdue


async def test_an_artifact_is_demanded_until_it_is_fresh(pool: asyncpg.Pool) -> None:
    """MD-14: a schedule demands its key in class scheduled; once it is fresh, nothing is demanded any more."""
    made = declare()
    hand = await Hand.hire(pool, made)
    scheduler = await until_noon(pool, made)
    row = await pool.fetchrow("select * from openbell.demand")
    assert row is not None
    assert (row["source"], row["key"], row["job_class"]) == ("schedule:nightly", "all", 10)
    await pool.execute("truncate openbell.demand")  # as a crash of the server does
    assert await scheduler.beat() == 2.0
    assert await pool.fetchval("select count(*) from openbell.demand") == 1
    (claim,) = await hand.claim()
    assert claim.wanted
    await hand.publish(claim, {"n": 1})
    await scheduler.beat()
    assert await occurrences(pool) == [(NOON, "done")]
    assert await pool.fetchval("select count(*) from openbell.demand") == 0


async def test_a_fresh_artifact_is_not_bought_again(pool: asyncpg.Pool) -> None:
    """MD-14: scheduled types respect their TTL."""
    made = declare(ttl=hours(2), stale=hours(3))
    hand = await Hand.hire(pool, made)
    await set_clock(pool, NOON - minutes(1))
    await queue(pool, "all")
    (claim,) = await hand.claim()
    await hand.publish(claim, {"n": 1})
    await pool.execute("truncate openbell.demand")
    await set_up(pool, made, schedules=[every(product=made)])
    await look(Scheduler(pool))
    await set_clock(pool, NOON)
    await look(Scheduler(pool))
    await Scheduler(pool).beat()
    assert await occurrences(pool) == [(NOON, "done")]
    assert await job(pool, "all") is None
    assert await pool.fetchval("select count(*) from openbell.demand") == 0


@pytest.mark.parametrize(
    ("zone", "cron", "day", "count"),
    [
        ("America/New_York", "30 1 * * *", (2030, 11, 3), 1),
        ("America/New_York", "30 2 * * *", (2030, 3, 10), 1),
        ("Europe/Berlin", "30 2 * * *", (2030, 10, 27), 1),
        ("Europe/Berlin", "30 2 * * *", (2030, 3, 31), 1),
        ("Australia/Lord_Howe", "45 1 * * *", (2030, 4, 7), 1),
        ("Australia/Lord_Howe", "15 2 * * *", (2030, 10, 6), 1),
        ("America/New_York", "0 * * * *", (2030, 11, 3), 25),
        ("America/New_York", "0 * * * *", (2030, 3, 10), 23),
    ],
)
async def test_days_when_clocks_change(
    pools: list[asyncpg.Pool], zone: str, cron: str, day: tuple[int, int, int], count: int
) -> None:
    """PF-32, PF-33: four schedulers that look every twenty minutes let each occurrence of such a day happen once."""
    made, (first, *_) = chore(), pools
    begin = datetime(*day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    end = (datetime(*day, tzinfo=ZoneInfo(zone)) + timedelta(days=1)).astimezone(UTC)
    await set_clock(first, begin - minutes(1))
    await set_up(first, made, schedules=[every(product=made, cron=cron, zone=zone)])
    schedulers = [Scheduler(one) for one in pools]
    await look(*schedulers)
    time = begin
    while time < end:
        await set_clock(first, time)
        await look(*schedulers)
        time += timedelta(minutes=20)
    happened = await occurrences(first)
    assert len(happened) == count
    assert {state for _, state in happened} == {"queued"}


@pytest.mark.parametrize("missed", ["late", "skip"])
async def test_after_a_standstill(pools: list[asyncpg.Pool], missed: str) -> None:
    """PF-32: what was missed runs late, once, or is skipped, as declared; each missed time is on record."""
    made, (first, *_) = chore(), pools
    await set_clock(first, NOON - minutes(1))
    await set_up(first, made, schedules=[every(product=made, cron="0 * * * *", missed=missed, max_late=hours(6))])
    schedulers = [Scheduler(one) for one in pools]
    await look(*schedulers)
    await set_clock(first, NOON + hours(3.5))
    assert (await list_schedules(first))[0].overdue is False
    await look(*schedulers)
    last = "queued" if missed == "late" else "skipped"
    assert await occurrences(first) == [
        (NOON, "skipped"), (NOON + hours(1), "skipped"), (NOON + hours(2), "skipped"), (NOON + hours(3), last)
    ]  # fmt: skip
    assert await first.fetchval("select count(*) from openbell.job") == (missed == "late")


async def test_schedulers_at_the_same_time(pools: list[asyncpg.Pool]) -> None:
    """PF-33: eight schedulers over forty schedules produce each occurrence and each job once."""
    first, made = pools[0], chore()
    await set_clock(first, NOON - minutes(1))
    names = [f"s-{n}" for n in range(40)]
    await Registry([made]).seed(first)
    await seed_schedules(first, [every(name, made, key=name, cron="* * * * *") for name in names])
    schedulers = [Scheduler(one) for one in pools * 2]
    await look(*schedulers)
    for n in range(5):
        await set_clock(first, NOON + minutes(n))
        await look(*schedulers)
    assert await first.fetchval("select count(*) from openbell.occurrence where state = 'queued'") == 40 * 5
    assert await first.fetchval("select count(distinct job_id) from openbell.occurrence") == 40
    assert await first.fetchval("select count(*) from openbell.job") == 40


async def test_a_scheduler_that_hangs_holds_nobody_up(pools: list[asyncpg.Pool]) -> None:
    """PF-33: while one scheduler's transaction is held open, others take what it has not."""
    first, second, made = pools[0], pools[1], chore()
    await set_clock(first, NOON - minutes(1))
    await Registry([made]).seed(first)
    await seed_schedules(first, [every(name, made, key=name) for name in "ab"])
    await look(Scheduler(first))
    await set_clock(first, NOON)
    async with first.acquire() as held:
        frozen = held.transaction()
        await frozen.start()
        await held.fetch(SQL.get("lock_schedule"), "a")
        assert await Scheduler(second).take_due() == 1
        assert await Scheduler(second).beat() == 1.0
        assert await occurrences(first, "b") == [(NOON, "queued")]
        assert await occurrences(first, "a") == []
        await frozen.rollback()
    await look(Scheduler(second))
    assert await occurrences(first, "a") == [(NOON, "queued")]


async def test_a_scheduler_that_dies_midway_leaves_nothing(pools: list[asyncpg.Pool], monkeypatch: Any) -> None:
    """PF-33: occurrence, job and next time are one transaction: cut anywhere, it happens once later."""
    first, made = pools[0], chore()
    await set_clock(first, NOON - minutes(1))
    await set_up(first, made, schedules=[every(product=made)])
    await look(Scheduler(first))
    await set_clock(first, NOON)
    for statement in ("add_occurrence", "enqueue_jobs", "note_occurrence", "plan_schedule"):
        real = SQL.get

        def cut(name: str, statement: str = statement, real: Callable[[str], str] = real) -> str:
            return "select 1/0" if name == statement else real(name)

        with monkeypatch.context() as patched:
            patched.setattr(SQL, "get", cut)
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
                await Scheduler(first).take_due()
        assert await occurrences(first) == []
        assert await first.fetchval("select count(*) from openbell.job") == 0
    await look(Scheduler(first))
    assert await occurrences(first) == [(NOON, "queued")]


PROCESS = """
import asyncio, sys
from openbell.engine.schedules import Scheduler
from openbell.postgres.pool import open_pool

async def main():
    pool = await open_pool(sys.argv[1], name="scheduler")
    scheduler = Scheduler(pool)
    scheduler.start()
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await scheduler.stop()
    await pool.close()

asyncio.run(main())
"""


async def test_two_real_processes(pool: asyncpg.Pool, dsn: str) -> None:
    """PF-33: two processes whose schedulers sleep until the same second produce each occurrence once."""
    made = chore()
    names = [f"s-{n}" for n in range(30)]
    await Registry([made]).seed(pool)
    await seed_schedules(pool, [every(name, made, key=name, cron="* * * * *") for name in names])
    await set_clock(pool, NOON - seconds(55))
    await look(Scheduler(pool))
    await set_clock(pool, NOON - seconds(2))
    both = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROCESS, dsn, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    try:
        for one in both:
            assert one.stdout is not None
            await asyncio.wait_for(one.stdout.readline(), 30)

        async def all_there() -> bool:
            return bool(await pool.fetchval("select count(distinct schedule) = 30 from openbell.occurrence"))

        await eventually(all_there)
    finally:
        for one in both:
            assert one.stdin is not None
            one.stdin.close()
        codes = await asyncio.gather(*(asyncio.wait_for(one.wait(), 30) for one in both))
    assert codes == [0, 0]
    doubled = await pool.fetchval(
        "select count(*) from (select schedule, date_trunc('minute', queued_at) from openbell.occurrence"
        " where state = 'queued' group by 1, 2 having count(*) > 1) d"
    )
    assert doubled == 0
    assert await pool.fetchval("select count(*) from openbell.job") == 30


async def test_what_an_operator_changed_stays(pool: asyncpg.Pool) -> None:
    """PF-32: a changed row is what happens; a new declaration changes only what nobody has set. Changes are audited."""
    made = chore()
    await set_clock(pool, NOON - minutes(1))
    await set_up(pool, made, schedules=[every(product=made)])
    await look(Scheduler(pool))
    view = await set_schedule(pool, "nightly", {"cron": "30 18 * * *", "missed": "skip"}, actor="ann")
    assert (view.cron, view.next_at, view.changed) == ("30 18 * * *", None, ["cron", "missed"])
    await look(Scheduler(pool))
    await seed_schedules(pool, [every(product=made, cron="0 3 * * *", max_late=hours(1))])
    (view,) = await list_schedules(pool)
    assert (view.cron, view.missed, view.max_late) == ("30 18 * * *", "skip", hours(1))
    await look(Scheduler(pool))
    assert (await list_schedules(pool))[0].next_at == NOON + hours(6.5)
    row = await pool.fetchrow("select actor, action, target from openbell.audit")
    assert row is not None
    assert tuple(row) == ("ann", "schedule.set", "nightly")
    with pytest.raises(InvalidCron):
        await set_schedule(pool, "nightly", {"cron": "never"}, actor="ann")
    with pytest.raises(ValueError, match="cannot be set"):
        await set_schedule(pool, "nightly", {"product": "x"}, actor="ann")
    with pytest.raises(UnknownSchedule):
        await set_schedule(pool, "weekly", {"enabled": False}, actor="ann")


async def test_a_schedule_that_is_switched_off(pool: asyncpg.Pool) -> None:
    """PF-32: what is switched off does not happen, and is not caught up when it is on again."""
    made = chore()
    await set_clock(pool, NOON - minutes(1))
    await set_up(pool, made, schedules=[every(product=made)])
    await look(Scheduler(pool))
    await set_schedule(pool, "nightly", {"enabled": False}, actor="ann")
    await set_clock(pool, NOON + minutes(5))
    await look(Scheduler(pool))
    await set_schedule(pool, "nightly", {"enabled": True}, actor="ann")
    await look(Scheduler(pool))
    assert await occurrences(pool) == []
    assert (await list_schedules(pool))[0].next_at == NOON + days(1)


async def test_a_broken_row_harms_only_itself(pool: asyncpg.Pool) -> None:
    """PF-32: an expression that somebody broke in the table is named; the other schedules go on."""
    made = chore()
    await set_clock(pool, NOON - minutes(1))
    await set_up(pool, made, schedules=[every("broken", made), every("whole", made)])
    await pool.execute("update openbell.schedule set cron = 'never' where name = 'broken'")
    await look(Scheduler(pool))
    await set_clock(pool, NOON)
    await look(Scheduler(pool))
    broken, whole = await list_schedules(pool)
    assert broken.problem is not None
    assert "five fields" in broken.problem
    assert broken.overdue
    assert whole.last_state == "queued"


async def test_run_now(pool: asyncpg.Pool) -> None:
    """PF-32: an operator lets a schedule happen now; its times stay, and who did it is on record."""
    made = chore()
    await set_clock(pool, NOON - minutes(1))
    await set_up(pool, made, schedules=[every(product=made)])
    await look(Scheduler(pool))
    async with pool.acquire() as conn:
        job_id = await run_now(conn, "nightly", actor="ann")
        assert await run_now(conn, "nightly", actor="ann") == job_id  # joins the job that is live
        with pytest.raises(UnknownSchedule):
            await run_now(conn, "weekly", actor="ann")
    queued = await job(pool, "all", "chore")
    assert queued is not None
    assert queued["id"] == job_id
    assert (await list_schedules(pool))[0].next_at == NOON
    assert await pool.fetchval("select count(*) from openbell.audit where action = 'schedule.run'") == 2


async def test_a_worker_keeps_the_times(pool: asyncpg.Pool, employ: Callable[..., Awaitable[Any]]) -> None:
    """PF-32: a worker that runs lets its schedules happen and runs their work, without anything else."""
    made = chore()
    worker = await employ(made)
    await eventually(lambda: pool.fetchval("select count(*) from openbell.worker"))
    await seed_schedules(pool, [every(product=made, cron="* * * * *")])
    await pool.execute("update openbell.schedule set next_at = openbell.now()")
    for duty in worker._duties:
        duty.wake()
    await eventually(lambda: ended(pool, "all", "chore"))
    assert any(isinstance(duty, Upkeep) for duty in worker._duties)


async def test_an_idle_scheduler_rests(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-50: with nothing due a scheduler looks at the clock every 30 seconds, and no later than the next time."""
    assert await Scheduler(pool).beat() == 30.0
    await set_up(pool, chore(), schedules=[every()])
    await set_clock(pool, NOON - seconds(10))
    await look(Scheduler(pool))
    assert 5 < await Scheduler(pool).beat() <= 10
