"""The short form of ``make chaos``, and the proof that it notices what it should.

All on a real server with fsync and with real worker processes; leases are shortened so that many end within seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openbell.postgres.embedded import EmbeddedServer
from openbell.postgres.migrate import migrate
from tests.chaos.faults import ROOT
from tests.chaos.mutants import MUTANTS
from tests.chaos.run import Plan, run
from tests.support import TestServer

NAMES = ("the engine as it is", *MUTANTS)
MIGRATED = "migrated"
AT_ONCE = 3
"""Mutants that run side by side; they mostly wait."""

TRIES = 6
"""A mutant is looked for so often, each time for longer: on a busy machine a short run may not come to its fault."""

MUTANT_S = 600
"""What one run may take; it is usually over after some seconds."""


@pytest.fixture(scope="module")
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server as users run it: everything that was committed is on disk."""
    server = EmbeddedServer(tmp_path_factory.mktemp("durable"), settings={"max_connections": "400"})
    asyncio.run(server.start())
    asyncio.run(_prepare(server))
    yield server
    asyncio.run(server.stop())


async def _prepare(server: EmbeddedServer) -> None:
    """All migrations, once."""
    there = TestServer(server.dsn)
    await there.execute(f"create database {MIGRATED}")
    await migrate(there.dsn_of(MIGRATED))


async def _database(server: EmbeddedServer, name: str) -> str:
    there = TestServer(server.dsn)
    await there.execute(f"create database {name} template {MIGRATED}")
    return there.dsn_of(name)


async def _run_mutant(name: str, dsn: str, folder: Path, tried: int) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.chaos.mutant_run", name, dsn, str(folder), str(tried),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, errors = await asyncio.wait_for(process.communicate(), MUTANT_S)
    except TimeoutError:
        process.kill()
        await process.communicate()
        return {"broken": {"the run itself": f"it took longer than {MUTANT_S} s"}}
    verdict = output.decode().splitlines()[-1:]
    return json.loads(verdict[0]) if verdict else {"broken": {"the run itself": errors.decode()[-2_000:]}}


@pytest.fixture(scope="module")
def verdicts(durable: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was found against each mutant."""
    free = asyncio.Semaphore(AT_ONCE)

    async def judge(number: int, name: str) -> dict[str, Any]:
        verdict: dict[str, Any] = {}
        for tried in range(TRIES if name in MUTANTS else 1):
            async with free:
                dsn = await _database(durable, f"mutant_{number}_{tried}")
                verdict = await _run_mutant(name, dsn, tmp_path_factory.mktemp(f"m{number}"), tried)
            if name in MUTANTS and MUTANTS[name].rule in verdict["broken"]:
                break
        return verdict

    async def judge_all() -> list[dict[str, Any]]:
        return await asyncio.gather(*(judge(number, name) for number, name in enumerate(NAMES)))

    return dict(zip(NAMES, asyncio.run(judge_all()), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("seats", [False, True])
async def test_nothing_is_lost_doubled_or_overspent(durable: EmbeddedServer, tmp_path: Path, seats: bool) -> None:
    """PF-2 to PF-9, PF-50: whatever is killed, frozen, cut off or crashed, every promise of the engine is kept."""
    plan = Plan(
        seed=11 + seats, seconds=11, pace=0.2, freeze_s=(0.5, 4), fault_every_s=0.7, seats=seats, slack_s=30, quiet_s=60
    )  # fmt: skip
    report = await run(plan, tmp_path, durable, await _database(durable, f"short_{seats}".lower()))
    assert report.violations == []
    assert report.figures["jobs"] > 20
    assert report.figures["kills"] + report.figures["freezes"] > 0


@pytest.mark.slow
def test_the_engine_as_it_is_breaks_nothing(verdicts: dict[str, Any]) -> None:
    """What is found against the mutants is found against nothing else: the same run without a mutant is clean."""
    assert verdicts[NAMES[0]]["broken"] == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_engine_is_noticed(verdicts: dict[str, Any], name: str) -> None:
    """PF-46: an engine that breaks a promise on purpose is found out, by the rule that names the promise."""
    assert MUTANTS[name].rule in verdicts[name]["broken"], verdicts[name]
