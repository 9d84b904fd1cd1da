"""The table of FMP's endpoints: what fmp-data, a public client, reads of it, and the rules that hold for all."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fmp_data import ClientConfig, FMPDataClient
from fmp_data.config import RateLimitConfig

from openbell.sandbox import serve
from openbell.sandbox.fmp.table import TABLE
from tests.sandbox.harness import Running, Start

pytestmark = pytest.mark.asyncio(loop_scope="module")

# With these every path has something to say of Apple.
PARAMS = {"symbol": "AAPL", "symbols": "AAPL,MSFT", "exchange": "NYSE", "date": "2012-05-31", "year": "2011"}
PARAMS |= {"query": "A", "limit": "5"}
# Where something is null without a fault: results of days to come, full holidays' hours, general news' symbols.
NOT_KNOWN = ("earnings", "earnings-calendar", "holidays-by-exchange", "news/general-latest", "profile")
SYMBOL_PATHS = sorted(path for path, endpoint in TABLE.items() if endpoint.about == "symbol")
FIRST, LAST = date(2012, 4, 1), date(2012, 5, 31)
Question = Callable[[FMPDataClient], Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Running]:
    """One sandbox on the ultimate plan for all the questions; it stands still."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    task = asyncio.create_task(serve("127.0.0.1", 0, ready=port.set_result, stop=stop, plan="ultimate"))
    number = await port
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{number}", timeout=30.0, trust_env=False) as client:
        running = Running(number, client, stop, task)
        await running.clock(freeze=True)
        yield running
    stop.set()
    await task


@pytest.fixture(scope="module")
def fmp_data(shared: Running) -> Iterator[FMPDataClient]:
    """The public client, strict about names it does not know, its own limits and retries out of the way."""
    limits = RateLimitConfig(daily_limit=1_000_000, requests_per_second=1_000, requests_per_minute=100_000)
    config = ClientConfig(
        api_key="sandbox",
        base_url=shared.url,
        max_retries=1,
        max_rate_limit_retries=0,
        timeout=30,
        rate_limit=limits,
        validation_mode="strict",
    )
    with FMPDataClient(config=config) as client:
        yield client


