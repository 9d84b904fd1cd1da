"""For operators: outside calls by state, provider, product and time, and saying what became of those in doubt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from openbell.engine.costs import CostRefused, NotDoubtful, UnknownSpend, get_spend, resolve
from openbell.engine.history import AFTER_ALL
from openbell.web.api import database
from openbell.web.backend import SQL as WEB
from openbell.web.console.acts import time_given
from openbell.web.console.frame import SQL, console_page
from openbell.web.errors import NotHere
from openbell.web.protection import safe
from openbell.web.sign_in import Admin, actor, typed
from openbell.web.words import clock, money

router = APIRouter(dependencies=[safe("admin")], include_in_schema=False)

SHOWN = 50
LOOK = 10_000
STATES = ("intended", "sent", "settled", "released", "unknown")
WINDOWS = (timedelta(hours=1), timedelta(days=1), timedelta(days=30))
"""Before the end of a span, where its last call is looked for."""
ANSWERS = {"happened": True, "not": False}


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for; an empty text asks for everything."""

    state: str = ""
    provider: str = ""
    product: str = ""
    key: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, given: Any) -> Filters:
        """Pure; what is none of the choices is left out."""
        state, provider, product, key = (typed(given, name) for name in ("state", "provider", "product", "key"))
        since, until = (time_given(given, name) for name in ("from", "to"))
        return cls(state if state in STATES else "", provider, product, key, since, until)

    def address(self, **more: str) -> str:
        """The page with these filters."""
        own = {"state": self.state, "provider": self.provider, "product": self.product, "key": self.key}
        own |= {
            "from": self.since.isoformat() if self.since else "",
            "to": self.until.isoformat() if self.until else "",
        }
        asked = urlencode({name: value for name, value in {**own, **more}.items() if value})
        return f"/console/spends{'?' if asked else ''}{asked}"


def number(given: Any, name: str) -> int:
    """An id of the address or of a form; the highest there can be for anything else."""
    text = typed(given, name, 19)
    return int(text) if text.isdecimal() and int(text) <= AFTER_ALL else AFTER_ALL


@router.get("/console/spends")
async def spends_page(request: Request, _admin: Admin) -> Response:
    """The latest calls; those in doubt with what may be said of them."""
    return await _show(request, Filters.of(request.query_params), number(request.query_params, "before"))


@router.post("/console/spends")
async def spends_resolve(request: Request, admin: Admin) -> Response:
    """Say of one call or of many what became of them; each is audited with the reason, and those that moved on told."""
    async with request.form() as form:
        asked, answer, reason = Filters.of(form), typed(form, "answer", 10), typed(form, "reason", 300)
        chosen = [int(text) for text in map(str, form.getlist("id")) if text.isdecimal() and len(text) < 19][:SHOWN]
    if answer not in ANSWERS:
        return await _show(request, asked, status=400, told=["Say whether the calls happened."])
    if not reason.strip():
        return await _show(request, asked, status=400, told=["Resolving needs a reason, for whoever reads the books."])
    if not chosen:
        return await _show(request, asked, status=400, told=["No call was chosen."])
    resolved, told = 0, []
    async with database(request).use() as db:
        for spend_id in dict.fromkeys(chosen):
            try:
                await resolve(db, spend_id, happened=ANSWERS[answer], reason=reason.strip(), actor=actor(admin))
                resolved += 1
            except (NotDoubtful, CostRefused, UnknownSpend) as error:
                told.append(str(error))
    calls = "1 call" if resolved == 1 else f"{resolved} calls"
    word = "happened: what was held is charged" if ANSWERS[answer] else "never happened: what was held is given back"
    first = [f"{calls} resolved as {word}."] if resolved else ["Nothing was changed."]
    return await _show(request, asked, status=200 if resolved else 409, told=first + told)


@router.get("/console/spends/{spend_id}")
async def spend_page(request: Request, spend_id: int, _admin: Admin) -> Response:
    """One call in full, with what operators have said about it."""
    try:
        async with database(request).use() as db:
            spend, said = await get_spend(db, spend_id if 0 < spend_id <= AFTER_ALL else 0)
            now = await db.fetchval(WEB.get("read_now"))
    except UnknownSpend as error:
        raise NotHere(str(error)) from None
    times = [
        (name, clock(at, now))
        for name, at in (("Intended", spend.intended_at), ("Sent", spend.sent_at), ("Ended", spend.ended_at))
        if at is not None
    ]
    return await console_page(
        request, "console/spend.html", spend=spend, said=said, times=times, cost=money(spend.cost_micro)
    )


async def _show(
    request: Request,
    asked: Filters,
    before: int = AFTER_ALL,
    *,
    status: int = 200,
    told: list[str] | None = None,
) -> Response:
    own = [one or None for one in (asked.provider, asked.product, asked.key)]
    async with database(request).use() as db:
        now = await db.fetchval(WEB.get("read_now"))
        if asked.state == "unknown":
            found = await db.fetch(SQL.get("list_console_doubts"), before, *own, asked.since, asked.until, SHOWN + 1)
            rows, edge = list(found), None
        else:
            start = min(before, await _start(db, asked, now))
            span = (asked.since, asked.until)
            found = await db.fetch(
                SQL.get("list_console_spends"), start, LOOK, asked.state or None, *own, *span, SHOWN + 1
            )
            rows = [row for row in found if row["meant"]]
            edge = found[-1] if found and found[-1]["n"] == LOOK else None
    if edge is not None and asked.since is not None and edge["intended_at"] < asked.since:
        edge = None
    last = rows[SHOWN - 1] if len(rows) > SHOWN else edge
    rows = rows[:SHOWN]
    return await console_page(
        request,
        "console/spends.html",
        status,
        asked=asked,
        states=STATES,
        rows=[(one, clock(one["intended_at"], now), money(one["cost_micro"])) for one in rows],
        doubtful=asked.state == "unknown",
        older=asked.address(before=str(last["id"])) if last else "",
        looked_to=clock(edge["intended_at"], now) if edge and len(rows) < SHOWN else "",
        look=LOOK,
        later=before != AFTER_ALL,
        told=told or [],
    )


async def _start(db: Any, asked: Filters, now: datetime) -> int:
    """Calls before this id are looked at: those of a span of the past begin at its last one."""
    if asked.until is None or asked.until >= now:
        return AFTER_ALL
    for window in WINDOWS:
        found = await db.fetchval(SQL.get("place_spends"), asked.until - window, asked.until)
        if found is not None:
            return int(found) + 1
    return 0
