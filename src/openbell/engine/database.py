"""What the engine asks of a database handle, so that each function takes a pool as well as a connection in a transaction."""

from __future__ import annotations

from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from openbell.postgres.queries import Queries

Db: TypeAlias = "asyncpg.Pool | asyncpg.Connection | PoolConnectionProxy"

SQL = Queries("openbell.engine")
