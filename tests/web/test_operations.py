"""The endpoints that change the whole: refused in production, planned, confirmed once, and audited."""

from __future__ import annotations

import asyncio

import asyncpg
import httpx
import pytest

from openbell.engine.confirm import NotConfirmed, Plan
from openbell.people import add_person
from openbell.people.doors import make_token
from openbell.products import registry
from openbell.products.digest.reference import import_rows
from openbell.products.operations import KEPT_TABLES, OPERATIONS, RefusedHere, run
from openbell.web.operations import PATHS
from tests.web.test_protection import house

LETTER = "insert into openbell.letter (hash, subject, html, body) values ('\\x01', 'A', 'A', 'A')"
MAIL = """
insert into openbell.delivery (kind, artifact, address, message_id, letter, send_at, expires_at, state)
select 'digest', 'digest A', 'one@example.com', $1, '\\x01', now, now + interval '1 day', 'ready'
from openbell.now() now
returning id
"""
CSV = "ticker,name\nAAPL,Apple\nMSFT,Microsoft\n"


async def stamped(pool: asyncpg.Pool, environment: str) -> dict[str, str]:
    """A seeded database of an environment, and the header of its admin."""
    await registry().seed(pool)
    await pool.execute("insert into openbell.meta values ('environment', to_jsonb($1::text))", environment)
    boss = await add_person(pool, "boss@example.com", role="admin", state="active")
    return {"Authorization": f"Bearer {await make_token(pool, boss, 'm', scope='operator')}"}


async def ask(http: httpx.AsyncClient, name: str, headers: dict[str, str], **body: str) -> httpx.Response:
    """One call of an endpoint."""
    given = {"csv": CSV, **body} if name == "commit-ticker-csv" else body
    return await http.post(PATHS[name], json=given, headers=headers)


async def audits(pool: asyncpg.Pool, name: str) -> list[str]:
    """The actions of one operation in the audit log."""
    rows = await pool.fetch("select action from openbell.audit where action like $1 || '%' order by id", name)
    return [row["action"] for row in rows]


async def test_each_operation_plans_confirms_once_and_is_audited(dsn: str, pool: asyncpg.Pool) -> None:
    """PF-38: in staging what is dangerous is planned, done by its token once, and both are on record; what is safe is
    done at once.
    """
    boss = await stamped(pool, "staging")
    async with house(dsn, "staging") as (_, http):
        for name, operation in OPERATIONS.items():
            first = await ask(http, name, boss)
            assert first.status_code == 200, (name, first.text)
            if operation.level == "safe":
                assert "done" in first.json()
                assert await audits(pool, name) == [name]
                continue
            told = first.json()
            assert told["plan"]["sentence"].endswith(".")
            assert await audits(pool, name) == [f"{name}.planned"]
            done = await ask(http, name, boss, token=told["token"])
            assert done.status_code == 200, (name, done.text)
            assert await audits(pool, name) == [f"{name}.planned", name]
            again = await ask(http, name, boss, token=told["token"])
            assert (again.status_code, again.json()["error"]["code"]) == (409, "confirmation_used")
        exported = await http.get("/api/reference.csv", headers=boss)
        assert exported.text.splitlines()[0].startswith("ticker,name")
        assert {line.split(",")[0] for line in exported.text.splitlines()[1:]} == {"AAPL", "MSFT"}


async def test_production_refuses_what_is_for_staging_by_process_and_by_stamp(dsn: str, pool: asyncpg.Pool) -> None:
    """PF-38, PF-42: production cannot be wiped: not by its own process, and not by one that believes to be staging."""
    boss = await stamped(pool, "production")
    await pool.execute("insert into openbell.digest_ticker (ticker, name, source) values ('AAPL', 'Apple', 'test')")
    only = [name for name, one in OPERATIONS.items() if one.level == "staging_only"]
    assert only == ["wipe-database", "commit-ticker-csv", "force-regenerate-all"]
    for environment in ("production", "staging", "development"):
        async with house(dsn, environment) as (_, http):
            for name in only:
                answer = await ask(http, name, boss)
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "disabled_in_production")
    async with pool.acquire() as conn:
        with pytest.raises(RefusedHere):
            await run(conn, OPERATIONS["wipe-database"], {}, actor="cli", environment="staging")
        with pytest.raises(asyncpg.PostgresError, match="production"):
            await conn.execute("select openbell.wipe_data($1)", list(KEPT_TABLES))
    assert await pool.fetchval("select count(*) from openbell.digest_ticker") == 1


async def test_a_token_is_for_one_person_one_action_one_plan_and_two_minutes(dsn: str, pool: asyncpg.Pool) -> None:
    """PF-38: a token of somebody else, of another action, of other arguments, too old, or of a plan that is another by
    now does nothing; what is refused leaves nothing behind.
    """
    boss = await stamped(pool, "staging")
    other = await add_person(pool, "other@example.com", role="admin", state="active")
    theirs = {"Authorization": f"Bearer {await make_token(pool, other, 'o', scope='operator')}"}
    async with house(dsn, "staging") as (_, http):
        token = (await ask(http, "commit-ticker-csv", boss)).json()["token"]
        for answer, code in (
            (await ask(http, "commit-ticker-csv", theirs, token=token), "confirmation_unknown"),
            (await ask(http, "wipe-database", boss, token=token), "confirmation_unknown"),
            (await ask(http, "commit-ticker-csv", boss, token="x" * 32), "confirmation_unknown"),
            (await ask(http, "commit-ticker-csv", boss, token=token, csv=f"{CSV}GE,GE\n"), "plan_changed"),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, code)
        async with pool.acquire() as conn:
            await import_rows(conn, "ticker,name\nAAPL,Apple\n", source="test", actor="test")
        changed = await ask(http, "commit-ticker-csv", boss, token=token)
        assert changed.json()["error"]["code"] == "plan_changed"
        await pool.execute("update openbell.confirmation set made_at = made_at - interval '1 h', "
                           "expires_at = expires_at - interval '3 minutes'")  # fmt: skip
        old = await ask(http, "commit-ticker-csv", boss, token=token)
        assert old.json()["error"]["code"] == "confirmation_expired"
        assert await audits(pool, "commit-ticker-csv") == ["commit-ticker-csv.planned"]


