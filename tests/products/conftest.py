"""What the products are tested with: a sandbox, and a kitchen that asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from openbell.products.sources import Source
from tests.engine.conftest import employ  # noqa: F401 - fixture
from tests.products.kitchen import Kitchen
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures
from tests.sandbox.harness import Running


@pytest.fixture
async def kitchen(pool: asyncpg.Pool, sandbox: Running) -> AsyncIterator[Kitchen]:  # noqa: F811
    """The kitchen, with the sandbox as provider."""
    made = await Kitchen.open(
        pool,
        {
            "fmp": Source(sandbox.url, key="sandbox", plan="premium", calls_per_minute=10_000),
            "edgar": Source(f"{sandbox.url}/edgar"),
        },
    )
    yield made
    await made.close()
