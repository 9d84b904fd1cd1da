"""For operators: what fires, what is over, and saying that somebody is at it."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from openbell.engine.alerts import AlertError, acknowledge, list_alerts
from openbell.web.api import database
from openbell.web.console.frame import console_page
from openbell.web.protection import safe
from openbell.web.sign_in import Admin, actor, typed

router = APIRouter(dependencies=[safe("admin")], include_in_schema=False)


@router.get("/console/alerts")
async def alerts_page(request: Request, _admin: Admin) -> Response:
    """Those that fire, with what to do, then those that are over."""
    return await _show(request)


@router.post("/console/alerts")
async def alerts_act(request: Request, admin: Admin) -> Response:
    """Somebody is at it."""
    async with request.form() as form:
        given = typed(form, "id", 18)
    try:
        async with database(request).use() as db:
            await acknowledge(db, int(given) if given.isdecimal() else 0, actor=actor(admin))
    except AlertError as error:
        return await _show(request, 400, str(error))
    return RedirectResponse("/console/alerts", 303)


async def _show(request: Request, status: int = 200, notice: str = "") -> Response:
    async with database(request).use() as db:
        rows = await list_alerts(db)
    firing, over = [one for one in rows if one.state == "firing"], [one for one in rows if one.state == "cleared"]
    return await console_page(request, "console/alerts.html", status, firing=firing, over=over, notice=notice)
