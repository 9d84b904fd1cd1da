"""Spends: what a call holds, when it leaves, how it ends, and what opens a breaker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine import jobs
from openbell.engine.artifacts import read
from openbell.engine.attempt import Attempt
from openbell.engine.books import list_books
from openbell.engine.demand import want
from openbell.engine.errors import AccountBlocked, Fenced, NotInPlan, Permanent, RateLimited, Transient, Waiting
from openbell.engine.ledger import Limit
from openbell.engine.registry import seconds
from tests.engine.conftest import Employ
from tests.engine.hand import Hand, account, declare, ended, one, per_minute, queue
from tests.support import Clock, eventually

BUDGET = Limit("shop", "usd_micro", "month", 1_000, closes="charge", calendar="month")
LIMITS = (per_minute(50), BUDGET)


async def attempt_at(pool: asyncpg.Pool, *, limits: Sequence[Limit] = LIMITS, **other: Any) -> tuple[Hand, Attempt]:
    """A hand, and its attempt at one key."""
    hand = await Hand.hire(pool, declare(), limits=limits)
    await queue(pool, "a")
    (claim,) = await hand.claim(**other)
    return hand, hand.attempt(claim)


async def money(pool: asyncpg.Pool) -> tuple[int, int, int]:
    """Held, spent and overrun of the budget."""
    row = await account(pool, resource="usd_micro")
    return row["held"], row["spent"], row["overrun"]


async def test_what_it_took_is_what_is_charged(pool: asyncpg.Pool) -> None:
    """PF-21: the hold of 100 settles to the 70 that the call took, in the account and in the spend."""
    hand, attempt = await attempt_at(pool)
    spends = attempt.spends("shop")
    async with spends.call("buy", usd_micro=100) as call:
        assert await money(pool) == (100, 0, 0)
        call.took(usd_micro=70, ref="r-1")
    await hand.ledger.settle(spends.ended)
    assert await money(pool) == (0, 70, 0)
    spend = await pool.fetchrow("select * from openbell.spend")
    assert (spend["held"], spend["took"]) == ({"calls": 1, "usd_micro": 100}, {"usd_micro": 70})
    assert (spend["cost_micro"], spend["provider_ref"]) == (70, "r-1")


async def test_a_provider_that_takes_more_is_booked_and_stops_new_holds(pool: asyncpg.Pool) -> None:
    """PF-21, bad input: what exceeds the hold is booked outside the limit, and there is no more room for others."""
    hand, attempt = await attempt_at(pool)
    spends = attempt.spends("shop")
    async with spends.call("buy", usd_micro=100) as call:
        call.took(usd_micro=1_500)
    await hand.ledger.settle(spends.ended)
    assert await money(pool) == (0, 100, 1_400)
    with pytest.raises(AccountBlocked, match=r"shop dollars, \w+ \d{4}"):
        async with spends.call("buy", usd_micro=1):
            pytest.fail("the call would have been made")


@pytest.mark.parametrize("amount", [-1, 2**53, 1.5, "5", True, None])
async def test_impossible_amounts_are_refused(pool: asyncpg.Pool, amount: Any) -> None:
    """Bad input: an amount that is no whole number from 0 to 2^53 holds nothing and sends nothing."""
    _, attempt = await attempt_at(pool)
    with pytest.raises(ValueError, match="amount of usd_micro must be a whole number"):
        async with attempt.spends("shop").call("buy", usd_micro=amount):
            pytest.fail("the call would have been made")
    async with attempt.spends("shop").call("buy", usd_micro=5) as call:
        with pytest.raises(ValueError, match="amount of usd_micro must be a whole number"):
            call.took(usd_micro=amount)


async def test_money_without_a_budget_is_not_spent(pool: asyncpg.Pool) -> None:
    """PF-20: a provider may have no byte limit, but what costs money needs an account for the money."""
    _, attempt = await attempt_at(pool, limits=[per_minute(5)])
    async with attempt.spends("shop").call("read", bytes=100):
        pass
    with pytest.raises(Permanent) as refused:
        async with attempt.spends("shop").call("buy", usd_micro=1):
            pytest.fail("the call would have been made")
    assert refused.value.code == "limit_missing"


async def test_a_call_with_an_effect_is_marked_before_it_leaves(pool: asyncpg.Pool) -> None:
    """PF-10: the mark is committed when `sending` returns; an answer without it is a fault of the client."""
    _, attempt = await attempt_at(pool)
    with pytest.raises(RuntimeError, match="not marked as sent"):
        async with attempt.spends("shop").call("buy", effect="never") as call:
            call.took()
    async with attempt.spends("shop").call("buy", effect="never") as call:
        await call.sending()
        state = await pool.fetchval("select state::text from openbell.spend where id = $1", call.spend_id)
        assert state == "sent"


async def test_a_fenced_attempt_sends_nothing(pool: asyncpg.Pool) -> None:
    """PF-5, PF-10: a process that froze between hold and call learns at the mark that the job is another's."""
    hand, attempt = await attempt_at(pool)
    spends = attempt.spends("shop")

    async def thawed() -> None:
        async with spends.call("buy", effect="never", usd_micro=100) as call:
            await hand.end(attempt.claim, "release")
            await call.sending()
            pytest.fail("the call would have been made")

    with pytest.raises(Fenced):
        await thawed()
    assert [one.state for one in spends.ended] == ["released"]


