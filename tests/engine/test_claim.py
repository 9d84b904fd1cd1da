"""The claim: each job once, in order, never what may not run."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg

from openbell.engine.database import SQL
from openbell.engine.registry import Calls, set_product
from openbell.postgres.pool import open_pool
from tests.engine.hand import Hand, declare, job, per_minute, queue, wake
from tests.support import Clock


async def test_every_job_is_claimed_once(pool: asyncpg.Pool, dsn: str) -> None:
    """PF-3: eight workers that claim four hundred jobs at the same time claim each exactly once."""
    first = await Hand.hire(pool, declare())
    keys = [f"k{n}" for n in range(400)]
    await queue(pool, *keys)
    pools = [await open_pool(dsn, name=f"worker {n}", max_size=2) for n in range(4)]
    hands = [await Hand.hire(made, declare()) for made in pools for _ in range(2)]

    async def work(hand: Hand) -> list[str]:
        mine: list[str] = []
        while claims := await hand.claim(7):
            mine += [claim.key for claim in claims]
        return mine

    taken = [key for keys_of_one in await asyncio.gather(*map(work, hands)) for key in keys_of_one]
    for made in pools:
        made.terminate()
    assert sorted(taken) == sorted(keys)
    assert await first.claim(100) == []
    rows = await pool.fetch("select distinct state::text, attempt from openbell.job")
    assert [tuple(row) for row in rows] == [("running", 1)]


async def test_an_open_claim_blocks_nobody(pool: asyncpg.Pool) -> None:
    """PF-3: a claim that is still an open transaction holds nobody up, and its rollback loses no job."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a", "b", "c")
    async with pool.acquire() as held:
        transaction = held.transaction()
        await transaction.start()
        mine = await hand.claim(2, db=held)
        others = await asyncio.wait_for(hand.claim(3), 30)
        assert len(mine) == 2
        assert len(others) == 1
        assert {claim.key for claim in mine}.isdisjoint(claim.key for claim in others)
        await transaction.rollback()
    assert {claim.key for claim in await hand.claim(3)} == {claim.key for claim in mine}


async def test_class_before_number_before_age(pool: asyncpg.Pool) -> None:
    """PF-14: a lower class cannot outrank a higher one by number; inside a class the number decides, then the age."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, "background", source="a", job_class="background", weight=100)
    await queue(pool, "old", source="b", job_class="research", weight=3)
    await queue(pool, "young", source="c", job_class="research", weight=3)
    await queue(pool, "wanted", source="d", job_class="research", weight=4)
    await queue(pool, "interactive", source="e", weight=1)
    served = [(await hand.claim())[0].key for _ in range(5)]
    assert served == ["interactive", "wanted", "old", "young", "background"]


async def test_only_the_classes_asked_for(pool: asyncpg.Pool) -> None:
    """PF-14: a worker for some classes leaves the others waiting."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a", job_class="background")
    await queue(pool, "b", source="x", job_class="interactive")
    assert [claim.key for claim in await hand.claim(5, classes=["background", "research"])] == ["a"]


async def test_a_claim_carries_a_fresh_token(pool: asyncpg.Pool) -> None:
    """PF-4: each claim of a job carries a token that no earlier one had, and counts an attempt."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a")
    tokens = []
    for attempt in (1, 2, 3):
        (claim,) = await hand.claim()
        assert claim.attempt == attempt
        tokens.append(claim.token)
        await hand.end(claim, "retry")
    assert sorted(set(tokens)) == tokens


async def test_what_this_code_does_not_know_is_left_alone(pool: asyncpg.Pool) -> None:
    """PF-3: during a rolling deployment a worker leaves products of newer code to newer workers."""
    new = await Hand.hire(pool, declare("newer"), declare())
    await queue(pool, "a", name="newer")
    await queue(pool, "b")
    old = Hand(pool, new.id, ["number", "gone"], new.ledger, {})
    assert [claim.key for claim in await old.claim(5)] == ["b"]
    waiting = await job(pool, "a", "newer")
    assert waiting is not None
    assert waiting["state"] == "waiting"


async def test_a_switched_off_product_is_not_claimed(pool: asyncpg.Pool) -> None:
    """MD-2: an operator's switch holds for what is queued already."""
    hand = await Hand.hire(pool, declare(), declare("other"))
    await queue(pool, "a")
    await queue(pool, "a", name="other")
    await set_product(pool, "number", {"enabled": False}, actor="ann")
    assert [claim.product for claim in await hand.claim(5)] == ["other"]


async def test_a_full_or_paused_provider_stops_only_its_products(pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-19, MD-21, PF-23: while one provider is paused, others are asked; when the pause is over, its jobs go on."""
    busy, free = declare("busy", spends={"mall": Calls(1)}), declare("free")
    hand = await Hand.hire(pool, busy, free, limits=[per_minute(5, "mall"), per_minute(5)])
    await queue(pool, "a", name="busy")
    await queue(pool, "b", name="free")
    await pool.execute(SQL.get("pause_provider"), "mall", timedelta(seconds=60), "asked to pause", None, "rate_limited")
    assert [claim.product for claim in await hand.claim(5)] == ["free"]
    await clock.advance(seconds=61)
    assert [claim.product for claim in await hand.claim(5)] == ["busy"]


async def test_parked_jobs_wait_for_their_time(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-8: a retry is not claimed before its time."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a")
    await hand.end((await hand.claim())[0], "retry", delay_s=20)
    await clock.advance(seconds=19)
    await wake(pool)
    assert await hand.claim() == []
    await clock.advance(seconds=2)
    await wake(pool)
    assert [claim.attempt for claim in await hand.claim()] == [2]
