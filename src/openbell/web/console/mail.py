"""For operators: the queue of mails, with previews, hold, release, cancel, undo, send now, and the emergency stop."""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel

from openbell.engine.books import span_words
from openbell.mail import KINDS, Delivery, MailError, control
from openbell.mail.deliveries import get_delivery, list_deliveries, read_letter
from openbell.web.api import database
from openbell.web.backend import SQL
from openbell.web.console.frame import console_page
from openbell.web.errors import NotHere
from openbell.web.guards import POLICY
from openbell.web.protection import safe
from openbell.web.schemas import Problem
from openbell.web.sign_in import Admin, actor, typed

router = APIRouter(
    dependencies=[safe("admin")], responses={401: {"model": Problem}, 403: {"model": Problem}, 503: {"model": Problem}}
)

Number = Annotated[int, Path(ge=0, lt=2**63)]
STATES = ("ready", "held", "sent", "skipped", "cancelled", "expired", "failed", "unknown")
ACTS = {
    "ready": ("hold", "cancel", "send-now"),
    "held": ("release", "cancel", "send-now"),
    "cancelled": ("undo",),
    "failed": ("send-now",),
    "unknown": ("send-now",),
}
WORDS = {"hold": "Hold", "release": "Release", "cancel": "Cancel", "undo": "Undo", "send-now": "Send now"}
SHOWN = 200
WITH_FRAMES = POLICY.replace("default-src 'none'", "default-src 'none'; frame-src 'self'")
LETTER_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'none'; sandbox"
)


class Deliveries(BaseModel):
    """Mails, those that wait first."""

    deliveries: list[dict[str, Any]]
    stopped: bool


@router.get("/api/v1/deliveries", response_model=Deliveries)
async def deliveries_json(
    request: Request, _admin: Admin, kind: str | None = None, state: str | None = None, ticker: str | None = None
) -> Any:
    """The queue of mails, for operators."""
    kind, state, ticker = (typed(request.query_params, name) or None for name in ("kind", "state", "ticker"))
    async with database(request).use() as db:
        found = await list_deliveries(db, kind=kind, state=state, ticker=ticker)
        switch = await control.read_switch(db)
    return {"deliveries": [one.as_json() for one in found], "stopped": switch.stopped}


@router.get("/console/mail", include_in_schema=False)
async def queue_page(request: Request, _admin: Admin) -> Response:
    """The queue by kind, each mail with what may be done to it."""
    return await _show(request)


async def _show(request: Request, status: int = 200, notice: str = "") -> Response:
    query = request.query_params
    kind = query.get("kind") if query.get("kind") in KINDS else None
    state = query.get("state") if query.get("state") in STATES else None
    edition, ticker, number = typed(query, "edition"), typed(query, "ticker"), typed(query, "person", 18)
    person = int(number) if number.isdecimal() else None
    async with database(request).use() as db:
        found = await list_deliveries(
            db, kind=kind, state=state, ticker=ticker or None, person_id=person, artifact=edition or None, limit=SHOWN
        )
        counts = await control.counts(db)
        switch = await control.read_switch(db)
        now = await db.fetchval(SQL.get("read_now"))
    asked = {"kind": kind, "state": state, "edition": edition, "person": number, "ticker": ticker}
    kept = {name: value for name, value in asked.items() if value}
    return await console_page(
        request,
        "console/mail.html",
        status,
        rows=[_row(one, now) for one in found],
        counts=_by_kind(counts),
        switch=switch,
        kind=kind,
        state=state,
        asked=asked,
        kinds=list(KINDS),
        states=STATES,
        notice=notice,
        shown=SHOWN,
        words=WORDS,
        back=urlencode(kept),
        with_state=lambda one: urlencode({**kept, "state": one}),
        waiting=sum(one["n"] for one in counts if one["state"] in ("ready", "held")),
    )


def _row(one: Delivery, now: datetime) -> dict[str, Any]:
    """What the page shows of a mail; the countdown is to the minute, at the time the page was drawn."""
    when = f"{one.state_at:%-d %b, %H:%M} UTC"
    if one.state in ("ready", "held"):
        left = one.send_at - now
        when = f"in {span_words(left)}" if left.total_seconds() > 0 else "due now"
        when += f", {one.send_at:%H:%M} UTC"
    return {"mail": one, "when": when, "acts": ACTS.get(one.state, ())}


def _by_kind(counts: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Each kind that has any mail, with its states in one line."""
    kinds = list(dict.fromkeys(one["kind"] for one in counts))
    return [
        (kind, ", ".join(f"{one['n']:,} {one['state']}" for one in counts if one["kind"] == kind)) for kind in kinds
    ]


@router.post("/console/mail", include_in_schema=False)
async def act(request: Request, admin: Admin) -> Response:
    """Do something to chosen mails, or work the switch."""
    form = await request.form()
    ids = [int(text) for text in map(str, form.getlist("id")) if text.isdecimal() and len(text) < 18][:SHOWN]
    name: Any = typed(form, "act")
    try:
        async with database(request).use() as db:
            if name == "stop":
                await control.stop_all(db, reason=typed(form, "reason"), actor=actor(admin))
            elif name == "resume":
                await control.resume_all(db, actor=actor(admin))
            elif not await control.act(db, name, ids, actor=actor(admin)):
                sentence = "Nothing was changed: the mail has moved on, or its time is over. This is how it is now."
                return await _show(request, 409, sentence)
    except MailError as error:
        return await _show(request, 400, str(error))
    back = typed(form, "back")
    return RedirectResponse(f"/console/mail{f'?{back}' if back else ''}", 303)


@router.get("/console/mail/{number}", include_in_schema=False)
async def letter_page(request: Request, number: Number, _admin: Admin) -> Response:
    """One mail: its text, and its HTML in a frame that can do nothing."""
    async with database(request).use() as db:
        one = await get_delivery(db, number)
        found = await read_letter(db, number)
        now = await db.fetchval(SQL.get("read_now"))
    if one is None:
        raise NotHere("There is no mail of this number.")
    text = found[1].text if found else "The text is gone, as after its recipient was erased."
    shown = await console_page(
        request, "console/letter.html", row=_row(one, now), text=text, has_html=found is not None, words=WORDS
    )  # fmt: skip
    shown.headers["Content-Security-Policy"] = WITH_FRAMES
    return shown


@router.get("/console/mail/{number}/html", include_in_schema=False)
async def letter_html(request: Request, number: Number, _admin: Admin) -> Response:
    """The HTML of a mail as a mail program would draw it: no script, no request to anywhere."""
    async with database(request).use() as db:
        found = await read_letter(db, number)
    if found is None:
        raise NotHere("There is no letter of this number.")
    letter = found[1]

    def drawn(match: re.Match[str]) -> str:
        image = letter.images.get(match[1])
        return f"data:{image.type};base64,{base64.b64encode(image.data).decode()}" if image else match[0]

    html = re.sub(r"cid:([a-z0-9-]{1,40})", drawn, letter.html)
    headers = {"Content-Security-Policy": LETTER_POLICY, "X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-store"}
    return HTMLResponse(html, headers=headers)
