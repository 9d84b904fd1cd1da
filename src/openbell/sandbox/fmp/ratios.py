"""Ratios and key metrics, computed from the invented statements and the replayed price."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from openbell.sandbox.companies import COMPANIES
from openbell.sandbox.fmp import statements
from openbell.sandbox.fmp.ask import Ask
from openbell.sandbox.fmp.rows import Row

DIGITS = 6
DAYS = {1: 90, 4: 365}  # of a period, by its number of quarters


@dataclass(frozen=True, slots=True)
class Books:
    """The statements of some quarters and the price of a share; `before` is net income of the period before."""

    income: Row
    cash: Row
    balance: Row
    price: float
    shares: int
    before: int
    days: int

    @property
    def market_cap(self) -> int:
        """Price times shares."""
        return round(self.price * self.shares)

    @property
    def enterprise_value(self) -> int:
        """With net debt."""
        return int(self.market_cap + self.balance["netDebt"])


def books(ask: Ask, quarters: range, price: float) -> Books:
    """The statements of the symbol."""
    past = range(quarters[0] - len(quarters), quarters[0])
    return Books(
        income=statements.income(ask.symbol, quarters),
        cash=statements.cash(ask.symbol, quarters),
        balance=statements.balance(ask.symbol, quarters[-1]),
        price=price,
        shares=COMPANIES[ask.symbol].shares,
        before=statements.income(ask.symbol, past)["netIncome"],
        days=DAYS[len(quarters)],
    )


def _over(above: float, below: float) -> float:
    """A ratio; 0 when there is nothing to divide by, as the provider sends it."""
    return round(above / below, DIGITS) if below else 0.0


def ratios(its: Books) -> Row:
    """All ratios, with the names that have no suffix."""
    return _margins(its) | _turnovers(its) | _debts(its) | _prices(its) | _per_share(its)


def _margins(its: Books) -> Row:
    lines, revenue = its.income, its.income["revenue"]
    named = {
        "grossProfitMargin": "grossProfit",
        "ebitMargin": "ebit",
        "ebitdaMargin": "ebitda",
        "operatingProfitMargin": "operatingIncome",
        "pretaxProfitMargin": "incomeBeforeTax",
        "continuousOperationsProfitMargin": "netIncomeFromContinuingOperations",
        "netProfitMargin": "netIncome",
        "bottomLineProfitMargin": "bottomLineNetIncome",
    }
    return {name: _over(lines[line], revenue) for name, line in named.items()} | {
        "netIncomePerEBT": _over(lines["netIncome"], lines["incomeBeforeTax"]),
        "ebtPerEbit": _over(lines["incomeBeforeTax"], lines["ebit"]),
        "effectiveTaxRate": _over(lines["incomeTaxExpense"], lines["incomeBeforeTax"]),
    }


def _turnovers(its: Books) -> Row:
    sheet, revenue, cost = its.balance, its.income["revenue"], its.income["costOfRevenue"]
    current, owed = sheet["totalCurrentAssets"], sheet["totalCurrentLiabilities"]
    return {
        "receivablesTurnover": _over(revenue, sheet["netReceivables"]),
        "payablesTurnover": _over(cost, sheet["accountPayables"]),
        "inventoryTurnover": _over(cost, sheet["inventory"]),
        "fixedAssetTurnover": _over(revenue, sheet["propertyPlantEquipmentNet"]),
        "assetTurnover": _over(revenue, sheet["totalAssets"]),
        "currentRatio": _over(current, owed),
        "quickRatio": _over(current - sheet["inventory"], owed),
        "cashRatio": _over(sheet["cashAndCashEquivalents"], owed),
        "solvencyRatio": _over(
            its.income["netIncome"] + its.income["depreciationAndAmortization"], sheet["totalLiabilities"]
        ),
        "workingCapitalTurnoverRatio": _over(revenue, current - owed),
    }


def _debts(its: Books) -> Row:
    sheet, flow, income = its.balance, its.cash, its.income
    debt, equity, operating = sheet["totalDebt"], sheet["totalEquity"], flow["operatingCashFlow"]
    capex, paid = -flow["capitalExpenditure"], -flow["netDividendsPaid"]
    return {
        "debtToAssetsRatio": _over(debt, sheet["totalAssets"]),
        "debtToEquityRatio": _over(debt, equity),
        "debtToCapitalRatio": _over(debt, debt + equity),
        "longTermDebtToCapitalRatio": _over(sheet["longTermDebt"], sheet["longTermDebt"] + equity),
        "financialLeverageRatio": _over(sheet["totalAssets"], equity),
        "operatingCashFlowRatio": _over(operating, sheet["totalCurrentLiabilities"]),
        "operatingCashFlowSalesRatio": _over(operating, income["revenue"]),
        "freeCashFlowOperatingCashFlowRatio": _over(flow["freeCashFlow"], operating),
        "debtServiceCoverageRatio": _over(operating, income["interestExpense"] + sheet["shortTermDebt"]),
        "interestCoverageRatio": _over(income["operatingIncome"], income["interestExpense"]),
        "shortTermOperatingCashFlowCoverageRatio": _over(operating, sheet["shortTermDebt"]),
        "operatingCashFlowCoverageRatio": _over(operating, debt),
        "capitalExpenditureCoverageRatio": _over(operating, capex),
        "dividendPaidAndCapexCoverageRatio": _over(operating, capex + paid),
        "dividendPayoutRatio": _over(paid, income["netIncome"]),
        "debtToMarketCap": _over(debt, its.market_cap),
    }


def _prices(its: Books) -> Row:
    cap, net = its.market_cap, its.income["netIncome"]
    growth = 100 * (_over(net, its.before) - 1)
    earnings = _over(cap, net)
    diluted = round(earnings * its.income["weightedAverageShsOutDil"] / its.shares, DIGITS)
    yielded = _over(-its.cash["netDividendsPaid"], cap)
    return {
        "priceToEarningsRatio": earnings,
        "priceToEarningsDilutedRatio": diluted,
        "priceToEarningsGrowthRatio": _over(earnings, growth),
        "priceToEarningsDilutedGrowthRatio": _over(diluted, growth),
        "forwardPriceToEarningsGrowthRatio": _over(earnings, growth),
        "priceToBookRatio": _over(cap, its.balance["totalEquity"]),
        "priceToSalesRatio": _over(cap, its.income["revenue"]),
        "priceToFreeCashFlowRatio": _over(cap, its.cash["freeCashFlow"]),
        "priceToOperatingCashFlowRatio": _over(cap, its.cash["operatingCashFlow"]),
        "priceToFairValue": _over(cap, its.balance["totalEquity"]),
        "dividendYield": yielded,
        "dividendYieldPercentage": round(100 * yielded, 4),
        "enterpriseValueMultiple": _over(its.enterprise_value, its.income["ebitda"]),
    }


def _per_share(its: Books) -> Row:
    sheet, flow = its.balance, its.cash
    equity = sheet["totalEquity"]
    amounts = {
        "dividendPerShare": -flow["netDividendsPaid"],
        "revenuePerShare": its.income["revenue"],
        "netIncomePerShare": its.income["netIncome"],
        "interestDebtPerShare": its.income["interestExpense"] + sheet["totalDebt"],
        "cashPerShare": sheet["cashAndShortTermInvestments"],
        "bookValuePerShare": equity,
        "tangibleBookValuePerShare": equity - sheet["goodwillAndIntangibleAssets"],
        "shareholdersEquityPerShare": equity,
        "operatingCashFlowPerShare": flow["operatingCashFlow"],
        "capexPerShare": -flow["capitalExpenditure"],
        "freeCashFlowPerShare": flow["freeCashFlow"],
    }
    return {name: _over(amount, its.shares) for name, amount in amounts.items()}


def metrics(its: Books) -> Row:
    """All key metrics, with the names that have no suffix, but for `marketCap`."""
    return _values(its) | _returns(its) | _spending(its) | _cycle(its)


def _values(its: Books) -> Row:
    sheet, flow, income, value = its.balance, its.cash, its.income, its.enterprise_value
    graham = 22.5 * income["eps"] * sheet["totalEquity"] / its.shares
    liquid = sheet["cashAndShortTermInvestments"] + 0.75 * sheet["netReceivables"] + 0.5 * sheet["inventory"]
    return {
        "enterpriseValue": value,
        "evToSales": _over(value, income["revenue"]),
        "evToOperatingCashFlow": _over(value, flow["operatingCashFlow"]),
        "evToFreeCashFlow": _over(value, flow["freeCashFlow"]),
        "evToEBITDA": _over(value, income["ebitda"]),
        "netDebtToEBITDA": _over(sheet["netDebt"], income["ebitda"]),
        "currentRatio": _over(sheet["totalCurrentAssets"], sheet["totalCurrentLiabilities"]),
        "incomeQuality": _over(flow["operatingCashFlow"], income["netIncome"]),
        "grahamNumber": round(math.sqrt(max(0.0, graham)), DIGITS),
        "grahamNetNet": _over(liquid - sheet["totalLiabilities"], its.shares),
        "taxBurden": _over(income["netIncome"], income["incomeBeforeTax"]),
        "interestBurden": _over(income["incomeBeforeTax"], income["ebit"]),
        "workingCapital": sheet["totalCurrentAssets"] - sheet["totalCurrentLiabilities"],
        "investedCapital": sheet["netDebt"] + sheet["totalEquity"],
        "tangibleAssetValue": sheet["totalEquity"] - sheet["goodwillAndIntangibleAssets"],
        "netCurrentAssetValue": sheet["totalCurrentAssets"] - sheet["totalLiabilities"],
    }


def _returns(its: Books) -> Row:
    sheet, income, flow = its.balance, its.income, its.cash
    net, assets, goodwill = income["netIncome"], sheet["totalAssets"], sheet["goodwillAndIntangibleAssets"]
    after_tax = income["ebit"] * (1 - _over(income["incomeTaxExpense"], income["incomeBeforeTax"]))
    return {
        "returnOnAssets": _over(net, assets),
        "operatingReturnOnAssets": _over(income["operatingIncome"], assets),
        "returnOnTangibleAssets": _over(net, assets - goodwill),
        "returnOnEquity": _over(net, sheet["totalEquity"]),
        "returnOnInvestedCapital": _over(after_tax, sheet["netDebt"] + sheet["totalEquity"]),
        "returnOnCapitalEmployed": _over(income["ebit"], assets - sheet["totalCurrentLiabilities"]),
        "earningsYield": _over(net, its.market_cap),
        "freeCashFlowYield": _over(flow["freeCashFlow"], its.market_cap),
        "freeCashFlowToEquity": flow["freeCashFlow"] + flow["netDebtIssuance"],
        "freeCashFlowToFirm": round(after_tax + income["depreciationAndAmortization"] + flow["capitalExpenditure"]),
    }


def _spending(its: Books) -> Row:
    revenue, capex = its.income["revenue"], -its.cash["capitalExpenditure"]
    return {
        "capexToOperatingCashFlow": _over(capex, its.cash["operatingCashFlow"]),
        "capexToDepreciation": _over(capex, its.income["depreciationAndAmortization"]),
        "capexToRevenue": _over(capex, revenue),
        "salesGeneralAndAdministrativeToRevenue": _over(its.income["sellingGeneralAndAdministrativeExpenses"], revenue),
        "researchAndDevelopementToRevenue": _over(its.income["researchAndDevelopmentExpenses"], revenue),
        "stockBasedCompensationToRevenue": _over(its.cash["stockBasedCompensation"], revenue),
        "intangiblesToTotalAssets": _over(its.balance["goodwillAndIntangibleAssets"], its.balance["totalAssets"]),
    }


def _cycle(its: Books) -> Row:
    sheet, cost = its.balance, its.income["costOfRevenue"]
    sales = _over(its.days * sheet["netReceivables"], its.income["revenue"])
    stock = _over(its.days * sheet["inventory"], cost)
    owed = _over(its.days * sheet["accountPayables"], cost)
    return {
        "averageReceivables": sheet["netReceivables"],
        "averagePayables": sheet["accountPayables"],
        "averageInventory": sheet["inventory"],
        "daysOfSalesOutstanding": sales,
        "daysOfPayablesOutstanding": owed,
        "daysOfInventoryOutstanding": stock,
        "operatingCycle": round(sales + stock, DIGITS),
        "cashConversionCycle": round(sales + stock - owed, DIGITS),
    }


def rows(ask: Ask) -> Iterator[Row]:
    """Rows of `ratios` and `key-metrics`: the price is that at the period's end."""
    if ask.company is None:
        return iter(())
    return ask.paged((_row(ask, quarters) for quarters in statements.periods(ask)), statements.LIMIT_DEFAULT)


def _row(ask: Ask, quarters: range) -> Row:
    head = statements.head(ask.symbol, quarters)
    its = books(ask, quarters, ask.close(date.fromisoformat(head["date"])))
    kept = {name: head[name] for name in ("symbol", "date", "fiscalYear", "period", "reportedCurrency")}
    figures: Row = ratios(its) if ask.path == "ratios" else {"marketCap": its.market_cap} | metrics(its)
    return kept | figures


def trailing_rows(ask: Ask) -> Iterator[Row]:
    """The row of `ratios-ttm` and `key-metrics-ttm`: twelve months, and the price now."""
    if ask.company is None:
        return
    its = books(ask, statements.last_year(ask), ask.price())
    figures: dict[str, Any] = {"symbol": ask.symbol}
    if ask.path.startswith("key-metrics-ttm"):
        figures["marketCap"] = its.market_cap
        figures |= {f"{name}TTM": value for name, value in metrics(its).items()}
    else:
        named = ratios(its) | {"enterpriseValue": its.enterprise_value}
        del named["dividendYieldPercentage"]
        figures |= {f"{name}TTM": value for name, value in named.items()}
    yield figures
