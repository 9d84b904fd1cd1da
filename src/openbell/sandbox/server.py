"""The sandbox on a socket."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from uvicorn.protocols.http.h11_impl import H11Protocol

from openbell.sandbox.clock import DAY_SECONDS_MIN, START_DAY, Anchor, Calendar
from openbell.sandbox.companies import INVENTED
from openbell.sandbox.control import control_routes
from openbell.sandbox.plans import PLANS
from openbell.sandbox.prices import load
from openbell.sandbox.provider import Provider, Wall
from openbell.sandbox.replay import Market

SHUTDOWN_SECONDS = 1
BACKLOG = 2_048


class PortTaken(Exception):
    """Another program listens on the port already."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is taken by another program: stop it, or choose another port (0 = any free one)")
        self.port = port


class StateUnreadable(Exception):
    """The state file is not one of ours."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} does not hold the sandbox's clock: remove it to start the replay on {START_DAY}")
        self.path = path


async def serve(
    host: str,
    port: int,
    *,
    day_seconds: float = 60.0,
    plan: str = "premium",
    calls_per_minute: int | None = None,
    key: str = "sandbox",
    state: Path | None = None,
    ready: Callable[[int], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until `stop` is set or the task is cancelled; then end within a second, whatever still hangs.

    port 0 takes a free one; `ready` is called with the real one as soon as calls are answered.
    day_seconds: how long a market day lasts. plan: basic, starter, premium or ultimate.
    state: a file that keeps the place in the replay over restarts.
    Raises PortTaken, StateUnreadable, or ValueError for a plan or pace that does not exist.
    """
    provider = _provider(day_seconds, plan, calls_per_minute, key, state)
    listener = _listen(host, port)
    real_port: int = listener.getsockname()[1]
    server = _Server(_config(_app(provider, state)), on_started=lambda: ready and ready(real_port))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task((stop or asyncio.Event()).wait())
    try:
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        provider.closing.set()
        server.should_exit = True
        await serving
        listener.close()


def _provider(day_seconds: float, plan: str, calls_per_minute: int | None, key: str, state: Path | None) -> Provider:
    if plan not in PLANS:
        raise ValueError(f"There is no plan {plan!r}: choose one of {', '.join(PLANS)}")
    if day_seconds < DAY_SECONDS_MIN:
        raise ValueError(f"day_seconds is {day_seconds}, but must be at least {DAY_SECONDS_MIN}")
    wall = Wall()
    market = Market(load(), INVENTED)
    anchor = _starting_anchor(market.calendar, wall(), day_seconds, state)
    _save(anchor, state)
    chosen = PLANS[plan] if calls_per_minute is None else replace(PLANS[plan], calls_per_minute=calls_per_minute)
    return Provider(market, plan=chosen, key=key, anchor=anchor, wall=wall)


def _starting_anchor(calendar: Calendar, wall: float, day_seconds: float, state: Path | None) -> Anchor:
    """Where the replay goes on: time has passed while the sandbox was down. A freeze does not outlive it."""
    if state is None or not state.exists():
        return Anchor(wall, float(calendar.dates.index(START_DAY)), day_seconds)
    try:
        kept = Anchor(**json.loads(state.read_text()))
        return kept.moved(wall, day_seconds=day_seconds, frozen=False)
    except (ValueError, TypeError) as broken:
        raise StateUnreadable(state) from broken


def _save(anchor: Anchor, state: Path | None) -> None:
    if state is None:
        return
    state.parent.mkdir(parents=True, exist_ok=True)
    written = state.with_suffix(state.suffix + ".new")
    written.write_text(json.dumps(asdict(anchor)))
    written.replace(state)


def _app(provider: Provider, state: Path | None) -> Starlette:
    control = control_routes(provider, save=lambda: _save(provider.anchor, state))
    return Starlette(routes=[Mount("/_control", routes=control), Mount("/", app=provider)])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            raise PortTaken(port) from problem
        raise
    # Connections inherit it; without it an answer in two writes waits 40 ms for the client's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


class _Protocol(H11Protocol):
    """Lets a fault reach its connection, which ASGI alone does not allow."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


class _Server(uvicorn.Server):
    """Leaves the process's signals to its owner and tells when it has started."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], Any]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()
