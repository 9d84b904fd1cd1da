"""For operators: the digests of the morning with their mails, the test runner, feeds, domains, timetable and costs."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, cast, get_args
from urllib.parse import quote

import asyncpg
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from openbell.engine.books import dollars, span_words
from openbell.engine.errors import EngineError, InvalidKey
from openbell.engine.schedules import list_schedules
from openbell.mail.control import ACTS, read_switch
from openbell.products.digest import batches, desk, requests
from openbell.products.digest.editions import EDITIONS, DigestKey
from openbell.products.digest.policy import read_policy
from openbell.products.digest.render_costs import costs_of
from openbell.web.api import database
from openbell.web.console.frame import console_page
from openbell.web.console.mail import WORDS
from openbell.web.digests_api import tell
from openbell.web.errors import Malformed
from openbell.web.protection import safe
from openbell.web.sign_in import Admin, actor, typed

router = APIRouter(dependencies=[safe("admin")], include_in_schema=False)

PAGE = "/console/digests"
SHOWN = 40
MAKES = {"again": "Make again", "topup": "Top up", "renew": "Choose anew"}


@router.get(PAGE)
async def desk_page(request: Request, _admin: Admin) -> Response:
    """Everything about digests on one page."""
    return await _show(request)


async def _show(request: Request, status: int = 200, notice: str = "") -> Response:
    wanted = typed(request.query_params, "costs")
    async with database(request).use() as db:
        now = await requests.now(db)
        editions = await desk.list_desk(db)
        runs = await desk.list_batches(db)
        feeds, domains = await requests.list_feeds(db), await requests.list_pages(db)
        made = await requests.list_digests(db, SHOWN)
        times = [one for one in await list_schedules(db) if one.name.startswith("digest-")]
        policy, switch = await read_policy(db), await read_switch(db)
        chosen = next((one for one in made if one["key"] == wanted), None)
        costs = await costs_of(db, wanted, chosen["version"]) if chosen else []
    return await console_page(
        request, "console/digests.html", status, notice=notice, now=now, switch=switch, policy=policy,
        editions=[_edition(one, now) for one in editions], runs=runs, makes=MAKES, words=WORDS,
        feeds=[_feed(one) for one in feeds[:SHOWN]], feed_count=len(feeds),
        troubled=sum(one["in_a_row"] > 0 for one in feeds),
        domains=[_domain(one) for one in domains[:SHOWN]], domain_count=len(domains),
        times=[_time(one, now) for one in times], made=[_made(one) for one in made],
        costs=[(one.provider, one.operation, f"{one.calls:,}", dollars(one.cost_micro)) for one in costs],
        chosen=wanted if chosen else "", typed=typed(request.query_params, "tickers"),
    )  # fmt: skip


def _edition(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    """One line: how far it is, what became of its mails, when they leave, and what may be done."""
    if row["job_state"]:
        state = row["progress"] or row["job_state"]
    elif row["quiet"]:
        state = "quiet: nothing to report"
    else:
        state = f"made, version {row['version']}" if row["version"] else "not begun"
    left = row["send_at"] - now
    mails = [f"{row[name]:,} {word}" for name, word in _MAILS if row[name]]
    acts = [name for name, shown in (("hold", row["ready"]), ("release", row["held"]),
            ("send-now", row["ready"] or row["held"]), ("cancel", row["ready"] or row["held"]),
            ("undo", row["other"])) if shown]  # fmt: skip
    links = [("1", row["first_mail"]), ("2", row["second_mail"]), ("3", row["third_mail"])]
    return row | {
        "state": state,
        "late": row["alerted_at"] is not None and row["mailed_version"] is None,
        "due": f"in {span_words(left)}" if left.total_seconds() > 0 else f"{row['send_at']:%-d %b, %H:%M} UTC",
        "mails": ", ".join(mails) or "no mails yet",
        "acts": acts,
        "previews": [(name, f"/console/mail/{number}") for name, number in links if number],
        "cost": dollars(row["cost_micro"]) if row["cost_micro"] else "",
        "href": f"/digest/{row['ticker']}/{row['day']}?edition={row['edition']}",
    }


_MAILS = (("ready", "wait"), ("held", "held"), ("sent", "sent"), ("other", "ended"))


def _feed(row: dict[str, Any]) -> dict[str, Any]:
    good = row["polls"] - row["failures"]
    rate = f"{100 * good / row['polls']:.0f} %" if row["polls"] else "never asked"
    return row | {"rate": rate, "tickers": ", ".join(row["tickers"][:6]), "last": _when(row["succeeded_at"])}


def _domain(row: dict[str, Any]) -> dict[str, Any]:
    free, paid = row["free_ok"] + row["free_bad"], row["paid_ok"] + row["paid_bad"]
    return row | {
        "free": f"{100 * row['free_ok'] / free:.0f} % of {free:,}" if free else "none",
        "paid": f"{100 * row['paid_ok'] / paid:.0f} % of {paid:,}" if paid else "none",
    }


def _time(one: Any, now: datetime) -> dict[str, Any]:
    left = f"in {span_words(one.next_at - now)}" if one.enabled and one.next_at and one.next_at > now else "off"
    return {"name": one.name, "cron": one.cron, "zone": one.zone, "next": left if one.enabled else "off",
            "last": one.last_state or "never", "overdue": one.overdue}  # fmt: skip


def _made(row: dict[str, Any]) -> dict[str, Any]:
    ticker, edition, day = row["key"].split("|")
    outcomes = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in (row["outcomes"] or {}).items())
    return {
        "key": row["key"], "name": f"{ticker}, {edition} of {day}", "cost": dollars(row["cost_micro"] or 0),
        "bullets": row["bullets"], "outcomes": outcomes, "link": f"{PAGE}?costs={quote(row['key'])}#costs",
    }  # fmt: skip


def _when(at: datetime | None) -> str:
    return f"{at:%-d %b, %H:%M} UTC" if at else "never"


@router.post(PAGE)
async def act(request: Request, admin: Admin) -> Response:
    """Make a digest again, move its mails, run a test, or cancel a batch."""
    form = await request.form()
    name, who = typed(form, "act"), actor(admin)
    try:
        async with database(request).use() as db, db.acquire() as proxy:
            conn = cast("asyncpg.Connection", proxy)
            if name == "run":
                await _run(conn, form, who)
            elif name == "cancel-batch":
                await batches.cancel_batch(conn, _number(typed(form, "batch")), actor=who)
            elif name in MAKES:
                key = _key(typed(form, "key"))
                await desk.remake(conn, key, cast("desk.How", name), actor=who)
                tell(request, key)
            elif name in ACTS:
                if not await desk.move_mails(conn, _key(typed(form, "key")), cast("Any", name), actor=who):
                    return await _show(request, 409, "Nothing was changed: its mails have moved on.")
            else:
                raise Malformed(f"There is no {name[:20]!r} to do.", code="malformed_act")
    except (EngineError, ValueError) as error:
        return await _show(request, 400, str(error))
    return RedirectResponse(PAGE, 303)


async def _run(conn: asyncpg.Connection, form: Any, who: str) -> None:
    """The test runner. Raises ``ValueError`` and what :func:`batches.submit` does."""
    tickers = [one for one in re.split(r"[\s,;]+", typed(form, "tickers", 2_000).upper()) if one]
    if not 0 < len(tickers) <= batches.MOST_TICKERS:
        raise ValueError(f"Name 1 to {batches.MOST_TICKERS} tickers, such as AAPL MSFT.")
    edition = next((one for one in EDITIONS if one == typed(form, "edition")), None)
    mode: batches.Mode = "production" if typed(form, "mode") in get_args(batches.Mode)[1:] else "test"
    await batches.submit(conn, tickers, edition=edition, mode=mode, actor=who)


def _key(text: str) -> DigestKey:
    try:
        return DigestKey.parse(text)
    except InvalidKey:
        raise ValueError(f"{text[:40]!r} names no digest.") from None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 18 else 0
