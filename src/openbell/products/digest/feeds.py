"""Feeds: looking at one, and keeping what it shows. A feed that fails says nothing about the others (DG-6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from openbell.engine.errors import AccountBlocked, ProducerError
from openbell.products.context import Context
from openbell.products.digest.addresses import canonical, domain_of, title_key
from openbell.products.digest.database import SQL
from openbell.products.digest.spam import spam_reason
from openbell.providers.news import Entry, Feed

AGAIN_AFTER = timedelta(minutes=5)
"""A feed that somebody has looked at within this time is not asked again: tickers share feeds."""
PAUSE, LONGEST_PAUSE = timedelta(minutes=15), timedelta(hours=12)
MOST_ENTRIES = 200
"""Of one look at a feed, the newest first."""


@dataclass(frozen=True, slots=True)
class FeedRow:
    """A feed as it is stored."""

    id: int
    kind: str
    subject: str
    policy: str
    moved_to: str | None
    etag: str | None
    modified: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry as it is kept."""

    identity: str
    address: str
    google_id: str | None
    title: str
    title_key: str
    publisher: str
    domain: str | None
    summary: str
    published_at: datetime | None
    spam: str | None


def identity_of(entry: Entry, policy: str) -> str | None:
    """Under what the feed knows an entry, by its policy; None for an entry that cannot be told from others.

    A guid that the feed gives to several entries of one answer tells nothing; the address does then, and after it the
    title with its day.
    """
    address = canonical(entry.link) if entry.link else None
    if policy == "guid" and entry.guid and not entry.guid_repeats:
        return f"guid:{entry.guid}"
    if policy == "link" and entry.link:
        return f"link:{entry.link}"
    if address:
        return f"address:{address}"
    return f"title:{entry.title_day}" if entry.title else None


def shown(entries: Sequence[Entry], policy: str) -> list[Shown]:
    """The entries worth keeping, each identity and each address once; one without a title or an address is none."""
    found: dict[str, Shown] = {}
    addresses: set[str] = set()
    for entry in entries:
        identity = identity_of(entry, policy)
        address = canonical(entry.link) if entry.link else None
        if identity is None or address is None or not entry.title or identity in found or address in addresses:
            continue
        addresses.add(address)
        domain = entry.source_domain or (None if entry.google_id else domain_of(address))
        publisher = entry.publisher or domain or "unknown"
        found[identity] = Shown(
            identity[:4_000], address, entry.google_id, entry.title, title_key(entry.title), publisher[:200], domain,
            entry.summary, entry.published, spam_reason(entry.title, publisher, domain),
        )  # fmt: skip
    return list(found.values())[:MOST_ENTRIES]


def feed_of(ctx: Context, row: FeedRow) -> Feed:
    """Where to ask for a feed; where it has moved for good, there."""
    match row.kind:
        case "google":
            return ctx.google_feed(row.subject)
        case "yahoo":
            return ctx.yahoo_feed(row.subject)
        case _:
            return Feed(f"rss {row.subject}", row.moved_to or row.subject)


async def look(ctx: Context, row: FeedRow) -> dict[str, Any]:
    """One look at a feed, kept, and what came of it: `state` changed, unchanged, recent or failed.

    Raises :class:`AccountBlocked` where we may ask no feed now, and nothing for what is wrong with this one.
    """
    pool = ctx.attempt.pool
    if await pool.fetchval(SQL.get("take_feed"), row.id, AGAIN_AFTER) is None:
        if await pool.fetchval(SQL.get("is_feed_paused"), row.id):
            return {"feed": row.id, "state": "failed", "code": "paused"}
        return {"feed": row.id, "state": "recent"}
    try:
        poll = await ctx.news.poll(feed_of(ctx, row), etag=row.etag, modified=row.modified)
    except AccountBlocked:
        raise
    except ProducerError as error:
        pause = error.retry_after or PAUSE
        await pool.execute(SQL.get("fail_feed"), row.id, error.code, str(error)[:500], pause, LONGEST_PAUSE)
        return {"feed": row.id, "state": "failed", "code": error.code}
    kept = shown(poll.entries, row.policy)
    synthetic = next((s.get("synthetic") for s in reversed(ctx.attempt.sources) if s.get("provider") == "news"), None)
    async with pool.acquire() as conn, conn.transaction():
        new = await keep(conn, row.id, kept, synthetic=synthetic)
        await conn.execute(
            SQL.get("note_feed"), row.id, poll.etag, poll.modified, poll.moved_to if row.kind == "rss" else None,
            len(kept) if poll.state == "changed" else None,
        )  # fmt: skip
    return {"feed": row.id, "state": poll.state, "entries": len(kept), "new": new}


async def keep(conn: Any, feed_id: int, entries: Sequence[Shown], *, synthetic: str | None) -> int:
    """Store what a feed shows, within the caller's transaction; how many articles are new.

    An entry is an article that is known when the feed has shown its identity before, when its address is known, or when
    its publisher has printed that title within a day and a half.
    """
    if not entries:
        return 0
    ordered = sorted(entries, key=lambda one: one.address)  # as every writer does, so that none waits in a circle
    known: dict[int, int] = {
        row["place"]: row["article_id"]
        for row in await conn.fetch(
            SQL.get("find_articles"),
            feed_id,
            [one.identity for one in ordered],
            [one.address for one in ordered],
            [one.publisher for one in ordered],
            [one.title_key for one in ordered],
            [one.published_at for one in ordered],
        )
    }
    fresh = [one for place, one in enumerate(ordered, 1) if place not in known]
    made = await _insert(conn, fresh, synthetic)
    sightings = [
        (one.identity, known.get(place) or made[one.address])
        for place, one in enumerate(ordered, 1)
        if place in known or one.address in made
    ]
    await conn.execute(
        SQL.get("add_sightings"), feed_id, [one for one, _ in sightings], [article for _, article in sightings]
    )
    return len(fresh)


async def _insert(conn: Any, fresh: Sequence[Shown], synthetic: str | None) -> dict[str, int]:
    if not fresh:
        return {}
    unique: dict[tuple[str, str], Shown] = {}
    twins: dict[str, str] = {}
    for one in fresh:
        first = unique.setdefault((one.publisher, one.title_key), one)
        twins[one.address] = first.address
    rows: list[asyncpg.Record] = await conn.fetch(
        SQL.get("insert_articles"),
        [one.address for one in unique.values()],
        [one.google_id for one in unique.values()],
        [one.title for one in unique.values()],
        [one.title_key for one in unique.values()],
        [one.publisher for one in unique.values()],
        [one.domain for one in unique.values()],
        [one.summary for one in unique.values()],
        [one.published_at for one in unique.values()],
        [one.spam for one in unique.values()],
        synthetic,
    )
    ids = {row["address"]: row["id"] for row in rows}
    return {address: ids[first] for address, first in twins.items() if first in ids}
