"""Demand and the sweep: who gets a job, who does not."""

from __future__ import annotations

import asyncio
import random
import sys

import asyncpg
import pytest

from openbell.engine.demand import Interest, Wish, want, want_all
from openbell.engine.keys import Key
from openbell.engine.registry import Registry, seconds, set_product, task
from openbell.engine.sweep import sweep
from openbell.postgres.pool import connect
from tests.engine.hand import Hand, declare, job, queue
from tests.support import Clock, eventually


@task("count", version=1, timeout=seconds(5), retry=seconds(30))
async def count(key: Key, ctx: object) -> None:
    """A task."""


async def jobs(pool: asyncpg.Pool) -> int:
    return int(await pool.fetchval("select count(*) from openbell.job"))


async def test_many_demands_leave_one_job(pool: asyncpg.Pool, another_pool: asyncpg.Pool) -> None:
    """PF-2: fifty concurrent demands for one key from two processes leave one live job."""
    await Hand.hire(pool, declare())
    wishes = [want((pool, another_pool)[n % 2], [("number", "a")], source=f"viewer {n}", seconds=30) for n in range(50)]
    queued = await asyncio.gather(*wishes)
    assert await jobs(pool) == 1
    assert sum(one.created for answer in queued for one in answer) == 1


async def test_wishes_of_many_are_one_statement(pool: asyncpg.Pool, another_pool: asyncpg.Pool) -> None:
    """PF-2: each source has its lease and is told of its own keys; a job that would not change is not waited for."""
    await Hand.hire(pool, declare())
    wishes = [
        Wish([("number", "a"), ("number", "b")], "one", 30),
        Wish([("number", "b"), ("number", "b")], "two", 60),
        Wish([("number", "b")], "two", 10),
        Wish([], "three", 30),
    ]
    found = await want_all(pool, wishes)
    assert [[job.key for job in one] for one in found] == [["a", "b"], ["b"], ["b"], []]
    leases = await pool.fetch(
        "select source, key, extract(epoch from expires_at - openbell.now())::int as s "
        "from openbell.demand order by 1, 2"
    )
    assert [(row["source"], row["key"]) for row in leases] == [("one", "a"), ("one", "b"), ("two", "b")]
    assert 10 < leases[-1]["s"] <= 60  # the longest of its own wishes, however slow this machine is
    async with another_pool.acquire() as other, other.transaction():
        await other.execute("select 1 from openbell.job for update")  # as by who is about to end them
        async with asyncio.timeout(30):
            assert await want_all(pool, wishes[:1]) == [[]]


PROCESS = """
import asyncio, sys
from openbell.engine.demand import Interest, want
from openbell.postgres.pool import open_pool

async def main():
    pool = await open_pool(sys.argv[1], name="viewer")
    keys = [("number", f"k{n}") for n in range(20)]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.gather(*(want(pool, keys, source=f"{sys.argv[2]} {n}", seconds=30) for n in range(10)))
    pool.terminate()

asyncio.run(main())
"""


async def test_many_processes_leave_one_job_a_key(pool: asyncpg.Pool, dsn: str) -> None:
    """PF-2: three real processes that want the same twenty keys ten times each leave one live job a key."""
    await Hand.hire(pool, declare())
    pipe = asyncio.subprocess.PIPE
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", PROCESS, dsn, str(n), stdin=pipe, stdout=pipe)
        for n in range(3)
    ]
    for process in started:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"ready\n"
    answers = await asyncio.gather(*(process.communicate(b"go\n") for process in started))
    assert [process.returncode for process in started] == [0, 0, 0], answers
    assert await jobs(pool) == 20
    assert await pool.fetchval("select count(*) from openbell.demand") == 600


async def test_the_index_refuses_a_second_job(pool: asyncpg.Pool) -> None:
    """PF-2: one live job a key is a unique index, not a check."""
    await Hand.hire(pool, declare())
    await queue(pool, "a")
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(
            "insert into openbell.job (product, key, job_class, max_attempts) values ('number', 'a', 0, 1)"
        )


async def test_a_second_demand_lifts_and_never_lowers(pool: asyncpg.Pool) -> None:
    """PF-17, MD-13: more viewers and a more urgent class raise a waiting job; fewer or less urgent ones leave it."""
    await Hand.hire(pool, declare())
    (first,) = await queue(pool, "a", source="batch", job_class="background", weight=2)
    assert [job.created for job in await want(pool, [("number", "a")], source="viewer", seconds=30, weight=5)] == [
        False
    ]
    lifted = await job(pool, "a")
    assert lifted is not None
    assert (lifted["id"], lifted["job_class"], lifted["number"]) == (first, 0, 7)
    await pool.execute("delete from openbell.demand where source = 'viewer'")
    assert await queue(pool, "a", source="batch", job_class="background", weight=1) == []
    after = await job(pool, "a")
    assert after is not None
    assert (after["job_class"], after["number"]) == (0, 7)


