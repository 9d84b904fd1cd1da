"""For operators: the people, their states and plans."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel

from openbell.mail.welcome import welcome
from openbell.people import PeopleError, Person, change_person, list_people
from openbell.people.person import MOST_LISTED, SIGN_UPS, move_by_operator, set_sign_up, sign_up_mode
from openbell.people.records import follows_of
from openbell.web.api import database
from openbell.web.console.frame import console_page
from openbell.web.protection import safe
from openbell.web.schemas import Problem
from openbell.web.sign_in import Admin, actor, typed

router = APIRouter(
    dependencies=[safe("admin")], responses={401: {"model": Problem}, 403: {"model": Problem}, 503: {"model": Problem}}
)

STATES = ("pending", "active", "paused", "blocked", "left")
EVENTS = {
    "pending": ("approve", "block"),
    "active": ("pause", "block"),
    "paused": ("resume", "block"),
    "blocked": ("unblock",),
    "left": ("block",),
}
PLANS = ("free", "premium", "professional")


class People(BaseModel):
    """Who is here, the newest first."""

    people: list[dict[str, Any]]


@router.get("/api/v1/people", response_model=People)
async def people_json(request: Request, _admin: Admin, state: str | None = None, search: str | None = None) -> Any:
    """Who is here, for operators."""
    state, search = (typed(request.query_params, name) or None for name in ("state", "search"))
    async with database(request).use() as db:
        found = await list_people(db, state=state, search=search)
    return {"people": [one.as_json() for one in found]}


@router.get("/console/people", include_in_schema=False)
async def people_page(request: Request, _admin: Admin) -> Response:
    """Search, and what may be done with each."""
    return await _show(request)


async def _show(request: Request, status: int = 200, notice: str = "") -> Response:
    state, search = typed(request.query_params, "state") or None, typed(request.query_params, "search") or None
    async with database(request).use() as db:
        found = await list_people(db, state=state if state in STATES else None, search=search)
        tickers = await follows_of(db, [one.id for one in found])
        mode = await sign_up_mode(db)
    return await console_page(
        request,
        "console/people.html",
        status,
        rows=[(one, ", ".join(tickers.get(one.id, [])), _asked(one)) for one in found],
        events=EVENTS,
        plans=PLANS,
        states=STATES,
        state=state,
        search=search or "",
        notice=notice,
        mode=mode,
        most=MOST_LISTED,
        back=urlencode({name: value for name, value in (("state", state), ("search", search)) if value}),
    )


def _asked(person: Person) -> str:
    """What somebody who is pending waits for."""
    if person.state != "pending":
        return ""
    return "approval" if person.confirmed_at is not None else "their click"


@router.post("/console/people", include_in_schema=False)
async def change(request: Request, admin: Admin) -> Response:
    """One step of the state table, a plan, or how sign-up is."""
    form = await request.form()
    event, number = typed(form, "event"), typed(form, "id")
    try:
        async with database(request).use() as db:
            if "sign_up" in form:
                await set_sign_up(
                    db, str(form["sign_up"]) if form["sign_up"] in SIGN_UPS else "open", actor=actor(admin)
                )
            elif "plan" in form:
                plan: Any = form["plan"] if form["plan"] in PLANS else None
                await change_person(db, _number(number), plan=plan, actor=actor(admin))
            else:
                person = await move_by_operator(db, _number(number), event, actor=actor(admin))  # type: ignore[arg-type]
                if event == "approve" and person.state == "active":
                    await welcome(db, person)
    except (PeopleError, KeyError) as error:
        return await _show(request, 400, str(error) if isinstance(error, PeopleError) else "There is no such step.")
    back = typed(form, "back")
    return RedirectResponse(f"/console/people{f'?{back}' if back else ''}", 303)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 18 else 0
