"""Dividends, splits and earnings of a company, and the calendars of the whole market.

Dividends are recovered from the real adjusted closes, which have cents: those of early years may be off by one or two.
A calendar knows what a company has announced; a result is null until it is out.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from openbell.sandbox.companies import COMPANIES
from openbell.sandbox.fmp import analysts, statements
from openbell.sandbox.fmp.ask import Ask
from openbell.sandbox.fmp.rows import Row
from openbell.sandbox.prices import KNOWN_SPLITS

DECLARED_DAYS = 21  # before the day without dividend
DIVIDEND_SHARE_MIN = 0.0005  # of the price: anything less is the rounding of the adjusted closes
EARNINGS_AHEAD = 4  # quarters


def dividends(ask: Ask) -> Iterator[Row]:
    """Rows of `dividends`, newest first."""
    if ask.company is None:
        return iter(())
    return ask.dated(_dividends(ask, ask.reach, ask.today + timedelta(days=DECLARED_DAYS)), 100)


def _dividends(ask: Ask, first_day: date, last_day: date) -> Iterator[Row]:
    market, calendar = ask.market, ask.market.calendar
    listed = market.first_session(ask.symbol) or 0
    first = max(listed + 1, calendar.sessions_through(first_day - timedelta(days=1)))
    last_day = min(last_day, ask.today + timedelta(days=DECLARED_DAYS))
    last = min(calendar.sessions_through(last_day) - 1, calendar.last_session)
    for session in range(last, first - 1, -1):
        split = market.split_factor(ask.symbol, session - 1, session)
        # The file's adjustment on such a day is (close + dividend) / close.
        rate = market.total_factor(ask.symbol, session - 1, session) / split - 1
        if rate > DIVIDEND_SHARE_MIN:
            close = market.printed(ask.symbol, session).close
            yield from _dividend(ask, session, round(rate * close, 2), close)


def _dividend(ask: Ask, session: int, amount: float, close: float) -> Iterator[Row]:
    day = ask.market.calendar.day(session)
    if amount < 0.01:
        return
    yield {
        "symbol": ask.symbol,
        "date": day.isoformat(),
        "recordDate": (day + timedelta(days=2)).isoformat(),
        "paymentDate": (day + timedelta(days=28)).isoformat(),
        "declarationDate": (day - timedelta(days=DECLARED_DAYS)).isoformat(),
        "adjDividend": round(amount / ask.market.split_factor(ask.symbol, session, ask.moment.session), 4),
        "dividend": amount,
        "yield": round(400 * amount / close, 4),
        "frequency": "Quarterly",
    }


def splits(ask: Ask) -> Iterator[Row]:
    """Rows of `splits`, newest first: the real ones."""
    return ask.dated(_splits(ask, ask.reach, ask.today), 100)


def _splits(ask: Ask, first_day: date, last_day: date) -> Iterator[Row]:
    for day, ratio in sorted(KNOWN_SPLITS.get(ask.symbol, {}).items(), reverse=True):
        if first_day <= day <= min(last_day, ask.today):
            yield {
                "symbol": ask.symbol,
                "date": day.isoformat(),
                "numerator": int(ratio),
                "denominator": 1,
                "splitType": "stock-split",
            }


def earnings(ask: Ask) -> Iterator[Row]:
    """Rows of `earnings`, newest first: four quarters ahead, then what is out."""
    if ask.company is None:
        return iter(())
    newest = statements.latest(ask.symbol, ask.today)
    oldest = ask.reach.year * 4 + (ask.reach.month - 1) // 3
    made = (_earning(ask, quarter) for quarter in range(newest + EARNINGS_AHEAD, oldest - 1, -1))
    return ask.paged(made, 100)


def _earning(ask: Ask, quarter: int) -> Row:
    day = statements.announced(ask.symbol, quarter)
    result = statements.income(ask.symbol, (quarter,)) if day <= ask.today else None
    expected = analysts.expected(ask.symbol, (quarter,))
    return {
        "symbol": ask.symbol,
        "date": day.isoformat(),
        "epsActual": result["eps"] if result else None,
        "epsEstimated": expected["epsAvg"],
        "revenueActual": result["revenue"] if result else None,
        "revenueEstimated": expected["revenueAvg"],
        "lastUpdated": min(day, ask.today).isoformat(),
    }


def calendar(ask: Ask) -> Iterator[Row]:
    """Rows of the three calendars: the whole market, latest day first. A `symbol` is ignored without a word."""
    first, last = ask.span()
    found = [row for symbol in COMPANIES for row in _CALENDARS[ask.path](ask.about(symbol), first, last)]
    found.sort(key=lambda row: (row["date"], row["symbol"]), reverse=True)
    return ask.paged(found, len(found))


def _earnings_between(ask: Ask, first: date, last: date) -> Iterator[Row]:
    if ask.company is None:
        return
    newest = min(last.year * 4 + (last.month - 1) // 3, statements.latest(ask.symbol, ask.today) + EARNINGS_AHEAD)
    for quarter in range(newest, first.year * 4 + (first.month - 1) // 3 - 2, -1):
        if first <= statements.announced(ask.symbol, quarter) <= last:
            yield _earning(ask, quarter)


def _dividends_between(ask: Ask, first: date, last: date) -> Iterator[Row]:
    return _dividends(ask, first, last) if ask.company else iter(())


_CALENDARS = {
    "earnings-calendar": _earnings_between,
    "dividends-calendar": _dividends_between,
    "splits-calendar": _splits,
}
