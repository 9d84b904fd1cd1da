"""Which companies report in a week, what is expected of them, and what they have said."""

from __future__ import annotations

from pydantic import BaseModel, Field

from openbell.engine.registry import Calls, Series, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Week
from openbell.products.market.fields import Day, Money, PerShare
from openbell.products.market.weeks import Entry, market_week


class Announcement(Entry):
    """One company on one day, in the currency in which it reports; what is not out yet is None, never 0."""

    eps_actual: PerShare
    eps_estimated: PerShare
    revenue_actual: Money
    revenue_estimated: Money
    last_updated: Day | None = None


class EarningsCalendar(BaseModel):
    """A week by day and symbol; ``complete`` unless the provider ended the list at its cap."""

    week: str
    rows: list[Announcement] = Field(min_length=1)
    complete: bool
    left_out: int = Field(ge=0, description="rows of the provider that were out of shape")


@product(
    "earnings-calendar",
    key=Week,
    version=1,
    ttl=hours(6),
    stale=days(14),
    empty=hours(24),
    retry=minutes(30),
    keep=days(14),
    timeout=seconds(180),
    spends={"fmp": Calls(2, bytes=200_000)},
    licence="personal",
    max_bytes=2_000_000,
    series=Series("rows", ("date", "symbol")),
)
async def earnings_calendar(week: Week, ctx: Context) -> EarningsCalendar:
    """Ask for the whole market; the provider has no calendar of one company."""
    rows, complete, left_out = await market_week(ctx, week, ctx.fmp.earnings_calendar, Announcement)
    return EarningsCalendar(week=week, rows=rows, complete=complete, left_out=left_out)
