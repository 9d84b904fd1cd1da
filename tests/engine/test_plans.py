"""Hot statements keep to their index, whatever the statistics say: before and after a large table is analysed.

What a function does inside is not in any plan. It is told by the counters of what its transaction has read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from openbell import engine
from openbell.engine.database import SQL
from openbell.engine.registry import CLASSES
from openbell.postgres.pool import open_pool

FOLDER = Path(engine.__file__).parent / "queries"
FILL = Path(__file__).with_name("crowd.sql")
NAMES = ["number", "small"]
SERVED = list(CLASSES.values())
WORKERS = {"claim_jobs", "finish_tasks", "wake_parked", "begin_sweep", "beat_worker"}

HOT: dict[str, tuple[str, tuple[Any, ...], dict[str, str]]] = {
    "claim one by one": ("claim_jobs", (NAMES, SERVED, 1, 8), {"job": "job_claim"}),
    "finish a bundle": ("finish_tasks", (list(range(1, 1_001)), 1), {"job": "job_pkey"}),
    "wake parked": ("wake_parked", (100,), {"job": "job_parked"}),
    "begin a sweep": ("begin_sweep", (timedelta(seconds=1),), {"job": "job_parked"}),
    "heartbeat": ("beat_worker", (1, timedelta(seconds=10), False, {}, [1, 2, 3], True), {"job": "job_claim"}),
    "sweep one key": (
        "sweep_demand",
        (["number"], ["k7"], 10_000, 3),
        {"demand": "demand_pkey", "artifact": "artifact_pkey"},
    ),
    "read": (
        "read_artifacts",
        (["number"], ["k7"]),
        {"artifact": "artifact_pkey", "version": "version_pkey", "job": "job_key"},
    ),
    "look at heads": ("read_heads", (["number"], ["k7"]), {"artifact": "artifact_pkey", "job": "job_key"}),
    "history of a job": ("list_spends", (7,), {"spend": "spend_job"}),
}


@pytest.fixture
async def crowded(pool: asyncpg.Pool) -> asyncpg.Pool:
    """A database with many rows in every table that grows, and statistics from when they were empty."""
    await pool.execute("analyze")
    for statement in FILL.read_text().split(";"):
        if statement.strip():
            await pool.execute(statement)
    return pool


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a plan."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


@pytest.mark.parametrize("analysed", [False, True], ids=["stale statistics", "analysed"])
async def test_hot_statements_keep_to_their_index(crowded: asyncpg.Pool, dsn: str, analysed: bool) -> None:
    """PF-3: no hot statement reads a growing table from end to end, or sorts what its index has in order."""
    if analysed:
        await crowded.execute("analyze")
    workers = await open_pool(dsn, name="test worker", ordered=True)
    for name, (statement, arguments, indexes) in HOT.items():
        async with (workers if statement in WORKERS else crowded).acquire() as conn:
            turn = conn.transaction()
            await turn.start()
            (plan,) = await conn.fetchval(f"explain (format json) {SQL.get(statement)}", *arguments)
            await turn.rollback()
        scans = [
            node for node in nodes(plan["Plan"]) if node.get("Relation Name") in indexes and "Scan" in node["Node Type"]
        ]
        assert scans, name
        for node in scans:
            used = node.get("Index Name") or next(
                (child["Index Name"] for child in nodes(node) if "Index Name" in child), None
            )
            by_place = node["Node Type"] == "Tid Scan"
            assert by_place or used in {indexes[node["Relation Name"]], "job_pkey"}, (name, node["Node Type"], used)
        if statement.startswith("claim"):
            assert not [node for node in nodes(plan["Plan"]) if node["Node Type"] == "Sort"], name
    await workers.close()


JOB, TOKEN = 20_007, 5
"""A job that runs, of the products that are not bundled."""

ENDED = [{"id": 30_001, "state": "settled", "outcome": "ok", "took": {}, "trouble": "outage"}]
BOUGHT = ("number", "k7", "shop", "buy", None)
SECOND = timedelta(seconds=1)

INSIDE: dict[str, tuple[str, tuple[Any, ...]]] = {
    "reserve": (
        "reserve_spends",
        tuple([one] for one in (JOB, TOKEN, *BOUGHT, "repeat", None, None, SECOND, {"calls": 1}, 1, 1, 1)),
    ),
    "reserve by key": (
        "reserve_spends",
        tuple([one] for one in (JOB, TOKEN, *BOUGHT, "lookup", "key7", None, SECOND, {"calls": 1}, 1, 1, 1)),
    ),
    "mark as sent": ("mark_sent", (30_001, JOB, TOKEN)),
    "settle": ("settle_spends", (ENDED,)),
    "save a step": ("save_step", (JOB, TOKEN, "first", 1, ENDED)),
    "end a task": ("complete_task", (JOB, TOKEN, ENDED)),
    "end an attempt": ("end_attempt", (JOB, TOKEN, "retry", "x", "x", SECOND, SECOND, ENDED)),
    "recover": ("recover_spends", (SECOND,)),
}

GROWING = ("job", "spend", "hold", "aging", "artifact", "version", "demand", "trouble")

RUNNING = """
update openbell.job set worker = 1, token = 5 where id = 20007;
insert into openbell.account (subject, resource, period, closes, span, granted)
values ('shop', 'calls', 'minute', 'age', '1 minute', 1000000);
insert into openbell.aging (account_id, frees_at, amount)
select 1, now() + interval '1 hour', 0 from generate_series(1, 20000);
insert into openbell.hold (spend_id, account_id, amount) select n, 1, 0 from generate_series(1, 20000) as n;
insert into openbell.spend (id, job_id, token, product, key, provider, operation, effect, intended_at, tried_at,
    timeout, held)
