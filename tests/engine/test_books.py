"""The books: what accounts say for themselves, grants, doubtful calls, and alarms."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine.alarms import look
from openbell.engine.books import (
    Book,
    GrantRefused,
    UnknownAccount,
    dollars,
    forecast,
    grant,
    list_books,
    list_grants,
    resume,
    size,
    words,
)
from openbell.engine.costs import (
    CostRefused,
    NotDoubtful,
    UnknownSpend,
    costs,
    count_doubtful,
    get_spend,
    list_spends,
    resolve,
)
from openbell.engine.errors import AccountBlocked
from openbell.engine.ledger import Limit, ensure_account
from openbell.engine.spends import Settlement
from tests.engine.hand import Hand, declare, job, per_minute, queue
from tests.engine.purse import BUDGET, at_once, at_work, buy, money
from tests.support import Clock

PLACES = Limit("shop", "calls", "at once", 5, closes="release")
EVER = date(2000, 1, 1)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def book(**other: Any) -> Book:
    """A budget of a hundred dollars for November, of which half is spent."""
    values: dict[str, Any] = {
        "id": 1, "subject": "shop", "resource": "usd_micro", "period": "2026-11", "closes": "charge", "span": None,
        "ends_at": datetime(2026, 12, 1, tzinfo=UTC), "granted": 100_000_000, "extra": 0, "held": 0,
        "spent": 50_000_000, "overrun": 0, "doubtful": 0, "doubtful_calls": 0, "floors": {}, "blocked_until": None,
        "blocked_reason": None, "frees_at": None, "frees": 0, "burn": 0, "burn_since": None, "now": NOW,
    }  # fmt: skip
    return Book(**(values | other))


# --- accounts ---------------------------------------------------------------------------------------------------------


async def test_a_book_tells_what_became_of_its_limit(pool: asyncpg.Pool) -> None:
    """PF-19, PF-21: limit, grants, held, doubtful, spent and overrun, each to the unit, while calls are under way."""
    spends = await at_work(pool)
    await buy(spends, took=70)
    await buy(spends, took=130)
    await buy(spends, "unknown", usd_micro=200)
    await buy(spends, "released")
    await grant(pool, "shop", "usd_micro", 500, reason="more", actor="ada")
    async with spends.call("buy", usd_micro=10):
        found = (await money(pool)).as_json()
    told = {
        name: found[name]
        for name in found
        if name not in ("period", "ends_at", "runs_out_at", "burn_since", "forecast")
    }
    assert told == {
        "subject": "shop", "resource": "usd_micro", "closes": "charge", "span_s": None, "limit": 1_000, "grants": 500,
        "granted": 1_500, "held": 210, "doubtful": 200, "doubtful_calls": 1, "spent": 170, "overrun": 30, "free": 1_090,
        "floors": {}, "blocked_until": None, "blocked_reason": None, "frees": 0, "frees_at": None, "burn_per_day": 410,
        "alarm": 0,
    }  # fmt: skip


async def test_a_window_says_when_more_frees(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-19: of a sliding window: room now, how much frees next and when."""
    spends = await at_work(pool, per_minute(5), BUDGET)
    for _ in range(2):
        await buy(spends)
        await clock.advance(seconds=20)
    (window,) = await list_books(pool, "shop", "calls")
    assert (window.held, window.free, window.frees, window.per_day) == (2, 3, 1, None)
    assert window.frees_at is not None
    assert timedelta(seconds=5) < window.frees_at - window.now <= timedelta(seconds=20)
    assert forecast(window).startswith("Room for 3 calls now; 1 call more at ")
    await clock.advance(seconds=25)
    (window,) = await list_books(pool, "shop", "calls")
    assert (window.held, window.free) == (1, 4)


