"""`openbell jobs retry | cancel` with filters: the plan first, then what was done."""

from __future__ import annotations

import json

import asyncpg

from tests.cli.house import openbell
from tests.engine.test_many import PAST, PRODUCT


async def test_many_jobs_are_planned_asked_for_and_done(dsn: str, pool: asyncpg.Pool) -> None:
    """Step 8, bulk by command: --plan does nothing, --yes does it; without either it asks, no answer does nothing."""
    await pool.execute(PRODUCT)
    await pool.execute(PAST, 1_000)
    code, out, _ = await openbell(dsn, "jobs", "retry", "--code", "odd", "--plan")
    assert code == 0
    assert "      5  queued again" in out
    assert "Nothing was done." in out
    code, out, _ = await openbell(dsn, "jobs", "retry", "--product", "number")
    assert code != 0
    assert await pool.fetchval("select count(*) from openbell.job") == 0
    code, out, err = await openbell(dsn, "jobs", "retry", "--product", "number", "--yes", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["jobs"] == {"again": 5, "since": 5}
    code, out, _ = await openbell(dsn, "jobs", "cancel", "--class", "scheduled", "--yes")
    assert code == 0
    assert "5 jobs cancelled." in out
    assert await pool.fetchval("select count(*) from openbell.job") == 0
    for arguments in (("retry",), ("cancel", "--key", "k1", "7"), ("cancel", "--key", "k1", "--json")):
        code, out, err = await openbell(dsn, "jobs", *arguments)
        assert (code, out) == (2, ""), (arguments, err)
