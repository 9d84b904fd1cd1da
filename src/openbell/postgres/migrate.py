"""Migrations: plain `.sql` files, numbered and applied once each, without stopping those who read and write meanwhile.

A file is named `NNNN_verb_noun.sql`; its first line says what it is to the code that runs beside it:

    -- phase: expand      adds what old code does not see (may run before the new code)
    -- phase: backfill    moves data, a batch at a time, by a worker's job (openbell/postgres/backfill.py)
    -- phase: contract    removes what no running code uses any more
    -- no-transaction     on the next line, for CREATE INDEX CONCURRENTLY and its like: then one statement a file,
                          written with `if not exists`, because a runner may be killed before it records the file

The functions of the database stand beside them, one a file in the folder `functions`, and are kept in one place each:
a file that has changed is applied again, after the numbered ones. `create or replace` keeps the signature; a new one
makes a new function beside the old, which a contract file drops later. Numbered files call no function of the folder.

Contract files wait until they are asked for (`contract=True`), and are refused while a backfill before them is not over
or a process runs that does not know them: each worker and web process says in the database how much it knows. What code
needs to serve (`lacking`) is less than what there is to apply (`pending`): a database that newer code has only added to
will do, so that old and new run side by side, and the old one can come back.

A lock is waited for half a second at most, because everybody who comes later queues behind us; then we step back and
try again after a growing, random pause. Runners that start together wait for one another. Needs a direct connection:
behind a transaction pooler the lock that keeps runners apart would not hold.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise

import asyncpg

from openbell.postgres import backfill
from openbell.postgres.errors import (
    BackfillUnfinished,
    MigrationBlocked,
    MigrationChanged,
    MigrationFailed,
    MigrationInvalid,
    MigrationUnknown,
    OlderCodeRuns,
)
from openbell.postgres.pool import connect
from openbell.postgres.queries import Queries

LOCK_TIMEOUT_MS = 500
STATEMENT_TIMEOUT_MS = 60_000
"""For files in a transaction, which hold their locks as long as they run. Others may take the time they need."""
ATTEMPTS_MAX = 12
PAUSE_FIRST_S = 0.1
PAUSE_MAX_S = 10.0
RUNNER_POLL_S = 0.1
CONTRACT, BACKFILL = "contract", "backfill"

_NAME = re.compile(r"\d{4}(_[a-z0-9]+){2,}\.sql")
_PHASE = re.compile(r"-- phase: (expand|backfill|contract)\n")
_FUNCTION = re.compile(r"^create or replace function openbell\.(\w+)\(", re.MULTILINE)
_QUERIES = Queries("openbell.postgres")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name without `.sql`, its phase, its text, and whether it is applied again when the text changes."""

    name: str
    phase: str
    in_transaction: bool
    text: str
    repeats: bool = False
    pace: backfill.Pace | None = None

    @property
    def number(self) -> int:
        """Where it stands; 0 for a function."""
        return 0 if self.repeats else int(self.name[:4])

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, as hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()


async def migrate(
    dsn: str,
    *,
    on_step: Callable[[str], None] | None = None,
    folder: Traversable | None = None,
    contract: bool = False,
    alone: bool = False,
) -> list[str]:
    """Apply what is missing, in order; the names of what was applied now. `on_step` hears each name before it runs.

    From the first contract file on nothing numbered is applied unless `contract`. Backfills are left to the jobs of
    workers. With `alone`, where nobody else uses the database, and on an empty one, both are done at once.

    Raises MigrationInvalid, MigrationChanged, MigrationUnknown, MigrationFailed, MigrationBlocked; DatabaseUnreachable;
    BackfillUnfinished and OlderCodeRuns when a contract file has to wait, after what stands before it was applied.
    """
    migrations = load(folder)
    connection = await connect(dsn, name="migrate", statement_timeout_s=0, idle_in_transaction_s=0)
    try:
        await _take_turn(connection)
        await _prepare(connection)
        applied = await _applied(connection)
        alone = alone or not applied
        missing = _allowed(_missing(migrations, applied), contract=contract or alone)
        if alone:
            await _fill(connection, migrations)
        for migration in missing:
            if migration.phase == CONTRACT and not alone:
                await _refuse_early(connection, migration)
            if on_step:
                on_step(migration.name)
            await _apply(connection, migration)
            if alone and migration.phase == BACKFILL:
                await _fill(connection, migrations)
    finally:
        await connection.close(timeout=5)
    return [migration.name for migration in missing]


async def pending(dsn: str, *, folder: Traversable | None = None) -> list[str]:
    """The names that `migrate` would apply, in order. Changes nothing, also in an empty database.

    Raises MigrationUnknown when the database was migrated by newer code, MigrationChanged when an applied file differs.
    """
    connection = await connect(dsn, name="migrate check")
    try:
        known = await connection.fetchval(_QUERIES.get("find_migration_table"))
        applied = await _applied(connection) if known else {}
    finally:
        await connection.close(timeout=5)
    return [migration.name for migration in _missing(load(folder), applied)]


