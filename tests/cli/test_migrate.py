"""`openbell migrate status` and `rate`: what an operator sees of a backfill, and turns."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from openbell.cli import main as run_here
from openbell.postgres.backfill import Pace, add
from openbell.postgres.pool import connect


async def test_a_backfill_is_shown_and_throttled(
    dsn: str, pool: asyncpg.Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """PF-43: a backfill is told with its state and rate, older code by name; its rate is changed while it runs, and a
    name that is none is refused with those there are. `migrate` queues its job.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", dsn)

    async def openbell(*arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(run_here, list(arguments))
        return code, "".join(capsys.readouterr())

    assert "There was no backfill." in (await openbell("migrate", "status"))[1]
    code, said = await openbell("migrate", "--data", str(tmp_path), "status")
    assert (code, "openbell migrate status [OPTIONS]" in said) == (2, True), "never another database than was meant"
    connection = await connect(dsn, name="test")
    try:
        await add(connection, "9001_fill_words", Pace(50, 700))
    finally:
        await connection.close()
    await pool.execute(
        "insert into openbell.worker (name, slots, expires_at) values ('old:1', 1, openbell.now() + interval '1 hour')"
    )
    code, said = await openbell("migrate", "status")
    assert code == 0
    assert "Older code: worker old:1" in said
    assert "9001_fill_words  under way" in said
    assert (await openbell("migrate", "rate", "9001_fill_words", "90"))[0] == 0
    shown = json.loads((await openbell("migrate", "status", "--json"))[1])
    assert [(one["name"], one["rate"], one["finished_at"]) for one in shown["backfills"]] == [
        ("9001_fill_words", 90, None)
    ]
    code, said = await openbell("migrate", "rate", "9002_nothing", "90")
    assert code == 2
    assert "under way: 9001_fill_words" in said
    assert (await openbell("migrate"))[0] == 0
    assert await pool.fetchval("select count(*) from openbell.job where product = 'backfill'") == 1
