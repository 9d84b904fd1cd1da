"""The bounds of the nightly warm-up, in number, at once and in time; each look at it is made by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from openbell.engine.attempt import Claim
from openbell.engine.enqueue import enqueue
from openbell.engine.errors import Waiting
from openbell.engine.registry import CLASSES
from openbell.products.context import Context
from openbell.products.forecast.keys import pair_of
from openbell.products.forecast.warm import AT_ONCE, LOOK, PAIRS_MAX, SOURCE, TIME_MAX
from openbell.products.sources import Connections
from tests.engine.hand import Hand
from tests.products.forecast.conftest import Desk
from tests.products.kitchen import PRODUCTS

MORE = 3
"""So many pairs are asked for beyond those that a night may warm."""


async def asked(pool: asyncpg.Pool, key: str, times: int, *, job_class: str = "interactive", days: int = 1) -> None:
    """A pair was made so often for somebody, some days ago."""
    await pool.execute(
        """insert into openbell.job_history (id, product, key, job_class, outcome, attempts, queued_at, finished_at,
               cost_micro)
           select -1000000 - (select count(*) from openbell.job_history) - n, 'comparison', $1, $3, 'done', 1, t, t, 0
           from generate_series(1, $2::integer) n, (select openbell.now() - $4::interval as t) clock""",
        key, times, CLASSES[job_class], timedelta(days=days),
    )  # fmt: skip


@dataclass
class Night:
    """A warm-up under way, at which we look when we like."""

    desk: Desk
    hand: Hand
    claim: Claim

    async def look(self) -> bool:
        """One look, as of now; whether it goes on."""
        claim = self.claim._replace(now=await self.desk.clock.now())
        context = Context(self.hand.attempt(claim), Connections({}))
        try:
            await PRODUCTS.get("forecast-warmup").producer(claim.key, context)
        except Waiting:
            return True
        return False

    async def wanted(self) -> set[str]:
        """What it demands now."""
        rows = await self.desk.pool.fetch(
            """select key, job_class from openbell.demand
               where product = 'comparison' and source = $1 and expires_at > openbell.now()""",
            SOURCE,
        )
        assert {row["job_class"] for row in rows} <= {CLASSES["background"]}
        return {row["key"] for row in rows}


async def begin(desk: Desk, pairs: int) -> tuple[Night, list[str]]:
    """A night after a day on which so many pairs were asked for; the pairs by how often, the most popular first."""
    keys = [pair_of(f"term {n:02}", "costco").key for n in range(pairs)]
    for n, key in enumerate(keys):
        await asked(desk.pool, key, pairs - n)
    await asked(desk.pool, pair_of("by night", "costco").key, 99, job_class="background")
    await asked(desk.pool, pair_of("long ago", "costco").key, 99, days=8)
    hand = await Hand.hire(desk.pool, PRODUCTS.get("forecast-warmup"))
    await enqueue(desk.pool, PRODUCTS.get("forecast-warmup"), [("GLOBAL", None)])
    [claim] = await hand.claim()
    return Night(desk, hand, claim), keys


async def test_a_night_warms_fifty_pairs_five_at_a_time(bare_desk: Desk) -> None:
    """FC-13: the fifty most popular pairs are demanded, the most popular first, and five of them at a time."""
    night, keys = await begin(bare_desk, PAIRS_MAX + MORE)
    assert (PAIRS_MAX, AT_ONCE) == (50, 5)
    for first in range(0, PAIRS_MAX, AT_ONCE):
        now = set(keys[first : first + AT_ONCE])
        for _ in range(2):  # a second look at what is not made yet demands no more
            assert await night.look()
            unmade = {key for key in await night.wanted() if (await bare_desk.read(key)).state != "fresh"}
            assert unmade == now
        for key in now:
            await bare_desk.store("comparison", key, {})
        await bare_desk.clock.advance(LOOK)
    assert not await night.look(), "the pairs beyond are left alone"
    made = {row["key"] for row in await bare_desk.pool.fetch("select key from openbell.demand")}
    assert made <= set(keys[:PAIRS_MAX])


async def test_a_night_ends_after_an_hour(bare_desk: Desk) -> None:
    """FC-13: what is not warm an hour after it began is left for the next night."""
    night, keys = await begin(bare_desk, AT_ONCE + MORE)
    assert timedelta(hours=1) == TIME_MAX
    assert await night.look()
    for key in keys[:AT_ONCE]:
        await bare_desk.store("comparison", key, {})
    await bare_desk.clock.advance(TIME_MAX - timedelta(seconds=20))
    assert await night.look()
    assert await night.wanted() == set(keys[AT_ONCE:])
    await bare_desk.clock.advance(minutes=3)
    assert not await night.look()
    assert await night.wanted() == set()
