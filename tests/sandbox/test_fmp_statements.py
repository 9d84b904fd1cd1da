"""The figures of the FMP simulator agree with each other: statements, ratios, analysts, bars, dividends."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from statistics import fmean, median
from typing import Any

import pytest

from tests.sandbox.harness import Running

COMPANIES = ("AAPL", "FB", "IBM", "SYN042")
STATEMENTS = ("income-statement", "balance-sheet-statement", "cash-flow-statement")
PER_SHARE = ("eps", "epsDiluted", "weightedAverageShsOut", "weightedAverageShsOutDil")


def _numbers(row: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in row.items() if isinstance(value, int | float)}


@pytest.mark.parametrize("symbol", COMPANIES)
async def test_statements_add_up(sandbox: Running, symbol: str) -> None:
    """B10: assets = liabilities + equity, cash flows lead from one sheet to the next, profit is what remains."""
    incomes, sheets, flows = [await sandbox.rows(path, symbol=symbol, period="quarter", limit=9) for path in STATEMENTS]
    assert [row["date"] for row in incomes] == [row["date"] for row in sheets] == [row["date"] for row in flows]
    for sheet, income in zip(sheets, incomes, strict=True):
        assert sheet["totalAssets"] == sheet["totalLiabilities"] + sheet["totalEquity"]
        assert sheet["totalAssets"] == sheet["totalCurrentAssets"] + sheet["totalNonCurrentAssets"]
        assert sheet["totalEquity"] > 0
        spent = income["costOfRevenue"] + income["operatingExpenses"] + income["incomeTaxExpense"]
        assert income["netIncome"] == income["revenue"] - spent + income["netInterestIncome"]
    for n, (flow, before) in enumerate(zip(flows, sheets[1:], strict=False)):
        parts = [flow[f"netCashProvidedBy{kind}Activities"] for kind in ("Operating", "Investing", "Financing")]
        assert sum(parts) == flow["netChangeInCash"]
        assert flow["cashAtBeginningOfPeriod"] == before["cashAndCashEquivalents"]
        assert flow["cashAtEndOfPeriod"] == sheets[n]["cashAndCashEquivalents"]
        earned = (
            flow["netIncome"] + flow["stockBasedCompensation"] + flow["netDividendsPaid"] + flow["netStockIssuance"]
        )
        assert sheets[n]["totalEquity"] - before["totalEquity"] == earned


@pytest.mark.parametrize("path", ["income-statement", "cash-flow-statement"])
async def test_years_are_sums_of_quarters(sandbox: Running, path: str) -> None:
    """B10: a year is the sum of its four quarters, twelve months up to now that of the last four."""
    quarters = await sandbox.rows(path, symbol="MSFT", period="quarter", limit=12)
    [year, *_] = await sandbox.rows(path, symbol="MSFT")
    [trailing] = await sandbox.rows(f"{path}-ttm", symbol="MSFT", limit=1)
    of_year = [row for row in quarters if row["fiscalYear"] == year["fiscalYear"]]
    assert len(of_year) == 4
    for whole, parts in ((year, of_year), (trailing, quarters[:4])):
        sums = {name: sum(row[name] for row in parts) for name in _numbers(whole)}
        summed = {name for name in _numbers(whole) if not name.startswith("cashAt") and name not in PER_SHARE}
        assert {name: whole[name] for name in summed} == {name: sums[name] for name in summed}
    assert (year["period"], trailing["date"]) == ("FY", quarters[0]["date"])


async def test_nothing_is_out_before_its_day(sandbox: Running) -> None:
    """B10: a quarter appears on the day its results come out, the same in statements and earnings, and stays."""
    earnings = await sandbox.rows("earnings", symbol="IBM")
    coming = min((row for row in earnings if row["epsActual"] is None), key=lambda row: row["date"])
    before = await sandbox.rows("income-statement", symbol="IBM", period="quarter", limit=2)
    while (await sandbox.clock(advance_days=1))["market_day"] < coming["date"]:
        pass
    after = await sandbox.rows("income-statement", symbol="IBM", period="quarter", limit=3)
    assert after[1:] == before
    [result] = [row for row in await sandbox.rows("earnings", symbol="IBM") if row["date"] == coming["date"]]
    assert (result["epsActual"], result["revenueActual"]) == (after[0]["eps"], after[0]["revenue"])
    assert result["epsEstimated"] == coming["epsEstimated"]


async def test_ratios_follow_from_statements_and_price(sandbox: Running) -> None:
    """B10: ratios and key metrics are those of the statements, at the period's last close, or now for twelve months."""
    [income, *_] = await sandbox.rows("income-statement", symbol="GOOG")
    [sheet, *_] = await sandbox.rows("balance-sheet-statement", symbol="GOOG")
    [ratios, *_] = await sandbox.rows("ratios", symbol="GOOG")
    [metrics, *_] = await sandbox.rows("key-metrics", symbol="GOOG")
    span = {"from": "2011-12-25", "to": income["date"]}
    [last, *_] = await sandbox.rows("historical-price-eod/light", symbol="GOOG", **span)
    cap = last["price"] * income["weightedAverageShsOut"]
    assert metrics["marketCap"] == pytest.approx(cap)
    assert metrics["enterpriseValue"] == pytest.approx(cap + sheet["totalDebt"] - sheet["cashAndCashEquivalents"])
    assert ratios["priceToEarningsRatio"] == pytest.approx(cap / income["netIncome"], abs=1e-5)
    assert ratios["netProfitMargin"] == pytest.approx(income["netIncome"] / income["revenue"], abs=1e-5)
    assert metrics["returnOnEquity"] == pytest.approx(income["netIncome"] / sheet["totalEquity"], abs=1e-5)
    [quote] = await sandbox.rows("quote", symbol="GOOG")
    [trailing] = await sandbox.rows("income-statement-ttm", symbol="GOOG", limit=1)
    [now] = await sandbox.rows("ratios-ttm", symbol="GOOG")
    assert now["priceToEarningsRatioTTM"] == pytest.approx(quote["marketCap"] / trailing["netIncome"], abs=1e-5)


