"""Small tasks in large numbers: claimed together, run one after another, finished together.

While one bundle runs, the next is claimed and the last is written, so that process and database work at the same
time. A bundle lost with its worker is rescued job by job like anything else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import asyncpg

from openbell.engine.attempt import Attempt, Claim
from openbell.engine.database import SQL
from openbell.engine.persist import persist
from openbell.engine.registry import Product, ProductRow, list_products
from openbell.engine.runner import Ending, Runner

log = logging.getLogger(__name__)

START = (-1, -32_768, 0)
"""Before every place in the order of claiming."""

LOOK_BACK_S = 0.5
"""How soon the search may begin at the start again, for what has come before the mark since."""

HANDED_BACK = Ending("release", "released", "handed back by a worker that stops")

POLICY_S = 10.0
"""How soon a change that an operator makes to a task holds for its bundles."""

SLACK_S = 0.01
"""How exactly the time limit of a small task is kept; setting it anew for each would cost more than most of them."""

BREATH = 64
"""After how many jobs the event loop gets a turn, for the heartbeat."""


class Bundles:
    """Drains the bundled tasks of a worker; :meth:`drain` is run whenever there may be some."""

    def __init__(
        self, runner: Runner, products: Sequence[Product], classes: Sequence[int], must_stop: Callable[[], bool]
    ) -> None:
        self._runner = runner
        self._products = {one.name: one for one in products}
        self._classes = list(classes)
        self._must_stop = must_stop
        self._size = max((one.bundle for one in products), default=1)
        self._policies: dict[str, ProductRow] = {}
        self._mark = START
        self._look_back_at = self._learned_at = float("-inf")
        self.held: set[tuple[int, int]] = set()

    @property
    def has_products(self) -> bool:
        """Whether this process knows any task that is bundled."""
        return bool(self._products)

    def may_be(self, name: str) -> bool:
        """Whether a hint of this name may mean one of them; ``*`` stands for any."""
        return name in self._products or name == "*"

    async def drain(self, worker: int) -> None:
        """Claim, run and finish bundles until none is left or the worker must stop."""
        ahead: asyncio.Task[list[Claim]] | None = None
        writing: asyncio.Task[None] | None = None
        try:
            claims = await self._claim(worker)
            while claims:
                more = len(claims) == self._size and not self._must_stop()
                ahead = asyncio.create_task(self._claim(worker)) if more else None
                done, left = await self._run(claims)
                if writing is not None:
                    await writing
                writing = asyncio.create_task(self._write(done, left))
                claims = await ahead if ahead is not None else []
            if writing is not None:
                await writing
        finally:
            await asyncio.gather(*(task for task in (ahead, writing) if task is not None), return_exceptions=True)
            self.held.clear()

    async def _claim(self, worker: int) -> list[Claim]:
        now = asyncio.get_running_loop().time()
        if now > self._look_back_at:
            self._mark = START
        from_start = self._mark == START
        if now - self._learned_at > POLICY_S:
            self._policies = {row.name: row for row in await list_products(self._runner.pool) if row.enabled}
            self._learned_at = now
        rows = await self._runner.pool.fetch(
            SQL.get("claim_bundle"),
            [name for name in self._products if name in self._policies],
            self._classes,
            worker,
            self._size,
            *self._mark,
        )
        if from_start:
            # Under a held snapshot the way from the start is long; it may cost a twentieth of the time.
            took = asyncio.get_running_loop().time() - now
            self._look_back_at = now + max(LOOK_BACK_S, 20 * took)
        self._mark = (
            max((row["job_class"], row["rank"], row["id"]) for row in rows) if len(rows) == self._size else START
        )
        self.held.update((row["id"], row["token"]) for row in rows)
        return [self._as_claim(row) for row in rows]

    def _as_claim(self, row: asyncpg.Record) -> Claim:
        policy, wanted = self._policies[row["product"]], True
        return Claim(
            row["id"], row["product"], row["key"], row["token"], row["attempt"], row["max_attempts"], row["job_class"],
            row["queued_at"], row["now"], policy.timeout, None, None, None, policy.retry_ttl, row["args"], wanted, None,
        )  # fmt: skip

    async def _run(self, claims: Sequence[Claim]) -> tuple[list[Claim], list[Claim]]:
        """Run one after another; answers those that are done but for their end, and those that were not begun."""
        now, done, left = asyncio.get_running_loop().time, [], list(reversed(claims))
        attempt: Attempt | None = None
        while left and not self._must_stop():
            try:
                async with asyncio.timeout(None) as limit:
                    product, set_until = "", 0.0
                    while left and not self._must_stop():
                        claim, at, attempt = left[-1], now(), None
                        if at >= set_until or claim.product != product:
                            product, set_until = claim.product, at + SLACK_S
                            limit.reschedule(at + claim.timeout.total_seconds())
                        if len(left) % BREATH == 0:
                            await asyncio.sleep(0)
                        attempt = self._runner.attempt(claim)
                        if await self._run_one(claim, attempt):
                            done.append(claim)
                        left.pop()
            except TimeoutError as error:
                claim = left.pop()
                await self._end(claim, error, attempt)
        return done, left

    async def _run_one(self, claim: Claim, attempt: Attempt) -> bool:
        """Run one job; True when nothing but its end is left to write."""
        product = self._products[claim.product]
        try:
            await self._runner.call(product, attempt)
        except Exception as error:  # noqa: BLE001 (every error has its ending)
            await self._end(claim, error, attempt)
            return False
        if attempt.is_plain:
            return True
        await self._runner.finish(product, attempt, None)
        self.held.discard((claim.id, claim.token))
        return False

    async def _end(self, claim: Claim, error: Exception, attempt: Attempt | None = None) -> None:
        product, attempt = self._products[claim.product], attempt or self._runner.attempt(claim)
        await attempt.close()
        await self._runner.finish(product, attempt, await self._runner.ending_of(product, claim, error))
        self.held.discard((claim.id, claim.token))

    async def _write(self, done: Sequence[Claim], left: Sequence[Claim]) -> None:
        if done:
            ids, token = [claim.id for claim in done], done[0].token  # one claim, one token
            ours = await persist(lambda: self._runner.pool.fetchval(SQL.get("finish_tasks"), ids, token))
            self._runner.counters["done"] += ours
            if ours < len(done):
                await self._finish_one_by_one(done)
        for claim in left:
            await self._runner.finish(self._products[claim.product], self._runner.attempt(claim), HANDED_BACK)
        self.held.difference_update((claim.id, claim.token) for claim in (*done, *left))

    async def _finish_one_by_one(self, done: Sequence[Claim]) -> None:
        """What the statement for many has left over: cancelled jobs end as such, fenced ones change nothing."""
        for claim in done:
            outcome = await persist(
                lambda claim=claim: self._runner.pool.fetchval(SQL.get("complete_task"), claim.id, claim.token, [])  # type: ignore[misc]
            )
            self._runner.counters["fenced" if outcome is None else "cancelled"] += 1
