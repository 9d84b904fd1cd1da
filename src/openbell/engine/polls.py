"""Fixed lists: keys that are refreshed again and again whether or not somebody looks. The old way, beside demand.

A list is how a product was refreshed before demand was; the flag ``demand-PRODUCT`` takes its keys over, all of them or
a stable share, and gives them back. A key that was taken over is refreshed while somebody looks and no more. On either
side it has one live job at most and its stored values stay where they are, so switching to and fro loses nothing and
fetches nothing twice.

In ``shadow`` the list goes on, and beside it is noted what demand would have fetched when, and who would have waited
for it. Nothing is fetched for that: the producer is the same, and what differs is how often and for whom it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from openbell.engine.database import SQL, Db
from openbell.engine.demand import BEAT_S, LEASE_S
from openbell.engine.duty import Duty
from openbell.engine.registry import CLASSES
from openbell.engine.sweep import BEAT_S as SWEEP_S

CLASS = CLASSES["scheduled"]
DEAF_S = 4.5
"""How soon a process that cannot listen looks whether a flag has changed."""
IDLE_S = 60.0


def flag_of(product: str) -> str:
    """The flag that takes over the keys of a product's list."""
    return f"demand-{product}"


@dataclass(frozen=True, slots=True)
class Side:
    """What the keys on one side of the flag took ``since`` then, and how old their values are now."""

    taken_over: bool
    since: datetime
    keys: int
    refreshes: int
    changed: int
    failed: int
    calls: int
    bytes: int
    cost_micro: int
    median_age_s: float | None
    fresh: int

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self) | {
            "since": self.since.isoformat(),
            "median_age_s": None if self.median_age_s is None else round(self.median_age_s, 1),
        }


@dataclass(frozen=True, slots=True)
class Poll:
    """The list of one product: how many keys, how many of them demand has taken over, and the first of them."""

    product: str
    keys: int
    taken_over: int
    first_keys: Sequence[str]


async def list_polls(db: Db) -> list[Poll]:
    """The lists, by product."""
    return [Poll(**row) for row in await db.fetch(SQL.get("list_polls"))]


async def add_polls(db: Db, product: str, keys: Sequence[str]) -> None:
    """Put canonical keys on a product's list; those on it already stay."""
    await db.execute(SQL.get("add_polls"), product, sorted(set(keys)))


async def drop_polls(db: Db, product: str, keys: Sequence[str] | None = None) -> None:
    """Take keys off a product's list, or all of them."""
    await db.execute(SQL.get("drop_polls"), product, None if keys is None else list(keys))


async def compare_polls(db: Db, product: str, over: timedelta) -> list[Side]:
    """Both sides of a product's list: first what is polled, then what demand has taken over.

    Over the last ``over``, or since the flag was last changed: a key that has changed sides has no history on this one.
    """
    return [Side(**row) for row in await db.fetch(SQL.get("compare_polls"), product, over)]


class Poller(Duty):
    """Wants what is on the lists and has not been taken over. One process does each beat, whichever is first.

    A change of a flag makes the next beat due at once; who hears of it beats then, who cannot listen within
    :data:`DEAF_S`.
    """

    name = "poll"

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        is_listening: Callable[[], bool] = lambda: False,
        renewed: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._pool, self._is_listening, self._renewed = pool, is_listening, renewed

    async def beat(self) -> float:
        """Renew the leases of the lists; ``renewed`` is called when this process has done so.

        The turn is a statement of its own: a change of a flag that it has waited for is seen by the next one.
        """
        ours = await self._pool.fetchval(SQL.get("begin_duty"), self.name, timedelta(seconds=BEAT_S * 0.9))
        if ours and await self._pool.fetchval(SQL.get("renew_polls"), CLASS, timedelta(seconds=LEASE_S)):
            self._renewed()
        return BEAT_S if self._is_listening() else DEAF_S


class Rehearsal(Duty):
    """Notes what demand would have fetched, for the lists whose flag is in shadow. One process does each beat."""

    name = "rehearse"

    def __init__(self, pool: asyncpg.Pool, *, is_listening: Callable[[], bool] = lambda: False) -> None:
        super().__init__()
        self._pool, self._is_listening = pool, is_listening

    async def beat(self) -> float:
        """Look once, as the sweep does; seldom while there is nothing to rehearse, until a flag's change is heard."""
        if await self._pool.fetchval(SQL.get("rehearse_demand"), timedelta(seconds=SWEEP_S * 0.9)):
            return SWEEP_S
        return IDLE_S if self._is_listening() else DEAF_S


def fewer(polled: Side, demanded: Side) -> float | None:
    """By which share a key that was taken over takes fewer calls than a polled one; None without a figure for both."""
    if not polled.keys or not demanded.keys or not polled.calls:
        return None
    return 1 - (demanded.calls / demanded.keys) / (polled.calls / polled.keys)
