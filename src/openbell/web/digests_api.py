"""Asking for digests by program: one on one's own credits, or many at once by an operator."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, cast

import asyncpg
from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from openbell.engine import jobs
from openbell.engine.database import Db
from openbell.engine.errors import UnknownJob
from openbell.people import Person
from openbell.people.credits import Credits, read_credits, take_credit
from openbell.people.errors import NoCredit
from openbell.products.digest import batches
from openbell.products.digest.editions import DigestKey, Edition
from openbell.products.digest.requests import Asked, UnknownTicker, ask_for, key_for, now
from openbell.web.api import database
from openbell.web.errors import Malformed, NotHere, TooMany, WebError
from openbell.web.protection import safe
from openbell.web.schemas import Problem
from openbell.web.sign_in import SignedIn, actor, admin

Admin = Annotated[Person, Depends(admin)]
Number = Annotated[int, Path(ge=0, lt=2**63)]
router = APIRouter(responses={401: {"model": Problem}, 429: {"model": Problem}, 503: {"model": Problem}})


class AdhocRequest(BaseModel):
    """A digest that somebody wants now. Without an edition, today's."""

    ticker: str = Field(min_length=1, max_length=20)
    edition: Edition | None = None


class AdhocTaken(BaseModel):
    """``free`` says why it took no credit: `fresh`, the digest is there, or `joined`, it is being made already."""

    key: str
    job_id: int | None
    free: Literal["fresh", "joined"] | None
    credits_remaining: int
    credits: dict[str, Any]
    page: str


class Submission(BaseModel):
    """Digests to be made together. ``minutes`` is how far back to look: above a day it is the weekly edition.

    In the mode `production` their mails follow; in `test` none does.
    """

    tickers: list[str] = Field(min_length=1, max_length=batches.MOST_TICKERS)
    minutes: int | None = Field(None, ge=1, le=7 * batches.DAY_MINUTES)
    report_type: Edition | None = None
    mode: batches.Mode = "test"


class NotActive(WebError):
    """Somebody who is paused, blocked or has left orders nothing."""

    status, code = 403, "not_active"


class NoCredits(TooMany):
    """The credits of the month are used up."""

    code = "no_credits"

    def __init__(self, error: NoCredit, now: datetime) -> None:
        super().__init__(str(error), todo=f"New ones come on {error.resets_at.date().isoformat()}.")
        self.resets_at, self.after_s = error.resets_at, max(1, round((error.resets_at - now).total_seconds()))


@router.post(
    "/api/user/run-adhoc-report",
    status_code=202,
    response_model=AdhocTaken,
    responses={404: {"model": Problem}},
    dependencies=[safe("person")],
)
async def run_adhoc_report(request: Request, wish: AdhocRequest, person: SignedIn) -> Any:
    """Have a digest made now, for one credit. Nothing is taken when it is fresh, or being made already."""
    try:
        asked, purse = await ask_as(request, person, wish.ticker, wish.edition)
    except NoCredits as error:
        body = {"code": error.code, "message": error.message, "next": error.next}
        told = {"error": body | {"resets_at": error.resets_at.isoformat()}}
        return JSONResponse(told, 429, {"Retry-After": str(error.after_s), "Cache-Control": "no-store"})
    return AdhocTaken(
        key=asked.key, job_id=asked.job_id, free=asked.free, credits_remaining=purse.free, credits=purse.as_json(),
        page=page_of(asked.key),
    )  # fmt: skip


async def ask_as(request: Request, person: Person, ticker: str, edition: Edition | None) -> tuple[Asked, Credits]:
    """Queue a digest for somebody and take their credit, both or neither (DG-27).

    Raises :class:`Malformed`, :class:`NotHere` for a ticker, :class:`NoCredits`.
    """
    if person.state != "active":
        raise NotActive(f"Your account is {person.state}, and orders nothing.", todo="See /account.")
    async with database(request).use() as db, db.acquire() as proxy:
        conn = cast("asyncpg.Connection", proxy)
        key = await wanted_key(conn, ticker, edition)
        try:
            async with conn.transaction():
                asked = await ask_for(conn, key, source=f"user:{person.id}", job_class="ad-hoc")
                if asked.created and asked.job_id is not None:
                    await take_credit(conn, person, product="digest", key=key, job_id=asked.job_id)
        except NoCredit as error:
            raise NoCredits(error, await now(conn)) from None
        purse = await read_credits(conn, person)
    if asked.created:
        tell(request, key)
    return asked, purse