@pytest.mark.parametrize("period", ["annual", "quarter"])
@pytest.mark.parametrize("path", ["revenue-product-segmentation", "revenue-geographic-segmentation"])
async def test_segments_add_up_to_revenue(sandbox: Running, path: str, period: str) -> None:
    """B10: the segments of a period add up to its revenue."""
    incomes = await sandbox.rows("income-statement", symbol="AAPL", period=period, limit=250)
    revenue = {row["date"]: row["revenue"] for row in incomes}
    rows = await sandbox.rows(path, symbol="AAPL", period=period, structure="flat")
    assert {row["date"]: sum(row["data"].values()) for row in rows} == revenue


@pytest.mark.parametrize("symbol", ["FB", "IBM", "SYN042"])
async def test_analysts_agree_with_themselves(sandbox: Running, symbol: str) -> None:
    """B10: consensus and summaries are counted from what the houses said; a house's grades follow on each other."""
    grades = await sandbox.rows("grades", symbol=symbol, limit=250)
    [consensus] = await sandbox.rows("grades-consensus", symbol=symbol)
    newest: dict[str, str] = {}
    for row in grades:
        newest.setdefault(row["gradingCompany"], row["newGrade"])
        assert (row["action"] == "maintain") == (row["previousGrade"] == row["newGrade"])
    names = {"Strong Buy": "strongBuy", "Buy": "buy", "Hold": "hold", "Sell": "sell", "Strong Sell": "strongSell"}
    counted = Counter(names[grade] for grade in newest.values())
    assert {name: consensus[name] for name in names.values()} == {name: counted[name] for name in names.values()}
    for house in newest:
        said = [row for row in grades if row["gradingCompany"] == house]
        assert all(later["previousGrade"] == earlier["newGrade"] for later, earlier in itertools.pairwise(said))
    [targets] = await sandbox.rows("price-target-consensus", symbol=symbol)
    [summary] = await sandbox.rows("price-target-summary", symbol=symbol)
    assert targets["targetLow"] <= targets["targetMedian"] <= targets["targetHigh"]
    assert targets["targetLow"] <= targets["targetConsensus"] <= targets["targetHigh"]
    counts = [summary[f"{span}Count"] for span in ("lastMonth", "lastQuarter", "lastYear", "allTime")]
    assert counts == sorted(counts)
    assert counts[-1] == len(grades) or len(grades) == 250
    assert json.loads(summary["publishers"])


async def test_estimates_meet_the_earnings(sandbox: Running) -> None:
    """B10: what analysts expect of a quarter is what `earnings` says they did; four quarters make a year."""
    quarters = await sandbox.rows("analyst-estimates", symbol="MSFT", period="quarter", limit=40)
    years = await sandbox.rows("analyst-estimates", symbol="MSFT", period="annual")
    expected = {row["revenueAvg"]: row["epsAvg"] for row in quarters}
    for row in await sandbox.rows("earnings", symbol="MSFT", limit=12):
        assert expected[row["revenueEstimated"]] == row["epsEstimated"]
    year = years[0]
    assert year["revenueAvg"] == sum(row["revenueAvg"] for row in quarters if row["date"][:4] == year["date"][:4])
    assert year["revenueLow"] < year["revenueAvg"] < year["revenueHigh"]


