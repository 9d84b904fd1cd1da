"""Whose shares are traded without a dividend from which day of a week on."""

from __future__ import annotations

from pydantic import Field

from openbell.engine.registry import hours
from openbell.products.context import Context
from openbell.products.keys import Week
from openbell.products.market.fields import Day, Dividend, Percent, Text
from openbell.products.market.weeks import Entry, MarketWeek, market_calendar, market_week


class DividendDay(Entry):
    """One dividend, in the currency of the listing per share; ``date`` is the first day without it."""

    dividend: Dividend = Field(description="as it is paid")
    adjusted: Dividend = Field(validation_alias="adjDividend", description="in today's shares, after all splits")
    record_date: Day | None
    payment_date: Day | None
    declaration_date: Day | None
    dividend_yield: Percent = Field(None, validation_alias="yield")
    frequency: Text = None


class DividendsCalendar(MarketWeek[DividendDay]):
    """A week by day and symbol; ``complete`` unless the provider ended the list at its cap."""


@market_calendar("dividends-calendar", ttl=hours(24))
async def dividends_calendar(week: Week, ctx: Context) -> DividendsCalendar:
    """Ask for the whole market; the provider has no calendar of one company."""
    rows, complete, left_out = await market_week(ctx, week, ctx.fmp.dividends_calendar, DividendDay)
    return DividendsCalendar(week=week, rows=rows, complete=complete, left_out=left_out)
