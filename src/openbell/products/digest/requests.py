"""Asking for digests: one for a person, many at once, or again. What is under way is joined, what is fresh taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import asyncpg

from openbell.engine.artifacts import Reading, read
from openbell.engine.database import Db
from openbell.engine.demand import want
from openbell.products.digest.database import SQL
from openbell.products.digest.editions import DigestKey, Edition, digest_key, edition_of, local_day
from openbell.products.digest.pins import Reason, add_revision
from openbell.products.digest.policy import read_policy
from openbell.products.keys import Symbol

LEASE_S = 4 * 3600.0
"""How long a request is interested in its digest: what is not made by then is given up."""
USUAL_COST_MICRO = 20_000
"""What a digest is said to cost while none has been made: two cents, of short answers of a small model."""

Free = Literal["fresh", "joined"]


class UnknownTicker(ValueError):
    """There is no reference data for it."""

    code = "unknown_ticker"

    def __init__(self, ticker: str) -> None:
        super().__init__(f"There is no reference data for {ticker}: import it (`openbell reference import FILE.csv`).")
        self.ticker = ticker


@dataclass(frozen=True, slots=True)
class Quoted:
    """What asking for a digest would take: ``free`` says why it takes no credit."""

    key: DigestKey
    reading: Reading
    free: Free | None
    cost_micro: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of asking: the live job, None where the digest is fresh; ``created`` when it was queued for this."""

    key: DigestKey
    job_id: int | None
    created: bool
    free: Free | None


async def now(db: Db) -> datetime:
    """The time by the database's clock."""
    found: datetime = await db.fetchval(SQL.get("read_now"))
    return found


async def today(db: Db) -> date:
    """The date of the calendar in the operator's zone."""
    return local_day(await now(db), (await read_policy(db)).zone)


async def key_for(db: Db, ticker: str, edition: Edition | None = None, day: date | None = None) -> DigestKey:
    """The key of a digest, by default of today's edition. Raises ``ValueError`` and :class:`UnknownTicker`."""
    symbol = Symbol.parse(ticker)
    if not await db.fetchval(SQL.get("has_ticker"), symbol):
        raise UnknownTicker(symbol)
    when = day or await today(db)
    return digest_key(symbol, edition or edition_of(when), when)


async def quote_price(db: Db, key: DigestKey) -> Quoted:
    """What asking for a digest would take now, without asking for it. The price is what digests have cost on average
    in the last 30 days.
    """
    reading = await read(db, "digest", key)
    free: Free | None = "fresh" if reading.state in ("fresh", "empty") else "joined" if reading.job else None
    cost = await db.fetchval(SQL.get("usual_cost"))
    return Quoted(key, reading, free, USUAL_COST_MICRO if cost is None else int(cost))


async def ask_for(db: Db, key: DigestKey, *, source: str, job_class: str) -> Asked:
    """Want a digest, and queue it unless it is fresh or under way. With a connection in a transaction that is done
    when, and only when, that commits.
    """
    queued = await want(db, [("digest", key)], source=source, seconds=LEASE_S, job_class=job_class)
    for job in queued:
        if job.key == key and job.created:
            return Asked(key, job.id, created=True, free=None)
    reading = await read(db, "digest", key)
    if reading.job is not None:
        return Asked(key, reading.job.id, created=False, free="joined")
    return Asked(key, None, created=False, free="fresh")


async def make_again(conn: asyncpg.Connection, key: DigestKey, reason: Reason | None, *, actor: str) -> None:
    """Let a digest that is fresh be made again: of the same inputs, or, with a reason, of a new revision of them."""
    reading = await read(conn, "digest", key)
    async with conn.transaction():
        if reason is not None:
            await add_revision(conn, key.parts, reason)
        await conn.fetchval(SQL.get("expire_digest"), key, reading.version)
        await conn.execute(SQL.get("audit_digest"), actor, f"digest.{reason or 'again'}", str(key))


async def list_digests(db: Db, limit: int = 50) -> Sequence[dict[str, Any]]:
    """The digests that were made last: key, version, when, cost, and how their articles ended."""
    return [dict(row) for row in await db.fetch(SQL.get("list_digests"), limit)]


@dataclass(frozen=True, slots=True)
class Starter:
    """A company that a digest can be made of."""

    ticker: str
    name: str


async def starters(db: Db, limit: int) -> Sequence[Starter]:
    """Some companies with reference data, those that most follow first: for whoever does not know where to begin."""
    return [Starter(**row) for row in await db.fetch(SQL.get("list_starters"), limit)]


async def undigested(db: Db, tickers: Sequence[str]) -> list[str]:
    """Which of these are without reference data: no digest is made of them until there is some."""
    return [row["ticker"] for row in await db.fetch(SQL.get("list_undigested"), tickers)]


async def list_feeds(db: Db) -> Sequence[dict[str, Any]]:
    """Every feed with its success rate, and who wants it."""
    return [dict(row) for row in await db.fetch(SQL.get("list_feeds"))]


async def list_pages(db: Db) -> Sequence[dict[str, Any]]:
    """Every domain with how many of its pages could be read, free and paid."""
    return [dict(row) for row in await db.fetch(SQL.get("list_pages"))]
