"""An attempt at one job that asks one provider, whose worker can be killed or sent away between two calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from openbell.engine.attempt import Attempt
from openbell.engine.ledger import Limit
from openbell.engine.registry import Calls
from openbell.engine.spends import Settlement
from tests.engine.hand import Hand, account, declare, queue, rescue


@dataclass
class Seat:
    """Who sits here makes the calls of one attempt after the other."""

    pool: asyncpg.Pool
    hand: Hand
    provider: str
    attempt: Attempt
    product: str

    @classmethod
    async def take(cls, pool: asyncpg.Pool, provider: str, limits: Sequence[Limit], *, product: str = "asking") -> Seat:
        """A first attempt."""
        hand = await Hand.hire(pool, declare(product, spends={provider: Calls(1)}, max_attempts=20), limits=limits)
        await queue(pool, "a", name=product)
        return cls(pool, hand, provider, hand.attempt((await hand.claim())[0]), product)

    @property
    def ended(self) -> list[Settlement]:
        """The calls that have ended and are not written yet; they stay to be written."""
        ended = self.attempt.take_ended()
        if ended:
            self.attempt.give_back(ended)
        return ended

    async def go_on(self) -> None:
        """The attempt ends without a result and without using one, and the next one begins."""
        assert await self.hand.end(self.attempt.claim, "wait", settle=self.attempt.take_ended()) is not None
        await self._next()

    async def be_killed(self) -> None:
        """The process of the attempt is gone, with all that was not written; another one takes the job."""
        await self.hand.expire()
        assert len(await rescue(self.pool)) == 1
        self.hand = await Hand.hire(self.pool, limits=[])
        self.hand.products, self.hand.accounts = [self.product], self.attempt.accounts
        await self._next()

    async def _next(self) -> None:
        [claim] = await self.hand.claim()
        self.attempt = self.hand.attempt(claim)

    async def spends(self) -> list[asyncpg.Record]:
        """All spends of the provider, oldest first."""
        return list(
            await self.pool.fetch(
                "select *, state::text as word from openbell.spend where provider = $1 order by id", self.provider
            )
        )

    async def money(self, resource: str = "usd_micro") -> tuple[int, int]:
        """What is held and what is spent of a resource of the provider."""
        row = await account(self.pool, self.provider, resource)
        return row["held"], row["spent"]
