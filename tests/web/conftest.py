"""A web process on a real socket over a fresh database; no worker runs, so that only what a test publishes is there."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import uvicorn
from playwright.async_api import BrowserContext, ConsoleMessage, Page, async_playwright, expect

from openbell.products import registry
from openbell.web import WebConfig, create_app
from openbell.web.server import configure
from tests.support import eventually

ARTIFACTS = Path(__file__).parent.parent / "artifacts"
expect.set_options(timeout=30_000)  # the usual five seconds are not enough for a machine that stalls
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SYNTHETIC = "synthetic; replay of real daily prices, market day 2012-06-01"
QUOTE: dict[str, Any] = {
    "symbol": "AAPL",
    "name": "Apple Inc.",
    "price": 562.95,
    "change": -14.78,
    "change_percent": -2.5583,
    "previous_close": 577.73,
    "open": 569.16,
    "day_low": 560.52,
    "day_high": 572.65,
    "year_low": 310.5,
    "year_high": 644.0,
    "volume": 18_606_700,
    "market_cap": None,
    "exchange": "NASDAQ",
    "source_time": "2012-06-01T15:42:00-04:00",
}
ROWS = [
    ["2012-05-30", 569.2, 579.99, 566.56, 579.17, 18_908_200],
    ["2012-05-31", 580.74, 581.5, 571.46, 577.73, 17_559_800],
]
PRICES = {"symbol": "AAPL", "unit": "per share", "adjusted": "splits", "rows": ROWS}
PROFILE = {
    "symbol": "AAPL",
    "name": "Apple Inc.",
    "currency": "USD",
    "website": "javascript:alert(1)",
    "description": "<b>Makes</b> phones.",
}


@dataclass
class Site:
    """A running web process and a client for it."""

    app: Any
    address: str
    http: httpx.AsyncClient
    server: uvicorn.Server
    pool: asyncpg.Pool

    async def ready(self) -> None:
        """Wait until it has found its database and hears hints."""
        database = self.app.state.database
        await eventually(lambda: database.pool is not None and database.hints.listening.is_set())

    async def publish(
        self,
        product: str,
        key: str,
        value: Any,
        *,
        version: int = 1,
        fresh: str = "1 hour",
        hint: bool = True,
        **more: Any,
    ) -> None:
        """Store a result as if a worker had made it."""
        async with self.pool.acquire() as connection, connection.transaction():
            stored = more.get("state", "value"), more.get("source")
            await _store(connection, (product, key), value, version, fresh, *stored)
        if hint:
            await self.pool.execute("select pg_notify('openbell', $1)", json.dumps(["artifact", [[product, key]]]))

    async def count(self, table: str) -> int:
        """Rows of one table."""
        found: int = await self.pool.fetchval(f"select count(*) from openbell.{table}")
        return found

    @asynccontextmanager
    async def watch(self, *keys: str, form: str = "json") -> AsyncIterator[Stream]:
        """An open stream."""
        query = [("as", form), *(("watch", key) for key in keys)]
        async with self.http.stream("GET", "/api/v1/stream", params=query, timeout=60) as answer:
            stream = Stream(answer)
            reading = asyncio.create_task(stream.read())
            try:
                yield stream
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)


async def _store(
    db: Any, of: tuple[str, str], value: Any, version: int, fresh: str, state: str, source: Any = None
) -> None:
    """The rows of a result, as publishing leaves them."""
    product, key = of
    await db.execute(
        f"""insert into openbell.artifact
                (product, key, version, state, checked_at, changed_at, source_time, fresh_until, stale_until)
            values ($1, $2, $3, '{state}', openbell.now(), case when $3 > 0 then openbell.now() end, $4,
                openbell.now() + interval '{fresh}', openbell.now() + interval '{fresh}' + interval '1 day')
            on conflict (product, key) do update set version = excluded.version, state = excluded.state,
                checked_at = excluded.checked_at, changed_at = excluded.changed_at,
                source_time = excluded.source_time,
                fresh_until = excluded.fresh_until, stale_until = excluded.stale_until""",
        product, key, version, datetime(2012, 6, 1, 19, 42, tzinfo=UTC),
    )  # fmt: skip
    if version:
        provenance = source or {"provider": "fmp", "operation": product, "host": "127.0.0.1", "synthetic": SYNTHETIC}
        await db.execute(
            """insert into openbell.version (product, key, version, created_at, value, provenance, producer_version,
                   licence, cost_micro, job_id)
               values ($1, $2, $3, openbell.now(), $4, $5, 1, 'personal', 0, 1) on conflict do nothing""",
            product, key, version, value, provenance,
        )  # fmt: skip


@dataclass
class Stream:
    """The events of one stream, as they come."""

    answer: httpx.Response
    events: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    ended: bool = False

    async def read(self) -> None:
        """Collect until it ends."""
        async for line in self.answer.aiter_lines():
            self.lines.append(line)
            if line.startswith("data: "):
                self.events.append(json.loads(line[6:]))
        self.ended = True


@asynccontextmanager
async def serve(dsn: str, pool: asyncpg.Pool, **config: Any) -> AsyncIterator[Site]:
    """A web process on a free port."""
    app = create_app(WebConfig(**({"dsn": dsn, "registry": registry(), "direct_dsn": dsn} | config)))
    door = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(configure(app, grace_s=2))
    serving = asyncio.create_task(server.serve(sockets=[door]))
    address = f"http://127.0.0.1:{door.getsockname()[1]}"
    try:
        async with httpx.AsyncClient(base_url=address, timeout=30) as http:
            await eventually(lambda: server.started)
            yield Site(app, address, http, server, pool)
    finally:
        app.state.stopping.set()
        server.should_exit = True
        await asyncio.wait_for(serving, 30)
        door.close()


@pytest.fixture
async def site(web_dsn: str, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    """A web process whose database is there, and in which it may do no more than it must (PF-45)."""
    await registry().seed(pool)
    async with serve(web_dsn, pool) as running:
        await running.ready()
        yield running


Window = tuple[BrowserContext, Page, list[str]]
"""A fresh browser, its one page, and every complaint of its console."""

Browser = Callable[..., AbstractAsyncContextManager[Window]]


@pytest.fixture
def browser(chromium: str) -> Browser:
    """Opens a window with the options of a context, for the length of a block."""
    return partial(open_browser, chromium)


@asynccontextmanager
async def open_browser(program: str, **options: Any) -> AsyncIterator[Window]:
    """The program, with these options for its context."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        context = await chromium.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})
        page = await context.new_page()
        complaints: list[str] = []

        def hear(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                complaints.append(message.text)

        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        try:
            yield context, page, complaints
        finally:
            await chromium.close()


async def shot(page: Page, name: str) -> None:
    """A picture for people to look at."""
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)
