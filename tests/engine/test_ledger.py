"""Accounts: never more than granted, exact to the unit, whatever happens to the calls."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from openbell.engine.books import list_books
from openbell.engine.errors import AccountBlocked, Permanent
from openbell.engine.ledger import Account, Limit, ensure_accounts
from openbell.engine.spends import Intent, Ledger, Settlement, Verdict
from openbell.postgres.pool import open_pool
from tests.engine.hand import Hand, account, declare, per_minute, queue
from tests.support import Clock, eventually

MINUTE = timedelta(minutes=1)


def intent(legs: list[tuple[int, int]], timeout_s: float = 10, **held: int) -> Intent:
    """A call without a job."""
    timeout = timedelta(seconds=timeout_s)
    return Intent(None, None, "number", "a", "shop", "buy", None, "repeat", None, None, timeout, held, legs)


async def reserve(ledger: Ledger, accounts: list[Account], amount: int = 1, timeout_s: float = 10) -> Verdict:
    held = {one.resource: amount for one in accounts}
    return await ledger.reserve(intent([(one.id, amount) for one in accounts], timeout_s, **held))


async def shop(pool: asyncpg.Pool, *limits: Limit) -> tuple[Ledger, list[Account]]:
    return Ledger(pool), (await ensure_accounts(pool, limits))["shop"]


@pytest.mark.parametrize("granted", [-1, 2**62, 1.5, "60", None, True, float("nan"), float("inf")])
def test_an_impossible_limit_is_refused(granted: Any) -> None:
    """PF-20: a limit that cannot be read is refused; it never becomes no limit."""
    with pytest.raises(ValueError, match="whole number"):
        Limit("shop", "calls", "minute", granted, span=MINUTE)


@pytest.mark.parametrize("wrong", [{"closes": "age"}, {"closes": "charge", "span": MINUTE}], ids=str)
def test_a_window_has_a_span(wrong: dict[str, Any]) -> None:
    """PF-20: what ages needs a span, and nothing else has one."""
    with pytest.raises(ValueError, match="span"):
        Limit("shop", "calls", "minute", 1, **wrong)


@pytest.mark.parametrize("change", ["held = granted + 1", "spent = granted - held + 1", "held = -1", "granted = -1"])
async def test_the_database_refuses_to_overdraw(pool: asyncpg.Pool, change: str) -> None:
    """PF-19: held and spent together never exceed what is granted, whoever writes; it is a constraint."""
    await shop(pool, per_minute(5))
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(f"update openbell.account set {change}")


async def test_all_accounts_or_none(pool: asyncpg.Pool) -> None:
    """PF-19: a call that one account refuses holds nothing of the others and leaves no spend."""
    ledger, accounts = await shop(pool, per_minute(5), Limit("shop", "bytes", "day", 0, span=timedelta(days=1)))
    assert (await reserve(ledger, accounts)).spend_id is None
    assert (await account(pool))["held"] == 0
    assert await pool.fetchval("select count(*) from openbell.spend") == 0


async def test_of_two_calls_with_one_key_one_is_made(pool: asyncpg.Pool, clock: Clock) -> None:
    """DC-1: without a job too, a key is in one hand at a time; when that has had its time, the next one resumes it."""
    ledger, (one,) = await shop(pool, per_minute(5))
    keyed = replace(intent([(one.id, 1)], 10, calls=1), effect="resend", idempotency_key="k", window=MINUTE)
    first = await ledger.reserve(keyed)
    assert (first.word, first.resumed) == ("ok", False)
    second = await ledger.reserve(keyed)
    assert (second.word, second.spend_id) == ("busy", None)
    assert timedelta(seconds=5) < second.opens_in <= timedelta(seconds=10)
    assert await ledger.mark_sent(first.spend_id or 0, None, None)
    await clock.advance(seconds=11)
    third = await ledger.reserve(keyed)
    assert (third.word, third.spend_id, third.resumed) == ("ok", first.spend_id, True)
    assert (await ledger.reserve(keyed)).word == "busy"
    await ledger.settle([Settlement(first.spend_id or 0, "under_way", "under way", ref="run-7")])
    assert (await ledger.reserve(keyed)).provider_ref == "run-7"


async def test_what_cannot_be_released_is_counted(pool: asyncpg.Pool, dsn: str) -> None:
    """PF-35: holds of calls that were given up, and places at once, that a database away cannot take back: counted."""
    counters: Counter[str] = Counter()
    other = await open_pool(dsn, name="test away", max_size=1)
    ledger = Ledger(other, counters)
    _, (one,) = await shop(pool, per_minute(5))
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("select 1 from openbell.account for update")
        asked = asyncio.create_task(ledger.reserve_or_abandon(intent([(one.id, 1)], calls=1)))
        await eventually(lambda: waits_for_a_lock(pool))
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        other.terminate()

    async def counted() -> bool:
        return counters["unreleased"] == 1

    await eventually(counted)
    await ledger.release_places(1)
    assert counters == {"unreleased": 2}


async def waits_for_a_lock(pool: asyncpg.Pool) -> bool:
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    return bool(await pool.fetchval(waiting))


OBSTACLES = {
    "fenced": "update openbell.job set token = token + 1 where key = 'a'",
    "fenced, cancelled": "update openbell.job set cancelled_by = 'ada' where key = 'a'",
    "paused": "update openbell.account set blocked_until = openbell.now() + interval '1 hour' where resource = 'bytes'",
    "turned": "update openbell.account set ends_at = openbell.now() where resource = 'bytes'",
    "reserved": "update openbell.account set floors = '{\"-1\": 6}' where resource = 'bytes'",
    "too_big": "update openbell.account set lowered_to = 2 where resource = 'bytes'",
    "full": "update openbell.account set spent = 4 where resource = 'bytes'",
    "full, overrun": "update openbell.account set overrun = 4 where resource = 'bytes'",
    "missing": "update openbell.account set id = default where resource = 'bytes'",
    "open": "insert into openbell.breaker values ('shop', '', now(), now() + interval '1 hour', 1, null, 'x', 'x')",
}


@pytest.mark.parametrize("obstacle", [*OBSTACLES, "ok"])
async def test_a_batch_is_let_in_whole_only_if_each_would_be(pool: asyncpg.Pool, obstacle: str) -> None:
    """PF-19: of two calls in one batch, what is in the way of one of them is found; the other is judged alone."""
    limits = (per_minute(5), Limit("shop", "bytes", "ever", 6, closes="charge"))
    hand = await Hand.hire(pool, declare(), limits=limits)
    await queue(pool, "a", "b")
    first, second = sorted(await hand.claim(2), key=lambda claim: claim.key)
    calls, size = [one.id for one in (await ensure_accounts(pool, limits))["shop"]]
    if statement := OBSTACLES.get(obstacle):
        await pool.execute(statement)
    hindered = replace(intent([(calls, 1), (size, 3)], calls=1, bytes=3), job_id=first.id, token=first.token)
    free = replace(intent([(calls, 1)], calls=1), job_id=second.id, token=second.token)
    ledger = Ledger(pool)
    one, other = await asyncio.gather(ledger.reserve(hindered), ledger.reserve(free))
    word = obstacle.partition(",")[0]
    assert (one.word, one.spend_id is None) == (word, word != "ok")
    assert other.word == ("open" if word == "open" else "ok")
    held = {row["resource"]: row["held"] for row in await pool.fetch("select resource, held from openbell.account")}
    assert held == {"calls": (one.word, other.word).count("ok"), "bytes": 3 if word == "ok" else 0}
    sums = await pool.fetch("select account_id, sum(amount)::bigint as held from openbell.hold group by account_id")
    assert {row["account_id"]: row["held"] for row in sums} == {
        account: amount for account, amount in ((calls, held["calls"]), (size, held["bytes"])) if amount
    }


async def test_of_a_batch_as_many_as_there_is_room_for(pool: asyncpg.Pool) -> None:
    """PF-19: a batch that fits to the unit is let in whole; of one that does not, as many as fit."""
    ledger, (one,) = await shop(pool, per_minute(5))
    asked = [ledger.reserve(intent([(one.id, 1)], calls=1)) for _ in range(3)]
    assert {verdict.word for verdict in await asyncio.gather(*asked)} == {"ok"}
    asked = [ledger.reserve(intent([(one.id, 1)], calls=1)) for _ in range(3)]
    assert [verdict.word for verdict in await asyncio.gather(*asked)] == ["ok", "ok", "full"]
    assert (await account(pool))["held"] == 5


async def test_a_missing_account_blocks(pool: asyncpg.Pool) -> None:
    """PF-20: no account, an account that is gone, or a provider without limits: nothing is sent."""
    ledger, accounts = await shop(pool, per_minute(5))
    assert (await ledger.reserve(intent([]))).word == "missing"
    assert (await ledger.reserve(intent([(accounts[0].id, 1), (987_654, 1)]))).word == "missing"
    assert (await account(pool))["held"] == 0
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a")
    attempt = hand.attempt((await hand.claim())[0])
    with pytest.raises(Permanent) as caught:
        async with attempt.spends("elsewhere").call("buy"):
            pytest.fail("the call would have been made")
    assert caught.value.code == "limit_missing"


async def test_what_can_never_fit_is_refused_at_once(pool: asyncpg.Pool) -> None:
    """PF-19: a call that is larger than its limit does not wait for a room that never comes."""
    hand = await Hand.hire(pool, declare(), limits=[per_minute(5)])
    await queue(pool, "a")
    attempt = hand.attempt((await hand.claim())[0])
    with pytest.raises(Permanent) as caught:
        async with attempt.spends("shop").call("buy", calls=6):
            pytest.fail("the call would have been made")
    assert caught.value.code == "limit_too_small"
    assert (await account(pool))["blocked_until"] is None


async def test_a_full_account_says_when(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-19: a call without room learns when there will be, and the claim leaves the provider alone until then."""
    hand = await Hand.hire(pool, declare(), limits=[per_minute(1)])
    await queue(pool, "a", "b")
    first, second = await hand.claim(2)
    async with (spends := hand.attempt(first).spends("shop")).call("buy"):
        pass
    await hand.ledger.settle(spends.ended)
    with pytest.raises(AccountBlocked, match="shop calls in any minute"):
        async with hand.attempt(second).spends("shop").call("buy"):
            pytest.fail("the call would have been made")
    until = (await account(pool))["blocked_until"]
    assert timedelta(seconds=30) < until - await clock.now() <= MINUTE
    await hand.end(second, "wait")
    assert await hand.claim() == []
    await clock.advance(seconds=61)
    (again,) = await hand.claim()
    assert again.attempt == 1


