"""Who is asking: sign-in by a link that is mailed, sessions in a cookie, tokens of programs, and what each may do.

Pages of the operator are open to whoever sits at this machine in development (the address is that of the loopback, and
nothing was passed on by a proxy); everywhere else they need an admin who has signed in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote, urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from openbell.engine.books import dollars
from openbell.mail import letters, queue_all
from openbell.mail.deliveries import recent
from openbell.people import LOCAL_OPERATOR, InvalidAddress, Person, find_by_address
from openbell.people.doors import (
    LINK_TIMES,
    SESSION_TIME,
    digest,
    end_session,
    knock,
    open_session,
    person_of_session,
    person_of_token,
    use_link,
)
from openbell.people.errors import LinkRefused
from openbell.telemetry.tally import swallowed
from openbell.web.api import database
from openbell.web.backend import SQL as WEB
from openbell.web.errors import AdminNeeded, DatabaseUnavailable, SignInNeeded, TooMany
from openbell.web.pages import page
from openbell.web.protection import safe

router = APIRouter(dependencies=[safe("everybody")], include_in_schema=False)

COOKIE = "openbell"
NEXT = "openbell-next"
"""Where whoever asked for a link in this browser was going; in another one there is none."""
ACCOUNT = "/account"
LINKS_AT_ONCE, LINK_PAUSE_S = 3, 900.0
TODAY_S, TODAY_WAIT_S = 30.0, 0.5
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
PROXIED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
PRIVATE = {"Referrer-Policy": "same-origin", "X-Robots-Tag": "noindex"}
"""Of pages whose address is a secret. Without any referrer browsers would post their forms from the origin `null`."""

_PLACE = re.compile(r"/(?![/\\])[!-~]{0,300}")


def cookie_name(request: Request) -> str:
    """`__Host-` binds the cookie to this host and to https; plain http, on this machine only, cannot have it."""
    return f"__Host-{COOKIE}" if request.url.scheme == "https" else COOKIE


async def person_of(request: Request) -> Person | None:
    """Who is asking: by a token of theirs, else by the session in their cookie. Asked once a request."""
    known: dict[str, Any] = request.scope.setdefault("state", {})
    if "person" not in known:
        known["person"], known["scope"] = await _person_of(request)
    found: Person | None = known["person"]
    return found


async def _person_of(request: Request) -> tuple[Person | None, str]:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    secret = request.cookies.get(cookie_name(request), "")
    if kind.lower() == "bearer" and token:
        async with database(request).use() as db:
            found = await person_of_token(db, token.strip())
        return found or (None, "")
    if not secret:
        return None, ""
    async with database(request).use() as db:
        return await person_of_session(db, secret), "session"


def proof_of(request: Request) -> bytes | None:
    """What is kept of the token or cookie that came; None where neither did."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    secret = token.strip() if kind.lower() == "bearer" and token else request.cookies.get(cookie_name(request), "")
    return digest(secret) if secret else None


async def signed_in(request: Request) -> Person:
    """Whoever has signed in. Raises :class:`SignInNeeded`: 401 to programs, the sign-in page to people."""
    if (person := await person_of(request)) is None:
        raise SignInNeeded(f"/sign-in?next={quote(_here(request), safe='')}")
    return person


async def reader(request: Request) -> Person | None:
    """Whoever has signed in; None for the operator at this machine. Raises :class:`SignInNeeded`."""
    return None if await person_of(request) is None and is_local(request) else await signed_in(request)


async def admin(request: Request) -> Person:
    """Whoever runs this instance. Raises :class:`SignInNeeded`, or :class:`AdminNeeded` (403) for everybody else."""
    person = await person_of(request)
    if person is None and is_local(request):
        return LOCAL_OPERATOR
    person = person or await signed_in(request)
    if not person.is_admin or request.scope["state"]["scope"] == "person":
        raise AdminNeeded
    return person


async def know(request: Request) -> None:
    """Find out, for the top bar of pages, whether whoever asks runs this instance, and then what today has cost.

    Nobody is asked where no cookie came and nobody sits at this machine; trouble leaves the bar as it is for everybody.
    """
    if request.method not in ("GET", "HEAD"):
        return
    try:
        person = await person_of(request) if cookie_name(request) in request.cookies else None
        if is_local(request) if person is None else person.is_admin:
            request.scope["state"]["operator"] = await _today(request)
    except DatabaseUnavailable as error:
        swallowed("page.know", error)
        return


async def _today(request: Request) -> str:
    """What today, in UTC, has cost so far; as of half a minute ago at most."""
    known = getattr(request.app.state, "today", None)
    if known is None or monotonic() - known[0] > TODAY_S:
        words = "unknown"
        with suppress(DatabaseUnavailable):
            async with database(request).use(TODAY_WAIT_S) as db:
                words = dollars(await db.fetchval(WEB.get("read_today_cost")))
        known = request.app.state.today = (monotonic(), words)
    return str(known[1])


SignedIn = Annotated[Person, Depends(signed_in)]
Admin = Annotated[Person, Depends(admin)]


def is_local(request: Request) -> bool:
    """Whether this is development and somebody on this machine asks."""
    return request.app.state.config.environment == "development" and is_near(request)


