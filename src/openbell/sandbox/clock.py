"""Which market moment is it? Pure: the wall clock is always an argument.

Sessions are numbered from 0, the first real trading day. After the last real day (2013-03-01) a further lap begins:
the days 2012-06-04 to 2013-03-01 again, exactly 39 weeks later each time, Friday to Monday without a gap. Prices jump
at that seam, dates never do. The replay starts on 2012-06-01, when all five companies are listed and AAPL, IBM and
MSFT have twelve years behind them, GOOG almost eight. Lapped dates are not moved around public holidays.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
START_DAY = date(2012, 6, 1)
LAP_FIRST_DAY = date(2012, 6, 4)
LAP_WEEKS = 39
LAPS_MAX = 9_000  # about 6,700 years: dates stay valid; after that the replay stands still on its last close
STEPS_PER_DAY = 390  # the minutes from 9:30 to 16:00
TRADING_SHARE = 0.9  # of a replayed day; in the rest the market is closed and the day's final row is published
DAY_SECONDS_MIN = 0.01


class Calendar:
    """Session numbers, their rows in the price file and their dates."""

    def __init__(self, dates: Sequence[date]) -> None:
        self.dates = dates
        self.rows = len(dates)
        self.lap_first = bisect_left(dates, LAP_FIRST_DAY)
        self.lap_rows = self.rows - self.lap_first
        self.last_session = self.rows + LAPS_MAX * self.lap_rows - 1

    def lap(self, session: int) -> int:
        """0 for the real days, then 1, 2, ..."""
        return 0 if session < self.rows else (session - self.rows) // self.lap_rows + 1

    def row(self, session: int) -> int:
        """The row of the price file that a session replays."""
        return session if session < self.rows else self.lap_first + (session - self.rows) % self.lap_rows

    def day(self, session: int) -> date:
        """The session's date; strictly later than that of the session before."""
        return self.dates[self.row(session)] + timedelta(weeks=LAP_WEEKS * self.lap(session))

    def sessions_through(self, day: date) -> int:
        """How many sessions have a date of `day` or earlier."""
        laps, real_day = 0, day
        if day > self.dates[-1]:
            laps = -(-(day - self.dates[-1]).days // (7 * LAP_WEEKS))
            real_day = day - timedelta(weeks=LAP_WEEKS * laps)
        return bisect_right(self.dates, real_day) + laps * self.lap_rows


@dataclass(frozen=True, slots=True)
class Moment:
    """One replayed instant: session number and minute of the trading day, 0 (the open) to 390 (the close)."""

    session: int
    step: int
    day: date

    @property
    def closed(self) -> bool:
        """True once the session has ended."""
        return self.step == STEPS_PER_DAY

    @property
    def time(self) -> datetime:
        """The replayed time in New York."""
        return datetime.combine(self.day, time(9, 30), NEW_YORK) + timedelta(minutes=self.step)

    @property
    def timestamp(self) -> int:
        """The replayed time in epoch seconds."""
        return int(self.time.timestamp())


@dataclass(frozen=True, slots=True)
class Anchor:
    """At wall time `wall` (epoch seconds) the replay stood at `position` (session number and fraction)."""

    wall: float
    position: float
    day_seconds: float
    frozen: bool = False

    def position_at(self, wall: float) -> float:
        """Sessions since the first real day; never before the anchor, whatever the wall clock does."""
        if self.frozen:
            return self.position
        return self.position + max(0.0, wall - self.wall) / self.day_seconds

    def moved(
        self, wall: float, *, advance_days: float = 0.0, day_seconds: float | None = None, frozen: bool | None = None
    ) -> Anchor:
        """The same replay, anchored anew at `wall`, after a change that takes effect at once."""
        return replace(
            self,
            wall=wall,
            position=self.position_at(wall) + advance_days,
            day_seconds=self.day_seconds if day_seconds is None else day_seconds,
            frozen=self.frozen if frozen is None else frozen,
        )


def moment(calendar: Calendar, position: float) -> Moment:
    """The market moment at a position of the replay."""
    if position >= calendar.last_session + 1:
        return Moment(calendar.last_session, STEPS_PER_DAY, calendar.day(calendar.last_session))
    session = max(0, int(position))
    share = max(0.0, position - session) / TRADING_SHARE
    return Moment(session, min(STEPS_PER_DAY, int(share * STEPS_PER_DAY)), calendar.day(session))
