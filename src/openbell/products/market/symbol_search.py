"""Which symbols match what somebody types."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from pydantic import BaseModel, Field

from openbell.engine.errors import NothingKnown
from openbell.engine.registry import Calls, days, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.keys import Query


class Match(BaseModel):
    """One listing."""

    symbol: str
    name: str | None = None
    exchange: str | None = None
    currency: str | None = None


class SymbolSearch(BaseModel):
    """The listings whose symbol or name matches, symbols first."""

    query: str
    matches: list[Match] = Field(min_length=1, max_length=20)


@product(
    "symbol-search",
    key=Query,
    version=1,
    ttl=days(7),
    stale=days(90),
    empty=days(1),
    retry=minutes(1),
    keep=days(1),
    timeout=seconds(40),
    spends={"fmp": Calls(2, bytes=4_000)},
    licence="personal",
)
async def symbol_search(query: Query, ctx: Context) -> SymbolSearch:
    """Ask for symbols that begin with the query, then for names; a listing that both find is shown once.

    Each search is a step: when the second must wait, the first is not paid for again.
    """
    found: list[dict[str, Any]] = []
    for name, search in (("symbol", ctx.fmp.search), ("name", ctx.fmp.search_name)):
        found += await ctx.attempt.step(name, partial(_rows, search, query))
    listings = {row["symbol"]: Match.model_validate(row) for row in reversed(found)}
    if not listings:
        raise NothingKnown(f"no listing matches {query!r}")
    return SymbolSearch(query=query, matches=list(reversed(listings.values()))[:20])


async def _rows(search: Callable[[str], Awaitable[list[dict[str, Any]]]], query: str) -> list[dict[str, Any]]:
    try:
        return await search(query)
    except NothingKnown:
        return []
