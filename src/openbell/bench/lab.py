"""Where measurements happen: a server of its own with the product's settings, and the tables to compare with."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from openbell.bench.errors import BenchError
from openbell.bench.tasks import LIMITS, PRODUCTS, arguments
from openbell.engine.enqueue import enqueue_many
from openbell.engine.hints import Hints
from openbell.engine.ledger import ensure_accounts
from openbell.engine.registry import Product, Registry
from openbell.postgres.embedded import DATABASE, EmbeddedServer
from openbell.postgres.migrate import migrate
from openbell.postgres.pool import open_pool
from openbell.postgres.queries import Queries

SQL = Queries("openbell.bench")
ENQUEUE_AT_ONCE = 10_000


@dataclass(slots=True)
class Lab:
    """One server, its main database and a raw connection beside the engine's pool."""

    dsn: str
    pool: asyncpg.Pool
    raw: asyncpg.Connection
    folder: Path
    server_pid: int
    hints: Hints
    names: int = 0

    @property
    def log(self) -> Path:
        """What the processes of the measurements have to say."""
        return self.folder / "bench.log"

    def fresh_name(self) -> str:
        """A prefix that no key of this run has yet."""
        self.names += 1
        return f"r{self.names}"

    async def place(self) -> int:
        """Jobs that are queued from now on have ids above this."""
        last: int = await self.raw.fetchval(SQL.get("read_place"))
        return last

    async def load(self, product: Product, jobs: int) -> int:
        """Queue ``jobs`` jobs in one transaction and tell the workers; their ids are above the answer."""
        name, place = self.fresh_name(), await self.place()
        async with self.pool.acquire() as conn, conn.transaction():
            for start in range(0, jobs, ENQUEUE_AT_ONCE):
                items = [(f"{name}-{n}", arguments(n)) for n in range(start, min(jobs, start + ENQUEUE_AT_ONCE))]
                if await enqueue_many(conn, product, items) != len(items):
                    raise BenchError(f"Of {len(items)} jobs with new keys not all were accepted.")
        self.hints.tell("work", product.name, "*")
        return place

    async def load_ceiling(self, jobs: int) -> None:
        """The same payload into the plain table."""
        await self.pool.copy_records_to_table(
            "ceiling", schema_name="bench", columns=["args"], records=[(arguments(n),) for n in range(jobs)]
        )

    async def tidy(self) -> None:
        """Give every measurement the same start: no dead rows of the one before."""
        await self.raw.execute(SQL.get("vacuum_jobs"))
        await self.raw.execute(SQL.get("vacuum_ceiling"))

    async def began(self, place: int, jobs: int) -> float:
        """When the first of the jobs above this place was claimed.

        Raises :class:`BenchError` unless there were ``jobs`` of them and each has ended as done, once.
        """
        row = await self.raw.fetchrow(SQL.get("read_ended"), place)
        assert row is not None
        if row["jobs"] != jobs or row["done"] != jobs or row["ids"] != jobs:
            raise BenchError(f"Of {jobs} jobs {row['jobs']} have ended, {row['done']} as done, {row['ids']} different.")
        began: float = row["began"]
        return began

    def dsn_of(self, database: str) -> str:
        """The address of another database of this server."""
        return urlunsplit(urlsplit(self.dsn)._replace(path=f"/{database}"))


@asynccontextmanager
async def open_lab(parent: Path | None = None) -> AsyncIterator[Lab]:
    """A server in a temporary folder below ``parent``; everything is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="openbell-bench-", dir=parent))
    server = EmbeddedServer(folder)
    try:
        dsn = await server.start()
        await migrate(dsn)
        async with open_database(dsn) as (pool, raw):
            for statement in ("create_schema", "create_ceiling", "index_ceiling", "create_bare"):
                await raw.execute(SQL.get(statement))
            assert server.pid is not None
            yield Lab(dsn, pool, raw, folder, server.pid, Hints(pool, None))
    finally:
        await server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def open_database(dsn: str) -> AsyncIterator[tuple[asyncpg.Pool, asyncpg.Connection]]:
    """A pool as the engine uses it, with the products seeded, and a connection without time limits."""
    pool = await open_pool(dsn, name="bench", max_size=4)
    raw: Any = await asyncpg.connect(dsn)
    try:
        await Registry(PRODUCTS).seed(pool)
        await ensure_accounts(pool, LIMITS)
        yield pool, raw
    finally:
        pool.terminate()
        raw.terminate()


def place_of(lab: Lab) -> str:
    """The main database's name."""
    return urlsplit(lab.dsn).path.removeprefix("/") or DATABASE
