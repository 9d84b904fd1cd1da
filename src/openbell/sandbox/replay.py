"""What every symbol costs at a replayed moment. Pure: no I/O, and the moment is an argument.

Within a day the price walks from the real open to the real close, touches the real high and the real low and never
leaves them. The walk depends on nothing but symbol and date, so the same moment always shows the same price.
"""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise

from openbell.sandbox.clock import STEPS_PER_DAY, Calendar, Moment
from openbell.sandbox.prices import Bar, PriceBook, Series

WALKS_KEPT = 512
NOISE_SHARE = 0.06  # of the day's range, per minute
YEAR_SESSIONS = 252
CENTS = 2


@dataclass(frozen=True, slots=True)
class Invented:
    """How an invented symbol derives its prices: a real series, so many sessions later, times a scale."""

    base: str
    lag: int
    scale: float


@dataclass(frozen=True, slots=True)
class Glance:
    """A symbol at a moment. Prices as printed that day, in currency units per share; volume in shares."""

    price: float
    previous_close: float | None
    open: float
    low: float
    high: float
    volume: int


@dataclass(frozen=True, slots=True)
class YearView:
    """What the sessions before the current one say, in today's shares (adjusted for splits)."""

    high: float
    low: float
    average_50: float
    average_200: float
    average_volume: int


class Market:
    """All symbols on one calendar. `invented` adds symbols that are derived from the real ones."""

    def __init__(self, book: PriceBook, invented: Mapping[str, Invented] | None = None) -> None:
        self.calendar = Calendar(book.dates)
        self._series = book.series
        self._invented = invented or {}
        self._walk = lru_cache(maxsize=WALKS_KEPT)(self._walk_of)
        self._year = lru_cache(maxsize=WALKS_KEPT)(self._year_of)

    def first_session(self, symbol: str) -> int | None:
        """The symbol's first day as a session number; None for a symbol that does not exist."""
        if symbol in self._series:
            return self._series[symbol].first
        if symbol in self._invented:
            invented = self._invented[symbol]
            return self._series[invented.base].first + invented.lag
        return None

    def is_listed(self, symbol: str, session: int) -> bool:
        """Whether the symbol has traded by then."""
        first = self.first_session(symbol)
        return first is not None and first <= session

    def printed(self, symbol: str, session: int) -> Bar:
        """The full day as printed then, not adjusted for anything. The symbol must be listed."""
        if symbol in self._series:
            return self._series[symbol].bar(self.calendar.row(session))
        invented = self._invented[symbol]
        base, row = self._series[invented.base], self.calendar.row(session - invented.lag)
        bar, factor = base.bar(row), invented.scale / _split_factor(base, row, self.calendar.rows)
        # Divided shares: the same money changes hands.
        return bar.times(factor, 1 / factor, digits=CENTS)

    def split_factor(self, symbol: str, session: int, now: int) -> float:
        """By how much a price printed in `session` is divided to compare it with one printed in `now`."""
        if symbol not in self._series:
            return 1.0  # invented companies never split
        # Laps hold no split, so past the real days there is nothing left to count.
        last = self.calendar.rows - 1
        return _split_factor(self._series[symbol], min(session, last), min(now, last) + 1)

    def total_factor(self, symbol: str, session: int, now: int) -> float:
        """Like split_factor, for splits and dividends together."""
        return self._fully(symbol, session) / self._fully(symbol, now)

    def split_adjusted(self, symbol: str, session: int, now: int) -> Bar:
        """The full day of `session` in the shares of `now`."""
        bar, factor = self.printed(symbol, session), self.split_factor(symbol, session, now)
        return bar.times(1 / factor, factor)

    def path(self, symbol: str, session: int) -> array[float]:
        """The price at each of the 391 minutes of a session, as printed then; not to be changed. It must be listed."""
        return self._walk(symbol, session)

    def traded(self, symbol: str, session: int, step: int) -> int:
        """Shares traded from the open to a minute of a session, as printed then. The symbol must be listed."""
        return _volume_by(step, self.printed(symbol, session).volume)

    def glance(self, symbol: str, moment: Moment) -> Glance:
        """The symbol at a moment; it must be listed."""
        session, step = moment.session, moment.step
        bar, path = self.printed(symbol, session), self.path(symbol, session)
        previous = None
        if self.is_listed(symbol, session - 1):
            previous = self.split_adjusted(symbol, session - 1, session).close
        seen = path[: step + 1]
        return Glance(
            price=path[step],
            previous_close=previous,
            open=bar.open,
            low=min(seen),
            high=max(seen),
            volume=self.traded(symbol, session, step),
        )

    def year(self, symbol: str, session: int) -> YearView | None:
        """The year before a session; None on the symbol's first day."""
        return self._year(symbol, session) if self.is_listed(symbol, session - 1) else None

    def completed(self, moment: Moment) -> int:
        """The last session whose day is over."""
        return moment.session if moment.closed else moment.session - 1

    def sessions(self, symbol: str, first_day: date | None, last_day: date | None, moment: Moment) -> Iterator[int]:
        """The symbol's completed sessions inside the dates (both included), newest first."""
        newest = self.completed(moment)
        if last_day is not None:
            newest = min(newest, self.calendar.sessions_through(last_day) - 1)
        oldest = self.first_session(symbol)
        if oldest is None:
            return iter(())
        if first_day is not None and first_day > self.calendar.dates[0]:
            oldest = max(oldest, self.calendar.sessions_through(first_day - timedelta(days=1)))
        return iter(range(newest, oldest - 1, -1))

    def _fully(self, symbol: str, session: int) -> float:
        """Printed close over fully adjusted close, carried on from lap to lap."""
        invented = self._invented.get(symbol)
        series = self._series[invented.base if invented else symbol]
        session -= invented.lag if invented else 0
        row = self.calendar.row(session)
        last = self.calendar.rows - 1
        per_lap = series.total_factor(last) / series.total_factor(self.calendar.lap_first - 1)
        factor = series.total_factor(row) * per_lap ** self.calendar.lap(session)
        return factor / _split_factor(series, row, last + 1) if invented else factor

    def _walk_of(self, symbol: str, session: int) -> array[float]:
        return walk(f"{symbol} {self.calendar.day(session)}", self.printed(symbol, session))

    def _year_of(self, symbol: str, session: int) -> YearView:
        first = self.first_session(symbol) or 0
        past = range(session - 1, max(first, session - YEAR_SESSIONS) - 1, -1)
        bars = [self.split_adjusted(symbol, n, session) for n in past]
        closes = [bar.close for bar in bars]
        return YearView(
            high=max(bar.high for bar in bars),
            low=min(bar.low for bar in bars),
            average_50=_mean(closes[:50]),
            average_200=_mean(closes[:200]),
            average_volume=round(_mean([bar.volume for bar in bars[:50]])),
        )


