"""Attempts at the first half of a digest, by hand."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import asyncpg

from openbell.engine.errors import ProducerError
from openbell.engine.ledger import Limit
from openbell.engine.registry import Calls
from openbell.products.context import Context
from openbell.products.digest.editions import digest_key, local_day
from openbell.products.digest.gather import gather
from openbell.products.digest.inputs import DigestInputs
from openbell.products.digest.reference import import_rows
from openbell.products.sources import Connections, Source, limits_of
from tests.engine.hand import Hand, declare, queue, rescue, wake
from tests.sandbox.harness import Running

CONTACT = "Openbell tests tests@openbell.example"
ZONE = "America/New_York"
REFERENCE = """\
ticker,name,cik,aliases,industry,competitors,upstream,downstream
AAPL,Apple,320193,Apple Inc.,technology,MSFT: Microsoft; GOOG: Google,SYN001: Synthetic 001,
MSFT,Microsoft,789019,,technology,AAPL: Apple,,
IBM,IBM,51143,International Business Machines,,,,
"""
_numbers = itertools.count(1)


@dataclass
class Newsroom:
    """Makes inputs of digests; each attempt at a job of its own, unless it is told to go on with the last one."""

    pool: asyncpg.Pool
    sandbox: Running
    hand: Hand
    connections: Connections
    product: str
    attempts: list[Any] = field(default_factory=list)

    @classmethod
    async def open(
        cls, pool: asyncpg.Pool, sandbox: Running, sources: Mapping[str, Source], *, models: str = "none"
    ) -> Newsroom:
        """Hire a worker who may ask these sources, and import two companies."""
        product = f"asking{next(_numbers)}"
        asking = declare(product, spends={"news": Calls(0)}, max_attempts=50, timeout=timedelta(minutes=5))
        limits = [roomy(limit) for limit in limits_of(sources)]
        hand = await Hand.hire(pool, asking, limits=limits)
        async with pool.acquire() as conn:
            imported = await import_rows(conn, REFERENCE, source="tests", actor="tests")
        assert not imported.errors
        return cls(pool, sandbox, hand, Connections(sources, contact=CONTACT, digest_models=models), product)

    async def context(self, job: str | None = None) -> Context:
        """A first attempt at a new job, or the next one at that one."""
        await queue(self.pool, job or f"job {next(_numbers)}", name=self.product)
        await wake(self.pool)
        [claim] = await self.hand.claim()
        attempt = self.hand.attempt(claim)
        self.attempts.append(attempt)
        return Context(attempt, self.connections)

    async def gather(self, ticker: str = "AAPL", *, edition: Any = "daily", job: str | None = None) -> DigestInputs:
        """The inputs of today's digest."""
        ctx = await self.context(job)
        day = local_day(ctx.attempt.claim.now, ZONE)
        try:
            inputs = await gather(ctx, digest_key(ticker, edition, day).parts)
        except ProducerError:
            await ctx.attempt.close()
            if job is not None:
                await self.hand.end(ctx.attempt.claim, "wait", settle=ctx.attempt.take_ended())
            raise
        await self.hand.publish(ctx.attempt.claim, {"n": 1}, settle=ctx.attempt.take_ended())
        assert inputs is not None
        return inputs

    async def be_killed(self) -> None:
        """The worker is gone with all that it had not written; its jobs wait for the next one."""
        await self.hand.expire()
        await rescue(self.pool)
        # The time that lost calls may take is over.
        await self.pool.execute("update openbell.spend set tried_at = tried_at - timeout * 2 where state <> 'settled'")
        await self.pool.fetchval("select openbell.recover_spends('0 seconds')")
        products, accounts = self.hand.products, self.hand.accounts
        self.hand = await Hand.hire(self.pool, limits=[])
        self.hand.products, self.hand.accounts = products, accounts

    async def close(self) -> None:
        """Close what was opened."""
        await self.connections.close()


def roomy(limit: Limit) -> Limit:
    """The limit with room for a test that does in seconds what takes minutes."""
    from dataclasses import replace

    return replace(limit, granted=limit.granted * 100) if limit.span == timedelta(minutes=1) else limit


def with_models(sandbox: Running, *, scrapfly: bool = False) -> dict[str, Source]:
    """The free sources, a model that is paid for, and pages that are."""
    found = {
        "news": Source(f"{sandbox.url}/news", calls_per_minute=10_000),
        "edgar": Source(f"{sandbox.url}/edgar"),
        "anthropic": Source(f"{sandbox.url}/anthropic", key="sandbox", budget=10**9, calls_per_minute=10_000),
    }
    if scrapfly:
        found["scrapfly"] = Source(f"{sandbox.url}/scrapfly", key="sandbox", plan="free", calls_per_minute=10_000)
    return found
