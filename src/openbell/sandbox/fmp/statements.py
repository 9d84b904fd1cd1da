"""Invented statements that add up: income, balance sheet and cash flow of every calendar quarter.

A quarter is numbered year * 4 + 0..3. All is a pure function of symbol and quarter; fiscal years are calendar years.
The identities: assets = liabilities + equity; what the cash flow says is the difference of two balance sheets; years
and trailing twelve months are sums of four quarters. Figures are whole dollars.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from openbell.sandbox.companies import COMPANIES, INVENTED
from openbell.sandbox.fmp.ask import Ask, chance
from openbell.sandbox.fmp.rows import Row

BASE_QUARTER = 2012 * 4 + 1
QUARTERS_BACK_MAX = 60  # before BASE_QUARTER growth stands still, as it does 160 quarters after it
QUARTERS_ON_MAX = 160
LIMIT_DEFAULT = 5
# Roughly what the companies sold in a quarter of 2012.
_REVENUE = {"AAPL": 35e9, "FB": 1.15e9, "GOOG": 12e9, "IBM": 25e9, "MSFT": 18e9}


@dataclass(frozen=True, slots=True)
class Traits:
    """What a company is like. Shares of revenue, but for `revenue` (dollars in BASE_QUARTER) and `growth` (a year)."""

    revenue: float
    growth: float
    season: Sequence[float]
    cost: float
    research: float
    selling: float
    general: float
    tax: float
    debt: float
    payout: float


@lru_cache(maxsize=1_024)
def traits(symbol: str) -> Traits:
    """The company's nature."""
    rng = chance("traits", symbol)
    swing = rng.uniform(0.02, 0.15)
    company, invented = COMPANIES[symbol], INVENTED.get(symbol)
    base = invented.base if invented else symbol
    per_share = _REVENUE[base] / COMPANIES[base].shares * (invented.scale if invented else 1)
    return Traits(
        revenue=per_share * company.shares,
        growth=rng.uniform(0.02, 0.12),
        season=(1 - swing / 2, 1 - swing / 4, 1.0, 1 + swing * 3 / 4),
        cost=rng.uniform(0.35, 0.6),
        research=rng.uniform(0.02, 0.09),
        selling=rng.uniform(0.04, 0.09),
        general=rng.uniform(0.03, 0.06),
        tax=rng.uniform(0.18, 0.28),
        debt=rng.uniform(0.3, 1.2),
        payout=rng.uniform(0.2, 0.4) if company.last_dividend or invented else 0.0,
    )


def level(symbol: str, quarter: int) -> float:
    """Revenue without season and chance, in dollars."""
    steps = max(-QUARTERS_BACK_MAX, min(quarter - BASE_QUARTER, QUARTERS_ON_MAX))
    return float(traits(symbol).revenue * (1 + traits(symbol).growth) ** (steps / 4))


@lru_cache(maxsize=16_384)
def quarter_income(symbol: str, quarter: int) -> Row:
    """The lines of a quarter's income statement that add up over quarters."""
    nature, rng = traits(symbol), chance("income", symbol, quarter)
    revenue = round(level(symbol, quarter) * nature.season[quarter % 4] * rng.uniform(0.97, 1.03))
    cost = round(revenue * nature.cost * rng.uniform(0.98, 1.02))
    research, selling, general = (round(revenue * share) for share in (nature.research, nature.selling, nature.general))
    operating = revenue - cost - research - selling - general
    interest_in = round(level(symbol, quarter) * 0.01)
    interest_out = round(level(symbol, quarter) * nature.debt * 0.0125)
    before_tax = operating + interest_in - interest_out
    tax = round(before_tax * nature.tax)
    depreciation = round(level(symbol, quarter) * 0.04)
    net = before_tax - tax
    return {
        "revenue": revenue,
        "costOfRevenue": cost,
        "grossProfit": revenue - cost,
        "researchAndDevelopmentExpenses": research,
        "generalAndAdministrativeExpenses": general,
        "sellingAndMarketingExpenses": selling,
        "sellingGeneralAndAdministrativeExpenses": selling + general,
        "otherExpenses": 0,
        "operatingExpenses": research + selling + general,
        "costAndExpenses": cost + research + selling + general,
        "netInterestIncome": interest_in - interest_out,
        "interestIncome": interest_in,
        "interestExpense": interest_out,
        "depreciationAndAmortization": depreciation,
        "ebitda": before_tax + interest_out + depreciation,
        "ebit": before_tax + interest_out,
        "nonOperatingIncomeExcludingInterest": 0,
        "operatingIncome": operating,
        "totalOtherIncomeExpensesNet": interest_in - interest_out,
        "incomeBeforeTax": before_tax,
        "incomeTaxExpense": tax,
        "netIncomeFromContinuingOperations": net,
        "netIncomeFromDiscontinuedOperations": 0,
        "otherAdjustmentsToNetIncome": 0,
        "netIncome": net,
        "netIncomeDeductions": 0,
        "bottomLineNetIncome": net,
    }


