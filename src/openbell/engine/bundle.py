"""Small tasks in large numbers: claimed together, run one after another, finished together.

While one bundle runs, the next is claimed and the last is written, so that the process and the database work at the same
time. A bundle lost with its worker is rescued job by job like anything else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import asyncpg

from openbell.engine.attempt import Attempt, Claim
from openbell.engine.database import SQL
from openbell.engine.persist import persist
from openbell.engine.registry import Product
from openbell.engine.runner import Ending, Runner

log = logging.getLogger(__name__)

START = (-1, -32_768, 0)
"""Before every place in the order of claiming."""

LOOK_BACK_S = 0.5
"""How often the search begins at the start again: later arrivals before the mark wait no longer than this."""

BREATH = 64
"""After how many jobs the event loop gets a turn, for the heartbeat."""


class Bundles:
    """Drains the bundled tasks of a worker; :meth:`drain` is run whenever there may be some."""

    def __init__(
        self, runner: Runner, products: Sequence[Product], classes: Sequence[int], stopping: asyncio.Event
    ) -> None:
        self._runner = runner
        self._products = {one.name: one for one in products}
        self._classes = list(classes)
        self._stopping = stopping
        self._size = max((one.bundle for one in products), default=1)
        self._mark = START
        self._looked_at = 0.0
        self.held: set[int] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._products

    async def drain(self, worker: int) -> None:
        """Claim, run and finish bundles until none is left or the worker stops."""
        writing: asyncio.Task[None] | None = None
        rows = await self._claim(worker)
        while rows:
            ahead = (
                None if len(rows) < self._size or self._stopping.is_set() else asyncio.create_task(self._claim(worker))
            )
            done, failed = await self._run(rows)
            if writing is not None:
                await writing
            writing = asyncio.create_task(self._write(done, failed))
            rows = await ahead if ahead is not None else []
        if writing is not None:
            await writing

    async def _claim(self, worker: int) -> list[asyncpg.Record]:
        now = asyncio.get_running_loop().time()
        if now - self._looked_at > LOOK_BACK_S:
            self._mark, self._looked_at = START, now
        rows: list[asyncpg.Record] = await self._runner.pool.fetch(
            SQL.get("claim_bundle"), list(self._products), self._classes, worker, self._size, *self._mark
        )
        if len(rows) == self._size:
            self._mark = max((row["job_class"], row["rank"], row["id"]) for row in rows)
        else:
            self._mark = START
        self.held.update(row["id"] for row in rows)
        return rows

    async def _run(self, rows: Sequence[asyncpg.Record]) -> tuple[list[tuple[int, int]], list[tuple[Claim, Ending]]]:
        """Run each job; answers the (id, token) of those that are done, and which are handed back."""
        loop, done, left = asyncio.get_running_loop(), [], list(reversed(rows))
        while left and not self._stopping.is_set():
            try:
                async with asyncio.timeout(None) as limit:
                    while left and not self._stopping.is_set():
                        if len(left) % BREATH == 0:
                            await asyncio.sleep(0)
                        limit.reschedule(loop.time() + left[-1]["timeout"].total_seconds())
                        if await self._run_one(left[-1]):
                            done.append((left[-1]["id"], left[-1]["token"]))
                        left.pop()
            except TimeoutError as error:
                await self._end(left.pop(), error)
        released = Ending("release", "released", "handed back by a worker that stops")
        return done, [(_claim(row), released) for row in left]

    async def _run_one(self, row: asyncpg.Record) -> bool:
        """Run one job; True when nothing but its end is left to write."""
        product, attempt = self._products[row["product"]], self._runner.attempt(_claim(row))
        try:
            await self._runner.call(product, attempt)
        except Exception as error:
            await self._end(row, error, attempt)
            return False
        if attempt.has_ended_calls:
            await self._runner.finish(product, attempt, None)
            self.held.discard(row["id"])
            return False
        return True

    async def _end(self, row: asyncpg.Record, error: Exception, attempt: Attempt | None = None) -> None:
        product, attempt = self._products[row["product"]], attempt or self._runner.attempt(_claim(row))
        await attempt.close()
        await self._runner.finish(product, attempt, await self._runner.ending_of(product, attempt.claim, error))
        self.held.discard(row["id"])

    async def _write(self, done: Sequence[tuple[int, int]], handed_back: Sequence[tuple[Claim, Ending]]) -> None:
        ids, tokens = [i for i, _ in done], [t for _, t in done]
        if done:
            ours = await persist(lambda: self._runner.pool.fetchval(SQL.get("finish_tasks"), ids, tokens))
            self._runner.counters["done"] += ours
            if ours < len(done):
                await self._finish_one_by_one(done)
        for claim, ending in handed_back:
            await self._runner.finish(self._products[claim.product], self._runner.attempt(claim), ending)
        self.held.difference_update(ids, (claim.id for claim, _ in handed_back))

    async def _finish_one_by_one(self, done: Sequence[tuple[int, int]]) -> None:
        """What the statement for many has left over: cancelled jobs end as such, fenced ones change nothing."""
        empty: list[Any] = [[]] * 6
        for job_id, token in done:
            outcome = await persist(
                lambda job_id=job_id, token=token: self._runner.pool.fetchval(
                    SQL.get("complete_task"), job_id, token, *empty
                )  # type: ignore[misc]
            )
            self._runner.counters["fenced" if outcome is None else "cancelled"] += 1


def _claim(row: asyncpg.Record) -> Claim:
    return Claim(
        row["id"], row["product"], row["key"], row["token"], row["attempt"], row["max_attempts"], row["job_class"],
        row["queued_at"], row["now"], row["timeout"], None, None, None, row["retry_ttl"], row["args"], True, None,
    )  # fmt: skip
