"""Many cold pairs at once, in small: `openbell bench pairs` is the large form."""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time
from urllib.parse import quote

from openbell.products.forecast.keys import pair_of
from tests.products.forecast.conftest import Desk
from tests.support import eventually
from tests.web.conftest import serve

TERMS = ("coffee", "tea", "gold", "bitcoin", "netflix", "spotify", "walmart")
PAIRS, VIEWERS, SEED = 20, 100, 7


async def test_cold_pairs_are_each_made_once_while_readers_read(desk: Desk, dsn: str) -> None:
    """FC-1, FC-27: 20 cold pairs demanded by 100 viewers at once: each made once, no reader refused or kept for it."""
    keys = [pair_of(a, b).key for a, b in itertools.combinations(TERMS, 2)]
    random.Random(SEED).shuffle(keys)
    keys = keys[:PAIRS]
    waits: list[float] = []
    async with serve(dsn, desk.pool) as site:
        await site.ready()

        async def view(n: int) -> None:
            key = keys[n % PAIRS]
            wish = {"items": [{"product": "comparison", "key": key}], "seconds": 120}
            assert (await site.http.post("/api/v1/demand", json=wish)).status_code == 202
            begun = time.perf_counter()
            answer = await site.http.get(f"/api/v1/artifacts/comparison/{quote(key)}")
            waits.append(time.perf_counter() - begun)
            assert answer.status_code in (200, 404)

        started = time.perf_counter()
        await asyncio.gather(*(view(n) for n in range(VIEWERS)))

        async def made() -> bool:
            known = await desk.pool.fetchval(
                "select count(*) from openbell.artifact where product = 'comparison' and version > 0"
            )
            return int(known) == PAIRS

        await eventually(made, 180)
        took = time.perf_counter() - started
    for product, count in (
        ("comparison", PAIRS),
        ("forecast", PAIRS),
        ("interest", len(TERMS)),
        ("entity", len(TERMS)),
    ):
        outcomes = await desk.outcomes(product)  # a job that finds its key fresh already is skipped, and makes nothing
        assert [one for one in outcomes if one != "skipped"] == ["done"] * count, product
    assert await desk.pool.fetchval("select count(*) from openbell.forecast_run") == PAIRS
    pages = [e["path"] for e in await desk.sandbox.entries("wikimedia") if "per-article" in e["path"]]
    assert len(pages) == len(set(pages)) == len(TERMS)
    assert len(waits) == VIEWERS
    # Of the same run, so no time of the machine: whoever waited for what they read would wait for much of the making.
    assert statistics.median(waits) < took / 5