async def lacking(dsn: str, *, folder: Traversable | None = None) -> list[str]:
    """The names of what this code needs to serve and the database never had, in order. Changes nothing.

    A newer database will do, if newer code has only added to it. Raises MigrationUnknown when a contract file that is
    unknown here has run there.
    """
    connection = await connect(dsn, name="migrate check")
    try:
        known = await connection.fetchval(_QUERIES.get("find_migration_table"))
        applied = await _applied(connection) if known else {}
        past = await _past(connection)
    finally:
        await connection.close(timeout=5)
    migrations = load(folder)
    names = {migration.name for migration in migrations}
    if removed := sorted(name for name, what in past if what == CONTRACT and name not in names):
        raise MigrationUnknown(removed)
    return [
        one.name
        for one in migrations
        if not (one.phase == CONTRACT or applied.get(one.name) == one.checksum or (one.name, one.checksum) in past)
    ]


@cache
def newest() -> int:
    """The number of the newest migration that this code knows."""
    return max(one.number for one in load())


def load(folder: Traversable | None = None) -> list[Migration]:
    """All migrations of a folder (of this package by default), in order. Raises MigrationInvalid."""
    folder = folder or files("openbell.postgres").joinpath("migrations")
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".sql")), key=lambda path: path.name)
    migrations = [_parse(path.name, path.read_text(encoding="utf-8")) for path in paths]
    for before, after in pairwise(migrations):
        if before.name[:4] == after.name[:4]:
            raise MigrationInvalid(after.name, f"its number is taken by {before.name}")
    return [*migrations, *_load_functions(folder / "functions")]


def _load_functions(folder: Traversable) -> list[Migration]:
    if not folder.is_dir():
        return []
    names = sorted(path.name for path in folder.iterdir() if path.name.endswith(".sql"))
    return [_parse_function(name, (folder / name).read_text(encoding="utf-8")) for name in names]


def _parse_function(name: str, text: str) -> Migration:
    found = _FUNCTION.search(text)
    if found is None or f"{found[1]}.sql" != name:
        raise MigrationInvalid(f"functions/{name}", "it does not create or replace the function that it is named after")
    return Migration(f"functions/{name.removesuffix('.sql')}", "expand", in_transaction=True, text=text, repeats=True)


def _parse(name: str, text: str) -> Migration:
    if not _NAME.fullmatch(name):
        raise MigrationInvalid(name, "its name is not NNNN_verb_noun.sql")
    phase = _PHASE.match(text)
    if phase is None:
        raise MigrationInvalid(name, "its first line is not `-- phase: expand`, `backfill` or `contract`")
    rest = text[phase.end() :]
    if phase[1] == BACKFILL:
        try:
            pace, statement = backfill.read_pace(rest)
        except ValueError as error:
            raise MigrationInvalid(name, str(error)) from None
        if not {"$1", "$2"} <= set(re.findall(r"\$\d", statement)):
            raise MigrationInvalid(name, "a backfill takes a cursor ($1) and a number of rows ($2)")
        return Migration(name.removesuffix(".sql"), BACKFILL, in_transaction=True, text=text, pace=pace)
    return Migration(name.removesuffix(".sql"), phase[1], not rest.startswith("-- no-transaction\n"), text)


def _missing(migrations: list[Migration], applied: dict[str, str]) -> list[Migration]:
    names = {migration.name for migration in migrations}
    if unknown := sorted(applied.keys() - names):
        raise MigrationUnknown(unknown)
    changed = [one for one in migrations if applied.get(one.name, one.checksum) != one.checksum]
    for migration in changed:
        if not migration.repeats:
            raise MigrationChanged(migration.name)
    return [one for one in migrations if one.name not in applied or one in changed]


def _allowed(missing: list[Migration], *, contract: bool) -> list[Migration]:
    """What may run now. Behind a contract file that waits, what is numbered waits, too."""
    first = next((n for n, one in enumerate(missing) if one.phase == CONTRACT), None)
    if contract or first is None:
        return missing
    return missing[:first] + [one for one in missing[first:] if one.repeats]


async def _take_turn(connection: asyncpg.Connection) -> None:
    """Wait until no other runner works; the lock ends with the session.

    Polled: a waiting statement would hold a snapshot, for which CREATE INDEX CONCURRENTLY of the other runner waits.
    """
    while not await connection.fetchval(_QUERIES.get("try_lock_migrations")):
        await asyncio.sleep(RUNNER_POLL_S)


