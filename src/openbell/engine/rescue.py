"""Recovery: jobs of workers that have stopped answering go back to the queue, or fail where a repeat is not safe."""

from __future__ import annotations

import logging

import asyncpg

from openbell.engine.database import SQL
from openbell.engine.hints import Hints

log = logging.getLogger(__name__)

AT_ONCE = 100


async def rescue(pool: asyncpg.Pool, hints: Hints) -> None:
    """Take back what lost workers hold. Any process may do so, at any time and together with others."""
    for row in await pool.fetch(SQL.get("rescue_jobs"), AT_ONCE):
        log.warning("job.rescued id=%d product=%s key=%s worker=%s state=%s", *row.values())
        hints.tell("work", row["product"], row["key"])
        hints.tell("artifact", row["product"], row["key"])