def walk(seed: str, bar: Bar) -> array[float]:
    """The price at each of the 391 minutes of a day: starts at open, touches low and high, ends at close."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable walk, no secret
    turn, last_turn = sorted(chance.sample(range(1, STEPS_PER_DAY), 2))
    first, second = (bar.low, bar.high) if chance.random() < 0.5 else (bar.high, bar.low)
    stops = ((0, bar.open), (turn, first), (last_turn, second), (STEPS_PER_DAY, bar.close))
    path = array("d", [bar.open])
    for (start, from_price), (end, to_price) in pairwise(stops):
        noise = 0.0
        for step in range(start + 1, end):
            # A bridge: the noise is pulled back to nothing by the time the next stop is reached.
            left = end - step
            noise = noise * left / (left + 1) + chance.gauss(0.0, NOISE_SHARE) * (bar.high - bar.low)
            line = from_price + (to_price - from_price) * (step - start) / (end - start)
            path.append(_reflected(line + noise, bar))
        path.append(to_price)
    return path


def _reflected(price: float, bar: Bar) -> float:
    """The price, thrown back from the day's low and high instead of resting there."""
    if price > bar.high:
        price = 2 * bar.high - price
    elif price < bar.low:
        price = 2 * bar.low - price
    return min(bar.high, max(bar.low, round(price, CENTS)))


def _volume_by(step: int, volume: int) -> int:
    """Shares traded by a minute: busy at the open and at the close, quiet at noon, never less than before."""
    share = (step + 1) / (STEPS_PER_DAY + 1)
    return int(volume * (share + 0.12 * math.sin(2 * math.pi * share)))


def _split_factor(series: Series, row: int, before: int) -> float:
    """The product of the splits that took effect after `row` and before row `before`."""
    return math.prod(ratio for split_row, ratio in series.splits.items() if row < split_row < before)


def _mean(values: list[float] | list[int]) -> float:
    return sum(values) / len(values)