@lru_cache(maxsize=16_384)
def balance(symbol: str, quarter: int) -> Row:
    """The balance sheet at the end of a quarter."""
    nature, income, size = traits(symbol), quarter_income(symbol, quarter), level(symbol, quarter)
    lines = dict.fromkeys(_BALANCE_ZEROS, 0)
    lines |= {name: round(size * share) for name, share in _BALANCE_SHARES.items()}
    lines["accountsReceivables"] = lines["netReceivables"] = round(income["revenue"] * 0.5)
    lines["inventory"] = round(income["costOfRevenue"] * 0.2)
    lines["accountPayables"] = lines["totalPayables"] = round(income["costOfRevenue"] * 0.4)
    lines["longTermDebt"] = round(size * nature.debt)
    lines["shortTermDebt"] = lines["longTermDebt"] // 5
    lines["goodwill"] = round(traits(symbol).revenue * 0.3)

    def total(name: str, *parts: str) -> None:
        lines[name] = sum(lines[part] for part in parts)

    total("cashAndShortTermInvestments", "cashAndCashEquivalents", "shortTermInvestments")
    total("totalInvestments", "shortTermInvestments", "longTermInvestments")
    total("totalCurrentAssets", "cashAndShortTermInvestments", "netReceivables", "inventory", "otherCurrentAssets")
    total("goodwillAndIntangibleAssets", "goodwill", "intangibleAssets")
    total("totalNonCurrentAssets", "propertyPlantEquipmentNet", "goodwillAndIntangibleAssets", "longTermInvestments")
    total("totalAssets", "totalCurrentAssets", "totalNonCurrentAssets")
    total("totalCurrentLiabilities", "totalPayables", "shortTermDebt", "deferredRevenue")
    total("totalNonCurrentLiabilities", "longTermDebt")
    total("totalLiabilities", "totalCurrentLiabilities", "totalNonCurrentLiabilities")
    equity = lines["totalAssets"] - lines["totalLiabilities"]
    lines["totalStockholdersEquity"] = lines["totalEquity"] = equity
    lines["retainedEarnings"] = equity - lines["commonStock"]
    total("totalLiabilitiesAndTotalEquity", "totalLiabilities", "totalEquity")
    total("totalDebt", "shortTermDebt", "longTermDebt")
    lines["netDebt"] = lines["totalDebt"] - lines["cashAndCashEquivalents"]
    return lines


_BALANCE_SHARES = {
    "cashAndCashEquivalents": 1.2,
    "shortTermInvestments": 0.8,
    "longTermInvestments": 1.5,
    "propertyPlantEquipmentNet": 1.0,
    "deferredRevenue": 0.2,
    "commonStock": 0.4,
}
_BALANCE_ZEROS = (
    "otherReceivables",
    "prepaids",
    "otherCurrentAssets",
    "intangibleAssets",
    "taxAssets",
    "otherNonCurrentAssets",
    "otherAssets",
    "otherPayables",
    "accruedExpenses",
    "capitalLeaseObligationsCurrent",
    "taxPayables",
    "otherCurrentLiabilities",
    "deferredRevenueNonCurrent",
    "deferredTaxLiabilitiesNonCurrent",
    "otherNonCurrentLiabilities",
    "otherLiabilities",
    "capitalLeaseObligations",
    "capitalLeaseObligationsNonCurrent",
    "treasuryStock",
    "preferredStock",
    "additionalPaidInCapital",
    "accumulatedOtherComprehensiveIncomeLoss",
    "otherTotalStockholdersEquity",
    "minorityInterest",
)


