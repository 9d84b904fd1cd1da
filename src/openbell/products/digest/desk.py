"""What operators do with the digests of a morning: see them, have them made again, and move their mails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import asyncpg

from openbell.engine.database import Db
from openbell.engine.enqueue import enqueue
from openbell.mail import control
from openbell.products.digest.batches import Batch, read_batch
from openbell.products.digest.database import SQL
from openbell.products.digest.editions import DigestKey
from openbell.products.digest.morning import edition as edition_task
from openbell.products.digest.pins import Reason
from openbell.products.digest.requests import ask_for, make_again

How = Literal["again", "topup", "renew"]
WAYS: dict[How, Reason | None] = {"again": None, "topup": "topup", "renew": "renew"}
"""Of the same inputs, with what came since, or of new ones."""
EDITIONS_SHOWN, BATCHES_SHOWN = 60, 10


async def list_desk(db: Db) -> Sequence[dict[str, Any]]:
    """The latest editions with how far each is and how many of its mails wait, are held, and were sent."""
    return [dict(row) for row in await db.fetch(SQL.get("list_desk"), EDITIONS_SHOWN)]


async def list_batches(db: Db) -> Sequence[Batch]:
    """The latest batches."""
    return [await read_batch(db, row["id"]) for row in await db.fetch(SQL.get("list_batches"), BATCHES_SHOWN)]


async def remake(conn: asyncpg.Connection, key: DigestKey, how: How, *, actor: str) -> int | None:
    """Have a digest made again, and its mails after it where they are planned; the job. What waits of an older version
    is replaced, and whoever has got that is not written to again.
    """
    async with conn.transaction():
        await make_again(conn, key, WAYS[how], actor=actor)
        asked = await ask_for(conn, key, source=f"operator:{actor}", job_class="research")
        parts = key.parts
        if await conn.fetchrow(SQL.get("read_edition"), parts.ticker, parts.edition, parts.day) is not None:
            await enqueue(conn, edition_task, [(key, None)])
    return asked.job_id


async def move_mails(db: Db, key: DigestKey, act: control.Act, *, actor: str) -> int:
    """Hold, release, cancel, undo or send all mails of a digest to subscribers; of how many. Raises MailError."""
    ids = [row["id"] for row in await db.fetch(SQL.get("list_mails_of"), key)]
    return len(await control.act(db, act, ids, actor=actor))
