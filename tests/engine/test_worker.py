"""The worker: whatever a producer does, its attempt ends in the database and the worker goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from pydantic import BaseModel

from openbell.engine import jobs
from openbell.engine.artifacts import Reading, read
from openbell.engine.demand import Interest, want
from openbell.engine.errors import NothingKnown, NotInPlan, Permanent, ProviderStopped, RateLimited, Transient
from openbell.engine.hints import Hints
from openbell.engine.keys import Key
from openbell.engine.registry import minutes, seconds
from tests.engine.conftest import Employ
from tests.engine.hand import Number, account, declare, ended, per_minute, queue
from tests.support import Clock, eventually

OPEN_BEFORE = """
select not exists (
    select 1 from pg_stat_activity a
    where a.datname = current_database() and a.xact_start <= $1 and a.pid <> pg_backend_pid()
)
"""


class Other(BaseModel):
    n: float


def raising(error: Exception) -> Callable[[Key, Any], Awaitable[Any]]:
    async def make(key: Key, ctx: Any) -> Number:
        raise error

    return make


def giving(value: Any) -> Callable[[Key, Any], Awaitable[Any]]:
    async def make(key: Key, ctx: Any) -> Any:
        return value

    return make


async def until(pool: asyncpg.Pool, holds: Callable[[Reading], object], key: str = "a") -> Reading:
    """The first reading for which it holds."""

    async def look() -> Reading | None:
        reading = await read(pool, "number", key)
        return reading if holds(reading) else None

    found = await eventually(look)
    assert found is not None
    return found


async def works_still(pool: asyncpg.Pool, employ: Employ) -> None:
    """The worker makes another product."""
    await queue(pool, "after", name="good")

    async def there() -> bool:
        return (await read(pool, "good", "after")).version == 1

    await eventually(there, message="the worker makes nothing any more")


async def test_a_value_arrives(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-1: what is wanted is made, stored with its source time, and read back."""
    at = datetime(2026, 8, 7, tzinfo=UTC)
    await employ(declare(make=giving(Number(n=7, at=at))))
    await queue(pool, "a")
    reading = await until(pool, lambda r: r.version)
    assert (reading.state, reading.value["n"], reading.source_time) == ("fresh", 7, at)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (giving(None), "invalid_result"),
        (giving({"n": 1}), "invalid_result"),
        (giving(Other(n=1)), "invalid_result"),
        (giving(Number(n=1, text="x" * 2_000)), "too_large"),
        (giving(Number(n=1, text="a\x00b")), None),
        (giving(Number(n=1, text="\ud800")), None),
        (giving(Number(n=float("nan"))), None),
        (giving(Number(n=float("inf"))), None),
        (giving(Number(n=1, at=datetime(2026, 8, 7))), None),  # noqa: DTZ001 - the fault under test
        (raising(Permanent("no such thing")), "permanent"),
        (raising(NotInPlan("not in the plan")), "not_in_plan"),
        (raising(Permanent("it said a\x00b")), "permanent"),
        (raising(Transient("down", code="outage")), "outage"),
        (raising(ValueError("a bug")), "producer_failed"),
        (raising(RecursionError("deep")), "producer_failed"),
        (raising(AssertionError()), "producer_failed"),
    ],
    ids=lambda value: "-" if callable(value) else str(value),
)
async def test_a_bad_producer_ends_in_a_typed_failure(
    pool: asyncpg.Pool, employ: Employ, make: Any, code: str | None
) -> None:
    """PF-8, PF-13, MD-7: whatever a producer returns or raises, its attempt ends with a code; the worker lives on."""
    bad = declare(make=make, max_bytes=1_000, max_attempts=1)
    await employ(bad, declare("good"))
    await queue(pool, "a")
    reading = await until(pool, lambda r: r.setback or r.version)
    if code is not None or reading.setback is not None:
        assert reading.setback is not None
        assert (reading.version, reading.job) == (0, None)
        assert code in (None, reading.setback.code)
        assert [row["word"] for row in await ended(pool, "a")] == ["failed"]
    await works_still(pool, employ)


async def test_nothing_known_is_stored(pool: asyncpg.Pool, employ: Employ) -> None:
    """MD-6: "the source has nothing" is a result, not retried in a loop."""
    await employ(declare(make=raising(NothingKnown("nothing under a"))))
    await queue(pool, "a")
    reading = await until(pool, lambda r: r.state == "empty")
    assert (reading.job, reading.setback) == (None, None)
    assert [row["word"] for row in await ended(pool, "a")] == ["empty"]


