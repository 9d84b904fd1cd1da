"""The worker: claims jobs, runs their producers, publishes. Any number of them, on any number of machines.

A worker lives by a lease that one heartbeat renews for everything it runs. When it stops answering, whoever beats next
takes its jobs back; what it writes late carries an outdated token and changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg

from openbell.engine.attempt import Attempt, Claim
from openbell.engine.bundle import Bundles
from openbell.engine.database import SQL
from openbell.engine.duty import Duty
from openbell.engine.hints import Hint, Hints
from openbell.engine.ledger import Limit, ensure_accounts
from openbell.engine.persist import DATABASE_ERRORS, persist
from openbell.engine.polls import Poller, Rehearsal
from openbell.engine.prefetch import Prefetcher
from openbell.engine.registry import CLASSES, Registry
from openbell.engine.rescue import rescue
from openbell.engine.runner import Runner
from openbell.engine.schedules import Scheduler, seed_schedules
from openbell.engine.sweep import Pruner, Sweeper
from openbell.engine.upkeep import Upkeep
from openbell.postgres.migrate import newest
from openbell.telemetry.context import about
from openbell.telemetry.tally import for_heartbeat, swallowed

log = logging.getLogger(__name__)

BEAT = timedelta(seconds=3)
LEASE = timedelta(seconds=10)
POLL_S = 2.5
"""How often a worker looks for work that no hint has told it of. While it listens, its heartbeat does so."""
LISTENING_POLL_S = 60.0
"""It also looks by itself then, should the heartbeat fail."""
DOUBT_S = 15.0


@dataclass(frozen=True, slots=True)
class SeatLimit:
    """How many jobs may run at once in the whole fleet: of all (``total``), of a class, or of a product.

    ``least`` is a floor for a class: while it has work waiting, others leave that many seats free for it.
    """

    scope: str
    name: str
    most: int
    least: int = 0


class Heart(Duty):
    """Renews the worker's lease, hears of cancellations, and takes back what others have lost."""

    name = "heartbeat"

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker

    async def beat(self) -> float:
        """One beat."""
        w = self._worker
        row = await w.pool.fetchrow(
            SQL.get("beat_worker"),
            w.id,
            LEASE,
            w.draining,
            {**w.runner.counters, **for_heartbeat()},
            [job_id for job_id, _ in w.running],
            w.is_look_due,
        )
        if row is None or not row["registered"]:
            await w.register()
            w.look()
            return 0.0
        w.limited = row["limited"]
        if row["waiting"]:
            w.look()
        for job_id in row["cancelled"]:
            w.interrupt(job_id)
        if row["lost"]:
            await self._rescue()
        if w.in_doubt:
            await self._release_strays()
        return BEAT.total_seconds()

    async def _rescue(self) -> None:
        await rescue(self._worker.pool, self._worker.hints)
        await self._worker.pool.execute(SQL.get("mark_gone"))
        self._worker.wake()

    async def _release_strays(self) -> None:
        """Hand back what the database thinks runs here and does not: an answer was lost with its connection."""
        w = self._worker
        held = [*w.running, *w.bundles.held]
        ids, tokens = [job_id for job_id, _ in held], [token for _, token in held]
        for row in await w.pool.fetch(SQL.get("release_strays"), w.id, ids, tokens):
            log.warning("job.stray id=%d product=%s key=%s state=%s", *row.values())


