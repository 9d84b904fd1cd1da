"""Recovery: what a lost worker leaves behind comes back, and nothing else is touched."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine.database import SQL
from openbell.engine.errors import Permanent
from openbell.engine.hints import Hints
from openbell.engine.registry import CLASSES, hours
from openbell.engine.spends import Call, Settlement
from openbell.engine.sweep import Pruner
from tests.engine.hand import Hand, account, declare, ended, job, per_minute, queue, rescue
from tests.support import Clock, eventually


async def test_live_leases_are_never_touched(pool: asyncpg.Pool) -> None:
    """PF-6: the pass takes from the worker whose lease has run out and from nobody else."""
    dead, alive = [await Hand.hire(pool, declare()) for _ in range(2)]
    await queue(pool, "a", "b")
    (lost,) = await dead.claim()
    (kept,) = await alive.claim()
    assert await rescue(pool) == []
    await dead.expire()
    assert [row["job_id"] for row in await rescue(pool)] == [lost.id]
    returned = await job(pool, lost.key)
    assert returned is not None
    assert (returned["state"], returned["attempt"]) == ("waiting", 1)
    running = await job(pool, kept.key)
    assert running is not None
    assert (running["state"], running["token"]) == ("running", kept.token)


async def test_a_claim_as_the_lease_runs_out_is_taken_back(pool: asyncpg.Pool) -> None:
    """PF-6: a job that a lost worker gets in the moment after a recovery pass is lost with it, and comes back, too."""
    dead, alive = [await Hand.hire(pool, declare()) for _ in range(2)]
    await queue(pool, "a")
    await dead.expire()
    assert await rescue(pool) == []
    await pool.execute(SQL.get("mark_gone"))
    (claim,) = await dead.claim()
    beat = (alive.id, hours(1), False, {}, [], False)
    told = await pool.fetchrow(SQL.get("beat_worker"), *beat)
    assert told is not None
    assert told["lost"], "nobody would look for what the lost worker holds"
    assert [row["job_id"] for row in await rescue(pool)] == [claim.id]


CLAIMS = {"claim_jobs": (1,), "claim_seated": (1,), "claim_bundle": (1, -1, -32_768, 0)}


@pytest.mark.parametrize("claim", CLAIMS)
async def test_who_counts_as_gone_gets_nothing(pool: asyncpg.Pool, claim: str) -> None:
    """PF-6: a jump of the clock makes a living worker count as gone; until it has registered anew it gets no job."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a")
    await pool.execute("update openbell.job set bundled = $1", claim == "claim_bundle")
    await pool.execute("update openbell.worker set expires_at = openbell.now() - interval '16 seconds'")
    await pool.execute(SQL.get("mark_gone"))
    asked = (["number"], list(CLASSES.values()), hand.id, *CLAIMS[claim])
    assert await pool.fetch(SQL.get(claim), *asked) == []
    await pool.execute("update openbell.worker set gone = false")
    assert len(await pool.fetch(SQL.get(claim), *asked)) == 1


async def test_a_job_of_who_was_gone_already_comes_back(pool: asyncpg.Pool) -> None:
    """PF-6: whatever a worker that counts as gone holds is found once a minute, though no heartbeat looks for it."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a")
    (claim,) = await hand.claim()
    await pool.execute("update openbell.worker set gone = true, expires_at = openbell.now() - interval '1 day'")
    hints = Hints(pool, None, name="test")
    await Pruner(pool, hints).beat()
    back = await job(pool, claim.key)
    assert back is not None
    assert (back["state"], back["attempt"]) == ("waiting", 1)
    await hints.stop()


async def test_the_attempt_is_counted_and_told(pool: asyncpg.Pool) -> None:
    """PF-6: a lost attempt counts and stays in the job's trail; after the last one the job has failed."""
    hand = await Hand.hire(pool, declare(max_attempts=2))
    await queue(pool, "a")
    for attempt in (1, 2):
        await pool.execute("update openbell.worker set expires_at = openbell.now() + interval '1 hour'")
        (claim,) = await hand.claim()
        assert claim.attempt == attempt
        await hand.expire()
        (row,) = await rescue(pool)
    assert row["state"] == "failed"
    (history,) = await ended(pool, "a")
    assert (history["word"], history["code"], history["attempts"]) == ("failed", "process_gone", 2)
    assert [entry["code"] for entry in history["trail"]] == ["process_gone", "process_gone"]