@lru_cache(maxsize=16_384)
def quarter_cash(symbol: str, quarter: int) -> Row:
    """The lines of a quarter's cash flow that add up over quarters. Stock bought back closes the circle."""
    income, now, before = quarter_income(symbol, quarter), balance(symbol, quarter), balance(symbol, quarter - 1)

    def grew(name: str) -> int:
        return int(now[name] - before[name])

    awards = round(income["revenue"] * 0.02)
    working = grew("accountPayables") + grew("deferredRevenue") - grew("netReceivables") - grew("inventory")
    operating = income["netIncome"] + income["depreciationAndAmortization"] + awards + working
    plant = -grew("propertyPlantEquipmentNet") - income["depreciationAndAmortization"]
    investing = plant - grew("totalInvestments")
    dividends = -round(income["netIncome"] * traits(symbol).payout)
    change = grew("cashAndCashEquivalents")
    financing = change - operating - investing
    stock = financing - grew("totalDebt") - dividends
    lines = dict.fromkeys(_CASH_ZEROS, 0)
    return lines | {
        "netIncome": income["netIncome"],
        "depreciationAndAmortization": income["depreciationAndAmortization"],
        "stockBasedCompensation": awards,
        "changeInWorkingCapital": working,
        "accountsReceivables": -grew("netReceivables"),
        "inventory": -grew("inventory"),
        "accountsPayables": grew("accountPayables"),
        "otherWorkingCapital": grew("deferredRevenue"),
        "netCashProvidedByOperatingActivities": operating,
        "operatingCashFlow": operating,
        "investmentsInPropertyPlantAndEquipment": plant,
        "capitalExpenditure": plant,
        "purchasesOfInvestments": -grew("totalInvestments"),
        "netCashProvidedByInvestingActivities": investing,
        "netDebtIssuance": grew("totalDebt"),
        "longTermNetDebtIssuance": grew("longTermDebt"),
        "shortTermNetDebtIssuance": grew("shortTermDebt"),
        "netStockIssuance": stock,
        "netCommonStockIssuance": stock,
        "commonStockIssuance": max(stock, 0),
        "commonStockRepurchased": min(stock, 0),
        "netDividendsPaid": dividends,
        "commonDividendsPaid": dividends,
        "netCashProvidedByFinancingActivities": financing,
        "netChangeInCash": change,
        "freeCashFlow": operating + plant,
        "incomeTaxesPaid": income["incomeTaxExpense"],
        "interestPaid": income["interestExpense"],
    }


_CASH_ZEROS = (
    "deferredIncomeTax",
    "otherNonCashItems",
    "acquisitionsNet",
    "salesMaturitiesOfInvestments",
    "otherInvestingActivities",
    "netPreferredStockIssuance",
    "preferredDividendsPaid",
    "otherFinancingActivities",
    "effectOfForexChangesOnCash",
)


def income(symbol: str, quarters: Sequence[int]) -> Row:
    """The income statement of some quarters together."""
    shares = COMPANIES[symbol].shares
    diluted = shares + shares // 100
    lines = _summed([quarter_income(symbol, quarter) for quarter in quarters])
    return lines | {
        "eps": round(lines["netIncome"] / shares, 2),
        "epsDiluted": round(lines["netIncome"] / diluted, 2),
        "weightedAverageShsOut": shares,
        "weightedAverageShsOutDil": diluted,
    }


def cash(symbol: str, quarters: Sequence[int]) -> Row:
    """The cash flow of some quarters together; `quarters` in order of time."""
    return _summed([quarter_cash(symbol, quarter) for quarter in quarters]) | {
        "cashAtEndOfPeriod": balance(symbol, quarters[-1])["cashAndCashEquivalents"],
        "cashAtBeginningOfPeriod": balance(symbol, quarters[0] - 1)["cashAndCashEquivalents"],
    }


