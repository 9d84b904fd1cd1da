"""A short, seeded run of schemathesis; `make fuzz` makes 20,000 requests."""

from __future__ import annotations

from pathlib import Path

import asyncpg

from openbell.products import registry
from tests.web.conftest import serve
from tests.web.fuzz import fuzz, operators_token


async def test_no_request_of_the_document_is_answered_with_a_5xx_or_what_is_not_documented(
    dsn: str, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    """Issue 9, bad input: what the OpenAPI document allows, and what it forbids, gets an answer that it names."""
    await registry().seed(pool)
    async with serve(dsn, pool, cron_secret="a" * 20, warmup_secret="b" * 20) as site:
        await site.ready()
        token = await operators_token(pool)
        done = await fuzz(site.address, token, examples=8, seed=7, folder=tmp_path, phases="fuzzing")
    assert done.passed, done.said
    assert done.requests > 150, done.said
