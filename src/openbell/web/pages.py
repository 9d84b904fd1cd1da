"""Pages for people: drawn by the server, usable without JavaScript; the script only keeps them live.

A GET shows what is known and creates nothing: the open stream, or a form, is what asks for more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote as url_quote
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Message

from openbell.engine.artifacts import Reading, read, read_many
from openbell.engine.errors import InvalidKey
from openbell.telemetry.tally import swallowed
from openbell.web import fragments, licence, sections, views, watchlist
from openbell.web.api import database, registry
from openbell.web.backend import SQL, Watch
from openbell.web.errors import DatabaseUnavailable
from openbell.web.market_line import market_line
from openbell.web.marks import mark
from openbell.web.protection import safe
from openbell.web.stream import Hub, Subscriber

router = APIRouter(dependencies=[safe("everybody")], include_in_schema=False)

ROW_PRODUCTS = ("quote", "eod-prices", "profile")
SEARCH = "symbol-search"
COOKIE_AGE_S = 365 * 86_400
ASK_S = 30.0  # demand of a form: as long as a lease, since nobody holds a stream open
SUGGEST_S, SUGGEST_WAIT_S = 5.0, 1.0
BAD_SYMBOL = (
    "That is no symbol: up to 15 letters, digits, dots and dashes, such as BRK-B. Search finds the symbol of a company."
)
BAD_GROUP = "That is no name of a group: up to 24 letters, digits, blanks and the signs & . , \u2019 and dash."
ACTIONS = ("reset", "ungroup", "group", "remove", "up", "down", "add")


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Draw a page. Pages belong to one browser and one moment, so nobody keeps them."""
    operator = request.scope.get("state", {}).get("operator", "")
    defaults = {"instance": request.app.state.config.instance, "stream": "", "market": "", "operator": operator}
    html = fragments.environment().get_template(template).render(defaults | values)
    return HTMLResponse(html, status, {"Cache-Control": "no-store"})


def stream_address(keys: Sequence[Watch], form: str) -> str:
    """Where the script of the page listens."""
    watches = [("watch", f"{product}:{key}") for product, key in keys]
    return "/api/v1/stream?" + urlencode([("as", form), *watches], safe=":")


def keys_of(symbols: Sequence[str], products: Sequence[str]) -> list[Watch]:
    """Every product of every symbol."""
    return [(product, symbol) for symbol in symbols for product in products]


@router.get("/")
async def home(request: Request) -> Response:
    """The watchlist of this browser."""
    return await show_watchlist(request, watchlist.decode(request.cookies.get(watchlist.COOKIE)))


async def show_watchlist(request: Request, entries: list[str], *, status: int = 200, notice: str = "") -> HTMLResponse:
    """Draw the watchlist, with a sentence above it when something was refused."""
    readings: list[Reading] = []
    asides: dict[str, views.Aside] = {}
    symbols = watchlist.symbols_of(entries)
    async with database(request).use() as db:
        if symbols:
            readings = await licence.visible(request, await read_many(db, keys_of(symbols, ["quote"])))
            rows = await db.fetch(SQL.get("read_asides"), [one.key for one in readings if not licence.is_withheld(one)])
            asides = {row["symbol"]: views.Aside(tuple(row["closes"]), row["currency"]) for row in rows}
    lines = {reading.key: views.row(reading, asides.get(reading.key, views.NO_ASIDE)) for reading in readings}
    groups = watchlist.groups_of(entries)
    return page(
        request,
        "watchlist.html",
        status,
        groups=[(name, [lines[symbol] for symbol in own]) for name, own in groups],
        names=[name for name, _ in groups if name],
        editing="edit" in request.query_params,
        notice=notice,
        first_visit=watchlist.FIRST_VISIT,
        market=market_line(readings),
        stream=stream_address(keys_of(symbols, ROW_PRODUCTS), "row") if symbols else "",
    )


@router.get("/watchlist")
async def watchlist_address() -> Response:
    """The address that a refused change leaves in the bar: the list itself is at the root."""
    return RedirectResponse("/", 303)


@router.post("/watchlist")
async def change_watchlist(request: Request) -> Response:
    """Add, remove or move one symbol; the answer sets the cookie and shows the list."""
    entries = watchlist.decode(request.cookies.get(watchlist.COOKIE))
    form = await request.form()
    action, text = next(((n, str(form[n])) for n in ACTIONS if form.get(n)), ("", ""))
    if action == "reset":
        return keep(request, list(watchlist.FIRST_VISIT))
    if action in ("group", "ungroup"):
        return await change_group(request, entries, action, text)
    try:
        symbol = registry(request).get("quote").parse_key(text)
    except InvalidKey:
        return await show_watchlist(request, entries, status=400, notice=BAD_SYMBOL)
    if action == "add" and symbol not in entries and len(watchlist.symbols_of(entries)) >= watchlist.SYMBOLS_MAX:
        full = f"A list holds {watchlist.SYMBOLS_MAX} symbols. Remove one first."
        return await show_watchlist(request, entries, status=400, notice=full)
    changed = {
        "add": watchlist.add(entries, symbol, str(form.get("into") or "")),
        "remove": watchlist.remove(entries, symbol),
        "up": watchlist.move(entries, symbol, -1),
        "down": watchlist.move(entries, symbol, +1),
    }
    if action == "add":
        await ask(request, keys_of([symbol], ROW_PRODUCTS))
    return keep(request, changed[action])


