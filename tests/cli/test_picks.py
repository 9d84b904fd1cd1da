"""`openbell picks`, against a database that `DATABASE_URL` names."""

from __future__ import annotations

import json
from pathlib import Path

import asyncpg

from openbell.people import add_person
from openbell.products import registry
from openbell.products.picks.store import set_status
from openbell.products.picks.words import Status
from tests.cli.house import openbell

SLOT = "insert into openbell.picks_slot (edition, person_id, week, reason) values ($1, $2, '2030-03-04', 'new_week')"


async def test_attesting(dsn: str, pool: asyncpg.Pool) -> None:
    """DC-9: who attests is stored with name and time, and may take it back; both are audited."""
    code, out, err = await openbell(dsn, "picks", "attest", "--name", "Ann  Example")
    assert (code, err) == (0, "")
    assert "under the name Ann Example: I may lawfully" in out
    code, out, err = await openbell(dsn, "picks", "attest", "--name", "Ann Example", "--withdraw", "--json")
    assert json.loads(out)["given"] is False
    assert (await openbell(dsn, "picks", "attest", "--name", " "))[0] == 2
    rows = await pool.fetch("select action, target from openbell.audit order by id")
    assert [tuple(row) for row in rows] == [("picks.attest", "Ann Example"), ("picks.withdraw", "Ann Example")]


async def test_a_week_for_operators(dsn: str, pool: asyncpg.Pool) -> None:
    """PK-15, PK-19: failures are listed and tried again by hand; costs are told by person and week."""
    await registry().seed(pool)
    person = await add_person(pool, "ann@example.com", state="active", actor="test")
    key = f"{person.id}|2030-03-04"
    await pool.execute(SLOT, key, person.id)
    await set_status(pool, Status.ERROR, key, code="run_failed", message="it broke")
    code, out, err = await openbell(dsn, "picks", "list", "--week", "2030-03-06", "--status", "error", "--json")
    assert (code, err) == (0, "")
    (row,) = json.loads(out)
    assert (row["edition"], row["code"], row["message"]) == (key, "run_failed", "it broke")
    assert (await openbell(dsn, "picks", "list", "--status", "odd"))[0] == 2
    code, out, err = await openbell(dsn, "picks", "costs", "--week", "2030-03-04", "--json")
    told = json.loads(out)
    assert (told["duplicates"], told["adds_up"], len(told["editions"])) == (0, True, 1)
    code, out, err = await openbell(dsn, "picks", "costs", "--week", "2030-03-04")
    assert "duplicates 0." in out
    code, out, err = await openbell(dsn, "picks", "retry", key, "--json")
    assert json.loads(out)["status"] == "generation_queued"
    assert await pool.fetchval("select key from openbell.job") == key
    assert (await openbell(dsn, "picks", "retry", "9|2030-03-04"))[0] == 3
    assert (await openbell(dsn, "picks", "retry", "9|2030-03-05"))[0] == 2


async def test_an_import(dsn: str, pool: asyncpg.Pool, tmp_path: Path) -> None:
    """Issue 7, item 7: a damaged row is named by its place, and the exit code says that something was left out."""
    await registry().seed(pool)
    file = tmp_path / "old.json"
    file.write_text(json.dumps([{"user_id": "x", "week_of": "2030-02-25", "stock_picks": [], "status": "complete"}]))
    code, out, _ = await openbell(dsn, "picks", "import", str(file), "--json")
    assert code == 1
    assert json.loads(out)["damaged"] == [
        {"row": 1, "user": "x", "week": "2030-02-25", "why": "unknown_user: nobody here has this user's address"}
    ]
    file.write_text("not json")
    assert (await openbell(dsn, "picks", "import", str(file)))[0] == 2


async def test_figures_for_a_fresh_instance(dsn: str, pool: asyncpg.Pool) -> None:
    """Issue 7, item 4: without --yes only the price is told; with it the work is queued once, and audited."""
    await registry().seed(pool)
    code, out, err = await openbell(dsn, "picks", "starter")
    assert (code, err) == (0, "")
    assert "16 companies take 48 calls of today's budget. Nothing was asked for" in out
    assert await pool.fetchval("select count(*) from openbell.job") == 0
    told = [json.loads((await openbell(dsn, "picks", "starter", "--yes", "--json"))[1]) for _ in range(2)]
    assert [(one["calls"], one["asked"]) for one in told] == [(48, True)] * 2
    assert len({one["job_id"] for one in told}) == 1
    assert await pool.fetchval("select count(*) from openbell.audit where action = 'picks.starter'") == 1
    assert (await openbell(dsn, "picks", "starter", "--companies", "3"))[0] == 2
