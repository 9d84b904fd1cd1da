"""Weekly picks for programs: reading them, having one's own made, and the trigger of outside schedulers.

GET  /api/weekly-picks            never writes; ETag; everybody's edition without a session
POST /api/weekly-picks/generate   the switch, an allowed origin, a session; queues and answers with the job
GET  /api/cron/weekly-picks       the bearer secret; queues the week
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic_core import to_json

from openbell.engine.schedules import UnknownSchedule, run_now
from openbell.people import Person
from openbell.products.picks.editions import EditionKey
from openbell.products.picks.queueing import BATCH_TASK, EDITION_TASK, Queued, queue_one
from openbell.products.picks.reading import MOST_KEPT, Edition, View, look
from openbell.products.picks.store import current_week, is_attested, read_member
from openbell.products.picks.words import Answered, Reason
from openbell.web.api import database, registry
from openbell.web.errors import OriginRefused, SignInNeeded, WebError
from openbell.web.protection import safe
from openbell.web.reads import GZIP_LEVEL, is_same
from openbell.web.schemas import Problem
from openbell.web.sign_in import person_of

_REFUSALS: dict[int | str, dict[str, Any]] = {code: {"model": Problem} for code in (401, 403, 404, 429, 503)}
router = APIRouter(tags=["weekly picks"], responses=_REFUSALS)

STATUSES = {Answered.QUEUED: 202, Answered.IN_PROGRESS: 202, Answered.COMPLETED: 200}
SCHEDULE = "picks-week"


class GenerationOff(WebError):
    """The operator's switch is off."""

    status, code = 403, "generation_off"


class PersonalOff(WebError):
    """This person has no edition of their own made."""

    status, code = 403, "personal_picks_off"


class SecretRefused(WebError):
    """The trigger's secret is wrong, or there is none."""

    status, code = 401, "cron_secret_refused"


@router.get("/api/weekly-picks", dependencies=[safe("everybody")])
async def weekly_picks(request: Request) -> Response:
    """What is shown this week: an edition, why it is not the one that is waited for, and how far that is."""
    person = await person_of(request)
    async with database(request).use() as db:
        view = await look(db, person.id if person else None, enabled=request.app.state.config.picks_enabled)
    told = ready(view)
    headers = {"ETag": told.tag, "Cache-Control": "private, no-cache", "Vary": "Cookie, Authorization, Accept-Encoding"}
    if is_same(told.tag, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(told.zipped, media_type="application/json", headers=headers | {"Content-Encoding": "gzip"})
    return Response(told.body, media_type="application/json", headers=headers)


@dataclass(frozen=True, slots=True)
class Ready:
    """An answer as it is sent, plain and zipped, and its tag, which is that of what it says."""

    edition: Edition | None
    body: bytes
    zipped: bytes
    tag: str


_READY: OrderedDict[str, Ready] = OrderedDict()
"""The latest answers, by the edition's name and all that is said about it: who may see which is decided before."""


def ready(view: View) -> Ready:
    """The answer, encoded once while neither the edition nor what is said about it changes."""
    about = about_of(view)
    name = f"{view.edition.name if view.edition else ''} {about}"
    kept = _READY.get(name)
    if kept is None or kept.edition is not view.edition:
        body = to_json(as_json(view))
        zipped = gzip.compress(body, GZIP_LEVEL, mtime=0)
        kept = _READY[name] = Ready(view.edition, body, zipped, f'W/"{hashlib.sha256(body).hexdigest()[:24]}"')
    _READY.move_to_end(name)
    while len(_READY) > MOST_KEPT:
        _READY.popitem(last=False)
    return kept


@router.post("/api/weekly-picks/generate", dependencies=[safe("everybody")])
async def generate(request: Request) -> JSONResponse:
    """Have this week's own edition made. Asking again answers with the same job."""
    queued = await ask_for_own(request)
    told = {"success": True, "status": queued.answered.value, "job_id": queued.job_id, "reason": queued.reason.value}
    return JSONResponse(told, STATUSES[queued.answered], {"Cache-Control": "no-store"})


@router.get("/api/cron/weekly-picks", dependencies=[safe("secret")])
async def trigger(request: Request) -> JSONResponse:
    """Queue the week that runs. Who has an edition, or a place, is passed over; nothing is made within this request."""
    check_secret(request)
    async with database(request).use() as db, db.acquire() as conn:
        try:
            job = await run_now(connection(conn), SCHEDULE, actor="cron trigger")
        except UnknownSchedule as error:
            raise WebError("No worker has entered the weekly schedule yet.", code="no_schedule") from error
    tell(request, SCHEDULE, "GLOBAL")
    return JSONResponse({"success": True, "job_id": job}, 202, {"Cache-Control": "no-store"})


async def ask_for_own(request: Request) -> Queued:
    """Queue the edition of whoever asks. Raises :class:`WebError` by what is missing."""
    person = await may_ask(request)
    async with database(request).use() as db:
        member = await read_member(db, person.id)
        if not member.allowed or not await is_attested(db):
            raise PersonalOff(
                "No personal edition is made for you.",
                todo="Save your profile with personal picks on; the operator must have attested to them.",
            )
        key = EditionKey.of(person.id, await current_week(db))
        kinds = registry(request)
        reason = Reason.NEW_WEEK if member.has_edition else Reason.NEW_USER
        queued = await queue_one(db, kinds.get(EDITION_TASK), key, reason, batch_task=kinds.get(BATCH_TASK))
    if queued.answered is Answered.QUEUED:
        tell(request, EDITION_TASK, key)
    return queued


async def may_ask(request: Request) -> Person:
    """Whoever asks, if they may. Raises :class:`GenerationOff`, :class:`OriginRefused`, :class:`SignInNeeded`."""
    config = request.app.state.config
    if not config.picks_enabled:
        raise GenerationOff(
            "No editions are made here at the moment.", todo="An operator sets ENABLE_WEEKLY_PICKS_GENERATION=true."
        )
    if origin_of(request) not in {one.rstrip("/") for one in config.allowed_origins}:
        raise OriginRefused(
            "An edition costs money, so that it is only made for pages of an allowed origin.",
            todo="An operator adds the address of this instance to ALLOWED_ORIGINS.",
        )
    person = await person_of(request)
    if person is None:
        raise SignInNeeded("/sign-in?next=/picks")
    return person


def origin_of(request: Request) -> str | None:
    """The origin of the page that asks: by its Origin, else by its Referer; None where neither tells."""
    if (origin := request.headers.get("origin")) and origin != "null":
        return origin
    parts = urlsplit(request.headers.get("referer", ""))
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None


def check_secret(request: Request) -> None:
    """Raises :class:`SecretRefused`. The comparison takes as long for a near miss as for any other."""
    secret = request.app.state.config.cron_secret or ""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode(), secret.encode())
    if not secret or kind.lower() != "bearer" or not same:
        raise SecretRefused(
            "This is for the operator's scheduler.", todo="Send CRON_SECRET as Authorization: Bearer; it must be set."
        )