async def change_group(request: Request, entries: list[str], action: str, name: str) -> Response:
    """Begin a group at the end of the list, or take its heading away."""
    heading = watchlist.heading(name)
    if not heading:
        return await show_watchlist(request, entries, status=400, notice=BAD_GROUP)
    if action == "ungroup":
        return keep(request, watchlist.remove(entries, heading))
    if heading not in entries and sum(map(watchlist.is_heading, entries)) >= watchlist.GROUPS_MAX:
        full = f"A list holds {watchlist.GROUPS_MAX} groups. Remove one first."
        return await show_watchlist(request, entries, status=400, notice=full)
    return keep(request, watchlist.add(entries, heading))


def keep(request: Request, entries: list[str]) -> RedirectResponse:
    """Store the list and go back to it; the edit mode stays on."""
    response = RedirectResponse("/?edit=1" if "edit" in request.query_params else "/", 303)
    response.set_cookie(
        watchlist.COOKIE,
        watchlist.encode(entries),
        max_age=COOKIE_AGE_S,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


async def ask(request: Request, keys: Sequence[Watch], seconds: float = ASK_S) -> None:
    """Demand by a form. The change itself must not fail because the database is away."""
    try:
        await database(request).want(keys, source="page", seconds=seconds)
    except DatabaseUnavailable as error:
        swallowed("page.want", error)
        return


@router.post("/refresh")
async def refresh(request: Request) -> Response:
    """For browsers without JavaScript: fetch what is stale on the page, give it a moment, and show the page again."""
    form = await request.form()
    symbol = str(form.get("symbol") or "")
    if symbol:
        symbol = registry(request).get("quote").parse_key(symbol)
        layout = sections.layout_of(registry(request))
        opened = sections.chosen(str(form["open"]) if "open" in form else None, layout)
        keys = keys_of([symbol], [*sections.ALWAYS, *sections.products_of(opened, layout)])
        back = f"/symbol/{url_quote(symbol)}" + (
            "" if opened == sections.OPEN_AT_FIRST else f"?open={','.join(opened)}"
        )
    else:
        keys, back = (
            keys_of(watchlist.symbols_of(watchlist.decode(request.cookies.get(watchlist.COOKIE))), ROW_PRODUCTS),
            "/",
        )
    await ask(request, keys)
    await settled(request, keys, SUGGEST_WAIT_S)
    return RedirectResponse(back, 303)


@router.post("/search")
async def start_search(request: Request) -> Response:
    """Look a text up, then show what was found under an address that can be kept."""
    text = str((await request.form()).get("q") or "").strip()
    if not text:
        return RedirectResponse("/search", 303)
    key = registry(request).get(SEARCH).parse_key(text)
    await ask(request, [(SEARCH, key)])
    await settled(request, [(SEARCH, key)], SUGGEST_WAIT_S)
    return RedirectResponse(f"/search?{urlencode({'q': key})}", 303)


@router.get("/search")
async def search_page(request: Request) -> Response:
    """What was found under a text; the stream brings it when it is not there yet."""
    text = request.query_params.get("q", "").strip()
    if not text:
        return page(request, "search.html", query="", found=[], mark=None, direct="")
    key = registry(request).get(SEARCH).parse_key(text)
    async with database(request).use() as db:
        reading = await read(db, SEARCH, key)
    [reading] = await licence.visible(request, [reading])
    found = views.matches(reading)
    symbol = text.upper()
    direct = symbol if watchlist.SYMBOL.fullmatch(symbol) and symbol not in {m.symbol for m in found} else ""
    return page(
        request,
        "search.html",
        query=key,
        found=found,
        mark=mark(reading),
        direct=direct,
        stream=stream_address([(SEARCH, key)], "card"),
    )


@router.post("/suggest")
async def suggest(request: Request) -> HTMLResponse:
    """The list under a search field. A POST, because it may ask the source; waits a moment for the answer."""
    text = str((await request.form()).get("q") or "").strip()
    key = registry(request).get(SEARCH).parse_key(text)
    watch = (SEARCH, key)
    async with database(request).use() as db:
        reading = await read(db, *watch)
    if not reading.settled:
        await database(request).want([watch], source="suggest", seconds=SUGGEST_S)
        await settled(request, [watch], SUGGEST_WAIT_S)
        async with database(request).use() as db:
            reading = await read(db, *watch)
    [reading] = await licence.visible(request, [reading])
    return HTMLResponse(fragments.suggestions(reading), headers={"Cache-Control": "no-store"})


async def settled(request: Request, keys: Sequence[Watch], limit_s: float) -> None:
    """Wait until nothing is left to wait for, by the same hints as the streams; at most `limit_s`."""
    hub: Hub = request.app.state.hub
    subscriber, changed = Subscriber(keys, "json"), asyncio.Event()

    async def hear(_: Message) -> None:
        changed.set()

    subscriber.open(hear)
    hub.join(subscriber)
    try:
        async with asyncio.timeout(limit_s):
            while True:
                await changed.wait()
                changed.clear()
                async with database(request).use() as db:
                    if all(reading.settled for reading in await read_many(db, keys)):
                        return
    except (TimeoutError, DatabaseUnavailable):
        return
    finally:
        hub.leave(subscriber)
        subscriber.close()
