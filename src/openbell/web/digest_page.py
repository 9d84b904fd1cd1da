"""The page of a digest: what its mail says, for those who have signed in, with how it was made below it.

Drawn from what is stored; opening it asks for nothing and costs nothing (DG-19).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from openbell.engine.artifacts import Reading, read_many
from openbell.engine.errors import InvalidKey
from openbell.people import Person
from openbell.products.digest.content import SECTIONS, DigestContent, PhaseRun, Price
from openbell.products.digest.digest import Digest
from openbell.products.digest.editions import EDITIONS, DigestKey, Edition, digest_key
from openbell.products.digest.render import dollars, money, page_values, short_day
from openbell.web.api import database
from openbell.web.backend import SQL
from openbell.web.digests_api import NotActive
from openbell.web.errors import Malformed, NotHere
from openbell.web.marks import mark
from openbell.web.pages import page
from openbell.web.protection import safe
from openbell.web.sign_in import reader

router = APIRouter(dependencies=[safe("person")], include_in_schema=False)

WIDTH, HEIGHT, PAD = 640, 140, 6
MOST_LISTED = 60
WAYS = {
    "extractive": "sentences of the sources", "rules": "rules", "skipped": "nobody", "failed": "no usable answer",
    "stopped": "stopped at the cap of cost",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """Closes as a line in a box of WIDTH by HEIGHT, the last one at (x, y), and as a table."""

    points: str
    x: float
    y: float
    words: str
    rows: Sequence[tuple[str, str]]


@router.get("/digest/{ticker}")
async def list_editions(request: Request, ticker: str) -> Response:
    """The latest digests of a ticker."""
    await _reader(request)
    symbol = _symbol(ticker)
    async with database(request).use() as db:
        rows = await db.fetch(SQL.get("list_digests_of"), f"{symbol}|", MOST_LISTED)
    listed = []
    for row in rows:
        parts = DigestKey(row["key"]).parts
        listed.append(
            {
                "ticker": parts.ticker,
                "name": row["name"] or parts.ticker,
                "edition": parts.edition,
                "day": short_day(parts.day),
                "address": address(parts.ticker, parts.day, parts.edition),
                "line": row["bottom_line"] or ("Nothing new was found." if row["quiet"] else ""),
                "synthetic": row["synthetic"],
            }
        )
    return page(request, "digest_editions.html", digests=listed, ticker=symbol)


@router.get("/digest/{ticker}/{day}")
async def show_digest(request: Request, ticker: str, day: str) -> Response:
    """One digest; of two editions of a day the one that ``?edition=`` names, else the one that is there."""
    person = await _reader(request)
    edition = request.query_params.get("edition")
    keys = _keys(ticker, day, edition)
    async with database(request).use() as db:
        readings = await read_many(db, [("digest", str(key)) for key in keys])
    if (key := keys[0]).parts.ticker != ticker:
        return RedirectResponse(address(key.parts.ticker, key.parts.day, edition), 308)
    reading = next((one for one in readings if one.value is not None), readings[0])
    if reading.value is None:
        return _not_there(request, reading, key)
    content = Digest.model_validate(reading.value).content
    return page(request, "digest.html", **values(content, reading, is_admin=person is None or person.is_admin))


def values(content: DigestContent, reading: Reading, *, is_admin: bool) -> dict[str, Any]:
    """What the page shows."""
    return page_values(content) | {
        "line": line_of(content.price),
        "mark": mark(reading),
        "is_admin": is_admin,
        "runs": [run_of(one) for one in content.runs],
        "cost": dollars(reading.cost_micro),
        "dropped": [
            {"section": SECTIONS[one.section], "topic": one.topic, "text": one.content, "why": one.dropped}
            for one in content.bullets
            if one.dropped is not None
        ],
    }


def run_of(run: PhaseRun) -> dict[str, str]:
    """How a phase was done, in words."""
    return {
        "phase": run.phase,
        "who": run.model or WAYS.get(run.way, run.way),
        "prompt": run.prompt or "",
        "note": "; ".join(
            [*filter(None, [run.note]), *(f"{one.model}: {one.code.replace('_', ' ')}" for one in run.failures)]
        ),
        "cost": "kept answer" if run.cached else dollars(run.cost_micro or 0),
    }


def line_of(price: Price | None) -> Line | None:
    """The closes of the price card; None for fewer than two."""
    if price is None or len(price.closes) < 2:
        return None
    closes = [close for _, close in price.closes]
    low, high = min(closes), max(closes)
    span, step = (high - low) or 1.0, (WIDTH - 2 * PAD) / (len(closes) - 1)
    spots = [(PAD + n * step, PAD + (high - close) / span * (HEIGHT - 2 * PAD)) for n, close in enumerate(closes)]
    said = (
        f"Closes of {len(closes)} sessions, between {money(low, price.currency)} and {money(high, price.currency)}; "
        f"the last is {money(closes[-1], price.currency)}."
    )
    rows = [(short_day(day), money(close, price.currency)) for day, close in reversed(price.closes)]
    x, y = spots[-1]
    return Line(" ".join(f"{a:.1f},{b:.1f}" for a, b in spots), round(x, 1), round(y, 1), said, rows)


def address(ticker: str, day: date, edition: str | None) -> str:
    """Where a digest is to be read."""
    return f"/digest/{ticker}/{day.isoformat()}" + (f"?edition={edition}" if edition else "")


async def _reader(request: Request) -> Person | None:
    """Who reads; somebody who has signed in must be active. Raises :class:`NotActive`."""
    person = await reader(request)
    if person is not None and not person.is_admin and person.state != "active":
        raise NotActive(f"Your account is {person.state}: digests are for those who are active.", todo="See /account.")
    return person


def _symbol(ticker: str) -> str:
    try:
        return DigestKey.parse(f"{ticker}|daily|2026-01-01").parts.ticker
    except (ValueError, InvalidKey):
        raise NotHere(f"{ticker[:20]!r} is no ticker.") from None


def _keys(ticker: str, day: str, edition: str | None) -> list[DigestKey]:
    """The keys that an address may mean."""
    wanted: Sequence[Edition] = [one for one in EDITIONS if one == edition] if edition else EDITIONS
    if not wanted:
        raise Malformed(f"{edition!r:.20} is no edition.", code="malformed_edition", todo="Choose daily or weekly.")
    try:
        return [digest_key(_symbol(ticker), one, date.fromisoformat(day)) for one in wanted]
    except ValueError:
        raise Malformed(f"{day[:20]!r} is no day.", code="malformed_day", todo="Write it as 2026-11-24.") from None


def _not_there(request: Request, reading: Reading, key: DigestKey) -> HTMLResponse:
    """A digest that is not made, with how far it is where somebody makes it."""
    doing = reading.job.progress or reading.job.state if reading.job else ""
    why = reading.setback.message if reading.setback else ""
    parts = key.parts
    empty = reading.state == "empty"
    status = 200 if reading.job or empty else 404
    shown = {"ticker": parts.ticker, "day": short_day(parts.day), "doing": doing, "why": why, "empty": empty}
    return page(request, "digest_missing.html", status, **shown)
