"""/_control/...: script faults, read the ledger, move the clock. JSON, no key, only from this machine.

    GET  /_control/ledger?since=N     what was called and billed (&provider=NAME)     DELETE  forget it
    GET  /_control/faults             the faults in force, the kinds there are        DELETE  clear all, or ?id=N
    POST /_control/faults             {"provider": "fmp", "path": "quote", "symbol": "AAPL", "kind": "slow",
                                       "seconds": 2, "times": 1}: all fields in faults.py
    GET  /_control/clock              the replayed day and time
    POST /_control/clock              {"advance_days": 1, "day_seconds": 10, "freeze": true, "advance_s": 86400}, each
                                      optional: advance_days is of the market, advance_s of everything else
    GET  /_control/ports              the ports of simulators that have their own, by name
    .../_control/NAME/...             what a simulator adds

A change is in force for the next call.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import Address
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from openbell.sandbox.clock import DAY_SECONDS_MIN
from openbell.sandbox.faults import FaultSpec
from openbell.sandbox.fmp import Fmp
from openbell.sandbox.house import House
from openbell.sandbox.simulator import Simulator

BODY_BYTES_MAX = 10_000
Handler = Callable[[Request], Awaitable[Response]]
Spec = TypeVar("Spec", bound=BaseModel)


class ClockSpec(BaseModel):
    """A change of the replay: jump ahead, change the pace (seconds of a market day), stop or go on.

    advance_s makes it later by so many seconds for all that lives by the ordinary clock: news, filings, runs, limits.
    """

    model_config = ConfigDict(extra="forbid")

    advance_days: float = Field(default=0.0, ge=0.0, le=1_000_000.0)
    advance_s: float = Field(default=0.0, ge=0.0, le=31_622_400.0)
    day_seconds: float | None = Field(default=None, ge=DAY_SECONDS_MIN, le=86_400.0)
    freeze: bool | None = None


class BadRequest(Exception):
    """The control request makes no sense; the text says why."""


def control_routes(
    house: House, fmp: Fmp, simulators: Sequence[Simulator], save: Callable[[], None]
) -> list[BaseRoute]:
    """The routes below /_control. `save` is called after every change of the clock."""

    async def ledger(request: Request) -> Response:
        if request.method == "DELETE":
            house.ledger.reset()
        provider = request.query_params.get("provider")
        return JSONResponse(house.ledger.as_json(_number(request, "since", 0), provider))

    async def faults(request: Request) -> Response:
        if request.method == "POST":
            try:
                return JSONResponse(house.faults.add(await _body(request, FaultSpec)).as_json(), 201)
            except (OverflowError, ValueError) as refused:
                raise BadRequest(str(refused)) from refused
        if request.method == "DELETE":
            number = _number(request, "id", 0)
            return JSONResponse({"cleared": house.faults.clear(number or None)})
        return JSONResponse({"faults": house.faults.as_json(), "kinds": house.faults.kinds})

    async def clock(request: Request) -> Response:
        if request.method == "POST":
            spec = await _body(request, ClockSpec)
            house.advance(spec.advance_s)
            house.anchor = house.anchor.moved(
                house.wall(), advance_days=spec.advance_days, day_seconds=spec.day_seconds, frozen=spec.freeze
            )
            save()
        return JSONResponse(clock_json(house, fmp))

    async def ports(_: Request) -> Response:
        return JSONResponse(house.ports)

    return [
        Route("/ledger", _guarded(ledger), methods=["GET", "DELETE"]),
        Route("/faults", _guarded(faults), methods=["GET", "POST", "DELETE"]),
        Route("/clock", _guarded(clock), methods=["GET", "POST"]),
        Route("/ports", _guarded(ports)),
        *(Mount(f"/{simulator.name}", app=_Guarded(Router(simulator.control()))) for simulator in (fmp, *simulators)),
    ]


def clock_json(house: House, fmp: Fmp) -> dict[str, Any]:
    """Where the replay stands and how fast it goes."""
    now, anchor = house.moment(), house.anchor
    return {
        "now": datetime.fromtimestamp(house.wall(), UTC).isoformat(),
        "market_day": now.day.isoformat(),
        "market_time": now.time.isoformat(),
        "timestamp": now.timestamp,
        "market_open": not now.closed,
        "session": now.session,
        "lap": house.market.calendar.lap(now.session),
        "position": round(anchor.position_at(house.wall()), 6),
        "day_seconds": anchor.day_seconds,
        "frozen": anchor.frozen,
        "plan": fmp.plan.name,
        "calls_per_minute": fmp.plan.calls_per_minute,
    }


def _guarded(handler: Handler) -> Handler:
    """Only from this machine, and a senseless request is a 400 with a reason."""

    async def guarded(request: Request) -> Response:
        if not _is_local(request.client):
            return _FOREIGN
        try:
            return await handler(request)
        except BadRequest as bad:
            return JSONResponse({"error": str(bad)}, 400)

    return guarded


class _Guarded:
    """The same for what a simulator adds."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app if _is_local(Request(scope).client) else _FOREIGN
        await app(scope, receive, send)


_FOREIGN = JSONResponse({"error": "The sandbox is controlled from its own machine only."}, 403)


def _is_local(client: Address | None) -> bool:
    return client is not None and ip_address(client.host).is_loopback


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
