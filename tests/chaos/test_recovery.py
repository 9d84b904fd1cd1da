"""With the engine's own times: what a killed and a frozen process held runs again; late writes change nothing."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import pytest

from openbell.engine.demand import want
from tests.chaos.faults import Staff
from tests.chaos.history import History
from tests.chaos.outside import Outside
from tests.chaos.run import Plan, prepare
from tests.support import eventually

WITHIN_S = 30.0
"""A lease of 10 seconds and a beat of 3, as the engine has them, on a machine that is busy or stalls."""
TABLES = ("job", "job_history", "artifact", "version", "cooldown", "step", "spend", "hold", "aging", "account")


class Gate(Outside):
    """An outside world that keeps its answers back until it is opened."""

    def __init__(self, path: Path, history: History) -> None:
        super().__init__(path, history, Random(1), latency_s=0.0)
        self.keeps_back = True
        self.opened = asyncio.Event()

    async def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        kept_back = self.keeps_back and request["kind"] == "call"
        self._history.add(request.pop("kind"), **request)
        if kept_back:
            await self.opened.wait()
        if not request.get("mute"):
            writer.write(b'{"status": "ok"}\n')
            await writer.drain()


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Gate]:
    """The outside world of this test."""
    made = Gate(tmp_path / "outside", History(tmp_path / "history.jsonl"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def staff(dsn: str, pool: asyncpg.Pool, gate: Gate, tmp_path: Path) -> AsyncIterator[Staff]:
    """Three workers, each with room for one job."""
    options = {"dsn": dsn, "outside": str(gate.path), "pace": 1, "mutant": None, "seed": 1, "seats": False}
    await prepare(dsn, Plan(seed=1, seconds=0))
    await pool.execute("update openbell.schedule set enabled = false")
    made = Staff(options | {"calls": 100, "slots": 1}, tmp_path, gate._history)
    for _ in range(3):
        made.hire()
    yield made
    made.kill()


async def _everything(pool: asyncpg.Pool) -> dict[str, list[Any]]:
    return {
        table: [tuple(row) for row in await pool.fetch(f"select * from openbell.{table} order by 1, 2, 3")]
        for table in TABLES
    }


@pytest.mark.slow
async def test_lost_jobs_run_again(pool: asyncpg.Pool, gate: Gate, staff: Staff) -> None:
    """PF-4 to PF-6: jobs of a killed and of a frozen process run again after the lease; late writes change nothing."""
    await eventually(staff.are_ready)
    await want(pool, [("quote", "A"), ("quote", "B")], source="test", seconds=3600)
    await eventually(lambda: gate._history.count("call") == 2)
    killed, frozen = gate._history.of("call")
    assert killed["worker"] != frozen["worker"]
    gate.keeps_back = False

    processes = {one.name: one for one in staff.processes}
    processes[frozen["worker"]].send(signal.SIGSTOP)
    processes[killed["worker"]].send(signal.SIGKILL)
    lost_at = time.time()

    async def runs_again() -> bool:
        again = {fact["job"] for fact in gate._history.of("call") if fact["at"] > lost_at}
        return again >= {killed["job"], frozen["job"]}

    await eventually(runs_again, WITHIN_S)
    await pool.execute("delete from openbell.demand")
    await eventually(lambda: pool.fetchval("select not exists (select 1 from openbell.job)"))

    before = await _everything(pool)
    assert {row[:3] for row in before["version"]} >= {("quote", "A", 1), ("quote", "B", 1)}
    processes[frozen["worker"]].send(signal.SIGCONT)
    gate.opened.set()
    fenced = "select exists (select 1 from openbell.worker where name = $1 and (counters ->> 'fenced')::int > 0)"
    await eventually(lambda: pool.fetchval(fenced, frozen["worker"]))
    assert await _everything(pool) == before
