"""Fixed lists: keys that are refreshed again and again whether or not somebody looks. The old way, beside demand.

A list is how a product was refreshed before demand was; the flag ``demand-PRODUCT`` takes its keys over, all of them or
a stable share, and gives them back. A key that was taken over is refreshed while somebody looks and no more. On either
side it has one live job at most and its stored values stay where they are, so switching to and fro loses nothing and
fetches nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from openbell.engine.database import SQL, Db
from openbell.engine.demand import BEAT_S, LEASE_S
from openbell.engine.duty import Duty
from openbell.engine.registry import CLASSES

CLASS = CLASSES["scheduled"]


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
    """Wants what is on the lists and has not been taken over. One process does each beat, whichever is first."""

    name = "poll"

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__()
        self._pool = pool

    async def beat(self) -> float:
        """Renew the leases of the lists."""
        turn, lease = timedelta(seconds=BEAT_S * 0.9), timedelta(seconds=LEASE_S)
        await self._pool.execute(SQL.get("renew_polls"), turn, CLASS, lease)
        return BEAT_S


def fewer(polled: Side, demanded: Side) -> float | None:
    """By which share a key that was taken over takes fewer calls than a polled one; None without a figure for both."""
    if not polled.keys or not demanded.keys or not polled.calls:
        return None
    return 1 - (demanded.calls / demanded.keys) / (polled.calls / polled.keys)
