"""The documented JSON rows: field names as on the wire, values from the replay."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from openbell.sandbox.clock import Moment
from openbell.sandbox.companies import COMPANIES, Company
from openbell.sandbox.replay import Market

Row = dict[str, Any]

DIGITS = 4
SEARCH_ROWS_MAX = 250  # the provider's own cap on list endpoints
# Field of stock-price-change -> sessions back, or days back on the calendar.
_SESSIONS_BACK = {"1D": 1, "5D": 5}
_DAYS_BACK = {"1M": 30, "3M": 91, "6M": 182, "1Y": 365, "3Y": 1096, "5Y": 1826, "10Y": 3652}


def quote(market: Market, symbol: str, moment: Moment) -> Row | None:
    """A row of `quote` and `batch-quote`; None for a symbol that does not exist or is not listed yet."""
    if not market.is_listed(symbol, moment.session):
        return None
    company, glance = COMPANIES[symbol], market.glance(symbol, moment)
    year = market.year(symbol, moment.session)
    change, percent = _change(glance.price, glance.previous_close)
    return {
        "symbol": symbol,
        "name": company.name,
        "price": glance.price,
        "changePercentage": percent,
        "change": change,
        "volume": glance.volume,
        "dayLow": glance.low,
        "dayHigh": glance.high,
        "yearHigh": _tidy(max(glance.high, year.high) if year else glance.high),
        "yearLow": _tidy(min(glance.low, year.low) if year else glance.low),
        "marketCap": round(glance.price * company.shares),
        "priceAvg50": _tidy(year.average_50) if year else None,
        "priceAvg200": _tidy(year.average_200) if year else None,
        "exchange": company.exchange,
        "open": glance.open,
        "previousClose": None if glance.previous_close is None else _tidy(glance.previous_close),
        "timestamp": moment.timestamp,
    }


def short_quote(market: Market, symbol: str, moment: Moment) -> Row | None:
    """A row of `quote-short` and `batch-quote-short`."""
    if not market.is_listed(symbol, moment.session):
        return None
    glance = market.glance(symbol, moment)
    change, _ = _change(glance.price, glance.previous_close)
    return {"symbol": symbol, "price": glance.price, "change": change, "volume": glance.volume}


def price_change(market: Market, symbol: str, moment: Moment) -> Row | None:
    """A row of `stock-price-change`, in percent. A company younger than a span is measured from its first day."""
    if not market.is_listed(symbol, moment.session):
        return None
    price, now = market.glance(symbol, moment).price, moment.session
    first = market.first_session(symbol) or 0

    def since(session: int) -> float:
        past = market.split_adjusted(symbol, max(first, session), now)
        return _tidy(100 * (price / past.close - 1))

    def on(day: date) -> int:
        return market.calendar.sessions_through(day) - 1

    row: Row = {"symbol": symbol}
    row |= {name: since(now - sessions) for name, sessions in _SESSIONS_BACK.items()}
    row |= {name: since(on(moment.day - timedelta(days=days))) for name, days in _DAYS_BACK.items()}
    row |= {"ytd": since(on(date(moment.day.year - 1, 12, 31))), "max": since(first)}
    return row


def profile(market: Market, symbol: str, moment: Moment) -> Row | None:
    """A row of `profile`."""
    seen = quote(market, symbol, moment)
    if seen is None:
        return None
    company, year = COMPANIES[symbol], market.year(symbol, moment.session)
    return {
        "symbol": symbol,
        "price": seen["price"],
        "marketCap": seen["marketCap"],
        "beta": company.beta,
        "lastDividend": company.last_dividend,
        "range": f"{seen['yearLow']}-{seen['yearHigh']}",
        "change": seen["change"],
        "changePercentage": seen["changePercentage"],
        "volume": seen["volume"],
        "averageVolume": year.average_volume if year else None,
        **_identity(company),
    }


def _identity(company: Company) -> Row:
    return {
        "companyName": company.name,
        "currency": company.currency,
        "cik": company.cik,
        "isin": company.isin,
        "cusip": company.cusip,
        "exchangeFullName": company.exchange_name,
        "exchange": company.exchange,
        "industry": company.industry,
        "website": company.website or None,
        "description": company.description,
        "ceo": company.ceo,
        "sector": company.sector,
        "country": company.country,
        "fullTimeEmployees": company.employees,
        "phone": company.phone,
        "address": company.address,
        "city": company.city,
        "state": company.state,
        "zip": company.zip,
        "image": None,
        "ipoDate": company.ipo_date or None,
        "defaultImage": True,
        "isEtf": False,
        "isActivelyTrading": True,
        "isAdr": False,
        "isFund": False,
    }


def history(
    market: Market, symbol: str, moment: Moment, *, form: str, first_day: date | None, last_day: date | None
) -> Iterator[Row]:
    """Rows of `historical-price-eod/{form}`, newest first. Today's row appears when the market has closed.

    full: in today's shares. light: its close and volume. non-split-adjusted: as printed. dividend-adjusted: splits
    and dividends taken out of the price.
    """
    make = {
        "full": _full_row,
        "light": _light_row,
        "non-split-adjusted": _printed_row,
        "dividend-adjusted": _dividend_adjusted_row,
    }[form]
    for session in market.sessions(symbol, first_day, last_day, moment):
        yield {
            "symbol": symbol,
            "date": market.calendar.day(session).isoformat(),
            **make(market, symbol, session, moment.session),
        }


def _full_row(market: Market, symbol: str, session: int, now: int) -> Row:
    bar = market.split_adjusted(symbol, session, now)
    return {
        "open": _tidy(bar.open),
        "high": _tidy(bar.high),
        "low": _tidy(bar.low),
        "close": _tidy(bar.close),
        "volume": bar.volume,
        "change": _tidy(bar.close - bar.open),
        "changePercent": _tidy(100 * (bar.close / bar.open - 1)),
        "vwap": _tidy((bar.high + bar.low + bar.close) / 3),
    }


def _light_row(market: Market, symbol: str, session: int, now: int) -> Row:
    bar = market.split_adjusted(symbol, session, now)
    return {"price": _tidy(bar.close), "volume": bar.volume}


def _printed_row(market: Market, symbol: str, session: int, _now: int) -> Row:
    bar = market.printed(symbol, session)
    return _adjusted_fields(bar[:4], 1.0, bar.volume)


def _dividend_adjusted_row(market: Market, symbol: str, session: int, now: int) -> Row:
    bar = market.printed(symbol, session)
    shares = round(bar.volume * market.split_factor(symbol, session, now))
    return _adjusted_fields(bar[:4], market.total_factor(symbol, session, now), shares)


def _adjusted_fields(prices: tuple[float, ...], factor: float, volume: int) -> Row:
    names = ("adjOpen", "adjHigh", "adjLow", "adjClose")
    adjusted = {name: _tidy(price / factor) for name, price in zip(names, prices, strict=True)}
    return {**adjusted, "volume": volume}


def search_symbol(market: Market, query: str, limit: int, moment: Moment) -> list[Row]:
    """Rows of `search-symbol`: symbols that contain the text, those that begin with it first."""
    text = query.strip().upper()
    found = [company for symbol, company in COMPANIES.items() if text and text in symbol]
    found.sort(key=lambda company: (not company.symbol.startswith(text), company.symbol))
    return _search_rows(market, found, limit, moment)


def search_name(market: Market, query: str, limit: int, moment: Moment) -> list[Row]:
    """Rows of `search-name`: names that contain the text, whatever the case."""
    text = query.strip().casefold()
    found = [company for company in COMPANIES.values() if text and text in company.name.casefold()]
    return _search_rows(market, found, limit, moment)


def _search_rows(market: Market, found: list[Company], limit: int, moment: Moment) -> list[Row]:
    listed = [company for company in found if market.is_listed(company.symbol, moment.session)]
    return [
        {
            "symbol": company.symbol,
            "name": company.name,
            "currency": company.currency,
            "exchangeFullName": company.exchange_name,
            "exchange": company.exchange,
        }
        for company in listed[: min(limit, SEARCH_ROWS_MAX)]
    ]


def _change(price: float, previous: float | None) -> tuple[float | None, float | None]:
    if previous is None:
        return None, None
    return _tidy(price - previous), round(100 * (price / previous - 1), 5)


def _tidy(value: float) -> float:
    return round(value, DIGITS)
