"""The page on which digests are ordered: what one would take, before the click, and those that are there."""

from __future__ import annotations

from datetime import date
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from openbell.people import LOCAL_OPERATOR
from openbell.people.credits import Credits, read_credits
from openbell.products.digest.editions import EDITIONS, Edition
from openbell.products.digest.requests import Quoted, list_digests, quote_price, starters
from openbell.web.api import database
from openbell.web.digests_api import ask_as, ask_free, page_of, wanted_key
from openbell.web.errors import WebError
from openbell.web.licence import is_operator
from openbell.web.pages import page
from openbell.web.protection import safe
from openbell.web.sign_in import reader

router = APIRouter(include_in_schema=False)

LATEST = 30
STARTERS = 3


@router.get("/digests", dependencies=[safe("person")])
async def digests_page(request: Request, ticker: str = "", edition: str = "") -> HTMLResponse:
    """The latest digests; with a ticker, what one of it would take, before it is ordered."""
    return await _orders(request, ticker, edition)


async def _orders(request: Request, ticker: str, edition: str, notice: str = "", status: int = 200) -> HTMLResponse:
    person = await reader(request)
    offer: Quoted | None = None
    async with database(request).use() as db:
        purse: Credits | None = await read_credits(db, person) if person is not None and person.id else None
        if ticker.strip():
            try:
                offer = await quote_price(db, await wanted_key(db, ticker.strip(), _edition(edition)))
            except WebError as error:
                notice, status = notice or f"{error.message} {error.next or ''}".strip(), error.status
        rows = await list_digests(db, LATEST)
        known = [] if rows else [one.ticker for one in await starters(db, STARTERS)]
    return page(
        request, "digests.html", status, person=person, purse=purse, offer=offer, notice=notice, ticker=ticker.strip(),
        where=page_of(offer.key) if offer else "", price=_about(offer.cost_micro) if offer else "",
        rows=[_line(row) for row in rows], known=known, runs_it=await is_operator(request),
        edition=offer.key.parts.edition if offer else "",
    )  # fmt: skip


def _edition(text: str) -> Edition | None:
    return next((one for one in EDITIONS if one == text), None)


def _dollars(micro: int) -> str:
    if not micro:
        return "nothing"
    return f"${micro / 1_000_000:.2f}" if micro >= 10_000 else "less than a cent"


def _about(micro: int) -> str:
    told = _dollars(micro)
    return f"about {told}" if told.startswith("$") else told


def _line(row: dict[str, Any]) -> dict[str, Any]:
    ticker, edition, day = row["key"].split("|")
    return {
        "ticker": ticker, "edition": edition, "day": date.fromisoformat(day), "bullets": row["bullets"],
        "cost": _dollars(row["cost_micro"] or 0), "href": f"/digest/{ticker}/{day}?edition={edition}",
    }  # fmt: skip


@router.post("/digests", dependencies=[safe("person")])
async def order(request: Request) -> Response:
    """Order a digest, with one's credit; who runs this instance needs none. A refusal is told on the page."""
    person = await reader(request)
    form = await request.form()
    ticker, edition = str(form.get("ticker", ""))[:40], str(form.get("edition", ""))
    try:
        if person is None or await is_operator(request):  # not an admin by a token for themselves
            asked = await ask_free(request, person or LOCAL_OPERATOR, ticker, _edition(edition))
        else:
            asked, _ = await ask_as(request, person, ticker, _edition(edition))
    except WebError as error:
        notice = f"{error.message} {error.next or ''}".strip()
        return await _orders(request, ticker, edition, notice, error.status)
    return RedirectResponse(page_of(asked.key), 303)
