"""A sandbox to ask, an attempt to ask it with, and workers that do it by themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import httpx
import pytest

from openbell.engine.attempt import Attempt
from openbell.engine.registry import Calls
from openbell.providers import fmp
from openbell.providers.fmp import Fmp
from tests.engine.conftest import employ  # noqa: F401 - fixture
from tests.engine.hand import Hand, declare, queue
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures
from tests.sandbox.harness import Running

KEY = "marked-key-5f2c9d"


@dataclass
class Desk:
    """A client of the sandbox within one attempt."""

    fmp: Fmp
    attempt: Attempt
    http: httpx.AsyncClient


@pytest.fixture
async def desk(pool: asyncpg.Pool, sandbox: Running) -> AsyncIterator[Desk]:  # noqa: F811
    """An attempt with the limits of a premium plan."""
    hand = await Hand.hire(pool, declare("asking", spends={"fmp": Calls(1)}), limits=fmp.limits("premium"))
    await queue(pool, "a", name="asking")
    attempt = hand.attempt((await hand.claim())[0])
    async with fmp.open_http(sandbox.url, "sandbox") as http:
        yield Desk(Fmp(http, attempt), attempt, http)
