"""A small restore drill: a backup under load, a disaster, a restore, and what the operator finds."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from openbell.drills.restore import Size, play
from openbell.drills.till import opened
from openbell.postgres.pool import connect
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures
from tests.sandbox.harness import Running


async def test_a_restore_charges_and_mails_nothing_twice(
    dsn: str,
    pool: asyncpg.Pool,
    sandbox: Running,  # noqa: F811
    tmp_path: Path,
) -> None:
    """By the shop's and the mail server's own books nothing leaves before an operator has looked,
    nothing is charged or mailed twice, and what was wanted is made.
    """
    said: list[str] = []
    size = Size(keys=8, mails=8, seconds=1.5)
    try:
        async with opened() as till:
            played = await play(dsn, sandbox.url, till, tmp_path, size, said.append)
    finally:
        connection = await connect(dsn, name="test")
        try:
            await connection.execute(f'drop database if exists "{urlsplit(dsn).path[1:]}_restored" with (force)')
        finally:
            await connection.close()
    assert played.faults == [], said
    assert len(played.proved) == 8
    assert played.charges >= size.keys
    assert played.mails > 0
