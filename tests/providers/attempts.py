"""An attempt for a client under test, and a worker that shows what becomes of a job whose client fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any

import asyncpg

from openbell.engine.artifacts import read
from openbell.engine.attempt import Attempt
from openbell.engine.errors import NothingKnown
from openbell.engine.ledger import Limit
from openbell.engine.registry import Calls
from openbell.engine.spends import Settlement
from tests.engine.conftest import Employ
from tests.engine.hand import Hand, Number, declare, ended, job, queue
from tests.support import eventually


async def an_attempt(pool: asyncpg.Pool, limits: Sequence[Limit]) -> Attempt:
    """An attempt that may call the providers of these limits."""
    hand = await Hand.hire(pool, declare("asking", spends={limits[0].subject: Calls(1)}), limits=limits)
    await queue(pool, "a", name="asking")
    return hand.attempt((await hand.claim())[0])


def only(attempt: Attempt) -> Settlement:
    """The one call that the attempt has made, and its end."""
    (settlement,) = attempt.take_ended()
    return settlement


@dataclass
class Became:
    """What became of the job: its state or outcome, the attempts used, the code, and how long who is paused.

    Pauses are what was left of them when it was looked at, at most ``took`` after they had begun.
    """

    state: str
    attempts: int
    code: str | None
    delay: timedelta | None
    paused: dict[str, timedelta]
    took: timedelta


@dataclass
class Trial:
    """A worker whose jobs do nothing but ask, so that it can be seen what it makes of each answer."""

    pool: asyncpg.Pool
    ask: Callable[[Attempt], Awaitable[Any]]
    key: str = ""

    @classmethod
    async def begin(
        cls, pool: asyncpg.Pool, employ: Employ, limits: Sequence[Limit], ask: Callable[[Attempt], Awaitable[Any]]
    ) -> Trial:
        """Employ the worker."""
        trial = cls(pool, ask)
        product = declare("asking", trial._make, spends={limits[0].subject: Calls(1)}, timeout=timedelta(seconds=20))
        await employ(product, limits=limits)
        return trial

    async def _make(self, key: Any, attempt: Attempt) -> Number:
        if str(key) != self.key:  # the sweep may bring back what was forgotten
            raise NothingKnown("the turn of this key is over")
        await self.ask(attempt)
        return Number(n=1)

    async def of(self, key: str) -> Became:
        """What becomes of the job of a key, once it has been tried."""
        self.key = key
        begun = monotonic()
        await queue(self.pool, key, name="asking")

        async def over() -> bool:
            row = await job(self.pool, key, "asking")
            return row is None or (row["token"] is None and row["reason"] is not None)

        await eventually(over)
        reading = await read(self.pool, "asking", key)
        paused = {
            row["subject"]: row["left"]
            for row in await self.pool.fetch(
                "select subject, max(blocked_until) - openbell.now() as left from openbell.account "
                "where blocked_until > openbell.now() group by subject"
            )
        }
        live = await self.pool.fetchrow(
            "select attempt, parked_until - openbell.now() as delay from openbell.job where key = $1", key
        )
        if live is not None:
            assert reading.job is not None
            return Became(reading.job.state, live["attempt"], None, live["delay"], paused, _since(begun))
        (last,) = await ended(self.pool, key, "asking")
        return Became(last["word"], last["attempts"], last["code"], None, paused, _since(begun))

    async def rests(self, key: str) -> timedelta | None:
        """How long the key is left alone after what became of it."""
        left = await self.pool.fetchval("select retry_at - openbell.now() from openbell.cooldown where key = $1", key)
        return left and timedelta(seconds=round(left.total_seconds()))

    async def forget(self) -> None:
        """End what waits, every pause and every trouble, as if nothing had happened."""
        self.key = ""
        for table in ("demand", "job", "breaker", "trouble"):
            await self.pool.execute(f"delete from openbell.{table}")
        await self.pool.execute("update openbell.account set blocked_until = null, blocked_reason = null")


def _since(begun: float) -> timedelta:
    return timedelta(seconds=monotonic() - begun)


async def became(
    pool: asyncpg.Pool,
    employ: Employ,
    limits: Sequence[Limit],
    ask: Callable[[Attempt], Awaitable[Any]],
) -> Became:
    """Let a worker run a job that does nothing but ask, once, and see what is made of it."""
    return await (await Trial.begin(pool, employ, limits, ask)).of("a")
