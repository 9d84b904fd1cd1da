"""Prefetch: what is likely next, from spare budget alone, counted; off until somebody switches it on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine.artifacts import read
from openbell.engine.demand import Interest
from openbell.engine.flags import add_flag
from openbell.engine.hints import Hints
from openbell.engine.inquiry import inquire
from openbell.engine.keys import Key
from openbell.engine.ledger import Limit
from openbell.engine.prefetch import FLAG, IDLE_BEAT_S, LEAST_TTL, Prefetcher, count_prefetched, likely
from openbell.engine.registry import Calls, Product, Registry, hours, minutes
from openbell.engine.rollout import set_flag
from openbell.engine.sweep import sweep
from openbell.products import registry
from tests.engine.conftest import Employ
from tests.engine.hand import Hand, declare, per_minute
from tests.support import Clock, eventually

MONTH = timedelta(days=30)
WEEK = timedelta(days=7)


class Other(Key):
    """Another kind of key."""


PAGE = declare("page", ttl=minutes(1))
PARTS = [declare(f"part-{name}", ttl=hours(2), stale=hours(9), spends={"shop": Calls(1, bytes=100)}) for name in "abc"]
DEAR = declare("dear", ttl=hours(2), stale=hours(9), spends={"bank": Calls(1, bytes=100)})
ELSEWHERE = declare("elsewhere", ttl=hours(2), stale=hours(9), key=Other)
PRODUCTS = (PAGE, *PARTS, DEAR, ELSEWHERE)


class Stand:
    """A worker by hand, a viewer, and the duty whose beats the test gives."""

    def __init__(self, pool: asyncpg.Pool, hand: Hand) -> None:
        self.pool, self.hand = pool, hand
        self.viewer = Interest(pool, "viewer")
        self.duty = Prefetcher(pool, Registry(PRODUCTS), Hints(pool, None))

    @classmethod
    async def put_up(cls, pool: asyncpg.Pool, *limits: Limit, on: bool = True) -> Stand:
        stand = cls(pool, await Hand.hire(pool, *PRODUCTS, limits=limits or (per_minute(100),)))
        until = datetime.now(UTC).date() + timedelta(days=30)
        await add_flag(pool, FLAG, about="prefetch", owner="test", remove_by=until, actor="test")
        if on:
            await set_flag(pool, FLAG, mode="on", actor="test")
        return stand

    async def look_at(self, *keys: tuple[str, str]) -> None:
        """A viewer opens these, and they are made."""
        await self.viewer.add(keys)
        for claim in await self.hand.claim(most=10):
            await self.hand.publish(claim, {"n": 1})

    async def beat(self, clock: Clock) -> list[tuple[str, str]]:
        """One beat; what is wanted by prefetch then."""
        await clock.advance(seconds=5)
        await self.duty.beat()
        rows = await self.pool.fetch(
            "select product, key, job_class from openbell.demand where source = 'prefetch' order by 1, 2"
        )
        assert {row["job_class"] for row in rows} <= {90}
        return [(row["product"], row["key"]) for row in rows]

    async def use(self, resource: str, amount: int) -> None:
        """So much of an account is taken by others."""
        await self.pool.execute("update openbell.account set spent = $2 where resource = $1", resource, amount)


async def test_the_other_parts_of_what_is_watched_are_likely(pool: asyncpg.Pool, clock: Clock) -> None:
    """While a key is watched its other parts are made, in the class background; nothing of other keys, of another kind
    of key, or of another provider.
    """
    stand = await Stand.put_up(pool, per_minute(100), per_minute(100, "bank"))
    assert await stand.beat(clock) == []
    await stand.look_at(("page", "AAPL"), ("part-b", "AAPL"))
    assert await stand.beat(clock) == [("part-a", "AAPL"), ("part-c", "AAPL")]
    told = await inquire(pool, Registry(PRODUCTS), "part-a", "AAPL")
    assert "nobody yet: it is prefetched" in next(gate.detail for gate in told.gates if gate.name == "demand")
    jobs = await pool.fetch("select product, job_class from openbell.job order by product")
    assert [(row["product"], row["job_class"]) for row in jobs] == [("part-a", 90), ("part-c", 90)]


async def test_one_endpoint_that_the_plan_lacks_keeps_its_own_type_out_and_no_other(
    pool: asyncpg.Pool, clock: Clock
) -> None:
    """MD-21: what the plan does not include is not tried for each watched key, and the rest is prefetched on."""
    stand = await Stand.put_up(pool)
    await stand.look_at(("page", "AAPL"))
    await pool.execute(
        "insert into openbell.breaker "
        "values ('shop', 'a', openbell.now(), openbell.now() + interval '7 days', 1, null, $1, 'x')",
        "endpoint_not_in_plan",
    )
    await pool.execute(
        "insert into openbell.cooldown (product, key, code, message, at, retry_at, job_id) "
        "values ('part-a', 'MSFT', $1, 'x', openbell.now(), openbell.now() + interval '7 days', 1)",
        "endpoint_not_in_plan",
    )
    assert await stand.beat(clock) == [("part-b", "AAPL"), ("part-c", "AAPL")]


async def test_it_is_off_until_somebody_switches_it_on(pool: asyncpg.Pool, clock: Clock) -> None:
    """Without the flag, or with the flag off, nothing is prefetched and hardly anything is asked."""
    bare = Prefetcher(pool, Registry(PRODUCTS), Hints(pool, None))
    assert await bare.beat() == IDLE_BEAT_S
    stand = await Stand.put_up(pool, on=False)
    await stand.look_at(("page", "AAPL"))
    assert await stand.beat(clock) == []
    await set_flag(pool, FLAG, mode="on", deny=["AAPL"], actor="test")
    assert await stand.beat(clock) == []


@pytest.mark.parametrize(
    ("limits", "resource", "used", "most"),
    [
        ([per_minute(10)], "calls", 5, 0),
        ([per_minute(10)], "calls", 3, 2),
        ([Limit("shop", "calls", "minute", 10, span=timedelta(minutes=1), floors={"interactive": 9})], "calls", 0, 1),
        ([per_minute(100), Limit("shop", "bytes", "30 days", 1_000, span=MONTH)], "bytes", 401, 0),
        ([per_minute(100), Limit("shop", "bytes", "30 days", 1_000, span=MONTH)], "bytes", 350, 1),
        (
            [per_minute(100), Limit("shop", "usd_micro", "month", 10**9, closes="charge", calendar="month")],
            "calls",
            0,
            0,
        ),
        ([Limit("other", "calls", "minute", 10, span=timedelta(minutes=1))], "calls", 0, 0),
    ],
    ids=["half used", "two below half", "the reserve", "bytes used", "bytes for one", "paid by use", "no account"],
)
async def test_only_what_is_spare_is_used(
    pool: asyncpg.Pool, clock: Clock, limits: Sequence[Limit], resource: str, used: int, most: int
) -> None:
    """Up to half of the minute and of the 30 days, never of what is kept for interactive work; none without account."""
    stand = await Stand.put_up(pool, *limits)
    await stand.look_at(("page", "AAPL"))
    await stand.use(resource, used)
    assert len(await stand.beat(clock)) == most


async def test_nothing_is_prefetched_while_anybody_waits_or_a_provider_is_paused(
    pool: asyncpg.Pool, clock: Clock
) -> None:
    """Work of a more urgent class that waits for the provider, or a pause of it: then nothing is spare."""
    stand = await Stand.put_up(pool)
    await stand.look_at(("page", "AAPL"))
    await stand.viewer.add([("page", "IBM")])
    assert await stand.beat(clock) == []
    for claim in await stand.hand.claim(most=5):
        await stand.hand.publish(claim, {"n": 1})
    await pool.execute("update openbell.account set blocked_until = openbell.now() + interval '1 hour'")
    assert await stand.beat(clock) == []
    await pool.execute("update openbell.account set blocked_until = null")
    assert len(await stand.beat(clock)) > 0


async def test_interactive_work_goes_first(pool: asyncpg.Pool, clock: Clock) -> None:
    """What a viewer waits for is claimed before what was prefetched earlier, and opening that makes it interactive."""
    stand = await Stand.put_up(pool)
    await stand.look_at(("page", "AAPL"))
    assert len(await stand.beat(clock)) == 3
    await stand.viewer.add([("page", "IBM"), ("part-b", "AAPL")])
    order = [(claim.product, claim.job_class) for claim in await stand.hand.claim(most=10)]
    assert sorted(order[:2]) == [("page", 0), ("part-b", 0)]
    assert {job_class for _, job_class in order[2:]} == {90}


async def test_a_few_at_a_time(pool: asyncpg.Pool, clock: Clock) -> None:
    """However many are likely, only four are wanted at once; those of the page with the most parts open come first."""
    stand = await Stand.put_up(pool)
    await stand.look_at(("page", "AAPL"), ("page", "IBM"), ("part-a", "MSFT"), ("page", "MSFT"))
    first = await stand.beat(clock)
    assert len(first) == 4
    assert {("part-b", "MSFT"), ("part-c", "MSFT")} <= set(first)
    assert await stand.beat(clock) == first


async def test_hits_are_counted(pool: asyncpg.Pool, clock: Clock) -> None:
    """A value that is opened while it is fresh is a hit, one that goes stale unopened is missed."""
    stand = await Stand.put_up(pool)
    await stand.look_at(("page", "AAPL"))
    await stand.beat(clock)
    for claim in await stand.hand.claim(most=5, classes=["background"]):
        assert await stand.hand.publish(claim, {"n": 2})
    await stand.beat(clock)
    assert [(one.product, one.made, one.hits) for one in await count_prefetched(pool, WEEK)] == [
        ("part-a", 1, 0),
        ("part-b", 1, 0),
        ("part-c", 1, 0),
    ]
    await stand.viewer.add([("part-a", "AAPL")])
    await stand.beat(clock)
    await stand.viewer.drop([("part-a", "AAPL"), ("page", "AAPL")])
    await clock.advance(hours=3)
    await stand.beat(clock)
    found = {one.product: one for one in await count_prefetched(pool, WEEK)}
    assert {name: (one.made, one.hits, one.missed, one.rate) for name, one in found.items()} == {
        "part-a": (1, 1, 0, 1.0),
        "part-b": (1, 0, 1, 0.0),
        "part-c": (1, 0, 1, 0.0),
    }
    assert await pool.fetchval("select count(*) from openbell.prefetch") == 0


async def test_a_worker_prefetches(pool: asyncpg.Pool, employ: Employ, monkeypatch: pytest.MonkeyPatch) -> None:
    """The duty runs in every worker: with the flag on, the other parts of a watched page are soon there."""
    monkeypatch.setattr("openbell.engine.prefetch.BEAT_S", 0.2)
    stand = await Stand.put_up(pool)
    await stand.viewer.add([("page", "AAPL")])
    await employ(*PRODUCTS)

    async def there() -> bool:
        return all([(await read(pool, part.name, "AAPL")).state == "fresh" for part in PARTS])

    await eventually(there)
    assert await sweep(pool, [("part-a", "AAPL")]) == []


def test_what_lives_too_short_is_not_likely() -> None:
    """A quote would be stale before anybody opens it; scheduled types and tasks have their own time."""
    every = {one.name: one for one in registry()}

    def told(one: Product) -> Any:
        return one.policy and one.policy.ttl

    assert likely(every["ratios-ttm"])
    assert likely(every["financial-statements"])
    for name in ("quote", "intraday-prices", "sec-outstanding-shares", "stock-headlines"):
        assert not likely(every[name]), name
    assert all(told(one) >= LEAST_TTL for one in every.values() if likely(one))
