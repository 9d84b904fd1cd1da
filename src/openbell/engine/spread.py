"""The keys of one occurrence: computed once from its due time, then queued, a bounded batch at a time.

    occurrence ──▶ task NAME-keys, key = the due time ──▶ keys ──▶ jobs of a task, or demand for artifacts

The task is an ordinary one: it is rescued when its worker is killed, and goes on where its steps end. A batch of tasks
is queued in the transaction that remembers it, so that none is queued twice. Artifacts are wanted until each has a
result or ``max_late`` is over; the task ends with them, and with it the occurrence.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeAlias, cast

from openbell.engine.attempt import Attempt
from openbell.engine.database import SQL, Db
from openbell.engine.demand import want
from openbell.engine.enqueue import enqueue_many
from openbell.engine.errors import Fenced, Permanent, Waiting
from openbell.engine.keys import Key
from openbell.engine.registry import Product, minutes, task

Items: TypeAlias = Sequence[tuple[str, Mapping[str, Any] | None]]
"""Keys, each with the arguments of its task as JSON; None for an artifact."""

Keys: TypeAlias = Callable[[datetime], Items] | Callable[[datetime, Db], Awaitable[Items]]
"""The keys that are due at a time, which is given in the schedule's zone: its date is the date there.

They are queued in this order. One that must look into the database is a coroutine function of the time and of it.
"""

DUE = "{due}"
"""What stands for the due time in the key of a schedule's row."""

SUFFIX = "-keys"
BATCH = 500
MOST_KEYS = 200_000
LOOK = timedelta(minutes=1)
LEASE_S = 600.0
DEATHS = 50
"""Workers that may die at it: it goes on where it was, and a week that is half queued is worse than a late one."""


def spreader(name: str, product: Product, keys: Keys, max_late: timedelta) -> Product:
    """The task that queues the keys of each occurrence of the schedule ``name``."""
    spread = Spread(f"schedule:{name}", product, keys, max_late)

    @task(
        f"{name}{SUFFIX}",
        version=1,
        timeout=minutes(10),
        retry=minutes(1),
        job_class="scheduled",
        max_attempts=DEATHS,
        patience=max_late + minutes(30),
    )
    async def queue_keys(_key: Key, ctx: Any) -> None:
        await spread.run(ctx if isinstance(ctx, Attempt) else ctx.attempt)

    return queue_keys


@dataclass(frozen=True, slots=True)
class Spread:
    """What to queue at each occurrence of one schedule; ``source`` is the name of its demand."""

    source: str
    product: Product
    keys: Keys
    max_late: timedelta

    async def run(self, attempt: Attempt) -> None:
        """Queue all, from where an earlier attempt has come to."""
        due = datetime.fromisoformat(attempt.claim.args["due_at"])
        items = await attempt.step("keys", partial(self._items, due, attempt.pool))
        if self.product.is_task:
            await self._queue(attempt, items)
        else:
            await self._want(attempt, due, [key for key, _ in items])

    async def _items(self, due: datetime, db: Db) -> list[tuple[str, Any]]:
        found = await _called(self.keys, due, db)
        if len(found) > MOST_KEYS:
            raise Permanent(f"{len(found):,} keys are due at once; {MOST_KEYS:,} may be", code="too_many_keys")
        merged: dict[str, Any] = {}
        for key, args in found:
            merged.setdefault(self.product.parse_key(key), args)
        return list(merged.items())

    async def _queue(self, attempt: Attempt, items: list[tuple[str, Any]]) -> None:
        for start in range(0, len(items), BATCH):
            await attempt.progress(f"{start:,} of {len(items):,} queued")
            name = f"batch from {start}"
            await attempt.step(name, partial(self._batch, attempt, name, items[start : start + BATCH]))

    async def _batch(self, attempt: Attempt, name: str, items: list[tuple[str, Any]]) -> int:
        claim = attempt.claim
        async with attempt.pool.acquire() as conn, conn.transaction():
            if not await conn.fetchval(SQL.get("save_step"), claim.id, claim.token, name, len(items), []):
                raise Fenced(f"The attempt at {claim.product} {claim.key} is no longer this worker's.")
            return await enqueue_many(conn, self.product, items, job_class="scheduled")

    async def _want(self, attempt: Attempt, due: datetime, keys: list[str]) -> None:
        missing = [row["key"] for row in await attempt.pool.fetch(SQL.get("list_unmade"), self.product.name, keys, due)]
        if not missing:
            return
        now = attempt.claim.now
        if now > due + self.max_late:
            some = ", ".join(missing[:5])
            raise Permanent(f"{len(missing):,} of {len(keys):,} brought no result: {some}", code="no_result")
        for batch in _batches([(self.product.name, key) for key in missing]):
            await want(attempt.pool, batch, source=self.source, seconds=LEASE_S, job_class="scheduled")
        raise Waiting(f"{len(keys) - len(missing):,} of {len(keys):,} made", retry_after=LOOK)


async def _called(keys: Keys, due: datetime, db: Db) -> Items:
    if inspect.iscoroutinefunction(keys):
        return cast("Items", await keys(due, db))
    return cast("Callable[[datetime], Items]", keys)(due)


def _batches(keys: list[tuple[str, str]]) -> Iterable[list[tuple[str, str]]]:
    return (keys[start : start + BATCH] for start in range(0, len(keys), BATCH))
