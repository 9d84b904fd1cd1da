"""Tasks: work that leaves no artifact, one by one, in bundles, in batches, and parked until something is there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine import jobs
from openbell.engine.enqueue import add_batch, enqueue, enqueue_many, get_batch
from openbell.engine.errors import InvalidDeclaration, Permanent, Transient
from openbell.engine.keys import Key
from openbell.engine.registry import Calls, Product, Registry, seconds, task
from tests.engine.conftest import Employ
from tests.engine.hand import declare, ended, job, queue, wake
from tests.support import Clock, eventually

Work = Callable[[Key, Any], Awaitable[None]]


def small(work: Work, name: str = "small", **other: Any) -> Product:
    """A task that runs in bundles of ten."""
    options: dict[str, Any] = {"version": 1, "timeout": seconds(5), "retry": seconds(30), "bundle": 10}

    async def producer(key: Key, ctx: Any) -> None:
        await work(key, ctx)

    return task(name, **(options | other))(producer)


async def nothing(key: Key, ctx: Any) -> None:
    """The smallest task."""


async def outcomes(pool: asyncpg.Pool, name: str = "small") -> Counter[str]:
    """How many jobs have ended how."""
    rows = await pool.fetch(
        "select outcome::text, count(*) as n from openbell.job_history where product = $1 group by 1", name
    )
    return Counter({row["outcome"]: row["n"] for row in rows})


@pytest.mark.parametrize("bundle", [1, 10])
async def test_every_task_runs_once(pool: asyncpg.Pool, employ: Employ, bundle: int) -> None:
    """PF-3: with two workers each task is run once, and stands in history once with its attempt."""
    ran: Counter[str] = Counter()

    async def count(key: Key, ctx: Any) -> None:
        ran[key] += 1
        await asyncio.sleep(0)

    kind = small(count, bundle=bundle)
    await employ(kind)
    await employ(kind)
    assert await enqueue_many(pool, kind, [(f"k{n}", {"n": n}) for n in range(300)]) == 300
    await queue(pool)
    await eventually(lambda: pool.fetchval("select count(*) = 300 from openbell.job_history"))
    assert ran == Counter({f"k{n}": 1 for n in range(300)})
    assert await outcomes(pool) == {"done": 300}
    assert await pool.fetchval("select count(*) from openbell.job") == 0


async def test_arguments_reach_the_task(pool: asyncpg.Pool, employ: Employ) -> None:
    """A task finds the arguments that it was queued with on its claim."""
    seen: dict[str, Any] = {}

    async def look(key: Key, ctx: Any) -> None:
        seen[key] = ctx.claim.args

    kind = small(look)
    await employ(kind)
    await enqueue(pool, kind, [("a", {"to": "x@example.org"}), ("b", None)])
    await queue(pool)
    await eventually(lambda: len(seen) == 2)
    assert seen == {"a": {"to": "x@example.org"}, "b": None}


async def test_one_bad_task_of_a_bundle_hurts_no_other(pool: asyncpg.Pool, employ: Employ, clock: Clock) -> None:
    """PF-8: errors in a bundle end their own job with a reason; the others are done; a later attempt may succeed."""
    tries: Counter[str] = Counter()

    async def work(key: Key, ctx: Any) -> None:
        tries[key] += 1
        if key == "k3":
            raise ValueError("broken for good")
        if key == "k5" and tries[key] == 1:
            raise Transient("not now", retry_after=timedelta(seconds=1))

    kind = small(work, max_attempts=2)
    await employ(kind)
    await enqueue(pool, kind, [(f"k{n}", None) for n in range(10)])
    await queue(pool)
    await eventually(lambda: pool.fetchval("select count(*) = 8 from openbell.job_history"))
    await clock.advance(minutes=1)
    await wake(pool)
    await queue(pool)
    await eventually(lambda: pool.fetchval("select count(*) = 10 from openbell.job_history"))
    assert await outcomes(pool) == {"done": 9, "failed": 1}
    (failure,) = await ended(pool, "k3", "small")
    assert "ValueError" in failure["message"]
    assert tries["k3"] == 2
    assert tries["k5"] == 2


async def test_a_task_of_a_bundle_that_takes_too_long(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-7: the time limit holds for the task, not for the bundle; what stands behind it is run."""

    async def work(key: Key, ctx: Any) -> None:
        if key == "k0":
            await asyncio.Event().wait()

    kind = small(work, timeout=timedelta(seconds=2), max_attempts=1)
    await employ(kind)
    await enqueue(pool, kind, [(f"k{n}", None) for n in range(10)])
    await queue(pool)
    await eventually(lambda: pool.fetchval("select count(*) = 10 from openbell.job_history"))
    (slow,) = await ended(pool, "k0", "small")
    assert (slow["word"], slow["code"]) == ("failed", "deadline")
    assert (await outcomes(pool))["done"] == 9


