"""The page of one symbol: price, chart, profile, and the parts that open. A GET asks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote as url_quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from openbell.engine.artifacts import read_many
from openbell.engine.database import Db
from openbell.products.digest.render import safe_url, short_day
from openbell.web import licence, sections, views, watchlist
from openbell.web.api import database, registry
from openbell.web.assets import has_charts
from openbell.web.backend import SQL
from openbell.web.errors import Malformed
from openbell.web.market_line import market_line
from openbell.web.pages import keys_of, page, stream_address
from openbell.web.protection import safe

router = APIRouter(dependencies=[safe("everybody")], include_in_schema=False)
MOST_FILINGS = 12


@router.get("/symbol/{symbol}")
async def symbol_page(request: Request, symbol: str) -> Response:
    """Price, chart and profile of one symbol, and what is open below."""
    canonical = registry(request).get("quote").parse_key(symbol)
    if canonical != symbol:
        return RedirectResponse(f"/symbol/{url_quote(canonical)}", 308)
    layout = sections.layout_of(registry(request))
    opened = sections.chosen(request.query_params.get("open"), layout)
    keys = keys_of([symbol], [*sections.ALWAYS, "intraday-prices", *sections.products_of(opened, layout)])
    async with database(request).use() as db:
        readings = await read_many(db, keys)
        filings = await list_filings(db, symbol)
    quote, daily, about, intraday, *rest = await licence.visible(request, readings)
    aside = views.aside_of([daily, about])
    known = quote.state != "empty" or quote.version > 0
    chosen = chosen_range(request)
    return page(
        request,
        "symbol.html",
        200 if known else 404,
        known=known,
        symbol=symbol,
        head=views.row(quote, aside),
        about=views.profile(about),
        daily=views.prices(daily, aside, views.daily_range(chosen)),
        intraday=views.intraday(intraday, aside, chosen),
        chosen=chosen,
        ranges=views.RANGE_NAMES,
        range_days=views.RANGES,
        range_sessions=views.SESSIONS,
        parts=sections.draw(layout, opened, lambda _: symbol, rest, aside, registry(request)) if known else [],
        opened=opened,
        filings=filings,
        charts=has_charts(),
        listed=symbol in watchlist.decode(request.cookies.get(watchlist.COOKIE)),
        market=market_line([quote]),
        stream=stream_address(keys_of([symbol], sections.ALWAYS), "card"),
    )


async def list_filings(db: Db, symbol: str) -> list[dict[str, Any]]:
    """What is stored of filings, as digests have found them; looking asks nobody."""
    return [
        dict(row) | {"filed": short_day(row["filed"]), "address": safe_url(row["address"])}
        for row in await db.fetch(SQL.get("list_filings"), symbol, MOST_FILINGS)
    ]


@router.get("/symbol/{symbol}/prices")
async def prices_page(request: Request, symbol: str) -> Response:
    """The figures of the chart as a table."""
    canonical = registry(request).get("eod-prices").parse_key(symbol)
    chosen = chosen_range(request)
    async with database(request).use() as db:
        products = ["intraday-prices" if chosen in views.SESSIONS else "eod-prices", "profile"]
        found = await read_many(db, keys_of([canonical], products))
    prices, about = await licence.visible(request, found)
    aside = views.aside_of([about])
    draw: Any = views.intraday if chosen in views.SESSIONS else views.prices
    return page(
        request,
        "prices.html",
        symbol=canonical,
        daily=draw(prices, aside, chosen, rows=True),
        what="prices of five minutes" if chosen in views.SESSIONS else "daily prices",
        ranges=views.RANGE_NAMES,
    )


def chosen_range(request: Request) -> str:
    """The range in the address. Raises Malformed."""
    chosen = request.query_params.get("range", views.DEFAULT_RANGE)
    if chosen not in views.RANGE_NAMES:
        choices: Sequence[str] = list(views.RANGE_NAMES)
        raise Malformed(
            f"{chosen[:20]!r} is no range.", code="malformed_range", todo=f"Choose one of {', '.join(choices)}."
        )
    return chosen
