"""What an operator may ask for on a fresh instance: nothing unasked, then an edition of figures by itself."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from openbell.engine.registry import Product, Registry
from openbell.products import registry
from openbell.products.context import contexts
from openbell.products.picks import starter
from openbell.products.picks.reading import look
from openbell.products.picks.store import current_week
from openbell.products.picks.tasks import picks_starter
from openbell.products.picks.words import Kind
from openbell.products.sources import Connections, Source
from tests.engine.conftest import employ  # noqa: F401 - fixture
from tests.sandbox.harness import Running
from tests.support import eventually

OLD = 'insert into openbell.picks_fact values ($1, \'OLD\', \'{"ticker": "OLD", "name": "Old"}\')'


@pytest.fixture
async def tasks(pool: asyncpg.Pool) -> list[Product]:
    """What a worker needs for it."""
    kinds = registry()
    found = [kinds.get(name) for name in (*starter.TYPES, starter.STARTER_TASK)]
    await Registry(found).seed(pool)
    return found


def connected(sandbox: Running, opened: list[Connections], path: str = "") -> Connections:
    """To the sandbox's market data."""
    opened.append(Connections({"fmp": Source(sandbox.url + path, key="sandbox", plan="ultimate")}))
    return opened[-1]


async def test_figures_of_starter_companies(
    pool: asyncpg.Pool,
    tasks: list[Product],
    sandbox: Running,
    opened: list[Connections],
    employ: Any,  # noqa: F811
) -> None:
    """Issue 7, item 4: nothing is asked for until an operator does; then as many calls as told, and an edition."""
    week = await current_week(pool)
    await pool.execute(OLD, week)
    offered = await starter.offer(pool)
    assert (offered.companies, offered.calls, offered.is_there, offered.job_id) == (16, 48, False, None)
    assert await pool.fetchval("select count(*) from openbell.job") == 0
    for wrong in (11, 25):
        with pytest.raises(ValueError, match="12 to 24 companies"):
            await starter.ask(pool, picks_starter, wrong, actor="ann")
    jobs = {await starter.ask(pool, picks_starter, 12, actor="ann") for _ in range(3)}
    assert len(jobs) == 1
    assert (await starter.offer(pool)).job_id in jobs
    assert await pool.fetchval("select count(*) from openbell.audit where action = 'picks.starter'") == 1
    connections = connected(sandbox, opened)
    await employ(*tasks, limits=connections.limits, context=contexts(connections))

    async def is_made() -> bool:
        return (await starter.offer(pool)).is_there

    await eventually(is_made)
    view = await look(pool, None, enabled=False)
    assert view.edition is not None
    shown = view.edition
    assert (shown.kind, shown.week, shown.stored.synthetic is not None) == (Kind.FIGURES, week, True)
    assert (await sandbox.ledger())["totals"]["calls"] == 36
    assert await starter.ask(pool, picks_starter, 16, actor="ann") is None


async def test_a_provider_that_tells_nothing(
    pool: asyncpg.Pool,
    tasks: list[Product],
    sandbox: Running,
    opened: list[Connections],
    employ: Any,  # noqa: F811
) -> None:
    """Issue 7, item 4: where the first company does not come no other is asked for, and the operator is told why."""
    await starter.ask(pool, picks_starter, 16, actor="ann")
    connections = connected(sandbox, opened, "/nowhere")
    await employ(*tasks, limits=connections.limits, context=contexts(connections))

    async def has_failed() -> bool:
        return (await starter.offer(pool)).failed is not None

    await eventually(has_failed)
    told = await starter.offer(pool)
    assert "did not tell about AAPL" in (told.failed or "")
    assert (told.job_id, told.is_there) == (None, False)
    assert await pool.fetchval("select count(distinct key) from openbell.demand where product = 'profile'") == 1
