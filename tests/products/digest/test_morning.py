"""A morning: schedules that are due, digests that are made, mails that are queued, alerts about what is late."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from openbell.drills.morning import day_after
from openbell.engine.artifacts import read
from openbell.engine.registry import Registry
from openbell.engine.schedules import Scheduler, run_now, seed_schedules, set_schedule
from openbell.people import Person, add_person, consent, follow
from openbell.products import registry
from openbell.products.context import contexts
from openbell.products.digest.database import SQL
from openbell.products.digest.digest import Digest
from openbell.products.digest.editions import digest_key, edition_of
from openbell.products.digest.morning import send_time, tell_late, tell_unplanned
from openbell.products.digest.policy import read_policy, set_policy
from openbell.products.digest.timetable import editions_due, topups_due
from openbell.products.sources import limits_of
from tests.engine.conftest import Employ
from tests.engine.hand import queue
from tests.products.digest.newsroom import ZONE, Newsroom, roomy, with_models
from tests.sandbox.harness import Running
from tests.support import Clock, eventually

MADE = [one for one in registry() if one.name.startswith(("digest", "mail"))]


@pytest.fixture
async def seeded(pool: asyncpg.Pool) -> asyncpg.Pool:
    """A database that knows the schedules."""
    await Registry(MADE).seed(pool)
    await seed_schedules(pool, [one for name, one in registry().schedules.items() if name.startswith("digest")])
    return pool


async def subscriber(pool: asyncpg.Pool, name: str, *tickers: str, role: str = "subscriber") -> Person:
    """Somebody who gets digests of some tickers."""
    person = await add_person(pool, f"{name}@example.com", name=name, role=role, state="active", actor="tests")
    await consent(pool, person.id, ["terms", "privacy", "mail"], given=True, source="tests")
    for ticker in tickers:
        await follow(pool, person, ticker)
    return person


async def work(employ: Employ, newsroom: Newsroom) -> None:
    """A worker that makes everything of digests and sends no mail."""
    limits = [roomy(one) for one in limits_of(newsroom.connections.sources)]
    products = [one for one in MADE if not one.name.startswith("mail")]
    await employ(*products, limits=limits, context=contexts(newsroom.connections))


async def run(pool: asyncpg.Pool, name: str) -> None:
    """Let a schedule happen now."""
    async with pool.acquire() as conn:
        await run_now(conn, name, actor="tests")


async def test_a_morning(seeded: asyncpg.Pool, employ: Employ, newsroom: Newsroom) -> None:
    """DG-1, DG-20, DG-21: one digest for all followers; mails 1 and 2 for admins, mail 3 for each follower, once."""
    pool = seeded
    await subscriber(pool, "admin", role="admin")
    for name, *tickers in (("ann", "AAPL"), ("bob", "AAPL", "MSFT"), ("cat", "MSFT")):
        await subscriber(pool, name, *tickers)
    await subscriber(pool, "eve")
    await work(employ, newsroom)
    await run(pool, "digest-process-mon")

    async def mailed() -> bool:
        rows = await pool.fetch("select mailed_version from openbell.digest_edition")
        return len(rows) == 2 and all(row["mailed_version"] for row in rows)

    await eventually(mailed, 180)
    await run(pool, "digest-process-mon")
    await run(pool, "digest-send-mon")

    async def over() -> bool:
        return not await pool.fetchval("select count(*) from openbell.job where product <> 'mail-delivery'")

    await eventually(over, 180)
    rows = await pool.fetch("select kind, ticker, count(*) as n from openbell.delivery group by 1, 2")
    count = {(row["kind"], row["ticker"]): row["n"] for row in rows}
    assert count["digest", "AAPL"] == 2
    assert count["digest", "MSFT"] == 2
    assert sum(n for (kind, _), n in count.items() if kind == "digest-selection") == 2
    assert sum(n for (kind, _), n in count.items() if kind == "digest-content") == 2
    assert await pool.fetchval("select count(*) from openbell.job_history where product = 'digest'") == 2
    sends = {row["send_at"] for row in await pool.fetch("select send_at from openbell.delivery where kind = 'digest'")}
    assert len(sends) == 1


async def test_a_top_up_adds_and_keeps(seeded: asyncpg.Pool, employ: Employ, newsroom: Newsroom) -> None:
    """DG-30: a top-up brings articles that were not there before, keeps the others, and reads none of them again."""
    pool = seeded
    await subscriber(pool, "ann", "AAPL")
    await work(employ, newsroom)
    stopped = datetime(2026, 11, 20, 9, tzinfo=UTC)
    await newsroom.sandbox.client.post("/_control/news/clock", json={"now": stopped.isoformat()})
    await run(pool, "digest-process-mon")
    day = (await pool.fetchval("select openbell.now()")).astimezone(ZoneInfo(ZONE)).date()
    key = digest_key("AAPL", edition_of(day), day)

    async def mailed(version: int) -> bool:
        found = await pool.fetchval("select mailed_version from openbell.digest_edition")
        return found is not None and found >= version

    await eventually(lambda: mailed(1), 180)
    first = Digest.model_validate((await read(pool, "digest", key)).value)
    pages = await pool.fetchval("select count(*) from openbell.spend where provider = 'pages'")
    await newsroom.sandbox.client.post("/_control/news/clock", json={"now": None})
    await pool.execute("update openbell.digest_feed set succeeded_at = null")
    await pool.execute("update openbell.digest_edition set send_at = openbell.now() + interval '3 hours'")
    async with pool.acquire() as conn:
        await set_policy(conn, {"topup": True}, actor="tests")
    await run(pool, "digest-topup")
    await eventually(lambda: mailed(2), 180)
    second = Digest.model_validate((await read(pool, "digest", key)).value)
    assert (first.inputs.revision, second.inputs.revision) == (1, 2)
    old, new = {one.id for one in first.inputs.articles}, {one.id: one.added for one in second.inputs.articles}
    assert old <= new.keys()
    assert {revision for one, revision in new.items() if one in old} <= {1}
    assert len([one for one, revision in new.items() if revision == 2]) > 3
    read_again = await pool.fetchval("select count(*) from openbell.spend where provider = 'pages'") - pages
    assert read_again <= sum(one.added == 2 for one in second.inputs.articles) + 20


async def test_late_digests_are_told_of_before_they_are_due(
    seeded: asyncpg.Pool, employ: Employ, newsroom: Newsroom, clock: Clock
) -> None:
    """DG-29: an hour before its send time a digest that is not ready is in an alert to every admin, once."""
    pool = seeded
    await subscriber(pool, "admin", role="admin")
    await subscriber(pool, "ann", "AAPL")
    now = await pool.fetchval("select openbell.now()")
    await pool.execute(
        "insert into openbell.digest_edition values ('AAPL', 'daily', current_date, $1, $2)",
        now,
        now + timedelta(hours=2),
    )
    await work(employ, newsroom)
    ctx = await newsroom.context()
    assert await tell_late(ctx) == [], "two hours before"
    await clock.advance(minutes=65)
    await run(pool, "digest-watch")

    async def watched() -> bool:
        done = await pool.fetchval("select count(*) from openbell.job_history where product = 'digest-watch'")
        return bool(done)

    await eventually(watched)
    assert await tell_late(ctx) == [], "each is told of once"
    assert await pool.fetchval("select count(*) from openbell.delivery where kind = 'alert'") == 1


async def test_failed_digests_are_told_of_before_they_are_due(
    seeded: asyncpg.Pool, employ: Employ, newsroom: Newsroom
) -> None:
    """DG-29: a digest that has failed is in the alert before its send time, with what is wrong with it."""
    pool = seeded
    await subscriber(pool, "admin", role="admin")
    now = await pool.fetchval("select openbell.now()")
    day = now.date()
    await pool.execute(
        "insert into openbell.digest_edition values ('ZZZZ', 'daily', $1, $2, $3)",
        day,
        now,
        now + timedelta(minutes=40),
    )
    key = digest_key("ZZZZ", "daily", day)
    await work(employ, newsroom)
    await queue(pool, key, name="digest")

    async def failed() -> bool:
        return (await read(pool, "digest", key)).setback is not None

    await eventually(failed)
    [line] = await tell_late(await newsroom.context())
    assert "failed: There is no reference data for ZZZZ" in line
    assert await pool.fetchval("select count(*) from openbell.delivery where kind = 'alert'") == 1


async def billed(newsroom: Newsroom) -> tuple[int, int]:
    """Calls that the sandbox's model has charged, and micro-dollars."""
    page = (await newsroom.sandbox.client.get("/_control/ledger", params={"provider": "anthropic"})).json()
    assert not page["more"]
    paid = [one["billed_usd_micro"] for one in page["entries"] if one["billed"]]
    return len(paid), sum(paid)


