"""Freshness by opening hours: what the database decides, on its own clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest
from pydantic import BaseModel

from openbell.engine.artifacts import Reading, read
from openbell.engine.errors import InvalidDeclaration
from openbell.engine.inquiry import inquire
from openbell.engine.keys import Key
from openbell.engine.registry import Calls, Product, Registry, product
from openbell.engine.sessions import (
    InvalidSessions,
    Session,
    UnknownSession,
    close_day,
    list_calendars,
    reopen_day,
    used_calendars,
    write_sessions,
)
from openbell.engine.sweep import sweep
from tests.engine.conftest import Employ
from tests.engine.hand import Hand, declare, one, queue
from tests.support import Clock, eventually

FRIDAY, SATURDAY, MONDAY = date(2030, 3, 8), date(2030, 3, 9), date(2030, 3, 11)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(hours=24)
SETTLED = timedelta(minutes=20)
"""After the close (openbell.after_close)."""
EARLY = timedelta(seconds=2)
"""How long before its end a value is refreshed at most (openbell.lead)."""


def at(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)


def session(day: date, begin: int = 14, end: int = 21) -> Session:
    return Session(day, at(day, begin), at(day, end))


def days(first: date, count: int) -> list[Session]:
    """So many days, without weekends."""
    every = (first + timedelta(days=n) for n in range(count))
    return [session(day) for day in every if day.weekday() < 5]


class Named(BaseModel):
    """A value that names its calendar."""

    calendar: str | None


def declare_named(make: Callable[[Key, Any], Awaitable[Named]]) -> Product:
    """A product whose values name theirs."""

    @product(
        "named", key=Key, version=1, ttl=MINUTE, stale=HOUR, empty=HOUR, retry=MINUTE, keep=HOUR, timeout=MINUTE,
        spends={"shop": Calls(1)}, licence="cc0", calendar="calendar",
    )  # fmt: skip
    async def producer(key: Key, ctx: Any) -> Named:
        return await make(key, ctx)

    return producer


async def is_fresh(pool: asyncpg.Pool, key: str) -> bool:
    return (await read(pool, "named", key)).state == "fresh"


@pytest.fixture
async def db(pool: asyncpg.Pool) -> Any:
    """A connection, in a database that knows three weeks of the calendar TEST around that Friday."""
    async with pool.acquire() as connection:
        await write_sessions(connection, "TEST", days(FRIDAY - timedelta(days=9), 21))
        yield connection


async def move(clock: Clock, time: datetime) -> None:
    await clock.advance(time - await clock.now())


class Market:
    """One key that somebody looks at, whose values keep to the calendar TEST."""

    def __init__(self, pool: asyncpg.Pool, hand: Hand, clock: Clock) -> None:
        self.pool, self.hand, self.clock, self.calls = pool, hand, clock, 0

    async def check(self, when: datetime, *, calendar: str | None = "TEST") -> Reading:
        """What is known after a refresh at that time, which must be due."""
        await move(self.clock, when)
        assert await queue(self.pool, "a"), f"nothing is due at {when}"
        await self.publish(calendar)
        return await self.read()

    async def publish(self, calendar: str | None = "TEST") -> None:
        (claim,) = await self.hand.claim()
        self.calls += 1
        assert await self.hand.publish(claim, {"n": self.calls}, calendar=calendar)

    async def refresh_when_due(self) -> Reading:
        """Nothing is due until shortly before the value's end, and then it is; what is known after the refresh.

        The clock runs on between two steps of a test, so that "shortly" is a minute here.
        """
        until = (await self.read()).fresh_until
        assert until is not None
        await move(self.clock, until - EARLY - MINUTE)
        assert not await queue(self.pool, "a"), "it is refreshed too early"
        return await self.check(until - timedelta(seconds=1))

    async def read(self) -> Reading:
        return await read(self.pool, "number", "a")


@pytest.fixture
async def market(pool: asyncpg.Pool, clock: Clock, db: Any) -> Market:
    return Market(pool, await Hand.hire(pool, declare(stale=timedelta(days=7))), clock)


def near(found: datetime | None, expected: datetime) -> bool:
    """Within the time that a test takes."""
    return found is not None and abs(found - expected) < timedelta(seconds=30)


async def test_while_it_is_open_time_runs(market: Market) -> None:
    """MD-16: in an open market a value is fresh for its time to live."""
    reading = await market.check(at(FRIDAY, 15))
    assert reading.checked_at is not None
    assert reading.fresh_until == reading.checked_at + MINUTE
    assert reading.reason == f"Fresh until {reading.fresh_until:%H:%M:%S} UTC."


async def test_a_weekend_costs_one_call_a_day(market: Market) -> None:
    """MD-16: a watched quote is refreshed once after the close, then only when it is a day old, then at the opening."""
    reading = await market.check(at(FRIDAY, 20, 59, 30))
    assert reading.fresh_until == at(FRIDAY, 21) + SETTLED
    assert "the market (TEST) closes at 21:00 UTC, and it is refreshed once more after that" in reading.reason
    for end in (at(FRIDAY, 21) + SETTLED + DAY, at(FRIDAY, 21) + SETTLED + 2 * DAY, at(MONDAY, 14)):
        reading = await market.refresh_when_due()
        assert near(reading.fresh_until, end)
    assert reading.fresh_until == at(MONDAY, 14) + EARLY
    reading = await market.refresh_when_due()
    assert reading.checked_at is not None
    assert reading.checked_at >= at(MONDAY, 14)
    assert reading.fresh_until == reading.checked_at + MINUTE
    assert market.calls == 5


async def test_the_refresh_that_comes_early_is_the_last_one(market: Market) -> None:
    """MD-16: a refresh that begins a moment before its time, as all of them do, is not repeated a moment later."""
    await market.check(at(FRIDAY, 20, 59, 30))
    reading = await market.check(at(FRIDAY, 21) + SETTLED - EARLY + timedelta(milliseconds=1))
    assert near(reading.fresh_until, at(FRIDAY, 21) + SETTLED + DAY)


async def test_a_worker_reads_the_calendar_from_the_value(
    employ: Employ, pool: asyncpg.Pool, db: Any, clock: Clock
) -> None:
    """MD-16: what a producer returns says which calendar it keeps to; a value that names none keeps to none."""

    async def make(key: Key, ctx: Any) -> Named:
        return Named(calendar=None if key == "anytime" else "TEST")

    await move(clock, at(FRIDAY, 21) + SETTLED)
    await employ(declare_named(make))
    await queue(pool, "hours", "anytime", name="named")
    for key, rest in (("hours", DAY), ("anytime", MINUTE)):
        await eventually(partial(is_fresh, pool, key))
        reading = await read(pool, "named", key)
        assert reading.checked_at is not None
        assert reading.fresh_until == reading.checked_at + rest


async def test_what_is_missing_is_asked_for_at_any_time(market: Market) -> None:
    """MD-16: a key of which nothing is known is refreshed in a closed market, too, and then rests."""
    reading = await market.check(at(FRIDAY, 21) + 2 * HOUR)
    assert (reading.state, reading.version) == ("fresh", 1)
    assert near(reading.fresh_until, at(FRIDAY, 23) + DAY)


async def test_what_has_not_been_asked_since_the_close_is_asked(market: Market) -> None:
    """MD-16: whoever looks after the close at a value of before it gets the closing price, whatever the day."""
    await market.check(at(FRIDAY, 15))
    reading = await market.check(at(FRIDAY, 21) + DAY)
    assert (reading.value, reading.state) == ({"n": 2}, "fresh")


@pytest.mark.parametrize("calendar", ["NOWHERE", None])
async def test_an_unknown_market_counts_as_open(market: Market, calendar: str | None) -> None:
    """MD-16: a calendar that nobody knows stops nothing, nor does none."""
    reading = await market.check(at(FRIDAY, 23), calendar=calendar)
    assert reading.checked_at is not None
    assert reading.fresh_until == reading.checked_at + MINUTE
    assert reading.hours is None


async def test_beyond_the_end_of_the_table_it_counts_as_open(market: Market, db: asyncpg.Connection) -> None:
    """MD-16: after the last session that is written down, and before the first, nobody knows, so time runs."""
    (row,) = await list_calendars(db)
    for when in (row.ends_at + SETTLED + HOUR, at(row.first_day, 3)):
        await move(market.clock, when)
        found = await db.fetchval("select openbell.fresh_until('TEST', $1, $2)", when, MINUTE)
        assert found == when + MINUTE
    final = await db.fetchval("select openbell.fresh_until('TEST', $1, $2)", row.ends_at - EARLY, MINUTE)
    assert final == row.ends_at + SETTLED


async def test_an_older_answer_is_not_asked_for_all_night(market: Market, pool: asyncpg.Pool) -> None:
    """MD-5, MD-16: a closed market in which the source answers with something older is left alone, too."""
    market.hand.products = ["number"]
    await market.check(at(FRIDAY, 20, 59, 30))
    await pool.execute("update openbell.artifact set source_time = $1", at(FRIDAY, 21))
    await move(market.clock, at(FRIDAY, 23))
    assert await queue(pool, "a")
    (claim,) = await market.hand.claim()
    answer = await market.hand.publish(claim, {"n": 0}, at=at(FRIDAY, 20), calendar="TEST")
    assert answer is not None
    assert answer["outcome"] == "outdated"
    assert near((await market.read()).fresh_until, at(FRIDAY, 23) + DAY)


async def test_an_empty_answer_keeps_to_no_hours(market: Market, pool: asyncpg.Pool) -> None:
    """MD-6: "nothing there" has its own time, in a closed market, too."""
    await market.check(at(FRIDAY, 15))
    await move(market.clock, at(FRIDAY, 23))
    assert await queue(pool, "a")
    (claim,) = await market.hand.claim()
    await market.hand.publish(claim, None)
    reading = await market.read()
    assert reading.checked_at is not None
    assert (reading.state, reading.fresh_until) == ("empty", reading.checked_at + 2 * HOUR)
    assert reading.hours is None


async def test_a_calendar_only_prolongs(db: asyncpg.Connection) -> None:
    """MD-16: what lives longer than the market is closed is not refreshed more often because of it."""
    for when in (at(FRIDAY, 15), at(FRIDAY, 21, 5), at(FRIDAY, 23), at(MONDAY, 13, 59)):
        for ttl in (timedelta(days=30), DAY * 4, MINUTE):
            assert await db.fetchval("select openbell.fresh_until('TEST', $1, $2)", when, ttl) >= when + ttl


async def test_a_break_is_a_closed_market(pool: asyncpg.Pool) -> None:
    """MD-16: a lunch break is one more close: refreshed once more, then left alone until it is over."""
    halves = [Session(FRIDAY, at(FRIDAY, 1), at(FRIDAY, 3)), Session(FRIDAY, at(FRIDAY, 4), at(FRIDAY, 7))]
    async with pool.acquire() as db:
        await write_sessions(db, "LUNCH", [*halves, session(MONDAY, 1, 3)])
        ask = "select openbell.fresh_until('LUNCH', $1, $2)"
        assert await db.fetchval(ask, at(FRIDAY, 2, 59, 30), MINUTE) == at(FRIDAY, 3) + SETTLED
        assert await db.fetchval(ask, at(FRIDAY, 3, 20), MINUTE) == at(FRIDAY, 4) + EARLY
        assert await db.fetchval(ask, at(FRIDAY, 4), MINUTE) == at(FRIDAY, 4, 1)


async def test_sessions_without_a_pause(pool: asyncpg.Pool) -> None:
    """MD-16: where one session begins as the other ends, the close stops nothing."""
    async with pool.acquire() as db:
        await write_sessions(db, "ALWAYS", [session(FRIDAY, 0, 12), session(FRIDAY, 12, 23)])
        found = await db.fetchval("select openbell.fresh_until('ALWAYS', $1, $2)", at(FRIDAY, 11, 59, 30), MINUTE)
        assert found == at(FRIDAY, 12, 0, 30)


async def test_why_says_that_the_market_is_closed(market: Market, pool: asyncpg.Pool) -> None:
    """MD-12, PF-49: page and `why` say that and until when the market is closed, and which refresh this is."""
    registry = Registry([declare()])
    reading = await market.check(at(FRIDAY, 21, 5))
    assert reading.reason.endswith(
        ": the market (TEST) is closed until Mon 14:00 UTC, and it is refreshed once more after the close."
    )
    reading = await market.check(at(FRIDAY, 21) + SETTLED)
    told = ": the market (TEST) is closed until Mon 14:00 UTC, and it was refreshed after the close."
    assert reading.reason.endswith(told)
    found = await inquire(pool, registry, "number", "a")
    assert found.verdict == reading.reason
    gate = next(gate for gate in found.gates if gate.name == "freshness")
    assert not gate.open
    assert gate.detail.endswith(told)
    assert (gate.numbers["calendar"], gate.numbers["market_open"]) == ("TEST", False)
    assert gate.numbers["market_opens_at"] == at(MONDAY, 14)
    assert gate.opens_at is not None


async def test_a_reader_is_told_when_the_market_opens(market: Market) -> None:
    """MD-12: what readers keep of a page is outdated when the market has opened or closed since."""
    before = await market.check(at(FRIDAY, 20, 59, 30))
    await move(market.clock, at(FRIDAY, 21, 0, 5))
    assert (await market.read()).etag != before.etag


async def test_a_closed_day_is_closed(market: Market, db: asyncpg.Connection) -> None:
    """MD-17: a day that an operator closes is no session: the weekend lasts until Tuesday, and it is audited."""
    assert await close_day(db, "TEST", MONDAY, actor="pat", reason="a storm") == []
    await market.check(at(FRIDAY, 21) + SETTLED)
    await move(market.clock, at(MONDAY, 15))
    reading = await market.check(at(MONDAY, 15))
    assert "closed until Tue 14:00 UTC" in reading.reason
    audit = await db.fetchrow("select actor, action, target, after from openbell.audit where action like 'calendar.%'")
    assert audit is not None
    assert tuple(audit)[:3] == ("pat", "calendar.close", "TEST 2030-03-11")
    assert audit["after"]["reason"] == "a storm"


async def test_a_closure_survives_a_new_writing(db: asyncpg.Connection) -> None:
    """MD-17: what an operator has closed stays closed when the sessions are computed anew, and wins over them."""
    await close_day(db, "TEST", MONDAY, actor="pat", reason="a storm")
    other = [Session(one.day, one.opens_at - HOUR, one.closes_at + HOUR) for one in days(FRIDAY, 14)]
    await write_sessions(db, "TEST", other)
    (row,) = await list_calendars(db)
    await db.execute("update openbell.clock set shift = $1 - clock_timestamp()", at(FRIDAY, 12))
    assert row.manual == [MONDAY]
    kept = await db.fetch("select * from openbell.session where day = $1", MONDAY)
    assert [(one["opens_at"], one["closes_at"], one["source"]) for one in kept] == [
        (at(MONDAY, 14), at(MONDAY, 14), "manual")
    ]
    assert await reopen_day(db, "TEST", MONDAY, actor="pat") == [session(MONDAY)]
    await write_sessions(db, "TEST", other)
    (again,) = await db.fetch("select * from openbell.session where day = $1", MONDAY)
    assert (again["opens_at"], again["source"]) == (at(MONDAY, 13), "computed")


async def test_an_early_close(market: Market, db: asyncpg.Connection) -> None:
    """MD-17: an operator may close a day from a time on; the rest of it is a session like any other."""
    left = await close_day(db, "TEST", FRIDAY, at=at(FRIDAY, 18), actor="pat", reason="the lights went out")
    assert left == [session(FRIDAY, 14, 18)]
    reading = await market.check(at(FRIDAY, 17, 59, 30))
    assert reading.fresh_until == at(FRIDAY, 18) + SETTLED


async def test_reopening_wakes_what_rests(market: Market, db: asyncpg.Connection, pool: asyncpg.Pool) -> None:
    """MD-17: when a closed day is opened after all, values that rest because of it are due at once."""
    await close_day(db, "TEST", MONDAY, actor="pat", reason="a storm")
    await market.check(at(FRIDAY, 15))
    await market.check(at(MONDAY, 15))
    await move(market.clock, at(MONDAY, 15, 30))
    assert await sweep(pool) == []
    await reopen_day(db, "TEST", MONDAY, actor="pat")
    assert [job.key for job in await sweep(pool)] == ["a"]


KNOWN = """
insert into openbell.artifact
    (product, key, version, state, checked_at, changed_at, fresh_until, source_time, stale_until, calendar)
