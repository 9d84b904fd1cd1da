"""What people look at, what tells them to look, and what is cleared away."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import asyncpg
import pytest

from openbell.engine import jobs
from openbell.engine.artifacts import history
from openbell.engine.books import list_books
from openbell.engine.database import SQL
from openbell.engine.hints import Hint, Hints
from openbell.engine.registry import days
from openbell.engine.spends import Settlement
from openbell.engine.sweep import Pruner
from tests.engine.hand import Hand, account, declare, ended, per_minute, queue
from tests.support import Clock, eventually


async def test_jobs_are_listed_as_they_are_served(pool: asyncpg.Pool) -> None:
    """PF-36: running first, then in the order of the claim, then what has ended, newest first; filters narrow it."""
    hand = await Hand.hire(pool, declare(), declare("other"))
    for key in ("done", "failed"):
        await queue(pool, key)
        (claim,) = await hand.claim()
        await (hand.publish(claim, {"n": 1}) if key == "done" else hand.end(claim, "permanent"))
    await queue(pool, "running", source="a")
    await hand.claim()
    await queue(pool, "low", source="b", job_class="background")
    await queue(pool, "high", source="c", weight=9)
    await queue(pool, "x", name="other", source="d")
    listed = await jobs.list_jobs(pool)
    assert [view.key for view in listed] == ["running", "high", "x", "low", "failed", "done"]
    assert [view.key for view in await jobs.list_jobs(pool, state="waiting", product="number")] == ["high", "low"]
    assert [view.state for view in await jobs.list_jobs(pool, state="failed")] == ["failed"]
    assert len(await jobs.list_jobs(pool, limit=2)) == 2
    assert json.loads(json.dumps([view.as_json() for view in listed]))[0]["class"] == "interactive"
    with pytest.raises(ValueError, match="no state"):
        await jobs.list_jobs(pool, state="lost")
    assert await jobs.get(pool, 987_654) is None


async def test_stats_count(pool: asyncpg.Pool) -> None:
    """PF-36, MD-28: depth, oldest wait, workers and outcomes are one question."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a", "b", "c")
    first, second, _ = await hand.claim(3)
    await hand.publish(first, {"n": 1})
    await hand.end(second, "retry", delay_s=60)
    await queue(pool, "d", "e")
    stats = await jobs.stats(pool)
    assert (stats.waiting, stats.parked, stats.running, stats.workers) == (2, 1, 1, 1)
    assert [(one.product, one.outcome, one.jobs) for one in stats.outcomes] == [("number", "done", 1)]
    assert json.dumps(stats.as_json())


async def test_the_timeline_is_in_order(pool: asyncpg.Pool) -> None:
    """PF-36: a job's story is told in the order in which it happened, calls included."""
    hand = await Hand.hire(pool, declare(), limits=[per_minute(9)])
    (job_id,) = await queue(pool, "a")
    await hand.end((await hand.claim())[0], "retry")
    (claim,) = await hand.claim()
    spends = hand.attempt(claim).spends("shop")
    async with spends.call("buy"):
        pass
    await hand.publish(claim, {"n": 1}, settle=spends.ended)
    view = await jobs.get(pool, job_id)
    assert view is not None
    events = [event["event"] for event in view.timeline()]
    assert events[0] == "queued"
    assert events[-1] == "done"
    assert {"attempt failed", "started", "call", "call settled"} < set(events)
    assert [event["at"] for event in view.timeline()] == sorted(event["at"] for event in view.timeline())


