"""Where else a company is listed."""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, BaseModel, Field

from openbell.engine.errors import Permanent
from openbell.engine.registry import Calls, Series, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.fields import Price, Record, Shares, Text, records


class Variant(Record):
    """One listing. Its price and market value are in its own ``currency`` (`GBp` is pence)."""

    symbol: str = Field(min_length=1, max_length=30)
    name: Text = Field(validation_alias="companyName")
    exchange: Text = Field(validation_alias=AliasChoices("exchangeShortName", "exchange"), description="short")
    exchange_name: Text = Field(None, validation_alias=AliasChoices("exchangeFullName", "exchange"))
    currency: Text
    price: Price = None
    market_cap: Annotated[float | None, Field(ge=0)] = Field(
        None, validation_alias=AliasChoices("mktCap", "marketCap"), description="whole units of the currency"
    )
    average_volume: Shares = Field(None, validation_alias=AliasChoices("volAvg", "averageVolume"))
    is_active: bool | None = Field(None, validation_alias="isActivelyTrading")
    isin: Text = None
    cik: Text = None


class ExchangeVariants(BaseModel):
    """The listings by symbol and exchange, the one that was asked for among them."""

    symbol: str
    rows: list[Variant] = Field(min_length=1)


@product(
    "exchange-variants",
    key=Symbol,
    version=1,
    ttl=hours(24),
    stale=days(30),
    empty=hours(24),
    retry=minutes(10),
    keep=days(30),
    timeout=seconds(20),
    spends={"fmp": Calls(1, bytes=80_000)},
    licence="personal",
    series=Series("rows", ("symbol", "exchange")),
)
async def exchange_variants(symbol: Symbol, ctx: Context) -> ExchangeVariants:
    """Ask for one symbol.

    A listing that has expired is simply no longer in the answer: the key is as fresh as its last check (MD-15). Raises
    :class:`Permanent` `wrong_symbol` when a listing is of another company than the one asked for.
    """
    rows = records(Variant, await ctx.fmp.exchange_variants(symbol), "symbol", "exchange")
    own = {row.cik for row in rows if row.symbol == symbol and row.cik}
    for row in rows:
        if own and row.cik and row.cik not in own:
            raise Permanent(f"FMP gives {row.symbol} of another company as a listing of {symbol}", code="wrong_symbol")
    return ExchangeVariants(symbol=symbol, rows=rows)
