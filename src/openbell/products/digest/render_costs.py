"""What a digest has cost, from the ledger, for mail 2 (DG-36)."""

from __future__ import annotations

from openbell.engine.database import Db
from openbell.products.digest.database import SQL
from openbell.products.digest.render import Cost


async def costs_of(db: Db, key: str, version: int) -> list[Cost]:
    """The calls of the job that made this version, by provider and kind of call, the dearest first."""
    return [Cost(**row) for row in await db.fetch(SQL.get("sum_costs"), "digest", key, version)]
