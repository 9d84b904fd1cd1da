"""The replay: properties of pure functions, on the real price file."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.sandbox.clock import LAPS_MAX, START_DAY, STEPS_PER_DAY, Anchor, Moment, moment
from openbell.sandbox.companies import COMPANIES, INVENTED
from openbell.sandbox.prices import load
from openbell.sandbox.replay import Market

BOOK = load()
MARKET = Market(BOOK, INVENTED)
CALENDAR = MARKET.calendar
START = CALENDAR.dates.index(START_DAY)

symbols = st.sampled_from(["AAPL", "FB", "GOOG", "IBM", "MSFT", "SYN001", "SYN002", "SYN117", "SYN500"])
sessions = st.integers(START, START + 2_000)
positions = st.floats(START, START + 5_000, allow_nan=False)


def at(session: int, step: int) -> Moment:
    return Moment(session, step, CALENDAR.day(session))


@given(symbols, sessions)
def test_day_stays_inside_its_real_range(symbol: str, session: int) -> None:
    """A day's price starts at the open, touches the real low and high, never leaves them and ends at the close."""
    bar = MARKET.printed(symbol, session)
    glances = [MARKET.glance(symbol, at(session, step)) for step in range(STEPS_PER_DAY + 1)]
    prices = [glance.price for glance in glances]
    assert (min(prices), max(prices)) == (bar.low, bar.high)
    assert (prices[0], prices[-1]) == (bar.open, bar.close)
    assert (glances[-1].low, glances[-1].high, glances[-1].volume) == (bar.low, bar.high, bar.volume)


@given(symbols, sessions)
def test_volume_and_day_range_only_grow(symbol: str, session: int) -> None:
    """Within a day volume never shrinks and the day's range only widens around the price."""
    glances = [MARKET.glance(symbol, at(session, step)) for step in range(0, STEPS_PER_DAY + 1, 5)]
    for earlier, later in itertools.pairwise(glances):
        assert earlier.volume <= later.volume
        assert later.low <= earlier.low <= earlier.price <= earlier.high <= later.high


@given(symbols, sessions, st.integers(0, STEPS_PER_DAY))
def test_a_session_is_what_its_moments_show(symbol: str, session: int, step: int) -> None:
    """F1: bars are made of the path and shares that quotes show; asking again makes no new path."""
    glance, path = MARKET.glance(symbol, at(session, step)), MARKET.path(symbol, session)
    assert (path[step], MARKET.traded(symbol, session, step)) == (glance.price, glance.volume)
    assert len(path) == STEPS_PER_DAY + 1
    assert MARKET.path(symbol, session) is path


@given(symbols, positions)
def test_same_inputs_same_price(symbol: str, position: float) -> None:
    """A second sandbox shows the same price at the same moment."""
    now = moment(CALENDAR, position)
    assert Market(BOOK, INVENTED).glance(symbol, now) == MARKET.glance(symbol, now)


@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=20), st.floats(0.01, 86_400))
def test_time_never_goes_back(waits: list[float], day_seconds: float) -> None:
    """The replayed time never goes back, over days, laps and a wall clock that is set back."""
    anchor = Anchor(wall=1_000.0, position=float(START), day_seconds=day_seconds)
    walls = [0.0, *sorted(waits)]
    stamps = [moment(CALENDAR, anchor.position_at(wall)).timestamp for wall in walls]
    assert stamps == sorted(stamps)


@given(positions, st.floats(0, 1e6), st.floats(0, 100), st.booleans())
def test_change_of_pace_does_not_jump(position: float, later: float, advance: float, frozen: bool) -> None:
    """Freezing, going on and changing the pace keep the place; advancing moves it by just that much."""
    anchor = Anchor(wall=0.0, position=position, day_seconds=60.0, frozen=frozen)
    moved = anchor.moved(later, advance_days=advance, day_seconds=1.0, frozen=not frozen)
    assert moved.position_at(later) == pytest.approx(anchor.position_at(later) + advance)


