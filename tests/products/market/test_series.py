"""Time series and lists: natural order, caps that are found and filled, splits, zeros and rows that say nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import ValidationError

from openbell.engine.errors import Permanent
from tests.products.kitchen import Kitchen
from tests.providers.scripted import Scripted, http
from tests.sandbox.harness import Running

CAP = 250


def capped(rows: list[dict[str, Any]], servers: list[Scripted]) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    """A provider that ends every list at 250 rows, newest first, and knows `to`."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        asked = parse_qs(urlsplit(servers[0].targets[-1]).query)
        until = asked.get("to", ["9999-12-31"])[0]
        kept = [row for row in rows if row["date"][:10] <= until][:CAP]
        writer.write(http(200, json.dumps(kept).encode()))
        await writer.drain()

    return answer


async def test_a_capped_history_is_filled(kitchen: Kitchen) -> None:
    """MD-27: where the provider ends a list of days at 250 rows without a word, further calls bring the days before."""
    days = [date(2012, 6, 1) - timedelta(days=number) for number in range(700)]
    rows = [
        {"symbol": "AAPL", "date": day.isoformat(), "open": 1, "high": 2, "low": 1, "close": 2, "volume": 9}
        for day in days
    ]
    servers: list[Scripted] = []
    async with kitchen.answered({"historical-price-eod/full": capped(rows, servers)}) as (other, server):
        servers.append(server)
        value = await other.make("eod-prices")
    assert [row[0] for row in value["rows"]] == [day.isoformat() for day in reversed(days)]
    assert len(server.targets) == 3


async def test_a_listing_of_exactly_the_cap_is_whole(kitchen: Kitchen) -> None:
    """MD-27: a share that has been listed for 250 days is asked for once more, and nothing is the answer."""
    rows = [
        {
            "symbol": "AAPL",
            "date": f"{date(2012, 6, 1) - timedelta(days=n)}",
            "open": 1,
            "high": 1,
            "low": 1,
            "close": 1,
        }
        | {"volume": 0}
        for n in range(CAP)
    ]
    servers: list[Scripted] = []
    async with kitchen.answered({"historical-price-eod/full": capped(rows, servers)}) as (other, server):
        servers.append(server)
        assert len((await other.make("eod-prices"))["rows"]) == CAP
    assert len(server.targets) == 2


