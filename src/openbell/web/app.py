"""The web process: API, stream and pages over one database. `create_app` makes it; a runner serves it by uvicorn.

A runner should set `app.state.stopping` when it hears SIGTERM, *before* uvicorn begins its shutdown: open streams then
say goodbye and end, and nothing is left to wait for.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send

from openbell.engine.registry import Registry
from openbell.mail.alerting import Webhook
from openbell.products.forecast.note_rules import NoteRules
from openbell.web import (
    account,
    api,
    budgets,
    compare,
    compare_api,
    console,
    digest_page,
    digests,
    digests_api,
    errors,
    health,
    leaderboard,
    market_page,
    metrics,
    openbb,
    operations,
    pages,
    picks,
    picks_api,
    sign_in,
    sign_up,
    symbol_page,
    types_page,
)
from openbell.web.alerting import keep_watch
from openbell.web.assets import FOLDER, Assets, asset
from openbell.web.backend import Database
from openbell.web.document import document
from openbell.web.fragments import environment
from openbell.web.guards import Guard
from openbell.web.protection import enforce
from openbell.web.rates import Rates
from openbell.web.reads import Reads
from openbell.web.sign_in import know
from openbell.web.stream import POLL_S, Hub, stay
from openbell.web.turns import Turns

VERSION = "0.1.0"


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What the web process needs to know; no paid key is among it.

    `direct_dsn` carries LISTEN; None means polling only. `allowed_origins` may call the API from their own pages,
    `reading_origins` may only read there what is known. `requests_a_minute` is for each asker; 0 is no limit.
    """

    dsn: str = field(repr=False)
    registry: Registry
    direct_dsn: str | None = field(default=None, repr=False)
    allowed_origins: Sequence[str] = ()
    reading_origins: Sequence[str] = ()
    instance: str = "Openbell"
    environment: str = "development"
    poll_s: float = POLL_S
    warmup_secret: str = field(default="", repr=False)
    debug_api_headers: bool = False
    premium_per_minute: int = 20
    notes: NoteRules = field(default_factory=NoteRules)
    picks_enabled: bool = False
    cron_secret: str = field(default="", repr=False)
    metrics: str = "local"
    metrics_token: str = field(default="", repr=False)
    alerts: bool = False
    webhook: Webhook | None = None
    has_home: bool = False
    display_licences: Collection[str] = ()
    requests_a_minute: int = 0


class Application(FastAPI):
    """FastAPI around which open streams stay, so that none of its layers is kept in memory for them."""

    def openapi(self) -> dict[str, Any]:
        """What every route takes and may answer."""
        return document(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; then follow the stream that the answer has left open, if it is one."""
        await super().__call__(scope, receive, send)
        if scope["type"] == "http":
            await stay(scope, receive, send)


def create_app(config: WebConfig) -> FastAPI:
    """The application. Starts whether or not the database answers, and finds it when it comes."""
    app = Application(title="Openbell", version=VERSION, docs_url=None, redoc_url=None, lifespan=lifespan)
    hub = Hub(poll_s=config.poll_s)
    source = f"web:{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    app.state.config = config
    app.state.hub = hub
    app.state.stopping = asyncio.Event()
    hub.held = config.display_licences
    app.state.database = hub.database = Database(config.dsn, config.direct_dsn, source, hub.on_hint)
    environment().globals["asset"] = asset
    app.add_middleware(GZipMiddleware, minimum_size=1_000)
    app.add_middleware(Turns)
    app.add_middleware(Reads, database=app.state.database, registry=config.registry, held=config.display_licences)
    app.add_middleware(Rates, a_minute=config.requests_a_minute)
    if readers := [*config.allowed_origins, *config.reading_origins]:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=readers,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],  # the Guard keeps readers from more; OpenBB Workspace sends headers that its user sets
            allow_private_network=True,
            expose_headers=["ETag", "Retry-After"],
        )
    app.add_middleware(Guard, allowed_origins=config.allowed_origins)
    for door in (api, health, metrics, openbb, picks_api, compare_api, digests_api, operations):
        app.include_router(door.router)
    shown = (budgets, pages, symbol_page, market_page, leaderboard, types_page, picks, compare, digest_page, digests)
    for one in (*shown, sign_in, sign_up, account):
        app.include_router(one.router, dependencies=[Depends(know)])
    for router in console.routers():
        app.include_router(router, dependencies=[Depends(know)])
    app.mount("/static", Assets(directory=FOLDER))
    errors.install(app)
    enforce(app)
    return app


async def say_goodbye(app: FastAPI) -> None:
    """End the streams as soon as the process is asked to stop: the server waits for them before it shuts down."""
    await app.state.stopping.wait()
    app.state.hub.end_all()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start to connect without waiting for it; at the end, streams first, then the database."""
    app.state.database.start()
    app.state.hub.start()
    goodbye = asyncio.create_task(say_goodbye(app), name="goodbye")
    watch = asyncio.create_task(keep_watch(app), name="alerts") if app.state.config.alerts else None
    try:
        yield
    finally:
        app.state.stopping.set()
        if watch is not None:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        await goodbye
        await app.state.hub.stop()
        await app.state.database.stop()