def test_laps_join_without_a_gap() -> None:
    """After the last real Friday comes a Monday, a whole number of weeks after the lap's first day."""
    last = CALENDAR.rows - 1
    assert (CALENDAR.day(last), CALENDAR.day(last + 1)) == (date(2013, 3, 1), date(2013, 3, 4))
    for session in range(START, START + 1_000):
        step = CALENDAR.day(session + 1) - CALENDAR.day(session)
        assert timedelta(days=1) <= step <= timedelta(days=5)
        assert CALENDAR.day(session).weekday() < 5


@given(st.integers(0, CALENDAR.rows + 5_000))
def test_dates_and_sessions_agree(session: int) -> None:
    """Counting the sessions up to a session's date finds that session, and the day before the one before."""
    day = CALENDAR.day(session)
    assert CALENDAR.sessions_through(day) == session + 1
    assert CALENDAR.sessions_through(day - timedelta(days=1)) == session


def test_replay_ends_standing_still() -> None:
    """At the far end of the calendar the replay shows its last close for ever instead of failing."""
    end = moment(CALENDAR, 1e12)
    assert end.closed
    assert CALENDAR.lap(end.session) == LAPS_MAX
    assert MARKET.glance("AAPL", end).price == 430.47


def test_all_five_are_listed_with_history() -> None:
    """At the start all five real companies trade, and four of them have five years and more behind them."""
    assert all(MARKET.is_listed(symbol, START) for symbol in COMPANIES)
    for symbol in ("AAPL", "GOOG", "IBM", "MSFT"):
        first = MARKET.first_session(symbol)
        assert first is not None
        assert START_DAY - CALENDAR.day(first) > timedelta(days=5 * 365)


@pytest.mark.parametrize(
    ("symbol", "day"),
    [("AAPL", date(2000, 6, 21)), ("AAPL", date(2005, 2, 28)), ("MSFT", date(2003, 2, 18))],
)
def test_split_is_a_cliff_as_printed_and_no_step_adjusted(symbol: str, day: date) -> None:
    """At a 2:1 split the printed price halves; in today's shares the day is an ordinary one."""
    session = CALENDAR.dates.index(day)
    printed = MARKET.printed(symbol, session).close / MARKET.printed(symbol, session - 1).close
    before, after = (MARKET.split_adjusted(symbol, n, START) for n in (session - 1, session))
    assert printed < 0.6
    assert abs(after.close / before.close - 1) < 0.12
    assert before.volume == MARKET.printed(symbol, session - 1).volume * MARKET.split_factor(symbol, session - 1, START)


def test_split_is_unknown_before_it_happens() -> None:
    """The evening before its split a company's history is still in old shares."""
    session = CALENDAR.dates.index(date(2005, 2, 28))
    assert MARKET.split_factor("AAPL", session - 1, session - 1) == 1.0
    assert MARKET.split_factor("AAPL", session - 1, session) == 2.0
    assert MARKET.split_factor("AAPL", 0, session) == 4.0


@given(st.sampled_from(["IBM", "MSFT", "AAPL", "SYN003"]), st.integers(START, CALENDAR.rows + 1_000))
def test_dividend_adjustment_only_lowers_the_past(symbol: str, now: int) -> None:
    """In total-return prices the present is as printed, and the past is never above the split-adjusted price."""
    assert MARKET.total_factor(symbol, now, now) == 1.0
    total, split = MARKET.total_factor(symbol, now - 300, now), MARKET.split_factor(symbol, now - 300, now)
    assert total >= split * (1 - 1e-4)


def test_dividend_adjustment_matches_the_file() -> None:
    """Returns computed from dividend-adjusted prices equal those of the source's own adjusted closes."""
    series, last = BOOK.series["MSFT"], CALENDAR.rows - 1
    for session in range(500, last, 97):
        ours = MARKET.printed("MSFT", session).close / MARKET.total_factor("MSFT", session, last)
        theirs = series.adj_close[session] / series.adj_close[last] * series.close[last]
        assert ours == pytest.approx(theirs)
