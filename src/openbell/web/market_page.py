"""The page about the whole market: trading hours, rates, premiums, the calendars of a week, headlines."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from openbell.engine.artifacts import Reading, read, read_many
from openbell.engine.freshness import Hours
from openbell.engine.sessions import CalendarRow, list_calendars
from openbell.products.keys import Week
from openbell.web import licence, sections, views, words
from openbell.web.api import database, registry
from openbell.web.backend import SQL
from openbell.web.market_line import hours_words
from openbell.web.pages import SUGGEST_WAIT_S, ask, page, settled, stream_address
from openbell.web.protection import safe

router = APIRouter(dependencies=[safe("everybody")], include_in_schema=False)

GLOBAL = "GLOBAL"
WEEKLY = ("earnings-calendar", "dividends-calendar")


@router.get("/market")
async def market_page(request: Request) -> HTMLResponse:
    """What is known; the open stream asks for more."""
    opened = sections.chosen(request.query_params.get("open"), sections.MARKET, sections.MARKET_AT_FIRST)
    async with database(request).use() as db:
        now: datetime = await db.fetchval(SQL.get("read_now"))
        [rates] = await licence.visible(request, [await read(db, "treasury-rates", GLOBAL)])
        week = week_of(request, request.query_params.get("week"), market_day(rates, now))
        products = sections.products_of(opened, sections.MARKET)
        found = await read_many(db, [(product, key_of(product, week)) for product in products])
        readings = await licence.visible(request, found)
        calendars = await list_calendars(db)
        synthetic = await db.fetchval(SQL.get("read_mode")) == "sandbox"
    monday, sunday = Week(week).days
    return page(
        request,
        "market.html",
        parts=sections.draw(
            sections.MARKET,
            opened,
            lambda product: key_of(product, week),
            readings,
            views.NO_ASIDE,
            registry(request),
        ),
        opened=opened,
        week=week,
        span=f"{words.day(monday)} to {words.day(sunday)}",
        before=week_beside(monday, -7),
        after=week_beside(monday, 7),
        synthetic=synthetic,
        hours=[line for row in calendars if (line := hours_of(row))],
        stream=stream_address([], "card"),
    )


@router.post("/market")
async def refresh_market(request: Request) -> RedirectResponse:
    """For browsers without JavaScript: fetch what is stale and open, give it a moment, and show the page again."""
    form = await request.form()
    opened = sections.chosen(str(form.get("open") or ""), sections.MARKET)
    week = week_of(request, str(form.get("week") or "") or None, market_day(None, datetime.now(UTC)))
    keys = [(product, key_of(product, week)) for product in sections.products_of(opened, sections.MARKET)]
    await ask(request, keys)
    await settled(request, keys, SUGGEST_WAIT_S)
    return RedirectResponse(f"/market?{urlencode({'week': week, 'open': ','.join(opened)}, safe=',')}", 303)


def key_of(product: str, week: str) -> str:
    """The key under which the page shows a product."""
    return week if product in WEEKLY else GLOBAL


def market_day(rates: Reading | None, now: datetime) -> date:
    """Today in New York; of a replayed market the newest day of its rates, since its calendars are of that time."""
    rows = (rates.value or {}).get("rows") if rates and rates.synthetic else None
    return date.fromisoformat(rows[-1]["date"]) if rows else now.astimezone(words.new_york() or UTC).date()


def week_of(request: Request, text: str | None, today: date) -> str:
    """The week in the address, else the one that runs. Raises InvalidKey."""
    return registry(request).get(WEEKLY[0]).parse_key(text) if text else Week.of(today)


def week_beside(monday: date, days: int) -> str:
    """A week before or after."""
    return Week.of(monday + timedelta(days=days))


def hours_of(row: CalendarRow) -> str:
    """How a market stands; empty for one of which nothing has begun."""
    if row.closes_at is None or row.ends_at <= row.now:
        return ""
    return hours_words(Hours(row.calendar, bool(row.is_open), row.closes_at, row.closes_at, row.next_at), row.now)
