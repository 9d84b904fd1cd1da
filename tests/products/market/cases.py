"""The data types that one table of tests covers: a key that the sandbox knows, and the paths that are asked for it."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """One data type. ``paths`` are the provider's; ``unknown`` is a key that it has nothing for."""

    key: str
    paths: tuple[str, ...]
    unknown: str | None = "NOPE"


STATEMENTS = ("income-statement", "balance-sheet-statement", "cash-flow-statement")
CASES = {
    "quote": Case("AAPL", ("quote",)),
    "profile": Case("AAPL", ("profile",)),
    "eod-prices": Case("AAPL", ("historical-price-eod/full",)),
    "intraday-prices": Case("AAPL", ("historical-chart/5min",)),
    "financial-statements": Case("AAPL", STATEMENTS),
    "quarterly-statements": Case("AAPL", STATEMENTS),
    "ratios-ttm": Case("AAPL", ("ratios-ttm",)),
    "dividend-history": Case("MSFT", ("dividends",)),
    "revenue-product-segmentation": Case("AAPL", ("revenue-product-segmentation",)),
    "grades-historical": Case("AAPL", ("grades-historical",)),
    "exchange-variants": Case("AAPL", ("search-exchange-variants",)),
    "insider-trading-statistics": Case("AAPL", ("insider-trading/statistics",)),
    "insider-transactions": Case("AAPL", ("insider-trading/search",)),
    "valuations": Case("AAPL", ("discounted-cash-flow",)),
    "analyst-price-targets": Case("AAPL", ("price-target-consensus", "price-target-summary")),
    "market-risk-premium": Case("GLOBAL", ("market-risk-premium",), None),
    "treasury-rates": Case("GLOBAL", ("treasury-rates",), None),
    "earnings-calendar": Case("2012-W23", ("earnings-calendar",), "1950-W01"),
    "dividends-calendar": Case("2012-W19", ("dividends-calendar",), "1950-W01"),
    "stock-headlines": Case("AAPL", ("news/stock",)),
    "market-headlines": Case("GLOBAL", ("news/general-latest",), None),
    "symbol-search": Case("apple", ("search-symbol", "search-name")),
    "sec-outstanding-shares": Case("AAPL", ("companyconcept",)),
}
FROM_FMP = [name for name in CASES if name != "sec-outstanding-shares"]
ONE_PATH = [name for name in FROM_FMP if len(CASES[name].paths) == 1]
