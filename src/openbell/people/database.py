"""The statements of this package."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from openbell.engine.database import Db
from openbell.postgres.queries import Queries

SQL = Queries("openbell.people")


@asynccontextmanager
async def transaction(db: Db) -> AsyncIterator[asyncpg.Connection | PoolConnectionProxy]:
    """A transaction on a connection of a pool, or on the one that is given, within its own where it is in one."""
    if isinstance(db, asyncpg.Pool):
        async with db.acquire() as conn, conn.transaction():
            yield conn
    else:
        async with db.transaction():
            yield db
