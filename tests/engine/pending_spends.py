"""Rules of money that are not kept yet: ``python -m pytest tests/engine/pending_spends.py``."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg

from openbell.engine.ledger import Limit
from openbell.engine.spends import Intent, Settlement
from tests.engine.hand import Hand, account, declare, job, per_minute, queue, rescue
from tests.support import Clock

MONEY = Limit("shop", "usd_micro", "ever", 10_000, closes="charge")
TIMEOUT = timedelta(seconds=10)


async def hire(pool: asyncpg.Pool) -> Hand:
    return await Hand.hire(pool, declare(), limits=[per_minute(100), MONEY])


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
    attempt = hand.attempt((await hand.claim())[0])
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
    attempt = hand.attempt((await hand.claim())[0])
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
    claim = (await hand.claim())[0]
    attempt = hand.attempt(claim)
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
    claim = (await hand.claim())[0]
    attempt = hand.attempt(claim)
    async with attempt.spends("shop").call("pay", effect="lookup", idempotency_key="k", usd_micro=100) as call:
        await call.sending()
        call.took(usd_micro=90, ref="r1")
    await hand.end(claim, "retry", settle=attempt.take_ended())
    for _ in range(2):
        claim = (await hand.claim())[0]
        attempt = hand.attempt(claim)
        async with attempt.spends("shop").call("pay", effect="lookup", idempotency_key="k", usd_micro=100) as call:
            assert call.resumed
            call.never_sent("unreachable")
        await hand.end(claim, "wait", settle=attempt.take_ended())
    assert (await spend(pool))["cost_micro"] == (await account(pool, resource="usd_micro"))["spent"] == 90


async def test_a_settled_call_that_is_resumed_is_charged_what_it_took(pool: asyncpg.Pool) -> None:
    """PF-21: settled at its hold because the price was not told, then looked up: the account follows the truth."""
    hand = await hire(pool)
    await queue(pool, "a")
    claim = (await hand.claim())[0]
    attempt = hand.attempt(claim)
    async with attempt.spends("shop").call("pay", effect="lookup", idempotency_key="k", usd_micro=100) as call:
        await call.sending()
        call.took(ref="r1")
    await hand.end(claim, "retry", settle=attempt.take_ended())
    claim = (await hand.claim())[0]
    attempt = hand.attempt(claim)
    async with attempt.spends("shop").call("pay", effect="lookup", idempotency_key="k", usd_micro=100) as call:
        call.took(usd_micro=70, ref="r1")
    await hand.publish(claim, {"n": 1}, settle=attempt.take_ended())
    assert (await spend(pool))["cost_micro"] == 70
    assert (await account(pool, resource="usd_micro"))["spent"] == 70


async def test_an_abandoned_reservation_ends_only_its_own_attempts_spend(pool: asyncpg.Pool) -> None:
    """PF-21: whoever gives up his reservation does not give back the call that the next attempt has made of it."""
    hand = await hire(pool)
    await queue(pool, "a")
    claim = (await hand.claim())[0]
    legs = [(one.id, 100 if one.resource == "usd_micro" else 1) for one in hand.accounts["shop"]]
    held = {"calls": 1, "usd_micro": 100}

    def intent(token: int) -> Intent:
        return Intent(
            claim.id, token, "number", "a", "shop", "pay", None, "resend", "k", timedelta(days=1), TIMEOUT, held, legs
        )

    first = await hand.ledger.reserve(intent(claim.token))  # its caller is being cancelled and will release it
    await hand.end(claim, "release")
    claim = (await hand.claim())[0]
    attempt = hand.attempt(claim)
    gate = attempt.spends("shop").call(
        "pay", effect="resend", idempotency_key="k", window=timedelta(days=1), usd_micro=100
    )
    async with gate as call:
        await call.sending()
        assert call.spend_id == first.spend_id
        await hand.ledger.settle([Settlement(call.spend_id, "released", "the attempt ended before the call")])
        call.took(usd_micro=90)
    await hand.publish(claim, {"n": 1}, settle=attempt.take_ended())
    assert (await spend(pool))["word"] == "settled"
    assert (await account(pool, resource="usd_micro"))["spent"] == 90


async def test_a_lookup_waits_until_the_first_call_has_had_its_time(pool: asyncpg.Pool, clock: Clock) -> None:
    """DC-1: as long as the first request may still arrive, "not found" proves nothing; nobody may ask before."""
    hand = await hire(pool)
    await queue(pool, "a")
    attempt = hand.attempt((await hand.claim())[0])
    long = timedelta(seconds=60)
    gate = attempt.spends("shop").call("pay", effect="lookup", idempotency_key="k", usd_micro=100, timeout=long)
    call = await gate.__aenter__()
    await call.sending()
    attempt = await again(hand)
    verdict = await hand.ledger.reserve(
        Intent(
            attempt.claim.id,
            attempt.claim.token,
            "number",
            "a",
            "shop",
            "pay",
            None,
            "lookup",
            "k",
            None,
            long,
            {"calls": 1},
            [(hand.accounts["shop"][0].id, 1)],
        )  # fmt: skip
    )
    assert verdict.word == "busy", "the first request may still arrive within its 60 s"


async def test_a_process_that_slept_after_its_mark_does_not_send(pool: asyncpg.Pool) -> None:
    """PF-24: the mark is written, the process stands still for longer than the call may take: nothing may leave."""
    hand = await hire(pool)
    await queue(pool, "a")
    attempt = hand.attempt((await hand.claim())[0])
    short = timedelta(seconds=0.2)
    async with attempt.spends("shop").call("pay", effect="never", usd_micro=100, timeout=short) as call:
        mark = call._mark
        assert mark is not None

        async def slowly() -> bool:
            answer = await mark()
            await asyncio.sleep(0.3)
            return answer

        call._mark = slowly
        sent = False
        try:
            await call.sending()
            sent = True
        except Exception:
            pass
        assert not sent


async def test_one_impossible_request_does_not_fail_its_batch(pool: asyncpg.Pool) -> None:
    """PF-35: a request that the database cannot store fails alone."""
    hand = await hire(pool)
    legs = [(hand.accounts["shop"][0].id, 1)]

    def intent(operation: str) -> Intent:
        return Intent(None, None, "number", "a", "shop", operation, None, "repeat", None, None, TIMEOUT, {}, legs)

    asks = [hand.ledger.reserve(intent(name)) for name in ("first", "good", "b\x00d", "good", "\ud800")]
    answers = await asyncio.gather(*asks, return_exceptions=True)
    assert [getattr(one, "word", "error") for one in answers] == ["ok", "ok", "error", "ok", "error"]


async def test_a_reservation_whose_answer_was_lost_is_held_once(pool: asyncpg.Pool) -> None:
    """PF-21: the same key reserved again after the first answer was lost holds the money once."""
    hand = await hire(pool)
    await queue(pool, "a")
    claim = (await hand.claim())[0]
    legs = [(one.id, 100 if one.resource == "usd_micro" else 1) for one in hand.accounts["shop"]]
    held = {"calls": 1, "usd_micro": 100}
    for _ in range(2):
        await hand.ledger.reserve(
            Intent(
                claim.id,
                claim.token,
                "number",
                "a",
                "shop",
                "pay",
                None,
                "resend",
                "k",
                timedelta(days=1),
                TIMEOUT,
                held,
                legs,
            )  # fmt: skip
        )
        await hand.end(claim, "release")
        claim = (await hand.claim())[0]
    assert (await account(pool, resource="usd_micro"))["held"] == 100


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
