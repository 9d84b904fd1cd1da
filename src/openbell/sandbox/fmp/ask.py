"""What a family of endpoints is asked: one symbol (or the whole market) at a moment, and the query's parameters."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

from openbell.sandbox.clock import Moment
from openbell.sandbox.companies import COMPANIES, Company
from openbell.sandbox.fmp import refusals
from openbell.sandbox.fmp.refusals import Refusal
from openbell.sandbox.fmp.rows import SEARCH_ROWS_MAX, Row
from openbell.sandbox.replay import Market
from openbell.sandbox.simulator import Answer, Refused

ROWS_MAX = SEARCH_ROWS_MAX  # of a list, whatever `limit` says, and without a word
CALENDAR_DAYS_MAX = 90  # of a calendar, counted back from its last day, and without a word
DAY_MIN, DAY_MAX = date(1900, 1, 1), date(9900, 1, 1)
PERIODS = ("annual", "FY", "quarter", "Q1", "Q2", "Q3", "Q4")


@dataclass(frozen=True, slots=True)
class Ask:
    """One question. `symbol` is empty for the whole market; `wall` is aware; `years` is how far back the plan sees."""

    market: Market
    moment: Moment
    wall: datetime
    path: str
    symbol: str
    params: Mapping[str, str]
    years: int

    @property
    def today(self) -> date:
        """The market's day."""
        return self.moment.day

    @property
    def reach(self) -> date:
        """The first day that the plan sees."""
        return years_before(self.today, self.years)

    @property
    def company(self) -> Company | None:
        """The company, if there is one of that symbol and it is listed by now."""
        listed = self.market.is_listed(self.symbol, self.moment.session)
        return COMPANIES[self.symbol] if listed else None

    @property
    def period(self) -> str:
        """annual, quarter, or Q1 to Q4."""
        period = self.params.get("period") or "annual"
        if period not in PERIODS:
            raise refused(refusals.bad_parameter("period", f"one of {', '.join(PERIODS)}"))
        return "annual" if period == "FY" else period

    def number(self, name: str, default: int) -> int:
        """A whole number of the query."""
        text = self.params.get(name)
        if not text:
            return default
        if not text.isdecimal() or len(text) > 9:
            raise refused(refusals.bad_parameter(name, "a whole number"))
        return int(text)

    def day(self, name: str) -> date | None:
        """A date of the query; what lies outside of all replays is moved to their ends."""
        text = self.params.get(name)
        if not text:
            return None
        try:
            return max(DAY_MIN, min(date.fromisoformat(text), DAY_MAX))
        except ValueError:
            raise refused(refusals.bad_parameter(name, "a date like 2012-06-01")) from None

    def paged(self, rows: Iterable[Row], default: int) -> Iterator[Row]:
        """One page (from 0) of `limit` rows, 250 at most."""
        size = min(self.number("limit", default), ROWS_MAX)
        start = self.number("page", 0) * size
        return islice(rows, start, start + size)

    def dated(self, rows: Iterable[Row], default: int) -> Iterator[Row]:
        """One page of the rows whose date lies between `from` and `to`, both included."""
        first, last = self.day("from") or date.min, self.day("to") or date.max
        kept = (row for row in rows if first <= date.fromisoformat(row["date"]) <= last)
        return self.paged(kept, default)

    def span(self) -> tuple[date, date]:
        """First and last day of a calendar: 30 days from today on unless told otherwise."""
        first = self.day("from") or self.today
        last = self.day("to") or first + timedelta(days=30)
        return max(first, last - timedelta(days=CALENDAR_DAYS_MAX)), last

    def close(self, day: date) -> float:
        """What the share cost at the end of a day, in today's shares; before it was listed: on its first day.

        A day that is not over counts as the one before.
        """
        session = min(self.market.calendar.sessions_through(day) - 1, self.market.completed(self.moment))
        session = max(session, self.market.first_session(self.symbol) or 0)
        return self.market.split_adjusted(self.symbol, session, self.moment.session).close

    def price(self) -> float:
        """What the share costs now."""
        return self.market.glance(self.symbol, self.moment).price

    def about(self, symbol: str) -> Ask:
        """The same question about one symbol."""
        return Ask(self.market, self.moment, self.wall, self.path, symbol, self.params, self.years)


def chance(*seed: object) -> random.Random:
    """Repeatable numbers for something that these words name."""
    return random.Random(" ".join(map(str, seed)))  # noqa: S311 - invented figures, no secrets


def share(*seed: object) -> float:
    """One repeatable number from 0 to 1; ten times as fast as `chance`."""
    digest = hashlib.blake2b(" ".join(map(str, seed)).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


def years_before(day: date, years: int) -> date:
    """The same day so many years earlier."""
    return day.replace(year=day.year - years, day=28 if (day.month, day.day) == (2, 29) else day.day)


def refused(refusal: Refusal) -> Refused:
    """The refusal as the end of the call."""
    return Refused(Answer(refusal.status, refusal.body, refusal.media_type))
