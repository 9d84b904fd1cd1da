"""Queueing work by hand: tasks, one or many, within the caller's own transaction where he has one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from openbell.engine.database import SQL, Db, savepoint
from openbell.engine.registry import CLASSES, Product

INFINITY = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A job that was queued (``created``), or one of the same key that waits or runs already."""

    id: int
    key: str
    created: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs that were submitted together, and how far they are."""

    id: int
    name: str
    created_at: datetime
    total: int
    done: int
    failed: int
    cancelled: int
    running: int

    @property
    def waiting(self) -> int:
        """Those that have neither begun nor ended."""
        return self.total - self.done - self.failed - self.cancelled - self.running


async def enqueue(
    db: Db,
    product: Product,
    items: Sequence[tuple[str, Any]],
    *,
    job_class: str | None = None,
    number: int = 1,
    not_before: datetime | None = None,
    needs: Sequence[tuple[str, str]] = (),
    batch: int | None = None,
) -> list[Enqueued]:
    """Queue jobs of ``product``: (key, arguments as JSON) each, in one statement.

    With a connection in a transaction they are queued when, and only when, that transaction commits. A key that waits
    already is merged: its class and number are lifted, never lowered, and its arguments stay; one that runs is joined.
    ``needs`` are artifacts that must be fresh first; until then the jobs are parked. Keys must be canonical.
    Whoever wants them begun at once tells the hint ``work`` after the commit. Raises ``ValueError`` for a job that
    needs itself.
    """
    if own := {(product.name, key) for key, _ in items} & set(needs):
        raise ValueError(f"{' '.join(sorted(own)[0])} cannot wait for itself")
    rows = await db.fetch(
        SQL.get("enqueue_jobs"),
        product.name,
        [key for key, _ in items],
        [args for _, args in items],
        CLASSES[job_class or product.job_class],
        number,
        batch,
        INFINITY if needs else not_before,
    )
    jobs = [Enqueued(**row) for row in rows]
    created = [job.id for job in jobs if job.created]
    if needs and created:
        reason = "waiting for " + ", ".join(f"{product} {key}" for product, key in needs[:3])
        await db.execute(SQL.get("add_needs"), created, [name for name, _ in needs], [key for _, key in needs], reason)
    if batch is not None and created:
        await db.execute(SQL.get("grow_batch"), batch, len(created))
    if missing := {key for key, _ in items} - {job.key for job in jobs}:
        jobs += [Enqueued(**row) for row in await db.fetch(SQL.get("find_jobs"), product.name, sorted(missing))]
    return jobs


async def enqueue_many(
    db: Db,
    product: Product,
    items: Sequence[tuple[str, Any]],
    *,
    job_class: str | None = None,
    number: int = 1,
    not_before: datetime | None = None,
    batch: int | None = None,
) -> int:
    """As :func:`enqueue` for thousands at a time; answers how many are new instead of naming each.

    Keys that are all new, the usual case, go in without a look at each; where one waits already, all are merged.
    """
    arguments = (
        product.name,
        [key for key, _ in items],
        [args for _, args in items],
        CLASSES[job_class or product.job_class],
        number,
        batch,
        not_before,
    )
    try:
        async with savepoint(db):
            await db.execute(SQL.get("insert_jobs"), *arguments)
        added = len(items)
    except asyncpg.UniqueViolationError:
        added = await db.fetchval(SQL.get("merge_jobs"), *arguments)
    if batch is not None:
        await db.execute(SQL.get("grow_batch"), batch, added)
    return added


async def add_batch(db: Db, name: str) -> int:
    """An empty batch to be given to :func:`enqueue`; returns its id. Jobs that were there already do not join it."""
    batch_id: int = await db.fetchval(SQL.get("add_batch"), name)
    return batch_id


async def get_batch(db: Db, batch_id: int) -> Batch | None:
    """How far a batch is."""
    row = await db.fetchrow(SQL.get("get_batch"), batch_id)
    return None if row is None else Batch(**row)
