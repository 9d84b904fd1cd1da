"""Limits on what runs at once: exact in the whole fleet, with a share for scheduled work, idle room borrowed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from openbell.engine.database import SQL
from openbell.engine.enqueue import enqueue, enqueue_many
from openbell.engine.hints import CHANNEL
from openbell.engine.keys import Key
from openbell.engine.registry import CLASSES, Product, minutes, seconds, task
from openbell.engine.seats import forget_others, seat_limits
from openbell.engine.worker import SeatLimit
from openbell.postgres.pool import open_pool
from tests.engine.conftest import Employ
from tests.engine.hand import Hand
from tests.support import eventually

SHARES = seat_limits(5, 4, 2)
SCHEDULED, ADHOC = "scheduled", "ad-hoc"


class Room:
    """Counts what is in it; a job stays until it is let go."""

    def __init__(self) -> None:
        self.inside: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.go: dict[str, asyncio.Event] = {SCHEDULED: asyncio.Event(), ADHOC: asyncio.Event()}

    def chore(self) -> Product:
        """A task whose jobs' keys begin with their class."""

        @task("chore", version=1, timeout=minutes(1), retry=seconds(30))
        async def chore(key: Key, ctx: Any) -> None:
            name = key.partition("/")[0]
            for who in (name, "all"):
                self.inside[who] += 1
                self.most[who] = max(self.most[who], self.inside[who])
            try:
                await self.go[name].wait()
                await asyncio.sleep(0.005)
            finally:
                for who in (name, "all"):
                    self.inside[who] -= 1
                    self.done[who] += 1

        return chore

    def holds(self, scheduled: int, adhoc: int) -> bool:
        return (self.inside[SCHEDULED], self.inside[ADHOC]) == (scheduled, adhoc)


async def fill(pool: asyncpg.Pool, chore: Product, name: str, count: int, start: int = 0) -> None:
    items = [(f"{name}/{n}", None) for n in range(start, start + count)]
    await enqueue_many(pool, chore, items, job_class=name)
    await pool.execute("select pg_notify($1, $2)", CHANNEL, '["work", null]')


async def fleet(employ: Employ, chore: Product, count: int = 3, seats: Sequence[SeatLimit] = SHARES) -> None:
    """Workers that start to claim together."""
    await asyncio.gather(*(employ(chore, seats=seats, slots=5) for _ in range(count)))


async def stays(pool: asyncpg.Pool, room: Room, scheduled: int, adhoc: int) -> None:
    """It comes to this, and one who asks for more gets nothing."""
    await eventually(lambda: room.holds(scheduled, adhoc), message=f"{room.inside}")
    one_more = await Hand.hire(pool)
    assert await pool.fetch(SQL.get("claim_seated"), ["chore"], list(CLASSES.values()), one_more.id, 5) == []
    assert room.holds(scheduled, adhoc), room.inside


async def test_scheduled_work_has_its_share(pool: asyncpg.Pool, employ: Employ) -> None:
    """DG-25, DG-26, PF-15: with both waiting, scheduled work has 4 of 5 and ad-hoc work the one that is left."""
    room = Room()
    chore = room.chore()
    await fleet(employ, chore)
    await asyncio.gather(fill(pool, chore, ADHOC, 20), fill(pool, chore, SCHEDULED, 20))
    # Whichever came first: as soon as a seat is free again, the share holds.
    await eventually(lambda: room.inside["all"] >= 4)
    room.go[ADHOC].set()
    await eventually(lambda: room.inside[SCHEDULED] == 4)
    await eventually(lambda: room.done[ADHOC] == 20)
    room.go[SCHEDULED].set()
    await eventually(lambda: room.done["all"] == 40)
    assert (room.most["all"], room.most[SCHEDULED]) == (5, 4)
    assert room.most[ADHOC] <= 2


async def test_idle_room_is_borrowed_and_comes_back(pool: asyncpg.Pool, employ: Employ) -> None:
    """DG-26, PF-15: without scheduled work ad-hoc takes 2; when it comes, a borrowed seat that ends is its own."""
    room = Room()
    chore = room.chore()
    await fleet(employ, chore)
    await fill(pool, chore, ADHOC, 30)
    await stays(pool, room, 0, 2)
    await fill(pool, chore, SCHEDULED, 10)
    await stays(pool, room, 3, 2)
    room.go[ADHOC].set()
    await eventually(lambda: room.inside[SCHEDULED] == 4)
    await eventually(lambda: room.done[ADHOC] == 30)
    assert room.most["all"] == 5
    await stays(pool, room, 4, 0)
    room.go[SCHEDULED].set()
    await eventually(lambda: room.done["all"] == 40)


