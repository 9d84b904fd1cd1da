"""Databases beside the one that a drill begins with."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from openbell.postgres.pool import connect
from openbell.postgres.queries import Queries

SQL = Queries("openbell.drills")


async def another(dsn: str, name: str) -> str:
    """A second, empty database of the same server: its address."""
    connection = await connect(dsn, name="drill")
    try:
        await connection.execute(SQL.get("create_database").replace("DATABASE_NAME", name))
    finally:
        await connection.close()
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
