"""For operators: jobs that wait and run, those that ended, and one of them from its start to its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from openbell.engine import jobs
from openbell.engine.errors import JobEnded, UnknownJob
from openbell.engine.registry import CLASSES, class_name
from openbell.web.api import database, in_range
from openbell.web.backend import SQL as WEB
from openbell.web.console.frame import SQL, console_page
from openbell.web.protection import safe
from openbell.web.sign_in import Admin, actor, typed
from openbell.web.words import clock, duration, moment, money

router = APIRouter(dependencies=[safe("admin")], include_in_schema=False)

SHOWN = 50
SPANS = {"1": "last hour", "24": "last day", "168": "last week", "720": "last 30 days"}
"""How far back the page looks, in hours; without an end, each page would read the whole history."""
AFTER_ALL = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for; an empty text asks for everything."""

    state: str = ""
    product: str = ""
    key: str = ""
    code: str = ""
    job_class: str = ""
    hours: str = "24"

    @classmethod
    def of(cls, given: Any) -> Filters:
        """Pure; what is none of the choices is left out."""
        state, job_class, hours = (typed(given, name, 20) for name in ("state", "class", "hours"))
        product, key, code = (typed(given, name) for name in ("product", "key", "code"))
        return cls(
            state=state if state in jobs.LIVE + jobs.ENDED else "",
            product=product,
            key=key,
            code=code,
            job_class=job_class if job_class in CLASSES else "",
            hours=hours if hours in SPANS else "24",
        )

    def address(self, **more: str) -> str:
        """The page with these filters."""
        own = {"state": self.state, "product": self.product, "key": self.key, "code": self.code}
        own |= {"class": self.job_class, "hours": self.hours, **more}
        return f"/console/jobs?{urlencode({name: value for name, value in own.items() if value})}"


def place(given: Any) -> tuple[datetime | None, int]:
    """Where the page before ended: a time and an id; the beginning when either is no such thing."""
    at, number = moment(typed(given, "before", 40)), typed(given, "id", 19)
    if at is None or not number.isdecimal() or int(number) > AFTER_ALL:
        return None, AFTER_ALL
    return at, int(number)


@router.get("/console/jobs")
async def jobs_page(request: Request, _admin: Admin) -> Response:
    """Live jobs first, in the order in which they are served; then a page of those that ended."""
    asked = Filters.of(request.query_params)
    before, below = place(request.query_params)
    job_class = CLASSES[asked.job_class] if asked.job_class else None
    live: list[jobs.JobView] = []
    ended: list[Any] = []
    async with database(request).use() as db:
        now = await db.fetchval(WEB.get("read_now"))
        if before is None and not asked.code and asked.state not in jobs.ENDED:
            for state in (asked.state,) if asked.state else ("running", "waiting", "parked"):
                # A live state is always named: without one, list_jobs goes on to sort the whole history.
                live += await jobs.list_jobs(
                    db, state=state, product=asked.product or None, key=asked.key or None, limit=SHOWN
                )
            live = [one for one in live if job_class in (None, one.job_class)]
        if asked.state not in jobs.LIVE:
            ended = await db.fetch(
                SQL.get("list_console_jobs"),
                now - timedelta(hours=int(asked.hours)),
                min(before, now) if before else now,
                below,
                *(getattr(asked, name) or None for name in ("state", "product", "key", "code")),
                job_class,
                SHOWN + 1,
            )
    older = ""
    if len(ended) > SHOWN:
        ended = ended[:SHOWN]
        older = asked.address(before=ended[-1]["finished_at"].isoformat(), id=str(ended[-1]["id"]))
    return await console_page(
        request,
        "console/jobs.html",
        asked=asked,
        states=jobs.LIVE + jobs.ENDED,
        classes=tuple(CLASSES),
        spans=SPANS,
        live=[(one, duration((now - one.queued_at).total_seconds())) for one in live],
        ended=[(one, class_name(one["job_class"]), clock(one["finished_at"], now)) for one in ended],
        older=older,
        later=before is not None,
    )


@router.get("/console/jobs/{job_id}")
async def job_page(request: Request, job_id: int, _admin: Admin) -> Response:
    """What happened to it, what it called, and what may be done."""
    return await _show(request, job_id)


@router.post("/console/jobs/{job_id}")
async def job_act(request: Request, job_id: int, admin: Admin) -> Response:
    """Cancel a live job, or queue one again; both are in the audit log."""
    async with request.form() as form:
        act = typed(form, "act", 10)
    try:
        async with database(request).use() as db:
            if act == "cancel":
                await jobs.cancel(db, in_range(job_id), actor=actor(admin))
            elif act == "retry":
                job_id = await jobs.retry(db, in_range(job_id), actor=actor(admin))
            else:
                return await _show(request, job_id, 400, "There is no such step.")
    except JobEnded as error:
        return await _show(request, job_id, 409, str(error))
    return RedirectResponse(f"/console/jobs/{job_id}", 303)


async def _show(request: Request, job_id: int, status: int = 200, notice: str = "") -> Response:
    async with database(request).use() as db:
        job = await jobs.get(db, in_range(job_id))
        now = await db.fetchval(WEB.get("read_now"))
        refused = await jobs.rejected(db, job_id) if job else []
    if job is None:
        raise UnknownJob(job_id)
    return await console_page(
        request,
        "console/job.html",
        status,
        job=job,
        live=job.state in jobs.LIVE,
        events=[(clock(datetime.fromisoformat(one["at"]), now), one) for one in job.timeline()],
        spends=[(one, money(one.cost_micro)) for one in job.spends],
        refused=refused,
        cost=money(job.cost_micro) if job.cost_micro is not None else "",
        notice=notice,
    )