def tell(request: Request, product: str, key: str) -> None:
    """Let a worker begin at once."""
    hints = database(request).hints
    if hints is not None:
        hints.tell("work", product, key)


def connection(conn: Any) -> asyncpg.Connection:
    """A connection of a pool, as functions that want one take it."""
    found: asyncpg.Connection = conn
    return found


def as_json(view: View) -> dict[str, Any]:
    """The answer of the API: an edition keeps its own date, and says why it is not the one that is waited for."""
    shown = view.edition
    return {"success": True, "data": None if shown is None else data_of(shown), "metadata": about_of(view)}


def about_of(view: View) -> dict[str, Any]:
    """What is said about the edition that is shown, and about the one that is waited for."""
    shown, slot = view.edition, view.slot
    return {
        "week_of": str(view.week),
        "generated_at": shown.made_at.isoformat() if shown else None,
        "edition_week": str(shown.week) if shown else None,
        "kind": shown.kind.value if shown else None,
        "cached": True,
        "is_fallback": view.fallback is not None,
        "fallback_reason": view.fallback.value if view.fallback else None,
        "is_new_user": view.is_new,
        "status": slot.status.value if slot else None,
        "job_id": slot.job_id if slot else None,
        "error": slot.code if slot and not slot.status.is_live else None,
    }


def data_of(shown: Edition) -> dict[str, Any]:
    """The edition itself."""
    stored = shown.stored
    return {
        "stock_picks": [
            pick.model_dump()
            | {"figures": [one.model_dump(mode="json") for one in stored.backing.get(pick.ticker, [])]}
            for pick in stored.content.picks
        ],
        "investment_themes": [one.model_dump() for one in stored.content.themes],
        "market_analysis": stored.content.market_analysis.model_dump(),
        "citations": [one.model_dump() for one in stored.citations],
        "model": shown.made.model,
        "prompt": shown.made.prompt,
        "synthetic": stored.synthetic,
    }
