"""What a company has reported: income, balance sheet and cash flow of each quarter."""

from __future__ import annotations

from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.financial_statements import FinancialStatements, statements, statements_of

QUARTERS = 40


@statements("quarterly-statements")
async def quarterly_statements(symbol: Symbol, ctx: Context) -> FinancialStatements:
    """Ask for the three statements of the last ten years' quarters; needs a paid plan."""
    return await statements_of(symbol, ctx, period="quarter", most=QUARTERS)