async def test_a_token_stands_for_the_very_rows_of_its_plan(dsn: str, pool: asyncpg.Pool) -> None:
    """PF-38: as many as were planned, but others: refused, and those are left alone."""
    boss = await stamped(pool, "staging")
    await pool.execute(LETTER)
    planned = await pool.fetchval(MAIL, "planned")
    async with house(dsn, "staging") as (_, http):
        told = (await ask(http, "clear-all-reports", boss)).json()
        assert told["plan"]["rows"] == {"mails": 1}
        await pool.execute("delete from openbell.delivery where id = $1", planned)
        await pool.execute(MAIL, "came later")
        refused = await ask(http, "clear-all-reports", boss, token=told["token"])
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "plan_changed")
        assert await pool.fetchval("select state from openbell.delivery") == "ready"
        again = (await ask(http, "clear-all-reports", boss)).json()
        done = (await ask(http, "clear-all-reports", boss, token=again["token"])).json()
        assert done["done"]["mails"] == 1, done
        assert await pool.fetchval("select state from openbell.delivery") == "cancelled"


async def test_an_import_replaces_only_what_its_plan_has_seen(pool: asyncpg.Pool) -> None:
    """PF-38: what somebody has written about a ticker since the plan is not replaced unseen, though as many change."""
    await stamped(pool, "staging")
    operation, given = OPERATIONS["commit-ticker-csv"], {"csv": CSV}
    async with pool.acquire() as conn:
        await import_rows(conn, "ticker,name\nAAPL,Apple Computer\n", source="test", actor="test")
        planned = await run(conn, operation, given, actor="cli", environment="staging")
        assert planned.plan.rows == {"added": 1, "changed": 1, "unchanged": 0}  # type: ignore[union-attr]
        await import_rows(conn, "ticker,name\nAAPL,Apple Europe\n", source="test", actor="test")
        with pytest.raises(NotConfirmed) as refused:
            await run(conn, operation, given, actor="cli", environment="staging", token=planned.token)  # type: ignore[union-attr]
        assert refused.value.code == "plan_changed"
        assert await conn.fetchval("select name from openbell.digest_ticker") == "Apple Europe"


async def test_two_operators_with_one_token_do_it_once(dsn: str, pool: asyncpg.Pool) -> None:
    """Issue 9, bad input: two at once with the same token: one does it, the other is told; never both."""
    await stamped(pool, "staging")
    operation, given = OPERATIONS["commit-ticker-csv"], {"csv": CSV}

    async def once(token: str | None) -> object:
        async with pool.acquire() as conn:
            return await run(conn, operation, given, actor="cli", environment="staging", token=token)

    token = (await once(None)).token  # type: ignore[attr-defined]
    both = await asyncio.gather(once(token), once(token), return_exceptions=True)
    refused = [one for one in both if isinstance(one, NotConfirmed)]
    assert len(refused) == 1
    assert refused[0].code in ("confirmation_used", "plan_changed")
    assert (await audits(pool, "commit-ticker-csv")).count("commit-ticker-csv") == 1


async def test_a_wipe_empties_every_table_but_those_that_are_named(dsn: str, pool: asyncpg.Pool) -> None:
    """PF-38: after a wipe nobody but the admins is there and each table that is not kept is empty; books are kept."""
    await stamped(pool, "staging")
    await add_person(pool, "someone@example.com", state="active")
    async with pool.acquire() as conn:
        await import_rows(conn, CSV, source="test", actor="test")
        spent = await conn.fetchval("select count(*) from openbell.account")
        planned = await run(conn, OPERATIONS["wipe-database"], {}, actor="cli", environment="staging")
        token = planned.token  # type: ignore[union-attr]
        await run(conn, OPERATIONS["wipe-database"], {}, actor="cli", environment="staging", token=token)
        tables = await conn.fetch(
            "select relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where n.nspname = 'openbell' and c.relkind in ('r', 'p') and not relispartition"
        )
        assert {*KEPT_TABLES} <= {row["name"] for row in tables}
        for row in tables:
            if row["name"] not in KEPT_TABLES:
                assert await conn.fetchval(f'select count(*) from openbell."{row["name"]}"') == 0, row["name"]
        assert await conn.fetchval("select array_agg(role) from openbell.person") == ["admin"]
        assert await conn.fetchval("select count(*) from openbell.account") == spent


async def test_clean_feeds_forgets_the_articles_of_its_plan_alone(pool: asyncpg.Pool) -> None:
    """PF-38: an article that has grown old enough since the plan was made again stays, and is one of the next plan."""
    ids = [
        await pool.fetchval(
            "insert into openbell.digest_article (address, title, title_key, publisher, seen_at)"
            " values ($1, 'Old', 'old', 'p', openbell.now() - interval '70 days') returning id",
            f"https://news.example/{n}",
        )
        for n in range(2)
    ]
    async with pool.acquire() as conn, conn.transaction():
        done = await OPERATIONS["clean-feeds"].do(conn, {}, Plan("", which=ids[:1]), "test")
    assert done == {"articles": 1}
    assert await pool.fetchval("select array_agg(id) from openbell.digest_article") == ids[1:]
