"""What a company has reported: income, balance sheet and cash flow of each quarter."""

from __future__ import annotations

from openbell.engine.registry import Calls, Series, days, hours, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.financial_statements import FinancialStatements, statements_of

QUARTERS = 40


@product(
    "quarterly-statements",
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
async def quarterly_statements(symbol: Symbol, ctx: Context) -> FinancialStatements:
    """Ask for the three statements of the last ten years' quarters; needs a paid plan."""
    return await statements_of(symbol, ctx, period="quarter", most=QUARTERS)
