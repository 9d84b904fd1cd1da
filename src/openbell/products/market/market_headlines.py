"""The latest headlines about the economy and the markets."""

from __future__ import annotations

from pydantic import BaseModel, Field

from openbell.products.context import Context
from openbell.products.keys import Global
from openbell.products.market.headlines import MOST_ROWS, Headline, headlines, newest


class MarketHeadlines(BaseModel):
    """Articles about no company in particular, oldest first."""

    rows: list[Headline] = Field(min_length=1, max_length=MOST_ROWS)


@headlines("market-headlines", key=Global)
async def market_headlines(_: Global, ctx: Context) -> MarketHeadlines:
    """Ask for the newest."""
    return MarketHeadlines(rows=newest(await ctx.fmp.latest_general_news(limit=MOST_ROWS)))
