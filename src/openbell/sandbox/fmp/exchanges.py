"""Hours and holidays of the exchanges, by New York's rules, and what the indexes are made of.

Lapped days are not moved around holidays (clock.py), so far in the future the replay may trade on one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from openbell.sandbox.clock import NEW_YORK
from openbell.sandbox.companies import COMPANIES, Company
from openbell.sandbox.fmp.ask import Ask, chance
from openbell.sandbox.fmp.rows import Row

EXCHANGES = {
    "NYSE": "New York Stock Exchange",
    "NASDAQ": "NASDAQ",
    "AMEX": "New York Stock Exchange Arca",
    "XNYS": "New York Stock Exchange",
    "SYNX": "Synthetic Exchange",
}
YEARS_MAX = 30
JUNETEENTH_SINCE = 2022


def hours(ask: Ask) -> Iterator[Row]:
    """The row of `exchange-market-hours`, or all of `all-exchange-market-hours`."""
    wanted = ask.params.get("exchange", "").strip().upper()
    offset = f"{ask.moment.time.astimezone(NEW_YORK):%z}"
    offset = f"{offset[:3]}:{offset[3:]}"
    for exchange, name in EXCHANGES.items():
        if exchange == wanted or ask.path.startswith("all-"):
            yield {
                "exchange": exchange,
                "name": name,
                "openingHour": f"09:30 AM {offset}",
                "closingHour": f"04:00 PM {offset}",
                "timezone": "America/New_York",
                "isMarketOpen": not ask.moment.closed,
            }


def holidays(ask: Ask) -> Iterator[Row]:
    """Rows of `holidays-by-exchange`: the year around today unless told otherwise, newest first."""
    exchange = ask.params.get("exchange", "").strip().upper()
    if exchange not in EXCHANGES:
        return iter(())
    first = ask.day("from") or ask.today.replace(month=1, day=1)
    last = ask.day("to") or first.replace(month=12, day=31)
    years = range(last.year, max(first.year, last.year - YEARS_MAX) - 1, -1)
    found = sorted(((day, *what) for year in years for day, what in _of_year(year).items()), reverse=True)
    made = (_holiday_row(exchange, *one) for one in found if first <= one[0] <= last)
    return ask.paged(made, 250)


def _holiday_row(exchange: str, day: date, name: str, closes: str) -> Row:
    return {
        "exchange": exchange,
        "date": day.isoformat(),
        "name": name,
        "isClosed": not closes,
        "adjOpenTime": "09:30" if closes else None,
        "adjCloseTime": closes or None,
    }


def _of_year(year: int) -> dict[date, tuple[str, str]]:
    """The year's holidays: name, and when a short day closes (else empty)."""
    thanks = _nth(year, 11, 3, 4)
    full = {
        _nth(year, 1, 0, 3): "Martin Luther King, Jr. Day",
        _nth(year, 2, 0, 3): "Washington's Birthday",
        _easter(year) - timedelta(days=2): "Good Friday",
        _nth(year, 6, 0, 1) - timedelta(days=7 if _nth(year, 6, 0, 1).day <= 7 else 0): "Memorial Day",
        _observed(date(year, 7, 4)): "Independence Day",
        _nth(year, 9, 0, 1): "Labor Day",
        thanks: "Thanksgiving Day",
        _observed(date(year, 12, 25)): "Christmas Day",
    }
    if year >= JUNETEENTH_SINCE:
        full[_observed(date(year, 6, 19))] = "Juneteenth"
    if date(year, 1, 1).weekday() != 5:  # on a Saturday it is not made up for
        full[_observed(date(year, 1, 1))] = "New Year's Day"
    short = {thanks + timedelta(days=1): "Day after Thanksgiving"}
    short |= {
        day: name
        for day, name in ((date(year, 7, 3), "Independence Day Eve"), (date(year, 12, 24), "Christmas Eve"))
        if day.weekday() < 4
    }
    return {day: (name, "13:00") for day, name in short.items()} | {day: (name, "") for day, name in full.items()}


def _nth(year: int, month: int, weekday: int, number: int) -> date:
    """The n-th Monday (0) to Sunday (6) of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


def _observed(day: date) -> date:
    """Saturday's holiday is kept on Friday, Sunday's on Monday."""
    return day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))


def _easter(year: int) -> date:
    """Easter Sunday, by the rule of the Gregorian calendar (Butcher's algorithm)."""
    a, b, c = year % 19, year // 100, year % 100
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    rest = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    m = (a + 11 * h + 22 * rest) // 451
    month, day = divmod(h + rest - 7 * m + 114, 31)
    return date(year, month, day + 1)


def _members(path: str) -> list[Company]:
    """The real companies, and by exchange some invented ones: 100, 40 and 10 of them."""
    invented = [company for company in COMPANIES.values() if company.invented]
    real = [company for company in COMPANIES.values() if not company.invented]
    if "sp500" in path:
        return real + invented[:100]
    if "nasdaq" in path:
        return [company for company in real if company.exchange == "NASDAQ"] + invented[100:140]
    return [company for company in real if company.symbol in ("IBM", "MSFT")] + invented[140:150]


def _added(company: Company, path: str) -> date:
    """When the index took it in; invented ones a year before the replay begins at the latest."""
    rng = chance("added", path.removeprefix("historical-"), company.symbol)
    day = date(2001, 1, 1) + timedelta(days=rng.randrange(3_650))
    listed = date.fromisoformat(company.ipo_date) if company.ipo_date else day
    return max(day, listed)


def constituents(ask: Ask) -> Iterator[Row]:
    """Rows of `sp500-constituent` and the like."""
    for company in _members(ask.path):
        added = _added(company, ask.path)
        if ask.about(company.symbol).company is not None and added <= ask.today:
            yield {
                "symbol": company.symbol,
                "name": company.name,
                "sector": company.sector,
                "subSector": company.industry,
                "headQuarter": ", ".join(filter(None, (company.city, company.state))),
                "dateFirstAdded": added.isoformat(),
                "cik": company.cik,
                "founded": company.ipo_date[:4],
            }


def past_constituents(ask: Ask) -> Iterator[Row]:
    """Rows of `historical-sp500-constituent` and the like: when each was added, newest first."""
    found = sorted(((_added(company, ask.path), company) for company in _members(ask.path)), key=_by_day, reverse=True)
    for day, company in found:
        if day <= ask.today:
            yield {
                "dateAdded": f"{day:%B %d, %Y}",
                "addedSecurity": company.name,
                "removedTicker": "",
                "removedSecurity": "",
                "date": day.isoformat(),
                "symbol": company.symbol,
                "reason": "Market capitalization change.",
            }


def _by_day(one: tuple[date, Company]) -> tuple[date, str]:
    return one[0], one[1].symbol
