"""The sandbox on a socket."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from uvicorn.protocols.http.h11_impl import H11Protocol

from openbell.sandbox.catalog import simulators
from openbell.sandbox.clock import DAY_SECONDS_MIN, START_DAY, Anchor, Calendar
from openbell.sandbox.companies import INVENTED
from openbell.sandbox.control import control_routes
from openbell.sandbox.fmp import Fmp
from openbell.sandbox.fmp.plans import PLANS, Plan
from openbell.sandbox.house import House, Wall
from openbell.sandbox.journal import StateUnreadable
from openbell.sandbox.prices import load
from openbell.sandbox.replay import Market
from openbell.sandbox.simulator import Simulator

__all__ = ["PortTaken", "StateUnreadable", "serve"]

SHUTDOWN_SECONDS = 1
SHUTDOWN_POLL_SECONDS = 0.005
BACKLOG = 2_048


class PortTaken(Exception):
    """Another program listens on the port already."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is taken by another program: stop it, or choose another port (0 = any free one)")
        self.port = port


async def serve(
    host: str,
    port: int,
    *,
    day_seconds: float = 60.0,
    plan: str = "premium",
    calls_per_minute: int | None = None,
    key: str = "sandbox",
    state: Path | None = None,
    smtp_port: int = 0,
    ready: Callable[[int], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until `stop` is set or the task is cancelled; then end within a second, whatever still hangs.

    port 0 takes a free one; `ready` is called with the real one as soon as calls are answered.
    day_seconds: how long a market day lasts. plan: basic, starter, premium or ultimate.
    key: the one API key that every simulator accepts.
    state: a file that keeps the place in the replay over restarts; beside it the ledger and the simulators' records.
    smtp_port: where the mail server listens; /_control/ports tells the real one when it is 0.
    Raises PortTaken, StateUnreadable, or ValueError for a plan or pace that does not exist.
    """
    listener = _listen(host, port)
    real_port: int = listener.getsockname()[1]
    with contextlib.closing(listener), contextlib.closing(_house(day_seconds, key, state)) as house:
        house.ports |= {"http": real_port, "smtp": smtp_port}
        fmp = Fmp(house, _plan(plan, calls_per_minute))
        others = simulators(house)
        async with contextlib.AsyncExitStack() as running:
            for simulator in others:
                await simulator.start()
                running.push_async_callback(simulator.stop)
            await _answer(_app(house, fmp, others, state), house, listener, lambda: ready and ready(real_port), stop)


async def _answer(
    app: Starlette, house: House, listener: socket.socket, on_started: Callable[[], Any], stop: asyncio.Event | None
) -> None:
    server = _Server(_config(app), on_started, house.closing)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    stopping = asyncio.create_task((stop or asyncio.Event()).wait())
    try:
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        server.should_exit = True
        house.closing.set()
        await serving


def _plan(name: str, calls_per_minute: int | None) -> Plan:
    if name not in PLANS:
        raise ValueError(f"There is no plan {name!r}: choose one of {', '.join(PLANS)}")
    return PLANS[name] if calls_per_minute is None else replace(PLANS[name], calls_per_minute=calls_per_minute)


def _house(day_seconds: float, key: str, state: Path | None) -> House:
    if day_seconds < DAY_SECONDS_MIN:
        raise ValueError(f"day_seconds is {day_seconds}, but must be at least {DAY_SECONDS_MIN}")
    wall = Wall()
    market = Market(load(), INVENTED)
    anchor = _starting_anchor(market.calendar, wall(), day_seconds, state)
    _save(anchor, state)
    return House(market, anchor, key=key, wall=wall, state=state)


def _starting_anchor(calendar: Calendar, wall: float, day_seconds: float, state: Path | None) -> Anchor:
    """Where the replay goes on: time has passed while the sandbox was down. A freeze does not outlive it."""
    if state is None or not state.exists():
        return Anchor(wall, float(calendar.dates.index(START_DAY)), day_seconds)
    try:
        kept = Anchor(**json.loads(state.read_text()))
        return kept.moved(wall, day_seconds=day_seconds, frozen=False)
    except (ValueError, TypeError) as broken:
        raise StateUnreadable(state, "the sandbox's clock") from broken


def _save(anchor: Anchor, state: Path | None) -> None:
    if state is None:
        return
    state.parent.mkdir(parents=True, exist_ok=True)
    written = state.with_suffix(state.suffix + ".new")
    written.write_text(json.dumps(asdict(anchor)))
    written.replace(state)


def _app(house: House, fmp: Fmp, others: Sequence[Simulator], state: Path | None) -> Starlette:
    control = control_routes(house, fmp, others, save=lambda: _save(house.anchor, state))
    mounts = [Mount(simulator.mount, app=simulator) for simulator in others]
    return Starlette(routes=[Mount("/_control", routes=control), *mounts, Mount("/", app=fmp)])


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

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], Any], closing: asyncio.Event) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._closing = closing

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    async def main_loop(self) -> None:
        """Until `closing`, with a new date for the answers every second."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), 1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - the owner's
        """End at once, where uvicorn would wait a fifth of a second: a test starts and ends hundreds of sandboxes."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                while self.server_state.connections or self.server_state.tasks:
                    await asyncio.sleep(SHUTDOWN_POLL_SECONDS)
        for task in self.server_state.tasks:
            task.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
