"""A worker without a process: each of its acts is done by hand, so that a test can choose the order."""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from pydantic import BaseModel

from openbell.engine.attempt import Attempt, Claim
from openbell.engine.books import list_books
from openbell.engine.database import SQL, Db
from openbell.engine.demand import want
from openbell.engine.hints import CHANNEL
from openbell.engine.keys import Key
from openbell.engine.ledger import Limit, ensure_accounts
from openbell.engine.registry import CLASSES, Calls, Product, Registry, days, hours, minutes, product, seconds
from openbell.engine.spends import Ledger, Settlement, as_rows

_names = itertools.count(1)


class Number(BaseModel):
    """What the test products make."""

    n: float
    at: datetime | None = None
    text: str = ""


Make = Callable[[Key, Any], Awaitable[Any]]


async def one(key: Key, attempt: Any) -> Number:
    """The simplest producer."""
    return Number(n=1)


def declare(name: str = "number", make: Make = one, **other: Any) -> Product:
    """A product of numbers, fresh for a minute, whose producer is ``make``."""
    policy: dict[str, Any] = {
        "key": Key,
        "version": 1,
        "ttl": minutes(1),
        "stale": hours(1),
        "empty": hours(2),
        "retry": seconds(30),
        "keep": days(1),
        "timeout": seconds(10),
        "spends": {"shop": Calls(1, bytes=100)},
        "licence": "cc0",
        "source_time": "at",
    }

    async def producer(key: Key, ctx: Any) -> Number:
        return await make(key, ctx)  # type: ignore[no-any-return]

    return product(name, **(policy | other))(producer)


def per_minute(granted: int, subject: str = "shop") -> Limit:
    """So many calls in any 60 seconds."""
    return Limit(subject, "calls", "minute", granted, span=timedelta(minutes=1))


@dataclass
class Hand:
    """A registered worker. Its lease holds until a test lets it expire."""

    pool: asyncpg.Pool
    id: int
    products: Sequence[str]
    ledger: Ledger
    accounts: Mapping[str, Any]

    @classmethod
    async def hire(cls, pool: asyncpg.Pool, *products: Product, limits: Sequence[Limit] = ()) -> Hand:
        """Seed the products and accounts, and take a lease of a day."""
        await Registry(products).seed(pool)
        accounts = await ensure_accounts(pool, limits)
        lease = timedelta(days=1)
        worker = await pool.fetchval(SQL.get("register_worker"), f"hand {next(_names)}", 8, lease)
        return cls(pool, worker, [made.name for made in products], Ledger(pool), accounts)

    async def claim(
        self, most: int = 1, *, classes: Sequence[str] = tuple(CLASSES), db: Db | None = None
    ) -> list[Claim]:
        """Up to ``most`` claims."""
        numbers = [CLASSES[name] for name in classes]
        rows = await (db or self.pool).fetch(SQL.get("claim_jobs"), list(self.products), numbers, self.id, most)
        return [Claim(**row) for row in rows]

    def attempt(self, claim: Claim) -> Attempt:
        """What a producer would get."""
        return Attempt(claim, self.pool, self.ledger, self.accounts)

    async def publish(
        self,
        claim: Claim,
        value: Mapping[str, Any] | None,
        *,
        at: datetime | None = None,
        settle: Sequence[Settlement] = (),
        calendar: str | None = None,
        synthetic: str | None = None,
        db: Db | None = None,
    ) -> asyncpg.Record | None:
        """Publish a value, or None for "nothing known"; the outcome and the version, or no row when fenced."""
        policy = claim.policy
        assert policy is not None
        return await (db or self.pool).fetchrow(
            SQL.get("publish_artifact"),
            claim.id,
            claim.token,
            "empty" if value is None else "value",
            value,
            at,
            policy.fresh_for(empty=value is None),
            policy.stale_ttl,
            policy.retry_ttl,
            {"provider": "shop"} | ({"synthetic": synthetic} if synthetic else {}),
            1,
            "cc0",
            as_rows(settle),
            calendar,
        )

    async def end(
        self, claim: Claim, kind: str, *, delay_s: float = 0, settle: Sequence[Settlement] = (), code: str = "broken"
    ) -> asyncpg.Record | None:
        """End the attempt without a result; the state of the job, or no row when fenced."""
        delay, cooldown = timedelta(seconds=delay_s), claim.retry_ttl
        return await self.pool.fetchrow(
            SQL.get("end_attempt"), claim.id, claim.token, kind, code, "it broke", delay, cooldown, as_rows(settle)
        )

    async def expire(self) -> None:
        """Let the lease run out, as when the process has been killed or frozen."""
        await self.pool.execute(
            "update openbell.worker set expires_at = openbell.now() - interval '1 second' where id = $1", self.id
        )


async def rescue(db: Db, most: int = 100) -> list[asyncpg.Record]:
    """The recovery pass of whoever beats next."""
    return list(await db.fetch(SQL.get("rescue_jobs"), most))


async def wake(db: Db) -> None:
    """Parked jobs whose time has come are waiting again."""
    await db.fetch(SQL.get("wake_parked"), 1_000)


async def queue(db: Db, *keys: str, name: str = "number", source: str = "test", **other: Any) -> list[int]:
    """Want keys of a product for an hour, and tell the workers; the ids of the jobs that this has queued or lifted."""
    wishes = [(name, key) for key in keys]
    queued = {one.key: one.id for one in await want(db, wishes, source=source, seconds=3600, **other)}
    await db.execute("select pg_notify($1, $2)", CHANNEL, json.dumps(["work", None]))
    return [queued[key] for key in keys if key in queued]


async def job(db: Db, key: str, name: str = "number") -> asyncpg.Record | None:
    """The live job of a key."""
    return await db.fetchrow("select * from openbell.job where product = $1 and key = $2", name, key)


async def ended(db: Db, key: str, name: str = "number") -> list[asyncpg.Record]:
    """How the jobs of a key have ended, oldest first, without those that a sweep queued while another ended: they do
    nothing, and say so.
    """
    return list(
        await db.fetch(
            "select *, outcome::text as word from openbell.job_history"
            " where product = $1 and key = $2 and code is distinct from 'skipped' order by id",
            name,
            key,
        )
    )


async def account(db: Db, subject: str = "shop", resource: str = "calls") -> dict[str, Any]:
    """One account as it stands: its row, with the sums as everybody is told them."""
    row = await db.fetchrow("select * from openbell.account where subject = $1 and resource = $2", subject, resource)
    assert row is not None
    view = next(one for one in await list_books(db, ended=True) if one.id == row["id"])
    return {**row, "held": view.held, "spent": view.spent, "overrun": view.overrun}