async def test_accounts_are_shown_as_they_are_now(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-28: what has aged out is free in the listing too, without any call that would tidy up."""
    hand = await Hand.hire(pool, declare(), limits=[per_minute(5)])
    await queue(pool, "a")
    spends = hand.attempt((await hand.claim())[0]).spends("shop")
    async with spends.call("buy"):
        pass
    await hand.ledger.settle(spends.ended)
    (view,) = await list_books(pool)
    assert (view.held, view.free) == (1, 4)
    assert view.frees_at is not None
    await clock.advance(seconds=61)
    (view,) = await list_books(pool)
    assert (view.held, view.free, view.frees_at) == (0, 5, None)
    assert json.dumps(view.as_json())


async def test_hints_come_together(pool: asyncpg.Pool, another_pool: asyncpg.Pool, dsn: str) -> None:
    """PF-49: many hints of a moment are few messages; one that is too long says "look at everything"."""
    heard: list[Hint] = []
    ears, mouth = Hints(pool, dsn), Hints(another_pool, None)
    ears.subscribe(heard.append)
    ears.start()
    await asyncio.wait_for(ears.listening.wait(), 30)
    assert {hint.kind: hint.keys for hint in heard} == {"artifact": None, "work": None, "flag": None}
    heard.clear()
    for n in range(100):
        mouth.tell("artifact", "quote", f"S{n}")
    keys = {("quote", f"S{n}") for n in range(100)}
    await eventually(lambda: {key for hint in heard for key in hint.keys or ()} == keys)
    assert len(heard) <= 3
    heard.clear()
    for n in range(2_000):
        mouth.tell("artifact", "quote", f"long key number {n}")
    await eventually(lambda: any(hint.keys is None for hint in heard))
    await mouth.stop()
    await ears.stop()


async def test_a_lost_listener_listens_again(pool: asyncpg.Pool, dsn: str) -> None:
    """PF-49: after a lost connection everything is looked at once, because hints may have been missed."""
    heard: list[Hint] = []
    ears = Hints(pool, dsn, name="ears")
    ears.subscribe(heard.append)
    ears.start()
    await asyncio.wait_for(ears.listening.wait(), 30)
    heard.clear()
    await pool.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'openbell ears'"
    )
    await eventually(lambda: {hint.kind for hint in heard if hint.keys is None} == {"artifact", "work", "flag"})
    await ears.stop()


async def test_what_has_ended_is_cleared_away(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-37: replaced versions, old demand and old workers go after their time; what is current never does."""
    hand = await Hand.hire(pool, declare(keep=days(2)))
    for n in range(3):
        await clock.advance(days=3)
        await pool.execute("update openbell.worker set expires_at = openbell.now() + interval '1 hour'")
        await queue(pool, "a")
        await hand.publish((await hand.claim())[0], {"n": n})
    pruner = Pruner(pool, Hints(pool, None, name="test"))
    await pruner.beat()
    assert [version.value["n"] for version in await history(pool, "number", "a")] == [2, 1]
    await clock.advance(days=3)
    await pool.execute(SQL.get("mark_gone"))
    await pruner.beat()
    assert [version.value["n"] for version in await history(pool, "number", "a")] == [2]
    assert await pool.fetchval("select count(*) from openbell.demand") == 0
    assert await pool.fetchval("select count(*) from openbell.worker") == 0


async def test_a_spend_that_nobody_ends_becomes_unknown(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-10, PF-21: a call whose job is gone is unknown after its time and ages; a live one is left alone."""
    hand = await Hand.hire(pool, declare(), limits=[per_minute(9)])
    await queue(pool, "lost", "live")
    for claim in await hand.claim(2):
        await hand.attempt(claim).spends("shop").call("buy").__aenter__()
        if claim.key == "lost":
            await hand.publish(claim, {"n": 1})
    await clock.advance(seconds=15)
    assert await pool.fetchval(SQL.get("recover_spends"), timedelta(seconds=10)) == 0
    await clock.advance(seconds=10)
    assert await pool.fetchval(SQL.get("recover_spends"), timedelta(seconds=10)) == 1
    rows = await pool.fetch("select key, state::text as state from openbell.spend order by key")
    assert [tuple(row) for row in rows] == [("live", "intended"), ("lost", "unknown")]
    assert (await account(pool))["held"] == 2
    assert [row["word"] for row in await ended(pool, "lost")] == ["done"]


async def test_a_step_that_could_not_be_saved_keeps_its_calls(pool: asyncpg.Pool) -> None:
    """PF-21, PF-50: calls of a step whose memo was refused are still written with the end of the attempt."""
    hand = await Hand.hire(pool, declare(), limits=[per_minute(9)])
    (job_id,) = await queue(pool, "a")
    (claim,) = await hand.claim()
    attempt = hand.attempt(claim)

    async def work() -> int:
        async with attempt.spends("shop").call("buy"):
            await jobs.cancel(pool, job_id, actor="ann")
        return 1

    with pytest.raises(Exception, match="no longer"):
        await attempt.step("first", work)
    left: list[Settlement] = attempt.take_ended()
    await hand.end(claim, "release", settle=left)
    assert await pool.fetchval("select state::text from openbell.spend") == "settled"
