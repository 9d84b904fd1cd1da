"""`openbell bench digest`: digests of some tickers with the delays of real providers, all shortened by one factor.

The longest chain is worked out from the calls that were made, at their nominal delays: for each digest the longest row
of calls of which each began after the one before it could have ended; the digests in the seats that the limits give
them, in the order in which they began; and not less than the resolver's minutes allow. What was measured contains
everything else: claims, steps, reading pages, writing.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import cast

import asyncpg
import httpx

from openbell.bench.errors import BenchError
from openbell.bench.figures import Figures
from openbell.bench.lab import SQL
from openbell.bench.targets import DIGEST
from openbell.drills.picks import ground
from openbell.engine.ledger import Limit
from openbell.engine.registry import Registry
from openbell.engine.seats import seat_limits
from openbell.engine.worker import Worker
from openbell.postgres.pool import open_pool
from openbell.products import registry
from openbell.products.context import contexts
from openbell.products.digest.editions import digest_key
from openbell.products.digest.reference import import_rows
from openbell.products.digest.requests import ask_for, today
from openbell.products.sources import Connections, Source, limits_of
from openbell.providers.pages import Reader
from openbell.sandbox.companies import COMPANIES

TOTAL, SCHEDULED, ADHOC = 5, 4, 2
BUDGET = 10_000_000_000
DELAYS = {"news": 5.0, "google_links": 0.6, "pages": 75.0, "anthropic": 10.0}
"""Seconds of a call: so that a digest of 8 to 16 pages takes about as long in each part as the document says."""
PATHS = (
    ("news", "rss/search", "news"), ("news", "rss/2.0/*", "news"), ("news", "rss/articles/*", "google_links"),
    ("news", "_/*", "google_links"), ("news", "sites/*", "pages"), ("anthropic", "*", "anthropic"),
)  # fmt: skip
"""Which simulator's paths take the delay of whom."""
LINKS_A_MINUTE = 20
PAGES = 60
PATIENCE_S = 1_200.0


@dataclass(frozen=True, slots=True)
class Size:
    """How many tickers, and by how much their providers' delays and minutes are shortened."""

    tickers: int = 12
    factor: float = 6.0


@dataclass(frozen=True, slots=True)
class Made:
    """A call: when it began, in seconds, and how long its provider takes for it."""

    key: str
    provider: str
    begun: float
    takes: float


async def run(size: Size, say: Callable[[str], None]) -> Figures:
    """Make the digests, and work out what could not have been shorter. Raises :class:`BenchError` when some fail."""
    figures = Figures(DIGEST)
    async with ground() as (dsn, sandbox):
        pool = await open_pool(dsn, name="bench", max_size=3)
        await _slow_down(sandbox, size.factor)
        async with _working(dsn, sandbox, size.factor):
            tickers = await _import(pool, size.tickers)
            say(f"making {size.tickers} digests")
            begun = time.perf_counter()
            await _ask(pool, tickers)
            await _wait(pool, size.tickers, say)
            took = time.perf_counter() - begun
        rows = await pool.fetch(SQL.get("list_calls"))
        say("taking pages apart")
        figures.add("pages_per_s", await _read_pages(pool, sandbox))
        pool.terminate()
    delays = {name: seconds / size.factor for name, seconds in DELAYS.items()}
    calls = [
        Made(row["key"], row["provider"], cast("datetime", row["tried_at"]).timestamp(), delays.get(row["provider"], 0))
        for row in rows
    ]
    bound = longest(calls, links_per_s=LINKS_A_MINUTE * size.factor / 60)
    figures.add("digest_ratio", took / bound)
    figures.add("digest_s", took)
    figures.add("digest_chain_s", bound)
    figures.add("digest_as_real_min", took * size.factor / 60)
    figures.add("calls", len(calls))
    return figures