async def test_periods_that_have_ended_are_history(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-19: the books show the period that runs; earlier ones are there for who asks, with what was spent in them."""
    await buy(await at_work(pool), took=70)
    await clock.advance(days=32)
    assert await list_books(pool, "shop", "usd_micro") == []
    await ensure_account(pool, BUDGET)
    assert (await money(pool)).spent == 0
    earlier, current = await list_books(pool, "shop", "usd_micro", ended=True)
    assert (earlier.ended, earlier.spent, current.ended) == (True, 70, False)
    assert (forecast(earlier), earlier.alarm) == ("Its period has ended.", 0)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"burn": 10_000_000}, "At $10.00 a day it is used up on 27 Nov, 4 days before its period ends on 1 Dec."),
        ({"burn": 1_000_000}, "At $1.00 a day it lasts until its period ends on 1 Dec."),
        ({"burn": 0}, "Nothing was taken in the last 24 hours; its period ends on 1 Dec."),
        ({"burn": 1, "spent": 100_000_000}, "Used up until its period ends on 1 Dec. A grant makes room"),
        (
            {"burn": 1_000_000, "burn_since": NOW - timedelta(minutes=5)},
            "At $1.00 a day (all of it since 11:55:00 UTC) it lasts until",
        ),
        ({"burn": 1_000_000, "burn_since": NOW - timedelta(hours=13)}, "At $1.00 a day it lasts until"),
        (
            {"burn": 1, "ends_at": datetime(2027, 1, 1, 5, tzinfo=UTC)},
            "At $0.000001 a day it lasts until its period ends on 1 Jan 2027, 05:00 UTC.",
        ),
        ({"burn": 1_000_000, "ends_at": None}, "At $1.00 a day it is used up on 11 Jan 2027."),
        ({"burn": 1, "ends_at": None}, "At $0.000001 a day it lasts for more than ten years."),
        ({"burn": 0, "ends_at": None}, "Nothing was taken in the last 24 hours."),
        ({"closes": "release", "resource": "calls", "granted": 3, "spent": 0, "held": 1}, "Room for 2 calls now; more"),
        (
            {"closes": "age", "resource": "bytes", "span": timedelta(days=30), "granted": 10, "spent": 0, "held": 10},
            "Full; it frees after the calls under way have ended.",
        ),
    ],
)  # fmt: skip
def test_the_forecast_is_a_sentence(other: dict[str, Any], said: str) -> None:
    """PF-34: burn and forecast in words: at the rate of the last day, against the end of the period."""
    assert forecast(book(**other)).startswith(said)


def test_money_is_told_to_the_last_digit() -> None:
    """Issue 4: integers only; dollars are printed with all digits that say something, large figures in groups."""
    assert [dollars(n) for n in (0, 1, 42, 3_100_000, 3_120_400, 1_234_567_890, -5_000_000)] == [
        "$0.00", "$0.000001", "$0.000042", "$3.10", "$3.1204", "$1,234.56789", "−$5.00",
    ]  # fmt: skip
    assert [size(n) for n in (0, 812, 999_499, 1_250_000, 47_500_000_000)] == [
        "0 B",
        "812 B",
        "999.5 kB",
        "1.25 MB",
        "47.5 GB",
    ]
    assert [words("calls", 1), words("calls", 2_000), words("credits", 0)] == ["1 call", "2,000 calls", "0 credits"]


# --- grants -----------------------------------------------------------------------------------------------------------


async def test_a_grant_makes_room_and_history(pool: asyncpg.Pool) -> None:
    """PF-19: a grant is in the account, in its history with actor and reason, and audited; a start keeps it."""
    await at_work(pool)
    found, _ = await grant(pool, "shop", "usd_micro", 500, reason="launch week", actor="ada")
    assert (found.granted, found.extra) == (1_500, 500)
    found, _ = await grant(pool, "shop", "usd_micro", -200, reason="not needed", actor="bob")
    assert (found.granted, found.extra) == (1_300, 300)
    history = [(one.actor, one.amount, one.reason) for one in await list_grants(pool, found.id)]
    assert history == [("ada", 500, "launch week"), ("bob", -200, "not needed")]
    audit = await pool.fetch(
        "select actor, target, before, after from openbell.audit where action = 'account.grant' order by id"
    )
    assert [(row["actor"], row["target"]) for row in audit] == [
        (actor, f"shop usd_micro {found.period}") for actor in ("ada", "bob")
    ]
    assert audit[1]["before"] == {"granted": 1_500, "extra": 500}
    assert audit[1]["after"] == {"granted": 1_300, "extra": 300, "amount": -200, "reason": "not needed"}
    await ensure_account(pool, BUDGET)
    assert (await money(pool)).granted == 1_300


async def test_a_grant_ends_the_waiting(pool: asyncpg.Pool) -> None:
    """PF-19: work that a full account keeps waiting goes on at once: the pause ends, and what it parked is woken."""
    hand = await Hand.hire(pool, declare(), limits=[BUDGET, per_minute(100)])
    await queue(pool, "a", "b")
    first, second = await hand.claim(2)
    await pool.execute(
        """update openbell.account set blocked_until = openbell.now() + interval '1 day', blocked_reason = 'full'
        where resource = 'usd_micro'"""
    )
    with pytest.raises(AccountBlocked) as refused:
        async with hand.attempt(first).spends("shop").call("buy", usd_micro=1):
            pytest.fail("the call would have been made")
    await hand.end(first, "wait", delay_s=600)
    await pool.execute("update openbell.job set reason = $2 where id = $1", first.id, str(refused.value))
    await hand.end(second, "wait", delay_s=600)
    heard = asyncio.Event()
    async with pool.acquire() as listener:
        await listener.add_listener("openbell", lambda *_: heard.set())
        _, woken = await grant(pool, "shop", "usd_micro", 1, reason="go on", actor="ada")
        await asyncio.wait_for(heard.wait(), 30)
        await listener.reset()
    assert woken == 1
    assert (await money(pool)).blocked_until is None
    assert [claim.key for claim in await hand.claim(2)] == ["a"]
    parked = await job(pool, "b")
    assert parked is not None
    assert parked["parked_until"] is not None


async def test_only_what_was_granted_and_is_free_is_taken_back(pool: asyncpg.Pool) -> None:
    """PF-19: a negative grant never takes what is in use, nor the limit itself; refused, it changes nothing."""
    spends = await at_work(pool)
    with pytest.raises(GrantRefused, match=r"\$0\.00 of it were granted"):
        await grant(pool, "shop", "usd_micro", -1, reason="x", actor="ada")
    await grant(pool, "shop", "usd_micro", 500, reason="x", actor="ada")
    await buy(spends, usd_micro=1_200, took=1_200)
    with pytest.raises(GrantRefused, match=r"\$0\.0003 are free"):
        await grant(pool, "shop", "usd_micro", -301, reason="x", actor="ada")
    assert (await grant(pool, "shop", "usd_micro", -300, reason="x", actor="ada"))[0].free == 0
    assert await pool.fetchval("select count(*) from openbell.account_grant") == 2


async def test_many_hands_take_back_no_more_than_there_is(pool: asyncpg.Pool) -> None:
    """PF-19: of operators who take back at the same time as calls are reserved, none takes what another has."""
    spends = await at_work(pool)
    await grant(pool, "shop", "usd_micro", 1_000, reason="x", actor="ada")

    takes = (grant(pool, "shop", "usd_micro", -300, reason="x", actor="ada") for _ in range(5))
    answers = await at_once(pool, "account", *takes, buy(spends, usd_micro=800, took=750))
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 2
    assert all(isinstance(one, GrantRefused) for one in refused)
    found = await money(pool)
    assert (found.granted, found.extra, found.spent) == (1_100, 100, 750)


async def test_an_impossible_grant_is_refused(pool: asyncpg.Pool) -> None:
    """PF-19: only whole amounts other than 0, which can be counted exactly, are granted."""
    await at_work(pool)
    impossible: tuple[Any, ...] = (0, 2**53, -(2**53), 1.5, "5", None, True)
    for amount in impossible:
        with pytest.raises(GrantRefused, match="whole number"):
            await grant(pool, "shop", "usd_micro", amount, reason="x", actor="ada")


async def test_what_a_grant_can_not_name(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-20: several periods, an ended one, no such account, no reason, and more than can be counted: each is told."""
    await at_work(pool, BUDGET, per_minute(5), Limit("shop", "calls", "day", 50, span=timedelta(days=1)))
    with pytest.raises(GrantRefused, match="'day', 'minute' with --period"):
        await grant(pool, "shop", "calls", 5, reason="x", actor="ada")
    with pytest.raises(
        UnknownAccount, match=r"no account mall calls.*shop calls --period day, shop calls --period minute"
    ):
        await grant(pool, "mall", "calls", 5, reason="x", actor="ada")
    with pytest.raises(GrantRefused, match="needs a reason"):
        await grant(pool, "shop", "usd_micro", 5, reason=" ", actor="ada")
    with pytest.raises(GrantRefused, match="count exactly"):
        await grant(pool, "shop", "usd_micro", 2**53 - 10, reason="x", actor="ada")
    await clock.advance(days=32)
    with pytest.raises(GrantRefused, match="has ended"):
        await grant(pool, "shop", "usd_micro", 5, reason="x", actor="ada")


@pytest.mark.parametrize(
    "pace", [per_minute(5), Limit("shop", "calls", "30 days", 5, span=timedelta(days=30)), PLACES], ids=str
)
async def test_a_pace_takes_no_grants(pool: asyncpg.Pool, pace: Limit) -> None:
    """PF-19: what lifted a window would lift it for ever, above what the provider allows: refused, nothing changes."""
    await at_work(pool, BUDGET, pace)
    (before,) = await list_books(pool, "shop", "calls")
    with pytest.raises(GrantRefused, match=f"{before.name} is a pace that is kept"):
        await grant(pool, "shop", "calls", 5, reason="x", actor="ada")
    (after,) = await list_books(pool, "shop", "calls")
    assert (after.granted, after.extra) == (5, 0)
    assert await pool.fetchval("select count(*) from openbell.account_grant") == 0


async def test_a_grant_to_a_lowered_limit(pool: asyncpg.Pool) -> None:
    """PF-19: where a limit was lowered below what is in use, a grant counts from the lowered limit."""
    spends = await at_work(pool)
    await buy(spends, usd_micro=800, took=800)
    await ensure_account(pool, Limit("shop", "usd_micro", "month", 300, closes="charge", calendar="month"))
    found, _ = await grant(pool, "shop", "usd_micro", 100, reason="x", actor="ada")
    assert (found.granted, found.free) == (400, 0)
    found, _ = await grant(pool, "shop", "usd_micro", 450, reason="x", actor="ada")
    assert (found.granted, found.free) == (850, 50)


# --- doubtful calls ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "spent", "overrun", "state"),
    [
        ({"happened": True, "cost_micro": 70}, 70, 0, "settled"),
        ({"happened": True, "cost_micro": 0}, 0, 0, "settled"),
        ({"happened": True}, 100, 0, "settled"),
        ({"happened": True, "cost_micro": 130}, 100, 30, "settled"),
        ({"happened": False}, 0, 0, "released"),
    ],
    ids=str,
)
async def test_a_doubtful_call_is_resolved(
    pool: asyncpg.Pool, told: dict[str, Any], spent: int, overrun: int, state: str
) -> None:
    """PF-21: what the operator says is booked: the true cost is charged or all given back, with actor and reason."""
    spend = await buy(await at_work(pool), "unknown")
    assert (await money(pool)).doubtful == 100
    assert (await list_spends(pool, unknown=True))[0].id == spend
    resolved = await resolve(pool, spend, **told, reason="their invoice", actor="ada")
    after = await money(pool)
    assert (after.held, after.spent, after.overrun, after.doubtful) == (0, spent, overrun, 0)
    assert (resolved.state, resolved.cost_micro) == (state, spent + overrun)
    assert "says ada: their invoice" in (resolved.outcome or "")
    assert await list_spends(pool, unknown=True) == []
    assert await pool.fetchval("select count(*) from openbell.hold") == 0
    _, (said,) = await get_spend(pool, spend)
    assert (said["actor"], said["before"]["state"]) == ("ada", "unknown")
    assert said["after"] == {"state": state, "cost_micro": spent + overrun, "reason": "their invoice"}


