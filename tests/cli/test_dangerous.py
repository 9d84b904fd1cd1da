"""What changes the whole, from the terminal: planned, confirmed, refused where it must be, and what may be watched."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner, Result

from openbell.cli.app import explain, openbell
from openbell.cli.operate import NAMES
from openbell.engine.alert_rules import HOLD_S
from openbell.engine.alerts import evaluate
from openbell.engine.database import SQL
from openbell.products import registry
from openbell.products.operations import OPERATIONS
from tests.engine.hand import Hand, declare
from tests.support import Clock, TestServer


@pytest.fixture(autouse=True)
def at_home(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", dsn)


async def say(*words: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, openbell, list(words))


def refused(said: Result) -> str:
    assert isinstance(said.exception, Exception), said.output
    return explain(said.exception)[0]


def told(said: Result) -> Any:
    assert said.exception is None, said.exception
    return json.loads(said.output)


def token_in(said: Result) -> str:
    found = re.search(r"--confirm (\S+)", said.output)
    assert found, said.output
    return found[1]


async def test_an_operation_is_planned_and_confirmed(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """PF-38: the terminal knows each operation; what is dangerous shows its plan, works once, not in production."""
    assert sorted(NAMES) == sorted(OPERATIONS)
    assert "stamped" in refused(await say("operate", "wipe-database"))
    await pool.execute("""insert into openbell.meta (key, value) values ('environment', '"staging"')""")
    monkeypatch.setenv("ENVIRONMENT", "production")
    assert "disabled in production" in refused(await say("operate", "wipe-database"))
    monkeypatch.setenv("ENVIRONMENT", "staging")
    monkeypatch.setenv("ADMIN_EMAIL", "admin@example.com")
    planned = await say("operate", "wipe-database")
    assert "Nothing was done yet" in planned.output
    token = token_in(planned)
    assert "not given to you" in refused(await say("operate", "wipe-database", "--confirm", token, "--actor", "eve"))
    assert (await say("operate", "wipe-database", "--confirm", token)).exit_code == 0
    assert "works once" in refused(await say("operate", "wipe-database", "--confirm", token))
    assert "needs --file" in refused(await say("operate", "commit-ticker-csv"))
    acts = {row["action"] for row in await pool.fetch("select action from openbell.audit")}
    assert {"wipe-database.planned", "wipe-database"} <= acts


async def test_a_purge_is_planned_and_confirmed(pool: asyncpg.Pool) -> None:
    """DC-10, PF-38: a purge shows what would go, by table, and is done with the token of that plan, once."""
    assert "a provider, a licence" in refused(await say("purge"))
    assert "nothing of it" in (await say("purge", "--provider", "shop")).output
    await pool.execute(
        "insert into openbell.rejected (job_id, attempt, product, key, rejected_at, code, message, faults, provider,"
        " body) values (1, 1, 'other', 'a', now(), 'x', 'x', '[]', 'shop', 'x')"
    )
    token = token_in(await say("purge", "--provider", "shop"))
    assert "not what was planned" in refused(await say("purge", "--licence", "personal", "--confirm", token))
    removed = told(await say("purge", "--provider", "shop", "--confirm", token, "--json"))["removed"]
    assert removed == {"rejected": 1}
    assert await pool.fetchval("select count(*) from openbell.rejected") == 0


async def test_alerts_are_listed_answered_and_silenced(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-34: the terminal shows what fires with its mend, takes it over, silences it, and moves its limits, audited."""
    assert "Nothing fires" in (await say("alerts", "list")).output
    await Hand.hire(pool, declare())
    await pool.execute(SQL.get("want_keys"), "test", ["number"], ["a"], [1], 0, timedelta(hours=1))
    await evaluate(pool, [])
    await clock.advance(seconds=HOLD_S + 1)
    await evaluate(pool, [])
    [alert] = told(await say("alerts", "list", "--state", "firing", "--json"))
    assert (alert["code"], alert["about"]) == ("no_job", "number")
    assert "jobs why" in (await say("alerts", "list")).output
    assert "acknowledged by ann" in (await say("alerts", "acknowledge", str(alert["id"]), "--actor", "ann")).output
    assert "acknowledged by ann" in (await say("alerts", "list")).output
    assert "Nobody is told of no_job" in (await say("alerts", "silence", "no_job", "--reason", "known")).output
    assert told(await say("alerts", "limits", "--set", "depth=7", "--json"))["depth"] == 7
    assert "no NAME=NUMBER" in refused(await say("alerts", "limits", "--set", "depth"))
    assert "no limit" in refused(await say("alerts", "limits", "--set", "deepness=7"))
    assert "does not fire" in refused(await say("alerts", "acknowledge", "999"))


async def test_a_staging_is_made(dsn: str, pool: asyncpg.Pool, server: TestServer) -> None:
    """PF-42: `openbell staging create` copies into an empty database, and refuses this one and what is no address."""
    await registry().seed(pool)
    assert "this database itself" in refused(await say("staging", "create", dsn))
    assert "postgresql://" in refused(await say("staging", "create", "somewhere"))
    name = f"openbell_staging_{secrets.token_hex(6)}"
    await server.execute(f"create database {name} template template0 encoding 'UTF8'")
    try:
        made = await say("staging", "create", server.dsn_of(name))
        assert "stamped as staging" in made.output, made.exception
        assert "empty" in refused(await say("staging", "create", server.dsn_of(name)))
    finally:
        await server.execute(f"drop database {name} with (force)")
