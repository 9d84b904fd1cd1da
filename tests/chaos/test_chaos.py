"""The short form of ``make chaos``, and the proof that it notices: each mutant of the engine breaks the rule that it should.

All on a real server with fsync, real worker processes, leases shortened so that many end within seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from openbell.postgres.embedded import EmbeddedServer
from tests.chaos.mutants import MUTANTS
from tests.chaos.run import Plan, run
from tests.support import TestServer

PACE = 0.2


@pytest.fixture(scope="module")
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server as users run it: everything that was committed is on disk."""
    server = EmbeddedServer(tmp_path_factory.mktemp("durable"))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


async def _database(server: EmbeddedServer, name: str) -> str:
    admin = TestServer(server.dsn)
    connection = await asyncpg.connect(server.dsn)
    try:
        await connection.execute(f"create database {name}")
    finally:
        await connection.close()
    return admin.dsn_of(name)


@pytest.mark.slow
@pytest.mark.parametrize("seats", [False, True])
async def test_nothing_is_lost_doubled_or_overspent(durable: EmbeddedServer, tmp_path: Path, seats: bool) -> None:
    """PF-2 to PF-9, PF-50: whatever is killed, frozen, cut off or crashed, every promise of the engine is kept."""
    plan = Plan(seed=11 + seats, seconds=14, pace=PACE, fault_every_s=0.8, seats=seats, crashes=True, quiet_s=40)
    report = await run(plan, tmp_path, durable, await _database(durable, f"short_{seats}".lower()))
    assert report.violations == []
    assert report.figures["jobs"] > 200
    assert report.figures["kills"] + report.figures["freezes"] > 3


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
async def test_a_broken_engine_is_noticed(durable: EmbeddedServer, tmp_path: Path, name: str) -> None:
    """PF-46: an engine that breaks a promise on purpose is found out, by the rule that names the promise."""
    mutant = MUTANTS[name]
    plan = Plan(
        seed=5, seconds=6, workers=3, pace=0.1, fault_every_s=0.5, load_pause_s=0.02, seats=mutant.seats,
        crashes=False, mutant=name, quiet_s=6,
    )  # fmt: skip
    database = await _database(durable, f"mutant_{list(MUTANTS).index(name)}")
    report = await run(plan, tmp_path, durable, database)
    assert mutant.rule in report.broken, report.figures
