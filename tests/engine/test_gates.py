"""Why is this not running, or not fresh? Each gate with its numbers, on a real database."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine import jobs
from openbell.engine.artifacts import read
from openbell.engine.database import SQL
from openbell.engine.demand import want
from openbell.engine.enqueue import enqueue
from openbell.engine.errors import InvalidKey, UnknownProduct
from openbell.engine.explain import Explanation, Gate
from openbell.engine.figures import EDGES_S, POINTS, figures
from openbell.engine.inquiry import inquire
from openbell.engine.keys import Key
from openbell.engine.registry import CLASSES, Registry, seconds, set_product, task
from openbell.engine.sweep import DEEPEST
from openbell.engine.upkeep import Sampler
from tests.engine.hand import Hand, declare, per_minute, queue
from tests.support import Clock

NUMBER = declare()
REGISTRY = Registry([NUMBER])


@task("chore", version=1, timeout=seconds(10), retry=seconds(30))
async def chore(key: Key, ctx: Any) -> None:
    """Nothing."""


async def ask(pool: asyncpg.Pool, key: str = "a", product: str = "number") -> Explanation:
    return await inquire(pool, Registry([NUMBER, chore]), product, key)


def gate(found: Explanation, name: str) -> Gate:
    return next(one for one in found.gates if one.name == name)


def closed(found: Explanation) -> list[str]:
    return [one.name for one in found.gates if not one.open]


async def staffed(pool: asyncpg.Pool, granted: int = 100) -> Hand:
    """A worker that serves every class and knows the products of these tests."""
    hand = await Hand.hire(pool, NUMBER, chore, limits=[per_minute(granted)])
    await pool.execute(SQL.get("describe_worker"), hand.id, list(CLASSES.values()), ["number", "chore"], None)
    return hand


async def test_a_full_queue_holds_back_what_nobody_waits_for(pool: asyncpg.Pool) -> None:
    """PF-18: of a key that only a list wants it is said that the queue is full, and no alert calls it forgotten."""
    await staffed(pool)
    await pool.execute(
        """insert into openbell.demand (source, product, key, weight, job_class, expires_at)
           values ('poll', 'number', 'a', 1, 10, openbell.now() + interval '1 hour')"""
    )
    await pool.execute(
        """insert into openbell.job (product, key, job_class, max_attempts, parked_until)
           select 'chore', 'k' || n, 10, 3, 'infinity' from generate_series(1, $1) n""",
        DEEPEST,
    )
    assert gate(await ask(pool), "job").open is False
    assert "full" in gate(await ask(pool), "job").detail
    assert "full" in (await ask(pool)).verdict
    assert not await jobless(pool)
    await want(pool, [("number", "b")], source="web:1", seconds=60)
    await pool.execute("delete from openbell.job where product = 'number'")
    assert await jobless(pool) == ["number"]
    await pool.execute("delete from openbell.job where key = 'k1'")
    assert gate(await ask(pool), "job").open


async def jobless(pool: asyncpg.Pool) -> list[str]:
    """What the alert rules find wanted and not queued."""
    spans = (timedelta(hours=1), timedelta(minutes=5), timedelta(minutes=2))
    row = await pool.fetchrow(SQL.get("inspect_alerts"), *spans, DEEPEST)
    assert row is not None
    return [one["product"] for one in row["jobless"]]


async def test_asking_creates_nothing(pool: asyncpg.Pool) -> None:
    """PF-47: an explanation changes no table, and runs where nothing may be written."""
    await staffed(pool)
    tables = ("demand", "job", "artifact", "cooldown", "spend", "audit", "product")
    count = "select " + ", ".join(f"(select count(*) from openbell.{table}) as {table}" for table in tables)
    before = await pool.fetchrow(count)
    assert closed(await ask(pool)) == ["demand"]
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        found = await inquire(connection, REGISTRY, "number", "a")
    assert found.verdict == "Nothing is known yet. Nobody is asking for it at the moment."
    assert (found.job, found.expected_start) == (None, None)
    assert await pool.fetchrow(count) == before


async def test_who_asks_is_told(pool: asyncpg.Pool) -> None:
    """Issue 3, explain: live demand by viewers, schedule, request and operator, with weights and how long it lasts."""
    await staffed(pool)
    for source, weight in (("web:h:1", 3), ("web:h:2", 4), ("schedule:open", 1), ("api:10.0.0.7", 1), ("operator", 1)):
        await want(pool, [("number", "a")], source=source, seconds=60, weight=weight)
    told = gate(await ask(pool), "demand")
    assert "by 7 viewers, " in told.detail
    assert "the schedule open" in told.detail
    assert told.numbers["weight"] == 10
    assert "10.0.0.7" not in json.dumps((await ask(pool)).as_json())


async def test_a_fresh_key_says_until_when(pool: asyncpg.Pool) -> None:
    """Issue 3, explain: what is fresh is told as that; the closed gate opens when it is refreshed."""
    hand = await staffed(pool)
    await queue(pool, "a")
    (claim,) = await hand.claim()
    await hand.publish(claim, {"n": 1})
    found = await ask(pool)
    assert found.verdict.startswith("Fresh until ")
    assert closed(found) == ["freshness"]
    assert gate(found, "freshness").opens_at == found.expected_start
    assert found.expected_start is not None
    assert timedelta(0) < found.expected_start - found.now < timedelta(minutes=1)


async def test_a_switched_off_product_and_a_setback(pool: asyncpg.Pool, clock: Clock) -> None:
    """Issue 3, explain: a product that is off; a key that failed, with failures, error and retry time."""
    hand = await staffed(pool)
    await queue(pool, "a")
    (claim,) = await hand.claim()
    await hand.end(claim, "permanent")
    found = await ask(pool)
    told = gate(found, "cooldown")
    assert (closed(found), told.numbers["failures"], told.numbers["message"]) == (["cooldown"], 1, "it broke")
    assert told.opens_at == found.expected_start == told.numbers["retry_at"]
    assert "it broke" in found.verdict
    await clock.advance(seconds=40)
    assert closed(await ask(pool)) == []
    await set_product(pool, "number", {"enabled": False}, actor="ann")
    found = await ask(pool)
    assert closed(found) == ["product"]
    assert (found.expected_start, "Switched off since" in found.verdict) == (None, True)


async def test_the_place_in_the_queue(pool: asyncpg.Pool) -> None:
    """Issue 3, explain; DC-4: who is ahead by class, number and age, and the start by how long jobs ran."""
    hand = await staffed(pool)
    await queue(pool, "done")
    (claim,) = await hand.claim()
    await hand.publish(claim, {"n": 1})
    await pool.execute("update openbell.job_history set started_at = finished_at - interval '30 seconds'")
    await queue(pool, *(f"old{n}" for n in range(9)), job_class="research", source="o")
    await queue(pool, "a", job_class="research", source="a")
    await queue(pool, "heavy", job_class="research", weight=9, source="h")
    await queue(pool, "seen", source="s")
    found = await ask(pool)
    told = gate(found, "job")
    assert {by: told.numbers[f"by_{by}"] for by in ("class", "number", "age")} == {"class": 1, "number": 1, "age": 9}
    assert "11 ahead of it (1 by class, 1 by number, 9 by age)" in found.verdict
    # Eight slots, all free: 8 begin now, the next 8 after one run.
    assert found.expected_start is not None
    assert found.expected_start - found.now == timedelta(seconds=30)
    assert "a median run of 30 s" in found.basis
    assert len(await hand.claim(8)) == 8
    found = await ask(pool)
    assert (told := gate(found, "workers")).numbers["free"] == 0
    assert closed(found) == ["job", "workers"]
    assert "0 of 8 slots free" in told.detail


async def test_what_nobody_may_claim_is_ahead_of_nobody(pool: asyncpg.Pool) -> None:
    """PF-19, issue 3, explain: jobs of products that are off do not count as being ahead."""
    await Hand.hire(pool, declare("off"))
    await staffed(pool)
    await queue(pool, "x", "y", name="off")
    await queue(pool, "a", source="a")
    await set_product(pool, "off", {"enabled": False}, actor="ann")
    assert gate(await ask(pool), "job").numbers["ahead"] == 0


async def test_a_running_attempt(pool: asyncpg.Pool) -> None:
    """Issue 3, explain: worker, attempt n of m, since when, deadline, progress and the worker's lease."""
    hand = await staffed(pool)
    await queue(pool, "a")
    (claim,) = await hand.claim()
    await hand.attempt(claim).progress("page 2")
    found = await ask(pool)
    numbers = gate(found, "job").numbers
    assert (numbers["worker"], numbers["attempt"], numbers["max_attempts"]) == (hand.id, 1, 5)
    assert numbers["deadline"] - numbers["started_at"] == timedelta(seconds=10)
    assert "(page 2)" in found.verdict
    assert (closed(found), found.expected_start) == ([], numbers["started_at"])
    await hand.expire()
    assert "stopped answering" in (await ask(pool)).verdict