QUESTIONS: dict[str, tuple[int, Question]] = {
    "aftermarket-quote": (1, lambda c: [c.company.get_aftermarket_quote("AAPL")]),
    "aftermarket-trade": (1, lambda c: [c.company.get_aftermarket_trade("AAPL")]),
    "batch-aftermarket-quote": (2, lambda c: c.batch.get_aftermarket_quotes(["AAPL", "FB"])),
    "batch-aftermarket-trade": (2, lambda c: c.batch.get_aftermarket_trades(["AAPL", "FB"])),
    "historical-chart/1min": (390, lambda c: c.company.get_intraday_prices("AAPL", "1min", LAST, LAST)),
    "historical-chart/4hour": (2, lambda c: c.company.get_intraday_prices("AAPL", "4hour", LAST, LAST)),
    "income-statement": (3, lambda c: c.fundamental.get_income_statement("AAPL", limit=3)),
    "balance-sheet-statement": (8, lambda c: c.fundamental.get_balance_sheet("AAPL", "quarter", 8)),
    "cash-flow-statement": (5, lambda c: c.fundamental.get_cash_flow("SYN001", "Q2")),
    "income-statement-ttm": (2, lambda c: c.company.get_income_statement_ttm("AAPL", 2)),
    "balance-sheet-statement-ttm": (2, lambda c: c.company.get_balance_sheet_ttm("AAPL", 2)),
    "cash-flow-statement-ttm": (2, lambda c: c.company.get_cash_flow_ttm("AAPL", 2)),
    "ratios": (5, lambda c: c.fundamental.get_financial_ratios("IBM")),
    "ratios-ttm": (1, lambda c: c.company.get_financial_ratios_ttm("IBM")),
    "key-metrics": (5, lambda c: c.fundamental.get_key_metrics("IBM")),
    "key-metrics-ttm": (1, lambda c: c.company.get_key_metrics_ttm("IBM")),
    "revenue-product-segmentation": (10, lambda c: c.company.get_product_revenue_segmentation("GOOG")[:10]),
    "revenue-geographic-segmentation": (10, lambda c: c.company.get_geographic_revenue_segmentation("GOOG")[:10]),
    "dividends": (34, lambda c: c.company.get_dividends("MSFT")),
    "dividends-calendar": (2, lambda c: c.intelligence.get_dividends_calendar(FIRST, LAST)[:2]),
    "splits": (2, lambda c: c.company.get_stock_splits("AAPL")),
    "splits-calendar": (1, lambda c: c.intelligence.get_stock_splits_calendar(date(2003, 2, 1), date(2003, 2, 28))),
    "earnings": (7, lambda c: c.company.get_earnings("FB", 7)),
    "earnings-calendar": (9, lambda c: c.intelligence.get_earnings_calendar(FIRST, LAST)[:9]),
    "analyst-estimates": (10, lambda c: c.company.get_analyst_estimates("AAPL", "quarter")),
    "price-target-summary": (1, lambda c: [c.company.get_price_target_summary("AAPL")]),
    "price-target-consensus": (1, lambda c: [c.company.get_price_target_consensus("AAPL")]),
    "grades": (100, lambda c: c.intelligence.get_grades("AAPL")),
    "grades-historical": (24, lambda c: c.intelligence.get_grades_historical("AAPL", 24)),
    "grades-consensus": (1, lambda c: [c.intelligence.get_grades_consensus("AAPL")]),
    "ratings-snapshot": (1, lambda c: [c.intelligence.get_ratings_snapshot("AAPL")]),
    "ratings-historical": (10, lambda c: c.intelligence.get_ratings_historical("AAPL", 10)),
    "discounted-cash-flow": (1, lambda c: c.fundamental.get_discounted_cash_flow("AAPL")),
    "insider-trading/search": (20, lambda c: c.institutional.get_insider_trades("AAPL", limit=20)),
    "insider-trading/statistics": (1, lambda c: [c.institutional.get_insider_statistics("AAPL")]),
    "search-exchange-variants": (4, lambda c: c.market.search_exchange_variants("AAPL")),
    "treasury-rates": (22, lambda c: c.economics.get_treasury_rates(date(2012, 5, 1), date(2012, 5, 30))),
    "market-risk-premium": (24, lambda c: c.economics.get_market_risk_premium()),
    "exchange-market-hours": (1, lambda c: [c.market.get_market_hours("NYSE")]),
    "all-exchange-market-hours": (5, lambda c: c.market.get_all_exchange_market_hours()),
    "holidays-by-exchange": (12, lambda c: c.market.get_holidays_by_exchange("NYSE")),
    "sp500-constituent": (105, lambda c: c.index.get_sp500_constituents()),
    "nasdaq-constituent": (44, lambda c: c.index.get_nasdaq_constituents()),
    "dowjones-constituent": (12, lambda c: c.index.get_dowjones_constituents()),
    "historical-sp500-constituent": (105, lambda c: c.index.get_historical_sp500()),
    "historical-nasdaq-constituent": (44, lambda c: c.index.get_historical_nasdaq()),
    "historical-dowjones-constituent": (12, lambda c: c.index.get_historical_dowjones()),
    "news/stock": (20, lambda c: c.intelligence.get_stock_symbol_news("AAPL")),
    "news/stock-latest": (20, lambda c: c.intelligence.get_stock_news()),
    "news/general-latest": (20, lambda c: c.intelligence.get_general_news()),
    "news/press-releases": (5, lambda c: c.intelligence.get_press_releases_by_symbol("AAPL", limit=5)),
    "news/press-releases-latest": (20, lambda c: c.intelligence.get_press_releases()),
    "eod-bulk": (505, lambda c: c.batch.get_eod_bulk(LAST)),
    "profile-bulk": (5, lambda c: c.batch.get_profile_bulk("5")),
    "ratios-ttm-bulk": (505, lambda c: c.batch.get_ratios_ttm_bulk()),
    "key-metrics-ttm-bulk": (505, lambda c: c.batch.get_key_metrics_ttm_bulk()),
    "income-statement-bulk": (505, lambda c: c.batch.get_income_statement_bulk(2011, "FY")),
    "balance-sheet-statement-bulk": (505, lambda c: c.batch.get_balance_sheet_bulk(2011, "Q3")),
    "cash-flow-statement-bulk": (505, lambda c: c.batch.get_cash_flow_bulk(2011, "FY")),
}


