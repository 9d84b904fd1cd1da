"""Schedules that name their keys anew for each occurrence: each key once, whatever is killed in between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from openbell.engine import spread
from openbell.engine.database import SQL, Db
from openbell.engine.enqueue import enqueue_many
from openbell.engine.errors import InvalidDeclaration, Permanent, Waiting
from openbell.engine.keys import Key
from openbell.engine.registry import Product, Registry, hours, minutes, seconds, task
from openbell.engine.schedules import Schedule, Scheduler, run_now, schedule, seed_schedules
from openbell.engine.spread import Items
from tests.engine.hand import Hand, declare, rescue
from tests.engine.test_schedules import chore, look, occurrences, set_clock
from tests.support import eventually

MONDAY = datetime(2030, 3, 4, 5, 30, tzinfo=ZoneInfo("America/New_York"))
USERS = [f"u{n:04}" for n in range(1_200)]


def weekly(product: Product, keys: Any, **other: Any) -> Schedule:
    """A schedule for Mondays at 5:30 in New York."""
    policy: dict[str, Any] = {"cron": "30 5 * * mon", "zone": "America/New_York", "missed": "late"}
    return schedule("weekly", product, **(policy | {"max_late": hours(20), "keys": keys} | other))


def of_the_week(due: datetime) -> Items:
    """One key and its arguments for each user, for the date of that time."""
    return [(f"{user}|{due.date()}", {"user": user}) for user in USERS]


async def at_monday(pool: asyncpg.Pool, made: Product, keys: Any, **hire: Any) -> tuple[Hand, Product]:
    """A hand for the product and for the task that queues its keys, when the occurrence has just been taken."""
    one = weekly(made, keys)
    assert one.spreads is not None
    hand = await Hand.hire(pool, made, one.spreads, **hire)
    await set_clock(pool, MONDAY.astimezone(UTC) - minutes(1))
    await seed_schedules(pool, [one])
    await look(*[Scheduler(pool) for _ in range(3)])
    await set_clock(pool, MONDAY.astimezone(UTC))
    await look(*[Scheduler(pool) for _ in range(3)])
    return hand, one.spreads


async def run(hand: Hand, spreads: Product) -> Any:
    """Claim the task that queues the keys, and run it; its claim."""
    for claim in await hand.claim(100, classes=["scheduled"]):
        if claim.product == spreads.name:
            await spreads.producer(spreads.key(claim.key), hand.attempt(claim))
            return claim
    raise AssertionError("no task to claim")


async def by_hand(pool: asyncpg.Pool) -> None:
    """An operator lets the schedule happen now."""
    async with pool.acquire() as conn:
        await run_now(conn, "weekly", actor="ann")


async def queued(pool: asyncpg.Pool, product: str = "chore") -> list[tuple[str, Any]]:
    """The live jobs of a product in the order of their ids."""
    rows = await pool.fetch("select key, args from openbell.job where product = $1 order by id", product)
    return [(row["key"], row["args"]) for row in rows]


async def test_the_keys_of_an_occurrence(pool: asyncpg.Pool) -> None:
    """PF-32, PF-33, PK-16: three schedulers take a Monday once; its keys are queued in their order, with arguments."""
    hand, spreads = await at_monday(pool, chore(), of_the_week)
    assert await queued(pool, spreads.name) == [(MONDAY.isoformat(), {"due_at": MONDAY.isoformat()})]
    claim = await run(hand, spreads)
    assert await queued(pool) == [(f"{user}|2030-03-04", {"user": user}) for user in USERS]
    await pool.fetch(SQL.get("complete_task"), claim.id, claim.token, [])
    await Scheduler(pool).beat()
    assert await occurrences(pool, "weekly") == [(MONDAY, "done")]


@pytest.mark.parametrize(
    ("due", "date"),
    [
        (datetime(2030, 3, 11, 12, 30, tzinfo=UTC), "2030-03-11"),
        (datetime(2030, 11, 4, 3, 30, tzinfo=UTC), "2030-11-03"),
        (datetime(2030, 1, 1, 4, 59, tzinfo=UTC), "2029-12-31"),
    ],
)
async def test_the_date_is_that_of_the_zone(pool: asyncpg.Pool, due: datetime, date: str) -> None:
    """DC-7: a date is that of the due time where the schedule is, around clock changes and New Year, however late."""
    one = weekly(chore(), lambda due: [(f"all|{due.date()}", None)])
    assert one.spreads is not None
    hand = await Hand.hire(pool, chore(), one.spreads)
    await seed_schedules(pool, [one])
    await set_clock(pool, due)
    await by_hand(pool)
    await set_clock(pool, due + hours(30))
    await run(hand, one.spreads)
    assert [key for key, _ in await queued(pool)] == [f"all|{date}"]


async def test_killed_in_the_middle(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """PK-16: killed after any batch, it goes on there; what has been queued and has ended meanwhile is not again."""
    monkeypatch.setattr(spread, "BATCH", 300)
    asked: list[datetime] = []

    async def users(due: datetime, db: Db) -> Items:
        asked.append(due)
        assert await db.fetchval("select 1") == 1
        return of_the_week(due)

    hand, spreads = await at_monday(pool, chore(), users)
    real, batches = enqueue_many, [0]

    async def killed_at_every_second(db: Db, product: Product, items: Sequence[Any], **other: Any) -> int:
        added = await real(db, product, items, **other)
        batches[0] += 1
        if batches[0] % 2 == 0:
            raise ConnectionError("killed before the commit")
        return added

    monkeypatch.setattr(spread, "enqueue_many", killed_at_every_second)
    there: list[str] = []
    for _ in range(3):
        with pytest.raises(ConnectionError):
            await run(hand, spreads)
        there += [key for key, _ in await queued(pool)]
        await pool.execute("delete from openbell.job where product = 'chore'")
        await hand.expire()
        await rescue(pool)
        await pool.execute("update openbell.job set parked_until = null")
        hand = await Hand.hire(pool, chore(), spreads)
    monkeypatch.setattr(spread, "enqueue_many", real)
    await run(hand, spreads)
    there += [key for key, _ in await queued(pool)]
    assert there == [f"{user}|2030-03-04" for user in USERS]
    assert len(asked) == 1


async def test_artifacts_are_wanted_until_they_are_there(pool: asyncpg.Pool) -> None:
    """PF-32: keys of an artifact are demanded until each has a result; a lost demand is renewed, as after a crash."""
    made = declare(ttl=hours(1), stale=hours(2))
    hand, spreads = await at_monday(pool, made, lambda due: [("b", None), ("a", None), ("b", None)])
    with pytest.raises(Waiting, match="0 of 2 made"):
        await run(hand, spreads)
    assert {key for key, _ in await queued(pool, "number")} == {"a", "b"}
    await pool.execute("truncate openbell.demand")
    await pool.execute("update openbell.job set token = null, worker = null, started_at = null, attempt = 0")
    with pytest.raises(Waiting):
        await run(hand, spreads)
    assert await pool.fetchval("select count(*) from openbell.demand where source = 'schedule:weekly'") == 2
    await pool.execute("update openbell.job set token = null, worker = null, started_at = null, attempt = 0")
    claims = {claim.key: claim for claim in await hand.claim(5)}
    again = claims.pop(MONDAY.isoformat())
    for claim in claims.values():
        await hand.publish(claim, {"n": 1})
    await spreads.producer(spreads.key(again.key), hand.attempt(again))


async def test_what_brings_no_result_is_told(pool: asyncpg.Pool) -> None:
    """PF-32: when the time is over, the occurrence fails and names what is missing."""
    made = declare()
    hand, spreads = await at_monday(pool, made, lambda due: [("a", None)])
    await set_clock(pool, MONDAY + hours(21))
    with pytest.raises(Permanent, match="1 of 1 brought no result: a"):
        await run(hand, spreads)


async def test_too_many_keys(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """PK-16: an occurrence has a bound; beyond it, it fails with the number."""
    monkeypatch.setattr(spread, "MOST_KEYS", 100)
    hand, spreads = await at_monday(pool, chore(), of_the_week)
    with pytest.raises(Permanent, match="1,200 keys"):
        await run(hand, spreads)
    assert await queued(pool) == []


def test_declarations() -> None:
    """PF-1: a schedule has one key or names its keys, and arguments belong to the one or to the others."""
    mistakes: list[dict[str, Any]] = [{"key": "all"}, {"keys": None}, {"args": {"a": 1}}]
    for wrong in mistakes:
        with pytest.raises(InvalidDeclaration):
            weekly(chore(), **({"keys": of_the_week} | wrong))
    registry = Registry([], [weekly(chore(), of_the_week)])
    assert set(registry.products) == {"weekly-keys"}


async def test_a_worker_does_it_all(pool: asyncpg.Pool, employ: Any) -> None:
    """PK-16: a worker that runs takes the occurrence, queues its keys and runs them; nothing else is needed."""
    ran: list[str] = []

    @task("mark", version=1, timeout=seconds(5), retry=seconds(5), bundle=50)
    async def mark(key: Key, ctx: Any) -> None:
        ran.append(key)

    one = weekly(mark, of_the_week)
    assert one.spreads is not None
    await Registry([mark], [one]).seed(pool)
    await seed_schedules(pool, [one])
    await by_hand(pool)
    await employ(mark, one.spreads)
    await eventually(lambda: len(ran) == len(USERS))
    await eventually(lambda: pool.fetchval("select bool_or(state = 'done') from openbell.occurrence"))
    assert sorted(ran) == sorted(set(ran))
