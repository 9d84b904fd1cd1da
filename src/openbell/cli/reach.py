"""Find the database: DATABASE_URL, else the embedded server of a running `openbell up`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from openbell.cli.exits import NO_DATABASE, CliError

if TYPE_CHECKING:
    import asyncpg

    from openbell.settings import Settings

T = TypeVar("T")
HOME = Path(".openbell")
RUN_FILE = "run.json"


@dataclass(frozen=True, slots=True)
class Place:
    """A database to work with: how to connect, how to connect for LISTEN, and the data folder it lives in, if any."""

    dsn: str
    listen_dsn: str
    folder: Path | None


def find(settings: Settings, data: Path | None) -> Place:
    """The database of this working folder. Raises CliError when nothing runs, or when two do."""
    if data is None and settings.dsn and settings.listen_dsn:
        return Place(settings.dsn, settings.listen_dsn, None)
    from openbell.postgres.embedded import running_dsn

    chosen = data or settings.openbell_data
    folders = [chosen] if chosen else [HOME / "live", HOME / "sandbox"]
    running = [Place(dsn, dsn, folder) for folder in folders if (dsn := running_dsn(folder))]
    if len(running) > 1:
        both = " and ".join(str(place.folder) for place in running)
        raise CliError(f"Two are running, in {both}: choose one with --data.", NO_DATABASE)
    if not running:
        where = f"in {chosen}" if chosen else "in this folder"
        raise CliError(
            f"Nothing is running {where}: start `openbell up`, or set DATABASE_URL to a server.", NO_DATABASE
        )
    return running[0]


def read_run(folder: Path | None) -> dict[str, Any]:
    """What a running `openbell up` wrote about itself (`House._write_run_file`); empty when unknown."""
    if folder is None:
        return {}
    try:
        found = json.loads((folder / RUN_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@asynccontextmanager
async def connected(data: Path | None) -> AsyncIterator[asyncpg.Connection]:
    """One connection to the database, for a short command."""
    from openbell.postgres.pool import connect
    from openbell.settings import load

    place = find(load(keys=False), data)
    connection = await connect(place.dsn, name="cli")
    try:
        yield connection
    finally:
        await connection.close(timeout=2)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end, on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)