overriding system value
values (30001, 20007, 5, 'number', 'k7', 'shop', 'buy', 'repeat', now(), now(), '1 s', '{"calls": 1}');
insert into openbell.hold (spend_id, account_id, amount) values (30001, 1, 1);
update openbell.account set held = 1
"""


@pytest.mark.parametrize("analysed", [False, True], ids=["stale statistics", "analysed"])
async def test_functions_read_what_they_need(crowded: asyncpg.Pool, dsn: str, analysed: bool) -> None:
    """PF-3: inside the functions of the paid path too, no statement reads a growing table from end to end."""
    await crowded.execute(RUNNING)
    if analysed:
        await crowded.execute("analyze")
    async with await open_pool(dsn, name="test worker", ordered=True) as workers, workers.acquire() as conn:
        for name, (statement, arguments) in INSIDE.items():
            turn = conn.transaction()
            await turn.start()
            await conn.fetch(SQL.get(statement), *arguments)
            rows = await conn.fetch(
                "select relname, seq_tup_read + coalesce(idx_tup_fetch, 0) as n from pg_stat_xact_user_tables"
            )
            await turn.rollback()
            read = {row["relname"]: row["n"] for row in rows if row["relname"] in GROWING}
            assert sum(read.values()) > 0, name
            assert max(read.values()) < 100, (name, read)


CALENDARS = """
update openbell.artifact
set calendar = case when key ~ '^k1?[0-9]{2}$' then 'TEST' when key ~ '5$' then 'OTHER' end,
    fresh_until = now() + interval '1 hour', stale_until = now() + interval '1 day'
"""


@pytest.mark.parametrize("analysed", [False, True], ids=["stale statistics", "analysed"])
async def test_a_change_of_hours_reads_its_calendar_only(crowded: asyncpg.Pool, analysed: bool) -> None:
    """PF-3, MD-17: whoever changes the hours of a calendar, or asks which are used, reads no values of other ones."""
    await crowded.execute(CALENDARS)
    if analysed:
        await crowded.execute("analyze")
    for statement, arguments in (("shorten_freshness", ["TEST"]), ("list_used_calendars", [])):
        (plan,) = await crowded.fetchval(f"explain (analyze, format json) {SQL.get(statement)}", *arguments)
        scans = [node for node in nodes(plan["Plan"]) if node.get("Relation Name") == "artifact"]
        scans = [node for node in scans if "Scan" in node["Node Type"]]
        assert scans, statement
        assert max(node["Actual Rows"] * node["Actual Loops"] for node in scans) < 1_000, statement
        assert not [node for node in scans if node["Node Type"] == "Seq Scan"], statement


LARGE = [*sorted(FOLDER.glob("prune_*.sql")), FOLDER.parents[1] / "web/queries/read_types.sql"]
"""Statements that go through many rows."""


@pytest.mark.parametrize("path", LARGE, ids=lambda path: path.stem)
def test_the_time_is_read_once(path: Path) -> None:
    """PF-3: our clock is a volatile function; in a condition it would be called for every row that is looked at."""
    assert not re.search(r"(?<!select )openbell\.now\(\)", path.read_text())


@pytest.mark.parametrize("place", [(-1, -32_768, 0), (90, -1, 10_000)], ids=["from the start", "further on"])
@pytest.mark.parametrize("analysed", [False, True], ids=["stale statistics", "analysed"])
async def test_a_bundle_touches_only_what_it_claims(
    crowded: asyncpg.Pool, place: tuple[int, int, int], analysed: bool
) -> None:
    """PF-3: a claim of a hundred small tasks out of twenty thousand reads and writes pages of a hundred."""
    if analysed:
        await crowded.execute("analyze")
    (plan,) = await crowded.fetchval(
        f"explain (analyze, buffers, format json) {SQL.get('claim_bundle')}", NAMES, SERVED, 1, 100, *place
    )
    assert plan["Plan"]["Actual Rows"] == 100
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 3_000