async def test_what_was_charged_did_happen(pool: asyncpg.Pool) -> None:
    """PF-21: a call that was charged, and asked about again in vain, is not in doubt, free, or charged twice."""
    spends = await at_work(pool)
    key = {"effect": "resend", "window": timedelta(hours=1), "idempotency_key": "k"}
    spend = await buy(spends, took=70, **key)
    assert await buy(spends, "unknown", **key) == spend
    with pytest.raises(NotDoubtful, match="is settled"):
        await resolve(pool, spend, happened=False, reason="r", actor="ada")
    after = await money(pool)
    assert (after.held, after.spent, after.overrun) == (0, 70, 0)
    assert (await costs(pool, "day", EVER)).total.cost_micro == 70


async def test_two_operators_at_once(pool: asyncpg.Pool) -> None:
    """PF-21: of operators who resolve the same call at the same time one is believed; the others are told by whom."""
    spend = await buy(await at_work(pool), "unknown")
    says = (
        resolve(pool, spend, happened=n % 2 == 0, cost_micro=None if n % 2 else 10 * n, reason="r", actor=f"op{n}")
        for n in range(6)
    )
    answers = await at_once(pool, "spend", *says)
    (winner,) = [answer for answer in answers if not isinstance(answer, BaseException)]
    losers = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(losers) == 5
    by = await pool.fetchval("select actor from openbell.audit where action = 'spend.resolve'")
    assert all(isinstance(loser, NotDoubtful) and f"by {by} at" in str(loser) for loser in losers)
    after = await money(pool)
    assert (after.held, after.spent) == (0, winner.cost_micro)