async def test_a_refusal_frees_money_and_key(pool: asyncpg.Pool) -> None:
    """PF-21: when the provider answers that it did nothing, the call counts, the money does not, the key is unused."""
    hand, attempt = await attempt_at(pool)
    spends = attempt.spends("shop")
    async with spends.call("buy", effect="resend", idempotency_key="k", usd_micro=100) as call:
        await call.sending()
        call.took(bytes=12)
        call.refused("bad_request")
    await hand.ledger.settle(spends.ended)
    assert await money(pool) == (0, 0, 0)
    assert (await account(pool))["held"] == 1
    async with spends.call("buy", effect="resend", idempotency_key="k", usd_micro=100) as call:
        assert not call.resumed


async def test_a_run_under_way_keeps_its_money_while_nobody_works(pool: asyncpg.Pool, clock: Clock) -> None:
    """Issue 4, long runs: submit, store the handle, poll later; one spend, whose money stays held in between."""
    hand, attempt = await attempt_at(pool)
    spends = attempt.spends("shop")
    async with spends.call("run", effect="lookup", idempotency_key="k", usd_micro=100) as call:
        await call.sending()
        call.took(bytes=1)
        call.under_way("run-7")
    await hand.end(attempt.claim, "wait", settle=spends.ended)
    await clock.advance(minutes=2)
    assert await pool.fetchval("select openbell.recover_spends(interval '1 minute')") == 0
    assert await money(pool) == (100, 0, 0)
    assert (await account(pool))["held"] == 0

    await pool.execute("update openbell.demand set expires_at = expires_at + interval '1 day'")
    (again,) = await hand.claim()
    spends = hand.attempt(again).spends("shop")
    async with spends.call("run", effect="lookup", idempotency_key="k", usd_micro=100) as call:
        assert (call.resumed, call.provider_ref) == (True, "run-7")
        call.took(usd_micro=80)
    await hand.publish(again, {"n": 1}, settle=spends.ended)
    assert await money(pool) == (0, 80, 0)
    assert await pool.fetchval("select count(*) from openbell.spend") == 1


async def test_one_key_is_called_by_one_at_a_time(pool: asyncpg.Pool) -> None:
    """DC-1: while an attempt makes the call of a key, nobody else does, in this batch or a later one."""
    hand = await Hand.hire(pool, declare(), limits=LIMITS)
    await queue(pool, "a", "b")
    one, other = [hand.attempt(claim).spends("shop") for claim in await hand.claim(2)]
    async with one.call("buy", effect="resend", idempotency_key="k"):
        with pytest.raises(Exception, match="another attempt makes this call right now"):
            async with other.call("buy", effect="resend", idempotency_key="k"):
                pytest.fail("the call would have been made")