def is_proxied(request: Request) -> bool:
    """Whether it says that somebody has passed it on."""
    return any(name in request.headers for name in PROXIED)


def is_near(request: Request) -> bool:
    """Whether the request comes straight from this machine, under one of its names: through no proxy for somebody else,
    even one that hides itself.
    """
    if is_proxied(request):
        return False
    try:
        near = request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
        return near and urlsplit(f"//{request.headers.get('host', '')}").hostname in LOCAL_NAMES
    except ValueError:  # of a host such as `[`, too
        return False


def actor(person: Person) -> str:
    """How the audit log calls who did it."""
    return person.subject if person.id else "local operator"


def typed(form: Mapping[str, Any], name: str, most: int = 300) -> str:
    """What somebody typed into a field: text in one line, without what cannot be printed or stored."""
    return "".join(letter for letter in str(form.get(name) or "")[:most] if letter.isprintable())


def _here(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{request.url.path}{query}" if request.method in ("GET", "HEAD") else ACCOUNT


def _place(text: str) -> str:
    """Where to go afterwards: a path of ours."""
    return text if _PLACE.fullmatch(text) else ACCOUNT


async def may_knock(request: Request) -> None:
    """Raises :class:`TooMany` when this client has asked for too many mails."""
    client = request.client.host if request.client else "unknown"
    async with database(request).use() as db:
        if not await knock(db, client):
            raise TooMany("Too many mails were asked for from here within the last hour. Try again later.")


@router.get("/sign-in")
async def sign_in_page(request: Request) -> Response:
    """Ask for the address."""
    return page(request, "sign_in.html", where=_place(request.query_params.get("next", "")), notice="", address="")


@router.post("/sign-in")
async def ask_for_link(request: Request) -> Response:
    """Send a link, if the address is somebody's here; the answer is the same when it is not."""
    form = await request.form()
    address, where = typed(form, "address"), _place(typed(form, "next"))
    await may_knock(request)
    try:
        async with database(request).use() as db:
            person = await find_by_address(db, address)
            if person is not None:
                await send_link(db, person, "sign-in" if person.confirmed_at is not None else "confirm")
    except InvalidAddress as error:
        return page(request, "sign_in.html", 400, where=where, notice=str(error), address=address)
    sent = sent_page(request, "sign in", LINK_TIMES["sign-in"])
    sent.set_cookie(
        NEXT,
        quote(where),
        max_age=int(LINK_TIMES["sign-in"].total_seconds()),
        path="/sign-in",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return sent


def sent_page(request: Request, what: str, lasts: timedelta) -> HTMLResponse:
    """What everybody is told, whoever they are."""
    minutes = int(lasts.total_seconds() // 60)
    span = f"{minutes} minutes" if minutes < 120 else f"{minutes // 1440} days"
    return page(request, "sent.html", what=what, span=span, local=is_local(request))


async def send_link(db: Any, person: Person, kind: Literal["sign-in", "confirm"]) -> None:
    """Queue the mail with a link, unless this person was sent too many. The link is made when the mail leaves."""
    if await recent(db, person.id, kind, LINK_PAUSE_S) >= LINKS_AT_ONCE:
        return
    await queue_all(db, kind=kind, recipients=[person], letter=letters.link_letter(kind))


@router.get("/sign-in/{token}")
async def link_page(request: Request, token: str) -> Response:
    """A button, because programs that check mails follow every link, and this one works once."""
    shown = page(
        request, "link.html", title="Sign in", action=f"/sign-in/{quote(token, safe='')}", button="Sign in", words=""
    )
    shown.headers.update(PRIVATE)
    return shown


@router.post("/sign-in/{token}")
async def use_sign_in_link(request: Request, token: str) -> Response:
    """Sign in, once, and go on to where the link was asked for."""
    where = _place(unquote(request.cookies.get(NEXT, "")))
    try:
        async with database(request).use() as db:
            person = await use_link(db, token, "sign-in")
            home = "/console" if person.is_admin else ACCOUNT
            begun = await start_session(request, db, person, home if where == ACCOUNT else where)
    except LinkRefused as error:
        return refused_page(request, error, "/sign-in")
    begun.delete_cookie(NEXT, path="/sign-in", secure=request.url.scheme == "https", httponly=True)
    return begun


def refused_page(request: Request, error: LinkRefused, again: str) -> HTMLResponse:
    """Why a link does not work, and where there is another."""
    shown = page(request, "link_refused.html", 410, sentence=str(error), code=error.code, again=again)
    shown.headers.update(PRIVATE)
    return shown


async def start_session(request: Request, db: Any, person: Person, where: str) -> Response:
    """Go there, signed in."""
    secret = await open_session(db, person.id)
    response = RedirectResponse(where, 303, PRIVATE | {"Cache-Control": "no-store"})
    response.set_cookie(
        cookie_name(request),
        secret,
        max_age=int(SESSION_TIME.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End this session."""
    if secret := request.cookies.get(cookie_name(request)):
        async with database(request).use() as db:
            await end_session(db, secret)
    response = RedirectResponse("/", 303)
    response.delete_cookie(cookie_name(request), path="/", secure=request.url.scheme == "https", httponly=True)
    return response