async def test_only_what_is_in_doubt_is_resolved(pool: asyncpg.Pool) -> None:
    """PF-21: no such spend, one that is settled or under way, a cost of what was free, no reason: each is refused."""
    spends = await at_work(pool)
    with pytest.raises(UnknownSpend, match="no spend 987654"):
        await resolve(pool, 987_654, happened=True, reason="r", actor="ada")
    with pytest.raises(NotDoubtful, match=r"is settled \(ok\)"):
        await resolve(pool, await buy(spends), happened=False, reason="r", actor="ada")
    async with spends.call("buy", usd_micro=10) as call:
        with pytest.raises(NotDoubtful, match="under way"):
            await resolve(pool, call.spend_id, happened=False, reason="r", actor="ada")
    unpaid = await buy(spends, "unknown", usd_micro=0)
    with pytest.raises(CostRefused, match="-1 is no cost"):
        await resolve(pool, unpaid, happened=True, cost_micro=-1, reason="r", actor="ada")
    with pytest.raises(CostRefused, match="cost nothing"):
        await resolve(pool, unpaid, happened=False, cost_micro=5, reason="r", actor="ada")
    with pytest.raises(CostRefused, match="needs a reason"):
        await resolve(pool, unpaid, happened=True, reason="", actor="ada")
    assert (await count_doubtful(pool)).calls == 1