async def test_a_parked_job(pool: asyncpg.Pool) -> None:
    """Issue 3, explain: a job that waits for a time says which, why, and before which attempt."""
    hand = await staffed(pool)
    await queue(pool, "a")
    (claim,) = await hand.claim()
    await hand.end(claim, "retry", delay_s=90)
    found = await ask(pool)
    told = gate(found, "job")
    assert "before attempt 2 of 5: it broke" in told.detail
    assert (closed(found), told.opens_at) == (["job"], found.expected_start)


async def test_what_a_job_needs(pool: asyncpg.Pool) -> None:
    """Issue 3, explain: a task that waits for artifacts names those that are missing."""
    hand = await staffed(pool)
    await enqueue(pool, chore, [("t", None)], needs=[("number", "b"), ("number", "c")])
    await queue(pool, "b")
    (claim,) = await hand.claim()
    await hand.publish(claim, {"n": 1})
    found = await ask(pool, "t", "chore")
    assert found.state == "task"
    assert {"needs", "job"} == set(closed(found))
    assert found.verdict == "It waits for number c (missing)."
    assert (gate(found, "needs").numbers["missing"], found.expected_start) == (1, None)
    assert (await ask(pool, "u", "chore")).verdict == "No job is queued or running."


async def test_a_need_has_no_time(pool: asyncpg.Pool) -> None:
    """PF-49: a job that waits for what it needs is told by name, and shows no time at which it would go on."""
    await staffed(pool)
    await enqueue(pool, NUMBER, [("a", None)], needs=[("number", "b")])
    reading = await read(pool, "number", "a")
    assert reading.job is not None
    assert (reading.job.state, reading.job.run_at) == ("parked", None)
    assert "waiting for number b" in reading.reason
    assert [view.run_at for view in await jobs.list_jobs(pool)] == [None]
    assert (await ask(pool)).expected_start is None


