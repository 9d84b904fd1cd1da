"""Runs one claimed job: its producer, and the one write with which the attempt ends."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from traceback import walk_tb
from typing import Any, TypeAlias, TypeVar

import asyncpg
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from openbell.engine import answers
from openbell.engine.attempt import ABANDON_S, Attempt, Claim, look_at
from openbell.engine.backoff import exponential
from openbell.engine.blame import place_of, place_of_producer, place_of_task, told
from openbell.engine.database import SQL
from openbell.engine.errors import (
    AccountBlocked,
    Fenced,
    NothingKnown,
    NotInPlan,
    Permanent,
    ProducerError,
    ProviderStopped,
    RateLimited,
    Waiting,
)
from openbell.engine.hints import Hints
from openbell.engine.leaks import end_leaked, noted
from openbell.engine.ledger import Account
from openbell.engine.persist import is_passing, persist
from openbell.engine.registry import Producer, Product, Registry
from openbell.engine.shadow import begin_trials, choose, gives_way, judge_trial, purse
from openbell.engine.spends import Ledger, as_rows
from openbell.engine.watchdog import Watchdog
from openbell.telemetry import traces
from openbell.telemetry.context import about, known
from openbell.telemetry.tally import swallowed

log = logging.getLogger(__name__)

T = TypeVar("T")

Rows: TypeAlias = list[dict[str, Any]]
"""Calls that have ended, as the database takes them."""

UNFINISHED = (None, "waiting", "parked", "running")
"""Where a job goes on: after these its span is not over."""
STOPPED_PAUSE = timedelta(minutes=5)
RATE_PAUSE = timedelta(seconds=60)
RETIRED_PAUSE = timedelta(days=7)
CONFLICT_PAUSE = timedelta(milliseconds=250)
LONGEST_PAUSE = timedelta(minutes=5)
"""A job that waits for an account that the claim does not know of looks again after so long at the latest."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt without a result ends; ``kind`` is a word of the database function ``end_attempt``.

    ``rejected`` is the client's own word where an answer was read and did not pass, ``faults`` what is wrong with it.
    """

    kind: str
    code: str
    message: str
    delay: timedelta = timedelta(0)
    cooldown: timedelta | None = None
    rejected: str | None = None
    faults: Sequence[Mapping[str, str]] = ()


class Runner:
    """Everything that one attempt needs; shared by all attempts of a worker."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        registry: Registry,
        hints: Hints,
        context: Callable[[Attempt], Any],
        *,
        wake: Callable[[], None],
        wake_parked: Callable[[], None],
    ) -> None:
        self.pool, self.registry, self.hints = pool, registry, hints
        self.accounts: Mapping[str, list[Account]] = {}
        self.counters: Counter[str] = Counter()
        self.ledger = Ledger(pool, self.counters)
        self._watchdog = Watchdog()
        self._context = context
        self._wake, self._wake_parked = wake, wake_parked

    def attempt(self, claim: Claim) -> Attempt:
        """What the producer of this claim works with."""
        return Attempt(claim, self.pool, self.ledger, self.accounts)

    async def run(self, claim: Claim) -> None:
        """One attempt, from the claim to its end in the database."""
        ids = {"product": claim.product, "key": claim.key, "attempt": claim.attempt}
        worker = known().get("worker")
        with about(job=claim.id, **ids), traces.span("attempt", job_id=claim.id, worker=worker, **ids):
            await self._run(claim)

    async def _run(self, claim: Claim) -> None:
        if not claim.wanted:
            await self._skip(claim, "expired", "nobody asks for it any more")
            return
        if not claim.needed:
            await self._skip(claim, "unchanged", "it is fresh, or has failed, since it was queued")
            return
        self._watchdog.start()
        product, attempt = self.registry.get(claim.product), self.attempt(claim)
        try:
            result = await self.produce(product, attempt)
        except asyncio.CancelledError:
            result = Ending("release", "released", "handed back by a worker that stops")
        await asyncio.shield(self.finish(product, attempt, result))

    async def finish(self, product: Product, attempt: Attempt, result: BaseModel | Ending | None) -> None:
        """Write how the attempt ended. What the database refuses for its content ends as a failure of the job."""
        try:
            if isinstance(result, Ending):
                await self._end(attempt, result)
            elif product.challenge is not None:
                await self._keep_trial(product, attempt, result)
            elif product.is_task:
                await self._complete(attempt)
            else:
                await self._publish(product, attempt, result)
        except (asyncpg.DataError, ValueError) as error:
            swallowed("job.refused", error)
            log.warning("job.refused id=%d error=%s: %s", attempt.claim.id, type(error).__name__, error)
            await self._end(attempt, Ending("permanent", answers.INVALID, "the database cannot store the answer"))

    async def produce(self, product: Product, attempt: Attempt) -> BaseModel | Ending | None:
        """The producer's result, None for "nothing known" and for tasks, or how the attempt ends instead."""
        claim = attempt.claim
        answers.watch()
        maker = product
        with noted() as tasks:
            try:
                maker = attempt.maker = await self._maker(product, attempt)
                value = await _within(claim.timeout, self.call(maker, attempt), maker.producer)
                return None if maker.makes is None else _checked(maker, value)
            except Exception as error:  # noqa: BLE001 (every error has its ending)
                return _judged(await self.ending_of(maker, claim, error), error)
            finally:
                await attempt.close()
                for place in end_leaked(tasks, maker.producer):
                    self.counters["leaked"] += 1
                    log.warning("job.leaked id=%d product=%s key=%s at=%s", claim.id, claim.product, claim.key, place)

    def call(self, product: Product, attempt: Attempt) -> Awaitable[Any]:
        """The producer at work."""
        return product.producer(product.key(attempt.claim.key), self._context(attempt))

    async def _maker(self, product: Product, attempt: Attempt) -> Product:
        """Who makes it: the product's own producer, or a challenger whose flag is on for this key."""
        if product.challenge is not None:
            attempt.accounts = await purse(self.pool, product, attempt.claim.key, self.accounts)
        elif challengers := self.registry.challengers.get(product.name):
            return await choose(self.pool, product, challengers, attempt.claim.key)
        return product

    async def ending_of(self, product: Product, claim: Claim, error: Exception) -> Ending | None:
        """What an error of a producer means for its attempt; None for "the source has nothing"."""
        match error:
            case NothingKnown():
                return None
            case ProducerError():
                ending = await self._ending(product, claim, error)
                return gives_way(ending, error) if claim.policy is None and product.challenge is not None else ending
            case Fenced():
                self.counters["fenced"] += 1
                return Ending("release", error.code, str(error))
            case ValidationError():
                return Ending("permanent", answers.INVALID, _first_fault(product, error))
            case Overdue():
                return _retry(claim, "deadline", f"it took longer than {claim.timeout.total_seconds():g} s{error}")
            case TimeoutError() if place_of(error, product.producer) is None:
                return _retry(claim, "deadline", f"it took longer than {claim.timeout.total_seconds():g} s")
            case _ if _is_database_away(error):
                return Ending("release", "database", f"the database was away ({type(error).__name__})", CONFLICT_PAUSE)
        thrown = error.__cause__ if isinstance(error, Escaped) and error.__cause__ is not None else error
        said = told(thrown, product.producer)
        seen = (RuntimeError, RuntimeError(said), thrown.__traceback__)
        swallowed("job.producer", thrown)
        log.error("job.producer_failed id=%d product=%s key=%s", claim.id, claim.product, claim.key, exc_info=seen)
        return _retry(claim, "producer_failed", f"the producer failed with {said}")

    async def _ending(self, product: Product, claim: Claim, error: ProducerError) -> Ending:
        provider, said = error.provider or product.provider, answers.plain(str(error))
        if isinstance(error, RateLimited | ProviderStopped):
            pause = error.retry_after or (RATE_PAUSE if isinstance(error, RateLimited) else STOPPED_PAUSE)
            zone = getattr(error, "day_zone", None)
            columns = (error.subject or provider, pause, said.rstrip("."), zone, error.code)
            paused = await persist(lambda: self.pool.fetchval(SQL.get("pause_provider"), *columns))
            if error.subject is not None:
                log.warning("provider.key_set_aside subject=%s code=%s", error.subject, error.code)
                asyncio.get_running_loop().call_later(CONFLICT_PAUSE.total_seconds(), self._wake)  # for the other keys
            gated = paused and provider == product.provider
            return Ending("wait", error.code, said, timedelta(0) if gated else pause)
        if isinstance(error, AccountBlocked):
            asyncio.get_running_loop().call_later(error.opens_in.total_seconds(), self._wake)
            pause = min(max(error.opens_in, CONFLICT_PAUSE), LONGEST_PAUSE)
            if error.gated and provider == product.provider:  # the claim looks at no other provider
                # what is left of a moment in which the keys of another worker seem open is no hurry
                pause = CONFLICT_PAUSE if error.keys else timedelta(0)
            return Ending("wait", error.code, said, pause)
        if isinstance(error, Waiting):
            return Ending("wait", error.code, said, error.retry_after or timedelta(0))
        if isinstance(error, NotInPlan) and error.operation is not None:
            span = error.retry_after or RETIRED_PAUSE
            breaker = (provider, error.operation, span, error.code, said)
            await persist(lambda: self.pool.execute(SQL.get("open_breaker"), *breaker))
        if isinstance(error, Permanent):
            return Ending("permanent", error.code, said, cooldown=error.retry_after)
        return _retry(claim, error.code, said, error.retry_after)

    async def _skip(self, claim: Claim, outcome: str, message: str) -> None:
        await persist(lambda: self.pool.fetchval(SQL.get("skip_job"), claim.id, claim.token, outcome, message))
        self.counters["skipped"] += 1

    async def _publish(self, product: Product, attempt: Attempt, value: BaseModel | None) -> None:
        claim, policy = attempt.claim, attempt.claim.policy
        if policy is None:
            raise ValueError(f"{product.name} has no freshness policy to publish under")
        maker = attempt.maker or product
        arguments = (
            claim.id,
            claim.token,
            "empty" if value is None else "value",
            None if value is None else value.model_dump(mode="json"),
            getattr(value, product.source_time) if value is not None and product.source_time else None,
            policy.fresh_for(empty=value is None),
            policy.stale_ttl,
            policy.retry_ttl,
            attempt.provenance if maker is product else attempt.provenance | {"producer": maker.name},
            maker.version,
            product.licence,
        )
        calendar = getattr(value, product.calendar) if value is not None and product.calendar else None

        async def write(ended: Rows) -> asyncpg.Record | None:
            return await self.pool.fetchrow(SQL.get("publish_artifact"), *arguments, ended, calendar)

        with traces.span("publish", product=claim.product, key=claim.key):
            row = await _written(attempt, write)
        self._note(claim, "done", None if row is None else row["outcome"])
        if row is not None and maker is product and (challengers := self.registry.challengers.get(product.name)):
            for name in await begin_trials(self.pool, challengers, attempt):
                self.hints.tell("work", name, claim.key)

    async def _keep_trial(self, product: Product, attempt: Attempt, value: BaseModel | None) -> None:
        took_s, trial = attempt.took_s, await judge_trial(self.pool, product, attempt.claim.key, value)
        made = (trial.version, trial.live_version, trial.verdict, trial.fields, trial.differences, trial.value)
        times = (took_s, trial.age_s, trial.live_age_s)

        async def write(ended: Rows) -> Any:
            return await self.pool.fetchval(SQL.get("keep_trial"), *_ids(attempt), ended, *made, *times)

        self._note(attempt.claim, "done", "done" if await _written(attempt, write) else None)

    async def _complete(self, attempt: Attempt) -> None:
        claim = attempt.claim

        async def write(ended: Rows) -> Any:
            return await self.pool.fetchval(SQL.get("complete_task"), claim.id, claim.token, ended)

        self._note(claim, "done", "done" if await _written(attempt, write) else None)

    async def _end(self, attempt: Attempt, ending: Ending) -> None:
        claim = attempt.claim
        message = answers.plain(ending.message)[:2_000]
        cooldown = ending.cooldown or claim.retry_ttl

        async def write(ended: Rows) -> asyncpg.Record | None:
            columns = (claim.id, claim.token, ending.kind, ending.code, message, ending.delay, cooldown, ended)
            if ending.rejected is None:
                return await self.pool.fetchrow(SQL.get("end_attempt"), *columns)
            kept = (ending.rejected, message, ending.faults, answers.rejected(), answers.MOST_A_DAY)
            async with self.pool.acquire() as conn, conn.transaction():
                await conn.execute(SQL.get("keep_rejected"), claim.id, claim.token, *kept)
                return await conn.fetchrow(SQL.get("end_attempt"), *columns)

        row = await _written(attempt, write)
        state = None if row is None else row["state"]
        self._note(claim, "failed" if state == "failed" else "waited", state, f"{ending.code}: {message}")
        if attempt.is_needing and ending.kind == "wait" and await self.pool.fetchval(SQL.get("wake_met"), claim.id):
            self._wake()
        elif row is not None and ending.delay > timedelta(0):
            asyncio.get_running_loop().call_later(ending.delay.total_seconds() + 0.05, self._wake_parked)
        elif ending.kind == "release" and state == "waiting":
            self.hints.tell("work", claim.product, claim.key)  # for others: this worker may be on its way out

    def _note(self, claim: Claim, counter: str, state: str | None, detail: str = "") -> None:
        self.counters["fenced" if state is None else counter] += 1
        if traces.is_on() and state not in UNFINISHED:
            told = {"product": claim.product, "key": claim.key, "outcome": state}
            traces.note("job", claim.id, since=claim.queued_at, root=True, job=claim.id, **told)
        log.log(
            logging.WARNING if state in (None, "failed") else logging.INFO,
            "job.%s id=%d product=%s key=%s attempt=%d worker_token=%d %s",
            state or "fenced",
            claim.id,
            claim.product,
            claim.key,
            claim.attempt,
            claim.token,
            detail,
        )
        if claim.policy is not None:
            self.hints.tell("artifact", claim.product, claim.key)