async def test_routine_stops_at_a_full_queue(pool: asyncpg.Pool) -> None:
    """PF-18: lists, schedules and prefetching add no job to a full queue, the longest due comes first when there is
    room again, and what a viewer waits for is queued all the same.
    """
    await Hand.hire(pool, declare(ttl=seconds(60)))
    await pool.execute(
        """insert into openbell.artifact (product, key, state, version, checked_at, fresh_until, stale_until)
           select 'number', 'k' || n, 'empty', 0, t - interval '1 hour', t - n * interval '1 minute', t
           from openbell.now() t, generate_series(1, 4) n"""
    )
    await pool.execute(
        """insert into openbell.demand (source, product, key, weight, job_class, expires_at)
           select source, 'number', 'k' || n, 1, 10, openbell.now() + interval '1 hour'
           from (values (1, 'poll'), (2, 'schedule:nightly'), (3, 'prefetch'), (4, 'poll')) d (n, source)"""
    )
    assert sorted(one.key for one in await sweep(pool, deepest=2)) == ["k3", "k4"]
    assert await sweep(pool, deepest=2) == []
    (seen,) = await want(pool, [("number", "k1")], source="viewer", seconds=30)
    assert seen.created
    assert [one.key for one in await sweep(pool, deepest=4)] == ["k2"]


async def test_background_gets_fewer_attempts(pool: asyncpg.Pool) -> None:
    """MD-23: a job that somebody waits for has five attempts, one in the background three, until somebody waits."""
    await Hand.hire(pool, declare())
    await queue(pool, "a", source="later", job_class="background")
    await queue(pool, "b", source="viewer")
    of = "select max_attempts from openbell.job where key = $1"
    assert (await pool.fetchval(of, "a"), await pool.fetchval(of, "b")) == (3, 5)
    await queue(pool, "a", source="viewer")
    assert await pool.fetchval(of, "a") == 5


async def test_the_number_has_a_cap(pool: asyncpg.Pool) -> None:
    """DC-5: viewers raise the number inside the class up to 100."""
    await Hand.hire(pool, declare())
    await queue(pool, "a", source="one", weight=2_000_000_000)
    await queue(pool, "a", source="two", weight=2_000_000_000)
    lifted = await job(pool, "a")
    assert lifted is not None
    assert lifted["number"] == 100


async def test_a_running_job_serves_a_second_demand(pool: asyncpg.Pool) -> None:
    """MD-13: one refresh serves all viewers; a demand for what runs already adds nothing."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a")
    await hand.claim()
    assert await queue(pool, "a", source="late", weight=50) == []
    assert await jobs(pool) == 1


async def test_what_is_fresh_is_not_queued(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-3, MD-14: demand for a fresh key costs nothing; shortly before the end of its time it is queued."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a")
    await hand.publish((await hand.claim())[0], {"n": 1})
    assert await queue(pool, "a") == []
    await clock.advance(seconds=56)
    assert await sweep(pool) == []
    await clock.advance(seconds=5)
    assert [one.key for one in await sweep(pool)] == ["a"]


async def test_a_failed_key_is_left_alone_for_its_time(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-8: a key that failed for good is not queued again before its time, however many want it."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a")
    await hand.end((await hand.claim())[0], "permanent")
    for n in range(5):
        assert await queue(pool, "a", source=f"viewer {n}") == []
    await clock.advance(seconds=29)
    assert await sweep(pool) == []
    await clock.advance(seconds=2)
    assert len(await sweep(pool)) == 1


async def test_expired_demand_is_no_demand(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-10: interest is a lease; when it has run out, nothing is refreshed for it."""
    hand = await Hand.hire(pool, declare())
    await want(pool, [("number", "a")], source="viewer", seconds=30)
    await hand.publish((await hand.claim())[0], {"n": 1})
    await clock.advance(minutes=2)
    assert await sweep(pool) == []


async def test_a_lease_never_moves_back(pool: asyncpg.Pool) -> None:
    """MD-10: a shorter wish of the same source does not shorten its longer one."""
    await Hand.hire(pool, declare())
    await want(pool, [("number", "a")], source="viewer", seconds=300)
    await want(pool, [("number", "a")], source="viewer", seconds=1)
    left = await pool.fetchval("select expires_at - openbell.now() from openbell.demand")
    assert left.total_seconds() > 290


