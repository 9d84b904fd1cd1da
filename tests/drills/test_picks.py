"""A small weekly run of picks whose workers are killed."""

from __future__ import annotations

import asyncpg

from openbell.drills.picks import POINTS, Size, play
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures
from tests.sandbox.harness import Running

SMALL = ("sql:claim_members", "answer:POST v1/batches", "sql:add_answer", "sql:add_edition")


async def test_one_charge_a_person_whoever_is_killed(dsn: str, pool: asyncpg.Pool, sandbox: Running) -> None:  # noqa: F811
    """PK-1, PK-5, PK-16, PK-21: killed at every kind of step and at random, everybody has an edition, paid for once."""
    said: list[str] = []
    size = Size(users=12, workers=3, members=6, points=SMALL, random_kills=2, seed=7)
    played = await play(dsn, sandbox.url, size, said.append)
    assert played.faults == [], said
    assert (played.editions, played.charges, played.charged_twice) == (12, 13, 0)
    assert len(played.killed_at) + played.killed_at_random >= 3
    assert set(SMALL) <= set(POINTS)
