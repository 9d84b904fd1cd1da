"""What the FMP simulator invents about insiders, worth and rates agrees with the rest of the company."""

from __future__ import annotations

from collections import Counter
from datetime import date
from itertools import pairwise

import pytest

from tests.sandbox.harness import Running


@pytest.mark.parametrize("symbol", ["AAPL", "SYN007"])
async def test_insiders_add_up(sandbox: Running, symbol: str) -> None:
    """B10: what an insider owns is what it owned before and the trade; quarters count the transactions."""
    rows = await sandbox.rows("insider-trading/search", symbol=symbol, limit=250)
    rows += await sandbox.rows("insider-trading/search", symbol=symbol, limit=250, page=1)
    assert [row["filingDate"] for row in rows] == sorted((row["filingDate"] for row in rows), reverse=True)
    owned: dict[str, int] = {}
    checked = 0
    for row in sorted(rows, key=lambda row: row["transactionDate"]):
        signed = row["securitiesTransacted"] * (1 if row["acquisitionOrDisposition"] == "A" else -1)
        before = owned.pop(row["reportingCik"], None)
        if sum(same_day(other, row) for other in rows) == 1:
            assert before is None or row["securitiesOwned"] == before + signed
            owned[row["reportingCik"]] = row["securitiesOwned"]
            checked += before is not None
        assert row["filingDate"] > row["transactionDate"]
        assert (row["price"] == 0) == (row["transactionType"] in ("A-Award", "G-Gift"))
        assert row["companyCik"]
    assert checked > 200
    quarters = Counter((row["filingDate"][:4], (int(row["filingDate"][5:7]) + 2) // 3) for row in rows)
    [_, last, *_] = await sandbox.rows("insider-trading/statistics", symbol=symbol)
    count = last["acquiredTransactions"] + last["disposedTransactions"]
    assert quarters[(str(last["year"]), last["quarter"])] == count


def same_day(one: dict[str, str], other: dict[str, str]) -> bool:
    """Of one insider: what it did first on that day is not told."""
    return all(one[name] == other[name] for name in ("reportingCik", "transactionDate"))


async def test_trades_are_at_the_close(sandbox: Running) -> None:
    """B10: insiders trade at the replayed close of that day, or of the session before."""
    rows = await sandbox.rows("insider-trading/search", symbol="IBM", limit=40)
    closes = {row["date"]: row["close"] for row in await sandbox.rows("historical-price-eod/full", symbol="IBM")}
    traded = [row for row in rows if row["price"] and row["transactionDate"] in closes]
    assert len(traded) > 5
    assert all(row["price"] == pytest.approx(closes[row["transactionDate"]], abs=0.01) for row in traded)


async def test_variants_are_one_company(sandbox: Running) -> None:
    """B10: the first listing has the quote's price, all have the profile's name and number, each its own symbol."""
    rows = await sandbox.rows("search-exchange-variants", symbol="IBM")
    [profile] = await sandbox.rows("profile", symbol="IBM")
    assert rows[0]["price"] == round(profile["price"], 2)
    assert {(row["companyName"], row["cik"]) for row in rows} == {(profile["companyName"], profile["cik"])}
    assert len({row["symbol"] for row in rows}) == len(rows) == 4


async def test_rates_are_of_their_days(sandbox: Running) -> None:
    """B10: yields rise with the term, move little in a day, and none is of a day to come or of a weekend."""
    rows = await sandbox.rows("treasury-rates")
    days = [date.fromisoformat(row["date"]) for row in rows]
    assert days == sorted(days, reverse=True)
    assert days[0] == date(2012, 6, 1)
    assert all(day.weekday() < 5 for day in days)
    for newer, older in pairwise(rows):
        yields = [value for name, value in newer.items() if name != "date"]
        assert yields == sorted(yields)
        assert abs(newer["year10"] - older["year10"]) < 0.25
    assert await sandbox.rows("treasury-rates", **{"from": "2031-01-01"}) == []


async def test_worth_follows_from_the_statements(sandbox: Running) -> None:
    """B10: a share is worth the free cash flow of twelve months, growing for ever, less the debt of a share."""
    [row] = await sandbox.rows("discounted-cash-flow", symbol="MSFT")
    [flow] = await sandbox.rows("cash-flow-statement-ttm", symbol="MSFT", limit=1)
    [sheet] = await sandbox.rows("balance-sheet-statement", symbol="MSFT", period="quarter", limit=1)
    [income] = await sandbox.rows("income-statement-ttm", symbol="MSFT", limit=1)
    shares = income["weightedAverageShsOut"]
    growths = [step / 1000 for step in range(20, 51)]
    worths = [(flow["freeCashFlow"] * (1 + g) / (0.09 - g) - sheet["netDebt"]) / shares for g in growths]
    assert min(worths) - 0.01 <= row["dcf"] <= max(worths) + 0.01
