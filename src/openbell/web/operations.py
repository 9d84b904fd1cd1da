"""The endpoints by which an operator changes the whole: each under its level, planned before it is done, audited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import asyncpg
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from openbell.engine.confirm import NotConfirmed, Proposed
from openbell.products.digest.batches import QueueFull
from openbell.products.digest.reference import list_references, write_rows
from openbell.products.operations import OPERATIONS, Operation, RefusedHere, run
from openbell.web.api import Operator, database
from openbell.web.errors import TooMany, WebError
from openbell.web.protection import level, safe
from openbell.web.schemas import Problem

router = APIRouter(
    tags=["operations"],
    responses={code: {"model": Problem} for code in (400, 401, 403, 409, 413, 429, 503)},
)
PATHS = {
    "wipe-database": "/admin/wipe-database",
    "commit-ticker-csv": "/api/commit-ticker-csv",
    "force-regenerate-all": "/admin/force-regenerate-all",
    "clean-feeds": "/admin/clean-feeds",
    "init": "/admin/init",
    "clear-all-reports": "/api/clear-all-reports",
    "generate-user-reports": "/api/generate-user-reports",
    "send-all-ready": "/api/send-all-ready",
}


class Order(BaseModel):
    """``token`` is that of the plan; without one the answer is the plan."""

    model_config = ConfigDict(extra="forbid")

    token: str | None = Field(None, min_length=16, max_length=100)


class Import(Order):
    """Reference data as :mod:`openbell.products.digest.reference` reads it; larger files by the command line."""

    csv: str = Field(min_length=1)


class Answer(BaseModel):
    """Either what would be done, with the token for it, or what was done."""

    operation: str
    plan: dict[str, Any] | None = None
    token: str | None = Field(None, description="do it with this, once")
    expires_at: str | None = None
    done: dict[str, Any] | None = None


class Conflict(WebError):
    """A token does not stand for what is asked."""

    status = 409


class Refused(WebError):
    """Not here."""

    status = 403


def _route(operation: Operation) -> Callable[..., Awaitable[Answer]]:
    async def plain(request: Request, actor: Operator, order: Order | None = None) -> Answer:
        return await _answer(request, operation, {}, actor, order.token if order else None)

    async def with_file(request: Request, actor: Operator, order: Import) -> Answer:
        return await _answer(request, operation, {"csv": order.csv}, actor, order.token)

    return with_file if operation.name == "commit-ticker-csv" else plain


async def _answer(
    request: Request, operation: Operation, arguments: dict[str, Any], actor: str, token: str | None
) -> Answer:
    environment = request.app.state.config.environment
    async with database(request).use() as db, db.acquire() as proxy:
        conn = cast("asyncpg.Connection", proxy)
        try:
            done = await run(conn, operation, arguments, actor=actor, environment=environment, token=token)
        except NotConfirmed as error:
            raise Conflict(str(error), code=error.code) from None
        except RefusedHere as error:
            raise Refused(str(error), code=error.code) from None
        except QueueFull as error:
            raise TooMany(str(error), code=error.code) from None
    if isinstance(done, Proposed):
        at = done.expires_at.isoformat()
        return Answer(operation=operation.name, plan=done.plan.as_json(), token=done.token, expires_at=at)
    return Answer(operation=operation.name, done=done)


for _name, _operation in OPERATIONS.items():
    router.add_api_route(
        PATHS[_name],
        _route(_operation),
        methods=["POST"],
        response_model=Answer,
        response_model_exclude_none=True,
        name=_name,
        summary=_operation.about,
        dependencies=[level(_operation.level, "admin")],
    )


class Csv(PlainTextResponse):
    """A file of rows."""

    media_type = "text/csv"


@router.get("/api/reference.csv", response_class=Csv, dependencies=[safe("admin")])
async def export(request: Request) -> Response:
    """All reference data as a file that can be imported."""
    async with database(request).use() as db:
        text = write_rows(await list_references(db))
    headers = {"Content-Disposition": 'attachment; filename="reference.csv"', "Cache-Control": "no-store"}
    return Csv(text, headers=headers)