def _summed(rows: Sequence[Row]) -> Row:
    return {name: sum(row[name] for row in rows) for name in rows[0]}


def quarter_end(quarter: int) -> date:
    """The last day of a quarter."""
    year, part = divmod(quarter, 4)
    return date(year + part // 3, (part + 1) * 3 % 12 + 1, 1) - timedelta(days=1)


def announced(symbol: str, quarter: int) -> date:
    """The day on which the results come out, Tuesday to Thursday: 17 to 42 days after the quarter's end.

    Invented companies take up to 82 days, so that there are results in every week of the year.
    """
    spread = 62 if COMPANIES[symbol].invented else 22
    day = quarter_end(quarter) + timedelta(days=20 + chance("announced", symbol, quarter).randrange(spread))
    return day - timedelta(days=day.weekday() - 1) if day.weekday() not in (1, 2, 3) else day


def latest(symbol: str, day: date) -> int:
    """The last quarter whose results are out by a day."""
    quarter = day.year * 4 + (day.month - 1) // 3
    while announced(symbol, quarter) > day:
        quarter -= 1
    return quarter


def periods(ask: Ask) -> Iterator[range]:
    """The quarters of each period asked for, newest first, as far back as the plan sees."""
    newest, oldest = latest(ask.symbol, ask.today), ask.reach.year * 4 + (ask.reach.month - 1) // 3
    if ask.period == "annual":
        for year in range((newest + 1) // 4 - 1, oldest // 4 - 1, -1):
            yield range(year * 4, year * 4 + 4)
        return
    for quarter in range(newest, oldest - 1, -1):
        if ask.period in ("quarter", f"Q{quarter % 4 + 1}"):
            yield range(quarter, quarter + 1)


def last_year(ask: Ask) -> range:
    """The last four quarters whose results are out."""
    newest = latest(ask.symbol, ask.today)
    return range(newest - 3, newest + 1)


def cik_of(symbol: str) -> str:
    """The company's number at the SEC; public clients insist on one, so invented companies have an invented one."""
    return COMPANIES[symbol].cik or f"99999{symbol[-3:]:0>5}"


def head(symbol: str, quarters: range) -> Row:
    """What every statement begins with."""
    company, last = COMPANIES[symbol], quarters[-1]
    filed = announced(symbol, last) + timedelta(days=1)
    return {
        "date": quarter_end(last).isoformat(),
        "symbol": symbol,
        "reportedCurrency": company.currency,
        "cik": cik_of(symbol),
        "filingDate": filed.isoformat(),
        "acceptedDate": f"{filed} 16:31:00",
        "fiscalYear": str(last // 4),
        "period": "FY" if len(quarters) == 4 and last % 4 == 3 else f"Q{last % 4 + 1}",
    }


def make(path: str, symbol: str, quarters: range) -> Row:
    """The row of one of the three statements for some quarters together."""
    lines = balance(symbol, quarters[-1]) if path == "balance-sheet-statement" else _FLOWS[path](symbol, quarters)
    return head(symbol, quarters) | lines


_FLOWS = {"income-statement": income, "cash-flow-statement": cash}


def rows(ask: Ask) -> Iterator[Row]:
    """Rows of `income-statement`, `balance-sheet-statement` and `cash-flow-statement`."""
    if ask.company is None:
        return iter(())
    made = (make(ask.path, ask.symbol, quarters) for quarters in periods(ask))
    return ask.paged(made, LIMIT_DEFAULT)


def trailing_rows(ask: Ask) -> Iterator[Row]:
    """Rows of the same with -ttm: twelve months each, beginning with the latest quarter, going back by quarters."""
    if ask.company is None:
        return iter(())
    newest, oldest = last_year(ask)[-1], ask.reach.year * 4 + 3
    path = ask.path.removesuffix("-ttm")
    made = (_trailing(path, ask.symbol, range(last - 3, last + 1)) for last in range(newest, oldest, -1))
    return ask.paged(made, LIMIT_DEFAULT)


def _trailing(path: str, symbol: str, quarters: range) -> Row:
    return make(path, symbol, quarters) | {"period": f"Q{quarters[-1] % 4 + 1}"}
