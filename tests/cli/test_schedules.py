"""`openbell schedules`, against a database that `DATABASE_URL` names."""

from __future__ import annotations

import json

import asyncpg

from openbell.engine.registry import Registry, hours, seconds, task
from openbell.engine.schedules import schedule, seed_schedules
from tests.cli.house import openbell


@task("sweep-floor", version=1, timeout=seconds(10), retry=seconds(30))
async def sweep_floor(key: object, ctx: object) -> None:
    """A task."""


async def test_schedules_are_listed_and_run(dsn: str, pool: asyncpg.Pool) -> None:
    """PF-31, PF-32: the terminal shows each schedule with its last success; letting one happen is audited."""
    await Registry([sweep_floor]).seed(pool)
    nightly = schedule("nightly", sweep_floor, "all", cron="0 3 * * *", zone="UTC", missed="late", max_late=hours(2))
    await seed_schedules(pool, [nightly])
    code, out, err = await openbell(dsn, "schedules", "run", "nightly", "--json")
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert said["name"] == "nightly"
    assert await pool.fetchval("select key from openbell.job where id = $1", said["job"]) == "all"
    assert await pool.fetchval("select actor from openbell.audit where action = 'schedule.run'") == "cli"
    code, out, err = await openbell(dsn, "schedules", "list", "--json")
    assert (code, err) == (0, "")
    (row,) = json.loads(out)
    assert (row["name"], row["cron"], row["zone"], row["last_state"]) == ("nightly", "0 3 * * *", "UTC", "queued")
    assert row["last_success_at"] is None
    code, out, err = await openbell(dsn, "schedules", "list")
    assert code == 0
    assert "nightly" in out
    code, out, err = await openbell(dsn, "schedules", "run", "weekly")
    assert code == 3
    assert "no schedule 'weekly'" in err


async def test_schedules_are_changed(dsn: str, pool: asyncpg.Pool) -> None:
    """PF-32: an operator changes when a schedule happens, or ends it, without a new start; nonsense is refused."""
    await Registry([sweep_floor]).seed(pool)
    nightly = schedule("nightly", sweep_floor, "all", cron="0 3 * * *", zone="UTC", missed="late", max_late=hours(2))
    await seed_schedules(pool, [nightly])
    code, out, err = await openbell(dsn, "schedules", "set", "nightly", "--cron", "0 4 * * *", "--zone", "Asia/Tokyo")
    assert (code, err) == (0, "")
    assert out == "nightly is due at 0 4 * * * in Asia/Tokyo, missed ones late.\n"
    code, out, err = await openbell(dsn, "schedules", "set", "nightly", "--off", "--max-late", "3", "--json")
    row = json.loads(out)
    assert (row["enabled"], row["max_late_s"], row["changed"]) == (
        False,
        10_800.0,
        ["cron", "zone", "max_late", "enabled"],
    )
    for wrong in (["--cron", "never"], ["--zone", "Mars/Olympus"], []):
        assert (await openbell(dsn, "schedules", "set", "nightly", *wrong))[0] == 2
    assert (await openbell(dsn, "schedules", "set", "weekly", "--on"))[0] != 0
    assert await pool.fetchval("select count(*) from openbell.audit where action = 'schedule.set'") == 2
