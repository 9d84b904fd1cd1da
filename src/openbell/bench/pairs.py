"""`openbell bench pairs`: very many cold comparisons at once, and readers who must not notice.

Pairs of 23 names are demanded by viewers in the same moment, each by several. Each comparison and each forecast is to
be made once, each page of Wikipedia asked for once, within the limits of calls; and whoever reads meanwhile waits 50 ms
at most, by the kernel's clock (:mod:`openbell.bench.readers`).
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from urllib.parse import quote

import asyncpg
import httpx

from openbell.bench.actors import Actor, acting
from openbell.bench.errors import BenchError
from openbell.bench.figures import Figures, percentile
from openbell.bench.house import House, running_house
from openbell.bench.targets import Target
from openbell.bench.webs import allow_files
from openbell.postgres.embedded import running_dsn
from openbell.postgres.queries import Queries
from openbell.products.forecast.keys import pair_of

SQL = Queries("openbell.bench")
TERMS = (
    "alphabet", "amazon", "amazon rainforest", "apple", "bitcoin", "coffee", "costco", "ethereum", "facebook", "gold",
    "google", "ibm", "iphone", "meta", "microsoft", "netflix", "python (programming language)",
    "rust (programming language)", "spotify", "tea", "tesla", "walmart", "électricité de france",
)  # fmt: skip
TARGETS = {
    "made_twice": Target("at most", 0, "", "comparisons, forecasts, series and entities made more than once"),
    "calls_per_page": Target("at most", 1, "", "calls for the views of one page"),
    "read_p99_ms": Target("at most", 50, "ms", "a read while all are being made, 99th percentile"),
}
PATIENCE_S = 300.0
READ_EVERY_S = 10.0
READERS = (sys.executable, "-m", "openbell.bench.readers")
SECONDS = 300


async def run(pairs: int, viewers: int, seed: int, say: Callable[[str], None]) -> Figures:
    """Bring everything up, demand all at once, read until all are made."""
    keys = [pair_of(a, b, tf).key for tf in ("12m", "5y") for a, b in itertools.combinations(TERMS, 2)]
    random.Random(seed).shuffle(keys)  # noqa: S311 - the order of a crowd
    keys, figures = keys[:pairs], Figures(TARGETS)
    allow_files(viewers)
    async with running_house() as house, AsyncExitStack() as stack:
        crowd = await _crowd(stack, house, keys, viewers)
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=f"http://{house.host}:{house.port}", limits=limits, timeout=60) as http:
            say(f"{viewers} viewers ask for {pairs} pairs")
            used, begun = house.processor_by_part(), time.perf_counter()
            crowd.go()
            await asyncio.gather(*(_ask(http, keys[n % pairs]) for n in range(viewers)))
            figures.add("asked_s", time.perf_counter() - begun)
        await _until_made(house, pairs, say)
        figures.add("all_made_s", time.perf_counter() - begun)
        for part, seconds in house.processor_by_part().items():
            figures.add(f"processor_s_{part}", seconds - used.get(part, 0.0))
        waits = [wait for _, wait in (await crowd.stop())["waits"]]
        if not waits:
            raise BenchError("Nobody has read anything; ask for more pairs.")
        figures.add("reads", len(waits))
        figures.add("read_p50_ms", percentile(waits, 50))
        figures.add("read_p99_ms", percentile(waits, 99))
        figures.add("read_most_ms", max(waits))
        await _count(house, figures)
    return figures


async def _crowd(stack: AsyncExitStack, house: House, keys: list[str], viewers: int) -> Actor:
    """Those who read, each on a connection of their own, silent until told to."""
    paths = [f"/api/v1/artifacts/comparison/{quote(key)}" for key in keys]
    (one,) = await stack.enter_async_context(
        acting("readers", "", house.folder.parent / "readers.log", command=READERS,
               port=house.port, viewers=viewers, paths=paths, every=READ_EVERY_S)
    )  # fmt: skip
    return one


async def _ask(http: httpx.AsyncClient, key: str) -> None:
    wish = {"items": [{"product": "comparison", "key": key}], "seconds": SECONDS}
    (await http.post("/api/v1/demand", json=wish)).raise_for_status()


async def _connect(house: House) -> asyncpg.Connection:
    dsn = running_dsn(house.folder)
    if dsn is None:
        raise BenchError("The database of the measurement is gone.")
    return await asyncpg.connect(dsn)


async def _until_made(house: House, pairs: int, say: Callable[[str], None]) -> None:
    db = await _connect(house)
    try:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            made = await db.fetchval(SQL.get("count_pairs"))
            say(f"{made} of {pairs} are made")
            if made >= pairs:
                return
            await asyncio.sleep(0.5)
    finally:
        await db.close()
    raise BenchError(f"After {PATIENCE_S:g} s not all pairs are made.")


async def _count(house: House, figures: Figures) -> None:
    db = await _connect(house)
    try:
        row = await db.fetchrow(SQL.get("sum_pairs"))
        assert row is not None
        for name in ("pairs_made", "made_twice", "calls_per_page", "calls"):
            figures.add(name, float(row[name]))
    finally:
        await db.close()
