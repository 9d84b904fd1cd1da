"""Weekly picks as a page: the edition, one pick with its chart, earlier weeks, and the profile that somebody tells."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError
from starlette.datastructures import FormData

from openbell.engine.database import Db
from openbell.products.picks import profile as words_of
from openbell.products.picks import starter
from openbell.products.picks.content import Backing
from openbell.products.picks.editions import EditionKey
from openbell.products.picks.figures import NAMES
from openbell.products.picks.profile import Profile
from openbell.products.picks.reading import (
    Edition,
    Since,
    View,
    Wishes,
    closes,
    list_weeks,
    look,
    read_edition,
    read_wishes,
    save_wishes,
    since,
)
from openbell.products.picks.store import is_attested
from openbell.products.picks.words import Kind, Status
from openbell.web import words
from openbell.web.api import database, registry
from openbell.web.errors import NotHere, WebError
from openbell.web.pages import page
from openbell.web.picks_api import ask_for_own, connection, tell
from openbell.web.picks_chart import chart
from openbell.web.protection import safe
from openbell.web.sign_in import Admin, SignedIn, actor, person_of

router = APIRouter(include_in_schema=False)

KINDS = {
    Kind.PERSONAL: "Made for your profile",
    Kind.IMPERSONAL: "The same edition for everybody",
    Kind.FIGURES: "Made of stored figures alone, without a model",
    Kind.IMPORTED: "Taken over from the former system",
    Kind.STATIC: "A fixed list",
}
CHOICES = {
    "goals": ("What you invest for", words_of.GOALS),
    "interests": ("What interests you", words_of.INTERESTS),
    "risk": ("How much it may go up and down", words_of.RISKS),
    "horizon": ("How long it may stay invested", words_of.HORIZONS),
    "experience": ("How much you have done already", words_of.EXPERIENCES),
}
_CODE = re.compile(r"^[a-z]+(?:_[a-z]+)*: ")
MANY = ("goals", "interests")
LABELS = {"1-3-years": "1 to 3 years", "3-5-years": "3 to 5 years", "5-10-years": "5 to 10 years"}


@router.get("/picks", dependencies=[safe("everybody")])
async def picks_page(request: Request) -> HTMLResponse:
    """What is shown this week; `?pick=AAPL` opens one of the picks with its chart."""
    return await show(request)


@router.get("/picks/week/{name}", dependencies=[safe("everybody")])
async def earlier(request: Request, name: str) -> HTMLResponse:
    """An earlier edition, everybody's or one's own."""
    person = await person_of(request)
    try:
        key = EditionKey.parse(name.replace(".", "|"))
    except ValueError:
        raise NotHere("There is no such edition.") from None
    if key.person_id is not None and (person is None or person.id != key.person_id):
        raise NotHere("There is no such edition.")
    async with database(request).use() as db:
        found = await read_edition(db, key)
    if found is None:
        raise NotHere("There is no such edition.")
    return await show(request, chosen=found)


@router.post("/picks/generate", dependencies=[safe("everybody")])
async def generate(request: Request) -> Response:
    """The button of the page; a refusal is told on the page."""
    try:
        await ask_for_own(request)
    except WebError as error:
        if error.status == 401:
            raise
        return await show(request, notice=f"{error.message} {error.next or ''}".strip(), status=error.status)
    return RedirectResponse("/picks", 303)


@router.post("/picks/starter", dependencies=[safe("admin")])
async def ask_for_figures(request: Request, person: Admin) -> Response:
    """The operator's button on a fresh instance: figures of some companies, of today's budget."""
    task = registry(request).get(starter.STARTER_TASK)
    async with database(request).use() as db, db.acquire() as conn, conn.transaction():
        job = await starter.ask(connection(conn), task, starter.USUAL, actor=actor(person))
    if job is not None:
        tell(request, starter.STARTER_TASK, starter.STARTER_KEY)
    return RedirectResponse("/picks", 303)


@router.get("/picks/profile", dependencies=[safe("person")])
async def profile_page(request: Request, person: SignedIn) -> HTMLResponse:
    """What somebody has told."""
    async with database(request).use() as db:
        return await _form(request, await read_wishes(db, person.id))


@router.post("/picks/profile", dependencies=[safe("person")])
async def save_profile(request: Request, person: SignedIn) -> Response:
    """Keep what somebody tells. What is no word of ours is refused, and what was stored stays."""
    form = await request.form()
    try:
        told = profile_of(form)
    except ValidationError as error:
        names = sorted({str(one["loc"][0]).replace("_", " ") for one in error.errors()})
        async with database(request).use() as db:
            stored = await read_wishes(db, person.id)
            return await _form(request, stored, f"{', '.join(names).capitalize()} cannot be that; choose again.", 400)
    async with database(request).use() as db:
        await save_wishes(db, person.id, told, personal="personal" in form)
    return RedirectResponse("/picks", 303)


def profile_of(form: FormData) -> Profile:
    """The profile that a form tells. Raises ``ValidationError``."""
    given: dict[str, Any] = {name: [str(one) for one in form.getlist(name)] for name in MANY}
    for name in ("first_name", "risk", "horizon", "experience", "monthly_amount", "holdings"):
        if form.get(name):
            given[name] = str(form[name])
    return Profile.model_validate(given)


async def show(request: Request, *, chosen: Edition | None = None, notice: str = "", status: int = 200) -> HTMLResponse:
    """Draw the page."""
    person = await person_of(request)
    opened = request.query_params.get("pick", "").upper()
    async with database(request).use() as db:
        view = await look(db, person.id if person else None, enabled=request.app.state.config.picks_enabled)
        shown = chosen or view.edition
        how = await since(db, shown.stored) if shown else {}
        known = {pick.ticker for pick in shown.stored.content.picks} if shown else set()
        bars = await closes(db, opened) if opened in known else []
        weeks = await list_weeks(db, person.id if person else None)
        wishes = await read_wishes(db, person.id) if person else None
        attested = await is_attested(db)
        offered = await _offered(request, db, shown, chosen)
    drawn = None if shown is None else lines(shown, how, opened)
    return page(
        request,
        "picks.html",
        status,
        view=view,
        chosen=chosen,
        edition=shown,
        kind=KINDS[shown.kind] if shown else "",
        made=words.day(shown.made_at.date()) if shown else "",
        week=words.day(shown.week) if shown else "",
        iso_day=words.iso_day,
        this_week=words.day(view.week),
        picks=drawn or [],
        opened=opened if opened in known else "",
        graph=chart(bars, shown.stored.base.get(opened, (None, 0))[0] if shown else None),
        weeks=[week_line(row) for row in weeks if shown is None or row["week"] != shown.week],
        person=person,
        wishes=wishes,
        attested=attested,
        state=state_of(view),
        offer=offered,
        why=why_not(view),
        enabled=request.app.state.config.picks_enabled,
        notice=notice,
    )


async def _offered(request: Request, db: Db, shown: Edition | None, chosen: Edition | None) -> starter.Offer | None:
    """What an operator may ask for where there is nothing but the fixed list."""
    is_operator = "operator" in request.scope["state"]
    if not is_operator or chosen is not None or shown is None or shown.kind is not Kind.STATIC:
        return None
    return await starter.offer(db)


def why_not(view: View) -> str:
    """What went wrong in words; the codes before them are for operators, who list them by the command line."""
    if view.slot is None or view.status is not Status.ERROR:
        return ""
    told = "; ".join(_CODE.sub("", part) for part in (view.slot.message or view.slot.code or "").split("; "))
    return f"{told[:1].upper()}{told[1:]}".rstrip(".") + "."


def state_of(view: View) -> str:
    """The word for how the page stands: what its script waits for, and what tests look at."""
    if view.status is not None and view.status.is_live:
        return "first-time" if view.is_new else "running"
    if view.status is Status.ERROR:
        return "error"
    return "fallback" if view.fallback else "data"


def lines(shown: Edition, how: dict[str, Since], opened: str) -> list[dict[str, Any]]:
    """Each pick as the page shows it."""
    return [
        {
            "pick": pick,
            "open": pick.ticker == opened,
            "figures": [
                (NAMES[one.name], figure(one), one.formula, day(one.as_of))
                for one in shown.stored.backing.get(pick.ticker, [])
            ],
            "since": since_words(how.get(pick.ticker)),
            "way": way_of(how.get(pick.ticker)),
        }
        for pick in shown.stored.content.picks
    ]


def figure(one: Backing) -> str:
    """A figure in per cent; what is a change has its sign."""
    return change_of(one.value) if one.name == "momentum" and one.value is not None else words.share(one.value)


def change_of(value: float) -> str:
    """A change in per cent with its sign; a zero has none."""
    return f"{words.signed(value * 100, 1)}{words.NARROW}%"


def since_words(one: Since | None) -> str:
    """How a pick has done, with both dates."""
    if one is None:
        return ""
    return f"{change_of(one.change)} from the close of {day(one.base_day)} to that of {day(one.day)}"


def way_of(one: Since | None) -> str:
    """Up, down, or nothing where one digit shows no change."""
    change = round(one.change, 3) if one else 0
    return "up" if change > 0 else "down" if change < 0 else ""


def week_line(row: Any) -> dict[str, str]:
    """An edition in the list of weeks; its address has a dot where its name has a bar."""
    return {
        "href": f"/picks/week/{row['edition'].replace('|', '.')}",
        "week": words.day(row["week"]),
        "kind": KINDS[Kind(row["kind"])],
    }


def day(given: date | None) -> str:
    """A date for people."""
    return words.day(given) if given else words.DASH


async def _form(request: Request, wishes: Wishes, notice: str = "", status: int = 200) -> HTMLResponse:
    async with database(request).use() as db:
        attested = await is_attested(db)
    return page(
        request,
        "picks_profile.html",
        status,
        wishes=wishes,
        choices=CHOICES,
        many=MANY,
        labels=LABELS,
        told=wishes.profile.for_prompt(),
        attested=attested,
        notice=notice,
        most=words_of.AMOUNT_MOST,
    )
