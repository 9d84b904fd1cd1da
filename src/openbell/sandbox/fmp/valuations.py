"""What a share may be worth, and where else it is listed: from the invented statements and the replayed price."""

from __future__ import annotations

from collections.abc import Iterator

from openbell.sandbox.companies import COMPANIES
from openbell.sandbox.fmp import ratios, rows, statements
from openbell.sandbox.fmp.ask import Ask, chance
from openbell.sandbox.fmp.rows import Row

DISCOUNT = 0.09  # a year
GROWTH_MAX = 0.05  # for ever
LISTINGS = (
    ("", "", "", 1.0),
    (".DE", "XETRA", "EUR", 0.79),
    (".L", "LSE", "GBP", 0.64),
    (".MX", "MEX", "MXN", 13.4),
)  # suffix, exchange, currency, and its units for a dollar; the first is the home listing
KEPT = (
    "beta", "cik", "isin", "cusip", "industry", "description", "ceo", "sector", "country", "fullTimeEmployees",
    "phone", "address", "city", "state", "zip", "defaultImage", "isEtf", "isAdr", "isFund",
)  # fmt: skip
EXCHANGES = {"XETRA": "Frankfurt Stock Exchange", "LSE": "London Stock Exchange", "MEX": "Mexico"}


def cash_flow(ask: Ask) -> Iterator[Row]:
    """The row of `discounted-cash-flow`: free cash flow of twelve months, growing for ever, less debt."""
    if ask.company is not None:
        yield {
            "symbol": ask.symbol,
            "date": ask.today.isoformat(),
            "dcf": _worth(ask),
            "Stock Price": round(ask.price(), 2),
        }


def _worth(ask: Ask) -> float:
    its = ratios.books(ask, statements.last_year(ask), ask.price())
    growth = min(statements.traits(ask.symbol).growth, GROWTH_MAX)
    worth = its.cash["freeCashFlow"] * (1 + growth) / (DISCOUNT - growth) - its.balance["netDebt"]
    return float(round(worth / its.shares, 2))


def variants(ask: Ask) -> Iterator[Row]:
    """Rows of `search-exchange-variants`: the home listing and three invented ones, with the names of old versions."""
    profile = rows.profile(ask.market, ask.symbol, ask.moment)
    if profile is None:
        return
    company, worth = COMPANIES[ask.symbol], _worth(ask)
    for suffix, exchange, currency, rate in LISTINGS:
        price = round(profile["price"] * rate, 2)
        share = 1.0 if not suffix else chance("abroad", ask.symbol, suffix).uniform(0.0001, 0.02)
        yield {
            "symbol": f"{ask.symbol}{suffix}",
            "price": price,
            "volAvg": round((profile["averageVolume"] or profile["volume"]) * share),
            "mktCap": round(profile["marketCap"] * rate),
            "lastDiv": round(company.last_dividend * rate, 4),
            "range": "-".join(str(round(float(end) * rate, 2)) for end in profile["range"].split("-")),
            "changes": round((profile["change"] or 0.0) * rate, 4),
            "companyName": company.name,
            "currency": currency or company.currency,
            "exchange": EXCHANGES.get(exchange) or company.exchange_name,
            "exchangeShortName": exchange or company.exchange,
            "website": company.website,
            "image": "",
            "ipoDate": company.ipo_date,
            "isActivelyTrading": True,
            "dcf": round(worth * rate, 2),
            "dcfDiff": round(price - worth * rate, 2),
            **{name: profile[name] for name in KEPT},
        }