async def test_a_transient_failure_is_tried_again(pool: asyncpg.Pool, employ: Employ, clock: Clock) -> None:
    """PF-8: a transient failure parks the job with its reason, uses an attempt, and succeeds when its time has come."""
    calls: list[int] = []

    async def make(key: Key, ctx: Any) -> Number:
        calls.append(1)
        if len(calls) == 1:
            raise Transient("the shop is closed", retry_after=timedelta(seconds=90))
        return Number(n=2)

    await employ(declare(make=make))
    await queue(pool, "a")
    reading = await until(pool, lambda r: r.job and r.job.state == "parked")
    assert "the shop is closed" in reading.reason
    await clock.advance(seconds=91)
    await until(pool, lambda r: r.version == 1)
    assert [row["attempts"] for row in await ended(pool, "a")] == [2]


async def test_a_producer_that_takes_too_long_is_stopped(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-24: an attempt ends at its time-out, also while a call is open; the call counts."""

    async def make(key: Key, ctx: Any) -> Number:
        async with ctx.spends("shop").call("buy"):
            await asyncio.Event().wait()
        return Number(n=1)

    await employ(declare(make=make, timeout=seconds(2), max_attempts=1))
    await queue(pool, "a")
    reading = await until(pool, lambda r: r.setback)
    assert reading.setback is not None
    assert reading.setback.code == "deadline"
    assert await pool.fetchval("select state::text from openbell.spend") == "settled"


async def test_no_transaction_stays_open_during_a_call(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-25: while a producer waits for a provider, its worker holds no transaction, no snapshot and no lock."""
    called, answered = asyncio.Event(), asyncio.Event()

    async def make(key: Key, ctx: Any) -> Number:
        async with ctx.spends("shop").call("buy"):
            called.set()
            await answered.wait()
        return Number(n=1)

    await employ(declare(make=make))
    await queue(pool, "a")
    await asyncio.wait_for(called.wait(), 30)
    since = await pool.fetchval("select clock_timestamp()")
    # What began before is over at some time, however busy the machine is; what stays open would never be.
    await eventually(lambda: pool.fetchval(OPEN_BEFORE, since))
    answered.set()
    await until(pool, lambda r: r.version == 1)


async def test_a_producer_that_blocks_the_process_harms_itself_only(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-24, PF-4: a producer that blocks its worker's loop is found at its end; the worker goes on."""

    async def make(key: Key, ctx: Any) -> Number:
        time.sleep(1.5)  # noqa: ASYNC251 - the fault under test
        await asyncio.sleep(0)
        return Number(n=1)

    await employ(declare(make=make, timeout=seconds(1), max_attempts=1), declare("good"))
    await queue(pool, "a")
    await until(pool, lambda r: r.setback or r.version)
    await works_still(pool, employ)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RateLimited("slow down", retry_after=timedelta(seconds=60)), "rate_limited"),
        (ProviderStopped("bad key", code="bad_key"), "bad_key"),
    ],
    ids=["limit", "stopped"],
)
async def test_a_pause_holds_for_everybody_and_uses_no_attempt(
    pool: asyncpg.Pool, employ: Employ, clock: Clock, error: Exception, code: str
) -> None:
    """MD-21, MD-19, PF-8: when the provider asks for a pause, nobody calls it until then, and no attempt is used."""
    calls: list[Key] = []

    async def make(key: Key, ctx: Any) -> Number:
        calls.append(key)
        if len(calls) == 1:
            raise error
        return Number(n=1)

    await employ(declare(make=make), slots=1)
    await queue(pool, "a", "b", "c")
    reading = await until(pool, lambda r: r.blockage, key="b")
    assert str(error) in reading.reason
    await works_nothing(pool, calls, 1)
    await clock.advance(minutes=6)
    for key in "abc":
        await until(pool, lambda r: r.version == 1, key=key)
    assert [row["attempts"] for key in "abc" for row in await ended(pool, key)] == [1, 1, 1]


async def works_nothing(pool: asyncpg.Pool, calls: list[Key], most: int) -> None:
    """For a whole poll of the worker, nothing is called."""
    swept = await pool.fetchval("select next_at from openbell.duty where name = 'sweep'")

    async def three_beats_later() -> bool:
        now = await pool.fetchval("select next_at from openbell.duty where name = 'sweep'")
        return bool((now - swept).total_seconds() > 3)

    await eventually(three_beats_later)
    assert len(calls) <= most


