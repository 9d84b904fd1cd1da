"""Backfills: data that is moved a batch at a time by ordinary jobs, while everybody reads and writes.

A migration file whose first line is `-- phase: backfill` is one statement, which the runner does not run but writes
down (:func:`openbell.postgres.migrate.migrate`). Lines after the first may say how fast it goes:

    -- phase: backfill
    -- batch: 500         rows a batch; the default
    -- rate: 2000         rows a second; the default

The statement takes a cursor as text (`$1`, null at first) and a number of rows (`$2`), changes at most so many rows
behind the cursor, and returns one row: `cursor`, how far it came, null when nothing is left; and `rows`, how many it
has changed. Example:

    with batch as (
        select id from openbell.book where id > coalesce($1, '0')::bigint order by id limit $2
    ), moved as (
        update openbell.book b set name = b.title from batch where b.id = batch.id returning b.id
    )
    select max(batch.id)::text as cursor, (select count(*) from moved) as rows from batch

A batch and its cursor are committed together, so that whoever is killed between two of them loses nothing and repeats
nothing. A batch waits half a second for a lock and holds its own for the time of one batch. Whoever writes meanwhile
writes the new form already: the code that does so comes with the expand file before.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

import asyncpg

from openbell.postgres.queries import Queries

LOCK_TIMEOUT_MS = 500
BATCH_TIMEOUT_MS = 5_000
BATCH, BATCH_MAX = 500, 100_000
RATE = 2_000
TRIES = 8
"""How often one batch is tried while its locks are taken, before the job is put off."""

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

_SQL = Queries("openbell.postgres")
_PACE = re.compile(r"-- (batch|rate): ([1-9]\d{0,8})\n")


@dataclass(frozen=True, slots=True)
class Pace:
    """Rows a batch, and rows a second."""

    batch: int = BATCH
    rate: int = RATE


@dataclass(frozen=True, slots=True)
class Backfill:
    """How far one is. ``error`` is why its last attempt ended, until a batch goes well."""

    name: str
    batch: int
    rate: int
    cursor: str | None
    rows: int
    batches: int
    error: str | None
    started_at: datetime
    moved_at: datetime | None
    finished_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """For programs; times as ISO 8601."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def read_pace(header: str) -> tuple[Pace, str]:
    """What the lines after the first say, and the rest of the text. Raises ValueError with the reason."""
    said: dict[str, int] = {}
    while found := _PACE.match(header):
        said[found[1]] = int(found[2])
        header = header[found.end() :]
    pace = Pace(**said)
    if pace.batch > BATCH_MAX:
        raise ValueError(f"a batch has at most {BATCH_MAX:,} rows")
    return pace, header


async def add(connection: asyncpg.Connection, name: str, pace: Pace) -> None:
    """Write down that it is to be done; a worker's job does it."""
    await connection.execute(_SQL.get("add_backfill"), name, pace.batch, pace.rate)


async def list_backfills(db: asyncpg.Pool | asyncpg.Connection) -> list[Backfill]:
    """All there were, in order; empty where there is no table of them yet."""
    if not await db.fetchval(_SQL.get("find_backfill_table")):
        return []
    return [Backfill(**row) for row in await db.fetch(_SQL.get("list_backfills"))]


async def set_rate(connection: asyncpg.Connection, name: str, rate: int) -> bool:
    """From the next batch on, so many rows a second; False when there is none of this name under way."""
    return await connection.fetchval(_SQL.get("set_backfill_rate"), name, rate) is not None


async def run(connection: Connection, name: str, statement: str, *, seconds: float | None) -> bool:
    """Batches for at most so many seconds (None: to the end, unthrottled). Whether it is finished now.

    Raises asyncpg's errors; those of taken locks only after several tries. They are written down.
    """
    ends = None if seconds is None else monotonic() + seconds
    try:
        while ends is None or monotonic() < ends:
            begun = monotonic()
            row = await _batch_when_free(connection, name, statement)
            if row is None:
                return True
            if ends is not None:
                took = monotonic() - begun
                await asyncio.sleep(max(row["batch"] / row["rate"] - took, took))
    except asyncpg.PostgresError as error:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await connection.execute(_SQL.get("note_backfill_error"), name, str(error))
        raise
    return False


async def _batch_when_free(connection: Connection, name: str, statement: str) -> asyncpg.Record | None:
    for attempt in range(TRIES):
        try:
            return await _batch(connection, name, statement)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if attempt + 1 == TRIES:
                raise
            await asyncio.sleep(0.1 * 2**attempt)
    raise AssertionError("unreachable")


async def _batch(connection: Connection, name: str, statement: str) -> asyncpg.Record | None:
    """One batch and its cursor, together or not at all. The row's lock keeps a second worker out for that time."""
    async with connection.transaction():
        await connection.fetchval(_SQL.get("set_batch_limits"), str(LOCK_TIMEOUT_MS), str(BATCH_TIMEOUT_MS))
        row = await connection.fetchrow(_SQL.get("lock_backfill"), name)
        if row is None:
            return None
        moved = await connection.fetchrow(statement, row["cursor"], row["batch"])
        cursor, rows = (moved["cursor"], moved["rows"]) if moved is not None else (None, 0)
        await connection.execute(_SQL.get("move_backfill"), name, cursor, rows)
    return row if cursor is not None else None
