"""Processes that die or stand still at every moment between the intent of a call and its settlement.

The short form of ``make chaos KILLS=10000``: real processes, a shop with books of its own, and a sandbox that is asked
through the real clients; all books are compared to the micro-dollar. Then the engine's and the clients' handling of
money is broken on purpose, which must be noticed each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.chaos.clients import PROVIDERS
from tests.chaos.fate import Fate
from tests.chaos.kills import KINDS, NONE, PLACES, Outcome, close_books, run, try_mutant
from tests.chaos.lane import Story, open_lane
from tests.chaos.mutants import MONEY
from tests.databases import Databases
from tests.support import TestServer

KILLS = 120


@pytest.fixture
def second_dsn(server: TestServer, databases: Databases) -> Iterator[str]:
    """One more database, so that two may die side by side."""
    name = databases.take()
    yield server.dsn_of(name)
    databases.give_back(name)


@pytest.mark.slow
async def test_nothing_is_paid_twice_or_for_nothing(dsn: str, second_dsn: str, tmp_path: Path) -> None:
    """PF-10, PF-12, PF-21, DC-1: 120 deaths, half of them chosen: the two ledgers agree to the micro-dollar.

    With keys nothing is bought twice and no result is lost; without keys nothing is repeated in silence, and what is
    doubtful is visible, is held for, and comes out even when it is resolved from the provider's books.
    """
    outcome = await run([dsn, second_dsn], tmp_path, kills=KILLS, seed=1, chosen=0.5)
    assert outcome.violations == []
    figures = outcome.figures()
    assert figures["kills"] >= KILLS
    assert figures["freezes"] > 0
    assert figures["unknown"] > 0
    assert figures["lines_met"] > KILLS / 10
    assert set(figures["by"]) >= {f"kill at {place}" for place in PLACES}
    assert set(figures["of_providers"]) == set(PROVIDERS)
    assert min(figures["of_providers"].values()) > 0


@pytest.mark.slow
async def test_who_is_frozen_with_the_request_in_hand_pays_once_where_keys_are_known(dsn: str, tmp_path: Path) -> None:
    """DC-1: late by a lease and more, nothing is bought twice where keys are known; without keys the job has ended as
    doubtful by then.
    """
    outcome = Outcome()
    async with open_lane(dsn, tmp_path, 1) as lane:
        for kind in ("keyed", "paid"):
            (passed,) = await lane.play(Story(kind, [NONE]))
            for number in range(passed["line"] // 3, passed["line"] * 2 // 3, 7):
                await lane.play(Story(kind, [Fate("line", number, "stop")], thaw=5))
        await close_books(lane, outcome)
    assert outcome.violations == []
    assert outcome.counts["freezes"] >= 10
    assert outcome.counts["thawed"] == outcome.counts["freezes"]


@pytest.mark.slow
@pytest.mark.parametrize("name", MONEY)
async def test_broken_handling_of_money_is_noticed(dsn: str, tmp_path: Path, name: str) -> None:
    """PF-10, PF-12, PF-21: an engine that misplaces money on purpose is found out, by the rule for that promise."""
    outcome = await asyncio.wait_for(try_mutant(name, dsn, tmp_path), 300)
    assert MONEY[name].rule in {rule for rule, _ in outcome.violations}, outcome.violations[:5]


async def test_the_books_of_a_quiet_day_agree(dsn: str, tmp_path: Path) -> None:
    """PF-21: without any fault no spend is doubtful, and the ledgers agree at once."""
    outcome = Outcome()
    async with open_lane(dsn, tmp_path, 1, providers=True) as lane:
        for kind in KINDS:
            await lane.play(Story(kind))
        await close_books(lane, outcome)
    assert outcome.violations == []
    assert outcome.doubtful == 0
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(
        "select subject, spent + overrun as spent from openbell.account where period = 'ever'"
    )
    spent = {row["subject"]: row["spent"] for row in rows}
    await connection.close()
    assert sum(spent.values()) == outcome.charged
    assert min(spent[name] for name in ("store", "perplexity", "anthropic")) > 0