async def test_a_lowered_limit_holds_at_once(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-18: a limit set below what is in use admits nothing more, and is the limit once the use has aged."""
    ledger, accounts = await shop(pool, per_minute(10))
    for _ in range(8):
        verdict = await reserve(ledger, accounts)
        assert verdict.spend_id is not None
        await ledger.settle([Settlement(verdict.spend_id, "settled", "ok")])
    ledger, accounts = await shop(pool, per_minute(3))
    assert (await reserve(ledger, accounts)).word == "full"
    await clock.advance(seconds=61)
    words = [(await reserve(ledger, accounts)).word for _ in range(5)]
    assert words == ["ok", "ok", "ok", "full", "full"]
    (view,) = await list_books(pool)
    assert view.granted == 3


async def test_what_took_more_than_was_held_counts(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-21: an answer larger than its estimate is metered in full, as overrun, until it has aged."""
    ledger, accounts = await shop(pool, Limit("shop", "bytes", "minute", 1_000, span=MINUTE))
    first = await reserve(ledger, accounts, 100)
    assert first.spend_id is not None
    await ledger.settle([Settlement(first.spend_id, "settled", "ok", {"bytes": 950})])
    row = await account(pool, resource="bytes")
    assert (row["held"], row["overrun"]) == (100, 850)
    assert (await reserve(ledger, accounts, 100)).word == "full"
    assert (await reserve(ledger, accounts, 50)).word == "ok"
    await clock.advance(seconds=61)
    assert (await reserve(ledger, accounts, 950)).word == "ok"
    assert (await account(pool, resource="bytes"))["overrun"] == 0


async def test_what_took_less_is_given_back(pool: asyncpg.Pool) -> None:
    """PF-21: holds settle to what the call truly took."""
    ledger, accounts = await shop(pool, Limit("shop", "bytes", "minute", 1_000, span=MINUTE))
    verdict = await reserve(ledger, accounts, 900)
    assert verdict.spend_id is not None
    await ledger.settle([Settlement(verdict.spend_id, "settled", "ok", {"bytes": 10})])
    assert (await account(pool, resource="bytes"))["held"] == 10


@pytest.mark.parametrize(
    ("end", "spent"),
    [
        (Settlement(0, "settled", "ok", {"usd_micro": 70}), 70),
        (Settlement(0, "settled", "ok", {"usd_micro": 0}), 0),
        (Settlement(0, "settled", "timeout"), 100),
        (Settlement(0, "released", "refused"), 0),
    ],
    ids=lambda value: value.outcome + str(value.took.get("usd_micro")) if isinstance(value, Settlement) else None,
)
async def test_money_is_charged_unless_proven_otherwise(pool: asyncpg.Pool, end: Settlement, spent: int) -> None:
    """PF-21: a call that may have happened is charged what it took, or where that is not known all that was held."""
    ledger, accounts = await shop(pool, Limit("shop", "usd_micro", "2026-08", 1_000, closes="charge"))
    verdict = await reserve(ledger, accounts, 100)
    assert verdict.spend_id is not None
    await ledger.settle([Settlement(verdict.spend_id, end.state, end.outcome, end.took)])
    row = await account(pool, resource="usd_micro")
    assert (row["held"], row["spent"]) == (0, spent)
    assert await pool.fetchval("select cost_micro from openbell.spend") == spent


async def test_a_concurrency_limit_is_free_again(pool: asyncpg.Pool) -> None:
    """PF-19: an account that closes by release counts calls in flight."""
    ledger, accounts = await shop(pool, Limit("shop", "calls", "at once", 1, closes="release"))
    first = await reserve(ledger, accounts)
    assert (await reserve(ledger, accounts)).word == "full"
    assert first.spend_id is not None
    await ledger.settle([Settlement(first.spend_id, "settled", "ok")])
    assert (await reserve(ledger, accounts)).word == "ok"


async def test_a_caller_that_leaves_during_its_reservation_leaks_nothing(pool: asyncpg.Pool) -> None:
    """PF-21, PF-50: an attempt that ends while its reservation is under way takes nothing for ever."""
    hand = await Hand.hire(pool, declare(), limits=[per_minute(5)])
    await queue(pool, "a")
    attempt = hand.attempt((await hand.claim())[0])

    async def call() -> None:
        async with attempt.spends("shop").call("buy"):
            pytest.fail("the call would have been made")

    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("select 1 from openbell.account for update")
        calling = asyncio.create_task(call())
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        await eventually(lambda: pool.fetchval(waits))
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)

    async def all_free() -> bool:
        open_spends = await pool.fetchval("select count(*) from openbell.spend where ended_at is null")
        return (await account(pool))["held"] == 0 and open_spends == 0

    await eventually(all_free)


