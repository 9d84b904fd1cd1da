"""Costs: every cent in one part, adding up to the ledger to the micro-unit."""

from __future__ import annotations

import random
from datetime import date, timedelta

import asyncpg

from openbell.engine.books import (
    list_books,
)
from openbell.engine.costs import (
    PARTS,
    SURE_FROM,
    costs,
    list_spends,
    resolve,
)
from openbell.engine.estimates import Estimator
from openbell.engine.ledger import Limit
from tests.engine.purse import at_work, buy, money
from tests.support import Clock

EVER = date(2000, 1, 1)


async def test_costs_add_up_to_the_ledger(pool: asyncpg.Pool) -> None:
    """Issue 4: whatever became of the calls, the sums by any part are the same, and are those of the accounts."""
    luck = random.Random(4)
    budget = Limit("shop", "usd_micro", "month", 10**12, closes="charge", calendar="month")
    spends = await at_work(pool, budget, Limit("shop", "calls", "minute", 10**6, span=timedelta(minutes=1)))
    made = {"settled": 0, "unknown": 0, "refused": 0, "released": 0, "unanswered": 0}
    for n in range(150):
        end = luck.choice(list(made))
        made[end] += 1
        spends.product, spends.on_behalf = luck.choice(["a", "b"]), luck.choice([None, "user:1", "user:2"])
        held = luck.randint(0, 10**6)
        took = luck.choice([None, luck.randint(0, 2 * 10**6)]) if end == "settled" and held else None
        await buy(spends, end, took, usd_micro=held)
        if n % 20 == 0:
            for doubt in (await list_spends(pool, unknown=True))[:3]:
                say = {"happened": luck.random() < 0.5, "reason": "r", "actor": "ada"}
                await resolve(pool, doubt.id, **say)
    async with spends.call("buy", usd_micro=77):
        found = await money(pool)
        sums = {by: (await costs(pool, by, EVER)).total for by in PARTS}
    whole = sums["product"]
    assert all(one == whole for one in sums.values())
    assert whole.cost_micro == found.spent + found.overrun
    assert whole.unknown_micro == found.doubtful
    assert whole.unknown_micro + whole.open_micro == found.held
    assert (whole.open, whole.open_micro) == (1, 77)
    never = await pool.fetchval(
        "select count(*) from openbell.spend where state = 'released' and outcome like '%never%'"
    )
    assert whole.calls == 150 - made["released"] - never
    assert whole.failed_micro > 0
    assert 0 < whole.failed < whole.calls


async def test_each_part_has_its_own_sum(pool: asyncpg.Pool, clock: Clock) -> None:
    """Issue 4: costs by product, operation, user, week and day: each call is in one part, failures are shown."""
    spends = await at_work(pool, Limit("shop", "usd_micro", "month", 10**6, closes="charge"))
    await clock.advance(days=-20)
    await buy(spends, took=30)
    await clock.advance(days=10)
    spends.on_behalf = "user:1"
    await buy(spends, took=50)
    await buy(spends, "unanswered")
    await clock.advance(days=10)
    await buy(spends, "unknown")
    by_user = {row.on_behalf: row.as_json() for row in (await costs(pool, "user", EVER)).rows}
    assert by_user["user:1"] == {
        "on_behalf": "user:1", "calls": 3, "failed": 1, "unknown": 1, "open": 0, "cost_micro": 150, "failed_micro": 100,
        "held_micro": 200, "estimate_micro": 200, "unknown_micro": 100, "open_micro": 0, "credits": 0,
        "held_credits": 0, "estimate_credits": 0, "unknown_credits": 0,
    }  # fmt: skip
    assert by_user[""]["cost_micro"] == 30
    for by in ("week", "day"):
        assert [row.cost_micro for row in (await costs(pool, by, EVER)).rows] == [30, 150, 0]
    since = (await clock.now() - timedelta(days=11)).date()
    assert (await costs(pool, "product", since)).total.cost_micro == 150
    (row,) = (await costs(pool, "operation", EVER)).rows
    assert (row.name, row.calls) == ("number: shop buy", 4)


async def test_a_call_counts_on_the_day_on_which_it_was_held(pool: asyncpg.Pool, clock: Clock) -> None:
    """Issue 4: a run that is asked about again next month costs in the month whose account holds its money."""
    spends = await at_work(pool)
    async with spends.call("buy", effect="lookup", idempotency_key="k", usd_micro=100) as call:
        await call.sending()
        call.under_way("run-7")
    await spends.ledger.settle(spends.ended)
    begun = await clock.now()
    await clock.advance(days=31)
    async with spends.call("buy", effect="lookup", idempotency_key="k", usd_micro=100) as call:
        call.took(usd_micro=70)
    await spends.ledger.settle(spends.ended[-1:])
    (row,) = (await costs(pool, "day", EVER)).rows
    assert (row.period, row.cost_micro) == (f"{begun:%Y-%m-%d}", 70)
    first, second = await list_books(pool, "shop", "usd_micro", ended=True)
    assert (first.ended, first.spent, second.spent) == (True, 70, 0)


async def test_what_was_held_is_told_beside_what_is_expected(pool: asyncpg.Pool) -> None:
    """PF-22: held is the worst case; the estimate is what calls were learnt to take, from the tenth on."""
    spends = await at_work(pool, Limit("shop", "usd_micro", "month", 10**6, closes="charge"))
    for n in range(1, 12):
        await buy(spends, took=30)
        await Estimator(pool, lag=timedelta(0)).beat()
        whole = (await costs(pool, "product", EVER)).total
        assert (whole.cost_micro, whole.held_micro) == (n * 30, n * 100)
        assert whole.estimate_micro == n * (100 if n < SURE_FROM else 30)
    await buy(spends, "unknown")
    assert (await costs(pool, "week", EVER)).total.estimate_micro == 330
