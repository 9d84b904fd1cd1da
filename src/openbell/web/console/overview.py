"""For operators: the way to all their pages, with what waits for them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from openbell.engine.books import span_words
from openbell.mail.control import read_switch
from openbell.web.api import database
from openbell.web.console.frame import SQL, console_page
from openbell.web.protection import safe
from openbell.web.sign_in import Admin

router = APIRouter(dependencies=[safe("admin")], include_in_schema=False)


@router.get("/console")
async def console(request: Request, _admin: Admin) -> Response:
    """Where to go, and why one might want to."""
    async with database(request).use() as db:
        row = await db.fetchrow(SQL.get("read_console"))
        switch = await read_switch(db)
    assert row is not None
    waiting = f"{row['ready']:,} wait to be sent, {row['held']:,} are held"
    if row["next_at"] is not None:
        left = row["next_at"] - row["now"]
        waiting += f"; the next one leaves {f'in {span_words(left)}' if left.total_seconds() > 0 else 'now'}"
    mail = [f"{waiting}."]
    if switch.stopped:
        mail.insert(0, f"All mail is stopped: {switch.reason}.")
    if row["trouble"]:
        mail.append(f"{row['trouble']:,} failed or are in doubt since the day before yesterday.")
    people = [f"{row['active']:,} active."] + ([f"{row['asking']:,} wait for approval."] if row["asking"] else [])
    return await console_page(
        request,
        "console/overview.html",
        places=[
            ("/console/jobs", "Jobs", "What waits, what runs, and what ended how; each from its start to its end."),
            ("/console/alerts", "Alerts", "What fires now, what to do about it, and what is over."),
            ("/console/digests", "Digests of the morning", "Editions, their mails, and runs by hand."),
            ("/console/mail", "Mail", " ".join(mail)),
            ("/console/people", "People", " ".join(people)),
            ("/digests", "Digests", "What was made for which ticker, and what is being made."),
            ("/picks", "Picks", "The edition of the week and those before."),
            ("/budgets", "Budgets", "What may be spent, what has been, and what is in doubt."),
            ("/types", "Data types", "How each one fares: freshness, calls, failures."),
        ],
    )
