"""From a path to the function that makes its rows, and the smallest plan that reaches it.

What each plan reaches: the lines of the published price list (batches and one-minute bars from Premium on, five-minute
bars and news from Starter on, bulk files on Ultimate, end of day on Basic); between the lines it is our reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from openbell.sandbox.clock import Moment
from openbell.sandbox.fmp import (
    analysts,
    bulk,
    economy,
    events,
    exchanges,
    insiders,
    intraday,
    news,
    ratios,
    rows,
    segments,
    statements,
    valuations,
)
from openbell.sandbox.fmp.ask import ROWS_MAX, Ask
from openbell.sandbox.fmp.rows import Row
from openbell.sandbox.replay import Market

SEARCH_LIMIT_DEFAULT = 50
REAL = "replay of real daily prices"
INVENTED = "invented figures"
RECOVERED = "dividends recovered from real adjusted prices, record and payment days invented"
MIXED = "invented figures beside a replay of real daily prices"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How a path is answered.

    plan   the smallest one that reaches it
    about  one `symbol`, each of `symbols`, or the whole market
    data   what the label says of the rows
    csv    the answer is a file, not JSON
    """

    rows: Callable[[Ask], Iterable[Row]]
    plan: str = "basic"
    about: Literal["symbol", "symbols", "market"] = "symbol"
    data: str = INVENTED
    csv: bool = False


def _snapshot(make: Callable[[Market, str, Moment], Row | None]) -> Callable[[Ask], Iterator[Row]]:
    def made(ask: Ask) -> Iterator[Row]:
        row = make(ask.market, ask.symbol, ask.moment)
        return iter(() if row is None else (row,))

    return made


def _search(find: Callable[[Market, str, int, Moment], list[Row]]) -> Callable[[Ask], list[Row]]:
    def found(ask: Ask) -> list[Row]:
        return find(ask.market, ask.params.get("query", ""), ask.number("limit", SEARCH_LIMIT_DEFAULT), ask.moment)

    return found


def _history(ask: Ask) -> Iterator[Row]:
    first, form = max(ask.reach, ask.day("from") or ask.reach), ask.path.partition("/")[2]
    return rows.history(ask.market, ask.symbol, ask.moment, form=form, first_day=first, last_day=ask.day("to"))


def _segments(ask: Ask) -> Iterator[Row]:
    return ask.paged(segments.rows(ask), ROWS_MAX)


