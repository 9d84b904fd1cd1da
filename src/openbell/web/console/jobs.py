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
from openbell.engine.history import AFTER_ALL, EVER, LOOK, Page, Place, Sought, list_ended
from openbell.engine.registry import CLASSES, class_name
from openbell.web.api import database, in_range
from openbell.web.backend import SQL as WEB
from openbell.web.console.acts import time_given
from openbell.web.console.frame import SQL, console_page
from openbell.web.console.timeline import draw, spans
from openbell.web.protection import safe
from openbell.web.sign_in import Admin, actor, typed
from openbell.web.words import clock, duration, money

router = APIRouter(dependencies=[safe("admin")], include_in_schema=False)

SHOWN = 50
SPANS = {"1": "last hour", "24": "last day", "168": "last week", "720": "last 30 days"}
"""How far back the page may be asked to look, in hours."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for; an empty text asks for everything."""

    state: str = ""
    product: str = ""
    key: str = ""
    code: str = ""
    job_class: str = ""
    hours: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, given: Any) -> Filters:
        """Pure; what is none of the choices is left out. ``from`` and ``to`` are times, and go before ``hours``."""
        state, job_class, hours = (typed(given, name, 20) for name in ("state", "class", "hours"))
        product, key, code = (typed(given, name) for name in ("product", "key", "code"))
        since, until = (time_given(given, name) for name in ("from", "to"))
        return cls(
            state=state if state in jobs.LIVE + jobs.ENDED else "",
            product=product,
            key=key,
            code=code,
            job_class=job_class if job_class in CLASSES else "",
            hours=hours if hours in SPANS and since is None and until is None else "",
            since=since,
            until=until,
        )

    def given(self) -> dict[str, str]:
        """The names and values of the address; those that ask for everything are left out."""
        own = {"state": self.state, "product": self.product, "key": self.key, "code": self.code}
        own |= {"class": self.job_class, "hours": self.hours}
        own |= {
            "from": self.since.isoformat() if self.since else "",
            "to": self.until.isoformat() if self.until else "",
        }
        return {name: value for name, value in own.items() if value}

    def address(self, **more: str) -> str:
        """The page with these filters."""
        asked = urlencode({**self.given(), **more})
        return f"/console/jobs{'?' if asked else ''}{asked}"

    def sought(self, now: datetime, before: Place | None = None) -> Sought:
        """The ended jobs that are meant; what ends from now on is none of them. Pure."""
        until = min(self.until, now) if self.until else now
        since = self.since or (now - timedelta(hours=int(self.hours)) if self.hours else EVER)
        return Sought(
            state=self.state or None,
            product=self.product or None,
            key=self.key or None,
            code=self.code or None,
            job_class=CLASSES[self.job_class] if self.job_class else None,
            since=since,
            before=min(before, (until, AFTER_ALL)) if before else (until, 0 if self.until else AFTER_ALL),
        )

    @property
    def words(self) -> str:
        """The span of time, for a sentence."""
        if self.hours:
            return f"in the {SPANS[self.hours]}"
        if self.since or self.until:
            ends = [f"{one:%-d %b, %H:%M} UTC" if one else "" for one in (self.since, self.until)]
            return f"from {ends[0]} to {ends[1] or 'now'}" if ends[0] else f"before {ends[1]}"
        return "so far"

    def of_live(self) -> bool:
        """Whether live jobs can be among them: those have no error and no end."""
        return not (self.code or self.since or self.until or self.state in jobs.ENDED)


def place(given: Any) -> Place | None:
    """Where the page before ended: a time and an id; None, as for the first page, when either is no such thing."""
    at, number = time_given(given, "before"), typed(given, "id", 19)
    if at is None or not number.isdecimal() or int(number) > AFTER_ALL:
        return None
    return at, int(number)


@router.get("/console/jobs")
async def jobs_page(request: Request, _admin: Admin) -> Response:
    """Live jobs first, in the order in which they are served; then a page of those that ended."""
    asked = Filters.of(request.query_params)
    before = place(request.query_params)
    live: list[jobs.JobView] = []
    ended = Page([], None)
    async with database(request).use() as db:
        now = await db.fetchval(WEB.get("read_now"))
        if before is None and asked.of_live():
            live = await live_jobs(db, asked, SHOWN)
        if asked.state not in jobs.LIVE:
            ended = await list_ended(db, asked.sought(now, before), limit=SHOWN)
    further = ended.further
    return await console_page(
        request,
        "console/jobs.html",
        asked=asked,
        states=jobs.LIVE + jobs.ENDED,
        classes=tuple(CLASSES),
        spans=SPANS,
        live=[(one, duration((now - one.queued_at).total_seconds())) for one in live],
        full=len(live) >= SHOWN,
        ended=[(one, class_name(one["job_class"]), clock(one["finished_at"], now)) for one in ended.rows],
        older=asked.address(before=further[0].isoformat(), id=str(further[1])) if further else "",
        looked_to=clock(further[0], now) if further and len(ended.rows) < SHOWN else "",
        look=LOOK,
        later=before is not None,
        acts=acts_for(asked),
    )


async def live_jobs(db: Any, asked: Filters, limit: int) -> list[jobs.JobView]:
    """Those that run, wait and are parked, at most ``limit`` of each."""
    found: list[jobs.JobView] = []
    for state in (asked.state,) if asked.state else ("running", "waiting", "parked"):
        found += await jobs.list_jobs(
            db,
            state=state,
            product=asked.product or None,
            key=asked.key or None,
            job_class=CLASSES[asked.job_class] if asked.job_class else None,
            limit=limit,
        )
    return found


def acts_for(asked: Filters) -> list[tuple[str, str]]:
    """What may be planned for all jobs of a filter, with its words. Pure."""
    acts = []
    if asked.state not in jobs.LIVE:
        acts.append(("retry", "Queue again all that failed…"))
    if asked.of_live():
        acts.append(("cancel", "Cancel all that wait or run…"))
    return acts


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
        steps = await db.fetch(SQL.get("list_job_steps"), job_id) if job else []
    if job is None:
        raise UnknownJob(job_id)
    return await console_page(
        request,
        "console/job.html",
        status,
        job=job,
        picture=draw(spans(job, steps, now)),
        live=job.state in jobs.LIVE,
        events=[(clock(datetime.fromisoformat(one["at"]), now), one) for one in job.timeline()],
        spends=[(one, money(one.cost_micro)) for one in job.spends],
        refused=refused,
        cost=money(job.cost_micro) if job.cost_micro is not None else "",
        notice=notice,
    )
