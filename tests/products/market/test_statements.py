"""Statements and ratios: three lists that become periods, and zeros that mean nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from openbell.engine.errors import NotInPlan, Permanent, RateLimited
from tests.products.kitchen import Kitchen
from tests.products.market.cases import STATEMENTS
from tests.sandbox.harness import Running


async def three(sandbox: Running, symbol: str = "AAPL", limit: int = 3) -> dict[str, list[dict[str, Any]]]:
    """The three lists of the sandbox, newest first."""
    return {path: await sandbox.rows(path, symbol=symbol, limit=limit) for path in STATEMENTS}


async def test_three_lists_become_periods(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7, MD-27: a period has its three statements, oldest period first; times of the SEC are New York's."""
    said = await three(sandbox)
    value = await kitchen.make("financial-statements")
    newest = value["periods"][-1]
    income, balance, cash = (said[path][0] for path in STATEMENTS)
    assert (newest["date"], newest["period"], newest["currency"]) == (income["date"], "FY", "USD")
    assert newest["fiscal_year"] == int(income["fiscalYear"])
    assert newest["income"]["revenue"] == income["revenue"]
    assert newest["income"]["shares_diluted"] == income["weightedAverageShsOutDil"]
    assert newest["balance"]["total_assets"] == balance["totalAssets"]
    assert newest["cash_flow"]["free_cash_flow"] == cash["freeCashFlow"]
    assert newest["cash_flow"]["capital_expenditure"] < 0
    dates = [period["date"] for period in value["periods"]]
    assert dates == sorted(set(dates))
    assert len(dates) == 30
    assert (value["cik"], value["complete"]) == (income["cik"], True)
    assert income["acceptedDate"].endswith("16:31:00")
    assert datetime.fromisoformat(value["source_time"]).astimezone(UTC).hour == 21  # in winter


async def test_quarters_have_a_type_of_their_own(kitchen: Kitchen) -> None:
    """MD-1: the quarters are another type with the same form; a plan that has none refuses it and not the years."""
    value = await kitchen.make("quarterly-statements")
    assert {period["period"] for period in value["periods"]} == {"Q1", "Q2", "Q3", "Q4"}
    assert len(value["periods"]) == 40


async def test_a_small_plan_gives_fewer_years_and_says_so(start: Any, kitchen: Kitchen) -> None:
    """MD-7, PF-8: where the plan allows five rows there are five periods, and they are not said to be all."""
    basic = await start(plan="basic")
    other = Kitchen(kitchen.pool, kitchen.hand, {"fmp": type(kitchen.sources["fmp"])(basic.url, key="sandbox")})
    value = await other.make("financial-statements", plan="basic")
    assert (len(value["periods"]), value["complete"]) == (5, False)
    with pytest.raises(NotInPlan):
        await other.make("quarterly-statements", plan="basic")
    await other.close()


async def test_a_statement_that_is_missing_is_missing(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: a period of which the provider has two statements has two; the third is None and not filled."""
    said = await three(sandbox)
    said["cash-flow-statement"] = said["cash-flow-statement"][1:]
    async with kitchen.answered(said) as (other, _):
        value = await other.make("financial-statements")
    assert [period["cash_flow"] is None for period in value["periods"]] == [False, False, True]
    assert all(period["income"] and period["balance"] for period in value["periods"])
    async with kitchen.answered({"income-statement": said["income-statement"]}) as (other, _):
        value = await other.make("financial-statements")
    assert {(period["balance"], period["cash_flow"]) for period in value["periods"]} == {(None, None)}


async def test_two_currencies_in_one_period_are_refused(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: figures of one period are in one currency; where two statements disagree none of it is taken."""
    said = await three(sandbox)
    said["cash-flow-statement"][0]["reportedCurrency"] = "EUR"
    async with kitchen.answered(said) as (other, _):
        with pytest.raises(Permanent) as caught:
            await other.make("financial-statements")
    assert caught.value.code == "wrong_currency"


async def test_a_company_may_change_its_currency(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: each period has the currency in which it was reported."""
    said = await three(sandbox)
    for rows in said.values():
        rows[0]["reportedCurrency"] = "EUR"
    async with kitchen.answered(said) as (other, _):
        value = await other.make("financial-statements")
    assert [period["currency"] for period in value["periods"]] == ["USD", "USD", "EUR"]


async def test_large_and_negative_figures_stay_exact(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: amounts beyond 32 bits, decimals where whole numbers are usual, and losses are stored as they are."""
    said = await three(sandbox, limit=1)
    [income] = said["income-statement"]
    income |= {"revenue": 9_007_199_254_740_991, "netIncome": -2_147_483_649.5, "eps": "-0.01"}
    async with kitchen.answered(said) as (other, _):
        value = await other.make("financial-statements")
    kept = value["periods"][0]["income"]
    assert (kept["revenue"], kept["net_income"], kept["eps"]) == (9_007_199_254_740_991, -2_147_483_649.5, -0.01)


async def test_a_statement_is_not_paid_for_twice(sandbox: Running, kitchen: Kitchen) -> None:
    """PF-9: when the third call must wait, the two before it are kept."""
    fault = await sandbox.fault("limit", path="cash-flow-statement", times=1)
    assert fault
    with pytest.raises(RateLimited):
        await kitchen.make("financial-statements", again="one job")
    assert (await kitchen.make("financial-statements", again="one job"))["complete"]
    asked = [entry["path"] for entry in await sandbox.entries("fmp")]
    assert [asked.count(f"/stable/{path}") for path in STATEMENTS] == [1, 1, 2]


async def test_zero_for_nothing_to_divide_by_is_nothing(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: the provider's 0 where a ratio cannot be is None; a yield or a debt of 0 is a figure."""
    [row] = await sandbox.rows("ratios-ttm", symbol="AAPL")
    zeros = ("priceToEarningsRatioTTM", "interestCoverageRatioTTM", "inventoryTurnoverTTM")
    row |= dict.fromkeys((*zeros, "dividendYieldTTM", "debtToEquityRatioTTM"), 0)
    row["netProfitMarginTTM"] = None
    row["somethingNewTTM"] = 1.5
    async with kitchen.answered([row]) as (other, _):
        value = await other.make("ratios-ttm")
    assert (value["price_to_earnings_ratio"], value["interest_coverage_ratio"], value["inventory_turnover"]) == (
        None,
        None,
        None,
    )
    assert (value["dividend_yield"], value["debt_to_equity_ratio"], value["net_profit_margin"]) == (0, 0, None)
    assert value["gross_profit_margin"] == row["grossProfitMarginTTM"]