async def test_a_held_row_is_skipped(pool: asyncpg.Pool) -> None:
    """PF-6: a job whose row somebody holds, because its result is being written, is left to a later pass."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a", "b")
    held, free = await hand.claim(2)
    await hand.expire()
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("select 1 from openbell.job where id = $1 for update", held.id)
        assert [row["job_id"] for row in await rescue(pool)] == [free.id]
    assert [row["job_id"] for row in await rescue(pool)] == [held.id]


async def test_two_passes_rescue_once(pool: asyncpg.Pool, another_pool: asyncpg.Pool) -> None:
    """PF-6: whoever comes second finds nothing left to do."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, *(f"k{n}" for n in range(30)))
    await hand.claim(30)
    await hand.expire()
    passes = await asyncio.gather(*(rescue((pool, another_pool)[n % 2]) for n in range(6)))
    assert sum(map(len, passes)) == 30
    assert await pool.fetchval("select sum(attempt) from openbell.job") == 30


async def states(pool: asyncpg.Pool) -> list[str]:
    return [row["state"] for row in await pool.fetch("select state from openbell.job order by id")]


async def lose_in_call(pool: asyncpg.Pool, effect: str, *, sent: bool = True) -> Hand:
    """A worker that is lost after the intent of a call was committed."""
    hand = await Hand.hire(pool, declare(), limits=[per_minute(10)])
    await queue(pool, "a")
    (claim,) = await hand.claim()
    key = None if effect in ("repeat", "never") else "k1"
    context = hand.attempt(claim).spends("shop").call("buy", effect=effect, idempotency_key=key, window=hours(1))  # type: ignore[arg-type]
    call: Call = await context.__aenter__()
    if sent:
        await call.sending()
    await hand.expire()
    return hand


async def test_a_lost_call_is_unknown_and_stays_spent(pool: asyncpg.Pool) -> None:
    """PF-10, PF-21: a lost call is unknown, and counts for its time-out and a whole span after it."""
    await lose_in_call(pool, "repeat")
    await rescue(pool)
    assert await states(pool) == ["waiting"]
    spend = await pool.fetchrow("select *, state::text as word from openbell.spend")
    assert (spend["word"], spend["took"]) == ("unknown", {})
    assert (await account(pool))["held"] == 1
    assert await pool.fetchval("select count(*) from openbell.hold") == 0
    frees_at = await pool.fetchval("select frees_at from openbell.aging")
    assert frees_at >= spend["intended_at"] + spend["timeout"] + timedelta(seconds=60)


@pytest.mark.parametrize("effect", ["resend", "lookup", "never"])
async def test_a_call_that_did_not_leave_has_not_happened(pool: asyncpg.Pool, effect: str) -> None:
    """PF-10: without its mark as sent a call is proven not to have left: it is given back, and the job goes on."""
    await lose_in_call(pool, effect, sent=False)
    assert [row["state"] for row in await rescue(pool)] == ["waiting"]
    assert await pool.fetchval("select state::text from openbell.spend") == "released"


@pytest.mark.parametrize("effect", ["resend", "lookup"])
async def test_a_call_with_a_key_comes_back_as_the_same_spend(pool: asyncpg.Pool, clock: Clock, effect: Any) -> None:
    """DC-1: the next attempt is told that the call may have happened, and pays for it once."""
    hand = await lose_in_call(pool, effect)
    assert [row["state"] for row in await rescue(pool)] == ["waiting"]
    assert await pool.fetchval("select state::text from openbell.spend") == "unknown"
    await pool.execute("update openbell.worker set expires_at = openbell.now() + interval '1 hour'")
    (again,) = await hand.claim()
    spends = hand.attempt(again).spends("shop")
    await clock.advance(seconds=11)  # by then the lost request has arrived, or never will
    async with spends.call("buy", effect=effect, idempotency_key="k1") as call:
        assert call.resumed
        await call.sending()
        call.took()
    assert await hand.publish(again, {"n": 1}, settle=spends.ended) is not None
    assert [row["state"] for row in await pool.fetch("select state::text from openbell.spend")] == ["settled"]


async def test_a_resend_after_its_window_is_doubtful(pool: asyncpg.Pool) -> None:
    """DC-1: when the provider has forgotten the key, a repeat would be a second call: the job ends as unknown."""
    hand = await lose_in_call(pool, "resend")
    await rescue(pool)
    await pool.execute("update openbell.spend set resend_until = openbell.now()")
    await pool.execute("update openbell.worker set expires_at = openbell.now() + interval '1 hour'")
    (again,) = await hand.claim()
    with pytest.raises(Permanent, match="cannot be repeated safely") as refused:
        async with hand.attempt(again).spends("shop").call("buy", effect="resend", idempotency_key="k1"):
            pytest.fail("the call was made")
    assert refused.value.code == "outcome_unknown"


