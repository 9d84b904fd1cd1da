"""A small weekly run of picks whose workers are killed, and what is told of a run that is not over."""

from __future__ import annotations

import asyncpg

from openbell.drills.picks import POINTS, Played, Size, Stage, play
from openbell.drills.picks_report import tell
from tests.products.picks.desk import WEEK as DESK_WEEK
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures
from tests.sandbox.harness import Running

SMALL = ("sql:claim_members", "answer:POST v1/batches", "sql:add_answer", "sql:add_edition")


async def test_one_charge_a_person_whoever_is_killed(dsn: str, pool: asyncpg.Pool, sandbox: Running) -> None:  # noqa: F811
    """PK-1, PK-5, PK-16, PK-21: killed at every kind of step and at random, everybody has an edition, paid for once."""
    said: list[str] = []
    size = Size(users=12, workers=3, members=6, points=SMALL, random_kills=2, batch_s=0.1, seed=7)
    played = await play(dsn, sandbox.url, size, said.append)
    assert played.faults == [], (said, played.left)
    assert (played.editions, played.charges, played.charged_twice, played.altered) == (12, 13, 0, 0)
    assert len(played.killed_at) + played.killed_at_random >= 3
    assert set(SMALL) <= set(POINTS)
    told = tell(size, played)
    assert "| people with an edition of their own | 12 of 12 |" in told
    assert "Every promise was kept." in told


async def test_what_is_left_is_told(pool: asyncpg.Pool) -> None:
    """PK-20: of a run that is not over each job is told with its state and its worker, gone or not, and each place."""
    await pool.execute(
        "insert into openbell.worker (name, slots, expires_at) values ('drill 7', 8, openbell.now() - interval '1 min')"
    )
    await pool.execute(
        "insert into openbell.job (product, key, job_class, max_attempts, attempt, worker, token, parked_until)"
        " select 'picks-edition', '7|2030-03-04', 1, 20, 2, w.id, 5, null from openbell.worker w"
        " union all select 'picks-batch', '2030-03-04|1', 1, 20, 1, null, null, openbell.now() + interval '90 s'"
    )
    await pool.execute(
        "insert into openbell.picks_slot (edition, person_id, week, reason, code, message)"
        " values ('all|2030-03-04', null, $1, 'new_week', 'run_failed', 'it brought nothing')",
        DESK_WEEK,
    )
    stage = Stage(pool, "", "", Size(), lambda _: None)
    await stage.tell_left()
    running, parked, place = stage.played.left
    assert running.startswith("picks-edition 7|2030-03-04 is running, attempt 2, with drill 7, which is gone")
    assert parked.startswith("picks-batch 2030-03-04|1 is parked, attempt 1, until ")
    assert place == "edition all|2030-03-04 is pending; run_failed; it brought nothing"
    told = tell(Size(), Played(faults=["the run was not over after 300 s"], left=stage.played.left))
    assert "- **the run was not over after 300 s**" in told
    assert f"- {running}" in told