async def test_nothing_unwatched_is_queued(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-14: only demand queues; stored results, switched-off products and unknown names do not."""
    hand = await Hand.hire(pool, declare(), declare("other"))
    await queue(pool, "a")
    await hand.publish((await hand.claim())[0], {"n": 1})
    await pool.execute("delete from openbell.demand")
    await clock.advance(days=1)
    assert await sweep(pool) == []
    await set_product(pool, "other", {"enabled": False}, actor="ann")
    assert await want(pool, [("other", "a"), ("nonsense", "a")], source="viewer", seconds=30) == []


async def test_one_key_is_swept_as_all_are(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-9, MD-11: the sweep of one key queues exactly what the sweep of everything would queue for it."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, "fresh", "failed", "stale")
    for claim in await hand.claim(3):
        await (hand.end(claim, "permanent") if claim.key == "failed" else hand.publish(claim, {"n": 1}))
    await pool.execute("update openbell.artifact set fresh_until = openbell.now() where key = 'stale'")
    await pool.execute(
        "insert into openbell.demand select 'test', 'number', k, 1, 0, openbell.now() + interval '1 minute' "
        "from unnest(array['new', 'newer']) k"
    )
    alone = {key for key in ("fresh", "failed", "stale", "new") for one in await sweep(pool, [("number", key)])}
    assert alone == {"stale", "new"}
    await pool.execute("delete from openbell.job")
    assert {one.key for one in await sweep(pool)} == {"stale", "new", "newer"}


async def test_concurrent_sweeps_never_meet_in_a_deadlock(pool: asyncpg.Pool, another_pool: asyncpg.Pool) -> None:
    """MD-12: sweeps of the same keys by many processes at once, with other numbers each, all succeed."""
    await Hand.hire(pool, declare())
    keys = [("number", f"k{n:03}") for n in range(120)]
    luck = random.Random(7)
    for _ in range(6):
        await pool.execute("delete from openbell.job")
        await pool.execute("delete from openbell.demand")
        wishes = []
        for n in range(12):
            chosen = luck.sample(keys, 80)
            weight = luck.randint(1, 9)
            wishes.append(want((pool, another_pool)[n % 2], chosen, source=f"v{n}", seconds=30, weight=weight))
        await asyncio.gather(*wishes)
        assert len({(await job(pool, key))["id"] for _, key in keys if await job(pool, key)}) == await jobs(pool)  # type: ignore[index]


async def test_a_task_is_not_demanded(pool: asyncpg.Pool) -> None:
    """PF-14, MD-14: a lease on a task is not written, and one that is there queues nothing."""
    await Hand.hire(pool, declare(), count)
    await want(pool, [(count.name, "a"), ("number", "a")], source="viewer", seconds=30)
    assert await pool.fetchval("select array_agg(product) from openbell.demand") == ["number"]
    await pool.execute(
        "insert into openbell.demand values ('old', $1, 'a', 1, 0, openbell.now() + interval '1 hour')", count.name
    )
    await sweep(pool)
    assert await pool.fetchval("select array_agg(product) from openbell.job") == ["number"]


async def test_ten_thousand_viewers_cost_one_statement_a_beat(dsn: str, pool: asyncpg.Pool) -> None:
    """MD-13, issue 5: the interest of 10,000 viewers is one statement a process and ten seconds, for all keys."""
    await Registry([declare()]).seed(pool)
    said = list[str]()
    conn = await connect(dsn, name="test")
    try:
        conn.add_query_logger(lambda record: said.append(record.query))
        interest = Interest(conn, "web 1")
        keys = [("number", f"k{n}") for n in range(500)]
        await interest.add(keys)
        await conn.fetchval("select 0")
        await eventually(lambda: said[-1:] == ["select 0"])  # the logger is called a little later
        said.clear()
        for n in range(10_000):
            await interest.add([keys[(5 * n + i) % 500] for i in range(5)])
        for beats in (1, 2):
            assert await interest.beat() == 10.0
            mark = f"select {beats}"
            await conn.fetchval(mark)
            await eventually(lambda mark=mark: said[-1:] == [mark])
            assert len(said) == 2 * beats, "a viewer of what is watched already asks the database nothing"
        assert await pool.fetchval("select count(*) from openbell.demand") == 500
        assert await pool.fetchval("select min(weight) from openbell.demand") >= 100
    finally:
        await conn.close()