async def ask_free(request: Request, person: Person, ticker: str, edition: Edition | None) -> Asked:
    """Queue a digest for whoever runs this instance: it takes no credit, and stands with research.

    Raises :class:`Malformed`, :class:`NotHere` for a ticker.
    """
    async with database(request).use() as db, db.acquire() as proxy:
        conn = cast("asyncpg.Connection", proxy)
        key = await wanted_key(conn, ticker, edition)
        async with conn.transaction():
            asked = await ask_for(conn, key, source=f"operator:{actor(person)}", job_class="research")
    if asked.created:
        tell(request, key)
    return asked


def tell(request: Request, key: str) -> None:
    """Let a worker begin at once."""
    if (hints := database(request).hints) is not None:
        hints.tell("work", "digest", key)


async def wanted_key(db: Db, ticker: str, edition: Edition | None, day: date | None = None) -> DigestKey:
    """The key of a digest. Raises :class:`Malformed` and :class:`NotHere`."""
    try:
        return await key_for(db, ticker, edition, day)
    except UnknownTicker as error:
        raise NotHere(f"No digests are made of {error.ticker}.", code=error.code, todo="Ask the operator.") from None
    except ValueError as error:
        raise Malformed(f"{ticker[:20]!r} is no ticker: {error}.", code="malformed_key") from None


def page_of(key: DigestKey) -> str:
    """The address of a digest's page."""
    parts = key.parts
    return f"/digest/{parts.ticker}/{parts.day.isoformat()}?edition={parts.edition}"


@router.post("/jobs/submit", status_code=202, responses={404: {"model": Problem}}, dependencies=[safe("admin")])
async def submit(request: Request, wish: Submission, person: Admin) -> dict[str, Any]:
    """Queue digests of some tickers for today, all or none. 429 `queue_full` when too many wait already."""
    edition = wish.report_type
    if edition is None and wish.minutes is not None:
        edition = "daily" if wish.minutes <= batches.DAY_MINUTES else "weekly"
    async with database(request).use() as db, db.acquire() as proxy:
        conn = cast("asyncpg.Connection", proxy)
        for ticker in wish.tickers:
            await wanted_key(conn, ticker, edition)
        try:
            batch = await batches.submit(conn, wish.tickers, edition=edition, mode=wish.mode, actor=actor(person))
        except batches.QueueFull as error:
            raise TooMany(str(error), code=error.code) from None
    for item in batch.items:
        tell(request, item["key"])
    return {
        "batch_id": batch.id,
        "job_ids": [one["job_id"] for one in batch.items if one["job_id"] is not None],
        "total": len(batch.items),
    }


@router.get("/jobs/batch/{batch}", dependencies=[safe("admin")])
async def read_batch(request: Request, batch: Number, person: Admin) -> dict[str, Any]:  # noqa: ARG001 (who may read)
    """How far a batch is: counts, the whole and each of its digests."""
    async with database(request).use() as db:
        try:
            return as_json(await batches.read_batch(db, batch))
        except batches.UnknownBatch as error:
            raise NotHere(str(error), code=error.code) from None


@router.post("/jobs/batch/{batch}/cancel", dependencies=[safe("admin")])
async def cancel_batch(request: Request, batch: Number, person: Admin) -> dict[str, Any]:
    """Cancel what this batch has queued. What it joined goes on. Again changes nothing."""
    async with database(request).use() as db, db.acquire() as proxy:
        conn = cast("asyncpg.Connection", proxy)
        try:
            return as_json(await batches.cancel_batch(conn, batch, actor=actor(person)))
        except batches.UnknownBatch as error:
            raise NotHere(str(error), code=error.code) from None


@router.get("/jobs/stats", dependencies=[safe("admin")])
async def stats(request: Request, person: Admin) -> dict[str, Any]:  # noqa: ARG001 (who may read)
    """What waits and runs, and how digests have ended in the last day."""
    async with database(request).use() as db:
        return await batches.read_stats(db)


@router.get("/jobs/{job_id}", dependencies=[safe("admin")])
async def read_job(request: Request, job_id: Number, person: Admin) -> dict[str, Any]:  # noqa: ARG001 (who may read)
    """One job with its attempts and outside calls."""
    async with database(request).use() as db:
        found = await jobs.get(db, job_id)
    if found is None:
        raise NotHere(str(UnknownJob(job_id)), code=UnknownJob.code)
    return found.as_json() | {"timeline": found.timeline()}


def as_json(batch: batches.Batch) -> dict[str, Any]:
    """A batch for programs."""
    return {
        "batch_id": batch.id,
        "report_type": batch.report_type,
        "mode": batch.mode,
        "created_at": batch.created_at.isoformat(),
        "cancelled_at": batch.cancelled_at and batch.cancelled_at.isoformat(),
        "total": len(batch.items),
        "counts": batch.counts,
        "progress": batch.progress,
        "jobs": [
            {name: value.isoformat() if isinstance(value, datetime) else value for name, value in one.items()}
            for one in batch.items
        ],
    }