def longest(calls: Sequence[Made], *, links_per_s: float) -> float:
    """Seconds that the calls take at least, in the seats there are and within the resolver's minutes. Pure."""
    by_key: dict[str, list[Made]] = defaultdict(list)
    for call in calls:
        by_key[call.key].append(call)
    chains = [chain(by_key[key]) for key in sorted(by_key, key=lambda key: min(one.begun for one in by_key[key]))]
    seats = [0.0] * SCHEDULED
    for one in chains:
        heapq.heappush(seats, heapq.heappop(seats) + one)
    links = sum(call.provider == "google_links" for call in calls)
    allowed = links_per_s * 60  # so many go at once, and the others as they leave the minute
    minutes = 60 * int(max(0, links - 1) // allowed) if links_per_s else 0
    return max(*seats, float(minutes))


def chain(calls: Sequence[Made]) -> float:
    """The seconds of the row of calls, each after the one before, that ends last. Pure."""
    left = max(calls, key=lambda one: one.begun + one.takes)
    total = left.takes
    while before := [one for one in calls if one.begun + one.takes <= left.begun and one is not left]:
        left = max(before, key=lambda one: one.begun + one.takes)
        total += left.takes
        calls = [one for one in before if one is not left]
    return total


async def _slow_down(sandbox: str, factor: float) -> None:
    async with httpx.AsyncClient(base_url=sandbox, timeout=60) as control:
        for provider, path, whose in PATHS:
            fault = {"provider": provider, "path": path, "kind": "slow", "seconds": DELAYS[whose] / factor}
            (await control.post("/_control/faults", json=fault)).raise_for_status()


async def _read_pages(pool: asyncpg.Pool, sandbox: str) -> float:
    """Pages a second that a worker's reader takes apart, one after the other; none is read from the store."""
    async with httpx.AsyncClient(base_url=sandbox, timeout=60, follow_redirects=True) as http:
        (await http.delete("/_control/faults")).raise_for_status()
        rows = await pool.fetch(SQL.get("list_read_pages"), PAGES)
        pages = [(await http.get(row["address"])).text for row in rows]
    if not pages:
        raise BenchError("No page was read.")
    reader = Reader()
    try:
        await reader.text(pages[0])  # its process begins with the first page
        begun = time.perf_counter()
        texts = [await reader.text(page) for page in pages]
        took = time.perf_counter() - begun
    finally:
        await reader.aclose()
    if not all(texts):
        raise BenchError("A page that has an article gave no text.")
    return len(pages) / took


@asynccontextmanager
async def _working(dsn: str, sandbox: str, factor: float) -> AsyncIterator[None]:
    """A worker with the limits of the document."""
    sources = {
        "news": Source(f"{sandbox}/news", calls_per_minute=10_000),
        "edgar": Source(f"{sandbox}/edgar"),
        "anthropic": Source(f"{sandbox}/anthropic", key="sandbox", budget=BUDGET, calls_per_minute=10_000),
    }
    connections = Connections(sources, contact="bench@openbell.example", digest_models="anthropic:claude-haiku-5-5")
    pool = await open_pool(dsn, name="worker", max_size=8, ordered=True)
    made = Registry([one for one in registry() if one.name == "digest"])
    worker = Worker(
        pool, dsn, made, limits=[_shortened(one, factor) for one in limits_of(sources)],
        seats=seat_limits(TOTAL, SCHEDULED, ADHOC), context=contexts(connections), slots=TOTAL,
    )  # fmt: skip
    stop = asyncio.Event()
    working = asyncio.create_task(worker.run(stop))
    await asyncio.wait_for(worker.hints.listening.wait(), 60)
    try:
        yield
    finally:
        stop.set()
        await working
        await connections.close()
        pool.terminate()


def _shortened(limit: Limit, factor: float) -> Limit:
    """The limit of a minute as it is when a minute is shorter."""
    return replace(limit, granted=int(limit.granted * factor)) if limit.span == timedelta(minutes=1) else limit


async def _import(pool: asyncpg.Pool, count: int) -> list[str]:
    names = list(islice(COMPANIES.values(), count))
    rows = "".join(
        f'{one.symbol},"{one.name}",{one.sector},"{names[n - 1].symbol}: {names[n - 1].name}"\n'
        for n, one in enumerate(names)
    )
    async with pool.acquire() as proxy:
        conn = cast("asyncpg.Connection", proxy)
        await import_rows(conn, f"ticker,name,industry,competitors\n{rows}", source="bench", actor="bench")
    return [one.symbol for one in names]


async def _ask(pool: asyncpg.Pool, tickers: Sequence[str]) -> None:
    async with pool.acquire() as conn, conn.transaction():
        day = await today(conn)
        for ticker in tickers:
            await ask_for(conn, digest_key(ticker, "daily", day), source="bench", job_class="scheduled")


async def _wait(pool: asyncpg.Pool, count: int, say: Callable[[str], None]) -> None:
    end, told = time.monotonic() + PATIENCE_S, -1
    while time.monotonic() < end:
        row = await pool.fetchrow(SQL.get("count_digests"))
        assert row is not None
        if row["made"] != told:
            told = row["made"]
            say(f"{told} of {count}")
        if not row["jobs"]:
            if told != count:
                raise BenchError(f"{told} of {count} digests were made.")
            return
        await asyncio.sleep(0.1)
    raise BenchError(f"After {PATIENCE_S:g} s not all of {count} digests were made.")
