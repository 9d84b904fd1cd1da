"""A staging of one's own: the schema of a database and a sample of what it knows, without anything about a person.

What is copied is named, table by table, in ``queries/sample_*.sql``; a table that is not named stays empty, so that a
new table holds nothing personal by being forgotten. Results are copied of products whose keys name a symbol, a digest
or nothing: what somebody typed or owns stays where it is. The copy is stamped as staging, in which mail runs dry,
schedules do not run and fewer jobs run at once, unless each is set otherwise (PF-42).
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import asyncpg

from openbell.engine.errors import EngineError
from openbell.engine.keys import Global
from openbell.engine.registry import Registry
from openbell.postgres.migrate import migrate
from openbell.postgres.pool import connect
from openbell.postgres.queries import Queries
from openbell.products.digest.editions import DigestKey
from openbell.products.keys import Symbol

SQL = Queries("openbell.products")
TABLES = {
    "product": SQL.get("sample_product"),
    "session": SQL.get("sample_session"),
    "flag": SQL.get("sample_flag"),
    "flag_rule": SQL.get("sample_flag_rule"),
    "digest_ticker": SQL.get("sample_digest_ticker"),
    "digest_neighbour": SQL.get("sample_digest_neighbour"),
    "digest_feed": SQL.get("sample_digest_feed"),
    "digest_ticker_feed": SQL.get("sample_digest_ticker_feed"),
    "artifact": SQL.get("sample_artifact"),
    "version": SQL.get("sample_version"),
}
"""What is copied, in the order of references."""
SAMPLED = ("artifact", "version")
NAMELESS = (Symbol, Global, DigestKey)
SAMPLE = 1_000
COPY_S = 300.0


class NotEmpty(EngineError):
    """The database that is to become staging holds something already."""

    code = "not_empty"

    def __init__(self) -> None:
        super().__init__("That database holds results, people or a stamp already: staging is made in an empty one.")


@dataclass(frozen=True, slots=True)
class Copied:
    """Rows by table."""

    rows: dict[str, int]


async def create(source: str, target: str, registry: Registry, *, sample: int = SAMPLE) -> Copied:
    """Make a staging of the database at ``source`` in the empty one at ``target``; ``sample`` results at most.

    The source is read in one moment and not changed. Raises :class:`NotEmpty`, and what the databases do.
    """
    await migrate(target)
    products = [one.name for one in registry if not one.is_task and one.key in NAMELESS]
    there = await connect(target, name="staging", statement_timeout_s=COPY_S)
    here = await connect(source, name="staging", statement_timeout_s=COPY_S)
    rows: dict[str, int] = {}
    try:
        async with here.transaction(isolation="repeatable_read", readonly=True), there.transaction():
            if await there.fetchval(SQL.get("count_inhabitants")):
                raise NotEmpty
            for table in TABLES:
                given = (products, sample) if table in SAMPLED else ()
                rows[table] = await _copy(here, there, table, *given)
            await there.execute(SQL.get("continue_feeds"))
            await there.execute(SQL.get("stamp_staging"), await here.fetchval(SQL.get("read_mode")))
    finally:
        await here.close(timeout=2)
        await there.close(timeout=2)
    return Copied(rows)


async def _copy(here: asyncpg.Connection, there: asyncpg.Connection, table: str, *given: object) -> int:
    statement = TABLES[table]
    columns = [one.name for one in (await here.prepare(statement)).get_attributes()]
    held = io.BytesIO()
    await here.copy_from_query(statement.strip(), *given, output=held, format="binary")
    held.seek(0)
    done = await there.copy_to_table(table, schema_name="openbell", columns=columns, source=held, format="binary")
    return int(done.split()[-1])
