"""The digest itself, made by a worker."""

from __future__ import annotations

from datetime import timedelta

import asyncpg

from openbell.engine.artifacts import Reading, read
from openbell.engine.seats import seat_limits
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

    return await eventually(is_settled, 180)


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


async def test_limits_hold_with_digests(pool: asyncpg.Pool, employ: Employ, newsroom: Newsroom) -> None:
    """DG-25, DG-26: of real digests in two workers at most 4 scheduled, 2 ad-hoc and 5 in all are under way at once;
    with both waiting 4 and 1 are; and all of them are made.
    """
    control, seats = newsroom.sandbox.client, seat_limits(5, 4, 2)
    slow = {"provider": "news", "kind": "slow", "seconds": 3}  # so that none is over before all seats are taken
    (await control.post("/_control/faults", json=slow)).raise_for_status()
    limits = [roomy(one) for one in limits_of(newsroom.connections.sources)]
    today = local_day(await pool.fetchval("select openbell.now()"), ZONE)
    keys = [digest_key(t, "daily", today - timedelta(days=n)) for n in range(3) for t in ("AAPL", "MSFT", "IBM")]
    scheduled, adhoc = keys[:6], keys[6:]
    for _ in range(2):
        context = contexts(newsroom.connections)
        await employ(digest, limits=limits, context=context, seats=seats, slots=5)
    seen: set[tuple[int, int]] = set()

    async def look() -> tuple[int, int]:
        row = await pool.fetchrow(
            "select count(*) filter (where job_class = 10) as scheduled, "
            "count(*) filter (where job_class = 50) as adhoc from openbell.job where token is not null"
        )
        assert row is not None
        found = (row["scheduled"], row["adhoc"])
        seen.add(found)
        return found

    async def has_begun() -> bool:
        return await look() == (4, 0)

    async def is_full() -> bool:
        return await look() == (4, 1)

    async def is_over() -> bool:
        await look()
        return not await pool.fetchval("select count(*) from openbell.job")

    await queue(pool, *scheduled, name="digest", job_class="scheduled")
    await eventually(has_begun)
    await queue(pool, *adhoc, name="digest", job_class="ad-hoc")
    await eventually(is_full, 180)
    (await control.delete("/_control/faults")).raise_for_status()
    await eventually(is_over, 240)
    assert all(a <= 4 and b <= 2 and a + b <= 5 for a, b in seen), seen
    done = await pool.fetch("select key, outcome::text from openbell.job_history where product = 'digest'")
    assert {row["key"] for row in done if row["outcome"] in ("value", "empty", "done")} == {str(key) for key in keys}, (
        done
    )
