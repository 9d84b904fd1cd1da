"""Which symbols match what somebody types."""

from __future__ import annotations

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
    timeout=seconds(20),
    spends={"fmp": Calls(2, bytes=4_000)},
    licence="personal",
)
async def symbol_search(query: Query, ctx: Context) -> SymbolSearch:
    """Ask for symbols that begin with the query, then for names; a listing that both find is shown once."""
    rows: dict[str, Match] = {}
    for search in (ctx.fmp.search, ctx.fmp.search_name):
        try:
            for row in await search(query):
                rows.setdefault(row["symbol"], Match.model_validate(row))
        except NothingKnown:
            continue
    if not rows:
        raise NothingKnown(f"no listing matches {query!r}")
    return SymbolSearch(query=query, matches=list(rows.values())[:20])
