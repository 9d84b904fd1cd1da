"""Whoever has lost a job can change nothing with it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from openbell.engine import jobs
from openbell.engine.artifacts import read
from openbell.engine.attempt import Claim
from openbell.engine.errors import Fenced, JobEnded
from tests.engine.hand import Hand, declare, ended, job, per_minute, queue, rescue

AT = datetime(2026, 8, 7, 10, tzinfo=UTC)


async def lost(pool: asyncpg.Pool) -> tuple[Hand, Claim, Hand, Claim]:
    """A claim that was lost with its worker, and the claim of whoever has the job now."""
    frozen = await Hand.hire(pool, declare(), limits=[per_minute(100)])
    await queue(pool, "a")
    (old,) = await frozen.claim()
    await frozen.expire()
    assert [row["job_id"] for row in await rescue(pool)] == [old.id]
    other = await Hand.hire(pool, declare(), limits=[per_minute(100)])
    (new,) = await other.claim()
    assert (new.id, new.attempt) == (old.id, 2)
    return frozen, old, other, new


async def everything(pool: asyncpg.Pool) -> list[Any]:
    """All rows that an attempt could change."""
    tables = ("job", "job_history", "artifact", "version", "cooldown", "step", "spend", "hold", "aging", "account")
    return [
        [tuple(row) for row in await pool.fetch(f"select * from openbell.{table} order by 1, 2")] for table in tables
    ]


async def test_a_stale_worker_changes_nothing(pool: asyncpg.Pool) -> None:
    """PF-5: no result, end, step, progress or call of an outdated token changes a row."""
    frozen, old, _, _ = await lost(pool)
    before = await everything(pool)
    assert await frozen.publish(old, {"n": 666}, at=AT) is None
    assert await frozen.publish(old, None) is None
    for kind in ("retry", "wait", "release", "permanent"):
        assert await frozen.end(old, kind) is None
    attempt = frozen.attempt(old)

    async def work() -> int:
        return 666

    with pytest.raises(Fenced):
        await attempt.step("first", work)
    with pytest.raises(Fenced):
        await attempt.progress("still here")
    with pytest.raises(Fenced):
        async with attempt.spends("shop").call("buy"):
            pytest.fail("the call would have been made")
    assert await everything(pool) == before


@pytest.mark.parametrize("late_first", [True, False])
@pytest.mark.parametrize("late", ["publish", "retry", "permanent", "release"])
async def test_two_attempts_in_any_order(pool: asyncpg.Pool, late: str, late_first: bool) -> None:
    """PF-5: whichever of the two writes first, the result is that of the attempt that holds the job."""
    frozen, old, other, new = await lost(pool)

    async def write_late() -> None:
        answer = await (frozen.publish(old, {"n": 666}, at=AT) if late == "publish" else frozen.end(old, late))
        assert answer is None

    if late_first:
        await write_late()
    answer = await other.publish(new, {"n": 2}, at=AT)
    assert answer is not None
    assert answer["outcome"] == "done"
    if not late_first:
        await write_late()
    reading = await read(pool, "number", "a")
    assert (reading.version, reading.value, reading.job, reading.setback) == (1, {"n": 2}, None, None)
    assert [row["word"] for row in await ended(pool, "a")] == ["done"]


async def test_a_cancelled_waiting_job_is_gone_at_once(pool: asyncpg.Pool) -> None:
    """PF-50: cancelling what waits ends it; it is in the history with who did it, and the audit log."""
    await Hand.hire(pool, declare())
    (job_id,) = await queue(pool, "a")
    assert await jobs.cancel(pool, job_id, actor="ann") == "cancelled"
    view = await jobs.get(pool, job_id)
    assert view is not None
    assert (view.state, view.message) == ("cancelled", "cancelled by ann")
    assert (
        await pool.fetchval("select action || ' ' || actor || ' ' || target from openbell.audit")
        == f"job.cancel ann {job_id}"
    )
    with pytest.raises(JobEnded):
        await jobs.cancel(pool, job_id, actor="ann")


async def test_a_cancelled_running_job_publishes_nothing(pool: asyncpg.Pool) -> None:
    """PF-50: cancelling what runs stops it before its next call, and its result is not published."""
    hand = await Hand.hire(pool, declare(), limits=[per_minute(9)])
    (job_id,) = await queue(pool, "a")
    (claim,) = await hand.claim()
    assert await jobs.cancel(pool, job_id, actor="ann") == "cancelling"
    attempt = hand.attempt(claim)
    with pytest.raises(Fenced):
        async with attempt.spends("shop").call("buy"):
            pytest.fail("the call would have been made")

    async def work() -> int:
        return 1

    with pytest.raises(Fenced):
        await attempt.step("first", work)
    answer = await hand.publish(claim, {"n": 1}, at=AT)
    assert answer is not None
    assert answer["outcome"] == "cancelled"
    assert (await read(pool, "number", "a")).version == 0
    assert [row["word"] for row in await ended(pool, "a")] == ["cancelled"]


@pytest.mark.parametrize("kind", ["retry", "wait", "release", "permanent"])
async def test_however_a_cancelled_attempt_ends_it_is_cancelled(pool: asyncpg.Pool, kind: str) -> None:
    """PF-50: a cancelled job does not come back by retry, wait or release, and leaves no setback."""
    hand = await Hand.hire(pool, declare())
    (job_id,) = await queue(pool, "a")
    (claim,) = await hand.claim()
    await jobs.cancel(pool, job_id, actor="ann")
    answer = await hand.end(claim, kind)
    assert answer is not None
    assert answer["state"] == "cancelled"
    assert await job(pool, "a") is None
    assert (await read(pool, "number", "a")).setback is None


async def test_a_cancelled_job_of_a_lost_worker_does_not_come_back(pool: asyncpg.Pool) -> None:
    """PF-50, PF-6: the recovery pass ends a cancelled job instead of returning it."""
    hand = await Hand.hire(pool, declare())
    (job_id,) = await queue(pool, "a")
    await hand.claim()
    await jobs.cancel(pool, job_id, actor="ann")
    await hand.expire()
    assert [row["state"] for row in await rescue(pool)] == ["cancelled"]
    assert await job(pool, "a") is None


async def test_a_thawed_attempt_does_no_step_of_a_job_that_has_ended(pool: asyncpg.Pool) -> None:
    """PF-5, PF-9: who was frozen before he looked for finished steps learns that the job is not his."""
    hand = await Hand.hire(pool, declare(), limits=[per_minute(9)])
    await queue(pool, "a")
    (claim,) = await hand.claim()
    await hand.expire()
    await rescue(pool)
    await pool.execute("update openbell.worker set expires_at = openbell.now() + interval '1 hour'")
    (again,) = await hand.claim()
    await hand.attempt(again).step("once", lambda: asyncio.sleep(0, 1))
    await hand.publish(again, {"n": 1})
    done: list[int] = []

    async def work() -> int:
        done.append(1)
        return 1

    with pytest.raises(Fenced):
        await hand.attempt(claim).step("once", work)
    assert done == []
