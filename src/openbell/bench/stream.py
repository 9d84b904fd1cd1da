"""`openbell bench stream`: from the commit of a new version to the many browsers that watch it, and what they cost.

One web process as everybody runs it, streams in processes of their own that only read, and a publisher that commits new
versions of watched keys at a steady pace by the functions that workers use.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg

from openbell.bench.actors import acting
from openbell.bench.errors import BenchError
from openbell.bench.figures import Figures, percentile
from openbell.bench.lab import Lab, open_lab
from openbell.bench.targets import STREAM, STREAM_AT_SIZE
from openbell.bench.webs import Web, allow_files, running_web
from openbell.engine.database import SQL
from openbell.engine.enqueue import enqueue
from openbell.engine.registry import CLASSES, Registry
from openbell.products.market.quote import quote

Say = Callable[[str], None]

EACH = 5
"""Keys that one stream watches."""
WATCHERS = 100
"""Streams that watch one key, where there are enough."""
CLIENTS = 2
SETTLE_S = 3.0
FRESH = timedelta(days=1)
LEASE = timedelta(hours=1)
COMMAND = (sys.executable, "-m", "openbell.bench.watchers")


@dataclass(frozen=True, slots=True)
class Size:
    """How much: open streams, deliveries a second over all of them, and for how long."""

    streams: int
    deliveries_per_s: float
    seconds: float

    @property
    def keys(self) -> int:
        """Keys that are watched."""
        return max(EACH, self.streams * EACH // WATCHERS)

    @property
    def pause_s(self) -> float:
        """Between two commits, each of which goes to all who watch its key."""
        return self.streams * EACH / self.keys / self.deliveries_per_s


async def run(size: Size, say: Say) -> Figures:
    """Open the streams, publish at the pace, and see when it arrives."""
    full = size.streams >= 10_000
    figures = Figures(STREAM | STREAM_AT_SIZE if full else STREAM)
    allow_files(size.streams)
    async with open_lab() as lab, AsyncExitStack() as stack:
        await Registry([quote]).seed(lab.pool)
        publisher = Publisher(lab, [f"S{n:04d}" for n in range(size.keys)])
        say(f"publishing {size.keys} quotes")
        await publisher.move_in()
        settings = {"DATABASE_URL": lab.dsn, "DIRECT_DATABASE_URL": lab.dsn}
        web = await stack.enter_async_context(running_web(settings=settings))
        before = web.memory_mib()
        figures.add("web_memory_mib", before)
        say(f"opening {size.streams} streams")
        said = await _watch(lab, web, size, publisher, figures, say)
    waits = [wait for one in said for wait in one["waits"]]
    if any(one["ended"] for one in said):
        raise BenchError(f"{sum(one['ended'] for one in said)} streams have ended meanwhile.")
    if not waits:
        raise BenchError(f"No new version came in {size.seconds:g} s.")
    figures.add("stream_memory_kib", (figures.value("streams_memory_mib") - before) * 1024 / size.streams)
    figures.add("stream_p50_ms", percentile(waits, 50))
    figures.add("stream_p99_ms", percentile(waits, 99))
    figures.add("stream_events", len(waits))
    figures.add("stream_events_per_s", len(waits) / size.seconds)
    return figures


async def _watch(
    lab: Lab, web: Web, size: Size, publisher: Publisher, figures: Figures, say: Say
) -> Sequence[dict[str, Any]]:
    """Open them, watch, and tell what each process of browsers has seen."""
    shares = [size.streams * n // CLIENTS for n in range(CLIENTS + 1)]
    keys = [f"quote:{key}" for key in publisher.keys]
    async with AsyncExitStack() as stack:
        began = time.perf_counter()
        opened = [
            await stack.enter_async_context(
                acting(
                    "watch", lab.dsn, lab.log, command=COMMAND, port=web.port, keys=keys, each=EACH,
                    first=first, streams=last - first,
                )
            )
            for first, last in itertools.pairwise(shares)
        ]  # fmt: skip
        figures.add("opened_per_s", size.streams / (time.perf_counter() - began))
        await asyncio.sleep(SETTLE_S)
        for (one,) in opened:
            one.go()
        say(f"watching for {size.seconds:g} s")
        used_s = web.processor_s()
        published = await publisher.publish_steadily(size.pause_s, size.seconds)
        figures.add("web_core_percent", 100 * (web.processor_s() - used_s) / size.seconds)
        figures.add("commits_per_s", published / size.seconds)
        await asyncio.sleep(SETTLE_S)
        figures.add("streams_memory_mib", web.memory_mib())
        return [await one.stop() for (one,) in opened]


class Publisher:
    """Publishes new versions of quotes as a worker does, one transaction each, and tells it by a hint."""

    def __init__(self, lab: Lab, keys: Sequence[str]) -> None:
        self.lab, self.keys = lab, keys
        self._worker = 0
        self._turns = 0

    async def move_in(self) -> None:
        """A first version of each key."""
        self._worker = await self.lab.pool.fetchval(SQL.get("register_worker"), "bench publisher", 1, LEASE)
        for _ in self.keys:
            await self.publish()

    async def publish_steadily(self, pause_s: float, seconds: float) -> int:
        """One version after the other, a pause apart; how many."""
        began, published = time.perf_counter(), 0
        while published * pause_s < seconds and time.perf_counter() - began < seconds:
            await asyncio.sleep(max(0.0, began + published * pause_s - time.perf_counter()))
            await self.publish()
            published += 1
        return published

    async def publish(self) -> None:
        """The next version of the next key."""
        key = self.keys[self._turns % len(self.keys)]
        self._turns += 1
        pool = self.lab.pool
        await enqueue(pool, quote, [(key, None)])
        claims = await pool.fetch(SQL.get("claim_jobs"), [quote.name], list(CLASSES.values()), self._worker, 1)
        await self._end(claims[0], key)
        self.lab.hints.tell("artifact", quote.name, key)

    async def _end(self, claim: asyncpg.Record, key: str) -> None:
        value = _quote(key, 100 + self._turns / 100)
        row = await self.lab.pool.fetchrow(
            SQL.get("publish_artifact"), claim["id"], claim["token"], "value", value, None, FRESH, FRESH, FRESH,
            {"provider": "bench", "operation": "quote"}, quote.version, quote.licence, [], None,
        )  # fmt: skip
        if row is None or row["outcome"] != "done":
            raise BenchError(f"The quote of {key} was not published: {row and row['outcome']}.")


def _quote(symbol: str, price: float) -> dict[str, Any]:
    """A value as a quote has it."""
    value = dict.fromkeys(quote.model.model_fields) if quote.model else {}
    return value | {"symbol": symbol, "name": f"Synthetic {symbol}", "price": price, "exchange": "NASDAQ"}
