"""How many analysts recommended what, month by month."""

from __future__ import annotations

from pydantic import BaseModel, Field

from openbell.engine.registry import Calls, Series, days, hours, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.fields import Count, Day, Record, records

MOST_ROWS = 300
"""More than the provider ever gives, so that a list that ends at its cap shows."""


class GradesRow(Record):
    """How many analysts recommended what on one day."""

    date: Day
    strong_buy: Count = Field(validation_alias="analystRatingsStrongBuy")
    buy: Count = Field(validation_alias="analystRatingsBuy")
    hold: Count = Field(validation_alias="analystRatingsHold")
    sell: Count = Field(validation_alias="analystRatingsSell")
    strong_sell: Count = Field(validation_alias="analystRatingsStrongSell")


class GradesHistorical(BaseModel):
    """The months, oldest first; ``complete`` unless the provider ended the list at its cap."""

    symbol: str
    rows: list[GradesRow] = Field(min_length=1)
    complete: bool


@product(
    "grades-historical",
    key=Symbol,
    version=1,
    ttl=days(30),
    stale=days(180),
    empty=days(7),
    retry=hours(1),
    keep=days(90),
    timeout=seconds(20),
    spends={"fmp": Calls(1, bytes=30_000)},
    licence="personal",
    series=Series("rows", ("date",)),
)
async def grades_historical(symbol: Symbol, ctx: Context) -> GradesHistorical:
    """Ask for one symbol."""
    rows = await ctx.fmp.grades_historical(symbol, limit=MOST_ROWS)
    return GradesHistorical(symbol=symbol, rows=records(GradesRow, rows, "date"), complete=not rows.cut)
