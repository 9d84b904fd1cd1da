"""Prices of a symbol within the last days, for charts."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, Field, NaiveDatetime, model_validator

from openbell.engine.errors import NothingKnown
from openbell.engine.registry import Calls, Series, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.exchanges import calendar_of_symbol
from openbell.products.market.fields import LocalTime, Price, Record, Shares

SESSIONS = 5
MOST_CALLS = 4
MOST_ROWS = SESSIONS * 24 * 12

ZONES = {
    "XNYS": "America/New_York", "XTSE": "America/Toronto", "XMEX": "America/Mexico_City", "BVMF": "America/Sao_Paulo",
    "XBUE": "America/Argentina/Buenos_Aires", "XSGO": "America/Santiago", "XBOG": "America/Bogota",
    "XLON": "Europe/London", "XDUB": "Europe/Dublin", "XETR": "Europe/Berlin", "XFRA": "Europe/Berlin",
    "XSTU": "Europe/Berlin", "XHAM": "Europe/Berlin", "XDUS": "Europe/Berlin", "XPAR": "Europe/Paris",
    "XAMS": "Europe/Amsterdam", "XBRU": "Europe/Brussels", "XLIS": "Europe/Lisbon", "XMIL": "Europe/Rome",
    "XMAD": "Europe/Madrid", "XSWX": "Europe/Zurich", "XWBO": "Europe/Vienna", "XSTO": "Europe/Stockholm",
    "XCSE": "Europe/Copenhagen", "XHEL": "Europe/Helsinki", "XOSL": "Europe/Oslo", "XWAR": "Europe/Warsaw",
    "XJSE": "Africa/Johannesburg", "XTKS": "Asia/Tokyo", "XHKG": "Asia/Hong_Kong", "XSHG": "Asia/Shanghai",
    "XKRX": "Asia/Seoul", "XTAI": "Asia/Taipei", "XBOM": "Asia/Kolkata", "XSES": "Asia/Singapore",
    "XASX": "Australia/Sydney", "XNZE": "Pacific/Auckland",
}  # fmt: skip
"""The zone in which an exchange trades, by its calendar."""


class IntradayBar(NamedTuple):
    """Five minutes from ``time`` on, in the time of the exchange; prices per share, volume in shares."""

    time: NaiveDatetime
    open: Annotated[float, Field(ge=0)]
    high: Annotated[float, Field(ge=0)]
    low: Annotated[float, Field(ge=0)]
    close: Annotated[float, Field(ge=0)]
    volume: Annotated[float, Field(ge=0)]


class IntradayRow(Record):
    """One row of the provider; a bar without a close has not traded."""

    date: LocalTime
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
    def bar(self) -> IntradayBar | None:
        """The bar, when every figure of it is there; nothing is filled in."""
        figures = [self.open, self.high, self.low, self.close, self.volume]
        if any(figure is None for figure in figures):
            return None
        return IntradayBar(self.date, *(figure for figure in figures if figure is not None))


class IntradayPrices(BaseModel):
    """The bars of the latest five sessions, oldest first, in the currency of the listing (see the profile).

    About half of the newest bars are revised within minutes: the same time with other figures is a new value.
    """

    symbol: str
    interval: Literal["5min"] = "5min"
    unit: Literal["per share"] = "per share"
    adjusted: Literal["splits"] = "splits"
    zone: str | None = Field(description="the zone of the times, where the exchange is one that we know")
    calendar: str | None = Field(description="the calendar of the exchange's sessions, where its hours are known")
    rows: list[IntradayBar] = Field(min_length=1, max_length=MOST_ROWS)


@product(
    "intraday-prices",
    key=Symbol,
    version=1,
    ttl=minutes(5),
    stale=days(7),
    empty=hours(24),
    retry=minutes(5),
    keep=days(2),
    timeout=seconds(60),
    spends={"fmp": Calls(1, bytes=150_000)},
    licence="personal",
    max_bytes=300_000,
    calendar="calendar",
    series=Series("rows", ("time",)),
)
async def intraday_prices(symbol: Symbol, ctx: Context) -> IntradayPrices:
    """Ask for the latest bars of one symbol; what the provider sends beyond five sessions is not kept."""
    bars: dict[datetime, IntradayBar] = {}
    for row in await _latest(symbol, ctx):
        if (bar := row.bar) is not None:
            bars.setdefault(bar.time, bar)
    sessions = [list(of_day) for _, of_day in groupby(sorted(bars.values()), key=lambda bar: bar.time.date())]
    calendar = calendar_of_symbol(symbol)
    return IntradayPrices(
        symbol=symbol,
        zone=ZONES.get(calendar or ""),
        calendar=calendar,
        rows=[bar for of_day in sessions[-SESSIONS:] for bar in of_day],
    )


async def _latest(symbol: Symbol, ctx: Context) -> list[IntradayRow]:
    """The rows, newest first; where the list ended at the provider's cap, further calls bring the days before."""
    answer = await ctx.fmp.intraday(symbol, "5min")
    found = [IntradayRow.model_validate(row) for row in answer]
    for _ in range(1, MOST_CALLS):
        if not answer.cut or len({row.date.date() for row in found}) > SESSIONS:
            break
        try:
            answer = await ctx.fmp.intraday(symbol, "5min", until=min(row.date for row in found).date())
        except NothingKnown:
            break
        found += [IntradayRow.model_validate(row) for row in answer]
    return found
