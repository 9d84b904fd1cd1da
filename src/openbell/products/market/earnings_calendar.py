"""Which companies report in a week, what is expected of them, and what they have said."""

from __future__ import annotations

from openbell.engine.registry import hours
from openbell.products.context import Context
from openbell.products.keys import Week
from openbell.products.market.fields import Day, Money, PerShare
from openbell.products.market.weeks import Entry, MarketWeek, market_calendar, market_week


class Announcement(Entry):
    """One company on one day, in the currency in which it reports; what is not out yet is None, never 0."""

    eps_actual: PerShare
    eps_estimated: PerShare
    revenue_actual: Money
    revenue_estimated: Money
    last_updated: Day | None = None


class EarningsCalendar(MarketWeek[Announcement]):
    """A week by day and symbol; ``complete`` unless the provider ended the list at its cap."""


@market_calendar("earnings-calendar", ttl=hours(6))
async def earnings_calendar(week: Week, ctx: Context) -> EarningsCalendar:
    """Ask for the whole market; the provider has no calendar of one company."""
    rows, complete, left_out = await market_week(ctx, week, ctx.fmp.earnings_calendar, Announcement)
    return EarningsCalendar(week=week, rows=rows, complete=complete, left_out=left_out)