async def test_batches_refuse_only_whom_they_must(pool: asyncpg.Pool) -> None:
    """PF-19: in a batch, a request refused for a reason of its own takes no room from the others."""
    made = await ensure_accounts(pool, [per_minute(2), per_minute(1, "mall"), per_minute(0, "shut")])
    calls, mall, shut = made["shop"][0].id, made["mall"][0].id, made["shut"][0].id
    ledger = Ledger(pool)
    wishes = [
        intent([(calls, 1), (shut, 1)]),
        intent([(calls, 2), (987_654, 1)]),
        intent([(calls, 1), (mall, 1)]),
        intent([(calls, 1)]),
        intent([(calls, 1)]),
    ]
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("select 1 from openbell.account for update")
        first = asyncio.create_task(ledger.reserve(intent([(shut, 1)])))
        await asyncio.sleep(0)
        asks = [asyncio.create_task(ledger.reserve(wish)) for wish in wishes]
        await asyncio.sleep(0)
    words = [verdict.word for verdict in await asyncio.gather(*asks)]
    await first
    assert words[1:] == ["missing", "ok", "ok", "full"]
    assert words[0] != "ok"
    assert (await account(pool))["held"] == 2


async def test_many_tasks_on_few_accounts(pool: asyncpg.Pool) -> None:
    """PF-19: eight tasks on six small accounts until all are used up: never above a limit, and the sums are exact."""
    subjects = [f"s{n}" for n in range(6)]
    limits = [Limit(name, "calls", "ever", 60, closes="charge") for name in subjects]
    made = await ensure_accounts(pool, limits)
    ids = [made[name][0].id for name in subjects]
    taken = dict.fromkeys(ids, 0)

    async def spender(seed: int) -> None:
        luck, ledger, refused = random.Random(seed), Ledger(pool), 0
        while refused < 20:
            legs = [(one, luck.randint(1, 3)) for one in luck.sample(ids, luck.randint(1, 3))]
            verdict = await ledger.reserve(intent(legs))
            if verdict.spend_id is None:
                refused += 1
                continue
            happened = luck.random() < 0.7
            if happened:
                for one, amount in legs:
                    taken[one] += amount
            await ledger.settle([Settlement(verdict.spend_id, "settled" if happened else "released", "ok")])

    await asyncio.gather(*map(spender, range(8)))
    views = await list_books(pool)
    assert {view.id: view.spent for view in views} == taken
    assert all(view.held == 0 and view.overrun == 0 and view.spent <= view.granted for view in views)
    assert sum(taken.values()) > 300