async def test_an_account_without_room(pool: asyncpg.Pool) -> None:
    """Issue 3, explain: a paused provider and a full account, with its figures and when room comes back."""
    hand = await staffed(pool, granted=1)
    await queue(pool, "a", "b")
    (claim,) = await hand.claim()
    async with hand.attempt(claim).spends("shop").call("buy"):
        pass
    await hand.publish(claim, {"n": 1}, settle=[])
    await pool.execute(SQL.get("recover_spends"), timedelta(0))
    other = "b" if claim.key == "a" else "a"
    told = gate(await ask(pool, other), "account")
    assert (told.open, told.numbers["granted"], told.numbers["free"]) == (False, 1, 0)
    assert told.detail.startswith("shop calls in any minute: 0 of 1 free, 1 held, 0 spent; there is room at ")
    until = await pool.fetchval("select openbell.now() + interval '5 minutes'")
    await pool.execute(
        SQL.get("pause_provider"), "shop", timedelta(minutes=5), "the key was refused", None, "rate_limited"
    )
    found = await ask(pool, other)
    assert not gate(found, "provider").open
    assert "the key was refused" in found.verdict
    assert found.expected_start is not None
    assert found.expected_start >= until


async def test_seats_and_floors(pool: asyncpg.Pool) -> None:
    """Issue 3, explain: taken of most for all jobs, the class and the product, and what others keep."""
    hand = await staffed(pool)
    for limit in (("total", "all", 5, 0), ("class", "10", 4, 4), ("class", "50", 2, 0), ("product", "number", 9, 0)):
        await pool.execute(SQL.get("set_seat_limit"), *limit)
    await queue(pool, "r", source="r")
    await pool.fetch(SQL.get("claim_seated"), ["number"], list(CLASSES.values()), hand.id, 1)
    await queue(pool, "s", job_class="scheduled", source="s")
    await queue(pool, "a", job_class="ad-hoc", source="a")
    total, adhoc, product = (one for one in (await ask(pool)).gates if one.name == "seats")
    assert (total.open, total.numbers["taken"], total.numbers["kept"]) == (False, 1, 4)
    assert (adhoc.open, adhoc.numbers["most"]) == (True, 2)
    assert (product.numbers["taken"], product.detail) == (1, "1 of 9 seats for product number taken.")
    assert all(one.open for one in (await ask(pool, "s")).gates if one.name == "seats")


