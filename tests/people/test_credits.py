"""Credits: so many a month by plan, held with the job, posted with the result, given back without one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from openbell.people import Person, add_person, change_person
from openbell.people.credits import PLANS, read_credits, settle_credits, take_credit
from openbell.people.errors import NoCredit
from tests.engine.hand import Hand, declare, queue
from tests.support import Clock


async def jane(pool: asyncpg.Pool, **other: Any) -> Person:
    return await add_person(pool, "jane@example.com", state="active", actor="test", **other)


async def ask(pool: asyncpg.Pool, person: Person, key: str, job: int) -> bool:
    async with pool.acquire() as conn, conn.transaction():
        return await take_credit(conn, person, product="number", key=key, job_id=job)


@pytest.fixture
async def hand(pool: asyncpg.Pool) -> Hand:
    return await Hand.hire(pool, declare())


@pytest.mark.parametrize(("plan", "count"), PLANS.items())
async def test_each_plan_has_its_credits(pool: asyncpg.Pool, plan: Any, count: int) -> None:
    """DG-28: 5, 25 and 100 credits a month; the next plan counts at once."""
    one = await jane(pool)
    assert (await read_credits(pool, one)).free == PLANS["free"]
    assert (await read_credits(pool, await change_person(pool, one.id, plan=plan, actor="test"))).free == count


async def test_a_credit_is_posted_with_the_result_and_comes_back_without_one(pool: asyncpg.Pool, hand: Hand) -> None:
    """DG-27, DC-3: held at the request, posted at delivery, given back after a failure."""
    one = await jane(pool)
    [good] = await queue(pool, "good")
    [bad] = await queue(pool, "bad")
    assert await ask(pool, one, "good", good)
    assert not await ask(pool, one, "good", good), "asked twice for one job, it is one credit"
    assert await ask(pool, one, "bad", bad)
    assert (await read_credits(pool, one)).used == 2
    for claim in await hand.claim(2):
        if claim.key == "good":
            await hand.publish(claim, {"n": 1})
        else:
            await hand.end(claim, "permanent")
    assert (await read_credits(pool, one)).used == 1
    assert await settle_credits(pool) == 0, "each is booked once"
    row = await pool.fetchrow("select on_behalf, took from openbell.spend where state = 'settled'")
    assert row is not None
    assert tuple(row) == (f"user:{one.id}", {"credits": 1})


async def test_empty_means_no_job_and_names_the_day(pool: asyncpg.Pool, hand: Hand, clock: Clock) -> None:
    """DG-27, DG-28: without a credit nothing is queued and the day of the next ones is told; a new month is a new
    account, in New York's calendar, and no job resets anything.
    """
    one = await jane(pool)
    now = await clock.now()
    await clock.advance(datetime(now.year + 1, 3, 30, 12, tzinfo=UTC) - now)
    for n in range(5):
        [job] = await queue(pool, f"k{n}")
        assert await ask(pool, one, f"k{n}", job)
    [more] = await queue(pool, "more")
    with pytest.raises(NoCredit, match=f"1 April {now.year + 1}") as seen:
        await ask(pool, one, "more", more)
    assert seen.value.resets_at == datetime(now.year + 1, 4, 1, 4, tzinfo=UTC), "summer time has begun"
    await clock.advance(seen.value.resets_at - await clock.now())
    assert (await read_credits(pool, one)).free == 5
    assert await ask(pool, one, "more", more)


async def test_two_requests_at_once_do_not_share_the_last_credit(pool: asyncpg.Pool, hand: Hand) -> None:
    """DG-27: eight requests at once for five credits: five are let in."""
    import asyncio

    one = await jane(pool)
    jobs = await queue(pool, *(f"k{n}" for n in range(8)))
    tried = await asyncio.gather(*(ask(pool, one, f"k{n}", job) for n, job in enumerate(jobs)), return_exceptions=True)
    assert [type(answer) for answer in tried].count(NoCredit) == 3
    assert tried.count(True) == 5
