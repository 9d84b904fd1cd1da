"""The drill of a week: the crowd and the report without I/O, and a day of it for real."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from openbell.drills import crowd
from openbell.drills.week import Played, Size, days_of, types_of
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
    one, again = (crowd.visits(40, SYMBOLS, TYPES, WEEK, 7) for _ in range(2))
    assert one == again != crowd.visits(40, SYMBOLS, TYPES, WEEK, 8)
    assert len(one) == 40 * crowd.VISITS_A_DAY * len(WEEK)
    assert one == sorted(one, key=lambda visit: visit.begins)
    low, high = (timedelta(minutes=n) for n in crowd.STAY_MIN)
    assert all(low <= visit.ends - visit.begins <= high for visit in one)
    assert sum(_time_of_day(visit.begins) >= crowd.OPENS for visit in one) > len(one) / 2
    keys = {key for visit in one for _, key in visit.watches}
    assert keys <= set(SYMBOLS)


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


def test_every_type_of_a_symbol_takes_part() -> None:
    """All data types that a symbol has and that people look at; no search, nothing of the whole market."""
    types = types_of(registry())
    assert {"quote", "profile", "eod-prices", "financial-statements", "ratios-ttm"} <= set(types)
    assert not {"symbol-search", "treasury-rates", "sec-outstanding-shares"} & set(types)


def test_the_report_names_what_was_broken() -> None:
    """Too many calls, or a promise that was broken on either side: it stands in the figures and in the words."""
    good = Played(moments=3, looks=10, fresh=10, calls={"quote": 10}, allowed_a_minute=712)
    lists = replace(good, calls={"quote": 100})
    assert figures(Size(), good, lists)["broken"] == []
    assert "90% fewer calls" in tell(Size(), good, lists)
    assert "Every promise was kept." in tell(Size(), good, lists)
    dear = replace(good, calls={"quote": 30})
    assert figures(Size(), dear, lists)["broken"] == ["demand saves 70% of the calls, not 80%"]
    blamed = replace(lists, faults=["a minute saw 9 calls of 8"])
    assert figures(Size(), good, blamed)["broken"] == ["fixed lists: a minute saw 9 calls of 8"]
    assert "**fixed lists: a minute saw 9 calls of 8**" in tell(Size(), good, blamed)


@pytest.mark.slow
def test_a_day_is_played(tmp_path: Path) -> None:
    """MD-14, MD-13: a small day in a real house: the watched is fresh or says why, and nothing else is asked."""
    few = ["--days", "1", "--viewers", "6", "--symbols", "2", "--every-min", "60"]
    done = run("drill", "week", *few, "--report", str(tmp_path / "week.md"), cwd=tmp_path, timeout=600)
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert [fault for fault in said["broken"] if "of the calls" not in fault] == []
    assert said["demand"]["looks"] > 50
    assert 0 < said["demand"]["calls"] < said["lists"]["calls"]
    assert "# A trading week" in (tmp_path / "week.md").read_text(encoding="utf-8")
