"""Daily prices of a symbol, for charts."""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple

from pydantic import BaseModel, Field

from openbell.engine.registry import Calls, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol

MOST_ROWS = 1_260
"""About five years of sessions."""


class Bar(NamedTuple):
    """One session: prices per share, volume in shares."""

    day: date
    open: float
    high: float
    low: float
    close: float
    volume: float


class EodPrices(BaseModel):
    """The latest sessions, oldest first, in the currency of the listing (see the profile)."""

    symbol: str
    unit: Literal["per share"] = "per share"
    adjusted: Literal["splits"] = "splits"
    rows: list[Bar] = Field(min_length=1, max_length=MOST_ROWS)


@product(
    "eod-prices",
    key=Symbol,
    version=1,
    ttl=hours(12),
    stale=days(30),
    empty=hours(24),
    retry=minutes(10),
    keep=days(1),
    timeout=seconds(30),
    spends={"fmp": Calls(1, bytes=600_000)},
    licence="personal",
    max_bytes=500_000,
)
async def eod_prices(symbol: Symbol, ctx: Context) -> EodPrices:
    """Ask for one symbol; the answer is newest first, and a session without a price in it is left out, not filled."""
    rows = await ctx.fmp.end_of_day(symbol)
    bars = {
        row["date"]: [row["date"], *(row[name] for name in Bar._fields[1:])]
        for row in rows
        if row.get("close") is not None
    }
    return EodPrices.model_validate({"symbol": symbol, "rows": [bars[day] for day in sorted(bars)][-MOST_ROWS:]})
