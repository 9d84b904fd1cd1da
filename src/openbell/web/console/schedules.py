"""For operators: what is due when, how it last went, running it now, and pausing it for a reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from openbell.engine.books import span_words
from openbell.engine.cron import next_times
from openbell.engine.errors import EngineError
from openbell.engine.revisions import BadReason, checked_reason, list_changes
from openbell.engine.schedules import (
    Occurrence,
    ScheduleView,
    UnknownSchedule,
    get_schedule,
    list_occurrences,
    list_schedules,
    run_now,
    set_schedule,
)
from openbell.web.api import database
from openbell.web.console.acts import revision, status_of, told
from openbell.web.console.frame import console_page
from openbell.web.errors import NotHere
from openbell.web.picks_api import connection
from openbell.web.protection import safe
from openbell.web.sign_in import Admin, actor, typed
from openbell.web.words import DASH, clock, duration

router = APIRouter(dependencies=[safe("admin")], include_in_schema=False)

PAGE = "/console/schedules"
SHOWN, AHEAD, CHANGES_SHOWN = 50, 5, 20


@router.get(PAGE)
async def schedules_page(request: Request, _admin: Admin) -> Response:
    """Every schedule, those that are overdue first."""
    async with database(request).use() as db:
        found = await list_schedules(db)
    found.sort(key=lambda one: (not one.overdue, not one.enabled, one.next_at is None, one.next_at, one.name))
    return await console_page(
        request,
        "console/schedules.html",
        rows=[_row(one) for one in found],
        overdue=sum(one.overdue for one in found),
        paused=sum(not one.enabled for one in found),
    )


def _row(one: ScheduleView) -> dict[str, Any]:
    """A schedule in words. Pure."""
    kind, state = _state(one)
    left = one.next_at - one.now if one.next_at is not None else None
    return {
        "schedule": one,
        "kind": kind,
        "state": state,
        "next": clock(one.next_at, one.now) if one.next_at else DASH,
        "left": f"in {span_words(left)}"
        if left is not None and left > timedelta(0)
        else "now"
        if left is not None
        else "",
        "local": _local(one.next_at, one.zone),
        "last": clock(one.last_at, one.now) if one.last_at else "never",
        "took": _took(one.last_took_s),
        "success": clock(one.last_success_at, one.now) if one.last_success_at else "never",
    }


def _state(one: ScheduleView) -> tuple[str, str]:
    """A mark and words."""
    if not one.enabled:
        return "none", "paused"
    if one.problem is not None:
        return "expired", "cannot be planned"
    if one.overdue:
        return "expired", "overdue"
    return {
        None: ("missing", "has not run yet"),
        "queued": ("stale", "under way"),
        "done": ("fresh", "done"),
        "skipped": ("expired", "missed"),
    }.get(one.last_state, ("expired", "failed"))


def _took(seconds: float | None) -> str:
    return DASH if seconds is None else f"{seconds:.1f} s" if seconds < 10 else duration(seconds)


def _local(at: datetime | None, zone: str) -> str:
    """The time in the schedule's own zone."""
    return f"{at.astimezone(ZoneInfo(zone)):%a %H:%M} {zone}" if at is not None and zone != "UTC" else ""


@router.get(PAGE + "/{name}")
async def schedule_page(request: Request, name: str, _admin: Admin) -> Response:
    """One schedule: its times, what became of the last ones, and who changed it."""
    return await _show(request, name)


@router.post(PAGE + "/{name}")
async def schedule_act(request: Request, name: str, admin: Admin) -> Response:
    """Run it now, pause it, resume it; each with a reason that the audit log keeps."""
    async with request.form() as form:
        act, reason, seen = typed(form, "act", 10), typed(form, "reason"), revision(form)
    who = actor(admin)
    try:
        reason = checked_reason(reason, needed=True)
        async with database(request).use() as db:
            one = await get_schedule(db, name)
            if act == "run":
                async with db.acquire() as conn:
                    await run_now(connection(conn), name, actor=who, reason=reason)
                if (hints := database(request).hints) is not None:
                    hints.tell("work", one.product, one.key)
            elif act in ("pause", "resume"):
                await set_schedule(db, name, {"enabled": act == "resume"}, actor=who, reason=reason, seen=seen)
            else:
                raise BadReason("A schedule is run, paused or resumed.")
    except UnknownSchedule as error:
        raise NotHere(str(error)) from None
    except EngineError as error:
        return await _show(request, name, status_of(error), str(error), reason)
    return RedirectResponse(f"{PAGE}/{name}", 303)


async def _show(request: Request, name: str, status: int = 200, notice: str = "", reason: str = "") -> Response:
    async with database(request).use() as db:
        try:
            one = await get_schedule(db, name)
        except UnknownSchedule as error:
            raise NotHere(str(error)) from None
        past = await list_occurrences(db, name, SHOWN)
        changes = await list_changes(db, "schedule", name, CHANGES_SHOWN)
    return await console_page(
        request,
        "console/schedule.html",
        status,
        row=_row(one),
        schedule=one,
        late=span_words(one.max_late),
        ahead=_ahead(one),
        past=_past(past, one.now),
        changes=[told(row, one.now) for row in changes],
        notice=notice,
        reason=reason,
    )


def _ahead(one: ScheduleView) -> Sequence[tuple[str, str]]:
    """The next few times, in UTC and in its own zone."""
    if not one.enabled or one.problem is not None:
        return []
    return [(clock(at, one.now), _local(at, one.zone)) for at in islice(next_times(one.cron, one.zone, one.now), AHEAD)]


def _past(past: Sequence[Occurrence], now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "one": one,
            "due": clock(one.due_at, now),
            "waited": _took((one.queued_at - one.due_at).total_seconds()) if one.actor == "scheduler" else DASH,
            "took": _took((one.ended_at - one.queued_at).total_seconds() if one.ended_at else None)
            if one.state != "skipped"
            else DASH,
        }
        for one in past
    ]
