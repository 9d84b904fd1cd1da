"""For operators: every account with what is granted, held, spent and free, and how long it lasts."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from openbell.engine.books import about, amount, forecast, list_books
from openbell.web.api import database
from openbell.web.console.frame import console_page
from openbell.web.protection import safe
from openbell.web.sign_in import Admin, typed

router = APIRouter(dependencies=[safe("admin")], include_in_schema=False)

SHOWN = 300


@router.get("/console/accounts")
async def accounts_page(request: Request, _admin: Admin) -> Response:
    """The accounts by name; those that are paused or in doubt come first."""
    query = request.query_params
    subject, resource = typed(query, "subject"), typed(query, "resource")
    over = typed(query, "over", 3) == "yes"
    async with database(request).use() as db:
        books = await list_books(db, subject or None, resource or None, ended=over)
    books.sort(key=lambda one: (one.blocked_until is None, not one.doubtful_calls))
    rows = [
        {
            "book": one,
            "figures": [
                amount(one.resource, about(one.resource, n))
                for n in (one.granted, one.held, one.spent + one.overrun, one.free)
            ],
            "used": 100 * one.used // one.granted if one.granted else None,
            "outlook": forecast(one),
        }
        for one in books[:SHOWN]
    ]
    return await console_page(
        request,
        "console/accounts.html",
        rows=rows,
        more=len(books) > SHOWN,
        subject=subject,
        resource=resource,
        over=over,
        resources=("bytes", "calls", "credits", "usd_micro"),
        doubtful=sum(one.doubtful_calls for one in books if one.closes == "charge"),
    )