async def test_a_bundle_that_is_cancelled_in_part(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-50: a task that is cancelled while its bundle runs ends as cancelled; the others are done."""
    begun, go = asyncio.Event(), asyncio.Event()

    async def work(key: Key, ctx: Any) -> None:
        begun.set()
        await go.wait()

    kind = small(work)
    await employ(kind)
    queued = await enqueue(pool, kind, [(f"k{n}", None) for n in range(10)])
    await queue(pool)
    await asyncio.wait_for(begun.wait(), 30)
    assert await jobs.cancel(pool, queued[4].id, actor="test") == "cancelling"
    go.set()
    await eventually(lambda: pool.fetchval("select count(*) = 10 from openbell.job_history"))
    assert await outcomes(pool) == {"done": 9, "cancelled": 1}


async def test_a_draining_worker_hands_its_bundle_back(dsn: str, pool: asyncpg.Pool) -> None:
    """PF-26: SIGTERM in the middle of a bundle: what was not begun goes back without using its attempt."""
    from openbell.engine.worker import Worker

    begun, go = asyncio.Event(), asyncio.Event()

    async def work(key: Key, ctx: Any) -> None:
        begun.set()
        await go.wait()

    kind, stop = small(work), asyncio.Event()
    worker = Worker(pool, dsn, Registry([kind]), grace_s=1)
    running = asyncio.create_task(worker.run(stop))
    await asyncio.wait_for(worker.hints.listening.wait(), 30)
    await enqueue(pool, kind, [(f"k{n}", None) for n in range(10)])
    await queue(pool)
    await asyncio.wait_for(begun.wait(), 30)
    stop.set()
    await eventually(lambda: worker.draining)
    go.set()
    await asyncio.wait_for(running, 30)
    rows = await pool.fetch("select state::text, attempt from openbell.job")
    assert len(rows) == 9
    assert {tuple(row) for row in rows} == {("waiting", 0)}
    assert await outcomes(pool) == {"done": 1}


async def test_the_same_key_is_merged(pool: asyncpg.Pool) -> None:
    """PF-2, PF-17: a key that waits is lifted, never lowered, and is there once; many at a time are merged as well."""
    kind = small(nothing)
    await Registry([kind]).seed(pool)
    (first,) = await enqueue(pool, kind, [("a", 1)], job_class="scheduled", number=5)
    (again,) = await enqueue(pool, kind, [("a", 2)], job_class="background", number=1)
    assert (again.id, again.created) == (first.id, False)
    assert await enqueue_many(pool, kind, [("a", 3), ("b", 3), ("b", 4)], job_class="interactive", number=9) == 1
    row = await job(pool, "a", "small")
    assert row is not None
    assert (row["job_class"], row["number"], row["args"]) == (0, 9, 1)
    assert await pool.fetchval("select count(*) from openbell.job") == 2


async def test_queueing_is_part_of_the_caller_s_transaction(pool: asyncpg.Pool) -> None:
    """A job is queued when, and only when, the caller's transaction commits; a merge in it takes nothing else back."""
    kind = small(nothing)
    await Registry([kind]).seed(pool)
    async with pool.acquire() as conn:
        turn = conn.transaction()
        await turn.start()
        await enqueue(conn, kind, [("a", None)])
        await turn.rollback()
        assert await pool.fetchval("select count(*) from openbell.job") == 0
        async with conn.transaction():
            await enqueue(conn, kind, [("a", None)])
            assert await enqueue_many(conn, kind, [("a", None), ("b", None)]) == 1
    assert await pool.fetchval("select count(*) from openbell.job") == 2


async def test_a_batch_counts_its_own(pool: asyncpg.Pool, employ: Employ) -> None:
    """DG-38: a batch shows how many of its jobs wait, run, are done and failed; jobs of others are not counted."""

    async def work(key: Key, ctx: Any) -> None:
        if key == "bad":
            raise ValueError("no")

    kind = small(work, max_attempts=1)
    await Registry([kind]).seed(pool)
    await enqueue(pool, kind, [("other", None)])
    batch = await add_batch(pool, "morning")
    await enqueue(pool, kind, [("a", None), ("bad", None), ("other", None)], batch=batch)
    await enqueue_many(pool, kind, [(f"k{n}", None) for n in range(5)], batch=batch)
    before = await get_batch(pool, batch)
    assert before is not None
    assert (before.total, before.waiting) == (7, 7)
    await employ(kind)
    await eventually(lambda: pool.fetchval("select count(*) = 8 from openbell.job_history"))
    after = await get_batch(pool, batch)
    assert after is not None
    assert (after.total, after.done, after.failed, after.waiting) == (7, 6, 1, 0)


async def test_a_job_waits_for_what_it_needs(pool: asyncpg.Pool, employ: Employ) -> None:
    """MD-22: a job that needs artifacts is parked until the last of them has been published, and runs then."""
    ran: list[str] = []

    async def work(key: Key, ctx: Any) -> None:
        ran.append(key)

    kind, parent = small(work, bundle=1), declare("parent")
    await employ(kind, parent)
    await enqueue(pool, kind, [("child", None)], needs=[("parent", "x"), ("parent", "y")])
    waiting = await job(pool, "child", "small")
    assert waiting is not None
    assert waiting["state"] == "parked"
    assert "parent x" in waiting["reason"]
    await queue(pool, "x", name="parent")
    await eventually(lambda: ended(pool, "x", "parent"))
    assert ran == []
    await queue(pool, "y", name="parent")
    await eventually(lambda: ran == ["child"])
    assert await pool.fetchval("select count(*) from openbell.need") == 0


async def test_two_needs_that_are_met_at_once_wake_the_job(pool: asyncpg.Pool) -> None:
    """MD-22: of two artifacts that are published at the same moment, the later one sees what the other has met."""
    kind, parent = small(nothing), declare("parent")
    await Registry([kind, parent]).seed(pool)
    await enqueue(pool, kind, [("child", None)], needs=[("parent", "x"), ("parent", "y")])
    async with pool.acquire() as one, pool.acquire() as other:
        first = one.transaction()
        await first.start()
        await one.execute("select openbell.meet_needs('parent', 'x')")
        second = asyncio.create_task(other.execute("select openbell.meet_needs('parent', 'y')"))
        await eventually(lambda: _waits_or_is_done(pool, second))
        await first.commit()
        await second
    woken = await job(pool, "child", "small")
    assert woken is not None
    assert woken["state"] == "waiting"


async def _waits_or_is_done(pool: asyncpg.Pool, work: asyncio.Task[Any]) -> bool:
    waiting = (
        "select exists (select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%meet_needs%')"
    )
    return work.done() or bool(await pool.fetchval(waiting))


async def test_many_are_waited_for_together(pool: asyncpg.Pool, employ: Employ) -> None:
    """MD-22: what several artifacts are needed for is begun twice: once to ask for all of them, once to use them."""
    begun: list[str] = []

    async def work(key: Key, ctx: Any) -> None:
        begun.append(key)
        await ctx.artifacts([("parent", "x"), ("parent", "y"), ("parent", "z")])

    kind, parent = small(work, bundle=1), declare("parent")
    await employ(kind, parent)
    await enqueue(pool, kind, [("child", None)])
    await wake(pool)
    await eventually(lambda: ended(pool, "child", "small"))
    assert begun == ["child", "child"]
    assert await pool.fetchval("select count(*) from openbell.need") == 0


async def test_what_is_there_already_is_not_waited_for(pool: asyncpg.Pool, employ: Employ) -> None:
    """MD-22: a need that was met before the job came, or while it was being queued, is noticed by the sweep."""
    ran: list[str] = []

    async def work(key: Key, ctx: Any) -> None:
        ran.append(key)

    kind, parent = small(work, bundle=1), declare("parent")
    await employ(kind, parent)
    await queue(pool, "x", name="parent")
    await eventually(lambda: ended(pool, "x", "parent"))
    await enqueue(pool, kind, [("child", None)], needs=[("parent", "x")])
    await eventually(lambda: ran == ["child"])


async def test_a_job_cannot_need_itself(pool: asyncpg.Pool) -> None:
    """A job that waits for its own key would wait for ever; it is refused."""
    kind = small(nothing)
    await Registry([kind]).seed(pool)
    with pytest.raises(ValueError, match="small a cannot wait for itself"):
        await enqueue(pool, kind, [("a", None)], needs=[("small", "a")])


@pytest.mark.parametrize(
    "wrong",
    [{"bundle": 0}, {"bundle": 5_001}, {"spends": {"shop": Calls(1)}}, {"job_class": "urgent"}, {"max_attempts": 0}],
)
def test_impossible_tasks_are_refused(wrong: dict[str, Any]) -> None:
    """PF-1: a task whose declaration cannot hold is refused when the process starts."""
    with pytest.raises(InvalidDeclaration):
        small(nothing, **wrong)


async def test_a_sleeping_step_frees_the_worker(pool: asyncpg.Pool, employ: Employ, clock: Clock) -> None:
    """PF-9: a job that waits for a time is parked, holds no slot, uses no attempt, and goes on with its memo."""
    ran: list[str] = []

    async def first() -> str:
        ran.append("first")
        return "made"

    async def work(key: Key, ctx: Any) -> None:
        made = await ctx.step("first", first)
        await ctx.sleep("pause", timedelta(minutes=10))
        ran.append(f"after {made}")

    kind = small(work, bundle=1)
    worker = await employ(kind, slots=1)
    await enqueue(pool, kind, [("a", None)])
    await queue(pool)
    await eventually(lambda: pool.fetchval("select state = 'parked' from openbell.job"))
    assert not worker.running
    row = await job(pool, "a", "small")
    assert row is not None
    assert row["attempt"] == 0
    await clock.advance(minutes=11)
    await wake(pool)
    await queue(pool)
    await eventually(lambda: outcomes_are(pool, {"done": 1}))
    assert ran == ["first", "after made"]


async def test_a_step_that_waits_for_an_artifact(pool: asyncpg.Pool, employ: Employ) -> None:
    """MD-22: a job asks for an artifact in the middle; with one slot that is made meanwhile, then it goes on."""
    seen: list[Any] = []

    async def work(key: Key, ctx: Any) -> None:
        seen.append((await ctx.artifact("parent", "x"))["n"])

    kind, parent = small(work, bundle=1), declare("parent")
    await employ(kind, parent, slots=1)
    await enqueue(pool, kind, [("a", None)])
    await queue(pool)
    await eventually(lambda: outcomes_are(pool, {"done": 1}))
    assert seen == [1.0]
    (row,) = await ended(pool, "a", "small")
    assert row["attempts"] == 1


async def test_what_it_waits_for_has_failed(pool: asyncpg.Pool, employ: Employ) -> None:
    """MD-22: a job does not wait for ever for an artifact that cannot be made; it ends with that reason."""

    async def broken(key: Key, ctx: Any) -> Any:
        raise Permanent("the shop is closed")

    async def work(key: Key, ctx: Any) -> None:
        await ctx.artifact("parent", "x")

    kind, parent = small(work, bundle=1, max_attempts=1), declare("parent", broken)
    await employ(kind, parent)
    await enqueue(pool, kind, [("a", None)])
    await queue(pool)
    await eventually(lambda: outcomes_are(pool, {"failed": 1}))
    (row,) = await ended(pool, "a", "small")
    assert (row["code"], "the shop is closed" in row["message"]) == ("need_failed", True)


async def outcomes_are(pool: asyncpg.Pool, expected: dict[str, int]) -> bool:
    """Whether the small tasks have ended like this."""
    return await outcomes(pool) == expected
