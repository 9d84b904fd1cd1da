"""What a company has reported: income, balance sheet and cash flow of each year."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field

from openbell.engine.errors import NothingKnown, Permanent
from openbell.engine.registry import Calls, Series, days, hours, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.fields import Day, Money, NewYorkTime, PerShare, Record, Shares, Text, in_order, step
from openbell.providers.fmp import Row, Rows

T = TypeVar("T", date, datetime)

MOST_PERIODS = 40
YEARS = 30


class Head(Record):
    """What each of the three statements of a period begins with."""

    date: Day
    period: str
    fiscal_year: int | None = Field(ge=1900, le=2200)
    reported_currency: Text
    filing_date: Day | None
    accepted_date: NewYorkTime
    cik: Text = None


class Income(Record):
    """An income statement, in the currency of the period."""

    revenue: Money
    cost_of_revenue: Money
    gross_profit: Money
    research_and_development_expenses: Money = None
    selling_general_and_administrative_expenses: Money = None
    operating_expenses: Money = None
    depreciation_and_amortization: Money = None
    operating_income: Money
    interest_income: Money = None
    interest_expense: Money = None
    ebitda: Money
    ebit: Money = None
    income_before_tax: Money
    income_tax_expense: Money = None
    net_income: Money
    eps: PerShare
    eps_diluted: PerShare
    shares: Shares = Field(validation_alias="weightedAverageShsOut", description="weighted average over the period")
    shares_diluted: Shares = Field(validation_alias="weightedAverageShsOutDil")


class Balance(Record):
    """A balance sheet at the end of the period, in its currency."""

    cash_and_cash_equivalents: Money
    short_term_investments: Money = None
    cash_and_short_term_investments: Money = None
    net_receivables: Money = None
    inventory: Money = None
    total_current_assets: Money
    property_plant_equipment_net: Money = None
    goodwill: Money = None
    intangible_assets: Money = None
    goodwill_and_intangible_assets: Money = None
    long_term_investments: Money = None
    total_non_current_assets: Money = None
    total_assets: Money
    account_payables: Money = None
    deferred_revenue: Money = None
    short_term_debt: Money = None
    total_current_liabilities: Money
    long_term_debt: Money = None
    total_non_current_liabilities: Money = None
    total_liabilities: Money
    retained_earnings: Money = None
    minority_interest: Money = None
    total_stockholders_equity: Money
    total_equity: Money
    total_investments: Money = None
    total_debt: Money
    net_debt: Money = None


class CashFlow(Record):
    """A cash flow statement, in the currency of the period; what goes out is negative."""

    net_income: Money
    depreciation_and_amortization: Money = None
    stock_based_compensation: Money = None
    change_in_working_capital: Money = None
    operating_cash_flow: Money
    capital_expenditure: Money
    acquisitions_net: Money = None
    purchases_of_investments: Money = None
    net_cash_provided_by_investing_activities: Money = None
    net_debt_issuance: Money = None
    common_stock_issuance: Money = None
    common_stock_repurchased: Money = None
    net_dividends_paid: Money = None
    net_cash_provided_by_financing_activities: Money = None
    net_change_in_cash: Money = None
    cash_at_end_of_period: Money = None
    free_cash_flow: Money


class Period(BaseModel):
    """One period: the last day of it, when it was filed, and its statements, None where the provider has none."""

    date: Day
    period: str = Field(description="FY, or Q1 to Q4")
    fiscal_year: int | None
    currency: Text
    filed: Day | None
    accepted: datetime | None = Field(description="when the SEC took it, in UTC")
    income: Income | None = None
    balance: Balance | None = None
    cash_flow: CashFlow | None = None


class FinancialStatements(BaseModel):
    """The periods, oldest first. ``complete`` unless the provider or the plan ends the list before its end."""

    symbol: str
    cik: Text
    periods: list[Period] = Field(min_length=1, max_length=MOST_PERIODS)
    complete: bool
    source_time: datetime | None = Field(description="when the newest of them was accepted")


statements = partial(
    product,
    key=Symbol,
    version=1,
    ttl=days(30),
    stale=days(365),
    empty=days(7),
    retry=hours(1),
    keep=days(90),
    timeout=seconds(60),
    spends={"fmp": Calls(3, bytes=600_000)},
    licence="personal",
    source_time="source_time",
    series=Series("periods", ("date", "period")),
)
"""Declares the statements of every so many months; what is left to say is the name."""


@statements("financial-statements")
async def financial_statements(symbol: Symbol, ctx: Context) -> FinancialStatements:
    """Ask for the three statements of every year; each call is a step, so that none is paid for twice."""
    return await statements_of(symbol, ctx, period="annual", most=YEARS)


async def statements_of(
    symbol: Symbol, ctx: Context, *, period: Literal["annual", "quarter"], most: int
) -> FinancialStatements:
    """The latest ``most`` periods. Raises :class:`Permanent` `wrong_currency` where two statements do not agree."""
    fmp = ctx.fmp
    asked = {"income": fmp.income_statement, "balance": fmp.balance_sheet, "cash_flow": fmp.cash_flow}
    found = {
        name: await step(ctx, name, partial(ask, symbol, period=period, limit=most)) for name, ask in asked.items()
    }
    if not any(found.values()):
        raise NothingKnown(f"FMP has no statements of {symbol}")
    periods = in_order(_periods(found), "date", "period")
    ciks = [cik for rows in found.values() for row in rows if (cik := Head.model_validate(row).cik)]
    return FinancialStatements(
        symbol=symbol,
        cik=ciks[0] if ciks else None,
        periods=periods[-MOST_PERIODS:],
        complete=not any(rows.cut for rows in found.values()),
        source_time=_latest(one.accepted for one in periods),
    )


_PARTS: Mapping[str, type[Record]] = {"income": Income, "balance": Balance, "cash_flow": CashFlow}


def _periods(found: Mapping[str, Rows]) -> Iterable[Period]:
    parts: dict[tuple[date, str], list[tuple[str, Head, Row]]] = {}
    for name, rows in found.items():
        for row in rows:
            head = Head.model_validate(row)
            parts.setdefault((head.date, head.period), []).append((name, head, row))
    for (day, period), said in parts.items():
        heads = [head for _, head, _ in said]
        currencies = {head.reported_currency for head in heads if head.reported_currency}
        if len(currencies) > 1:
            raise Permanent(f"the statements of {day} are in {' and '.join(sorted(currencies))}", code="wrong_currency")
        statements: dict[str, Any] = {}
        for name, _, row in said:
            statements.setdefault(name, _PARTS[name].model_validate(row))
        yield Period(
            date=day,
            period=period,
            fiscal_year=next((head.fiscal_year for head in heads if head.fiscal_year), None),
            currency=next(iter(currencies), None),
            filed=_latest(head.filing_date for head in heads),
            accepted=_latest(head.accepted_date for head in heads),
            **statements,
        )


def _latest(times: Iterable[T | None]) -> T | None:
    known = [time for time in times if time is not None]
    return max(known) if known else None
