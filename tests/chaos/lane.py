"""Where processes die one at a time: a database, a provider, a zygote, and the boss who plans every death.

A story is one job and what becomes of the processes that make attempts at it, in order. The last attempts have no fate:
the job must end. Leases end when the boss says so, and the database's clock goes on instead of anybody waiting.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import asyncpg

from openbell.engine.demand import want
from openbell.engine.enqueue import enqueue
from openbell.engine.ledger import ensure_accounts
from openbell.engine.registry import Product, Registry
from openbell.postgres.migrate import migrate
from openbell.postgres.pool import open_pool
from tests.chaos import clients, deals, mutants
from tests.chaos.fate import EXIT, Fate
from tests.chaos.gateway import Gateway, open_gateway
from tests.chaos.nursery import Child, Nursery
from tests.chaos.outside import LATE_S, Line, Outside
from tests.chaos.shop import Shop

ATTEMPTS_MOST = 60
GATED_S = 60.0
"""A job that nobody may claim waits for a provider; so much later it has been forgiven."""


@dataclass(frozen=True, slots=True)
class Story:
    """A job of ``kind`` and the fates of its attempts.

    Whoever stands still goes on after ``thaw`` more attempts, or when the job has ended.
    """

    kind: str
    fates: Sequence[Fate] = ()
    thaw: int = 1

    def __str__(self) -> str:
        return f"{self.kind}: {', '.join(map(str, self.fates))}; thaw after {self.thaw}"


@dataclass(slots=True)
class Lane:
    """One job at a time. ``counts`` says what happened, by word; ``met`` every fate that was met, by kind of job."""

    pool: asyncpg.Pool
    shop: Shop
    products: dict[str, Product]
    nursery: Nursery
    gateway: Gateway | None = None
    """Where the providers are; without one only the shop's products can be played."""
    counts: Counter[str] = field(default_factory=Counter)
    met: set[tuple[str, str, int]] = field(default_factory=set)
    told: list[str] = field(default_factory=list)
    """Every story; its number in this list, from 1, is the key of its job."""
    _in_truth_until: float = 0.0
    _idle: list[Child] = field(default_factory=list)
    _frozen: list[tuple[Child, int]] = field(default_factory=list)

    async def play(self, story: Story) -> list[dict[str, int]]:
        """From the job's queueing to its end; what each attempt that came to its end has passed."""
        await self.queue(story.kind, str(story))
        fates, passed = list(story.fates), []
        for number in range(ATTEMPTS_MOST):
            await self._thaw(number)
            if not await self._ready():
                break
            said = await self._attempt(story, fates.pop(0) if fates else Fate(), number)
            passed += [said] if said else []
        else:
            self.counts[f"endless: {story}"] += 1
        await self._thaw(None)
        self.counts["stories"] += 1
        return passed

    def grow_moody(self, share: float) -> None:
        """From now on this share of what is asked of anybody ends badly."""
        self.shop.moody = share
        if self.gateway is not None:
            self.gateway.moody = share

    async def rest(self) -> None:
        """Until nothing is on its way to the provider."""
        await asyncio.sleep(max(0.0, self._in_truth_until - asyncio.get_running_loop().time()))

    async def queue(self, kind: str, story: str) -> None:
        """One more job; its key is the number of its story."""
        self.told.append(story)
        one, key = self.products[f"deal-{kind}"], str(len(self.told))
        if one.is_task:
            await enqueue(self.pool, one, [(key, None)])
        else:
            await want(self.pool, [(one.name, key)], source="chaos", seconds=10**8)

    async def _ready(self) -> bool:
        """Whether there is a job. A parked one is waited for: by the clock, or in truth while a request is out."""
        row = await self.pool.fetchrow(
            "select extract(epoch from parked_until - openbell.now())::float8 as left_s from openbell.job limit 1"
        )
        if row is not None and row["left_s"] is not None:
            left_s = max(0.0, row["left_s"]) + 0.001
            in_truth_s = (
                left_s if self._frozen else min(left_s, self._in_truth_until - asyncio.get_running_loop().time())
            )
            await asyncio.sleep(max(0.0, in_truth_s))
            await self._later(left_s - max(0.0, in_truth_s))
            await self.pool.execute("update openbell.job set parked_until = null")
        return row is not None

    async def _later(self, seconds: float) -> None:
        """The clocks of the database and of the providers go on."""
        if seconds <= 0:
            return
        await self.pool.execute("update openbell.clock set shift = shift + make_interval(secs => $1)", seconds)
        if self.gateway is not None:
            await self.gateway.later(seconds)

    async def _attempt(self, story: Story, fate: Fate, number: int) -> dict[str, int] | None:
        child = self._idle.pop() if self._idle else await self.nursery.child()
        if self.gateway is not None:
            self.gateway.arm(fate, child.pid)
        child.order(fate)
        said = await child.end()
        self.counts["attempts"] += 1
        if isinstance(said, dict):
            self._idle.append(child)
            if said["claimed"] is None and not self._frozen:
                await self._later(GATED_S)
            return said | ({"wire": self.gateway.requests} if self.gateway and self.gateway.requests else {})
        self.met.add((story.kind, fate.where, fate.number))
        if (fate.where, fate.moment) == ("wire", "late"):
            self._in_truth_until = asyncio.get_running_loop().time() + 2 * LATE_S
        self.counts[f"{fate.how} at {fate.where}"] += 1
        if said is None:
            self.counts["freezes"] += 1
            self._frozen.append((child, number + story.thaw))
        else:
            self.counts["kills" if said in (EXIT, -signal.SIGKILL) else f"died with {said}"] += 1
            await child.hang_up()
        await self._bury(child)
        return None

    async def _bury(self, child: Child) -> None:
        """Its lease ends, and somebody takes back what it had. Its last statement may still be at work on that."""
        await self.pool.execute("update openbell.worker set expires_at = openbell.now() where id = $1", child.worker)
        while await self.pool.fetchval("select exists (select 1 from openbell.job where worker = $1)", child.worker):
            await self.pool.execute("select openbell.rescue(100)")

    async def _thaw(self, number: int | None) -> None:
        """Who stands still goes on now, if it is time, and ends what it was at; its lease is long gone."""
        if self.gateway is not None:
            self.gateway.arm(None)
        for child, until in list(self._frozen):
            if number is None or number > until:
                self._frozen.remove((child, until))
                os.kill(child.pid, signal.SIGCONT)
                said = await child.end()
                self.counts["thawed" if isinstance(said, dict) else f"died with {said} when thawed"] += 1
                await child.hang_up()