async def _prepare(connection: asyncpg.Connection) -> None:
    if not await connection.fetchval(_QUERIES.get("find_migration_table")):
        await connection.execute(_QUERIES.get("create_schema"))
        await connection.execute(_QUERIES.get("create_migration_table"))
    if not await connection.fetchval(_QUERIES.get("find_migration_past")):
        await connection.execute(_QUERIES.get("create_migration_past"))
    if not await connection.fetchval(_QUERIES.get("find_backfill_table")):
        await connection.execute(_QUERIES.get("create_backfill_table"))


async def _fill(connection: asyncpg.Connection, migrations: list[Migration]) -> None:
    """Do what backfills there are to the end, as nobody else is there to do it or to be kept waiting."""
    texts = {one.name: one.text for one in migrations}
    for name in [one.name for one in await backfill.list_backfills(connection) if one.finished_at is None]:
        try:
            await backfill.run(connection, name, texts[name], seconds=None)
        except asyncpg.PostgresError as error:
            raise MigrationFailed(name, str(error).rstrip("."), None) from error


async def _refuse_early(connection: asyncpg.Connection, migration: Migration) -> None:
    """What it removes must be needed by nobody: no backfill before it, no process that does not know it."""
    left = [one.name for one in await backfill.list_backfills(connection) if one.finished_at is None]
    if early := [name for name in left if name < migration.name]:
        raise BackfillUnfinished(migration.name, early)
    if older := await older_processes(connection, migration.number):
        raise OlderCodeRuns(migration.name, older)


async def older_processes(connection: asyncpg.Connection, number: int) -> list[str]:
    """The workers and web processes that run and do not know the migration of this number, such as `web host:123`."""
    if not await connection.fetchval(_QUERIES.get("find_process_table")):
        return []
    rows = await connection.fetch(_QUERIES.get("list_older_processes"), number)
    return [f"{row['kind']} {row['name']}" for row in rows]


async def _applied(connection: asyncpg.Connection) -> dict[str, str]:
    rows = await connection.fetch(_QUERIES.get("list_migrations"))
    return {row["name"]: row["checksum"] for row in rows}


async def _past(connection: asyncpg.Connection) -> set[tuple[str, str]]:
    if not await connection.fetchval(_QUERIES.get("find_migration_past")):
        return set()
    rows = await connection.fetch(_QUERIES.get("list_migrations_past"))
    return {(row["name"], row["checksum"]) for row in rows}


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    """One file, tried again while its locks are taken. Raises MigrationBlocked after the last attempt."""
    limit_ms = STATEMENT_TIMEOUT_MS if migration.in_transaction else 0
    await connection.execute(_QUERIES.get("set_timeouts"), str(LOCK_TIMEOUT_MS), str(limit_ms))
    for attempt in range(ATTEMPTS_MAX):
        try:
            if migration.in_transaction:
                async with connection.transaction():
                    await _run(connection, migration)
            else:
                await _drop_invalid_indexes(connection)
                await _run(connection, migration)
            return
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if attempt + 1 == ATTEMPTS_MAX:
                raise MigrationBlocked(migration.name, ATTEMPTS_MAX) from error
            await asyncio.sleep(pause_s(attempt, random.random()))  # noqa: S311 -- spreads retries, keeps no secret
        except asyncpg.PostgresError as error:
            raise _failed(migration, error) from error


def _failed(migration: Migration, error: asyncpg.PostgresError) -> MigrationFailed:
    position = getattr(error, "position", None)
    line = migration.text.count("\n", 0, int(position) - 1) + 1 if position else None
    return MigrationFailed(migration.name, str(error).rstrip("."), line)


def pause_s(attempt: int, chance: float) -> float:
    """Seconds before the next attempt: doubling, bounded, and between half and all of that by chance (0 to 1)."""
    full_s = min(PAUSE_MAX_S, PAUSE_FIRST_S * 2.0**attempt)
    return full_s * (0.5 + chance / 2)


async def _run(connection: asyncpg.Connection, migration: Migration) -> None:
    if migration.pace is not None:
        await backfill.add(connection, migration.name, migration.pace)
    else:  # without arguments: the simple protocol, so a file may hold many statements
        await connection.execute(migration.text)
    if migration.repeats:
        await connection.execute(_QUERIES.get("keep_migration_past"), migration.name, "")
    await connection.execute(_QUERIES.get("insert_migration"), migration.name, migration.checksum)
    if migration.phase == CONTRACT:
        await connection.execute(_QUERIES.get("keep_migration_past"), migration.name, CONTRACT)


async def _drop_invalid_indexes(connection: asyncpg.Connection) -> None:
    """A CREATE INDEX CONCURRENTLY that failed leaves an invalid index, over which the next attempt would stumble."""
    for row in await connection.fetch(_QUERIES.get("list_invalid_indexes")):
        await connection.execute(_QUERIES.get("drop_index").format(name=row["name"]))