async def test_capped_bars_are_filled(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-27: five sessions of bars are more than one list holds; they come whole, each bar once, in local time."""
    rows = await sandbox.rows("historical-chart/5min", symbol="AAPL")
    servers: list[Scripted] = []
    async with kitchen.answered({"historical-chart/5min": capped(rows, servers)}) as (other, server):
        servers.append(server)
        value = await other.make("intraday-prices")
    assert value == await kitchen.make("intraday-prices")
    times = [row[0] for row in value["rows"]]
    assert times == sorted(set(times))
    assert len({time[:10] for time in times}) == 5
    assert (value["zone"], value["calendar"]) == ("America/New_York", "XNYS")
    assert len(server.targets) == 2


async def test_bars_are_taken_as_revised(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-4: the newest bar with other figures is another value, although its time is the same; none is made up."""
    rows = (await sandbox.rows("historical-chart/5min", symbol="AAPL"))[:3]
    revised = [rows[0] | {"close": rows[0]["high"]}, rows[1] | {"volume": None}, rows[2]]
    async with kitchen.answered({"historical-chart/5min": revised}) as (other, _):
        value = await other.make("intraday-prices")
    assert len(value["rows"]) == 2
    assert value["rows"][-1][4] == rows[0]["high"]
    async with kitchen.answered({"historical-chart/5min": [rows[0] | {"low": 10_000}]}) as (other, _):
        with pytest.raises(ValidationError, match="above its high"):
            await other.make("intraday-prices")


async def test_dividends_are_told_before_and_after_a_split(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-27: a dividend is kept as it was paid and in today's shares; what was declared and not yet paid is there."""
    value = await kitchen.make("dividend-history", "MSFT")
    assert [row["date"] for row in value["rows"]] == sorted({row["date"] for row in value["rows"]})
    assert value["rows"][-1]["dividend"] == value["rows"][-1]["adjusted"]
    assert value["complete"]
    rows = await sandbox.rows("dividends", symbol="MSFT", limit=CAP)
    rows[0] |= {"paymentDate": "", "declarationDate": None, "yield": ""}
    rows.append(rows[-1] | {"date": "2003-01-15", "dividend": 0.16, "adjDividend": 0.08})
    async with kitchen.answered({"dividends": rows}) as (other, _):
        oldest, *_, newest = (await other.make("dividend-history", "MSFT"))["rows"]
    assert (oldest["dividend"], oldest["adjusted"]) == (0.16, 0.08)
    assert (newest["payment_date"], newest["declaration_date"], newest["dividend_yield"]) == (None, None, None)


@pytest.mark.parametrize(
    ("product", "path", "least"),
    [("dividend-history", "dividends", "dividend"), ("grades-historical", "grades-historical", "buy")],
)
async def test_a_list_at_its_cap_is_not_said_to_be_whole(
    sandbox: Running, kitchen: Kitchen, product: str, path: str, least: str
) -> None:
    """MD-7: a list without pages that ends at the provider's cap says that it is not complete; one row less does."""
    (row, *_) = await sandbox.rows(path, symbol="MSFT", limit=1)
    rows = [row | {"date": f"{date(2012, 6, 1) - timedelta(days=n)}"} for n in range(CAP)]
    for count, complete in ((CAP, False), (CAP - 1, True)):
        async with kitchen.answered({path: rows[:count]}) as (other, _):
            value = await other.make(product, "MSFT")
        assert (len(value["rows"]), value["complete"]) == (count, complete)
        assert value["rows"][-1][least] is not None


async def test_segments(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: segments keep their names and signs, a blank one is None, and a year without any is left out."""
    rows = (await sandbox.rows("revenue-product-segmentation", symbol="AAPL"))[:3]
    revenue = await sandbox.rows("income-statement", symbol="AAPL", limit=1)
    assert sum(rows[0]["data"].values()) == revenue[0]["revenue"]
    rows[1]["data"] = {"Phone": 5, "Set off": -2, "Other": None, "None": ""}
    rows[2] |= {"data": {"Phone": None}, "fiscalYear": None, "period": "", "reportedCurrency": ""}
    async with kitchen.answered({"revenue-product-segmentation": rows}) as (other, _):
        with pytest.raises(ValidationError):
            await other.make("revenue-product-segmentation")
    del rows[1]["data"]["None"]
    async with kitchen.answered({"revenue-product-segmentation": rows}) as (other, _):
        value = await other.make("revenue-product-segmentation")
    assert [row["segments"] for row in value["rows"]] == [{"Phone": 5, "Set off": -2, "Other": None}, rows[0]["data"]]
    assert value["rows"][0]["currency"] == "USD"


async def test_variants(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-15, MD-7: the listings of one company; another company's is refused, a blank price is None."""
    rows = await sandbox.rows("search-exchange-variants", symbol="IBM")
    value = await kitchen.make("exchange-variants", "IBM")
    assert [(row["symbol"], row["exchange"], row["currency"]) for row in value["rows"]] == [
        ("IBM", "NYSE", "USD"),
        ("IBM.DE", "XETRA", "EUR"),
        ("IBM.L", "LSE", "GBP"),
        ("IBM.MX", "MEX", "MXN"),
    ]
    assert value["rows"][0]["exchange_name"] == "New York Stock Exchange"
    rows[1] |= {"price": None, "mktCap": "", "cik": ""}
    async with kitchen.answered({"search-exchange-variants": rows}) as (other, _):
        kept = (await other.make("exchange-variants", "IBM"))["rows"][1]
    assert (kept["price"], kept["market_cap"], kept["cik"]) == (None, None, None)
    rows[2]["cik"] = "0000320193"
    async with kitchen.answered({"search-exchange-variants": rows}) as (other, _):
        with pytest.raises(Permanent) as caught:
            await other.make("exchange-variants", "IBM")
    assert caught.value.code == "wrong_symbol"


async def test_insiders_come_by_pages(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-27: the latest 500 transactions come in two pages; two lots of one filing are two rows."""
    value = await kitchen.make("insider-transactions")
    assert (len(value["rows"]), value["complete"]) == (500, False)
    asked = [entry["path"] for entry in await sandbox.entries("fmp")]
    assert asked == ["/stable/insider-trading/search"] * 2
    rows = await sandbox.rows("insider-trading/search", symbol="AAPL", limit=2)
    lot = rows[0] | {"price": rows[0]["price"] + 0.01, "securitiesOwned": rows[0]["securitiesOwned"] - 1}
    rows[1] |= {"transactionDate": "", "price": None, "securitiesOwned": None, "url": "javascript:alert(1)"}
    async with kitchen.answered({"insider-trading/search": [rows[0], lot, rows[1], dict(rows[0])]}) as (other, _):
        found = await other.make("insider-transactions")
    assert (len(found["rows"]), found["complete"]) == (3, True)
    blank = next(row for row in found["rows"] if row["transaction_date"] is None)
    assert (blank["price"], blank["securities_owned"], blank["url"]) == (None, None, None)


async def test_a_row_that_moves_to_the_next_page_is_there_once(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-27: when a filing comes in between two pages, the row that both have is kept once."""
    rows = await sandbox.rows("insider-trading/search", symbol="AAPL", limit=CAP)
    more = await sandbox.rows("insider-trading/search", symbol="AAPL", limit=CAP, page=1)
    pages = [rows, [rows[-1], *more[:50]]]

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(http(200, json.dumps(pages.pop(0)).encode()))
        await writer.drain()

    async with kitchen.answered({"insider-trading/search": answer}) as (other, _):
        value = await other.make("insider-transactions")
    assert (len(value["rows"]), value["complete"]) == (CAP + 50, True)


async def test_statistics_of_no_transactions_are_nothing(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: the average of no transactions, and the ratio to none, are None and not the provider's 0."""
    (row, *_) = await sandbox.rows("insider-trading/statistics", symbol="AAPL")
    row |= {"disposedTransactions": 0, "averageDisposed": 0, "acquiredDisposedRatio": 0, "totalDisposed": 0}
    async with kitchen.answered([row]) as (other, _):
        [kept] = (await other.make("insider-trading-statistics"))["rows"]
    assert (kept["average_disposed"], kept["acquired_disposed_ratio"], kept["total_disposed"]) == (None, None, 0)
    assert kept["average_acquired"] == row["averageAcquired"]
    async with kitchen.answered([row | {"quarter": 5}]) as (other, _):
        with pytest.raises(ValidationError):
            await other.make("insider-trading-statistics")


async def test_price_targets(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: an average of no targets is None, a missing half is None, and a mean beyond its range is refused."""
    [consensus] = await sandbox.rows("price-target-consensus", symbol="AAPL")
    [summary] = await sandbox.rows("price-target-summary", symbol="AAPL")
    value = await kitchen.make("analyst-price-targets")
    assert value["consensus"]["mean"] == consensus["targetConsensus"]
    assert value["summary"]["last_year_count"] == summary["lastYearCount"]
    summary |= {"lastMonthCount": 0, "lastMonthAvgPriceTarget": 0}
    async with kitchen.answered({"price-target-summary": [summary]}) as (other, _):
        value = await other.make("analyst-price-targets")
    assert value["consensus"] is None
    assert (value["summary"]["last_month_count"], value["summary"]["last_month_average"]) == (0, None)
    consensus["targetMedian"] = consensus["targetHigh"] + 1
    both = {"price-target-summary": [summary], "price-target-consensus": [consensus]}
    async with kitchen.answered(both) as (other, _):
        with pytest.raises(ValidationError, match="outside of the range"):
            await other.make("analyst-price-targets")


async def test_rates(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-26, MD-7: what is the same for all has the one key GLOBAL; a day or term without a figure is not filled."""
    rows = await sandbox.rows("treasury-rates")
    value = await kitchen.make("treasury-rates", "global")
    assert value["rows"][-1] == {"date": rows[0]["date"]} | {
        f"{name.rstrip('0123456789')}_{name.lstrip('monthyear')}": rows[0][name] for name in rows[0] if name != "date"
    }
    rows[0] = {"date": rows[0]["date"]} | dict.fromkeys(rows[0].keys() - {"date"})
    rows[1] |= {"year30": None, "month1": ""}
    async with kitchen.answered({"treasury-rates": rows}) as (other, _):
        kept = (await other.make("treasury-rates", "GLOBAL"))["rows"][-1]
    assert (kept["date"], kept["year_30"], kept["month_1"]) == (rows[1]["date"], None, None)
    premiums = (await kitchen.make("market-risk-premium", "GLOBAL"))["rows"]
    countries = [row["country"] for row in premiums]
    assert countries == sorted(set(countries))
    assert next(row for row in premiums if row["country"] == "Germany")["country_risk_premium"] == 0


async def test_headlines(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: headlines are in UTC, oldest first, each once; a long text is cut, and a link that is none is no link."""
    rows = (await sandbox.rows("news/stock", symbols="AAPL"))[:3]
    rows[0] |= {"publishedDate": "2026-11-20 09:30:00", "text": "x" * 5_000, "url": "javascript:alert(1)"}
    rows[1]["publishedDate"] = "2026-07-20 09:30:00"
    async with kitchen.answered({"news/stock": [*rows, rows[1]]}) as (other, _):
        value = await other.make("stock-headlines")
    assert len(value["rows"]) == 3
    newest = max(value["rows"], key=lambda row: str(row["published"]))
    assert newest == value["rows"][-1] or newest["title"] == rows[2]["title"]
    kept = next(row for row in value["rows"] if row["title"] == rows[0]["title"])
    assert datetime.fromisoformat(kept["published"]).hour == 14
    assert (len(kept["text"]), kept["url"]) == (1_000, None)
    summer = next(row for row in value["rows"] if row["title"] == rows[1]["title"])
    assert datetime.fromisoformat(summer["published"]).hour == 13
    rows[2]["publishedDate"] = "yesterday"
    async with kitchen.answered({"news/stock": rows}) as (other, _):
        with pytest.raises(ValidationError):
            await other.make("stock-headlines")


async def test_worth_may_be_negative(kitchen: Kitchen) -> None:
    """MD-7: a discounted cash flow below zero is a figure; a price below zero is none."""
    row = {"symbol": "AAPL", "date": "2012-06-01", "dcf": -3.5, "Stock Price": 10}
    async with kitchen.answered([row]) as (other, _):
        assert (await other.make("valuations"))["dcf"] == -3.5
    async with kitchen.answered([row | {"Stock Price": -1}]) as (other, _):
        with pytest.raises(ValidationError):
            await other.make("valuations")
