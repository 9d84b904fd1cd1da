"""The worker: claims jobs, runs their producers, publishes. Any number of them, on any number of machines.

A worker lives by a lease that one heartbeat renews for everything it runs. When it stops answering, whoever beats next
takes its jobs back; what it writes late carries an outdated token and changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import asyncpg
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from openbell.engine.attempt import Attempt, Claim
from openbell.engine.backoff import exponential
from openbell.engine.database import SQL
from openbell.engine.duty import Duty
from openbell.engine.errors import Fenced, NothingKnown, Permanent, ProducerError, ProviderStopped, RateLimited, Waiting
from openbell.engine.hints import Hint, Hints
from openbell.engine.ledger import Limit, ensure_accounts
from openbell.engine.registry import CLASSES, Product, Registry
from openbell.engine.spends import Ledger, as_columns
from openbell.engine.sweep import Pruner, Sweeper

log = logging.getLogger(__name__)

BEAT = timedelta(seconds=3)
LEASE = timedelta(seconds=10)
POLL_S = 2.5
PERSIST_S = 60.0
STOPPED_PAUSE = timedelta(minutes=5)
RATE_PAUSE = timedelta(seconds=60)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt without a result ends; the words are those of the database function ``end_attempt``."""

    kind: str
    code: str
    message: str
    delay: timedelta = timedelta(0)
    cooldown: timedelta | None = None


class Heart(Duty):
    """Renews the worker's lease, hears of cancellations, and takes back what others have lost."""

    name = "heartbeat"

    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self._worker = worker

    async def beat(self) -> float:
        """One beat."""
        w = self._worker
        row = await w.pool.fetchrow(SQL.get("beat_worker"), w.id, LEASE, w.draining, w.counters, list(w.running))
        if row is None or not row["registered"]:
            await w.register()
            return BEAT.total_seconds()
        for job_id in row["cancelled"]:
            w.interrupt(job_id)
        if row["lost"]:
            await self._rescue()
        return BEAT.total_seconds()

    async def _rescue(self) -> None:
        for row in await self._worker.pool.fetch(SQL.get("rescue_jobs"), 100):
            log.warning("job.rescued id=%d product=%s key=%s worker=%s state=%s", *row.values())
            self._worker.hints.tell("work", row["product"], row["key"])
            self._worker.hints.tell("artifact", row["product"], row["key"])
        await self._worker.pool.execute(SQL.get("mark_gone"))
        self._worker.wake()