async def test_limits_are_exact_under_overlapping_claims(dsn: str, pool: asyncpg.Pool) -> None:
    """PF-15: a dozen connections claim and finish at once, a few jobs each time: no moment has more than 5, 4, 2."""
    room = Room()
    chore = room.chore()
    hands = [await Hand.hire(pool, chore) for _ in range(4)]
    for limit in SHARES:
        await pool.execute(SQL.get("set_seat_limit"), limit.scope, limit.name, limit.most, limit.least)
    for name in (SCHEDULED, ADHOC):
        await fill(pool, chore, name, 60)
    crowd = await open_pool(dsn, name="crowd", min_size=12, max_size=12)
    seen: Counter[str] = Counter()
    count = "select job_class, count(*) as n from openbell.job where token is not null group by job_class"

    async def watch() -> None:
        while True:
            found = {row["job_class"]: row["n"] for row in await pool.fetch(count)}
            for name in (SCHEDULED, ADHOC):
                seen[name] = max(seen[name], found.get(CLASSES[name], 0))
            seen["all"] = max(seen["all"], sum(found.values()))

    async def work(hand: Hand) -> None:
        while await pool.fetchval("select exists (select 1 from openbell.job)"):
            for row in await crowd.fetch(SQL.get("claim_seated"), ["chore"], list(CLASSES.values()), hand.id, 3):
                await asyncio.sleep(0)
                await crowd.fetchval(SQL.get("complete_task"), row["id"], row["token"], [])

    watching = asyncio.create_task(watch())
    await asyncio.wait_for(asyncio.gather(*(work(hands[n % 4]) for n in range(12))), 60)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await crowd.close()
    assert seen["all"] == 5
    assert (seen[SCHEDULED] <= 4, seen[ADHOC] <= 2) == (True, True)
    assert await pool.fetchval("select count(*) from openbell.job_history where outcome::text = 'done'") == 120
    assert await pool.fetchval("select count(*) from openbell.seat") == 0


async def test_a_full_class_hides_nobody(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-16, PF-19: behind a class that is full, the others are found however long its queue is."""
    room = Room()
    chore = room.chore()
    await fill_seeded(pool, chore, SCHEDULED, 200)
    await fleet(employ, chore, 1)
    await fill(pool, chore, ADHOC, 5)
    await stays(pool, room, 4, 1)
    for event in room.go.values():
        event.set()
    await eventually(lambda: room.done["all"] == 205)
    assert room.most["all"] == 5


async def fill_seeded(pool: asyncpg.Pool, chore: Product, name: str, count: int) -> None:
    """Before any worker has entered the product."""
    await Hand.hire(pool, chore)
    await fill(pool, chore, name, count)


@pytest.mark.parametrize("ending", ["retry", "wait", "release", "permanent"])
async def test_a_seat_is_given_back_with_its_attempt(pool: asyncpg.Pool, ending: str) -> None:
    """PF-15, PF-26: however an attempt ends, also when its process is lost, its seat is free again."""
    chore = Room().chore()
    hand = await Hand.hire(pool, chore)
    await pool.execute(SQL.get("set_seat_limit"), "total", "all", 1, 0)
    await enqueue(pool, chore, [("ad-hoc/1", None), ("ad-hoc/2", None)], job_class=ADHOC)

    async def claim() -> list[Any]:
        return list(await pool.fetch(SQL.get("claim_seated"), ["chore"], list(CLASSES.values()), hand.id, 2))

    (row,) = await claim()
    assert await claim() == []
    await pool.fetchrow(SQL.get("end_attempt"), row["id"], row["token"], ending, "x", "x", minutes(1), minutes(1), [])
    (row,) = await claim()
    await hand.expire()
    await pool.fetch(SQL.get("rescue_jobs"), 10)
    assert await pool.fetchval("select count(*) from openbell.seat") == 0


async def test_limits_that_nobody_sets_any_more_are_gone(pool: asyncpg.Pool) -> None:
    """DESIGN 5: without the settings there are no limits, and claims need not take turns; a product's limit stays."""
    for limit in (*SHARES, SeatLimit("product", "chore", 1)):
        await pool.execute(SQL.get("set_seat_limit"), limit.scope, limit.name, limit.most, limit.least)
    await forget_others(pool, seat_limits(3, None, None))
    left = await pool.fetch("select scope from openbell.seat_limit order by scope")
    assert [row["scope"] for row in left] == ["product", "total"]
    await forget_others(pool, seat_limits(None, None, None))
    assert await pool.fetchval("select count(*) from openbell.seat_limit") == 1