TABLE: Mapping[str, Endpoint] = {
    # prices
    "quote": Endpoint(_snapshot(rows.quote), data=REAL),
    "quote-short": Endpoint(_snapshot(rows.short_quote), data=REAL),
    "profile": Endpoint(_snapshot(rows.profile), data=REAL),
    "stock-price-change": Endpoint(_snapshot(rows.price_change), data=REAL),
    "batch-quote": Endpoint(_snapshot(rows.quote), "premium", "symbols", REAL),
    "batch-quote-short": Endpoint(_snapshot(rows.short_quote), "premium", "symbols", REAL),
    "search-symbol": Endpoint(_search(rows.search_symbol), about="market", data=REAL),
    "search-name": Endpoint(_search(rows.search_name), about="market", data=REAL),
    "historical-price-eod/full": Endpoint(_history, data=REAL),
    "historical-price-eod/light": Endpoint(_history, data=REAL),
    "historical-price-eod/non-split-adjusted": Endpoint(_history, data=REAL),
    "historical-price-eod/dividend-adjusted": Endpoint(_history, data=REAL),
    "historical-chart/1min": Endpoint(intraday.bars, "premium", data=REAL),
    "historical-chart/5min": Endpoint(intraday.bars, "starter", data=REAL),
    "historical-chart/15min": Endpoint(intraday.bars, "starter", data=REAL),
    "historical-chart/30min": Endpoint(intraday.bars, "starter", data=REAL),
    "historical-chart/1hour": Endpoint(intraday.bars, "starter", data=REAL),
    "historical-chart/4hour": Endpoint(intraday.bars, "starter", data=REAL),
    "aftermarket-quote": Endpoint(intraday.after_quote, "premium", data=MIXED),
    "aftermarket-trade": Endpoint(intraday.after_trade, "premium", data=MIXED),
    "batch-aftermarket-quote": Endpoint(intraday.after_quote, "premium", "symbols", MIXED),
    "batch-aftermarket-trade": Endpoint(intraday.after_trade, "premium", "symbols", MIXED),
    # what companies report
    "income-statement": Endpoint(statements.rows),
    "balance-sheet-statement": Endpoint(statements.rows),
    "cash-flow-statement": Endpoint(statements.rows),
    "income-statement-ttm": Endpoint(statements.trailing_rows, "starter"),
    "balance-sheet-statement-ttm": Endpoint(statements.trailing_rows, "starter"),
    "cash-flow-statement-ttm": Endpoint(statements.trailing_rows, "starter"),
    "ratios": Endpoint(ratios.rows, data=MIXED),
    "key-metrics": Endpoint(ratios.rows, data=MIXED),
    "ratios-ttm": Endpoint(ratios.trailing_rows, data=MIXED),
    "key-metrics-ttm": Endpoint(ratios.trailing_rows, data=MIXED),
    "revenue-product-segmentation": Endpoint(_segments, "starter"),
    "revenue-geographic-segmentation": Endpoint(_segments, "starter"),
    "dividends": Endpoint(events.dividends, data=RECOVERED),
    "splits": Endpoint(events.splits, data="real splits"),
    "earnings": Endpoint(events.earnings),
    "dividends-calendar": Endpoint(events.calendar, "starter", "market", RECOVERED),
    "splits-calendar": Endpoint(events.calendar, "starter", "market", "real splits"),
    "earnings-calendar": Endpoint(events.calendar, "starter", "market"),
    # what others think of them
    "analyst-estimates": Endpoint(analysts.estimates, "starter"),
    "price-target-summary": Endpoint(analysts.target_summary, "starter", data=MIXED),
    "price-target-consensus": Endpoint(analysts.target_consensus, "starter", data=MIXED),
    "grades": Endpoint(analysts.grades, "starter"),
    "grades-historical": Endpoint(analysts.grades_historical, "starter"),
    "grades-consensus": Endpoint(analysts.grades_consensus, "starter"),
    "ratings-snapshot": Endpoint(analysts.ratings_snapshot, data=MIXED),
    "ratings-historical": Endpoint(analysts.ratings_historical, "starter", data=MIXED),
    "discounted-cash-flow": Endpoint(valuations.cash_flow, data=MIXED),
    # who runs them
    "insider-trading/search": Endpoint(insiders.transactions, "starter", data=MIXED),
    "insider-trading/statistics": Endpoint(insiders.statistics, "starter"),
    # markets
    "search-exchange-variants": Endpoint(valuations.variants, data=MIXED),
    "treasury-rates": Endpoint(economy.treasury, about="market", data="invented rates"),
    "market-risk-premium": Endpoint(economy.risk_premium, "starter", "market", "invented rates"),
    "exchange-market-hours": Endpoint(exchanges.hours, about="market", data="hours of the replayed market"),
    "all-exchange-market-hours": Endpoint(exchanges.hours, about="market", data="hours of the replayed market"),
    "holidays-by-exchange": Endpoint(exchanges.holidays, about="market", data="holidays by rule"),
    "sp500-constituent": Endpoint(exchanges.constituents, "starter", "market"),
    "nasdaq-constituent": Endpoint(exchanges.constituents, "starter", "market"),
    "dowjones-constituent": Endpoint(exchanges.constituents, "starter", "market"),
    "historical-sp500-constituent": Endpoint(exchanges.past_constituents, "starter", "market"),
    "historical-nasdaq-constituent": Endpoint(exchanges.past_constituents, "starter", "market"),
    "historical-dowjones-constituent": Endpoint(exchanges.past_constituents, "starter", "market"),
    # news
    "news/stock": Endpoint(news.stock, "starter", "market", "invented news"),
    "news/stock-latest": Endpoint(news.stock, "starter", "market", "invented news"),
    "news/general-latest": Endpoint(news.general, "starter", "market", "invented news"),
    "news/press-releases": Endpoint(news.releases, "starter", "market", "invented news"),
    "news/press-releases-latest": Endpoint(news.releases, "starter", "market", "invented news"),
    # files
    "eod-bulk": Endpoint(bulk.prices, "ultimate", "market", REAL, csv=True),
    "profile-bulk": Endpoint(bulk.profiles, "ultimate", "market", REAL, csv=True),
    "ratios-ttm-bulk": Endpoint(bulk.trailing, "ultimate", "market", MIXED, csv=True),
    "key-metrics-ttm-bulk": Endpoint(bulk.trailing, "ultimate", "market", MIXED, csv=True),
    "income-statement-bulk": Endpoint(bulk.statement, "ultimate", "market", csv=True),
    "balance-sheet-statement-bulk": Endpoint(bulk.statement, "ultimate", "market", csv=True),
    "cash-flow-statement-bulk": Endpoint(bulk.statement, "ultimate", "market", csv=True),
}
