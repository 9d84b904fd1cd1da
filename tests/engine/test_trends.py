"""Depth, waits and cost over time: summed as it happens, equal to what a sum over all history would say."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import asyncpg

from openbell.engine.demand import refresh, want
from openbell.engine.registry import Registry
from openbell.engine.trends import STEPS, Folder, Over, quantile, trends
from openbell.engine.upkeep import Sampler
from tests.engine.hand import declare, queue
from tests.support import Clock

HISTORY = """
insert into openbell.job_history (id, product, key, job_class, outcome, attempts, queued_at, started_at, finished_at,
    cost_micro)
values ($1, 'quote', $2, $3, $4::text::openbell.job_outcome, 1, $5, $6, $7, 0)
"""
SPENT = """
insert into openbell.spend (product, key, provider, operation, effect, state, intended_at, tried_at, ended_at, timeout,
    held, took, cost_micro, charged, outcome)
values ('quote', 'K', $1, 'quote', 'repeat', 'settled', $2, $2, $3, interval '10 s', '{"usd_micro": 9}', '{}', $4,
    true, 'ok')
"""


async def fill(pool: asyncpg.Pool, now: datetime, back: timedelta, seed: int) -> None:
    """Jobs and calls that ended within that time, some of them just now."""
    dice = random.Random(seed)
    for n in range(300):
        end = now - back * dice.random()
        start = end - timedelta(seconds=dice.random())
        wait = timedelta(seconds=dice.choice((0.02, 0.2, 2, 20, 200)))
        outcome = dice.choice(("done", "done", "unchanged", "failed", "expired", "cancelled"))
        await pool.execute(HISTORY, seed * 1_000 + n, f"K{n}", dice.choice((0, 90)), outcome, start - wait, start, end)
        if n % 3 == 0:
            cost = dice.randrange(1_000)
            await pool.execute(SPENT, dice.choice(("fmp", "search")), start, end, cost)


async def test_trends_are_what_history_says(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-36, step 8: each step of hour, day and week has the jobs, waits and costs that ended in it; late ones too."""
    now = await pool.fetchval("select openbell.now()")
    await fill(pool, now, timedelta(hours=3), 1)
    folder = Folder(pool)
    await Registry([declare("quote")]).seed(pool)
    await queue(pool, "waits", name="quote")
    await Sampler(pool).beat()
    await folder.beat()
    await fill(pool, now, timedelta(minutes=3), 2)  # committed after their minute was summed
    for _ in range(2):  # a second look at the same changes nothing
        await folder.beat()
        for over in STEPS:
            await compare(pool, over)
    (deepest,) = [one for one in await trends(pool, "week") if one.waiting]
    assert deepest.waiting == 1
    await clock.advance(days=8)
    for _ in range(60):  # what has piled up is taken in pieces
        await folder.beat()
    for over in STEPS:
        await compare(pool, over)
    assert not any(one.good for one in await trends(pool, "week"))
    assert await pool.fetchval("select count(*) from openbell.trend_work where step < 120") == 0


async def compare(pool: asyncpg.Pool, over: Over) -> None:
    """Each step against a sum over all that is there."""
    for job_class, number in ((None, None), ("background", 90)):
        steps = await trends(pool, over, job_class=job_class)
        assert len(steps) == STEPS[over][1]
        for one in steps:
            row = await pool.fetchrow(
                """select count(*) filter (where outcome in ('done', 'unchanged')) as good,
                       count(*) filter (where outcome in ('failed', 'expired')) as bad
                   from openbell.job_history
                   where finished_at >= $1 and finished_at < $2 and ($3::int is null or job_class = $3)""",
                one.at, one.until, number,
            )  # fmt: skip
            assert (one.good, one.bad) == tuple(row), one
            cost = await pool.fetchval(
                """select coalesce(sum(cost_micro), 0)::bigint from openbell.spend
                   where ended_at >= $1 and ended_at < $2""",
                one.at, one.until,
            )  # fmt: skip
            assert one.cost_micro == cost
            waits = await pool.fetch(
                """select extract(epoch from started_at - queued_at)::float8 as s from openbell.job_history
                   where finished_at >= $1 and finished_at < $2 and outcome <> 'cancelled'
                       and ($3::int is null or job_class = $3) order by 1""",
                one.at, one.until, number,
            )  # fmt: skip
            assert (one.half_s is None) == (not waits)
            if waits and one.half_s is not None and one.most_s is not None:
                half, longest = waits[(len(waits) - 1) // 2]["s"], waits[-1]["s"]
                assert half / 4 <= one.half_s <= half * 4  # within the bucket that it fell into
                assert one.most_s <= longest * 4


def test_a_quantile_of_a_histogram() -> None:
    """None of nothing, between the edges of its bucket, and the last edge for what is above them all."""
    assert quantile([0] * 20, 0.5) is None
    assert quantile([4] + [0] * 19, 0.5) == 0.0005
    assert quantile([0] * 19 + [1], 0.99) == 14_400
    assert quantile([99] + [0] * 18 + [1], 0.99) == 0.001


async def test_a_wish_to_refresh(pool: asyncpg.Pool) -> None:
    """Step 8, console: what is fresh, parked or left alone is made again at once, audited; not what may be paid."""
    made = declare("quote")
    await Registry([made]).seed(pool)
    await pool.execute(
        """insert into openbell.artifact (product, key, version, state, checked_at, fresh_until, stale_until)
           values ('quote', 'AAPL', 0, 'empty', openbell.now(), openbell.now() + interval '1 h',
               openbell.now() + interval '1 h')"""
    )
    assert await want(pool, [("quote", "AAPL")], source="test", seconds=30) == []
    jobs = await refresh(pool, "quote", "AAPL", actor="someone")
    assert jobs is not None
    assert [job.key for job in jobs] == ["AAPL"]
    await pool.execute("update openbell.job set parked_until = openbell.now() + interval '1 h', reason = 'pause'")
    await refresh(pool, "quote", "AAPL", actor="someone")
    assert await pool.fetchval("select state::text from openbell.job") == "waiting"
    for retry_at, queued in (("openbell.now() + interval '1 h'", 1), ("'9999-12-31'", None)):
        await pool.execute(
            f"""insert into openbell.cooldown (product, key, code, message, at, retry_at, job_id)
                values ('quote', 'MSFT', 'x', 'x', openbell.now(), {retry_at}, 1)"""
        )
        await pool.execute("delete from openbell.job")
        found = await refresh(pool, "quote", "MSFT", actor="someone")
        assert (found and len(found)) == queued
    assert await pool.fetchval("select count(*) from openbell.audit where action = 'key.refresh'") == 3
