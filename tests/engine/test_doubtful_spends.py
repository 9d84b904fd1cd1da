"""Calls in doubt: who may end them, who may make them again, and what they are taken to have cost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from time import monotonic
from typing import Any

import asyncpg
import pytest

from openbell.engine.alarms import look
from openbell.engine.attempt import Attempt, Claim
from openbell.engine.errors import Permanent, Waiting
from openbell.engine.ledger import Limit
from openbell.engine.registry import Effect
from openbell.engine.spends import Intent, Settlement
from tests.engine.hand import Hand, account, declare, per_minute, queue, rescue
from tests.support import Clock

MONEY = Limit("shop", "usd_micro", "ever", 10_000, closes="charge")
TIMEOUT = timedelta(seconds=10)
HELD = {"calls": 1, "usd_micro": 100}


async def hire(pool: asyncpg.Pool) -> Hand:
    return await Hand.hire(pool, declare(), limits=[per_minute(100), MONEY])


async def take(hand: Hand) -> tuple[Claim, Attempt]:
    """The next job, and an attempt at it."""
    (claim,) = await hand.claim()
    return claim, hand.attempt(claim)


def intent(hand: Hand, claim: Claim | None, effect: Effect, timeout: timedelta = TIMEOUT) -> Intent:
    """A purchase of an attempt, under the key "k", or one without either."""
    legs = [(one.id, HELD[one.resource]) for one in hand.accounts["shop"]]
    window, key = timedelta(days=1), None if claim is None else "k"
    job, token = (None, None) if claim is None else (claim.id, claim.token)
    return Intent(job, token, "number", "a", "shop", "pay", None, effect, key, window, timeout, HELD, legs)


async def again(hand: Hand) -> Any:
    """The next attempt, after the process of the last one is gone."""
    await hand.expire()
    await rescue(hand.pool)
    await hand.pool.execute("update openbell.job set parked_until = null")
    await hand.pool.execute("update openbell.worker set expires_at = openbell.now() + interval '1 day', gone = false")
    claims = await hand.claim()
    return hand.attempt(claims[0]) if claims else None


async def spend(pool: asyncpg.Pool) -> dict[str, Any]:
    row = await pool.fetchrow("select *, state::text as word from openbell.spend order by id limit 1")
    assert row is not None
    return dict(row)


async def test_a_purchase_outside_a_step_is_not_settled_by_a_step(pool: asyncpg.Pool) -> None:
    """PF-10: a purchase whose result no memo keeps stays open when a step is saved; a kill then ends the job."""
    hand = await hire(pool)
    await queue(pool, "a")
    _, attempt = await take(hand)
    async with attempt.spends("shop").call("pay", effect="never", usd_micro=100) as call:
        await call.sending()
        call.took(usd_micro=90)

    async def nothing() -> int:
        return 1

    await attempt.step("other", nothing)
    assert await again(hand) is None, "the job runs again, and will pay again"


async def test_a_purchase_in_a_step_is_not_settled_by_the_step_beside_it(pool: asyncpg.Pool) -> None:
    """PF-10: the same for two steps side by side."""
    hand = await hire(pool)
    await queue(pool, "a")
    _, attempt = await take(hand)
    paid, never = asyncio.Event(), asyncio.Event()

    async def pay() -> int:
        async with attempt.spends("shop").call("pay", effect="never", usd_micro=100) as call:
            await call.sending()
            call.took(usd_micro=90)
        paid.set()
        await never.wait()
        return 1

    async def other() -> int:
        await paid.wait()
        return 2

    paying = asyncio.create_task(attempt.step("pay", pay))
    await attempt.step("other", other)
    next_attempt = await again(hand)
    paying.cancel()
    assert next_attempt is None, "the job runs again, and will pay again"


async def test_never_with_a_reference_is_never_repeated(pool: asyncpg.Pool) -> None:
    """PF-10: a purchase that must not be repeated ends its job, though the provider has given it a name."""
    hand = await hire(pool)
    await queue(pool, "a")
    claim, attempt = await take(hand)
    async with attempt.spends("shop").call("pay", effect="never", usd_micro=100) as call:
        await call.sending()
        call.took(usd_micro=90, ref="r1")
        call.unclear("http_500")
    row = await hand.end(claim, "retry", settle=attempt.take_ended())
    assert row is not None
    assert row["state"] == "failed"


async def test_what_is_known_of_a_call_is_not_forgotten(pool: asyncpg.Pool) -> None:
    """PF-21: a settled call that is looked up in vain keeps what it took."""
    hand = await hire(pool)
    await queue(pool, "a")
    claim, attempt = await take(hand)
    async with attempt.spends("shop").call("pay", effect="lookup", idempotency_key="k", usd_micro=100) as call:
        await call.sending()
        call.took(usd_micro=90, ref="r1")
    await hand.end(claim, "retry", settle=attempt.take_ended())
    for _ in range(2):
        claim, attempt = await take(hand)
        async with attempt.spends("shop").call("pay", effect="lookup", idempotency_key="k", usd_micro=100) as call:
            assert call.resumed
            call.never_sent("unreachable")
        await hand.end(claim, "wait", settle=attempt.take_ended())
    assert (await spend(pool))["cost_micro"] == (await account(pool, resource="usd_micro"))["spent"] == 90


async def test_the_first_settlement_of_money_stands(pool: asyncpg.Pool) -> None:
    """PF-21: settled at its hold because no price was told, and looked up later: spend and account stay the same."""
    hand = await hire(pool)
    await queue(pool, "a")
    claim, attempt = await take(hand)
    async with attempt.spends("shop").call("pay", effect="lookup", idempotency_key="k", usd_micro=100) as call:
        await call.sending()
        call.took(ref="r1")
    await hand.end(claim, "retry", settle=attempt.take_ended())
    claim, attempt = await take(hand)
    async with attempt.spends("shop").call("pay", effect="lookup", idempotency_key="k", usd_micro=100) as call:
        call.took(usd_micro=70, ref="r1")
    await hand.publish(claim, {"n": 1}, settle=attempt.take_ended())
    assert (await spend(pool))["cost_micro"] == (await account(pool, resource="usd_micro"))["spent"] == 100


async def test_an_abandoned_reservation_ends_only_its_own_attempts_spend(pool: asyncpg.Pool) -> None:
    """PF-21: whoever gives up his reservation does not give back the call that the next attempt has made of it."""
    hand = await hire(pool)
    await queue(pool, "a")
    claim = (await hand.claim())[0]
    first_token = claim.token
    first = await hand.ledger.reserve(
        intent(hand, claim, "resend")
    )  # its caller is being cancelled and will release it
    await hand.end(claim, "release")
    claim, attempt = await take(hand)
    gate = attempt.spends("shop").call(
        "pay", effect="resend", idempotency_key="k", window=timedelta(days=1), usd_micro=100
    )
    async with gate as call:
        await call.sending()
        assert call.spend_id == first.spend_id
        await hand.ledger.settle([Settlement(call.spend_id, "released", "the attempt ended", token=first_token)])
        call.took(usd_micro=90)
    await hand.publish(claim, {"n": 1}, settle=attempt.take_ended())
    assert (await spend(pool))["word"] == "settled"
    assert (await account(pool, resource="usd_micro"))["spent"] == 90


async def test_a_lookup_waits_until_the_first_call_has_had_its_time(pool: asyncpg.Pool, clock: Clock) -> None:
    """DC-1: as long as the first request may still arrive, "not found" proves nothing; nobody may ask before."""
    hand = await hire(pool)
    await queue(pool, "a")
    _, attempt = await take(hand)
    long = timedelta(seconds=60)
    gate = attempt.spends("shop").call("pay", effect="lookup", idempotency_key="k", usd_micro=100, timeout=long)
    call = await gate.__aenter__()
    await call.sending()
    attempt = await again(hand)
    verdict = await hand.ledger.reserve(intent(hand, attempt.claim, "lookup", long))
    assert verdict.word == "busy"
    assert timedelta(seconds=30) < verdict.opens_in <= long
    await clock.advance(long)
    verdict = await hand.ledger.reserve(intent(hand, attempt.claim, "lookup", long))
    assert (verdict.word, verdict.resumed) == ("ok", True)


def stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process sees that slept for longer than a call may take: time has gone on without it."""
    monkeypatch.setattr("openbell.engine.spends.monotonic", lambda: monotonic() + 2 * TIMEOUT.total_seconds())


