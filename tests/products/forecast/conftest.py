"""A worker with the sandbox's Wikipedia, for comparisons from the demand to the published forecast."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine.artifacts import Reading, read
from openbell.engine.demand import want
from openbell.engine.enqueue import enqueue
from openbell.engine.ledger import Limit
from openbell.engine.registry import Registry
from openbell.products.context import contexts
from openbell.products.forecast.keys import pair_of
from openbell.products.sources import Connections, Source
from tests.engine.conftest import Employ, employ  # noqa: F401 - fixture
from tests.products.kitchen import CONTACT, PRODUCTS
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures
from tests.sandbox.harness import Running
from tests.support import Clock, eventually

NAMES = (
    "entity", "interest", "forecast", "comparison", "eod-prices",
    "forecast-warmup", "forecast-ageing", "forecast-evaluation", "comparison-alerts",
)  # fmt: skip
PAIR = pair_of("amazon", "costco").key


@dataclass
class Desk:
    """What a test of comparisons works at."""

    pool: asyncpg.Pool
    sandbox: Running
    clock: Clock
    hire: Callable[[], Awaitable[None]]

    async def want(self, key: str = PAIR, *, product: str = "comparison", seconds: float = 600) -> None:
        """Demand it, as a page does."""
        await want(self.pool, [(product, key)], source="test", seconds=seconds)
        await self.pool.execute("select pg_notify('openbell', $1)", json.dumps(["work", [[product, key]]]))

    async def read(self, key: str = PAIR, product: str = "comparison") -> Reading:
        """What is known of it."""
        return await read(self.pool, product, key)

    async def warm(self, key: str = PAIR) -> Any:
        """Demand it and wait until it is fresh; its value."""
        await self.want(key)
        return await self.until(key, "fresh")

    async def until(self, key: str, state: str, product: str = "comparison") -> Any:
        """Wait until it is in this state; its value."""

        async def there() -> bool:
            return (await self.read(key, product)).state == state

        await eventually(there, message=f"{product} {key} is not {state}: {await self.read(key, product)}")
        return (await self.read(key, product)).value

    async def run(self, task: str) -> None:
        """Queue a task and wait until it has ended."""
        [job] = await enqueue(self.pool, PRODUCTS.get(task), [("GLOBAL", None)])
        await self.pool.execute("select pg_notify('openbell', $1)", json.dumps(["work", [[task, "GLOBAL"]]]))

        async def ended() -> bool:
            await self.clock.advance(seconds=1)
            return bool(await self.pool.fetchval("select count(*) from openbell.job_history where id = $1", job.id))

        await eventually(ended)

    async def outcomes(self, product: str, key: str | None = None) -> list[str]:
        """How the jobs of a product ended, oldest first."""
        rows = await self.pool.fetch(
            """select outcome::text, code from openbell.job_history
               where product = $1 and ($2::text is null or key = $2) order by finished_at, id""",
            product,
            key,
        )
        return [row["code"] or row["outcome"] for row in rows]

    async def publish_interest(self, title: str, level: float, *, days: int = 1_850, last: date | None = None) -> None:
        """Store a series as if the source had been asked, fresh for a day."""
        last = last or date(2026, 11, 20)
        views = [int(level * (1 + 0.2 * ((n // 7) % 52) / 52) + 7 * (n % 7)) for n in range(days)]
        first = last - timedelta(days=days - 1)
        value = {
            "title": title,
            "project": "en.wikipedia",
            "first": first.isoformat(),
            "last": last.isoformat(),
            "views": views,
        }
        await self.store("interest", title, value)

    async def store(self, product: str, key: str, value: Any) -> None:
        """Publish a value by hand, as one more version."""
        async with self.pool.acquire() as connection, connection.transaction():
            version = 1 + int(
                await connection.fetchval(
                    "select coalesce(max(version), 0) from openbell.version where product = $1 and key = $2",
                    product,
                    key,
                )
            )
            await connection.execute(
                """insert into openbell.artifact (product, key, version, state, checked_at, changed_at, fresh_until,
                stale_until)
                   values ($1, $2, $3, 'value', openbell.now(), openbell.now(), openbell.now() + interval '1 day',
                       openbell.now() + interval '7 days')
                   on conflict (product, key) do update set version = excluded.version, checked_at =
                   excluded.checked_at,
                       changed_at = excluded.changed_at, fresh_until = excluded.fresh_until,
                       stale_until = excluded.stale_until, state = 'value'""",
                product, key, version,
            )  # fmt: skip
            await connection.execute(
                """insert into openbell.version (product, key, version, created_at, value, provenance, producer_version,
                       licence, cost_micro, job_id)
                   values ($1, $2, $3, openbell.now(), $4, '{}', 1, 'cc0', 0, 1)""",
                product, key, version, value,
            )  # fmt: skip


@pytest.fixture
async def bare_desk(
    pool: asyncpg.Pool,
    clock: Clock,
    sandbox: Running,  # noqa: F811
    employ: Employ,  # noqa: F811
) -> AsyncIterator[Desk]:
    """The desk without a worker; `hire` brings one that may ask the sandbox's Wikipedia as often as it likes."""
    connections = Connections(
        {"wikimedia": Source(f"{sandbox.url}/wikimedia"), "fmp": Source(sandbox.url, key="sandbox", plan="premium")},
        contact=CONTACT,
    )
    limits = [
        Limit("wikimedia", "calls", "at once", 50, closes="release"),
        Limit("fmp", "calls", "at once", 50, closes="release"),
    ]

    async def hire() -> None:
        await employ(*map(PRODUCTS.get, NAMES), limits=limits, context=contexts(connections))

    await Registry([PRODUCTS.get(name) for name in NAMES]).seed(pool)
    yield Desk(pool, sandbox, clock, hire)
    await connections.close()


@pytest.fixture
async def desk(bare_desk: Desk) -> Desk:
    """The desk with a worker."""
    await bare_desk.hire()
    return bare_desk
