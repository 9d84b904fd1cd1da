"""Real and synthetic data never share a database: each is stamped at its first start, and a mismatch is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openbell.cli.exits import CliError
from openbell.postgres.queries import Queries

if TYPE_CHECKING:
    import asyncpg

SANDBOX = "sandbox"
LIVE = "live"
WORDS = {SANDBOX: "synthetic data (sandbox)", LIVE: "real data (live)"}

_queries = Queries("openbell.cli")


async def read_mode(connection: asyncpg.Connection) -> str | None:
    """`sandbox`, `live`, or None for a database that has not been stamped."""
    found: str | None = await connection.fetchval(_queries.get("read_mode"))
    return found


async def stamp_mode(connection: asyncpg.Connection, wanted: str) -> None:
    """Stamp a new database; raises CliError when it was stamped with the other mode."""
    found: str = await connection.fetchval(_queries.get("stamp_mode"), wanted)
    if found != wanted:
        mend = "add --live" if found == LIVE else "leave out --live"
        raise CliError(
            f"This database holds {WORDS[found]} and was to be started on {WORDS[wanted]}, which never mix: "
            f"{mend}, or choose another data folder with --data (another DATABASE_URL)."
        )
