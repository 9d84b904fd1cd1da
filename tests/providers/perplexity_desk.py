"""The Perplexity client within an attempt, against the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import httpx

from openbell.engine.errors import Waiting
from openbell.providers import perplexity
from openbell.providers.perplexity import Ask, Perplexity, Run, limits
from tests.providers.seat import Seat
from tests.sandbox.harness import Running
from tests.support import eventually

# Tests look more often than once in seconds.
PLENTY = [one for one in limits(1_000, usd_micro_per_month=100_000_000) if one.period != "second"]
ASK = Ask("Which of IBM and FB is the better buy?", effort="low@2026-10-16.0", hold_micro=500_000)


@dataclass
class Desk:
    """The service, and the seat from which it is asked."""

    http: httpx.AsyncClient
    seat: Seat
    sandbox: Running

    @property
    def service(self) -> Perplexity:
        return Perplexity(self.http, self.seat.attempt)

    async def finished(self, ask: Ask = ASK, *, key: str = "picks:1") -> Run:
        """The run, after as many attempts as it takes."""

        async def look() -> Run | None:
            try:
                return await self.service.research(ask, key=key)
            except Waiting:
                await self.seat.go_on()
                return None

        run = await eventually(look)
        assert run is not None
        return run

    async def spend(self, key: str) -> asyncpg.Record:
        """The spend of a key, once what has ended is written."""
        await self.seat.go_on()
        return next(one for one in await self.seat.spends() if one["idempotency_key"] == key)

    async def billed(self) -> int:
        return await self.sandbox.billed_usd_micro("perplexity")

    async def created(self) -> int:
        """How many runs the service has been asked for."""
        entries = await self.sandbox.entries("perplexity")
        return sum(entry["operation"] == "POST v1/agent" for entry in entries)


@asynccontextmanager
async def sit(pool: asyncpg.Pool, sandbox: Running) -> AsyncIterator[Desk]:
    """A service with a budget of 100 dollars."""
    seat = await Seat.take(pool, "perplexity", PLENTY)
    async with perplexity.open_http(f"{sandbox.url}/perplexity", "sandbox") as http:
        yield Desk(http, seat, sandbox)