select p.name, s.t::text, 1, 'value', s.t, s.t, f.t, f.t, f.t + interval '1 day', 'TEST'
from generate_series($1::timestamptz, openbell.now(), '10 minutes') as s (t), openbell.product p,
    openbell.fresh_until('TEST', s.t, p.ttl) as f (t)
"""
"""A value checked every ten minutes until now, with its rest as source time."""

WRONG = """
select a.product, a.checked_at, a.source_time, a.fresh_until, f.t as expected
from openbell.artifact a, openbell.product p, openbell.fresh_until('TEST', a.checked_at, p.ttl) as f (t)
where p.name = a.product
    and greatest(a.fresh_until, $1) <> greatest(least(a.source_time, f.t), $1)
"""


@pytest.mark.parametrize(
    "now",
    [(FRIDAY, 17), (FRIDAY, 18), (FRIDAY, 20), (FRIDAY, 21), (FRIDAY, 23), (SATURDAY, 19), (MONDAY, 13), (MONDAY, 20)],
    ids=lambda now: f"{now[0]:%a} {now[1]}",
)
async def test_all_values_are_judged_as_each_would_be(
    pool: asyncpg.Pool, db: asyncpg.Connection, clock: Clock, now: tuple[date, int]
) -> None:
    """MD-17: after a change of hours a thousand values are as fresh as if each were published under the new ones."""
    await Registry([declare(), *(declare(f"of-{n}-hours", ttl=n * HOUR, stale=4 * DAY) for n in (3, 72))]).seed(pool)
    await move(clock, at(*now, 10, 30))
    for day, time in ((FRIDAY, at(FRIDAY, 18)), (MONDAY, None)):
        await close_day(db, "TEST", day, at=time, actor="pat", reason="a storm")
    await db.execute(KNOWN, at(FRIDAY, 10) - 2 * DAY)
    for day in (MONDAY, FRIDAY):
        await reopen_day(db, "TEST", day, actor="pat")
    assert await db.fetch(WRONG, await clock.now()) == []


@pytest.mark.parametrize("change", ["close", "reopen"])
async def test_a_day_without_a_session(db: asyncpg.Connection, change: str) -> None:
    """MD-17: closing or reopening a day that is none is a sentence, and writes nothing."""
    saturday = FRIDAY + timedelta(days=1)
    act = partial(close_day, reason="tired") if change == "close" else reopen_day
    with pytest.raises(UnknownSession, match="TEST has no session on 2030-03-09"):
        await act(db, "TEST", saturday, actor="pat")
    assert await db.fetchval("select count(*) from openbell.audit") == 0


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [session(FRIDAY, 14, 14)],
        [session(FRIDAY, 14, 21), session(FRIDAY, 20, 22)],
        [session(MONDAY), session(FRIDAY)],
        [Session(FRIDAY, datetime(2030, 3, 8, 14), at(FRIDAY, 21))],  # noqa: DTZ001 (what is refused)
    ],
    ids=["none", "empty", "overlapping", "out of order", "without a zone"],
)
async def test_sessions_that_cannot_be(db: asyncpg.Connection, wrong: Sequence[Session]) -> None:
    """MD-17: sessions that overlap or run backwards are refused, and those that were there stay."""
    before = await list_calendars(db)
    with pytest.raises(InvalidSessions):
        await write_sessions(db, "TEST", wrong)
    assert [row.days for row in await list_calendars(db)] == [row.days for row in before]


async def test_the_database_refuses_overlaps_itself(db: asyncpg.Connection) -> None:
    """MD-17: whoever writes past our code cannot make two sessions overlap, except in two calendars."""
    columns = "calendar, day, opens_at, closes_at, planned_closes_at"
    add = f"insert into openbell.session ({columns}) values ($1, $2, $3, $4, $4)"
    await db.execute(add, "OTHER", FRIDAY, at(FRIDAY, 20), at(FRIDAY, 22))
    with pytest.raises(asyncpg.ExclusionViolationError):
        await db.execute(add, "TEST", FRIDAY, at(FRIDAY, 20), at(FRIDAY, 22))


async def test_two_who_write_at_once(pool: asyncpg.Pool) -> None:
    """MD-17: two that write the same calendar at once take turns; the table is what the later one wrote."""

    async def write(begin: int) -> None:
        async with pool.acquire() as connection:
            await write_sessions(connection, "TEST", [session(day.day, begin) for day in days(FRIDAY, 60)])

    await asyncio.gather(*(write(begin) for begin in (12, 13, 14, 15)))
    rows = await pool.fetch("select distinct extract(hour from opens_at at time zone 'UTC') from openbell.session")
    assert len(rows) == 1


async def test_calendars_in_use_are_known(market: Market, pool: asyncpg.Pool) -> None:
    """MD-17: which calendars values keep to is known, written down or not."""
    await market.check(at(FRIDAY, 15), calendar="NOWHERE")
    assert await used_calendars(pool) == ["NOWHERE"]


@pytest.mark.parametrize("field", ["nonsense", "n"])
def test_a_calendar_must_be_a_field_that_can_name_one(field: str) -> None:
    """PF-1: a product whose calendar is no text field of its model is refused when the process starts."""
    with pytest.raises(InvalidDeclaration, match=f"no field '{field}' of type str"):
        declare(make=one, calendar=field)
