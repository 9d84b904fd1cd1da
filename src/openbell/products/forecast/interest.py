"""How much a page of the English Wikipedia is read, by day: five years of it, however little of it is shown."""

from __future__ import annotations

import statistics
from datetime import date, timedelta
from typing import Literal

from pydantic import BaseModel, Field

from openbell.engine.keys import Key
from openbell.engine.registry import Calls, days, hours, minutes, product, seconds
from openbell.products.context import Context

DAYS = 5 * 366 + 14
MOST_DAYS = 2_000
QUIET = 5.0  # median views a day below which a day without a row is a day without views


class Title(Key):
    """A title as Wikipedia writes it, underscores or blanks."""

    __slots__ = ()

    shape = "the title of a page, such as Amazon (company)"

    @classmethod
    def canonical(cls, text: str) -> str:
        """Single blanks; the first letter as it is, since titles are case-sensitive."""
        return " ".join(text.replace("_", " ").split())


class Interest(BaseModel):
    """Views by people per day from `first` on, None for a gap; the last is that of `last`."""

    title: str
    project: Literal["en.wikipedia"] = "en.wikipedia"
    first: date
    last: date
    views: list[int | None] = Field(min_length=1, max_length=MOST_DAYS)


@product(
    "interest",
    key=Title,
    version=1,
    ttl=hours(12),
    stale=days(7),
    empty=days(1),
    retry=minutes(2),
    keep=days(2),
    timeout=seconds(40),
    spends={"wikimedia": Calls(1, bytes=300_000)},
    licence="cc0",
    source_time=None,
)
async def interest(title: Title, ctx: Context) -> Interest:
    """Ask for five years of days up to yesterday; a missing day stays a gap, but for a page that is hardly read."""
    until = ctx.attempt.claim.now.date() - timedelta(days=1)
    rows = await ctx.pageviews.daily(title, until - timedelta(days=DAYS), until)
    seen = {row.day: row.views for row in rows}
    first, last = rows[0].day, rows[-1].day
    missing = 0 if statistics.median(seen.values()) < QUIET else None
    span = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return Interest(title=title, first=first, last=last, views=[seen.get(day, missing) for day in span])