def _ids(attempt: Attempt) -> tuple[int, int]:
    return attempt.claim.id, attempt.claim.token


async def _written(attempt: Attempt, write: Callable[[Rows], Awaitable[T]]) -> T:
    """What ``write`` answers, which writes the calls that have ended, too; refused, they wait for the next write."""
    ended = attempt.take_ended()
    try:
        return await persist(lambda: write(as_rows(ended)))
    except BaseException:
        attempt.give_back(ended)
        raise


def _judged(ending: Ending | None, error: Exception) -> Ending | None:
    """The ending; where the answer was read and did not pass it says so in one word, and the answer is kept."""
    if ending is None or ending.kind not in ("retry", "permanent") or not answers.is_rejection(ending.code):
        return ending
    return replace(ending, code=answers.INVALID, rejected=ending.code, faults=answers.faults(error))


class Escaped(Exception):
    """What a producer raised would have ended the worker, or looked as if somebody had cancelled it."""


class Overdue(TimeoutError):
    """The attempt has used up its time; the text says where it stood, and whether it stopped when it was asked to."""


async def _within(limit: timedelta, work: Awaitable[Any], producer: Producer) -> Any:
    """The result of ``work``, or :class:`Overdue`. Work that swallows its cancellation is not waited for."""
    running = asyncio.ensure_future(_contained(work))
    place = None
    try:
        done, _ = await asyncio.wait({running}, timeout=limit.total_seconds())
        if done:
            if running.cancelled():
                raise Escaped from asyncio.CancelledError("it cancelled itself")
            return running.result()
        place = place_of_task(running, producer)
    finally:
        if not running.done():
            running.cancel()
            await asyncio.wait({running}, timeout=ABANDON_S)
            running.add_done_callback(look_at)
    where = f", at {place}" if place else ""
    raise Overdue(where if running.done() else f"{where}, and did not stop when it was asked to")