async def test_a_call_that_held_no_money_is_charged_none(pool: asyncpg.Pool) -> None:
    """PF-21: a mail that may have been sent has no price; that it happened can be said, a cost of it cannot."""
    async with (spends := await at_work(pool)).call("send", effect="never") as call:
        await call.sending()
        call.unclear("connection lost")
    await spends.ledger.settle(spends.ended)
    with pytest.raises(CostRefused, match="No dollars were held"):
        await resolve(pool, call.spend_id, happened=True, cost_micro=5, reason="r", actor="ada")
    assert (
        await resolve(pool, call.spend_id, happened=True, reason="it is in their inbox", actor="ada")
    ).cost_micro == 0


async def test_a_call_that_never_happened_may_be_made_again(pool: asyncpg.Pool) -> None:
    """DC-1, PF-21: resolved as never made, the key is queued again although its job failed; its cost is mended."""
    hand = await Hand.hire(pool, declare(retry=timedelta(hours=1)), limits=[BUDGET, per_minute(100)])
    await queue(pool, "a")
    (claim,) = await hand.claim()
    spends = hand.attempt(claim).spends("shop")
    async with spends.call("buy", effect="never", idempotency_key="a v1", usd_micro=100) as call:
        await call.sending()
        call.unclear("timeout")
    row = await hand.end(claim, "retry", settle=spends.ended)
    assert row is not None
    assert row["state"] == "failed"
    cost = "select cost_micro from openbell.job_history where id = $1"
    assert await pool.fetchval(cost, claim.id) == 100
    assert await queue(pool, "a") == []
    await resolve(pool, call.spend_id, happened=False, reason="not on their invoice", actor="ada")
    assert await pool.fetchval(cost, claim.id) == 0
    assert len(await queue(pool, "a")) == 1
    (claim,) = await hand.claim()
    async with (
        hand.attempt(claim).spends("shop").call("buy", effect="never", idempotency_key="a v1", usd_micro=60) as again
    ):
        assert (again.spend_id, again.resumed) == (call.spend_id, False)
        assert (await money(pool)).held == 60


