"""For operators: all jobs of a filter queued again or cancelled at once, shown before and told afterwards."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from openbell.engine import many
from openbell.engine.confirm import NotConfirmed, Plan
from openbell.engine.history import EVER
from openbell.engine.registry import CLASSES
from openbell.web.api import database
from openbell.web.backend import SQL as WEB
from openbell.web.console.frame import console_page
from openbell.web.console.jobs import Filters
from openbell.web.protection import confirm
from openbell.web.sign_in import Admin, actor, typed

router = APIRouter(dependencies=[confirm("admin")], include_in_schema=False)

TITLES = {"retry": "Queue jobs again", "cancel": "Cancel jobs"}
LONGEST = 20_000
DEED_S = 60.0
"""For all batches of a plan; each statement has its own limit."""


def meant_by(asked: Filters) -> many.Meant:
    """The filters of the page, for the engine; hours count back from now and are resolved by the page. Pure."""
    return many.Meant(
        state=asked.state or None,
        product=asked.product or None,
        key=asked.key or None,
        code=asked.code or None,
        job_class=CLASSES[asked.job_class] if asked.job_class else None,
        since=asked.since or EVER,
        until=asked.until,
    )


@router.post("/console/jobs/many/plan")
async def plan(request: Request, admin: Admin) -> Response:
    """What would be done, with the token for it."""
    async with request.form() as form:
        asked, act = Filters.of(form), typed(form, "act", 10)
    if act not in many.ACTS:
        return await _page(request, 400, act="retry", asked=asked, notice="There is no such step.")
    chosen: many.Act = act
    try:
        async with database(request).use() as db:
            prepared = await many.prepare(db, chosen, meant_by(await _timed(db, asked)), actor=actor(admin))
    except many.NothingMeant as error:
        return await _page(request, 409, act=chosen, asked=asked, notice=str(error))
    told = {"meant": prepared.meant.as_json(), "plan": prepared.proposed.plan.as_json()}
    return await _page(request, act=chosen, asked=asked, prepared=prepared, told=json.dumps(told))


@router.post("/console/jobs/many/done")
async def carry_out(request: Request, admin: Admin) -> Response:
    """Do what the plan says, once."""
    async with request.form() as form:
        asked, act, token = Filters.of(form), typed(form, "act", 10), typed(form, "token", 100)
        text = form.get("told")
    if act not in many.ACTS:
        return await _page(request, 400, act="retry", asked=asked, notice="There is no such step.")
    chosen: many.Act = act
    try:
        meant, planned = _read(text)
        async with database(request).use(DEED_S) as db:
            done = await many.carry_out(db, chosen, meant, planned, token, actor=actor(admin))
    except NotConfirmed as error:
        return await _page(request, 409, act=chosen, asked=asked, notice=str(error))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return await _page(request, 400, act=chosen, asked=asked, notice="This is no plan: ask for it again.")
    return await _page(request, act=chosen, asked=asked, done=done)


@router.get("/console/jobs/many/plan")
@router.get("/console/jobs/many/done")
async def back(_admin: Admin) -> Response:
    """A plan is not for reloading: back to the jobs."""
    return RedirectResponse("/console/jobs", 303)


async def _timed(db: Any, asked: Filters) -> Filters:
    """With the hours of the filter as times, so that the plan stays bound to them."""
    if not asked.hours:
        return asked
    sought = asked.sought(await db.fetchval(WEB.get("read_now")))
    given = {**asked.given(), "hours": "", "from": sought.since.isoformat()}
    return Filters.of(given)


def _read(text: object) -> tuple[many.Meant, Plan]:
    """What the page of the plan brought back; whether it is the plan, its token says."""
    if not isinstance(text, str) or len(text) > LONGEST:
        raise ValueError("no plan")
    told = json.loads(text)
    plan = told["plan"]
    rows = {str(name): int(n) for name, n in plan["rows"].items()}
    return many.Meant.of(told["meant"]), Plan(str(plan["sentence"]), rows, [str(one) for one in plan["sample"]])


async def _page(request: Request, status: int = 200, *, act: str, asked: Filters, **values: Any) -> Response:
    more = {"prepared": None, "told": "", "done": None, "notice": "", **values}
    return await console_page(request, "console/many.html", status, act=act, title=TITLES[act], asked=asked, **more)
