"""Is it alive, can it serve, is everything fresh: three different questions with three honest answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from openbell.engine.alarms import Alarm, look
from openbell.engine.schedules import ScheduleView, list_schedules
from openbell.web.backend import GONE, SQL, Database
from openbell.web.errors import DatabaseUnavailable, WebError
from openbell.web.protection import safe
from openbell.web.schemas import Problem, Ready

router = APIRouter(dependencies=[safe("everybody")])

READY_S = 1.0
LATE_S = 300.0  # a wanted value due for longer than this is worth a warning


@router.get("/livez", response_model=Ready)
async def livez() -> dict[str, str]:
    """The process runs. Touches nothing: a database that is away is no reason to restart us."""
    return {"status": "live"}


@router.get("/readyz", response_model=Ready, responses={503: {"model": Problem}})
async def readyz(request: Request) -> dict[str, str]:
    """The database answers, its schema is the one this code knows, and we are not on the way out."""
    await check_ready(request)
    return {"status": "ready"}


async def check_ready(request: Request) -> None:
    """Raises DatabaseUnavailable, or a WebError with the code `stopping`."""
    if request.app.state.stopping.is_set():
        leaving = WebError("This process is stopping.", code="stopping", todo="Ask another one.")
        leaving.status = 503
        raise leaving
    database: Database = request.app.state.database
    async with database.use(READY_S) as db:
        stamped = await db.fetchval(SQL.get("ping_database"))
    if stamped not in (None, request.app.state.config.environment):
        raise DatabaseUnavailable(
            f"The database is stamped {stamped} and this process runs as {request.app.state.config.environment}: name "
            "the right one in DATABASE_URL or ENVIRONMENT.",
            code="other_environment",
        )
    try:
        async with asyncio.timeout(READY_S):
            missing = await database.missing_migrations()
    except GONE as error:
        raise DatabaseUnavailable(str(error)) from error
    if broken := sorted(request.app.state.config.registry.broken):
        raise DatabaseUnavailable(
            f"Producers do not load: {', '.join(broken)}. The log of this process says why.", code="producers_broken"
        )
    if missing:
        raise DatabaseUnavailable(
            f"{len(missing)} migrations are missing, first {missing[0]}. An operator can run: openbell migrate",
            code="database_not_migrated",
        )


class HealthJson(JSONResponse):
    """The answer of /health."""

    media_type = "application/health+json"


@router.get("/health", response_class=HealthJson, responses={503: {"description": "it cannot serve; the same form"}})
async def health(request: Request) -> JSONResponse:
    """The state of the whole: freshness, oldest due demand, workers, queue, money, doubts, schedules, last backup.

    `warn` answers 200; an overdue schedule, and not being able to serve, 503. Needs no sign-in and tells no secret.
    """
    try:
        await check_ready(request)
        database: Database = request.app.state.database
        async with database.use() as db:
            products = [dict(row) for row in await db.fetch(SQL.get("read_health"))]
            work = dict(await db.fetchrow(SQL.get("read_work")) or {})
            alarms = (await look(db)).alarms
            rest = dict(await db.fetchrow(SQL.get("read_rest")) or {})
            schedules = await list_schedules(db)
    except WebError as error:
        checks = {"database": [{"status": "fail", "output": error.code}]}
        body = {"status": "fail", "output": error.message, "checks": checks}
        return JSONResponse(body, 503, {"Cache-Control": "no-store"}, "application/health+json")
    body = verdict(products, work, alarms) | {"streams": len(request.app.state.hub.subscribers)}
    status = add_rest(body, rest, schedules)
    return JSONResponse(body, status, {"Cache-Control": "no-store"}, "application/health+json")


def verdict(products: list[dict[str, Any]], work: dict[str, Any], alarms: Sequence[Alarm]) -> dict[str, Any]:
    """Pure: what the figures mean, with a reason for each warning."""
    reasons = []
    late = max((row["oldest_due_s"] or 0.0 for row in products), default=0.0)
    if late > LATE_S:
        reasons.append(f"the oldest wanted value has been due for {late:.0f} s")
    if not work.get("workers") and any(row["wanted"] for row in products):
        reasons.append("values are wanted and no worker is alive")
    waiting_s = work.get("oldest_waiting_s") or 0.0
    if waiting_s > LATE_S:
        reasons.append(f"the oldest waiting job is {waiting_s:.0f} s old")
    reasons += [f"{alarm.about}: {alarm.message.rstrip('.')}" for alarm in alarms if alarm.level == "warn"]
    status = "warn" if reasons else "pass"
    return {
        "status": status,
        "output": "; ".join(reasons),
        "checks": {
            "database": [{"status": "pass"}],
            "freshness": [
                {"componentId": row["product"], **{k: v for k, v in row.items() if k != "product"}} for row in products
            ],
            "demand:oldest_due": [{"observedValue": round(late, 1), "observedUnit": "s"}],
            "workers:alive": [{"observedValue": work.get("workers", 0)}],
            "queue:depth": [{"observedValue": {k: work.get(k, 0) for k in ("waiting", "parked", "running")}}],
            "queue:oldest_waiting": [{"observedValue": round(waiting_s, 1), "observedUnit": "s"}],
            "money": [
                {"componentId": f"{alarm.code} {alarm.about}", "observedValue": alarm.figure} for alarm in alarms
            ],
        },
    }


def add_rest(body: dict[str, Any], rest: dict[str, Any], schedules: Sequence[ScheduleView]) -> int:
    """Add doubts, alerts, schedules and the last backup; the status of the answer: 503 when a schedule is overdue."""
    overdue = sorted(one.name for one in schedules if one.overdue)
    backup_s = rest.get("backup_age_s")
    body["checks"] |= {
        "spends:unknown": [{"observedValue": rest.get("unknown_spends", 0)}],
        "alerts:firing": [{"observedValue": rest.get("firing", [])}],
        "schedules": [
            {
                "componentId": one.name,
                "status": "fail" if one.overdue else "pass",
                "last_success_at": one.last_success_at and one.last_success_at.isoformat(),
                "next_at": one.next_at and one.next_at.isoformat(),
            }
            for one in schedules
            if one.enabled
        ],
        "backup:last": [{"observedValue": backup_s and round(backup_s), "observedUnit": "s"}],
    }
    if not overdue:
        return 200
    said = f"overdue: the {'schedule' if len(overdue) == 1 else 'schedules'} {', '.join(overdue)}"
    body["output"] = "; ".join(part for part in (said, body["output"]) if part)
    body["status"] = "fail"
    return 503
