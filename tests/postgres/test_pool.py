"""Connections: time limits that the server enforces, JSON as Python objects, and a pool that outlives its server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from openbell.postgres.embedded import EmbeddedServer
from openbell.postgres.errors import DatabaseUnreachable
from openbell.postgres.pool import connect, open_pool
from tests.support import eventually


async def test_every_session_has_limits_and_a_name(empty_dsn: str) -> None:
    """No statement, lock wait or idle transaction may last for ever, and pg_stat_activity tells who asks."""
    pool = await open_pool(empty_dsn, name="web", statement_timeout_s=12, lock_timeout_s=0.25, idle_in_transaction_s=3)
    expected = {
        "statement_timeout": "12s",
        "lock_timeout": "250ms",
        "idle_in_transaction_session_timeout": "3s",
        "application_name": "openbell web",
        "timezone": "UTC",
    }
    for _ in range(2):  # the second time on a connection that was given back
        assert {name: await pool.fetchval(f"show {name}") for name in expected} == expected
    await pool.close()


async def test_statement_that_takes_too_long_is_ended(empty_dsn: str) -> None:
    """The server ends a statement at its limit, and the connection can be used again."""
    pool = await open_pool(empty_dsn, name="test", statement_timeout_s=1, max_size=1)
    with pytest.raises(asyncpg.QueryCanceledError):
        await pool.fetchval("select pg_sleep(30)")
    assert await pool.fetchval("select 1") == 1
    await pool.close()


@pytest.mark.parametrize("kind", ["jsonb", "json"])
@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True, "é\n"]}, [], "text", 0, None, {"date": "2026-01-02"}])
async def test_json_is_python_both_ways(empty_dsn: str, kind: str, value: object) -> None:
    """JSON columns are Python objects; JSON null and SQL null both are None."""
    connection = await connect(empty_dsn, name="test")
    assert await connection.fetchval(f"select $1::{kind}", value) == value
    assert await connection.fetchval(f"select ($1::{kind})::text::{kind}", value) == value
    await connection.close()


async def test_what_json_does_not_know_is_refused(empty_dsn: str) -> None:
    """Not-a-number is no JSON: it is refused where it is written, instead of becoming something else."""
    connection = await connect(empty_dsn, name="test")
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await connection.fetchval("select $1::jsonb", {"price": float("nan")})
    await connection.close()


async def test_transaction_pooler(empty_dsn: str) -> None:
    """Behind a transaction pooler no statement is prepared by name and no setting is sent that poolers refuse."""
    dsn = f"{empty_dsn}{'&' if '?' in empty_dsn else '?'}pooler=transaction"
    pool = await open_pool(dsn, name="test", statement_timeout_s=7)
    async with pool.acquire() as connection:
        assert await connection.fetchval("select $1::int", 1) == 1
        assert await connection.fetchval("select count(*) from pg_prepared_statements where name <> ''") == 0
        assert await connection.fetchval("show statement_timeout") != "7s"
    await pool.close()


async def test_open_transaction_does_not_pass_to_the_next_user(empty_dsn: str) -> None:
    """A connection is given back clean, although giving it back costs no round trip."""
    pool = await open_pool(empty_dsn, name="test", max_size=1)
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("create table lost ()")
    assert await pool.fetchval("select to_regclass('lost')") is None
    await pool.close()


async def test_pool_survives_a_restart_of_the_server(tmp_path: Path) -> None:
    """Database gone while running: an error while it is away, and work resumes by itself when it is back."""
    server = EmbeddedServer(tmp_path / "data")
    pool = await open_pool(await server.start(), name="test")
    assert await pool.fetchval("select 1") == 1
    await server.stop()
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await pool.fetchval("select 1")
    await server.start()

    async def answers() -> bool:
        try:
            return await pool.fetchval("select 1") == 1
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False

    await eventually(answers)
    await asyncio.wait_for(pool.close(), timeout=30)
    await server.stop()


async def test_no_server(tmp_path: Path) -> None:
    """The error names the place and the mend, is a ConnectionError too, and never shows the password."""
    dsn = f"postgresql://user:hush@/openbell?host={tmp_path}"
    for opening in (open_pool, connect):
        with pytest.raises(DatabaseUnreachable, match="Check DATABASE_URL") as caught:
            await opening(dsn, name="test")
        assert isinstance(caught.value, ConnectionError)
        assert str(tmp_path) in str(caught.value)
        assert "hush" not in str(caught.value)


async def test_unknown_database(empty_dsn: str) -> None:
    """A server without the database is as good as none, and the sentence says which is missing."""
    dsn = empty_dsn.replace("openbell_empty_", "openbell_missing_")
    with pytest.raises(DatabaseUnreachable, match=r"openbell_missing_.* does not exist"):
        await connect(dsn, name="test")
