"""`GET /metrics`: for Prometheus, of this machine or with a token; how is a setting."""

from __future__ import annotations

import hmac

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from openbell.engine.metrics import CONTENT_TYPE, exposition, of_process, read_metrics
from openbell.telemetry.tally import swallowed
from openbell.web.errors import AdminNeeded, DatabaseUnavailable, NotHere
from openbell.web.protection import safe
from openbell.web.sign_in import is_near

router = APIRouter(dependencies=[safe("secret")])


@router.get("/metrics", response_class=PlainTextResponse, responses={403: {"description": "not from here"}})
async def metrics(request: Request) -> Response:
    """Figures of the whole and of this process. Without the database those of this process alone, and openbell_up 0."""
    _admit(request)
    samples = of_process(len(request.app.state.hub.subscribers))
    up = 1
    try:
        async with request.app.state.database.use() as db:
            samples += await read_metrics(db)
    except DatabaseUnavailable as error:
        swallowed("metrics.database", error)
        up = 0
    head = f"# HELP openbell_up Whether the database answered.\n# TYPE openbell_up gauge\nopenbell_up {up}\n"
    return Response(head + exposition(samples), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _admit(request: Request) -> None:
    """Raises :class:`NotHere` where metrics are off, :class:`AdminNeeded` for whoever may not read them."""
    config = request.app.state.config
    if config.metrics == "off":
        raise NotHere("There are no metrics here.")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    shown = scheme.lower() == "bearer" and config.metrics_token
    if shown and hmac.compare_digest(token.strip().encode(), config.metrics_token.encode()):
        return
    if config.metrics == "open" or (config.metrics == "local" and is_near(request)):
        return
    raise AdminNeeded