async def test_a_key_stays_closed_while_another_call_is_in_doubt(pool: asyncpg.Pool) -> None:
    """DC-1: a job with two doubtful calls is queued again only when both are known not to have happened."""
    hand = await Hand.hire(pool, declare(retry=timedelta(hours=1)), limits=[BUDGET, per_minute(100)])
    await queue(pool, "a")
    (claim,) = await hand.claim()
    spends = hand.attempt(claim).spends("shop")
    both = []
    for _ in range(2):
        async with spends.call("buy", effect="never", usd_micro=100) as call:
            await call.sending()
            call.unclear("timeout")
        both.append(call.spend_id)
    await hand.end(claim, "retry", settle=spends.ended)
    await resolve(pool, both[0], happened=False, reason="r", actor="ada")
    assert await queue(pool, "a") == []
    await resolve(pool, both[1], happened=False, reason="r", actor="ada")
    assert len(await queue(pool, "a")) == 1


async def test_an_operator_and_an_attempt_at_the_same_call(pool: asyncpg.Pool) -> None:
    """PF-21, DC-1: of a key that is resolved as never made while an attempt comes for it, the money is held."""
    spends = await at_work(pool, Limit("shop", "usd_micro", "month", 10**9, closes="charge", calendar="month"))
    for n in range(8):
        key = {"effect": "resend", "window": timedelta(hours=1), "idempotency_key": f"k{n}"}
        spend = await buy(spends, "unknown", **key)

        async def again(key: dict[str, Any] = key) -> bool:
            async with spends.call("buy", usd_micro=100, **key) as call:
                resumed = call.resumed
                row = await pool.fetchrow(
                    "select state::text as state from openbell.spend where id = $1", call.spend_id
                )
                held = await pool.fetchval("select sum(amount) from openbell.hold where spend_id = $1", call.spend_id)
                assert row is not None
                assert (held, row["state"]) == (100, "sent" if resumed else "intended")
            await spends.ledger.settle(spends.ended)
            spends.ended.clear()
            return resumed

        both = [resolve(pool, spend, happened=False, reason="r", actor="ada"), again()]
        said, resumed = await at_once(pool, "spend", *(both if n % 2 else reversed(both)))
        said, resumed = (said, resumed) if n % 2 else (resumed, said)
        assert isinstance(resumed, bool), resumed
        assert resumed == isinstance(said, NotDoubtful), said
    after = await money(pool)
    assert after.held == await pool.fetchval("select coalesce(sum(amount), 0)::bigint from openbell.hold")


