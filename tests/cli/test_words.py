"""Words that the command line repeats, so that it starts without loading the engine."""

from __future__ import annotations

import asyncpg

from openbell.cli.listings import JOB_STATES
from openbell.engine.jobs import ENDED, LIVE


async def test_the_states_of_jobs_are_the_engine_s(pool: asyncpg.Pool) -> None:
    """PK-17, PF-48: one set of words for the states of a job, in the database, the engine and the command line."""
    outcomes = await pool.fetchval("select array_agg(e::text) from unnest(enum_range(null::openbell.job_outcome)) e")
    assert set(JOB_STATES) == set(LIVE) | set(ENDED)
    assert set(ENDED) == set(outcomes)
