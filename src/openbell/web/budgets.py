"""Budgets: what may be spent, what has been, and how long it lasts, as a page and as JSON. Nothing is changed here."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from openbell.engine.alarms import look
from openbell.engine.costs import By, costs, list_spends
from openbell.engine.estimates import list_estimates
from openbell.web.api import database
from openbell.web.backend import SQL
from openbell.web.budget_views import budget_page
from openbell.web.pages import page
from openbell.web.protection import safe
from openbell.web.schemas import Problem

router = APIRouter(
    dependencies=[safe("admin")],
    responses={400: {"model": Problem}, 401: {"model": Problem}, 403: {"model": Problem}, 503: {"model": Problem}},
)

DOUBTFUL_SHOWN = 8
SPENDS_MAX = 500


class Accounts(BaseModel):
    """The books as they stand; amounts in units of the resource, money in millionths of a dollar."""

    accounts: list[dict[str, Any]] = Field(description="of the periods that run, with burn and forecast")
    breakers: list[dict[str, Any]] = Field(description="providers and operations that are left alone")
    doubtful: dict[str, Any] = Field(description="calls whose outcome nobody knows, and what is held for them")
    alarms: list[dict[str, Any]] = Field(description="what an operator should know now, each with the mend")


class Costs(BaseModel):
    """What calls have cost, by one part; money in millionths of a dollar."""

    by: By
    since: date
    until: str
    rows: list[dict[str, Any]]
    total: dict[str, Any]


class Spends(BaseModel):
    """Single calls, the newest first."""

    spends: list[dict[str, Any]]


@router.get("/api/v1/accounts", response_model=Accounts)
async def accounts(request: Request) -> dict[str, Any]:
    """What may be spent, what has been, how long it lasts, and what is alarming about it."""
    async with database(request).use() as db:
        found = await look(db)
    return {
        "accounts": [book.as_json() for book in found.books],
        "breakers": [breaker.as_json() for breaker in found.breakers],
        "doubtful": found.doubt.as_json(),
        "alarms": [alarm.as_json() for alarm in found.alarms],
    }


@router.get("/api/v1/costs", response_model=Costs)
async def costs_by(
    request: Request, by: By = "product", since: date | None = None, paid: bool = False
) -> dict[str, Any]:
    """What calls have cost since a day of UTC: by default the last 30 days, by week the last eight weeks.

    With `paid`, only those that are paid for are counted.
    """
    async with database(request).use() as db:
        estimates = await list_estimates(db) if by == "operation" else []
        return (await costs(db, by, since, paid=paid, estimates=estimates)).as_json()


@router.get("/api/v1/spends", response_model=Spends)
async def spends(
    request: Request,
    state: Annotated[Literal["unknown"] | None, Query(description="only calls whose outcome nobody knows")] = None,
    provider: Annotated[str | None, Query(max_length=100, pattern=r"^[a-z][a-z0-9_-]*$")] = None,
    job: Annotated[int | None, Query(gt=0, lt=2**63)] = None,
    limit: Annotated[int, Query(gt=0, le=SPENDS_MAX)] = 50,
) -> dict[str, Any]:
    """The latest calls: what was held for each, what it took, and what became of it."""
    async with database(request).use() as db:
        found = await list_spends(db, unknown=state == "unknown", provider=provider, job_id=job, limit=limit)
    return {"spends": [one.as_json() for one in found]}


@router.get("/budgets", include_in_schema=False)
async def budgets(request: Request) -> HTMLResponse:
    """Every budget with its burn and forecast, breakers, doubtful calls, and the costs of the last weeks."""
    async with database(request).use() as db:
        found = await look(db)
        doubtful = await list_spends(db, unknown=True, limit=DOUBTFUL_SHOWN)
        weeks = await costs(db, "week", paid=True)
        synthetic = await db.fetchval(SQL.get("read_mode")) == "sandbox"
    return page(request, "budgets.html", view=budget_page(found, doubtful, weeks), synthetic=synthetic)
