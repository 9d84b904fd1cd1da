"""The current quote of a symbol."""

from __future__ import annotations

from pydantic import Field

from openbell.engine.registry import Calls, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.exchanges import calendar_of
from openbell.products.market.fields import Instant, Record


class Quote(Record):
    """A quote. Prices are per share in the currency of the listing (see the profile), changes to the last close."""

    symbol: str
    name: str | None = None
    price: float = Field(ge=0)
    change: float | None = None
    change_percent: float | None = Field(None, validation_alias="changePercentage")
    previous_close: float | None = Field(None, ge=0)
    open: float | None = Field(None, ge=0)
    day_low: float | None = Field(None, ge=0)
    day_high: float | None = Field(None, ge=0)
    year_low: float | None = Field(None, ge=0)
    year_high: float | None = Field(None, ge=0)
    volume: float | None = Field(None, ge=0)
    market_cap: float | None = Field(None, ge=0)
    exchange: str | None = None
    calendar: str | None = Field(None, description="the calendar of the exchange's sessions, where its hours are known")
    source_time: Instant = Field(validation_alias="timestamp")


@product(
    "quote",
    key=Symbol,
    version=1,
    ttl=minutes(1),
    stale=days(7),
    empty=hours(24),
    retry=minutes(1),
    keep=days(2),
    timeout=seconds(20),
    spends={"fmp": Calls(1, bytes=2_000)},
    licence="personal",
    source_time="source_time",
    calendar="calendar",
)
async def quote(symbol: Symbol, ctx: Context) -> Quote:
    """Ask for one symbol."""
    value = Quote.model_validate(await ctx.fmp.quote(symbol))
    return value.model_copy(update={"calendar": calendar_of(value.exchange)})
