"""The processes that hold: ``python -m openbell.bench.holders ROLE DSN OPTIONS``, as :mod:`openbell.bench.actors` says.

hold     reserves through the engine's ledger: ``tasks`` at once, for ``seconds``, over the accounts of ``resources``
one      does the same with plain SQL, one hold a transaction, each task on a connection of its own
arrive   reserves through the ledger ``per_s`` times a second, however long an answer takes
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg

from openbell.bench.lab import SQL
from openbell.bench.stage import Options, Orders, Role, main, tell
from openbell.engine.ledger import Account, Limit, ensure_accounts, legs
from openbell.engine.spends import Intent, Ledger
from openbell.postgres.pool import open_pool

VAULT = "bench-vault"
GRANTED = 10**15
RESOURCES = ("calls", "bytes", "usd_micro", "credits", "mails")
LIMITS = tuple(Limit(VAULT, name, "ever", GRANTED, closes="charge") for name in RESOURCES)
TIMEOUT = timedelta(seconds=10)
WARM_UP_S = 0.5
"""Connections have planned their statements by then."""

Hold = Callable[[], Awaitable[None]]


def intent(accounts: list[Account]) -> Intent:
    """One call that takes one unit of each account."""
    held = {account.resource: 1 for account in accounts}
    columns = (None, None, "bench-hold", "key", VAULT, "hold", None, "repeat", None, None)
    return Intent(*columns, TIMEOUT, held, legs(VAULT, accounts, held))  # type: ignore[arg-type]


async def hold(dsn: str, orders: Orders, options: Options) -> dict[str, Any]:
    """As quickly as it can, through the ledger."""
    pool = await open_pool(dsn, name="bench holder", max_size=4, ordered=True)
    made = await ensure_accounts(pool, LIMITS)
    asked = intent([account for account in made[VAULT] if account.resource in options["resources"]])
    ledger = Ledger(pool)

    async def one() -> None:
        verdict = await ledger.reserve(asked)
        if verdict.spend_id is None:
            raise RuntimeError(f"a hold was refused: {verdict.word}")

    said = await _race([one] * options["tasks"], orders, options["seconds"])
    pool.terminate()
    return said


async def hold_one(dsn: str, orders: Orders, options: Options) -> dict[str, Any]:
    """One conditional update and one insert, one transaction, one connection a task."""
    connections = [await asyncpg.connect(dsn) for _ in range(options["tasks"])]
    statement = SQL.get("hold_one")

    def holder(connection: asyncpg.Connection) -> Hold:
        async def one() -> None:
            if await connection.fetchval(statement, 1) is None:
                raise RuntimeError("a hold was refused")

        return one

    said = await _race([holder(connection) for connection in connections], orders, options["seconds"])
    for connection in connections:
        connection.terminate()
    return said


async def _race(holders: list[Hold], orders: Orders, seconds: float) -> dict[str, Any]:
    """All at once until the time is over; how many were held a second, and how long each took (seconds)."""
    took: list[float] = []
    clock = time.perf_counter
    tell(ready=True)
    await orders.go.wait()
    began = clock() + WARM_UP_S
    over = began + seconds

    async def again(one: Hold) -> None:
        while (asked := clock()) < over:
            await one()
            if began <= asked and (answered := clock()) < over:
                took.append(answered - asked)

    await asyncio.gather(*(again(one) for one in holders))
    tell(finished=True)
    await orders.stop.wait()
    return {"per_s": len(took) / seconds, "took": sorted(took)[:: max(1, len(took) // 10_000)]}


async def arrive(dsn: str, orders: Orders, options: Options) -> dict[str, Any]:
    """One every so often, whether the last one was answered or not: what admission adds to a call."""
    pool = await open_pool(dsn, name="bench holder", max_size=4, ordered=True)
    made = await ensure_accounts(pool, LIMITS)
    asked = intent([account for account in made[VAULT] if account.resource in options["resources"]])
    ledger, took, clock = Ledger(pool), [0.0] * 0, time.perf_counter
    warm = round(WARM_UP_S * options["per_s"])
    tell(ready=True)
    await orders.go.wait()
    began = clock()

    async def one(due: float) -> None:
        await ledger.reserve(asked)
        took.append(clock() - due)

    running = []
    for number in range(warm + round(options["seconds"] * options["per_s"])):
        due = began + number / options["per_s"]
        if (early := due - clock()) > 0:
            await asyncio.sleep(early)
        running.append(asyncio.create_task(one(max(due, clock()) if number < warm else due)))
    await asyncio.gather(*running)
    tell(finished=True)
    await orders.stop.wait()
    pool.terminate()
    return {"took": took[warm:]}


ROLES: dict[str, Role] = {"hold": hold, "one": hold_one, "arrive": arrive}

if __name__ == "__main__":
    main(ROLES)
