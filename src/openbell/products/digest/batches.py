"""Digests that are submitted together: counted, watched, cancelled; refused when the queue is full (DG-38)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import asyncpg

from openbell.engine import jobs
from openbell.engine.database import SQL as ENGINE
from openbell.engine.database import Db
from openbell.engine.enqueue import enqueue
from openbell.engine.errors import EngineError, JobEnded, UnknownJob
from openbell.products.digest.database import SQL
from openbell.products.digest.editions import DigestKey, Edition
from openbell.products.digest.morning import edition as edition_task
from openbell.products.digest.morning import send_time
from openbell.products.digest.requests import ask_for, key_for

Mode = Literal["test", "production"]
CLASSES: dict[Mode, str] = {"test": "research", "production": "scheduled"}
MOST_WAITING = 100
"""Digests that may wait; whoever submits more is told to come again."""
MOST_TICKERS = 100
DAY_MINUTES = 24 * 60


class QueueFull(EngineError):
    """Too many digests wait already; nothing of the batch was queued."""

    code = "queue_full"

    def __init__(self, waiting: int, asked: int) -> None:
        super().__init__(
            f"{waiting} digests wait already, and at most {MOST_WAITING} may: {asked} more were not queued. "
            "Submit them again when some are done."
        )


class UnknownBatch(EngineError):
    """There is no batch of that number."""

    code = "unknown_batch"

    def __init__(self, batch: int) -> None:
        super().__init__(f"There is no batch {batch}.")


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch, and how far each of its digests is."""

    id: int
    report_type: str
    mode: str
    created_at: datetime
    cancelled_at: datetime | None
    items: Sequence[dict[str, Any]]

    @property
    def counts(self) -> dict[str, int]:
        """By status: queued, processing, completed, failed, cancelled, timeout."""
        found = Counter(one["status"] for one in self.items)
        return {
            name: found.get(name, 0) for name in ("queued", "processing", "completed", "failed", "cancelled", "timeout")
        }

    @property
    def progress(self) -> int:
        """Hundredths of its digests that have ended."""
        ended = sum(one["status"] not in ("queued", "processing") for one in self.items)
        return round(100 * ended / len(self.items)) if self.items else 100


async def submit(
    conn: asyncpg.Connection, tickers: Sequence[str], *, edition: Edition | None, mode: Mode, actor: str
) -> Batch:
    """Queue digests of some tickers for today, all or none; each ticker once. In production their mails follow.

    Raises ``ValueError`` and :class:`UnknownTicker` for a ticker, :class:`QueueFull`.
    """
    async with conn.transaction():
        keys = list(dict.fromkeys([await key_for(conn, ticker, edition) for ticker in tickers]))
        waiting = await conn.fetchval(SQL.get("count_waiting"))
        if waiting + len(keys) > MOST_WAITING:
            raise QueueFull(waiting, len(keys))
        kind = keys[0].parts.edition
        batch: int = await conn.fetchval(SQL.get("add_digest_batch"), actor, kind, mode)
        asked = [await ask_for(conn, key, source=f"batch:{batch}", job_class=CLASSES[mode]) for key in keys]
        await conn.execute(
            SQL.get("add_batch_items"), batch, list(keys), [one.job_id for one in asked], [one.created for one in asked]
        )
        if mode == "production":
            await _plan_mails(conn, keys)
    return await read_batch(conn, batch)


async def _plan_mails(conn: asyncpg.Connection, keys: Sequence[DigestKey]) -> None:
    now = await conn.fetchval(SQL.get("read_now"))
    at, parts = await send_time(conn, now), keys[0].parts
    await conn.execute(SQL.get("plan_editions"), [key.parts.ticker for key in keys], parts.edition, parts.day, now, at)
    await enqueue(conn, edition_task, [(key, None) for key in keys])


async def read_batch(db: Db, batch: int) -> Batch:
    """A batch as it stands. Raises :class:`UnknownBatch`."""
    row = await db.fetchrow(SQL.get("read_digest_batch"), batch)
    if row is None:
        raise UnknownBatch(batch)
    items = [dict(one) for one in await db.fetch(SQL.get("read_batch_items"), batch)]
    return Batch(row["id"], row["report_type"], row["mode"], row["created_at"], row["cancelled_at"], items)


async def cancel_batch(conn: asyncpg.Connection, batch: int, *, actor: str) -> Batch:
    """Cancel what the batch has queued and nobody else wanted before; what it had joined goes on. Again is harmless.

    Raises :class:`UnknownBatch`.
    """
    found = await read_batch(conn, batch)
    async with conn.transaction():
        keys = [one["key"] for one in found.items]
        await conn.execute(ENGINE.get("drop_demand"), f"batch:{batch}", ["digest"] * len(keys), keys)
        for one in found.items:
            if one["created"] and one["status"] in ("queued", "processing"):
                try:
                    await jobs.cancel(conn, one["job_id"], actor=actor)
                except (JobEnded, UnknownJob):
                    continue
        await conn.execute(SQL.get("cancel_digest_batch"), batch)
    return await read_batch(conn, batch)


async def read_stats(db: Db) -> dict[str, Any]:
    """What waits and runs, and how digests have ended in the last day."""
    live = await db.fetchrow(SQL.get("count_waiting"))
    assert live is not None
    rows = await db.fetch(SQL.get("count_digests"))
    return {
        "waiting": live["waiting"],
        "running": live["running"],
        "most_waiting": MOST_WAITING,
        "last_day": {
            row["outcome"]: {"jobs": row["jobs"], "cost_micro": row["cost_micro"], "seconds": round(row["seconds"], 1)}
            for row in rows
        },
    }