async def test_rating_is_the_mean_of_its_scores(sandbox: Running) -> None:
    """B10: the overall score is the mean of the six, today and in the past."""
    history = await sandbox.rows("ratings-historical", symbol="IBM", limit=30)
    for row in [*await sandbox.rows("ratings-snapshot", symbol="IBM"), *history]:
        scores = [value for name, value in row.items() if name.endswith("Score") and name != "overallScore"]
        assert len(scores) == 6
        assert row["overallScore"] == round(fmean(scores))
        assert min(scores) <= median(scores) <= max(scores)


@pytest.mark.parametrize("interval", ["1min", "15min", "4hour"])
@pytest.mark.parametrize(("symbol", "day"), [("AAPL", "2005-02-25"), ("FB", "2012-05-31"), ("SYN042", "2012-05-31")])
async def test_bars_add_up_to_the_day(sandbox: Running, symbol: str, day: str, interval: str) -> None:
    """B10: the bars of a finished day have its open, high, low, close and shares, split or not."""
    span = {"symbol": symbol, "from": day, "to": day}
    bars = await sandbox.rows(f"historical-chart/{interval}", **span)
    [whole] = await sandbox.rows("historical-price-eod/full", **span)
    assert [bar["date"] for bar in bars] == sorted((bar["date"] for bar in bars), reverse=True)
    assert (bars[-1]["open"], bars[0]["close"]) == (whole["open"], whole["close"])
    assert (max(bar["high"] for bar in bars), min(bar["low"] for bar in bars)) == (whole["high"], whole["low"])
    assert sum(bar["volume"] for bar in bars) == pytest.approx(whole["volume"], abs=len(bars))


async def test_the_newest_bar_is_the_quote(sandbox: Running) -> None:
    """B10: the bar that is traded now ends at the quote's price, and is revised as time goes on."""
    clock = await sandbox.clock(advance_days=0.3)
    [quote] = await sandbox.rows("quote", symbol="IBM")
    bars = await sandbox.rows("historical-chart/30min", symbol="IBM", **{"from": clock["market_day"]})
    assert bars[0]["close"] == quote["price"]
    assert sum(bar["volume"] for bar in bars) == quote["volume"]
    await sandbox.clock(advance_days=0.02)
    later = await sandbox.rows("historical-chart/30min", symbol="IBM", **{"from": clock["market_day"]})
    [revised] = [bar for bar in later if bar["date"] == bars[0]["date"]]
    assert revised != bars[0]
    assert later[-len(bars) + 1 :] == bars[1:]


async def test_aftermarket_is_close_to_the_market(sandbox: Running) -> None:
    """B10: before the open's bars, after the close's: bid below ask around the price, times in milliseconds."""
    await sandbox.clock(advance_days=0.95)
    [quote] = await sandbox.rows("quote", symbol="MSFT")
    [after] = await sandbox.rows("aftermarket-quote", symbol="MSFT")
    [trade] = await sandbox.rows("aftermarket-trade", symbol="MSFT")
    assert after["bidPrice"] < trade["price"] < after["askPrice"]
    assert trade["price"] == pytest.approx(quote["price"], rel=0.005)
    assert 0 < after["timestamp"] / 1_000 - quote["timestamp"] < 60


async def test_real_splits_and_dividends(sandbox: Running) -> None:
    """B10: the real splits are there, and dividends as public record has them, give or take a cent or two."""
    splits = [
        (row["symbol"], row["date"]) for s in ("AAPL", "MSFT", "IBM") for row in await sandbox.rows("splits", symbol=s)
    ]
    assert splits == [("AAPL", "2005-02-28"), ("AAPL", "2000-06-21"), ("MSFT", "2003-02-18")]
    paid = {row["date"]: row["dividend"] for row in await sandbox.rows("dividends", symbol="MSFT")}
    assert paid["2004-11-15"] == pytest.approx(3.08, abs=0.02)
    assert (paid["2012-05-15"], paid["2011-08-16"]) == (0.20, 0.16)
    assert await sandbox.rows("dividends", symbol="GOOG") == []
    quarterly = await sandbox.rows("dividends", symbol="IBM", **{"from": "2011-01-01", "to": "2011-12-31"})
    assert len(quarterly) == 4


async def test_the_same_again(sandbox: Running) -> None:
    """B10: the same question at the same moment has the same answer."""
    for path in ("key-metrics", "grades", "earnings", "historical-chart/5min", "aftermarket-quote"):
        assert await sandbox.rows(path, symbol="SYN007") == await sandbox.rows(path, symbol="SYN007")
