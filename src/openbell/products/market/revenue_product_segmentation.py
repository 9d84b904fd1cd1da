"""What a company sells: its revenue by product."""

from __future__ import annotations

from pydantic import BaseModel, Field

from openbell.engine.registry import Calls, Series, days, hours, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.fields import Day, Money, Record, Text, records


class Segments(Record):
    """One period: revenue by segment in whole units of ``currency``; what is set off between segments is negative."""

    date: Day
    period: Text
    fiscal_year: int | None = Field(ge=1900, le=2200)
    currency: Text = Field(validation_alias="reportedCurrency")
    segments: dict[str, Money] = Field(validation_alias="data", max_length=200)


class RevenueProductSegmentation(BaseModel):
    """The years, oldest first. Companies rename and regroup their segments: names of two years need not match."""

    symbol: str
    rows: list[Segments] = Field(min_length=1)


@product(
    "revenue-product-segmentation",
    key=Symbol,
    version=1,
    ttl=days(365),
    stale=days(730),
    empty=days(30),
    retry=hours(1),
    keep=days(90),
    timeout=seconds(30),
    spends={"fmp": Calls(1, bytes=135_000)},
    licence="personal",
    series=Series("rows", ("date", "period")),
)
async def revenue_product_segmentation(symbol: Symbol, ctx: Context) -> RevenueProductSegmentation:
    """Ask for the years of one symbol."""
    rows = await ctx.fmp.revenue_by_product(symbol)
    return RevenueProductSegmentation(symbol=symbol, rows=records(Segments, rows, "date", "period"))
