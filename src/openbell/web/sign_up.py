"""Signing up, confirming, and unsubscribing: the doors for people who have not signed in.

The answer never tells whether an address is known. What a stranger types about somebody who is here changes nothing;
it counts once the address itself has answered.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from openbell.engine.errors import InvalidKey
from openbell.mail.welcome import welcome
from openbell.people import (
    FollowRefused,
    InvalidAddress,
    Person,
    add_person,
    consent,
    find_by_address,
    follow,
    move,
    normalise,
    tickers_of,
)
from openbell.people.consents import LISTS, NEEDED, TERMS, consents_of, wants
from openbell.people.doors import LINK_TIMES, end_sessions, use_link
from openbell.people.errors import LinkRefused, StateRefused
from openbell.people.follows import MOST_FOLLOWED
from openbell.people.person import find_by_mail_token
from openbell.people.tickers import known_symbols, resolve
from openbell.web.api import database, registry
from openbell.web.pages import ask, page, settled
from openbell.web.protection import safe
from openbell.web.sign_in import PRIVATE, may_knock, refused_page, send_link, sent_page, start_session, typed

router = APIRouter(dependencies=[safe("everybody")], include_in_schema=False)

LIST_NAMES = {"digest": "digests", "picks": "weekly picks"}
EVERYTHING = "all"
ASK_S = 2.0
"""How long the answer of the source about an unknown symbol is waited for."""


async def check_ticker(request: Request, text: str, *, may_ask: bool = False) -> str:
    """The known symbol that somebody means. With ``may_ask`` the source is asked about a symbol that nobody has looked
    at yet, which is for people who have signed in. Raises :class:`FollowRefused` with suggestions.
    """
    try:
        text = symbol = registry(request).get("quote").parse_key(text)
    except InvalidKey:
        symbol = ""  # perhaps the name of a company
    async with database(request).use() as db:
        known = await known_symbols(db)
    if may_ask and symbol and symbol not in known and not any(one.startswith(f"{symbol}.") for one in known):
        watch = [("profile", symbol)]
        await ask(request, watch)
        await settled(request, watch, ASK_S)
        async with database(request).use() as db:
            known = await known_symbols(db)
    return resolve(text, known)


@router.get("/sign-up")
async def sign_up_page(request: Request) -> Response:
    """The form."""
    return form_page(request)


def form_page(request: Request, status: int = 200, **values: Any) -> Response:
    """The form with what was typed, and what is wrong with it."""
    empty = {"address": "", "tickers": "", "notice": "", "candidates": [], "agreed": False, "most": MOST_FOLLOWED}
    return page(request, "sign_up.html", status, version=TERMS, **empty | values)


@router.post("/sign-up")
async def sign_up(request: Request) -> Response:
    """Note what was asked for and send the question whether it was them; to those who are here, a link to sign in."""
    form = await request.form()
    given = {name: typed(form, name) for name in ("address", "tickers")}
    agreed = form.get("agree") == TERMS
    if not agreed:
        sentence = "Please agree to the terms and the privacy note; we cannot send you mail otherwise."
        return form_page(request, 400, **given, notice=sentence)
    await may_knock(request)
    try:
        address = normalise(given["address"])
        wanted = await _wanted(request, given["tickers"])
    except InvalidAddress as error:
        return form_page(request, 400, **given, agreed=True, notice=str(error))
    except FollowRefused as error:
        return form_page(request, 400, **given, agreed=True, notice=str(error), candidates=error.candidates)
    async with database(request).use() as db, db.acquire() as conn, conn.transaction():
        person = await find_by_address(conn, address) or await add_person(conn, address)
        if person.state == "pending" and person.confirmed_at is None:
            await consent(conn, person.id, NEEDED, given=True, source="sign-up page")
            await _follow(conn, person, wanted)
        if person.state != "blocked":
            await send_link(conn, person, "confirm" if person.state in ("pending", "left") else "sign-in")
    return sent_page(request, "sign up", LINK_TIMES["confirm"])


async def _wanted(request: Request, text: str) -> list[str]:
    """The symbols in a text, each once. Raises :class:`FollowRefused`."""
    parts = [part for part in re.split(r"[,;\n]+", text) if part.strip()]
    if len(parts) > MOST_FOLLOWED:
        raise FollowRefused(f"Choose up to {MOST_FOLLOWED} tickers; more is not possible.", "limit_reached")
    if not parts:
        return []
    return list(dict.fromkeys([await check_ticker(request, part) for part in parts]))


async def _follow(conn: Any, person: Person, wanted: list[str]) -> None:
    """One list a person: what an earlier sign-up asked for stays, as far as there is room."""
    there = await tickers_of(conn, person.id)
    for ticker in [one for one in wanted if one not in there][: MOST_FOLLOWED - len(there)]:
        await follow(conn, person, ticker)


@router.get("/confirm/{token}")
async def confirm_page(request: Request, token: str) -> Response:
    """A button, because programs that check mails follow every link."""
    words = (
        f"With this you agree to the terms and the privacy note of {TERMS}, and to get mail from us. "
        "You can end it at any time."
    )
    place, title = f"/confirm/{quote(token, safe='')}", "Confirm your address"
    shown = page(request, "link.html", title=title, action=place, button="Confirm", words=words)
    shown.headers.update(PRIVATE)
    return shown


@router.post("/confirm/{token}")
async def confirm(request: Request, token: str) -> Response:
    """The address has answered: let them in, or have them wait for an operator."""
    try:
        async with database(request).use() as db, db.acquire() as conn, conn.transaction():
            person = await use_link(conn, token, "confirm")
            before = person.state
            person = await move(conn, person.id, "confirm", actor=person.subject)
            await consent(conn, person.id, NEEDED, given=True, source="link to confirm")
            if person.state == "active" and before != "active":
                await welcome(conn, person)
            if person.state == "active":
                return await start_session(request, conn, person, "/account")
    except LinkRefused as error:
        return refused_page(request, error, "/sign-up")
    except StateRefused:
        return page(
            request, "words.html", 403, title="This address is blocked", sentence="Ask whoever runs this instance."
        )
    sentence = "Your address is confirmed. Somebody who runs this instance has to let you in; you get a mail then."
    return page(request, "words.html", title="Thank you", sentence=sentence)


@router.get("/unsubscribe")
async def unsubscribe_page(request: Request) -> Response:
    """A page with a button: following the link changes nothing."""
    token, name = request.query_params.get("token", ""), request.query_params.get("list", EVERYTHING)
    async with database(request).use() as db:
        person = await find_by_mail_token(db, token[:200])
        return await _unsubscribe_page(request, db, person, token, name)


async def _unsubscribe_page(
    request: Request, db: Any, person: Person | None, token: str, name: str, done: str = ""
) -> Response:
    consents = await consents_of(db, person.id) if person is not None else []
    given = {
        "known": person is not None,
        "token": token,
        "list": name if name in LISTS else EVERYTHING,
        "names": LIST_NAMES,
        "done": done,
        "gets": [one for one in LISTS if wants(consents, one)],
    }
    shown = page(request, "unsubscribe.html", 200 if person is not None else 404, **given)
    shown.headers.update(PRIVATE)
    return shown


@router.post("/unsubscribe")
async def unsubscribe(request: Request) -> Response:
    """End one list, or everything. Programs of mail providers post to the address in the mail (RFC 8058) and need no
    more; doing it again changes nothing. Who ended a list by mistake gets it again by the button of the page.
    """
    form = await request.form()
    query = request.query_params
    token = typed(query, "token") or typed(form, "token")
    name = typed(form, "list") or typed(query, "list") or EVERYTHING
    one_click, again = form.get("List-Unsubscribe") == "One-Click", "again" in form
    async with database(request).use() as db, db.acquire() as conn, conn.transaction():
        person = await find_by_mail_token(conn, token)
        if person is not None and name in LISTS:
            await consent(conn, person.id, [f"mail:{name}"], given=again, source="unsubscribe page")
        elif person is not None:
            await leave(conn, person)
        if not one_click:
            done = "" if person is None or again else LIST_NAMES.get(name, "mail")
            return await _unsubscribe_page(request, conn, person, token, name, done)
    said = "You are unsubscribed." if person is not None else "This link is not known here."
    return PlainTextResponse(said, 200 if person is not None else 404, PRIVATE)


async def leave(conn: Any, person: Person, *, stay_signed_in: bool = False) -> None:
    """No mail of any kind any more; they may come back."""
    if person.state != "blocked":
        await move(conn, person.id, "leave", actor=person.subject)
    await consent(conn, person.id, ["mail"], given=False, source="left")
    if not stay_signed_in:
        await end_sessions(conn, person.id)
