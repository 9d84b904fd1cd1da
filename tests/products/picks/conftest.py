"""A house in which picks are made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from openbell.products.sources import Connections
from tests.engine.conftest import employ  # noqa: F401 - fixture
from tests.products.picks.desk import Desk
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures
from tests.sandbox.harness import Running


@pytest.fixture
async def opened() -> AsyncIterator[list[Connections]]:
    """The connections of workers, closed once these have ended."""
    made: list[Connections] = []
    yield made
    for one in made:
        await one.close()


@pytest.fixture
async def desk(pool: asyncpg.Pool, sandbox: Running, opened: list[Connections], employ: Any) -> Desk:  # noqa: F811
    """The house, on a Monday at half past five in New York."""
    return await Desk.open(pool, sandbox, employ, opened)
