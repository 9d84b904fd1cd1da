"""What the engine asks of a database handle: a pool will do as well as a connection in a transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, TypeAlias, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from openbell.postgres.queries import Queries

Db: TypeAlias = "asyncpg.Pool | asyncpg.Connection | PoolConnectionProxy"

SQL = Queries("openbell.engine")


def savepoint(db: Db) -> AbstractAsyncContextManager[Any]:
    """Within the caller's transaction a statement that fails is taken back alone; elsewhere it is alone already."""
    return db.transaction() if not isinstance(db, asyncpg.Pool) and db.is_in_transaction() else nullcontext()


@asynccontextmanager
async def turn(db: Db) -> AsyncIterator[asyncpg.Connection]:
    """A transaction, whatever the handle; within the caller's own, a part of it."""
    if isinstance(db, asyncpg.Pool):
        async with db.acquire() as proxy, proxy.transaction():
            yield cast("asyncpg.Connection", proxy)
    else:
        async with db.transaction():
            yield cast("asyncpg.Connection", db)
