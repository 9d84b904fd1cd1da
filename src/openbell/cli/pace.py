"""The pace of a replayed market: where a day lasts a minute, what else is fresh for a minute is old after seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

ACTOR = "openbell up, for the replay"

DAYS = {"quote": 1 / 12, "intraday-prices": 1 / 6, "eod-prices": 1.0}
"""How many replayed days a value of each product stays fresh."""


async def set_pace(db: asyncpg.Connection, day_seconds: float) -> None:
    """Give the products of a sandbox database the freshness that fits a day of ``day_seconds``.

    It is an ordinary, audited change of their policy, made in a database that is stamped as synthetic; what an operator
    has set already stays.
    """
    from openbell.engine.registry import list_products, set_product
    from openbell.products import registry

    await registry().seed(db)
    for row in await list_products(db):
        if row.name in DAYS and "ttl" not in row.changed:
            ttl = timedelta(seconds=max(1.0, day_seconds * DAYS[row.name]))
            await set_product(db, row.name, {"ttl": ttl}, actor=ACTOR)
