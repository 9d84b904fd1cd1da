"""One's own account: tickers, lists, plan and credits, pause and leave, tokens, export and erase."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from zoneinfo import available_timezones

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, Field
from starlette.datastructures import FormData

from openbell.people import (
    FollowRefused,
    PeopleError,
    Person,
    change_person,
    consent,
    follow,
    move,
    tickers_of,
    unfollow,
)
from openbell.people.consents import LISTS, NEEDED, consents_of, wants
from openbell.people.credits import read_credits
from openbell.people.doors import ApiToken, list_tokens, make_token, revoke_token
from openbell.people.follows import MOST_FOLLOWED
from openbell.people.records import erase, export
from openbell.products.digest.requests import undigested
from openbell.web.api import database
from openbell.web.pages import page
from openbell.web.protection import safe
from openbell.web.schemas import Problem
from openbell.web.sign_in import SignedIn, cookie_name, typed
from openbell.web.sign_up import LIST_NAMES, check_ticker, leave

router = APIRouter(dependencies=[safe("person")], responses={401: {"model": Problem}, 503: {"model": Problem}})


class Account(BaseModel):
    """One's own account."""

    id: int
    address: str
    name: str
    role: str
    state: str
    zone: str
    tickers: list[str]
    lists: dict[str, bool] = Field(description="which mails one gets")
    credits: dict[str, Any] = Field(description="of the month that runs, and when there are new ones")


@router.get("/api/v1/account", response_model=Account)
async def account_json(request: Request, person: SignedIn) -> dict[str, Any]:
    """Whose token this is, what they follow, and the credits they have."""
    async with database(request).use() as db:
        consents = await consents_of(db, person.id)
        tickers, purse = await tickers_of(db, person.id), await read_credits(db, person)
    plain = {name: getattr(person, name) for name in ("id", "address", "name", "role", "state", "zone")}
    lists = {name: wants(consents, name) for name in LISTS}
    return plain | {"tickers": tickers, "lists": lists, "credits": purse.as_json()}


@router.get("/account", include_in_schema=False)
async def account(request: Request, person: SignedIn) -> Response:
    """The page."""
    return await show(request, person)


async def show(request: Request, person: Person, status: int = 200, **values: Any) -> Response:
    """The page with a sentence about what was refused, or with a token that is shown once."""
    async with database(request).use() as db:
        consents = await consents_of(db, person.id)
        tickers = await tickers_of(db, person.id)
        purse = await read_credits(db, person)
        without = await undigested(db, tickers)
        tokens: list[ApiToken] = await list_tokens(db, person.id)
    given: dict[str, Any] = {"notice": "", "candidates": [], "new_token": "", "typed": ""}
    return page(
        request,
        "account.html",
        status,
        person=person,
        tickers=tickers,
        undigested=without,
        room=person.is_admin or len(tickers) < MOST_FOLLOWED,
        most=MOST_FOLLOWED,
        lists=[(name, LIST_NAMES[name], wants(consents, name)) for name in LISTS],
        credits=purse,
        tokens=tokens,
        zones=sorted(
            zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "posix", "right"))
        ),
        **given | values,
    )


@router.get("/account/export", include_in_schema=False)
async def export_page(request: Request, person: SignedIn) -> Response:
    """Everything about the one who asks, as a file."""
    async with database(request).use() as db:
        found = await export(db, person)
    headers = {"Content-Disposition": 'attachment; filename="openbell-account.json"', "Cache-Control": "no-store"}
    return JSONResponse(found, headers=headers)


@router.post("/account/{action}", include_in_schema=False)
async def change(request: Request, action: str, person: SignedIn) -> Response:
    """One change by a form, then the page again."""
    form = await request.form()
    if action == "erase":
        return await _erase(request, person, typed(form, "address"))
    if action == "token":
        return await _token(request, person, form)
    if action not in ACTIONS:
        return await show(request, person, 404, notice="There is no such thing to do here.")
    try:
        await ACTIONS[action](request, person, form)
    except FollowRefused as error:
        text = typed(form, "ticker", 60)
        return await show(request, person, 400, notice=str(error), candidates=error.candidates, typed=text)
    except PeopleError as error:
        return await show(request, person, 400, notice=str(error))
    return RedirectResponse("/account", 303)


async def _follow(request: Request, person: Person, form: FormData) -> None:
    ticker = await check_ticker(request, typed(form, "ticker", 60), may_ask=True)
    async with database(request).use() as db:
        await follow(db, person, ticker)


async def _unfollow(request: Request, person: Person, form: FormData) -> None:
    async with database(request).use() as db:
        await unfollow(db, person.id, typed(form, "ticker", 60))


async def _lists(request: Request, person: Person, form: FormData) -> None:
    async with database(request).use() as db, db.acquire() as conn, conn.transaction():
        chosen = [name for name in LISTS if form.get(name)]
        await consent(conn, person.id, [f"mail:{name}" for name in chosen], given=True, source="account page")
        others = [f"mail:{name}" for name in LISTS if name not in chosen]
        await consent(conn, person.id, others, given=False, source="account page")


async def _zone(request: Request, person: Person, form: FormData) -> None:
    async with database(request).use() as db:
        await change_person(db, person.id, zone=typed(form, "zone"), actor=person.subject)


async def _pause(request: Request, person: Person, _form: FormData) -> None:
    async with database(request).use() as db:
        await move(db, person.id, "pause", actor=person.subject)


async def _resume(request: Request, person: Person, _form: FormData) -> None:
    async with database(request).use() as db:
        await move(db, person.id, "resume", actor=person.subject)


async def _leave(request: Request, person: Person, _form: FormData) -> None:
    async with database(request).use() as db, db.acquire() as conn, conn.transaction():
        await leave(conn, person, stay_signed_in=True)


async def _return(request: Request, person: Person, _form: FormData) -> None:
    """Whoever is signed in has answered from the address, so that no second link is needed."""
    async with database(request).use() as db, db.acquire() as conn, conn.transaction():
        await move(conn, person.id, "confirm", actor=person.subject)
        await consent(conn, person.id, NEEDED, given=True, source="account page")


async def _revoke(request: Request, person: Person, form: FormData) -> None:
    number = typed(form, "id")
    if number.isdecimal() and len(number) < 18:
        async with database(request).use() as db:
            await revoke_token(db, person.id, int(number))


ACTIONS: Mapping[str, Callable[[Request, Person, FormData], Awaitable[None]]] = {
    "follow": _follow,
    "unfollow": _unfollow,
    "lists": _lists,
    "zone": _zone,
    "pause": _pause,
    "resume": _resume,
    "leave": _leave,
    "return": _return,
    "revoke": _revoke,
}


async def _token(request: Request, person: Person, form: FormData) -> Response:
    """Make a token and show it, this once."""
    scope = "operator" if form.get("scope") == "operator" else "person"
    try:
        async with database(request).use() as db:
            token = await make_token(db, person, typed(form, "name"), scope)  # type: ignore[arg-type]
    except PeopleError as error:
        return await show(request, person, 400, notice=str(error))
    return await show(request, person, new_token=token)


async def _erase(request: Request, person: Person, address: str) -> Response:
    if address.strip().lower() != person.address:
        sentence = "To erase everything, type your address as it stands on this page."
        return await show(request, person, 400, notice=sentence)
    async with database(request).use() as db:
        await erase(db, person.id, actor=person.subject)
    gone = "Everything about you is erased, but for what the books need, which does not name you."
    response = page(request, "words.html", title="Erased", sentence=gone)
    response.delete_cookie(cookie_name(request), path="/", secure=request.url.scheme == "https", httponly=True)
    return response
