"""A newsroom: attempts at digests against a running sandbox, one after the other or killed in between."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from openbell.products.sources import Source
from tests.products.digest.newsroom import Newsroom
from tests.sandbox.harness import Running


@pytest.fixture
async def newsroom(pool: asyncpg.Pool, sandbox: Running) -> AsyncIterator[Newsroom]:
    """Everything free of charge: feeds, links, pages, filings; no model and no paid pages."""
    made = await Newsroom.open(pool, sandbox, sources_of(sandbox))
    yield made
    await made.close()


def sources_of(sandbox: Running) -> dict[str, Source]:
    """The free sources of a sandbox."""
    return {
        "news": Source(f"{sandbox.url}/news", calls_per_minute=10_000),
        "edgar": Source(f"{sandbox.url}/edgar"),
    }
