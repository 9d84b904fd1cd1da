"""Why is this not running, or not fresh? Reads the facts for :mod:`openbell.engine.gates`; creates nothing (PF-47)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from openbell.engine.artifacts import read
from openbell.engine.database import SQL, Db
from openbell.engine.errors import InvalidKey, UnknownProduct
from openbell.engine.explain import Explanation
from openbell.engine.gates import Facts
from openbell.engine.keys import Key
from openbell.engine.outlook import explain
from openbell.engine.registry import Registry
from openbell.engine.sweep import DEEPEST

FRONT = 20_000
"""Rows of the queue that are looked at; a job further behind is told to have at least so many ahead of it."""

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
LATELY = timedelta(hours=6)
LAST_PLACE = 2**63 - 1


async def inquire(db: Db, registry: Registry, product: str, key: str) -> Explanation:
    """Everything that decides when ``key`` is made next.

    The product may be one that only other code knows, as long as the database has heard of it; its key is then taken
    as it is. Raises :class:`UnknownProduct` and :class:`InvalidKey`.
    """
    known = registry.products.get(product)
    if known is None and not NAME.fullmatch(product):
        raise UnknownProduct(product, sorted(registry.products))
    canonical = known.parse_key(key) if known is not None else _any_key(product, key)
    async with _snapshot(db) as connection:
        facts = await _look(connection, product, canonical)
    if known is None and facts.about["kind"] is None and not facts.has_job:
        raise UnknownProduct(product, sorted(registry.products))
    return explain(facts)


def roomiest(accounts: list[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """The accounts of the key with the least in the way, where a provider has several: any of them will do."""

    def in_the_way(account: Mapping[str, Any]) -> int:
        free = account["granted"] - account["held"] - account["spent"] - account["overrun"]
        paused = account["blocked_until"] is not None and account["blocked_until"] > now
        return int(paused) + int(free < account["need"])

    keys: dict[str, list[dict[str, Any]]] = {}
    for account in accounts:
        keys.setdefault(account["subject"], []).append(account)
    return min(keys.values(), key=lambda key: sum(map(in_the_way, key)), default=[])


def _any_key(product: str, key: str) -> str:
    try:
        return Key.parse(key)
    except ValueError as error:
        raise InvalidKey(product, key, str(error)) from None


async def _look(db: Db, product: str, key: str) -> Facts:
    async def rows(name: str, *arguments: object) -> list[dict[str, Any]]:
        return [dict(row) for row in await db.fetch(SQL.get(name), *arguments)]

    (about,) = await rows("inspect_key", product, key)
    demand = await rows("list_demand", product, key)
    wanted_in = min((lease["job_class"] for lease in demand), default=about["usual_class"] or 0)
    job_class = wanted_in if about["id"] is None else about["job_class"]
    place = (job_class, about["number"] or 1, about["id"] or LAST_PLACE)
    (queue,) = await rows("inspect_queue", *place, FRONT, DEEPEST)
    (runs,) = await rows("measure_runs", LATELY)
    call_bytes = (about["bytes"] or 0) // max(about["calls"] or 1, 1)
    return Facts(
        product=product,
        key=key,
        job_class=job_class,
        reading=await read(db, product, key),
        about=about,
        demand=demand,
        needs=await rows("list_needs", about["id"]) if about["id"] is not None else [],
        accounts=(
            roomiest(await rows("inspect_accounts", about["provider"], call_bytes), about["now"])
            if about["provider"]
            else []
        ),
        queue=queue,
        seats=await rows("inspect_seats", product, job_class),
        workers=await rows("list_workers"),
        runs=runs,
    )


@asynccontextmanager
async def _snapshot(db: Db) -> AsyncIterator[Db]:
    """One connection on which all statements see the same moment, and none can write."""
    if isinstance(db, asyncpg.Pool):
        async with db.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection
    elif db.is_in_transaction():
        yield db
    else:
        async with db.transaction(isolation="repeatable_read", readonly=True):
            yield db
