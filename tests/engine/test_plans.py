"""Hot statements keep to their index, whatever the statistics say: before and after a large table is analysed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from openbell.engine.database import SQL
from openbell.engine.registry import CLASSES
from openbell.postgres.pool import open_pool

FILL = Path(__file__).with_name("crowd.sql")
NAMES = ["number", "small"]
SERVED = list(CLASSES.values())
WORKERS = {"claim_jobs", "finish_tasks", "wake_parked", "begin_sweep", "beat_worker"}

HOT: dict[str, tuple[str, tuple[Any, ...], dict[str, str]]] = {
    "claim one by one": ("claim_jobs", (NAMES, SERVED, 1, 8), {"job": "job_claim"}),
    "finish a bundle": ("finish_tasks", (list(range(1, 1_001)), 1), {"job": "job_pkey"}),
    "wake parked": ("wake_parked", (100,), {"job": "job_parked"}),
    "begin a sweep": ("begin_sweep", (timedelta(seconds=1),), {"job": "job_parked"}),
    "heartbeat": ("beat_worker", (1, timedelta(seconds=10), False, {}, [1, 2, 3]), {"job": "job_pkey"}),
    "sweep one key": ("sweep_demand", (["number"], ["k7"]), {"demand": "demand_pkey", "artifact": "artifact_pkey"}),
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
