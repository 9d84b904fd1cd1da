"""The drill of a week: the crowd and the report without I/O, and a day of it for real."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from openbell.drills import crowd
from openbell.drills.crowd import Stock
from openbell.drills.fixed import Listed, refreshes
from openbell.drills.week import Played, Size, Took, compute, days_of, lists, market_of, types_of
from openbell.drills.week_report import figures, tell
from openbell.products import registry
from tests.cli.house import run

MONDAY = date(2026, 11, 30)
WEEK = [MONDAY + timedelta(days=n) for n in range(5)]
SYMBOLS = [f"S{n}" for n in range(50)]
TYPES = ["eod-prices", "profile", "quote"]


def _time_of_day(moment: datetime) -> timedelta:
    return moment - moment.replace(hour=0, minute=0, second=0, microsecond=0)


def test_the_same_crowd_comes_every_time() -> None:
    """A seed is a crowd: people come twice a day, mostly while the market is open, and stay as long as people do."""
    stock = Stock(SYMBOLS, TYPES, [("treasury-rates", "GLOBAL")])
    one, again = (crowd.visits(40, stock, WEEK, 7) for _ in range(2))
    assert one == again != crowd.visits(40, stock, WEEK, 8)
    assert len(one) == 40 * crowd.VISITS_A_DAY * len(WEEK)
    assert one == sorted(one, key=lambda visit: visit.begins)
    low, high = (timedelta(minutes=n) for n in crowd.STAY_MIN)
    assert all(low <= visit.ends - visit.begins <= high for visit in one)
    assert sum(_time_of_day(visit.begins) >= crowd.OPENS for visit in one) > len(one) / 2
    keys = {key for visit in one for product, key in visit.watches if product in TYPES}
    assert keys == set(SYMBOLS), "all of them are looked at by somebody"
    others = {product for visit in one for product, _ in visit.watches} - set(TYPES)
    assert others == {"treasury-rates", "symbol-search"}


def test_the_market_s_own_clock_runs_while_it_is_open() -> None:
    """Six and a half hours a weekday, whatever the moments between which it is asked."""
    at = datetime(2026, 11, 30, tzinfo=UTC)
    assert crowd.open_between(at, at + timedelta(days=1)) == crowd.CLOSES - crowd.OPENS
    assert crowd.open_between(at + timedelta(hours=20), at + timedelta(hours=24)) == timedelta(hours=1)
    assert crowd.open_between(at + timedelta(hours=22), at + timedelta(hours=38)) == timedelta(0)
    saturday = at + timedelta(days=5)
    assert crowd.open_between(saturday, saturday + timedelta(days=1)) == timedelta(0)
    moments = crowd.ticks(WEEK, timedelta(minutes=5))
    assert moments == sorted(set(moments))
    total = sum((crowd.open_between(a, b) for a, b in pairwise(moments)), timedelta(0))
    assert total == 5 * (crowd.CLOSES - crowd.OPENS)


def test_a_week_begins_on_a_monday_to_come() -> None:
    """Never a day that has begun already, for the clock cannot go back."""
    for today in WEEK:
        days = days_of(Size(), today)
        assert days[0].weekday() == 0
        assert days[0] > today
        assert len(days) == 5


def test_every_type_takes_part() -> None:
    """All data types that a symbol has, and those of the whole market; on lists all but searches and schedules."""
    types = set(types_of(registry()))
    assert {"quote", "profile", "eod-prices", "intraday-prices", "ratios-ttm", "sec-outstanding-shares"} <= types
    market = market_of(registry(), MONDAY)
    assert {product for product, _ in market} >= {"treasury-rates", "market-risk-premium", "earnings-calendar"}
    assert dict(market)["earnings-calendar"] == "2026-W49"
    listed = lists(registry(), Size(symbols=7), Played())
    assert {*types, *dict(market)} - set(listed) == {"sec-outstanding-shares"}
    assert "symbol-search" not in listed
    assert (listed["quote"].keys, listed["quote"].by_session, listed["treasury-rates"].keys) == (7, True, 1)


def test_fixed_lists_are_computed_as_they_are_played() -> None:
    """As often as a key is due at the moments, once more after the close, and not before the next opening."""
    minute, day = timedelta(minutes=1), timedelta(hours=24)
    moments = crowd.ticks(WEEK, timedelta(minutes=30))
    at_open = sum(crowd.OPENS <= _time_of_day(moment) <= crowd.CLOSES for moment in moments)
    assert refreshes(Listed(10, minute, by_session=True), moments) == 10 * (
        at_open + 5 + 1
    )  # the close, the first night
    assert refreshes(Listed(3, minute, by_session=False), moments) == 3 * len(moments)
    assert refreshes(Listed(2, day, by_session=False), moments) == 2 * 5
    assert refreshes(Listed(2, timedelta(days=30), by_session=False), moments) == 2


def test_sessions_of_a_week() -> None:
    """The close of the session that has begun last, and the next opening, over a weekend too."""
    monday = datetime(2026, 11, 30, tzinfo=UTC)
    assert crowd.session_of(monday + timedelta(hours=9)) == (
        monday - timedelta(days=3) + crowd.CLOSES,
        monday + crowd.OPENS,
    )
    friday = monday + timedelta(days=4)
    assert crowd.session_of(friday + timedelta(hours=15)) == (
        friday + crowd.CLOSES,
        monday + timedelta(days=7) + crowd.OPENS,
    )


def test_the_report_names_what_was_broken() -> None:
    """Too many calls, or a promise that was broken on either side: it stands in the figures and in the words."""
    good = Played(moments=3, looks=10, fresh=10, types={"quote": Took(10, 10, 500)}, allowed_a_minute=712)
    listed = replace(good, types={"quote": Took(100, 100, 5_000)})
    assert figures(Size(), good, listed)["broken"] == []
    assert "90.0% fewer calls" in tell(Size(), good, listed)
    assert "Every promise was kept." in tell(Size(), good, listed)
    assert "## Prefetch" not in tell(Size(), good, listed)
    ahead = replace(good, prefetched=10, opened=4, missed=1)
    assert "4 of\nthem (40%) were opened while they were fresh, 1 went stale unopened" in tell(Size(), ahead, listed)
    dear = replace(good, types={"quote": Took(30, 30, 1_500)})
    assert figures(Size(), dear, listed)["broken"] == ["demand saves 70% of the calls, not 80%"]
    blamed = replace(listed, faults=["a minute saw 9 calls of 8"])
    assert figures(Size(), good, blamed)["broken"] == ["fixed lists: a minute saw 9 calls of 8"]
    assert "**fixed lists: a minute saw 9 calls of 8**" in tell(Size(), good, blamed)


@pytest.mark.slow
def test_a_day_is_played(tmp_path: Path) -> None:
    """MD-14, MD-13: a small day in a real house: the watched is fresh or says why, and nothing else is asked; and what
    fixed lists are said to take is what they take when they are played.
    """
    few = ["--days", "1", "--viewers", "6", "--symbols", "2", "--every-min", "60"]
    report = tmp_path / "week.md"
    done = run("drill", "week", *few, "--play-lists", "--report", str(report), cwd=tmp_path, timeout=600)
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert [fault for fault in said["broken"] if "of the calls" not in fault] == []
    demand, played = said["demand"], said["lists"]
    assert demand["looks"] > 50
    assert 0 < demand["calls"] < played["calls"]
    assert demand["refused"] == played["refused"] == 0
    assert demand["arrived"] == sum(one["calls"] for one in _fmp(demand))
    assert "# A trading week" in report.read_text(encoding="utf-8")
    _agree(_computed(demand), played)


def _fmp(side: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for name, one in side["types"].items() if name != "sec-outstanding-shares"]


def _computed(demand: dict[str, Any]) -> Played:
    types = {name: Took(**one) for name, one in demand["types"].items()}
    return compute(Size(6, 2, 1, 60), registry(), Played(types=types))


def _agree(computed: Played, played: dict[str, Any]) -> None:
    """Never more than what was played, and of that nearly all."""
    more = sum(one["calls"] for one in played["types"].values())
    assert 0.8 * more <= computed.calls <= 1.02 * more, (computed.calls, more)
