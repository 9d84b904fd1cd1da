"""Every test that needs a database gets a real PostgreSQL and a fresh, migrated database of its own.

By default the embedded server is started once per session. `TEST_DATABASE_URL` runs the suite against another server
instead (its user must be allowed to create databases and roles); tests of the embedded server itself use their own
either way.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from openbell.postgres.embedded import EmbeddedServer
from openbell.postgres.migrate import migrate
from openbell.postgres.pool import open_pool
from tests.databases import WEB_ROLE, Databases
from tests.support import Clock, TestServer

# A test database need not survive a power cut.
QUICK = {"fsync": "off", "full_page_writes": "off", "max_connections": "200", "autovacuum": "off"}

ROOM = 4 * 2**30

SLOW_S, USUAL_S = 15.0, 0.3
"""What tests take, about: those that are marked as slow or need a browser, and the others."""

_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Give each session a root of temporary folders of its own when we are root, and short names to all.

    PostgreSQL then runs as another user, who must pass through these folders; every pytest that starts makes the root
    that all sessions share private again. The address of a socket in such a folder has 107 bytes at most.

    Programs that tests start may keep what Python has compiled, whatever the environment says (container images often
    forbid it): else each of hundreds of starts compiles the whole package anew, a third of a second every time.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    config.option.loadscopereorder = False  # of pytest-xdist, which would begin with the files of many small tests
    if os.geteuid() == 0 and "PYTEST_DEBUG_TEMPROOT" not in os.environ:
        root = tempfile.mkdtemp(prefix="ob-")
        os.environ["PYTEST_DEBUG_TEMPROOT"] = root
        config.add_cleanup(lambda: shutil.rmtree(root, ignore_errors=True))
    if worker := getattr(config, "workerinput", {}).get("workerid"):  # of pytest-xdist: its folders' names are long
        above = os.environ.get("PYTEST_DEBUG_TEMPROOT") or Path(config.option.basetemp).parent
        config.option.basetemp = str(Path(above) / worker)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long files first where several work, so that nobody works alone at the end."""
    if hasattr(config, "workerinput"):
        long: dict[Path, float] = defaultdict(float)
        for item in items:
            is_long = any(item.get_closest_marker(name) for name in ("slow", "browser"))
            long[item.path] += SLOW_S if is_long else USUAL_S
        items.sort(key=lambda item: -long[item.path])


@pytest.fixture(scope="session")
def server() -> Iterator[TestServer]:
    """One server per session."""
    if outside := os.environ.get("TEST_DATABASE_URL"):
        yield TestServer(outside)
        return
    with tempfile.TemporaryDirectory(prefix="ob-", dir=_memory()) as folder:
        embedded = EmbeddedServer(Path(folder), settings=QUICK)
        try:
            yield TestServer(asyncio.run(embedded.start()))
        finally:
            asyncio.run(embedded.stop())


def _memory() -> str | None:
    """A folder in memory, where there is room in one; else None, the usual place.

    A database is three hundred files, and some file systems search long for room where many have just been removed.
    """
    place = "/dev/shm"
    there = os.access(place, os.W_OK) and shutil.disk_usage(place).free > ROOM
    return place if there else None


@pytest.fixture(scope="session")
def template(server: TestServer) -> Iterator[str]:
    """The name of a database with all migrations, which is copied for each test."""
    name = f"openbell_template_{os.getpid()}"
    asyncio.run(server.execute(f"create database {name} template template0 encoding 'UTF8'"))
    asyncio.run(_prepare(server.dsn_of(name)))
    yield name
    asyncio.run(server.execute(f"drop database {name} with (force)"))


async def _prepare(dsn: str) -> None:
    """All migrations, and what a web process may do under a role of its own."""
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        with contextlib.suppress(asyncpg.DuplicateObjectError):  # roles are shared by all databases of a server
            await connection.execute(f"create role {WEB_ROLE} login")
        await connection.execute("select openbell.grant_web($1)", WEB_ROLE)
    finally:
        await connection.close()


@pytest.fixture
def web_dsn(dsn: str) -> str:
    """The fresh database under the role of a web process: what pages and API do shows that it is enough."""
    return re.sub("//[^@/]*@?", f"//{WEB_ROLE}@", dsn, count=1)


@pytest.fixture(scope="session")
def databases(server: TestServer, template: str) -> Iterator[Databases]:
    """Makes fresh databases while tests run."""
    with Databases(server, template).made() as made:
        yield made


@pytest.fixture
def dsn(server: TestServer, databases: Databases) -> Iterator[str]:
    """The address of a fresh database with all migrations, dropped after the test."""
    name = databases.take()
    yield server.dsn_of(name)
    databases.give_back(name)


@pytest.fixture
async def empty_dsn(server: TestServer) -> AsyncIterator[str]:
    """The address of a fresh database without any migration."""
    name = f"openbell_empty_{os.getpid()}_{next(_numbers)}"
    await server.execute(f"create database {name} template template0 encoding 'UTF8'")
    yield server.dsn_of(name)
    await server.execute(f"drop database {name} with (force)")


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """A pool on the fresh database."""
    made = await open_pool(dsn, name="test")
    yield made
    await asyncio.wait_for(made.close(), timeout=30)


@pytest.fixture
def clock(pool: asyncpg.Pool) -> Clock:
    """The clock of the fresh database: `await clock.advance(minutes=5)`."""
    return Clock(pool)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium. Without one a test that asks for it is skipped, except in CI, where it fails."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    reason = "no Chromium is installed; on Debian: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
