"""What the United States pay for borrowed money, by day and term."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from openbell.engine.registry import Calls, Series, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Global
from openbell.products.market.fields import Day, Record, records
from openbell.providers.fmp import local_time

Yield = Annotated[float | None, Field(ge=-10, le=100, description="per cent a year: 4.5 is 4.5 %")]


class TreasuryDay(Record):
    """The yields of one day, by term; a term that was not issued then is None."""

    date: Day
    month_1: Yield
    month_2: Yield = None
    month_3: Yield
    month_6: Yield
    year_1: Yield
    year_2: Yield
    year_3: Yield
    year_5: Yield
    year_7: Yield
    year_10: Yield
    year_20: Yield
    year_30: Yield


class TreasuryRates(BaseModel):
    """The days of the last three months, oldest first; a day without a figure is left out."""

    rows: list[TreasuryDay] = Field(min_length=1)
    source_time: datetime = Field(description="the beginning of the newest day in New York, in UTC")


@product(
    "treasury-rates",
    key=Global,
    version=2,
    ttl=hours(24),
    stale=days(30),
    empty=hours(24),
    retry=minutes(30),
    keep=days(30),
    timeout=seconds(20),
    spends={"fmp": Calls(1, bytes=10_000)},
    licence="personal",
    source_time="source_time",
    series=Series("rows", ("date",)),
)
async def treasury_rates(_: Global, ctx: Context) -> TreasuryRates:
    """Ask for the latest days."""
    rows = records(TreasuryDay, await ctx.fmp.treasury_rates(), "date")
    newest = local_time(f"{rows[-1].date} 00:00:00") if rows else None
    return TreasuryRates.model_validate({"rows": rows, "source_time": newest})