async def test_a_process_that_slept_after_its_mark_does_not_send(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PF-24: the mark is written, the process stands still for longer than the call may take: nothing may leave."""
    hand = await hire(pool)
    await queue(pool, "a")
    _, attempt = await take(hand)
    async with attempt.spends("shop").call("pay", effect="never", usd_micro=100, timeout=TIMEOUT) as call:
        mark = call._mark
        assert mark is not None

        async def slowly() -> bool:
            answer = await mark()
            stand_still(monkeypatch)
            return answer

        call._mark = slowly
        with pytest.raises(Waiting):
            await call.sending()
    (ended,) = attempt.take_ended()
    assert ended.state == "released"


@pytest.mark.parametrize("text", ["b\x00d", "\ud800"], ids=["nul", "surrogate"])
async def test_an_impossible_request_fails_alone(pool: asyncpg.Pool, text: str) -> None:
    """PF-35: what the database cannot store is refused before it could fail the batch of others."""
    hand = await hire(pool)
    await queue(pool, "a", "b")
    bad, good = [hand.attempt(claim) for claim in await hand.claim(2)]

    async def call(attempt: Any, operation: str, **other: Any) -> None:
        async with attempt.spends("shop").call(operation, **other):
            pass

    for other in ({"operation": text}, {"operation": "x", "effect": "resend", "idempotency_key": text}):
        answers = await asyncio.gather(call(bad, **other), call(good, "read"), return_exceptions=True)
        assert isinstance(answers[0], Permanent)
        assert answers[1] is None


async def test_a_reservation_whose_answer_was_lost_is_held_once(pool: asyncpg.Pool) -> None:
    """PF-21: the same key reserved again after the first answer was lost holds the money once."""
    hand = await hire(pool)
    await queue(pool, "a")
    claim = (await hand.claim())[0]
    for _ in range(2):
        await hand.ledger.reserve(intent(hand, claim, "resend"))
        assert (await account(pool, resource="usd_micro"))["held"] == 100
        await hand.end(claim, "release")
        claim = (await hand.claim())[0]
    assert (await account(pool, resource="usd_micro"))["held"] == 0


async def test_an_account_named_twice_is_answered(pool: asyncpg.Pool) -> None:
    """PF-19: a request with two legs on one account that is full gets a refusal, not an error."""
    hand = await hire(pool)
    one = next(a.id for a in hand.accounts["shop"] if a.resource == "calls")
    verdict = await hand.ledger.reserve(
        Intent(None, None, "number", "a", "shop", "x", None, "repeat", None, None, TIMEOUT, {}, [(one, 99)])
    )
    assert verdict.word == "ok"
    verdict = await hand.ledger.reserve(
        Intent(None, None, "number", "a", "shop", "x", None, "repeat", None, None, TIMEOUT, {}, [(one, 40), (one, 50)])
    )
    assert verdict.word == "full"


async def test_an_endless_key_fails_alone(pool: asyncpg.Pool) -> None:
    """PF-35: an idempotency key that no index can hold is refused before it fails the batch of others."""
    hand = await hire(pool)
    await queue(pool, "a", "b")
    bad, good = [hand.attempt(claim) for claim in await hand.claim(2)]

    async def call(attempt: Any, operation: str, **other: Any) -> None:
        async with attempt.spends("shop").call(operation, **other):
            pass

    endless = "".join(Random(1).choices("0123456789abcdef", k=20_000))
    keyed = call(bad, "x", effect="resend", idempotency_key=endless)
    answers = await asyncio.gather(keyed, call(good, "read"), return_exceptions=True)
    assert isinstance(answers[0], Permanent)
    assert answers[1] is None


async def test_a_second_request_that_is_too_late_takes_nothing_back(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PF-21: a call of two requests whose second one comes too late has happened all the same."""
    hand = await hire(pool)
    await queue(pool, "a")
    _, attempt = await take(hand)
    keyed: Any = {"effect": "lookup", "idempotency_key": "k", "usd_micro": 100, "timeout": TIMEOUT}
    with pytest.raises(Waiting):  # noqa: PT012 (the call is what raises)
        async with attempt.spends("shop").call("pay", **keyed) as call:
            await call.sending()  # it is handed in and paid for
            call.took(usd_micro=90, ref="r1")
            stand_still(monkeypatch)
            await call.sending()  # and looked after
    (ended,) = attempt.take_ended()
    assert ended.state in ("settled", "unknown")


async def test_an_expired_hold_whose_call_may_have_happened_stays_held(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-10, PF-21: nobody ends a call that was sent: its money is not given back when its time is over."""
    hand = await hire(pool)
    await queue(pool, "a", "b")
    sent, intended = [hand.attempt(claim) for claim in await hand.claim(2)]
    for attempt, leaves in ((sent, True), (intended, False)):
        call = await attempt.spends("shop").call("pay", effect="never", usd_micro=100).__aenter__()
        if leaves:
            await call.sending()
    await pool.execute("delete from openbell.job")  # nobody knows of the attempts any more
    await clock.advance(hours=1)
    assert await pool.fetchval("select openbell.recover_spends('10 seconds')") == 2
    states = await pool.fetch("select state::text as state, cost_micro from openbell.spend order by id")
    assert [tuple(row) for row in states] == [("unknown", 100), ("released", 0)]
    await clock.advance(days=400)
    assert (await account(pool, resource="usd_micro"))["held"] == 100


async def test_two_processes_with_different_prices(pool: asyncpg.Pool) -> None:
    """PF-21: each holds what it believes; what the provider says is charged, and what exceeds a hold is told."""
    old = await hire(pool)
    new = await hire(pool)
    await queue(pool, "a", "b")
    for hand, price in ((old, 70), (new, 200)):
        (claim,) = await hand.claim()
        attempt = hand.attempt(claim)
        async with attempt.spends("shop").call("pay", effect="never", usd_micro=price) as call:
            await call.sending()
            call.took(usd_micro=150)
        await hand.publish(claim, {"n": 1}, settle=attempt.take_ended())
    row = await account(pool, resource="usd_micro")
    assert (row["held"], row["spent"], row["overrun"]) == (0, 70 + 150, 150 - 70)
    assert await pool.fetchval("select sum(cost_micro)::bigint from openbell.spend") == 300
    assert "overrun" in {alarm.code for alarm in (await look(pool)).alarms}


@pytest.mark.parametrize("step", [timedelta(hours=-2), timedelta(days=-40)], ids=["hours", "weeks"])
async def test_a_clock_that_goes_back_frees_nothing_early(pool: asyncpg.Pool, clock: Clock, step: timedelta) -> None:
    """PF-46: when the clock is set back, nothing is admitted that was not before, and every sum stays exact."""
    hand = await hire(pool)
    open_spend, done = [await hand.ledger.reserve(intent(hand, None, "never")) for _ in range(2)]
    assert done.spend_id is not None
    await hand.ledger.settle([Settlement(done.spend_id, "settled", "ok", {"usd_micro": 90})])
    await clock.advance(step)
    assert (await account(pool))["held"] == 2
    money = await account(pool, resource="usd_micro")
    assert money["held"] + money["spent"] <= 200
    assert await pool.fetchval("select openbell.recover_spends('10 seconds')") == 0
    assert open_spend.spend_id is not None
    await hand.ledger.settle([Settlement(open_spend.spend_id, "released", "ok")])
    await clock.reset()
    await clock.advance(seconds=61)
    assert (await account(pool))["held"] == 0
    assert (await account(pool, resource="usd_micro"))["spent"] == 90