async def test_a_missed_morning_is_told_of_runs_late_and_costs_once(
    seeded: asyncpg.Pool, sandbox: Running, employ: Employ, clock: Clock
) -> None:
    """DG-29, DG-39, DC-7: with no worker at two o'clock admins are told before the mails are due, once; then two
    schedulers begin the morning late, for its own day, and begin it once; and by the provider's ledger two more runs of
    it, one of them with the digest made again, cost what one did.
    """
    pool = seeded
    newsroom = await Newsroom.open(pool, sandbox, with_models(sandbox), models="anthropic:claude-haiku-5-5")
    await subscriber(pool, "admin", role="admin")
    await subscriber(pool, "ann", "IBM")
    schedulers = [Scheduler(pool), Scheduler(pool)]
    day = day_after((await clock.now()).astimezone(ZoneInfo(ZONE)).date())

    async def come(hour: int, minute: int) -> None:
        at = datetime.combine(day, time(hour, minute), ZoneInfo(ZONE))
        ahead = (at - await clock.now()).total_seconds()
        await clock.advance(seconds=ahead)
        (await sandbox.client.post("/_control/clock", json={"advance_s": ahead})).raise_for_status()

    await come(0, 30)
    for one in schedulers:
        while await one.take_due():
            pass
    ctx = await newsroom.context()
    await come(2, 5)
    assert await tell_unplanned(ctx) == [], "it may begin a little late"
    await come(6, 40)
    [line] = await tell_unplanned(ctx)
    assert line.startswith(f"{day}: digest-process-tue")
    await tell_unplanned(ctx)
    assert await pool.fetchval("select count(*) from openbell.delivery where kind = 'alert'") == 1

    await asyncio.gather(*(one.take_due() for one in schedulers))
    begun = await pool.fetch("select due_at, state from openbell.occurrence where schedule = 'digest-process-tue'")
    two = datetime.combine(day, time(2), ZoneInfo(ZONE))
    assert [(row["due_at"], row["state"]) for row in begun] == [(two, "queued")]
    await work(employ, newsroom)

    async def mailed(version: int) -> bool:
        found = await pool.fetchval("select mailed_version from openbell.digest_edition where day = $1", day)
        return found is not None and found >= version

    async def over() -> bool:
        left = "select count(*) from openbell.job where product like 'digest%'"
        return not await pool.fetchval(left)

    await eventually(lambda: mailed(1), 180)
    await eventually(over, 180)
    assert await tell_unplanned(ctx) == []
    once = await billed(newsroom)
    assert once[0] > 0
    made = "select count(*) from openbell.job_history where product = 'digest'"
    tasks = "select count(*) from openbell.job_history where product = 'digest-edition'"
    assert await pool.fetchval(made) == 1
    await run(pool, "digest-process-tue")

    async def ran(count: int) -> bool:
        return bool(await pool.fetchval(tasks) == count)

    await eventually(lambda: ran(2), 180)
    assert (await pool.fetchval(made), await billed(newsroom)) == (1, once)
    await pool.fetchval(SQL.get("expire_digest"), digest_key("IBM", "daily", day), 1)
    await run(pool, "digest-process-tue")
    await eventually(lambda: mailed(2), 180)
    await eventually(over, 180)
    assert (await pool.fetchval(made), await billed(newsroom)) == (2, once)
    assert await pool.fetchval("select count(*) from openbell.digest_edition") == 1
    await newsroom.close()


