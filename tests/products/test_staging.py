"""A staging is a copy without anybody in it."""

from __future__ import annotations

import asyncpg
import pytest

from openbell.drills.staging import MARK, _people, _search
from openbell.postgres.pool import open_pool
from openbell.products import registry
from openbell.products.operations import OPERATIONS, RefusedHere, run
from openbell.products.staging import NotEmpty, create
from tests.support import TestServer


async def test_a_staging_has_the_schema_and_a_sample_and_nobody(
    dsn: str, pool: asyncpg.Pool, server: TestServer
) -> None:
    """PF-42: reference data, flags and results of symbols are copied, stamped staging; no row of any table tells of a
    person of the source, not even what somebody searched for; a database that holds something is refused.
    """
    await _people(pool, 3)
    name = "openbell_staging_copy"
    await server.execute(f"create database {name} template template0 encoding 'UTF8'")
    target = server.dsn_of(name)
    try:
        copied = (await create(dsn, target, registry())).rows
        assert (copied["artifact"], copied["version"]) == (3, 3)
        assert copied["digest_ticker"] == 50
        assert (await _search(dsn))[1] > 5
        assert (await _search(target))[1] == 0
        there = await open_pool(target, name="test", max_size=1)
        assert await there.fetchval("select value from openbell.meta where key = 'environment'") == "staging"
        assert await there.fetchval("select count(*) from openbell.person") == 0
        assert MARK not in str(await there.fetch("select owner, allow, deny from openbell.flag"))
        async with there.acquire() as conn:
            planned = await run(conn, OPERATIONS["wipe-database"], {}, actor="test", environment="staging")
            assert planned.plan.rows["tickers"] == 50  # type: ignore[union-attr]
        async with pool.acquire() as conn:
            with pytest.raises(RefusedHere):
                await run(conn, OPERATIONS["wipe-database"], {}, actor="test", environment="staging")
        there.terminate()
        with pytest.raises(NotEmpty):
            await create(dsn, target, registry())
    finally:
        await server.execute(f"drop database {name} with (force)")