@pytest.mark.parametrize("path", QUESTIONS)
async def test_public_client_reads_it(shared: Running, fmp_data: FMPDataClient, path: str) -> None:
    """B10: fmp-data, strict about unknown names, reads the endpoint into its own models, and from this very path."""
    await shared.client.delete("/_control/ledger")
    count, question = QUESTIONS[path]
    rows = await asyncio.to_thread(question, fmp_data)
    assert (len(rows), None in rows) == (count, False)
    assert {entry["path"] for entry in (await shared.ledger())["entries"]} == {f"/stable/{path}"}


@pytest.mark.parametrize("path", sorted(TABLE))
async def test_every_endpoint_takes_the_row_faults(shared: Running, path: str) -> None:
    """B10: every endpoint answers with a label and without nulls; `nulls` blanks, `empty` empties, `truncate` cuts."""
    params = _params(path)
    good = await shared.get(path, **params)
    assert good.status_code == 200, good.text
    assert good.headers["x-data-class"].startswith("synthetic; ")
    whole = _rows(good)
    blank, none, cut = [
        _rows(await _faulty(shared, path, params, **fault))
        for fault in ({"kind": "nulls"}, {"kind": "empty"}, {"kind": "truncate", "rows": 1})
    ]
    assert whole
    assert not [row for row in whole if None in row.values()] or path in NOT_KNOWN
    assert (len(blank), none, cut) == (len(whole), [], whole[:1])
    kept = {name for name, value in blank[0].items() if _says_something(value)}
    assert kept <= {"symbol", "date"}
    assert [name for name, value in whole[0].items() if _says_something(value) and name not in kept]


def _params(path: str) -> dict[str, str]:
    if path.startswith(("splits", "dividends")):
        return PARAMS | {"symbol": "MSFT", "from": "2003-01-01", "to": "2003-03-01"}  # its split, its first dividend
    return PARAMS | ({"from": "2012-05-29"} if path.startswith("historical-") else {})


async def _faulty(shared: Running, path: str, params: dict[str, str], **fault: Any) -> httpx.Response:
    number = await shared.fault(**fault)
    answer = await shared.get(path, **params)
    await shared.client.delete("/_control/faults", params={"id": number})
    return answer


def _rows(answer: httpx.Response) -> list[dict[str, Any]]:
    if answer.headers["content-type"].startswith("text/csv"):
        return list(csv.DictReader(io.StringIO(answer.text)))
    rows: list[dict[str, Any]] = answer.json()
    return rows


def _says_something(value: Any) -> bool:
    return any(map(_says_something, value.values())) if isinstance(value, dict) else value not in (None, "")


@pytest.mark.parametrize("path", SYMBOL_PATHS)
async def test_unknown_symbol(shared: Running, path: str) -> None:
    """B10: an unknown symbol is 200 and [] on every endpoint that is about one."""
    assert await shared.rows(path, symbol="NOPE") == []


async def test_pages(shared: Running) -> None:
    """B10: pages count from 0, and two of them are the first rows of one twice as long."""
    for path in ("grades", "income-statement", "news/stock", "earnings", "analyst-estimates"):
        first, second = [await shared.rows(path, symbol="AAPL", symbols="AAPL", limit=4, page=page) for page in (0, 1)]
        assert first + second == await shared.rows(path, symbol="AAPL", symbols="AAPL", limit=8), path


async def test_lists_end_at_250(shared: Running) -> None:
    """B10: lists end after 250 rows without a word, whatever the limit; calendars show their last 90 days."""
    assert len(await shared.rows("grades", symbol="AAPL", limit=1_000)) == 250
    assert len(await shared.rows("ratings-historical", symbol="AAPL", limit=1_000)) == 250
    days = [row["date"] for row in await shared.rows("earnings-calendar", **{"from": "2011-01-01", "to": "2011-06-30"})]
    assert days[-1] >= "2011-04-01"


