"""Prefetch: make what viewers are likely to open next, from spare budget alone. Off until the flag ``prefetch`` is on.

Who looks at one part of a key may open its other parts: while a key is watched, the other products of the same kind of
key and the same provider are likely next, the keys first of which most is open. What is paid by use is never made so.
They are wanted in the class `background`, a few at a time, so that whatever anybody waits for goes before them. Nothing
is prefetched while work of a more urgent class waits for the same provider, and only as much as lies below
:data:`SHARE` of every account that a call touches and above what it keeps for more urgent work: the rest of the minute,
of the day and of the 30 days is for those who are there.

What was made so is counted by product and day: ``hits`` were then opened while they were fresh, ``missed`` were not. A
hit is seen on a beat, so that a look that is shorter than that is not counted: the rate is counted low.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from openbell.engine.database import SQL, Db
from openbell.engine.duty import Duty
from openbell.engine.hints import Hints
from openbell.engine.registry import CLASSES, Product, Registry
from openbell.engine.sweep import sweep

FLAG = "prefetch"
CLASS = CLASSES["background"]
BEAT_S = 5.0
IDLE_BEAT_S = 60.0
LEASE = timedelta(seconds=30)
SHARE = 0.5
"""Of what an account grants, as much as others and prefetches together may have used for a prefetch to be made."""
MOST_AT_ONCE = 4
"""Prefetches that are wanted, waiting or under way, in the whole house."""
LEAST_TTL = timedelta(hours=1)
"""What is fresh for less would be stale before anybody opens it."""


@dataclass(frozen=True, slots=True)
class Prefetched:
    """What prefetching a product has come to: values made, those that were opened in time, and those that were not."""

    product: str
    made: int
    hits: int
    missed: int

    @property
    def rate(self) -> float | None:
        """Hits of all that was made; those that are still fresh may yet be opened. None where nothing was made."""
        return min(1.0, self.hits / self.made) if self.made else None


def likely(one: Product) -> bool:
    """Whether a product may be prefetched: made on demand, and fresh for long enough to be opened in time."""
    policy = one.policy
    return policy is not None and one.job_class == "interactive" and one.calendar is None and policy.ttl >= LEAST_TTL


async def count_prefetched(db: Db, over: timedelta) -> list[Prefetched]:
    """What prefetching has come to, by product, in the days since ``over`` ago."""
    return [Prefetched(**row) for row in await db.fetch(SQL.get("count_prefetched"), over)]


class Prefetcher(Duty):
    """Wants what is likely next. One process does each beat, whichever is first; none while the flag is off."""

    name = "prefetch"

    def __init__(self, pool: asyncpg.Pool, registry: Registry, hints: Hints) -> None:
        super().__init__()
        self._pool, self._registry, self._hints = pool, registry, hints

    async def beat(self) -> float:
        """Count what has been opened, and want a few more."""
        turn = await self._pool.fetchrow(SQL.get("begin_prefetch"), timedelta(seconds=BEAT_S * 0.9), FLAG)
        if turn is None:
            return IDLE_BEAT_S
        if turn["ours"]:
            await self._pool.execute(SQL.get("judge_prefetch"), CLASS)
            if turn["is_on"]:
                await self._pick()
        return BEAT_S

    async def _pick(self) -> None:
        products = [one for one in self._registry if not one.is_task]
        kinds = {one.name: f"{one.provider} {one.key.__module__}.{one.key.__qualname__}" for one in products}
        next_ones = [one.name for one in products if likely(one)]
        rows = await self._pool.fetch(
            SQL.get("pick_prefetch"),
            list(kinds),
            list(kinds.values()),
            next_ones,
            [kinds[name] for name in next_ones],
            CLASS,
            LEASE,
            MOST_AT_ONCE,
            SHARE,
            FLAG,
        )
        await self._queue([(row["product"], row["key"]) for row in rows])

    async def _queue(self, keys: Sequence[tuple[str, str]]) -> None:
        if keys:
            for job in await sweep(self._pool, keys):
                self._hints.tell("work", job.product, job.key)
