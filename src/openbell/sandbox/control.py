"""/_control/...: script faults, read the ledger, move the clock. JSON, no key, only from this machine.

    GET  /_control/ledger?since=N     what was called and billed        DELETE  forget it
    GET  /_control/faults             the faults in force               DELETE  clear all, or ?id=N
    POST /_control/faults             {"path": "quote", "symbol": "AAPL", "kind": "slow", "seconds": 2, "times": 1}
    GET  /_control/clock              the replayed day and time
    POST /_control/clock              {"advance_days": 1, "day_seconds": 10, "freeze": true}, each optional

A change is in force for the next call.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openbell.sandbox.clock import DAY_SECONDS_MIN
from openbell.sandbox.faults import FaultSpec
from openbell.sandbox.provider import Provider

BODY_BYTES_MAX = 10_000
Handler = Callable[[Request], Awaitable[Response]]
Spec = TypeVar("Spec", bound=BaseModel)


class ClockSpec(BaseModel):
    """A change of the replay: jump ahead, change the pace (seconds of a market day), stop or go on."""

    model_config = ConfigDict(extra="forbid")

    advance_days: float = Field(default=0.0, ge=0.0, le=1_000_000.0)
    day_seconds: float | None = Field(default=None, ge=DAY_SECONDS_MIN, le=86_400.0)
    freeze: bool | None = None


class BadRequest(Exception):
    """The control request makes no sense; the text says why."""


def control_routes(provider: Provider, save: Callable[[], None]) -> list[Route]:
    """The routes below /_control. `save` is called after every change of the clock."""

    async def ledger(request: Request) -> Response:
        if request.method == "DELETE":
            provider.ledger.reset()
        return JSONResponse(provider.ledger.as_json(since=_number(request, "since", 0)))

    async def faults(request: Request) -> Response:
        if request.method == "POST":
            try:
                return JSONResponse(provider.faults.add(await _body(request, FaultSpec)).as_json(), 201)
            except OverflowError as full:
                raise BadRequest(str(full)) from full
        if request.method == "DELETE":
            number = _number(request, "id", 0)
            return JSONResponse({"cleared": provider.faults.clear(number or None)})
        return JSONResponse({"faults": provider.faults.as_json()})

    async def clock(request: Request) -> Response:
        if request.method == "POST":
            spec = await _body(request, ClockSpec)
            provider.anchor = provider.anchor.moved(
                provider.wall(), advance_days=spec.advance_days, day_seconds=spec.day_seconds, frozen=spec.freeze
            )
            save()
        return JSONResponse(clock_json(provider))

    return [
        Route("/ledger", _guarded(ledger), methods=["GET", "DELETE"]),
        Route("/faults", _guarded(faults), methods=["GET", "POST", "DELETE"]),
        Route("/clock", _guarded(clock), methods=["GET", "POST"]),
    ]


def clock_json(provider: Provider) -> dict[str, Any]:
    """Where the replay stands and how fast it goes."""
    now, anchor = provider.moment(), provider.anchor
    return {
        "market_day": now.day.isoformat(),
        "market_time": now.time.isoformat(),
        "timestamp": now.timestamp,
        "market_open": not now.closed,
        "session": now.session,
        "lap": provider.market.calendar.lap(now.session),
        "position": round(anchor.position_at(provider.wall()), 6),
        "day_seconds": anchor.day_seconds,
        "frozen": anchor.frozen,
        "plan": provider.meter.plan.name,
        "calls_per_minute": provider.meter.plan.calls_per_minute,
    }


def _guarded(handler: Handler) -> Handler:
    """Only from this machine, and a senseless request is a 400 with a reason."""

    async def guarded(request: Request) -> Response:
        if request.client is None or not ip_address(request.client.host).is_loopback:
            return JSONResponse({"error": "The sandbox is controlled from its own machine only."}, 403)
        try:
            return await handler(request)
        except BadRequest as bad:
            return JSONResponse({"error": str(bad)}, 400)

    return guarded


async def _body(request: Request, spec: type[Spec]) -> Spec:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            raise BadRequest(f"the body is longer than {BODY_BYTES_MAX} bytes")
    try:
        return spec.model_validate_json(bytes(body))
    except ValidationError as invalid:
        problems = (f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in invalid.errors())
        raise BadRequest("; ".join(problems)) from invalid


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not text.isdecimal():
        raise BadRequest(f"{name} must be a whole number, not {text!r}")
    return min(int(text), math.floor(2**53))
