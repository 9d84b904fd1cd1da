"""How much insiders of a company have bought and sold, quarter by quarter."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field, model_validator

from openbell.engine.registry import Calls, Series, days, hours, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.fields import Count, Ratio, Record, Shares, records


class InsiderQuarter(Record):
    """One calendar quarter. Purchases and sales are those in the open market, among all transactions."""

    year: int = Field(ge=1900, le=2200)
    quarter: int = Field(ge=1, le=4)
    acquired_transactions: Count
    disposed_transactions: Count
    acquired_disposed_ratio: Ratio = Field(description="acquired for each disposed transaction, not shares")
    total_acquired: Shares
    total_disposed: Shares
    average_acquired: Shares = Field(description="shares of one transaction")
    average_disposed: Shares = Field(description="shares of one transaction")
    total_purchases: Count
    total_sales: Count

    @model_validator(mode="after")
    def _nothing_of_nothing(self) -> Self:
        """The provider writes 0 for the average of no transactions, and for a ratio to none."""
        if self.acquired_transactions == 0:
            self.average_acquired = None
        if self.disposed_transactions == 0:
            self.average_disposed = self.acquired_disposed_ratio = None
        return self


class InsiderTradingStatistics(BaseModel):
    """The quarters, oldest first; ``complete`` unless the provider ended the list at its cap."""

    symbol: str
    rows: list[InsiderQuarter] = Field(min_length=1)
    complete: bool


@product(
    "insider-trading-statistics",
    key=Symbol,
    version=1,
    ttl=days(7),
    stale=days(60),
    empty=days(7),
    retry=hours(1),
    keep=days(60),
    timeout=seconds(20),
    spends={"fmp": Calls(1, bytes=15_000)},
    licence="personal",
    series=Series("rows", ("year", "quarter")),
)
async def insider_trading_statistics(symbol: Symbol, ctx: Context) -> InsiderTradingStatistics:
    """Ask for one symbol."""
    rows = await ctx.fmp.insider_statistics(symbol)
    quarters = records(InsiderQuarter, rows, "year", "quarter")
    return InsiderTradingStatistics(symbol=symbol, rows=quarters, complete=not rows.cut)