async def test_nobody_serves_it(pool: asyncpg.Pool) -> None:
    """Issue 3, explain: no worker, none of its class, none that knows the product; and names that only others know."""
    hand = await staffed(pool)
    await queue(pool, "a")
    for classes, products, words in (
        ([50], ["number"], "serves the class interactive"),
        ([0], ["other"], "none knows this product"),
    ):
        await pool.execute(SQL.get("describe_worker"), hand.id, classes, products, None)
        found = await ask(pool)
        assert "workers" in closed(found)
        assert words in gate(found, "workers").detail
        assert words in found.verdict
        assert found.expected_start is None
    await hand.expire()
    assert "No worker is running" in (await ask(pool)).verdict
    await pool.execute("insert into openbell.job (product, key, job_class, max_attempts) values ('newer', 'k', 0, 1)")
    found = await ask(pool, "k", "newer")
    assert (closed(found)[0], found.job is not None) == ("product", True)


@pytest.mark.parametrize(
    ("product", "key", "error"),
    [
        ("nothing", "a", UnknownProduct),
        ("N\x00", "a", UnknownProduct),
        ("number", "\x00", InvalidKey),
        ("x", "", InvalidKey),
    ],
)
async def test_bad_questions(pool: asyncpg.Pool, product: str, key: str, error: type[Exception]) -> None:
    """Bad input: an unknown product or a malformed key is refused with a sentence."""
    await staffed(pool)
    with pytest.raises(error):
        await ask(pool, key, product)


async def test_it_is_json(pool: asyncpg.Pool) -> None:
    """DESIGN 5: programs get the same, with times that carry their zone."""
    await staffed(pool)
    await queue(pool, "a")
    plain = json.loads(json.dumps((await ask(pool)).as_json()))
    assert datetime.fromisoformat(plain["expected_start"]).tzinfo is not None
    assert {"name", "open", "detail", "numbers", "opens_at"} == set(plain["gates"][0])


async def test_figures(pool: asyncpg.Pool) -> None:
    """Issue 3, PF-36: depth now and over time by class, wait and run histograms, the oldest, and the fleet."""
    hand = await staffed(pool)
    await queue(pool, "a")
    (claim,) = await hand.claim()
    await hand.publish(claim, {"n": 1})
    await queue(pool, "w", "v", job_class="research", source="w")
    await Sampler(pool).beat()
    plain = json.loads(json.dumps((await figures(pool)).as_json()))
    assert (plain["waiting"], plain["workers"]) == (2, 1)
    assert [(row["class"], row["waiting"]) for row in plain["classes"]] == [("research", 2)]
    assert [row["key"] for row in plain["oldest"]] == ["v", "w"]
    assert (plain["fleet"][0]["state"], plain["fleet"][0]["slots"]) == ("running", 8)
    assert len(plain["depth"]["classes"]["research"]) == POINTS
    assert plain["depth"]["classes"]["research"][-1]["waiting"] == 2
    histogram = plain["histograms"]["products"]["number"]
    assert [sum(histogram[what]) for what in ("wait", "run")] == [1, 1]
    assert len(histogram["run"]) == len(EDGES_S) + 1
    assert (await jobs.stats(pool)).waiting == 2
