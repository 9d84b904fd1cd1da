"""The latest headlines about one company."""

from __future__ import annotations

from pydantic import BaseModel, Field

from openbell.products.context import Context
from openbell.products.keys import Symbol
from openbell.products.market.headlines import MOST_ROWS, Headline, headlines, newest


class StockHeadlines(BaseModel):
    """Articles that the provider files under the symbol, oldest first: not all of them are about the company alone."""

    symbol: str
    rows: list[Headline] = Field(min_length=1, max_length=MOST_ROWS)


@headlines("stock-headlines", key=Symbol)
async def stock_headlines(symbol: Symbol, ctx: Context) -> StockHeadlines:
    """Ask by the symbol itself and not for a word, so that ``ALL`` or ``NET`` brings the company's news only."""
    return StockHeadlines(symbol=symbol, rows=newest(await ctx.fmp.stock_news([symbol], limit=MOST_ROWS)))