async def test_calendar_ignores_symbol(shared: Running) -> None:
    """B10: earnings-calendar ignores `symbol` without a word; a result is null until its day has come."""
    span = {"from": "2012-05-20", "to": "2012-06-30"}
    rows = await shared.rows("earnings-calendar", **span)
    assert rows == await shared.rows("earnings-calendar", symbol="AAPL", **span)
    assert len({row["symbol"] for row in rows}) > 1
    assert {row["date"] <= "2012-06-01" for row in rows if row["epsActual"] is not None} == {True}
    assert {row["date"] > "2012-06-01" for row in rows if row["epsActual"] is None} == {True}


async def test_news_have_the_feeds_stories(shared: Running) -> None:
    """B10: news are newest first, within their days, of the symbols asked for, and the feeds have their headlines."""
    rows = await shared.rows("news/stock", symbols="IBM,AAPL", limit=50)
    times = [row["publishedDate"] for row in rows]
    assert times == sorted(times, reverse=True)
    assert {row["symbol"] for row in rows} == {"IBM", "AAPL"}
    last = times[-1][:10]
    bounded = await shared.rows("news/stock", symbols="IBM,AAPL", limit=50, **{"from": last, "to": last})
    assert {row["publishedDate"][:10] for row in bounded} == {last}
    feed = await shared.client.get("/news/rss/2.0/headline", params={"s": "IBM"})
    assert any(row["title"].split("&")[0] in feed.text for row in rows if row["symbol"] == "IBM")


async def test_market_hours(shared: Running) -> None:
    """B10: the exchange is open while the replay trades; Good Friday, Labor Day and short days are in the holidays."""
    [hours] = await shared.rows("exchange-market-hours", exchange="NYSE")
    assert (hours["isMarketOpen"], hours["openingHour"]) == (True, "09:30 AM -04:00")
    holidays = {row["date"]: row for row in await shared.rows("holidays-by-exchange", exchange="NASDAQ")}
    assert {"2012-04-06", "2012-09-03", "2012-11-22", "2012-12-25"} < set(holidays)
    assert (holidays["2012-07-03"]["isClosed"], holidays["2012-07-03"]["adjCloseTime"]) == (False, "13:00")
    assert await shared.rows("holidays-by-exchange", exchange="NOPE") == []


@pytest.mark.parametrize(
    "span", [{"from": "0001-01-01", "to": "9999-12-31"}, {"from": "9999-12-31"}, {"to": "0001-01-01"}]
)
async def test_dates_at_the_end_of_time(shared: Running, span: dict[str, str]) -> None:
    """B10: dates beyond all replays are answered like any others."""
    for path in ("dividends", "earnings-calendar", "holidays-by-exchange", "news/stock", "historical-chart/1hour"):
        answer = await shared.get(path, symbol="AAPL", symbols="AAPL", exchange="NYSE", **span)
        assert isinstance(answer.json(), list), path


@pytest.mark.parametrize(
    ("plan", "reached", "refused"),
    [
        ("basic", "income-statement", "analyst-estimates"),
        ("starter", "historical-chart/5min", "historical-chart/1min"),
        ("premium", "historical-chart/1min", "eod-bulk"),
    ],
)
@pytest.mark.asyncio(loop_scope="function")
async def test_plans_reach_so_far(start: Start, plan: str, reached: str, refused: str) -> None:
    """B10: what a plan does not reach is 402 Restricted Endpoint in plain text."""
    running = await start(plan=plan)
    assert (await running.get(reached, symbol="AAPL")).json()
    answer = await running.get(refused, symbol="AAPL", date="2012-05-31")
    assert (answer.status_code, answer.text[:20]) == (402, "Restricted Endpoint:")


@pytest.mark.asyncio(loop_scope="function")
async def test_parameters_outside_of_the_plan(start: Start) -> None:
    """B10: basic refuses quarters and more than five rows, each in its own words; five are the default."""
    running = await start(plan="basic")
    quarter = await running.get("income-statement", symbol="AAPL", period="quarter")
    six = await running.get("income-statement", symbol="AAPL", limit=6)
    assert (quarter.status_code, six.status_code) == (402, 402)
    assert "'period'" in quarter.text
    assert "between 0 and 5" in six.text
    assert len(await running.rows("income-statement", symbol="AAPL")) == 5