class Worker:
    """Runs jobs of the given classes, ``slots`` at a time, until it is asked to stop."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        dsn: str | None,
        registry: Registry,
        *,
        limits: Sequence[Limit] = (),
        seats: Sequence[SeatLimit] = (),
        context: Callable[[Attempt], Any] = lambda attempt: attempt,
        slots: int = 8,
        classes: Sequence[str] = tuple(CLASSES),
        grace_s: float = 4.0,
        name: str | None = None,
        duties: Sequence[Duty] = (),
    ) -> None:
        self.pool = pool
        self.registry = registry
        self.slots = slots
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self.hints = Hints(pool, dsn, name=f"worker {os.getpid()}")
        self.draining = False
        self.limited = bool(seats)
        self._doubt_until = 0.0
        self._looked_at = 0.0
        self.id = 0
        self.running: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._limits, self._seats = limits, seats
        self._classes = [CLASSES[name] for name in classes]
        self._grace_s = grace_s
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._sweeper = Sweeper(pool, self.hints)
        listens = self.hints.listening.is_set
        poller = Poller(pool, is_listening=listens, renewed=self._sweeper.wake)
        prefetcher = Prefetcher(pool, registry, self.hints)
        self._on_flags: Sequence[Duty] = (poller, Rehearsal(pool, is_listening=listens), prefetcher)
        pruner, scheduler = Pruner(pool, self.hints), Scheduler(pool, self.hints)
        own = (Heart(self), self._sweeper, pruner, *self._on_flags, scheduler, Upkeep(pool))
        self._duties: Sequence[Duty] = (*own, *duties)
        self.runner = Runner(pool, registry, self.hints, context, wake=self.wake, wake_parked=self._sweeper.wake)
        bundled = [one for one in registry if one.bundle > 1]
        self.bundles = Bundles(self.runner, bundled, self._classes, lambda: self._stopping.is_set() or self.limited)
        self._draining_bundles: asyncio.Task[None] | None = None
        self._look_again = False
        self._bundles_due = True

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; then claim nothing more, finish or hand back what runs, and leave."""
        await persist(self._move_in)
        self.hints.subscribe(self._hint)
        self.hints.start()
        for duty in self._duties:
            duty.start()
        watch = asyncio.create_task(self._watch(stop))
        try:
            await self._claim_until(stop)
        finally:
            watch.cancel()
            await self._drain()

    async def _move_in(self) -> None:
        """Bring the database up to what this process declares, and take a lease."""
        await self.registry.seed(self.pool)
        await seed_schedules(self.pool, self.registry.schedules.values())
        self.runner.accounts = await ensure_accounts(self.pool, self._limits)
        for seat in self._seats:
            await self.pool.execute(SQL.get("set_seat_limit"), seat.scope, seat.name, seat.most, seat.least)
        await self.register()

    async def register(self) -> None:
        """Take a new lease. What ran under an older one is fenced off by its tokens."""
        self.id = await self.pool.fetchval(SQL.get("register_worker"), self.name, self.slots, LEASE)
        products = [one.name for one in self.registry]
        await self.pool.execute(SQL.get("describe_worker"), self.id, self._classes, products, newest())
        log.info("worker.registered id=%d name=%s slots=%d", self.id, self.name, self.slots)

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    @property
    def is_look_due(self) -> bool:
        """Whether the next heartbeat should look for work, as this worker has not for a while."""
        return asyncio.get_running_loop().time() - self._looked_at >= POLL_S / 2

    def look(self) -> None:
        """Look for work of every kind now."""
        self._bundles_due = True
        self.wake()

    def interrupt(self, job_id: int) -> None:
        """Cancel the attempt at ``job_id`` that runs here, if any."""
        for (running_id, _), task in self.running.items():
            if running_id == job_id:
                task.cancel()

    @property
    def in_doubt(self) -> bool:
        """Whether an answer of the database was lost lately, so that it may think that more runs here than does."""
        return asyncio.get_running_loop().time() < self._doubt_until

    def doubt(self) -> None:
        """An answer was lost: compare notes with the database for a while."""
        self._doubt_until = asyncio.get_running_loop().time() + DOUBT_S

    def _hint(self, hint: Hint) -> None:
        if hint.kind == "work":
            self._bundles_due |= hint.keys is None or any(self.bundles.may_be(name) for name, _ in hint.keys)
            self.wake()
        elif hint.kind == "flag":
            for duty in self._on_flags:
                duty.wake()

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping.set()
        self.wake()

    async def _claim_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._wake.clear()
            pause_s = max(POLL_S, LISTENING_POLL_S) if self.hints.listening.is_set() else POLL_S
            self._looked_at = asyncio.get_running_loop().time()
            try:
                await self._claim()
            except DATABASE_ERRORS as error:
                swallowed("worker.claim", error)
                log.warning("worker.claim_failed error=%s: %s", type(error).__name__, error)
                pause_s = 0.5
                self.doubt()
            try:
                await asyncio.wait_for(self._wake.wait(), pause_s)
            except TimeoutError:
                self._bundles_due = True

    async def _claim(self) -> None:
        free = self.slots - len(self.running)
        if free <= 0:
            return
        names = list(self.registry.products)
        statement = SQL.get("claim_seated" if self.limited else "claim_jobs")
        for row in await self.pool.fetch(statement, names, self._classes, self.id, free):
            self._start(Claim(**row))
        if self._bundles_due and self.bundles.has_products and not self.limited:
            self._bundles_due = False
            self._look_for_bundles()

    def _look_for_bundles(self) -> None:
        if self._draining_bundles is None or self._draining_bundles.done():
            self._draining_bundles = asyncio.create_task(self._drain_bundles(), name="bundles")
        else:
            self._look_again = True

    def _start(self, claim: Claim) -> None:
        with about(worker=self.id):
            task = asyncio.create_task(self.runner.run(claim), name=f"job {claim.id}")
        self.running[claim.id, claim.token] = task
        task.add_done_callback(lambda done: self._ended(claim, done))

    def _ended(self, claim: Claim, task: asyncio.Task[None]) -> None:
        self.running.pop((claim.id, claim.token), None)
        if not task.cancelled() and (error := task.exception()):
            swallowed("worker.end_lost", error)
            log.error("job.end_lost id=%d", claim.id, exc_info=error)
            self.doubt()
        self.wake()

    async def _drain_bundles(self) -> None:
        try:
            await self.bundles.drain(self.id)
        except Exception as error:  # noqa: BLE001 (what was claimed comes back as strays)
            swallowed("worker.bundle", error)
            log.warning("worker.bundle_lost error=%s: %s", type(error).__name__, error)
            self.doubt()
        if self._look_again:
            self._look_again, self._bundles_due = False, True
            self.wake()

    async def _drain(self) -> None:
        self.draining = True
        self._stopping.set()
        log.info("worker.draining id=%d running=%d", self.id, len(self.running))
        if self._draining_bundles is not None:
            await asyncio.gather(self._draining_bundles, return_exceptions=True)
        if self.running:
            await asyncio.wait(self.running.values(), timeout=self._grace_s)
        for task in list(self.running.values()):
            task.cancel()
        await asyncio.gather(*self.running.values(), return_exceptions=True)
        await asyncio.gather(*(duty.stop() for duty in self._duties))
        await self.hints.stop()
        try:
            await persist(lambda: self.pool.execute(SQL.get("remove_worker"), self.id, timeout=1), within_s=1)
        except DATABASE_ERRORS as error:
            swallowed("worker.unregister", error)
            log.warning("worker.unregister_failed error=%s", error)