class Worker:
    """Runs jobs of the given classes, ``slots`` at a time, until it is asked to stop."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        dsn: str | None,
        registry: Registry,
        *,
        limits: Sequence[Limit],
        context: Callable[[Attempt], Any],
        slots: int = 8,
        classes: Sequence[str] = tuple(CLASSES),
        grace_s: float = 4.0,
        name: str | None = None,
    ) -> None:
        self.pool = pool
        self.registry = registry
        self.slots = slots
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self.hints = Hints(pool, dsn, name=f"worker {os.getpid()}")
        self.ledger = Ledger(pool)
        self.counters: dict[str, int] = {"done": 0, "failed": 0, "waited": 0, "fenced": 0}
        self.draining = False
        self.id = 0
        self._limits = limits
        self._context = context
        self._classes = [CLASSES[name] for name in classes]
        self._grace_s = grace_s
        self._accounts: Mapping[str, Any] = {}
        self.running: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._duties: list[Duty] = [Heart(self), Sweeper(pool, self.hints), Pruner(pool)]

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; then claim nothing more, finish or hand back what runs, and leave."""
        await self.registry.seed(self.pool)
        self._accounts = await ensure_accounts(self.pool, self._limits)
        await self.register()
        self.hints.subscribe(self._hint)
        self.hints.start()
        for duty in self._duties:
            duty.start()
        watch = asyncio.create_task(self._wake_at(stop))
        try:
            await self._claim_until(stop)
        finally:
            watch.cancel()
            await self._drain()

    async def register(self) -> None:
        """Take a new lease. What ran under an older one is fenced off by its tokens."""
        self.id = await self.pool.fetchval(SQL.get("register_worker"), self.name, self.slots, LEASE)
        log.info("worker.registered id=%d name=%s slots=%d", self.id, self.name, self.slots)

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    def interrupt(self, job_id: int) -> None:
        """Cancel the attempt at ``job_id`` that runs here, if any."""
        if task := self.running.get(job_id):
            task.cancel()

    def _hint(self, hint: Hint) -> None:
        if hint.kind == "work":
            self.wake()

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self.wake()

    async def _claim_until(self, stop: asyncio.Event) -> None:
        pause_s = POLL_S
        while not stop.is_set():
            self._wake.clear()
            try:
                await self._claim()
                pause_s = POLL_S
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                log.warning("worker.claim_failed error=%s: %s", type(error).__name__, error)
                pause_s = min(pause_s, 0.5)
            try:
                await asyncio.wait_for(self._wake.wait(), pause_s)
            except TimeoutError:
                pass

    async def _claim(self) -> None:
        free = self.slots - len(self.running)
        if free <= 0:
            return
        rows = await self.pool.fetch(SQL.get("claim_jobs"), list(self.registry.products), self._classes, self.id, free)
        for row in rows:
            claim = Claim(**row)
            task = asyncio.create_task(self._run(claim), name=f"job {claim.id}")
            self.running[claim.id] = task
            task.add_done_callback(lambda _, job_id=claim.id: self._ended(job_id))  # type: ignore[misc]

    def _ended(self, job_id: int) -> None:
        self.running.pop(job_id, None)
        self.wake()

    async def _drain(self) -> None:
        self.draining = True
        log.info("worker.draining id=%d running=%d", self.id, len(self.running))
        if self.running:
            await asyncio.wait(self.running.values(), timeout=self._grace_s)
        for task in list(self.running.values()):
            task.cancel()
        await asyncio.gather(*self.running.values(), return_exceptions=True)
        await asyncio.gather(*(duty.stop() for duty in self._duties))
        await self.hints.stop()
        try:
            await self.pool.execute(SQL.get("remove_worker"), self.id, timeout=1)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            log.warning("worker.unregister_failed error=%s", error)

    async def _run(self, claim: Claim) -> None:
        """One attempt, from the claim to its end in the database."""
        product = self.registry.get(claim.product)
        attempt = Attempt(claim, self.pool, self.ledger, self._accounts)
        if not claim.needed:
            await self._persist(lambda: self.pool.fetchval(SQL.get("skip_job"), claim.id, claim.token))
            return
        try:
            result = await self._produce(product, attempt)
        except asyncio.CancelledError:
            await asyncio.shield(
                self._end(attempt, Ending("release", "released", "handed back by a worker that stops"))
            )
            return
        if isinstance(result, Ending):
            await self._end(attempt, result)
        else:
            await self._publish(product, attempt, result)

    async def _produce(self, product: Product, attempt: Attempt) -> BaseModel | Ending | None:
        """The producer's result, None for "nothing known", or how the attempt ends instead."""
        claim = attempt.claim
        try:
            async with asyncio.timeout(claim.timeout.total_seconds()):
                value = await product.producer(product.key(claim.key), self._context(attempt))
            return _checked(product, value)
        except NothingKnown:
            return None
        except ProducerError as error:
            return await self._ending(product, claim, error)
        except Fenced as error:
            self.counters["fenced"] += 1
            return Ending("release", error.code, str(error))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            return Ending(
                "permanent",
                "invalid_answer",
                f"the answer was not what {product.model.__name__} needs: {where}: {first['msg']}",
            )
        except TimeoutError:
            return _retry(claim, "deadline", f"it took longer than {claim.timeout.total_seconds():g} s")
        except Exception as error:
            log.exception("job.producer_failed id=%d product=%s key=%s", claim.id, claim.product, claim.key)
            return _retry(claim, "producer_failed", f"the producer failed with {type(error).__name__}")

    async def _ending(self, product: Product, claim: Claim, error: ProducerError) -> Ending:
        if isinstance(error, RateLimited | ProviderStopped):
            pause = error.retry_after or (RATE_PAUSE if isinstance(error, RateLimited) else STOPPED_PAUSE)
            await self.pool.execute(SQL.get("pause_provider"), product.provider, pause, str(error).rstrip("."))
            return Ending("wait", error.code, str(error))
        if isinstance(error, Waiting):
            return Ending("wait", error.code, str(error), error.retry_after or timedelta(0))
        if isinstance(error, Permanent):
            return Ending("permanent", error.code, str(error), cooldown=error.retry_after)
        return _retry(claim, error.code, str(error), error.retry_after)

    async def _publish(self, product: Product, attempt: Attempt, value: BaseModel | None) -> None:
        claim = attempt.claim
        policy = claim.policy
        arguments = (
            claim.id,
            claim.token,
            "empty" if value is None else "value",
            None if value is None else value.model_dump(mode="json"),
            getattr(value, product.source_time) if value is not None and product.source_time else None,
            policy.fresh_for(empty=value is None),
            policy.stale_ttl,
            policy.retry_ttl,
            attempt.provenance,
            product.version,
            product.licence,
            *as_columns(attempt.ended),
        )
        row = await self._persist(lambda: self.pool.fetchrow(SQL.get("publish_artifact"), *arguments))
        if row is None:
            self.counters["fenced"] += 1
            log.warning("job.fenced id=%d product=%s key=%s", claim.id, claim.product, claim.key)
            return
        self.counters["done"] += 1
        log.info(
            "job.%s id=%d product=%s key=%s attempt=%d",
            row["outcome"],
            claim.id,
            claim.product,
            claim.key,
            claim.attempt,
        )
        self.hints.tell("artifact", claim.product, claim.key)

    async def _end(self, attempt: Attempt, ending: Ending) -> None:
        claim = attempt.claim
        cooldown = ending.cooldown or claim.retry_ttl
        row = await self._persist(
            lambda: self.pool.fetchrow(
                SQL.get("end_attempt"),
                claim.id,
                claim.token,
                ending.kind,
                ending.code,
                ending.message,
                ending.delay,
                cooldown,
                *as_columns(attempt.ended),
            )  # fmt: skip
        )
        state = "fenced" if row is None else row["state"]
        self.counters["failed" if state == "failed" else "waited"] += 1
        log.log(
            logging.INFO if ending.kind in ("wait", "release") else logging.WARNING,
            "job.%s id=%d product=%s key=%s attempt=%d code=%s message=%r",
            state, claim.id, claim.product, claim.key, claim.attempt, ending.code, ending.message,
        )  # fmt: skip
        if row is not None and ending.delay > timedelta(0):
            asyncio.get_running_loop().call_later(ending.delay.total_seconds() + 0.05, self._wake_parked)
        self.hints.tell("artifact", claim.product, claim.key)

    def _wake_parked(self) -> None:
        for duty in self._duties:
            if isinstance(duty, Sweeper):
                duty.wake()

    async def _persist(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write, and try again while the database is away: a result that was paid for is not thrown away."""
        loop = asyncio.get_running_loop()
        until, pause_s = loop.time() + PERSIST_S, 0.1
        while True:
            try:
                return await write()
            except (
                asyncpg.PostgresConnectionError,
                asyncpg.InterfaceError,
                OSError,
                TimeoutError,
                asyncpg.CannotConnectNowError,
            ) as error:
                if loop.time() > until:
                    raise
                log.warning("worker.write_delayed error=%s", type(error).__name__)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 2.0)


def _retry(claim: Claim, code: str, message: str, after: timedelta | None = None) -> Ending:
    return Ending("retry", code, message, after or exponential(claim.attempt, random.random()))  # noqa: S311 - jitter, not a secret


def _checked(product: Product, value: Any) -> BaseModel:
    """The value, if it is what the product declares. Raises :class:`Permanent`."""
    if not isinstance(value, product.model):
        raise Permanent(
            f"the producer returned {type(value).__name__} instead of {product.model.__name__}", code="invalid_result"
        )
    size = len(to_json(value))
    if size > product.max_bytes:
        raise Permanent(f"the value has {size:,} bytes; {product.name} allows {product.max_bytes:,}", code="too_large")
    return value