async def test_the_day_is_that_of_the_zone(seeded: asyncpg.Pool) -> None:
    """DC-7, DG-1: the date of an edition is that of its due time in New York, on a day when the clocks change, too."""
    pool = seeded
    await subscriber(pool, "ann", "AAPL")
    zone = ZoneInfo(ZONE)
    for due, edition in (
        (datetime(2026, 11, 24, 2, tzinfo=zone), "daily"),
        (datetime(2026, 11, 23, 2, tzinfo=zone), "weekly"),
        (datetime(2026, 11, 23, 23, 30, tzinfo=zone), "weekly"),
        (datetime(2027, 3, 15, 2, tzinfo=zone), "weekly"),
    ):
        assert await editions_due(due, pool) == [(f"AAPL|{edition}|{due.date()}", None)]
        sent = await send_time(pool, due)
        assert sent.astimezone(zone).strftime("%H:%M") == ("08:30" if due.hour == 2 else "06:00")


async def test_times_by_weekday_can_be_changed(seeded: asyncpg.Pool) -> None:
    """DG-29: each weekday has processing and sending times of its own, which an operator changes while it runs."""
    pool = seeded
    await set_schedule(pool, "digest-send-wed", {"cron": "15 7 * * wed"}, actor="tests")
    zone = ZoneInfo(ZONE)
    wednesday, thursday = datetime(2026, 11, 25, 2, tzinfo=zone), datetime(2026, 11, 26, 2, tzinfo=zone)
    assert (await send_time(pool, wednesday)).astimezone(zone).strftime("%a %H:%M") == "Wed 07:15"
    assert (await send_time(pool, thursday)).astimezone(zone).strftime("%a %H:%M") == "Thu 08:30"


async def test_top_ups_are_off_until_asked_for(seeded: asyncpg.Pool) -> None:
    """DG-30: optional."""
    assert not (await read_policy(seeded)).topup
    assert await topups_due(datetime(2026, 11, 24, 7, tzinfo=ZoneInfo(ZONE)), seeded) == []