async def test_doubtful_money_stays_held(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-10, PF-21: what may have been spent is spent for every limit, until somebody knows better."""
    hand, attempt = await attempt_at(pool)
    spends = attempt.spends("shop")

    async def broken() -> None:
        async with spends.call("buy", effect="never", usd_micro=900) as call:
            await call.sending()
            raise Transient("the line broke")

    with pytest.raises(Transient):
        await broken()
    await hand.end(attempt.claim, "retry", settle=spends.ended)
    await clock.advance(days=3)
    assert await money(pool) == (900, 0, 0)
    assert [row["code"] for row in await ended(pool, "a")] == ["outcome_unknown"]


async def test_a_new_month_is_a_new_account(pool: asyncpg.Pool, clock: Clock) -> None:
    """The period is part of the account's name: nothing is reset, and a process that lives on finds the new one."""
    hand, attempt = await attempt_at(pool)
    spends = attempt.spends("shop")
    async with spends.call("buy", usd_micro=1_000):
        pass
    await hand.ledger.settle(spends.ended)
    with pytest.raises(AccountBlocked):
        async with spends.call("buy", usd_micro=1):
            pytest.fail("the call would have been made")
    await clock.advance(days=31)
    async with spends.call("buy", usd_micro=700):
        pass
    views = [one for one in await list_books(pool, ended=True) if one.resource == "usd_micro"]
    assert [(one.spent, one.held) for one in views] == [(1_000, 0), (0, 700)]


@pytest.mark.parametrize(("job_class", "free"), [("interactive", 10), ("scheduled", 7), ("background", 3)])
async def test_floors_are_kept_for_the_more_urgent(pool: asyncpg.Pool, job_class: str, free: int) -> None:
    """PF-19: a class finds what the account keeps for more urgent ones already gone, and its own part not."""
    limit = Limit("shop", "calls", "ever", 10, closes="charge", floors={"interactive": 3, "scheduled": 4})
    hand = await Hand.hire(pool, declare(), limits=[limit])
    await want(pool, [("number", "a")], source="test", seconds=60, job_class=job_class)
    (claim,) = await hand.claim()
    spends = hand.attempt(claim).spends("shop")
    for _ in range(free):
        async with spends.call("buy"):
            pass
    if free < 10:
        with pytest.raises(AccountBlocked, match="kept for more urgent work"):
            async with spends.call("buy"):
                pytest.fail("the call would have been made")
    row = await account(pool)
    assert (row["held"], row["blocked_until"]) == (free, None)


async def test_a_viewer_does_not_wait_for_room_that_is_kept_for_him(pool: asyncpg.Pool) -> None:
    """PF-19, DC-4: a listed key that waits, as what is left is kept for viewers, is served when a viewer comes."""
    limit = Limit("shop", "calls", "ever", 10, closes="charge", floors={"interactive": 3})
    hand = await Hand.hire(pool, declare(), limits=[limit])
    await queue(pool, "a", source="list", job_class="scheduled")
    (claim,) = await hand.claim()
    await hand.end(claim, "wait", delay_s=300)
    assert await hand.claim() == []
    assert await queue(pool, "a", source="viewer")
    (claim,) = await hand.claim()
    async with hand.attempt(claim).spends("shop").call("buy"):
        pass


async def test_those_who_leave_room_to_others_do_not_all_come_back_at_once(pool: asyncpg.Pool) -> None:
    """PF-19: what is kept for urgent work holds nobody in the claim; each comes back at a time of his own."""
    limit = Limit("shop", "calls", "minute", 10, span=timedelta(minutes=1), floors={"interactive": 10})
    hand = await Hand.hire(pool, declare(), limits=[limit])
    await queue(pool, *"abcdef", source="list", job_class="scheduled")
    waits = []
    for claim in await hand.claim(most=6):
        with pytest.raises(AccountBlocked) as caught:
            async with hand.attempt(claim).spends("shop").call("buy"):
                pytest.fail("the call would have been made")
        waits.append(caught.value.opens_in)
    assert len(set(waits)) == 6
    assert max(waits) - min(waits) > timedelta(seconds=1)


async def test_a_viewer_does_not_shorten_the_pause_after_a_failure(pool: asyncpg.Pool) -> None:
    """PF-8: what has failed is tried again when its pause is over, whoever looks."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a", source="list", job_class="scheduled")
    (claim,) = await hand.claim()
    await hand.end(claim, "retry", delay_s=300)
    await queue(pool, "a", source="viewer")
    assert await hand.claim() == []


async def test_the_account_that_is_full_is_the_one_that_is_named(pool: asyncpg.Pool) -> None:
    """PF-19: a call refused for its rate names the rate, also beside a budget of money, and blocks nothing else."""
    _, attempt = await attempt_at(pool, limits=[per_minute(1), BUDGET])
    spends = attempt.spends("shop")
    async with spends.call("buy", usd_micro=10):
        pass
    with pytest.raises(AccountBlocked, match="shop calls in any minute"):
        async with spends.call("buy", usd_micro=10):
            pytest.fail("the call would have been made")
    assert (await account(pool, resource="usd_micro"))["blocked_until"] is None


async def test_a_run_under_way_ends_although_the_budget_is_overdrawn(pool: asyncpg.Pool) -> None:
    """PF-21: a resumed call takes no money, so that an overrun of others does not keep it from being settled."""
    hand, attempt = await attempt_at(pool)
    spends = attempt.spends("shop")
    async with spends.call("run", effect="lookup", idempotency_key="k", usd_micro=100) as call:
        await call.sending()
        call.under_way("run-7")
    async with spends.call("buy", usd_micro=100) as call:
        call.took(usd_micro=5_000)
    await hand.ledger.settle(spends.ended)
    async with spends.call("run", effect="lookup", idempotency_key="k", usd_micro=100) as call:
        assert call.provider_ref == "run-7"


async def test_places_are_free_when_the_call_has_ended(pool: asyncpg.Pool) -> None:
    """PF-19: of two places an attempt may use each again and again; three calls at once are one too many."""
    _, attempt = await attempt_at(pool, limits=[Limit("shop", "calls", "at once", 2, closes="release")])
    spends = attempt.spends("shop")
    for _ in range(5):
        async with spends.call("one"), spends.call("two"):
            pass
    with pytest.raises(AccountBlocked):
        async with spends.call("one"), spends.call("two"), spends.call("three"):
            pytest.fail("the call would have been made")


async def make_trouble(pool: asyncpg.Pool, hand: Hand, attempt: Attempt, calls: int, troubled: int) -> None:
    """So many calls, of which the first so many fail by the provider's fault."""
    spends = attempt.spends("shop")
    for number in range(calls):
        async with spends.call("buy") as call:
            if number < troubled:
                call.trouble("outage")
    await hand.ledger.settle(spends.ended)
    spends.ended = []


@pytest.mark.parametrize(("calls", "troubled", "opens"), [(4, 4, False), (5, 5, True), (10, 5, True), (12, 5, False)])
async def test_troubles_open_a_breaker(pool: asyncpg.Pool, calls: int, troubled: int, opens: bool) -> None:
    """PF-23: five troubled calls of a minute open it, when they are half of all or more."""
    hand, attempt = await attempt_at(pool)
    await make_trouble(pool, hand, attempt, calls, troubled)
    assert await pool.fetchval("select count(*) from openbell.breaker where provider = 'shop'") == int(opens)


async def test_polls_of_earlier_runs_are_calls_too(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-23: a run that was begun an hour ago and is asked about now is a call of this minute."""
    hand, attempt = await attempt_at(pool)
    spends = attempt.spends("shop")

    async def ask(troubled: int) -> None:
        for number in range(7):
            async with spends.call("run", effect="lookup", idempotency_key=f"k{number}") as call:
                if not call.resumed:
                    await call.sending()
                call.under_way(f"run-{number}")
                if number < troubled:
                    call.trouble("outage")
        await hand.ledger.settle(spends.ended)
        spends.ended = []

    await ask(0)
    await clock.advance(hours=1)
    await ask(0)
    await make_trouble(pool, hand, attempt, 5, 5)
    assert await pool.fetchval("select count(*) from openbell.breaker") == 0
    await ask(1)
    assert await pool.fetchval("select count(*) from openbell.breaker") == 1


async def test_a_request_leaves_within_half_of_its_time(pool: asyncpg.Pool) -> None:
    """PF-19: what leaves late would arrive after its time, and count there for longer than it is held here."""
    _, attempt = await attempt_at(pool)
    spends = attempt.spends("shop")

    async def send_late() -> None:
        async with spends.call("buy", effect="never", timeout=timedelta(microseconds=2), usd_micro=100) as call:
            await call.sending()

    with pytest.raises(Waiting, match="stood still"):
        await send_late()
    assert [one.state for one in spends.ended] == ["released"]
    async with spends.call("buy", effect="never", timeout=timedelta(seconds=5), usd_micro=100) as call:
        await call.sending()


async def test_an_open_breaker_lets_one_probe_through(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-23: while it is open only this provider waits; then one call finds out: it closes, or opens for longer."""
    limits = [*LIMITS, per_minute(5, "mall")]
    hand = await Hand.hire(pool, declare(), limits=limits)
    await queue(pool, "a", "b")
    first, second = await hand.claim(2)
    one, other = hand.attempt(first), hand.attempt(second)
    await make_trouble(pool, hand, one, 5, 5)
    with pytest.raises(AccountBlocked, match="breaker of shop is open"):
        async with one.spends("shop").call("buy"):
            pytest.fail("the call would have been made")
    async with other.spends("mall").call("buy"):
        pass
    await queue(pool, "c")
    assert await hand.claim() == []

    await clock.advance(seconds=31)
    probe = one.spends("shop")
    async with probe.call("buy") as call:
        call.trouble("outage")
        with pytest.raises(AccountBlocked, match="breaker of shop is open"):
            async with other.spends("shop").call("buy"):
                pytest.fail("a second probe would have been sent")
    await hand.ledger.settle(probe.ended)
    row = await pool.fetchrow("select *, open_until - openbell.now() as left from openbell.breaker")
    assert row["openings"] == 2
    assert timedelta(seconds=30) < row["left"] <= timedelta(seconds=60)

    probe.ended = []
    await clock.advance(seconds=61)
    async with probe.call("buy"):
        pass
    await hand.ledger.settle(probe.ended)
    assert await pool.fetchval("select count(*) from openbell.breaker") == 0
    assert len(await hand.claim()) == 1


async def test_slow_answers_are_trouble(pool: asyncpg.Pool) -> None:
    """PF-23: an answer that takes longer than the client thinks right counts against the provider."""
    _, attempt = await attempt_at(pool)
    spends = attempt.spends("shop")
    async with spends.call("buy", slow=timedelta(0)):
        await asyncio.sleep(0)
    async with spends.call("buy"):
        pass
    assert [one.trouble for one in spends.ended] == ["slow", None]


async def test_an_operation_outside_the_plan_is_retired(pool: asyncpg.Pool, employ: Employ, clock: Clock) -> None:
    """Issue 4, typed errors: after one refusal no key asks for that operation again for a week; others go on."""
    asked: list[str] = []

    async def make(key: Any, ctx: Any) -> Any:
        async with ctx.spends("shop").call("special"):
            asked.append(str(key))
            error = NotInPlan("not in the plan", code="endpoint_not_in_plan", retry_after=timedelta(days=7))
            error.operation = "special"
            raise error

    await employ(declare(make=make), limits=LIMITS)
    await queue(pool, "a")
    await eventually(lambda: ended(pool, "a"))
    await queue(pool, "b")
    (row,) = await eventually(lambda: ended(pool, "b"))
    assert (row["code"], asked) == ("endpoint_not_in_plan", ["a"])


@pytest.mark.parametrize("why", ["breaker", "minute"])
async def test_nobody_tries_at_once_again_what_another_provider_cannot_do(
    pool: asyncpg.Pool, employ: Employ, clock: Clock, why: str
) -> None:
    """PF-23: a job whose own provider is well waits for the breaker or the full minute of the other one that it
    asks in a step, such as a model; the claim looks at its own provider only, and would take it again at once.
    """
    tried: list[str] = []
    made: list[str] = []

    async def make(key: Any, ctx: Any) -> Any:
        tried.append(str(key))
        async with ctx.spends("mall").call("write"):
            made.append(str(key))
        return await one(key, ctx)

    limits = [per_minute(50), per_minute(1 if why == "minute" else 50, "mall")]
    await employ(declare(make=make), limits=limits)
    if why == "breaker":
        await pool.execute(
            "insert into openbell.breaker (provider, operation, opened_at, open_until, code, reason) "
            "values ('mall', '', openbell.now(), openbell.now() + interval '1 minute', 'x', 'x')"
        )
    else:
        await queue(pool, "first")
        await eventually(lambda: made == ["first"])
    tried.clear()
    await queue(pool, "a")

    async def waits() -> bool:
        return bool(await pool.fetchval("select parked_until > openbell.now() from openbell.job where key = 'a'"))

    await eventually(waits)
    await queue(pool, "b")
    await eventually(lambda: "b" in tried)
    assert tried == ["a", "b"], "each once, and then it waits"
    await clock.advance(seconds=70)
    await eventually(lambda: "a" in made or "b" in made)


async def test_the_provider_that_failed_is_blamed(pool: asyncpg.Pool, employ: Employ) -> None:
    """MD-21: a product that asks several providers pauses the one that asked for a pause."""

    async def make(key: Any, ctx: Any) -> Any:
        async with ctx.spends("mall").call("read"):
            raise RateLimited("slow down", retry_after=timedelta(minutes=1))

    await employ(declare(make=make, retry=seconds(30)), limits=[per_minute(5), per_minute(5, "mall")])
    await queue(pool, "a")
    await eventually(lambda: pool.fetchval("select blocked_until from openbell.account where subject = 'mall'"))
    assert await pool.fetchval("select blocked_until from openbell.account where subject = 'shop'") is None


async def test_a_dear_call_that_is_refused_blocks_no_cheaper_one(pool: asyncpg.Pool) -> None:
    """PF-19: a budget without room for one call has some for others, and for the look at what is paid already."""
    _, attempt = await attempt_at(pool)
    spends = attempt.spends("shop")
    async with spends.call("buy", usd_micro=900):
        pass
    with pytest.raises(AccountBlocked, match=r"shop dollars, \w+ \d{4}"):
        async with spends.call("buy", usd_micro=500):
            pytest.fail("the call would have been made")
    assert (await account(pool, resource="usd_micro"))["blocked_until"] is None
    async with spends.call("buy", usd_micro=50), spends.call("look"):
        pass


async def test_what_was_not_held_and_cost_something_is_booked(pool: asyncpg.Pool) -> None:
    """PF-21, bad input: a call that was to be free and was not is booked on the budget, beyond its limit if need be."""
    hand, attempt = await attempt_at(pool)
    spends = attempt.spends("shop")
    async with spends.call("look") as call:
        call.took(usd_micro=70)
    await hand.ledger.settle(spends.ended)
    assert await money(pool) == (0, 0, 70)
    assert await pool.fetchval("select cost_micro from openbell.spend") == 70


async def test_words_of_a_provider_never_keep_an_attempt_from_ending(pool: asyncpg.Pool) -> None:
    """Bad input: a NUL or half a character in an id or a status is taken out; the spend is settled all the same."""
    hand, attempt = await attempt_at(pool)
    spends = attempt.spends("shop")
    async with spends.call("buy") as call:
        call.took(outcome="o\x00k\ud800", ref="r\x00" + "x" * 9_000)
    assert await hand.publish(attempt.claim, {"n": 1}, settle=spends.ended) is not None
    assert await pool.fetchval("select outcome from openbell.spend") == "ok?"


async def test_what_may_have_been_paid_is_left_for_an_operator(pool: asyncpg.Pool, clock: Clock) -> None:
    """DC-1: a key whose paid call is in doubt is not queued again by anybody's demand, until an operator retries it."""
    hand, attempt = await attempt_at(pool)
    call = await attempt.spends("shop").call("buy", effect="never").__aenter__()
    await call.sending()
    await hand.end(attempt.claim, "retry")
    (row,) = await ended(pool, "a")
    assert row["code"] == "outcome_unknown"
    await clock.advance(days=400)
    assert await queue(pool, "a") == []
    reading = await read(pool, "number", "a")
    assert reading.setback is not None
    assert reading.setback.needs_operator
    assert "before an operator has looked" in reading.reason
    await jobs.retry(pool, row["id"], actor="test")
    assert len(await hand.claim()) == 1
