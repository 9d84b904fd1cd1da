"""The digest itself, made by a worker."""

from __future__ import annotations

import asyncpg

from openbell.engine.artifacts import Reading, read
from openbell.products.context import contexts
from openbell.products.digest.digest import Digest, digest
from openbell.products.digest.editions import digest_key, local_day
from openbell.products.sources import limits_of
from tests.engine.conftest import Employ
from tests.engine.hand import ended, queue
from tests.products.digest.newsroom import ZONE, Newsroom, roomy
from tests.support import eventually


async def made(pool: asyncpg.Pool, employ: Employ, newsroom: Newsroom, ticker: str, *, job_class: str) -> Reading:
    """The digest of a ticker for today, made by a worker with the newsroom's connections."""
    sources = newsroom.connections.sources
    await employ(digest, limits=[roomy(one) for one in limits_of(sources)], context=contexts(newsroom.connections))
    now = await pool.fetchval("select openbell.now()")
    key = digest_key(ticker, "daily", local_day(now, ZONE))
    await queue(pool, key, name="digest", job_class=job_class)

    async def is_settled() -> Reading | None:
        reading = await read(pool, "digest", key)
        return reading if reading.settled else None

    return await eventually(is_settled, 60)


async def test_a_digest_is_made_for_nothing(pool: asyncpg.Pool, employ: Employ, newsroom: Newsroom) -> None:
    """DG-1, DG-3: without a key or a model a digest comes out, labelled extractive and synthetic, and costs nothing."""
    reading = await made(pool, employ, newsroom, "AAPL", job_class="interactive")
    assert reading.state == "fresh", (reading.setback, await ended(pool, reading.key, "digest"))
    found = Digest.model_validate(reading.value)
    assert found.content.bullets
    assert {source for bullet in found.content.bullets for source in bullet.sources} <= {
        one.id for one in found.inputs.articles
    }
    assert reading.cost_micro == 0
    assert found.content.made_by == "extractive, no model"
    assert found.inputs.synthetic
    assert reading.synthetic


async def test_a_ticker_that_nobody_has_imported(pool: asyncpg.Pool, employ: Employ, newsroom: Newsroom) -> None:
    """DG-35: there is no digest of it, and the failure says what to import."""
    reading = await made(pool, employ, newsroom, "ZZZZ", job_class="interactive")
    assert reading.setback is not None
    assert reading.setback.code == "unknown_ticker"
    assert "openbell reference import" in reading.setback.message
