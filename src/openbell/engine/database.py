"""What the engine asks of a database handle: a pool will do as well as a connection in a transaction."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from openbell.postgres.queries import Queries

Db: TypeAlias = "asyncpg.Pool | asyncpg.Connection | PoolConnectionProxy"

SQL = Queries("openbell.engine")


def savepoint(db: Db) -> AbstractAsyncContextManager[Any]:
    """Within the caller's transaction a statement that fails is taken back alone; elsewhere it is alone already."""
    return db.transaction() if not isinstance(db, asyncpg.Pool) and db.is_in_transaction() else nullcontext()