# What is done with the window, one act after the other. Numbers choose among the open calls.
acts = st.lists(
    st.one_of(
        st.tuples(st.just("reserve"), st.integers(1, 3)),
        st.tuples(st.just("settled"), st.integers(0, 9)),
        st.tuples(st.just("released"), st.integers(0, 9)),
        st.tuples(st.just("unknown"), st.integers(0, 9)),
        st.tuples(st.just("advance"), st.sampled_from([1, 9, 10, 11, 30, 59, 60, 61, 70])),
    ),
    min_size=5,
    max_size=40,
)

GRANTED, SPAN_S, TIMEOUT_S = 5, 60, 10


@pytest.fixture
def window(dsn: str) -> Iterator[tuple[asyncio.Runner, asyncpg.Pool]]:
    """A database and a loop for many examples, since Hypothesis calls plain functions."""
    with asyncio.Runner() as runner:
        pool = runner.run(open_pool(dsn, name="window"))
        yield runner, pool
        runner.run(pool.close())


async def play(pool: asyncpg.Pool, story: list[tuple[str, int]]) -> None:
    """Do it to the ledger and to a list, and compare after every act. A little real time passes as well."""
    await pool.execute("truncate openbell.aging, openbell.hold, openbell.spend, openbell.account cascade")
    ledger, accounts = await shop(pool, Limit("shop", "calls", "minute", GRANTED, span=timedelta(seconds=SPAN_S)))
    now, open_calls, ended, done = 0.0, [], [], []
    for act, number in story:
        if act == "advance":
            now += number
            await pool.execute("update openbell.clock set shift = shift + make_interval(secs => $1)", number)
        elif act == "reserve":
            used = sum(amount for _, amount, _ in open_calls) + sum(amount for amount, frees in ended if frees > now)
            verdict = await reserve(ledger, accounts, number, TIMEOUT_S)
            assert (verdict.word == "ok") == (used + number <= GRANTED), (story, used, number)
            if verdict.spend_id is not None:
                open_calls.append((verdict.spend_id, number, now))
        elif open_calls:
            spend_id, amount, begun = open_calls.pop(number % len(open_calls))
            await ledger.settle([Settlement(spend_id, act, act)])  # type: ignore[arg-type]
            if act != "released":
                end = max(now, begun + TIMEOUT_S) if act == "unknown" else now
                ended.append((amount, end + SPAN_S))
                done.append((begun, now, amount))
        row = await pool.fetchrow("select * from openbell.account")
        assert row is not None
        holds = await pool.fetchval("select coalesce(sum(amount), 0) from openbell.hold")
        aging = await pool.fetchval("select coalesce(sum(amount), 0) from openbell.aging")
        assert row["held"] == holds + aging
        assert row["held"] + row["spent"] <= row["granted"]
        assert row["overrun"] == 0
    for begun, _, _ in done:
        assert sum(amount for start, _, amount in done if begun <= start < begun + SPAN_S) <= GRANTED


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=acts)
@example(story=[("reserve", 3), ("settled", 0), ("reserve", 1), ("advance", 70), ("reserve", 3), ("reserve", 1)])
@example(story=[("reserve", 3), ("unknown", 0), ("advance", 61), ("reserve", 3), ("advance", 9), ("reserve", 3)])
def test_a_sliding_window_is_exact(window: tuple[asyncio.Runner, asyncpg.Pool], story: list[tuple[str, int]]) -> None:
    """MD-18: whatever is reserved, ended or lost and when, the window admits exactly what a list of calls would."""
    runner, pool = window
    runner.run(play(pool, story))
