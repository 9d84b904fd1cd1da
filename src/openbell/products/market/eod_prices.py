"""Daily prices of a symbol, for charts."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, Field, model_validator

from openbell.engine.errors import NothingKnown
from openbell.engine.registry import Calls, Series, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.fields import Day, Price, Record, Shares

MOST_ROWS = 1_260
"""About five years of sessions."""

MOST_CALLS = 6
"""Where the provider ends a list at 250 rows, so many lists hold them all."""

Amount = Annotated[float, Field(ge=0)]


class Bar(NamedTuple):
    """One session: prices per share, volume in shares."""

    day: date
    open: Amount
    high: Amount
    low: Amount
    close: Amount
    volume: Amount


class DailyRow(Record):
    """One row of the provider; a session without a close has not traded."""

    date: Day
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Shares

    @model_validator(mode="after")
    def _within_range(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"the low of {self.date} is above its high")
        return self

    @property
    def bar(self) -> Bar | None:
        """The session, when every figure of it is there; nothing is filled in."""
        figures = (self.open, self.high, self.low, self.close, self.volume)
        if any(figure is None for figure in figures):
            return None
        return Bar(self.date, *(figure for figure in figures if figure is not None))


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
    timeout=seconds(60),
    spends={"fmp": Calls(1, bytes=600_000)},
    licence="personal",
    max_bytes=500_000,
    series=Series("rows", ("day",)),
)
async def eod_prices(symbol: Symbol, ctx: Context) -> EodPrices:
    """Ask for one symbol; the answer is newest first, and a session with a figure missing is left out, not filled."""
    bars = {bar.day: bar for row in await _history(symbol, ctx) if (bar := row.bar) is not None}
    return EodPrices(symbol=symbol, rows=[bars[day] for day in sorted(bars)][-MOST_ROWS:])


async def _history(symbol: Symbol, ctx: Context) -> list[DailyRow]:
    """The rows; where the provider ended the list at its cap, further calls bring what lies before."""
    answer = await ctx.fmp.end_of_day(symbol)
    found = [DailyRow.model_validate(row) for row in answer]
    for _ in range(1, MOST_CALLS):
        if not answer.cut or len(found) >= MOST_ROWS:
            break
        try:
            answer = await ctx.fmp.end_of_day(symbol, until=min(row.date for row in found) - timedelta(days=1))
        except NothingKnown:
            break
        found += [DailyRow.model_validate(row) for row in answer]
    return found
