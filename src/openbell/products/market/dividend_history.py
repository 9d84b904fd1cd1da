"""The dividends of a company, paid and declared."""

from __future__ import annotations

from pydantic import BaseModel, Field

from openbell.engine.registry import Calls, Series, days, hours, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.fields import Day, Dividend, Percent, Record, Text, records

MOST_ROWS = 300
"""More than the provider ever gives, so that a list that ends at its cap shows."""


class DividendRow(Record):
    """One dividend. ``date`` is the first day on which a share is traded without it."""

    date: Day
    record_date: Day | None
    payment_date: Day | None
    declaration_date: Day | None
    dividend: Dividend = Field(description="as it was paid")
    adjusted: Dividend = Field(validation_alias="adjDividend", description="in today's shares, after all splits")
    dividend_yield: Percent = Field(None, validation_alias="yield")
    frequency: Text = None


class DividendHistory(BaseModel):
    """The dividends, oldest first; ``complete`` unless the provider ended the list at its cap."""

    symbol: str
    rows: list[DividendRow] = Field(min_length=1)
    complete: bool


@product(
    "dividend-history",
    key=Symbol,
    version=1,
    ttl=days(90),
    stale=days(365),
    empty=days(30),
    retry=hours(1),
    keep=days(90),
    timeout=seconds(30),
    spends={"fmp": Calls(1, bytes=85_000)},
    licence="personal",
    series=Series("rows", ("date",)),
)
async def dividend_history(symbol: Symbol, ctx: Context) -> DividendHistory:
    """Ask for one symbol. A company that pays none is known for that: nothing available."""
    rows = await ctx.fmp.dividends(symbol, limit=MOST_ROWS)
    return DividendHistory(
        symbol=symbol,
        rows=records(DividendRow, rows, "date"),
        complete=not rows.cut,
    )