@pytest.mark.parametrize("effect", ["never"])
async def test_what_must_not_be_repeated_is_not(pool: asyncpg.Pool, effect: str) -> None:
    """DC-1, PF-10: with the effect `never` the job ends and its key is left alone until somebody looks."""
    await lose_in_call(pool, effect)
    assert [row["state"] for row in await rescue(pool)] == ["failed"]
    assert await job(pool, "a") is None
    assert [row["code"] for row in await ended(pool, "a")] == ["outcome_unknown"]
    assert await queue(pool, "a") == []


async def test_a_call_that_has_ended_does_not_make_an_attempt_doubtful(pool: asyncpg.Pool) -> None:
    """PF-9: a paid call whose outcome is written down does not keep the job from going on after a kill."""
    hand = await Hand.hire(pool, declare(), limits=[per_minute(10)])
    await queue(pool, "a")
    (claim,) = await hand.claim()
    spends = hand.attempt(claim).spends("shop")
    async with spends.call("buy", effect="never") as call:
        await call.sending()
    await hand.ledger.settle(spends.ended)
    await hand.expire()
    await rescue(pool)
    assert await states(pool) == ["waiting"]


async def test_a_call_begun_during_the_pass_is_seen(pool: asyncpg.Pool, another_pool: asyncpg.Pool) -> None:
    """PF-10: a thawed process that reserves its call while a pass is under way has made its attempt doubtful, too."""
    hand = await Hand.hire(another_pool, declare(max_attempts=1), limits=[per_minute(10)])
    await queue(pool, *(f"k{n:02}" for n in range(60)))  # more than a pass takes at once
    claims = sorted(await hand.claim(60))
    await hand.expire()
    async with pool.acquire() as blocker, blocker.transaction():
        await blocker.execute(
            "insert into openbell.cooldown (product, key, code, message, at, retry_at, job_id)"
            " values ('number', $1, 'held', 'held', openbell.now(), openbell.now(), 1)",
            claims[0].key,
        )
        under_way = asyncio.create_task(rescue(pool))
        await eventually_blocked(pool)
        context = hand.attempt(claims[-1]).spends("shop").call("buy", effect="never")
        call = await asyncio.wait_for(context.__aenter__(), 30)
        await call.sending()
    await under_way
    (last,) = await ended(pool, claims[-1].key)
    assert (last["word"], last["code"]) == ("failed", "outcome_unknown")


async def eventually_blocked(pool: asyncpg.Pool) -> None:
    """Wait until a session waits for another one's transaction."""
    await eventually(lambda: pool.fetchval("select exists (select 1 from pg_locks where not granted)"))


@pytest.mark.parametrize(("effect", "state"), [("repeat", "waiting"), ("never", "failed")])
async def test_a_stray_with_an_open_call_is_doubtful(pool: asyncpg.Pool, effect: str, state: str) -> None:
    """PF-10: a job whose end got lost within a live worker is handed back only when a repeat of its calls is free."""
    hand = await lose_in_call(pool, effect)
    await pool.execute("update openbell.worker set expires_at = openbell.now() + interval '1 day'")
    assert await pool.fetch(SQL.get("release_strays"), hand.id, [], []) == []
    await pool.execute("update openbell.job set started_at = started_at - interval '6 seconds'")
    assert [row["state"] for row in await pool.fetch(SQL.get("release_strays"), hand.id, [], [])] == [state]
    assert await pool.fetchval("select state::text from openbell.spend") == "unknown"


async def test_a_drained_job_keeps_its_attempt(pool: asyncpg.Pool) -> None:
    """PF-26: a job that is handed back has used no attempt and is there for the next one at once."""
    hand = await Hand.hire(pool, declare(), limits=[per_minute(10)])
    await queue(pool, "a")
    (claim,) = await hand.claim()
    spends = hand.attempt(claim).spends("shop")
    async with spends.call("buy"):
        pass
    await hand.end(claim, "release", settle=spends.ended)
    (again,) = await hand.claim()
    assert again.attempt == 1
    assert await pool.fetchval("select state::text from openbell.spend") == "settled"


def test_a_settlement_says_what_happened() -> None:
    """PF-21: a settlement without figures leaves the decision to the hold."""
    assert Settlement(1, "settled", "ok").took == {}
