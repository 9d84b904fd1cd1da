"""Source times, with the sandbox as a provider that serves old data: older is discarded, equal is unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from openbell.engine.artifacts import read
from openbell.products.context import contexts
from openbell.products.keys import Symbol
from openbell.products.sources import Connections, limits_of
from tests.engine.conftest import Employ
from tests.engine.hand import ended, queue
from tests.products.kitchen import PRODUCTS, Kitchen
from tests.sandbox.harness import Running
from tests.support import Clock, eventually

TYPES = ("quote", "financial-statements", "valuations", "treasury-rates")


@pytest.fixture
async def staff(employ: Employ, kitchen: Kitchen) -> AsyncIterator[None]:
    """One worker for the types whose rows have a time of the source."""
    connections = Connections(kitchen.sources)
    await employ(*map(PRODUCTS.get, TYPES), limits=limits_of(kitchen.sources), context=contexts(connections))
    yield
    await connections.close()


async def outcome(pool: asyncpg.Pool, product: str, times: int) -> str:
    """How the refresh of that number ends."""
    await queue(pool, key_of(product), name=product)

    async def over() -> bool:
        return len(await ended(pool, key_of(product), product)) == times

    await eventually(over)
    return str((await ended(pool, key_of(product), product))[-1]["word"])


def key_of(product: str) -> str:
    return "IBM" if PRODUCTS.get(product).key is Symbol else "GLOBAL"


@pytest.mark.parametrize("product", TYPES)
async def test_old_data_is_not_taken_for_new(
    sandbox: Running, pool: asyncpg.Pool, clock: Clock, staff: None, product: str
) -> None:
    """MD-4, MD-5: the same again is unchanged, older is discarded and asked again soon, newer is a new version."""
    assert PRODUCTS.get(product).source_time == "source_time"
    assert await outcome(pool, product, 1) == "done"
    first = await read(pool, product, key_of(product))
    assert first.source_time is not None
    assert first.source_time <= datetime(2012, 6, 1, 13, 30, tzinfo=UTC)

    await clock.advance(days=31)
    assert await outcome(pool, product, 2) == "unchanged"
    again = await read(pool, product, key_of(product))
    assert (again.version, again.changed_at) == (1, first.changed_at)
    assert again.checked_at is not None
    assert first.checked_at is not None
    assert again.checked_at > first.checked_at

    await clock.advance(days=31)
    fault = await sandbox.fault("older", days=400)
    assert await outcome(pool, product, 3) == "outdated"
    old = await read(pool, product, key_of(product))
    assert (old.version, old.source_time, old.checked_at) == (1, first.source_time, again.checked_at)
    assert old.fresh_until is not None
    policy = PRODUCTS.get(product).policy
    assert policy is not None
    assert (old.fresh_until - old.now) <= policy.retry_ttl

    await sandbox.client.delete("/_control/faults", params={"id": fault})
    await sandbox.clock(advance_days=250)
    await clock.advance(days=31)
    assert await outcome(pool, product, 4) == "done"
    newest = await read(pool, product, key_of(product))
    assert newest.version == 2
    assert newest.source_time is not None
    assert newest.source_time > first.source_time