@asynccontextmanager
async def open_lane(
    dsn: str, folder: Path, seed: int, mutant: str | None = None, role: str = "attempts", *, providers: bool = False
) -> AsyncIterator[Lane]:
    """A lane on an empty database, for children of a role; with ``providers`` it has a sandbox of its own."""
    await migrate(dsn)
    shop = Shop(Random(seed))
    async with AsyncExitStack() as stack:
        pool = await open_pool(dsn, name="chaos boss", max_size=4)
        stack.callback(pool.terminate)
        made = {one.name: one for one in clients.everything(Line("", ""), None)}
        await Registry(list(made.values())).seed(pool)
        await ensure_accounts(pool, deals.limits() + clients.limits())
        async with pool.acquire() as connection:
            await mutants.change_functions(connection, mutant)
        outside = Outside(folder / "outside", None, Random(seed), latency_s=0.0, shop=shop)
        await outside.start()
        stack.push_async_callback(outside.stop)
        gateway = await stack.enter_async_context(open_gateway(folder, Random(seed))) if providers else None
        options = {
            "dsn": dsn, "outside": str(folder / "outside"), "boss": str(folder / "boss"), "mutant": mutant,
            "role": role, "places": gateway.places if gateway else None,
        }  # fmt: skip
        nursery = await stack.enter_async_context(Nursery(options, folder / "children.log").opened())
        yield Lane(pool, shop, made, nursery, gateway)
