"""The role of web processes; that it is enough for every page and request is what tests/web shows."""

from __future__ import annotations

import json

import asyncpg
import pytest

from openbell.cli.app import run
from openbell.engine.registry import set_product
from tests.databases import WEB_ROLE
from tests.engine.hand import Hand, declare

FORBIDDEN = (
    "insert into openbell.product select * from openbell.product",
    "update openbell.product set name = 'other'",
    "delete from openbell.product",
    "update openbell.shape set product = 'other'",
    "update openbell.version set value = '{}'",
    "insert into openbell.version select * from openbell.version",
    "update openbell.artifact set version = 9",
    "delete from openbell.job_history",
    "update openbell.audit set actor = 'nobody'",
    "delete from openbell.audit",
    "update openbell.clock set shift = interval '1 day'",
    "truncate openbell.demand",
    "create table openbell.mine (id integer)",
    "alter table openbell.job add column mine integer",
    "drop function openbell.backlog",
)


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_what_a_web_process_may_not(pool: asyncpg.Pool, web_dsn: str, statement: str) -> None:
    """PF-45: from a web process nobody declares a product, alters a result or the audit log, or changes the schema."""
    web = await asyncpg.connect(web_dsn)
    try:
        assert await web.fetchval("select current_user") == WEB_ROLE
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await web.execute(statement)
    finally:
        await web.close(timeout=5)


async def test_what_an_operator_decides_there(pool: asyncpg.Pool, web_dsn: str) -> None:
    """PF-45: the policy of a product is an operator's, also from a page; the change is audited."""
    await Hand.hire(pool, declare())
    web = await asyncpg.connect(web_dsn)
    try:
        await web.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        await set_product(web, "number", {"enabled": False}, actor="ann")
    finally:
        await web.close(timeout=5)
    assert await pool.fetchval("select not enabled from openbell.product where name = 'number'")
    assert await pool.fetchval("select actor from openbell.audit where action = 'product.set'") == "ann"


def test_the_command(dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """PF-45: `openbell migrate --web-role` grants; a role that is not there is named with the mend."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    assert run(["migrate", "--web-role", WEB_ROLE]) == 0
    assert run(["migrate", "--web-role", "nobody_at_all"]) == 2
    assert "create role" in capsys.readouterr().err
