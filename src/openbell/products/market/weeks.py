"""How the calendars of the whole market are read: all pages of a week, day by day where that is not enough."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import date, timedelta
from functools import partial
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel, Field, ValidationError

from openbell.engine.errors import NothingKnown
from openbell.engine.registry import Calls, Series, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Week
from openbell.products.market.fields import Day, Record, in_order, says_something, step
from openbell.providers.fmp import Rows, every_page

MOST_PAGES = 12
"""Of one week: 3,000 rows, about twice what the busiest week of earnings has."""

MOST_REFUSED = 0.05
"""Of the rows: some among thousands of companies may be out of shape; more than that is another format."""


class _Calendar(Protocol):
    """An endpoint of the provider for all companies in some days."""

    def __call__(self, since: date, until: date, *, page: int) -> Awaitable[Rows]: ...


async def whole_week(ctx: Context, week: Week, ask: _Calendar) -> Rows:
    """All rows of a week, each call a step. ``cut`` when even single days end at the provider's cap.

    Raises :class:`NothingKnown` for a week without a row.
    """
    since, until = week.days
    rows = await _between(ctx, ask, since, until)
    if rows.cut:
        found = Rows()
        for number in range((until - since).days + 1):
            day = since + timedelta(days=number)
            of_day = await _between(ctx, ask, day, day)
            found += of_day
            found.cut = found.cut or of_day.cut
        rows = found
    if not rows:
        raise NothingKnown(f"FMP has nothing for {week}")
    return rows


async def _between(ctx: Context, ask: _Calendar, since: date, until: date) -> Rows:
    async def page(number: int) -> Rows:
        return await step(ctx, f"{since} {until} {number}", partial(ask, since, until, page=number))

    return await every_page(page, most=MOST_PAGES)


class Entry(Record):
    """A row of a calendar: one company on one day."""

    symbol: str = Field(min_length=1, max_length=30)
    date: Day


E = TypeVar("E", bound=Entry)


class MarketWeek(BaseModel, Generic[E]):
    """A week by day and symbol; ``complete`` unless the provider ended the list at its cap."""

    week: str
    rows: list[E] = Field(min_length=1)
    complete: bool
    left_out: int = Field(ge=0, description="rows of the provider that were out of shape")


market_calendar = partial(
    product,
    key=Week,
    version=1,
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
"""Declares a calendar of the whole market; what is left to say is its name and how long it is fresh."""


async def market_week(ctx: Context, week: Week, ask: _Calendar, model: type[E]) -> tuple[list[E], bool, int]:
    """The rows of a week by day and symbol, whether these are all, and how many were left out as out of shape.

    One broken company must not hide the others; when more than a twentieth are broken the answer is refused with the
    first fault. Rows of other days than those asked for are not of this week and left alone.
    """
    rows = await whole_week(ctx, week, ask)
    since, until = week.days
    found: list[E] = []
    faults: list[ValidationError] = []
    for row in rows:
        try:
            found.append(model.model_validate(row))
        except ValidationError as fault:
            faults.append(fault)
    if len(faults) > MOST_REFUSED * len(rows):
        raise faults[0]
    kept = (row for row in found if since <= row.date <= until and says_something(row, besides=("symbol", "date")))
    return in_order(kept, "date", "symbol"), not rows.cut, len(faults)
