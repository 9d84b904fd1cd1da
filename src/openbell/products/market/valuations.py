"""What a share is worth by the provider's discounted cash flow, beside its price."""

from __future__ import annotations

from pydantic import AliasChoices, Field

from openbell.engine.registry import Calls, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.fields import Day, InNewYork, Price, Record


class Valuation(Record):
    """An estimate of the provider's, by its own assumptions. It may be negative, and is no advice."""

    symbol: str
    date: Day
    dcf: float = Field(description="currency of the listing per share")
    price: Price = Field(validation_alias=AliasChoices("Stock Price", "stockPrice"))
    source_time: InNewYork = Field(validation_alias="date", description="the beginning of the estimate's day, in UTC")


@product(
    "valuations",
    key=Symbol,
    version=2,
    ttl=hours(24),
    stale=days(14),
    empty=hours(24),
    retry=minutes(10),
    keep=days(30),
    timeout=seconds(20),
    spends={"fmp": Calls(1, bytes=500)},
    licence="personal",
    source_time="source_time",
)
async def valuations(symbol: Symbol, ctx: Context) -> Valuation:
    """Ask for one symbol."""
    return Valuation.model_validate(await ctx.fmp.discounted_cash_flow(symbol))
