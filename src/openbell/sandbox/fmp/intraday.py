"""Bars within the day, and what is traded after the close.

The bars of a day add up to its row: first open, last close, highest high, lowest low, and all its shares. The bar that
is being traded is there already, and differs a minute later. The replay has no trades outside of the hours, so
`extended` adds no bars.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from datetime import datetime, time, timedelta

from openbell.sandbox.clock import STEPS_PER_DAY
from openbell.sandbox.fmp.ask import Ask, chance
from openbell.sandbox.fmp.rows import DIGITS, Row

# Minutes of a bar, and how many sessions one answer reaches back from `to`: the rest is left out without a word.
INTERVALS = {
    "1min": (1, 3),
    "5min": (5, 10),
    "15min": (15, 20),
    "30min": (30, 30),
    "1hour": (60, 40),
    "4hour": (240, 60),
}
OPEN = time(9, 30)
SPREAD_SHARE = 0.0002  # of the price, on either side


def bars(ask: Ask) -> Iterator[Row]:
    """Rows of `historical-chart/{interval}`, newest first; times are New York's, of the bar's beginning."""
    if ask.company is None:
        return
    minutes, sessions_max = INTERVALS[ask.path.partition("/")[2]]
    calendar = ask.market.calendar
    first, last = ask.day("from") or ask.reach, ask.day("to") or ask.today
    newest = min(ask.moment.session, calendar.sessions_through(last) - 1)
    oldest = max(ask.market.first_session(ask.symbol) or 0, newest - sessions_max + 1)
    for session in range(newest, oldest - 1, -1):
        if calendar.day(session) < max(first, ask.reach):
            return
        yield from reversed(list(_day_bars(ask, session, minutes)))


def _day_bars(ask: Ask, session: int, minutes: int) -> Iterator[Row]:
    market, day = ask.market, ask.market.calendar.day(session)
    until = ask.moment.step if session == ask.moment.session else STEPS_PER_DAY
    printed = ask.params.get("nonadjusted", "").lower() == "true"
    factor = 1.0 if printed else market.split_factor(ask.symbol, session, ask.moment.session)
    path = market.path(ask.symbol, session)
    for start in range(0, min(until + 1, STEPS_PER_DAY), minutes):
        end = min(start + minutes, until)
        shares = market.traded(ask.symbol, session, end) - (market.traded(ask.symbol, session, start) if start else 0)
        at = datetime.combine(day, OPEN) + timedelta(minutes=start)
        yield {
            "date": f"{at:%Y-%m-%d %H:%M:%S}",
            **_bar(path[start : end + 1], factor),
            "volume": round(shares * factor),
        }


def _bar(path: array[float], factor: float) -> Row:
    prices = {"open": path[0], "low": min(path), "high": max(path), "close": path[-1]}
    return {name: round(price / factor, DIGITS) for name, price in prices.items()}


def after_quote(ask: Ask) -> Iterator[Row]:
    """The row of `aftermarket-quote`. Its time is in milliseconds, as captures have it."""
    seen = _after(ask)
    if seen is not None:
        price, rng = seen["price"], chance("aftermarket quote", ask.symbol, seen["timestamp"])
        yield {
            "symbol": ask.symbol,
            "bidSize": rng.randint(1, 9),
            "bidPrice": round(price * (1 - SPREAD_SHARE) - 0.01, 2),
            "askSize": rng.randint(1, 9),
            "askPrice": round(price * (1 + SPREAD_SHARE) + 0.01, 2),
            "volume": rng.randrange(10_000, 500_000),
            "timestamp": seen["timestamp"],
        }


def after_trade(ask: Ask) -> Iterator[Row]:
    """The row of `aftermarket-trade`. Its time is in milliseconds, as captures have it."""
    seen = _after(ask)
    if seen is not None:
        yield {"symbol": ask.symbol, **seen}


def _after(ask: Ask) -> Row | None:
    """The last trade outside of the hours: after today's close, else before today's open."""
    if ask.company is None:
        return None
    closed, day = ask.moment.closed, ask.today
    rng = chance("aftermarket", ask.symbol, day, closed)
    glance = ask.market.glance(ask.symbol, ask.moment)
    beside = glance.price if closed else glance.open
    seconds = ask.moment.timestamp + (rng.randint(1, 50) if closed else -60 * ask.moment.step - rng.randint(1, 50))
    return {
        "price": round(beside * rng.uniform(0.997, 1.003), 2),
        "tradeSize": 100 * rng.randint(1, 20),
        "timestamp": 1_000 * seconds,
    }
