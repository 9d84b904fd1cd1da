"""Twenty years of sessions: what the database decides against the trading minutes of exchange_calendars.

The table is filled as `openbell calendars write` fills it. The reference never sees it: it knows only which minutes of
these years were traded, and finds opens and closes as the gaps between them.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import numpy as np
import pytest
from exchange_calendars import get_calendar
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.cli.calendars import compute
from openbell.engine.sessions import write_sessions
from openbell.postgres.pool import open_pool
from tests.support import TestServer

FIRST, LAST = date(2006, 11, 1), date(2026, 11, 30)
NAMES = ("XNYS", "XLON", "XTKS", "XASX")
"""New York, London, Tokyo with its break and without summer time, Sydney with its summer in winter."""
SETTLED, EARLY, DAY = 20 * 60, 2, 24 * 3600
TTLS = (1, 60, 300, 3_600, 43_200, 200_000)


@dataclass(frozen=True)
class Minutes:
    """The runs of trading minutes of a calendar: when each begins and when it has ended, in epoch seconds."""

    opens: Any
    closes: Any

    @classmethod
    def of(cls, name: str) -> Minutes:
        index = get_calendar(name, start=FIRST.isoformat(), end=LAST.isoformat(), side="left").minutes
        traded = index.as_unit("s").asi8
        gaps = np.flatnonzero(np.diff(traded) > 60)
        return cls(traded[np.concatenate(([0], gaps + 1))], traded[np.concatenate((gaps, [-1]))] + 60)

    def fresh_until(self, at: int, ttl: int) -> int:
        """What the rules say, in plain words: see openbell.engine.sessions."""
        n = int(np.searchsorted(self.opens, at, side="right")) - 1
        close, following = int(self.closes[n]), int(self.opens[n + 1])
        if at + ttl <= close:
            return at + ttl
        if at < close + SETTLED - EARLY:
            return max(at + ttl, min(close + SETTLED, following + EARLY))
        return max(at + ttl, min(following + EARLY, at + DAY))


@dataclass
class Years:
    """The database that holds the sessions, and what the reference knows."""

    runner: asyncio.Runner
    pool: asyncpg.Pool
    minutes: dict[str, Minutes]

    def fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        return list(self.runner.run(self.pool.fetch(statement, *arguments)))

    def fresh_until(self, name: str, points: list[tuple[int, int]]) -> list[int]:
        """For each time and time to live, in epoch seconds, what the database says."""
        return [row["until"] for row in self.fetch(ASK, name, *zip(*points, strict=True))]


ASK = """
select extract(epoch from openbell.fresh_until($1, to_timestamp(u.at), u.ttl * interval '1 second'))::bigint as until
from unnest($2::bigint[], $3::bigint[]) with ordinality as u (at, ttl, n) order by u.n"""


@pytest.fixture(scope="module")
def years(server: TestServer, template: str) -> Iterator[Years]:
    name = f"{template}_years"
    minutes = {calendar: Minutes.of(calendar) for calendar in NAMES}
    with asyncio.Runner() as runner:
        runner.run(server.execute(f"create database {name} template {template}"))
        pool = runner.run(open_pool(server.dsn_of(name), name="years"))

        async def fill() -> None:
            async with pool.acquire() as connection:
                for calendar in NAMES:
                    await write_sessions(connection, calendar, list(compute(calendar, FIRST)))

        try:
            runner.run(fill())
            yield Years(runner, pool, minutes)
        finally:
            runner.run(pool.close())
            runner.run(server.execute(f"drop database {name} with (force)"))


def epoch(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


TIMES = st.one_of(
    st.tuples(st.just(None), st.integers(epoch(date(2007, 1, 1)), epoch(date(2026, 11, 20)))),
    st.tuples(st.integers(0, 10_000), st.integers(-3_600, 3_600)),
    st.tuples(st.integers(0, 10_000), st.sampled_from([-1, 0, 1, SETTLED - EARLY - 1, SETTLED - EARLY, SETTLED])),
)
"""Any second of these years, or one near an open or a close."""


@given(name=st.sampled_from(NAMES), points=st.lists(st.tuples(TIMES, st.sampled_from(TTLS)), min_size=1, max_size=100))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_database_keeps_the_hours(
    years: Years, name: str, points: list[tuple[tuple[int | None, int], int]]
) -> None:
    """MD-16, MD-17: at any second of twenty years the database says until when a value rests as the reference does."""
    known = years.minutes[name]
    edges = np.sort(np.concatenate((known.opens[1:-2], known.closes[1:-2])))
    asked = [((0 if n is None else int(edges[n % len(edges)])) + seconds, ttl) for (n, seconds), ttl in points]
    assert years.fresh_until(name, asked) == [known.fresh_until(at, ttl) for at, ttl in asked]


@pytest.mark.parametrize("name", NAMES)
def test_every_open_and_every_close(years: Years, name: str) -> None:
    """MD-17: none of some five thousand opens and closes is missed, half days, holidays and clock changes included."""
    known = years.minutes[name]
    assert len(known.opens) > 4_900
    final = known.closes[1:-1:7] + SETTLED - EARLY
    edges = (known.opens[1:-1] - 1, known.opens[1:-1], known.closes[1:-1] - 1, known.closes[1:-1], final - 1, final)
    asked = [(int(at), 60) for edge in edges for at in edge]
    assert years.fresh_until(name, asked) == [known.fresh_until(at, ttl) for at, ttl in asked]


def test_half_days_and_both_clock_changes_are_among_them(years: Years) -> None:
    """MD-17: by the clock of New York each session opens at 9:30 and closes at 16:00 or, some forty times, at 13:00."""
    hours = """
        select to_char(opens_at at time zone 'America/New_York', 'HH24:MI') || '-'
                || to_char(closes_at at time zone 'America/New_York', 'HH24:MI') as local, count(*),
            count(distinct extract(hour from opens_at at time zone 'UTC')) as offsets
        from openbell.session where calendar = 'XNYS' and day between $1 and $2 group by 1 order by 2 desc"""
    usual, half = years.fetch(hours, FIRST, LAST)
    assert (usual["local"], usual["offsets"]) == ("09:30-16:00", 2)
    assert (half["local"], half["offsets"]) == ("09:30-13:00", 2)
    assert 30 < half["count"] < 60
    changes = """
        select count(*) from (
            select extract(hour from opens_at at time zone 'UTC')
                <> lag(extract(hour from opens_at at time zone 'UTC')) over (order by opens_at) as changed
            from openbell.session where calendar = 'XNYS' and day between '2007-01-01' and '2026-10-31') c
        where changed"""
    assert years.fetch(changes)[0][0] == 39, "twice a year, from March 2007 to March 2026"


WATCH = """
with recursive checks (at) as (
    select $2::timestamptz
    union all
    select openbell.fresh_until($1, at, $3) - openbell.lead($3) + interval '0.5 seconds' from checks
    where at < $2 + interval '7 days'
)
select extract(epoch from at)::float8 as at from checks order by at"""


@given(
    name=st.sampled_from(NAMES),
    start=st.integers(epoch(date(2007, 1, 1)), epoch(date(2026, 11, 1))),
    ttl=st.sampled_from([300, 900, 3_600]),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_week_of_watching(years: Years, name: str, start: int, ttl: int) -> None:
    """MD-16: watched for a week, a value keeps to its time in the open market and is refreshed once after each close.

    Then it rests until the opening, but for one refresh a day.
    """
    known = years.minutes[name]
    begin, span = datetime.fromtimestamp(start, UTC), timedelta(seconds=ttl)
    checks = [row["at"] for row in years.fetch(WATCH, name, begin, span)]
    for before, after in itertools.pairwise(checks):
        n = int(np.searchsorted(known.opens, before, side="right")) - 1
        close, following = int(known.closes[n]), int(known.opens[n + 1])
        if after <= close:
            assert after - before <= ttl
        elif before < close:
            assert after <= max(before + ttl, min(close + SETTLED, following + EARLY)), "the final refresh is late"
        else:
            assert after - before <= max(DAY, ttl)
            if before >= close + SETTLED - EARLY:
                assert after >= min(following, before + min(DAY, ttl)), "refreshed in a closed market"
    for n in np.flatnonzero((known.closes > start) & (known.closes < start + 6 * DAY)):
        close, following = int(known.closes[n]), int(known.opens[n + 1])
        settled = [at for at in checks if close <= at < following]
        hours = (following - close) / 3_600
        assert 1 <= len(settled) <= 2 + hours // 24 or hours < 1, (n, settled)