async def _contained(work: Awaitable[Any]) -> Any:
    """``work``, whose errors are all errors of a job: a ``sys.exit`` in a producer must not end the worker."""
    try:
        return await work
    except (Exception, asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as error:
        raise Escaped from error


def _is_database_away(error: BaseException) -> bool:
    """Whether the database could not answer, as opposed to a producer that asked it for nonsense or lost a file."""
    if not is_passing(error):
        return False
    return not isinstance(error, OSError) or any(
        frame.f_globals.get("__name__", "").startswith("asyncpg") for frame, _ in walk_tb(error.__traceback__)
    )


def _retry(claim: Claim, code: str, message: str, after: timedelta | None = None) -> Ending:
    return Ending("retry", code, message, after or exponential(claim.attempt, random.random()))  # noqa: S311 (jitter, no secret)


def _first_fault(product: Product, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the answer"
    return f"the answer is not what {product.name} needs: {where}: {first['msg']}"


def _checked(product: Product, value: Any) -> BaseModel:
    """The value, if it is what the product declares. Raises :class:`Permanent`."""
    place = place_of_producer(product.producer)
    if product.makes is None or not isinstance(value, product.makes):
        raise Permanent(
            f"the producer returned {type(value).__name__}, not {product.makes and product.makes.__name__}: {place}",
            code="invalid_result",
        )
    size = len(to_json(value))
    if size > product.max_bytes:
        raise Permanent(
            f"the value has {size:,} bytes; {product.name} allows {product.max_bytes:,}: {place}", code="too_large"
        )
    return value
