"""The leaderboard of the watched universe, from what is stored. A GET asks nothing of anybody."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from openbell.products.licences import reserves
from openbell.products.market.pillars import PILLARS, PRESETS, Score, board, measures
from openbell.web import licence, words
from openbell.web.api import database
from openbell.web.backend import SQL
from openbell.web.errors import Malformed
from openbell.web.pages import page
from openbell.web.protection import safe

router = APIRouter(dependencies=[safe("everybody")], include_in_schema=False)

MOST = 1_000
SHOWN = 50
KEPT_S = 60.0
"""How long the figures are kept: statements of a thousand companies are much to read for one page."""

DEFAULT = "balanced"
NAMES = {
    "balanced": "Balanced", "value": "Value", "growth": "Growth", "fair-growth": "Growth at a fair price",
    "quality": "Quality", "income": "Income", "cautious": "Cautious",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Universe:
    """The measures of every company, and how old they are."""

    companies: dict[str, dict[str, float | None]]
    names: dict[str, str]
    synthetic: str | None
    reserved: bool
    stale: int
    oldest: datetime | None
    now: datetime | None
    read_at: float  # monotonic


@dataclass(frozen=True, slots=True)
class Line:
    """One company as the page shows it."""

    rank: str
    symbol: str
    name: str
    total: str
    pillars: list[str]


@router.get("/leaderboard")
async def leaderboard(request: Request) -> HTMLResponse:
    """The best fifty by the chosen weights; `?all=1` shows every one."""
    chosen = request.query_params.get("weights", DEFAULT)
    if chosen not in PRESETS:
        raise Malformed(
            f"{chosen[:20]!r} are no weights.", code="malformed_weights", todo=f"Choose one of {', '.join(PRESETS)}."
        )
    universe = await read_universe(request)
    if universe.reserved and not await licence.is_operator(request):
        raise licence.PersonalLicence
    scores = board(universe.companies, chosen)
    every = "all" in request.query_params
    shown = scores if every else scores[:SHOWN]
    return page(
        request,
        "leaderboard.html",
        lines=[line(score, universe.names[score.symbol]) for score in shown],
        pillars=[f"{name.capitalize()}, {weight} %" for name, weight in zip(PILLARS, PRESETS[chosen], strict=True)],
        chosen=chosen,
        names=NAMES,
        every=every,
        count=len(scores),
        ranked=sum(score.rank is not None for score in scores),
        most=MOST,
        shown=SHOWN,
        age=age(universe),
        synthetic=universe.synthetic,
    )


async def read_universe(request: Request) -> Universe:
    """What is stored, read once a minute at most."""
    kept: Universe | None = getattr(request.app.state, "universe", None)
    if kept is not None and time.monotonic() - kept.read_at < KEPT_S and kept.companies:
        return kept
    held = licence.held_by(request)
    async with database(request).use() as db:
        rows = await db.fetch(SQL.get("read_pillars"), MOST)
    found = Universe(
        companies={row["symbol"]: measures(row["ratios"], row["periods"]) for row in rows},
        names={row["symbol"]: row["name"] for row in rows},
        synthetic=next((row["synthetic"] for row in rows if row["synthetic"]), None),
        reserved=any(reserves(row["licence"], row["provenance"] or {}, held) for row in rows),
        stale=sum(row["fresh_until"] <= row["now"] for row in rows),
        oldest=min((row["checked_at"] for row in rows), default=None),
        now=rows[0]["now"] if rows else None,
        read_at=time.monotonic(),
    )
    request.app.state.universe = found
    return found


def age(universe: Universe) -> str:
    """How old the figures are: the oldest, and how many are due."""
    if universe.oldest is None or universe.now is None:
        return ""
    oldest = words.duration((universe.now - universe.oldest).total_seconds())
    late = f"{universe.stale:,} of them stale" if universe.stale else "all of them fresh"
    count, read = len(universe.companies), words.clock(universe.now, universe.now)
    return f"As of {read}: ratios of {count:,} symbols, checked {oldest} ago at most, {late}."


def line(score: Score, name: str) -> Line:
    """One company; what is unknown is an en dash."""
    return Line(
        rank=words.DASH if score.rank is None else str(score.rank),
        symbol=score.symbol,
        name=name,
        total=words.number(score.total, 1),
        pillars=[words.number(score.pillars[pillar], 0) for pillar in PILLARS],
    )