# --- alarms -----------------------------------------------------------------------------------------------------------


async def test_a_budget_alarms_at_75_and_90_per_cent(pool: asyncpg.Pool) -> None:
    """PF-34: budget at 75 and 90 %, and used up; the alarm says how much is used, how long it lasts, and the mend."""
    spends, spent = await at_work(pool), 0
    for more, alarm in ((749, 0), (1, 75), (149, 75), (1, 90), (99, 90), (1, 100)):
        await buy(spends, usd_micro=more, took=more)
        spent += more
        assert (await money(pool)).alarm == alarm
        alarms = [one for one in (await look(pool)).alarms if one.code == "budget"]
        assert len(alarms) == (alarm > 0)
        for one in alarms:
            assert one.message.startswith(f"{spent // 10} % used: {dollars(spent)} of $0.001.")
            assert f"accounts grant shop usd AMOUNT --period {(await money(pool)).period}" in one.mend


async def test_a_pace_is_no_budget(pool: asyncpg.Pool) -> None:
    """PF-34: a minute that fills is how a limit is kept; a day that does is an alarm."""
    await buy(await at_work(pool, per_minute(1), BUDGET, Limit("shop", "calls", "day", 1, span=timedelta(days=1))))
    assert [one.about for one in (await look(pool)).alarms] == ["shop calls in any day"]


async def test_breakers_doubts_and_pauses_are_told(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-34: whom a breaker leaves alone and why, what is doubtful for how much, what is paused, with a mend."""
    spends = await at_work(pool)
    assert (await look(pool)).alarms == []
    await buy(spends, "unknown")
    async with spends.call("read") as call:
        call.unclear("")
    await spends.ledger.settle([Settlement(call.spend_id, "unknown", "cut off")])
    await pool.execute(
        """insert into openbell.breaker (provider, operation, opened_at, open_until, openings, code, reason)
        select p, '', openbell.now(), openbell.now() + u, n, 'outage', '6 of the last 8 calls failed or were slow'
        from (values ('mall', interval '1 minute', 3), ('shop', interval '0', 1)) as v (p, u, n)"""
    )
    await pool.execute(
        "update openbell.account set blocked_until = openbell.now() + interval '1 hour', blocked_reason = 'full.'"
    )
    alarms = {(one.code, one.about): one for one in (await look(pool)).alarms}
    assert "open until" in alarms["breaker", "mall"].message
    assert "for the 3rd time in a row: 6 of the last 8" in alarms["breaker", "mall"].message
    assert "half-open" in alarms["breaker", "shop"].message
    doubt = alarms["unknown_spends", "doubtful calls"]
    assert doubt.message == "1 call whose outcome nobody knows, $0.0001 held for it."
    assert (await count_doubtful(pool)).repeats == 1
    assert alarms["paused", "shop calls in any minute"].message.endswith(" UTC: full.")
    assert all(one.mend for one in alarms.values())
    assert {one.level for one in alarms.values()} == {"warn"}
    await clock.advance(minutes=59)
    assert {one.level for one in (await look(pool)).alarms if one.code == "paused"} == {"info"}


async def test_what_a_restore_has_paused_stays_paused_next_month(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-21: a new period of an account that nobody has compared since a restore begins paused; resuming ends both."""
    budget = Limit("shop", "usd_micro", "month", 300, closes="charge", calendar="month")
    before = await ensure_account(pool, budget)
    await pool.execute("update openbell.account set blocked_until = '9000-01-01', blocked_code = 'restored'")
    await clock.advance(days=32)
    after = await ensure_account(pool, budget)
    assert after.id != before.id
    paused = "select blocked_until is not null from openbell.account where id = $1"
    assert await pool.fetchval(paused, after.id)
    assert await resume(pool, "shop", reason="compared", actor="test")
    await clock.advance(days=32)
    assert not await pool.fetchval(paused, (await ensure_account(pool, budget)).id)
