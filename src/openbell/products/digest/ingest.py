"""Everything that a ticker's feeds show now, and the articles of a window that stand for its digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from openbell.products.context import Context
from openbell.products.digest.database import SQL
from openbell.products.digest.editions import Parts
from openbell.products.digest.feeds import PAUSE, FeedRow, look
from openbell.products.digest.inputs import Category, Direction
from openbell.products.digest.together import together

AT_ONCE = 6
LATER = PAUSE + timedelta(minutes=1)
"""When a feed that has failed for the first time may be looked at again, and a little more."""
MOST_CANDIDATES = 120
"""Of one category and subject; the newest."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An article that stands for selection. ``told`` is the day of an earlier digest that has used it."""

    id: int
    address: str
    google_id: str | None
    title: str
    title_key: str
    publisher: str
    domain: str | None
    summary: str
    published_at: datetime | None
    spam: str | None
    category: Category
    direction: Direction | None
    subject: str
    told: str | None
    synthetic: str | None


async def ingest(ctx: Context, ticker: str) -> tuple[int, int]:
    """Look at every feed of a ticker, side by side; how many there are, and how many of them failed.

    Where most of them fail, the news itself is away and not some feed: then they are looked at once more, later, so
    that an outage of minutes makes no quiet day.
    """
    count, failed = await look_at_all(ctx, ticker)
    if failed * 2 > count:
        await ctx.attempt.sleep("most feeds are away", LATER)
        count, failed = await look_at_all(ctx, ticker, " again")
    return count, failed


async def look_at_all(ctx: Context, ticker: str, time: str = "") -> tuple[int, int]:
    """Look once at every feed of a ticker, side by side; how many there are, and how many of them failed."""
    rows = [FeedRow(**row) for row in await ctx.attempt.pool.fetch(SQL.get("list_ticker_feeds"), ticker)]
    looks: Sequence[dict[str, Any]] = await together(
        (ctx.attempt.step(f"feed {row.id}{time}", partial(look, ctx, row)) for row in rows), at_once=AT_ONCE
    )
    return len(rows), sum(one["state"] == "failed" for one in looks)


async def standing(ctx: Context, parts: Parts, begins: datetime, ends: datetime) -> list[Standing]:
    """The articles of a window that the ticker's feeds have shown, newest first, each under one category."""
    rows = await ctx.attempt.pool.fetch(
        SQL.get("list_standing"), parts.ticker, begins, ends, MOST_CANDIDATES, parts.edition, parts.day
    )
    return [Standing(**row) for row in rows]
