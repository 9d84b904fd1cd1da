"""What the tests of books and costs buy with: a budget of a thousand micro-dollars a month, and calls that end so."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import asyncpg

from openbell.engine.books import (
    Book,
    list_books,
)
from openbell.engine.ledger import Limit
from openbell.engine.spends import Settlement, Spends
from tests.engine.hand import Hand, declare, per_minute, queue
from tests.support import eventually

BUDGET = Limit("shop", "usd_micro", "month", 1_000, closes="charge", calendar="month")


async def at_work(pool: asyncpg.Pool, *limits: Limit, key: str = "a") -> Spends:
    """What a running attempt spends with."""
    hand = await Hand.hire(pool, declare(), limits=limits or [BUDGET, per_minute(100)])
    await queue(pool, key)
    (claim,) = await hand.claim()
    return hand.attempt(claim).spends("shop")


async def buy(spends: Spends, end: str = "settled", took: int | None = None, **options: Any) -> int:
    """One call through the ledger, which ends so; the id of its spend."""
    async with spends.call("buy", **({"effect": "never", "usd_micro": 100} | options)) as call:
        pass
    spends.ended.clear()
    amounts: Mapping[str, int] = {"bytes": 80} if end == "refused" else {} if took is None else {"usd_micro": took}
    outcome = "ok" if end == "settled" else "timeout"
    await spends.ledger.settle([Settlement(call.spend_id, end, outcome, amounts)])  # type: ignore[arg-type]
    return call.spend_id


async def at_once(pool: asyncpg.Pool, table: str, *work: Coroutine[Any, Any, Any]) -> list[Any]:
    """All of the work at the same time: each has come to a lock on the table before any goes on."""
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"select 1 from openbell.{table} for update")
        tasks = [asyncio.create_task(one) for one in work]

        async def all_wait() -> bool:
            return bool(await pool.fetchval(waiting) == len(tasks))

        await eventually(all_wait)
    return await asyncio.gather(*tasks, return_exceptions=True)


async def money(pool: asyncpg.Pool) -> Book:
    """The dollars of the shop, in the period that runs."""
    (book,) = await list_books(pool, "shop", "usd_micro")
    return book
