"""The latest headlines about the economy and the markets."""

from __future__ import annotations

from pydantic import BaseModel, Field

from openbell.engine.registry import Calls, days, hours, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Global
from openbell.products.market.headlines import MOST_ROWS, Headline, newest


class MarketHeadlines(BaseModel):
    """Articles about no company in particular, oldest first."""

    rows: list[Headline] = Field(min_length=1, max_length=MOST_ROWS)


@product(
    "market-headlines",
    key=Global,
    version=1,
    ttl=minutes(15),
    stale=days(7),
    empty=hours(6),
    retry=minutes(5),
    keep=days(2),
    timeout=seconds(20),
    spends={"fmp": Calls(1, bytes=40_000)},
    licence="personal",
)
async def market_headlines(_: Global, ctx: Context) -> MarketHeadlines:
    """Ask for the newest."""
    return MarketHeadlines(rows=newest(await ctx.fmp.latest_general_news(limit=MOST_ROWS)))
