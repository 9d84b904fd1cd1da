"""Ratios of a company over the trailing twelve months, at the current price."""

from __future__ import annotations

from pydantic import AliasGenerator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from openbell.engine.registry import Calls, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.fields import Figures, Money, PerShare, Quotient, Ratio


def _trailing(name: str) -> str:
    return f"{to_camel(name)}TTM"


class RatiosTtm(Figures):
    """Ratios as plain numbers: a margin of 0.25 is 25 %. Figures per share are in the currency of the statements."""

    model_config = ConfigDict(alias_generator=AliasGenerator(validation_alias=_trailing))

    symbol: str = Field(validation_alias="symbol")
    gross_profit_margin: Ratio
    ebit_margin: Ratio = None
    ebitda_margin: Ratio = None
    operating_profit_margin: Ratio
    pretax_profit_margin: Ratio = None
    net_profit_margin: Ratio
    effective_tax_rate: Ratio = None
    receivables_turnover: Quotient = None
    payables_turnover: Quotient = None
    inventory_turnover: Quotient = None
    fixed_asset_turnover: Quotient = None
    asset_turnover: Quotient = None
    current_ratio: Quotient
    quick_ratio: Quotient = None
    cash_ratio: Quotient = None
    solvency_ratio: Quotient = None
    price_to_earnings_ratio: Quotient
    price_to_earnings_diluted_ratio: Quotient = None
    price_to_earnings_growth_ratio: Quotient = None
    forward_price_to_earnings_growth_ratio: Quotient = None
    price_to_book_ratio: Quotient
    price_to_sales_ratio: Quotient
    price_to_free_cash_flow_ratio: Quotient = None
    price_to_operating_cash_flow_ratio: Quotient = None
    price_to_fair_value: Quotient = None
    enterprise_value_multiple: Quotient = None
    enterprise_value: Money = None
    debt_to_assets_ratio: Ratio = None
    debt_to_equity_ratio: Ratio
    debt_to_capital_ratio: Ratio = None
    long_term_debt_to_capital_ratio: Ratio = None
    financial_leverage_ratio: Quotient = None
    debt_to_market_cap: Ratio = None
    interest_coverage_ratio: Quotient = None
    debt_service_coverage_ratio: Quotient = None
    operating_cash_flow_ratio: Quotient = None
    operating_cash_flow_sales_ratio: Ratio = None
    operating_cash_flow_coverage_ratio: Quotient = None
    free_cash_flow_operating_cash_flow_ratio: Ratio = None
    capital_expenditure_coverage_ratio: Quotient = None
    dividend_yield: Ratio = Field(description="a plain ratio: 0.02 is 2 %; 0 where no dividend is paid")
    dividend_payout_ratio: Ratio = None
    dividend_per_share: PerShare = None
    revenue_per_share: PerShare = None
    net_income_per_share: PerShare = None
    book_value_per_share: PerShare = None
    tangible_book_value_per_share: PerShare = None
    cash_per_share: PerShare = None
    operating_cash_flow_per_share: PerShare = None
    free_cash_flow_per_share: PerShare = None


@product(
    "ratios-ttm",
    key=Symbol,
    version=1,
    ttl=hours(24),
    stale=days(30),
    empty=hours(24),
    retry=minutes(10),
    keep=days(30),
    timeout=seconds(20),
    spends={"fmp": Calls(1, bytes=50_000)},
    licence="personal",
)
async def ratios_ttm(symbol: Symbol, ctx: Context) -> RatiosTtm:
    """Ask for one symbol."""
    return RatiosTtm.model_validate(await ctx.fmp.ratios_ttm(symbol))
