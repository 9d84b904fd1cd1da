"""Workers in this process, and a sandbox to ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import pytest

from openbell.engine.ledger import Limit
from openbell.engine.registry import Product, Registry
from openbell.engine.worker import Worker
from openbell.postgres.pool import open_pool
from tests.engine.hand import per_minute
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures

Employ = Callable[..., Awaitable[Worker]]


@pytest.fixture
async def another_pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """A second process, as far as the database can tell."""
    made = await open_pool(dsn, name="test 2")
    yield made
    await asyncio.wait_for(made.close(), timeout=30)


@pytest.fixture
async def employ(dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Employ]:
    """Start workers, each with a pool of its own, and wait until they listen; all are drained at the end.

    They look for what is due more often than otherwise when idle: the clock of tests jumps, and nobody tells them.
    """
    monkeypatch.setattr("openbell.engine.sweep.IDLE_BEAT_S", 0.4)
    started: list[tuple[asyncpg.Pool, asyncio.Event, asyncio.Task[None]]] = []

    async def starter(
        *products: Product, limits: Sequence[Limit] = (per_minute(1_000),), grace_s: float = 1.0, **options: Any
    ) -> Worker:
        pool, stop = await open_pool(dsn, name="test worker"), asyncio.Event()
        options.setdefault("context", lambda attempt: attempt)
        worker = Worker(pool, dsn, Registry(products), limits=limits, grace_s=grace_s, **options)
        started.append((pool, stop, asyncio.create_task(worker.run(stop))))
        await asyncio.wait_for(worker.hints.listening.wait(), 30)
        return worker

    yield starter
    for _, stop, _ in started:
        stop.set()
    for pool, _, task in started:
        await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), timeout=30)
        pool.terminate()
