"""`GET /metrics`: for Prometheus, of this machine or with a token; how is a setting."""

from __future__ import annotations

import hmac
import ipaddress

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from openbell.engine.metrics import CONTENT_TYPE, exposition, of_process, read_metrics
from openbell.telemetry.tally import swallowed
from openbell.web.errors import AdminNeeded, DatabaseUnavailable, NotHere
from openbell.web.protection import safe

router = APIRouter(dependencies=[safe("secret")])
FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip")


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
    if config.metrics == "open" or (config.metrics == "local" and _is_local(request)):
        return
    raise AdminNeeded


def _is_local(request: Request) -> bool:
    """Whether somebody on this machine asks, and no proxy in front of us asks for somebody else."""
    if request.client is None or any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