async def test_a_pause_without_an_account_is_a_pause_all_the_same(pool: asyncpg.Pool, employ: Employ) -> None:
    """MD-21: a provider without an account of calls is not asked again and again while it asks for a pause."""
    calls: list[Key] = []

    async def make(key: Key, ctx: Any) -> Number:
        calls.append(key)
        raise RateLimited("slow down", retry_after=timedelta(seconds=60))

    await employ(declare(make=make), limits=[])
    await queue(pool, "a")
    await eventually(lambda: calls)
    await works_nothing(pool, calls, 1)


async def test_steps_are_done_once(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-9: a finished step is neither done nor paid again by a later attempt, whatever its result, also None."""
    done: list[str] = []

    async def make(key: Key, ctx: Any) -> Number:
        async def buy(name: str, result: Any) -> Any:
            async with ctx.spends("shop").call(name, effect="never") as call:
                await call.sending()
                done.append(name)
            return result

        first = await ctx.step("first", lambda: buy("first", {"n": 3}))
        assert await ctx.step("nothing", lambda: buy("nothing", None)) is None
        both = await asyncio.gather(*(ctx.step("twice", lambda: buy("twice", 5)) for _ in range(2)))
        assert both == [5, 5]
        if len(done) == 3 and ctx.claim.attempt == 1:
            raise Transient("after the steps", retry_after=timedelta(milliseconds=10))
        return Number(n=first["n"])

    await employ(declare(make=make))
    await queue(pool, "a")
    reading = await until(pool, lambda r: r.version)
    assert (reading.value["n"], done) == (3, ["first", "nothing", "twice"])
    assert await pool.fetchval("select count(*) from openbell.spend where state = 'settled'") == 3
    assert await pool.fetchval("select count(*) from openbell.step") == 0


async def test_progress_is_seen(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-11, DG-3: what a running attempt is doing can be read, apart from its payload."""
    go = asyncio.Event()

    async def make(key: Key, ctx: Any) -> Number:
        await ctx.progress("looking " * 100)
        await go.wait()
        return Number(n=1)

    await employ(declare(make=make))
    await queue(pool, "a")
    reading = await until(pool, lambda r: r.job and r.job.progress)
    assert reading.job is not None
    assert len(reading.job.progress or "") <= 200
    assert "being fetched now (looking" in reading.reason
    go.set()
    await until(pool, lambda r: r.version)


async def test_cancelling_stops_a_running_attempt(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-50: a running attempt hears of its cancellation within a beat, publishes nothing, and its call counts."""
    inside = asyncio.Event()

    async def make(key: Key, ctx: Any) -> Number:
        async with ctx.spends("shop").call("buy"):
            inside.set()
            await asyncio.Event().wait()
        return Number(n=1)

    await employ(declare(make=make, timeout=minutes(5)))
    (job_id,) = await queue(pool, "a")
    await asyncio.wait_for(inside.wait(), 30)
    assert await jobs.cancel(pool, job_id, actor="ann") == "cancelling"
    await eventually(lambda: ended(pool, "a"))
    assert [row["word"] for row in await ended(pool, "a")] == ["cancelled"]
    assert (await read(pool, "number", "a")).version == 0
    assert await pool.fetchval("select state::text from openbell.spend") == "settled"


@pytest.mark.slow
async def test_a_lock_in_the_way_of_publishing_delays_it_only(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-8, PF-12: a result that meets a database conflict is written when it is over, by the same attempt."""
    await employ(declare(make=giving(Number(n=1))))
    await pool.execute("create table gate (x int)")
    await pool.execute(
        "create function wait_gate() returns trigger language plpgsql as "
        "$$ begin perform 1 from gate; return new; end $$;"
        "create trigger wait_gate before insert on openbell.version for each row execute function wait_gate()"
    )
    async with pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await conn.execute("lock table gate in access exclusive mode")
        await queue(pool, "a")
        refused = (
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        )
        await eventually(lambda: pool.fetchval(refused))
        await eventually(lambda: _none(pool, refused))
        await transaction.rollback()
    reading = await until(pool, lambda r: r.version)
    assert [row["attempts"] for row in await ended(pool, "a")] == [1]
    assert reading.version == 1


async def _none(pool: asyncpg.Pool, question: str) -> bool:
    return await pool.fetchval(question) == 0


async def test_work_that_nobody_wants_any_more_is_not_done(pool: asyncpg.Pool, employ: Employ, clock: Clock) -> None:
    """MD-14: when the last viewer has left, what still waits is given up instead of called."""
    calls: list[Key] = []

    async def make(key: Key, ctx: Any) -> Number:
        async with ctx.spends("shop").call("buy"):
            calls.append(key)
        return Number(n=1)

    await employ(declare(make=make), limits=[per_minute(2)])
    await want(pool, [("number", f"k{n}") for n in range(6)], source="viewer", seconds=30)
    await eventually(lambda: len(calls) == 2)
    await clock.advance(seconds=90)

    async def nothing_left() -> bool:
        return await pool.fetchval("select count(*) from openbell.job") == 0

    await eventually(nothing_left)
    assert len(calls) == 2
    assert (await account(pool))["held"] <= 2


async def test_ten_viewers_cause_one_call(
    pool: asyncpg.Pool, dsn: str, employ: Employ, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MD-9, MD-10, MD-13: ten viewers of one key cause one call, long before the worker's next poll; when the last has
    left, calls stop.
    """
    monkeypatch.setattr("openbell.engine.worker.POLL_S", 3_600)
    calls: list[Key] = []

    async def make(key: Key, ctx: Any) -> Number:
        async with ctx.spends("shop").call("buy"):
            calls.append(key)
        return Number(n=len(calls))

    await employ(declare(make=make))
    hints = Hints(pool, dsn)
    hints.start()
    watchers = [Interest(pool, f"web {n}", hints) for n in range(2)]
    await asyncio.gather(*(watchers[n % 2].add([("number", "a")]) for n in range(10)))
    await until(pool, lambda r: r.version == 1)
    assert len(calls) == 1
    for n in range(9):
        await watchers[n % 2].drop([("number", "a")])
    for watcher in watchers:
        await watcher.beat()
    await clock.advance(seconds=61)
    for watcher in watchers:
        await watcher.beat()
    await until(pool, lambda r: r.version == 2)
    await watchers[1].drop([("number", "a")])
    assert [watcher.keys for watcher in watchers] == [[], []]
    await clock.advance(seconds=61)
    await works_nothing(pool, calls, 2)
    await hints.stop()


async def test_a_lost_hint_costs_a_heartbeat(
    pool: asyncpg.Pool, employ: Employ, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PF-8: a listening worker does not poll; work that no hint told it of is found by its heartbeat all the same."""
    monkeypatch.setattr("openbell.engine.worker.LISTENING_POLL_S", 3_600)
    worker = await employ(declare(make=giving(Number(n=1))))
    await eventually(lambda: worker.is_look_due, message="it still polls")
    await want(pool, [("number", "a")], source="viewer", seconds=60)
    await until(pool, lambda r: r.version == 1)


async def test_a_viewer_whose_process_died_is_forgotten(
    pool: asyncpg.Pool, dsn: str, employ: Employ, clock: Clock
) -> None:
    """MD-10: nobody says goodbye: 30 seconds after the last beat of a dead process its calls stop."""
    calls: list[Key] = []

    async def make(key: Key, ctx: Any) -> Number:
        calls.append(key)
        return Number(n=len(calls))

    await employ(declare(make=make, ttl=seconds(1)))
    await Interest(pool, "web", None).add([("number", "a")])
    await eventually(lambda: len(calls) >= 2)
    await clock.advance(seconds=30)
    seen: list[int] = []

    async def quiet() -> bool:
        seen.append(len(calls))
        return await pool.fetchval("select count(*) from openbell.job") == 0

    await eventually(quiet)
    await works_nothing(pool, calls, len(calls))


@pytest.mark.parametrize("how", ["deadline", "broken"])
async def test_what_must_not_be_repeated_is_not_retried(pool: asyncpg.Pool, employ: Employ, how: str) -> None:
    """DC-1, PF-10: an attempt that ends inside a call of effect `never` is not tried again by itself."""
    calls: list[int] = []

    async def make(key: Key, ctx: Any) -> Number:
        async with ctx.spends("shop").call("send", effect="never") as call:
            await call.sending()
            calls.append(1)
            if how == "broken":
                raise Transient("the line broke", retry_after=timedelta(milliseconds=10))
            await asyncio.Event().wait()
        return Number(n=1)

    await employ(declare(make=make, timeout=seconds(3)))
    await queue(pool, "a")
    reading = await until(pool, lambda r: r.setback or len(calls) > 1)
    assert len(calls) == 1
    assert reading.setback is not None
    assert reading.setback.code == "outcome_unknown"
    assert await queue(pool, "a") == []
