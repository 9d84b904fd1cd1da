"""One attempt at one job, as its producer sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

import asyncpg

from openbell.engine.artifacts import Reading, read_many
from openbell.engine.database import SQL
from openbell.engine.demand import want
from openbell.engine.errors import Fenced, Transient, Waiting
from openbell.engine.freshness import Policy
from openbell.engine.ledger import Account, keys_of
from openbell.engine.persist import persist
from openbell.engine.registry import Product, class_name
from openbell.engine.spends import STEP, Ledger, Settlement, Spends, as_rows


class Claim(NamedTuple):
    """A claimed job: what to make, and the token that every later write must carry."""

    id: int
    product: str
    key: str
    token: int
    attempt: int
    max_attempts: int
    job_class: int
    queued_at: datetime
    now: datetime
    timeout: timedelta
    ttl: timedelta | None
    stale_ttl: timedelta | None
    empty_ttl: timedelta | None
    retry_ttl: timedelta
    args: Any
    wanted: bool
    refresh_at: datetime | None

    @property
    def policy(self) -> Policy | None:
        """The freshness policy that was in force at the claim; None for a task."""
        if self.ttl is None or self.stale_ttl is None or self.empty_ttl is None:
            return None
        return Policy(self.ttl, self.stale_ttl, self.empty_ttl, self.retry_ttl)

    @property
    def needed(self) -> bool:
        """Whether the key still wants refreshing; another job of it may have ended between the sweep and the claim."""
        return self.refresh_at is None or self.refresh_at <= self.now


ABANDON_S = 2.0
"""How long work that was asked to stop is waited for."""

NEED_LOOK, NEED_LOOK_MOST = timedelta(seconds=5), timedelta(seconds=30)
"""How soon a job that waits for artifacts looks again, should nobody have woken it: publishing does, a failure does
not. Who has waited long looks seldom, or hundreds who wait would keep from work what they wait for."""
NEED_S = 90.0
"""How long a waiting job is interested in what it needs; longer than it looks away."""


@dataclass(slots=True)
class Attempt:
    """What a producer may do: memoised steps, progress, and outside calls through :meth:`spends`."""

    claim: Claim
    pool: asyncpg.Pool
    ledger: Ledger
    accounts: Mapping[str, list[Account]]
    on_behalf: str | None = None
    """For whom it is made, where it is made for one user: `user:42`. Its cost is theirs in the reports."""
    maker: Product | None = None
    """Whose producer makes it, once that is decided: the product's own, or a challenger's in its place."""
    sources: list[dict[str, Any]] = field(default_factory=list)
    is_needing: bool = False
    """Whether it ends because it waits for artifacts."""
    _spends: dict[str, Spends] = field(default_factory=dict)
    _memo: dict[str, Any] | None = None
    _begun: float = field(default_factory=monotonic)
    _steps: dict[str, asyncio.Task[Any]] = field(default_factory=dict)

    def spends(self, provider: str) -> Spends:
        """The gate to ``provider`` for this attempt."""
        if provider not in self._spends:
            c = self.claim
            own, *others = keys_of(provider, self.accounts)
            self._spends[provider] = Spends(
                self.ledger, provider, own, c.product, c.key, c.id, c.token, self.on_behalf, others
            )
        return self._spends[provider]

    def take_ended(self, step: str | None = None) -> list[Settlement]:
        """The calls that have ended, all or those of a step, and are not written yet; who takes them writes them."""
        taken = []
        for spends in self._spends.values():
            taken += [one for one in spends.ended if step is None or one.step == step]
            spends.ended = [one for one in spends.ended if step is not None and one.step != step]
        return taken

    def give_back(self, settlements: Sequence[Settlement]) -> None:
        """They could not be written; whoever ends the attempt writes them."""
        for settlement in settlements:
            next(iter(self._spends.values())).ended.append(settlement)

    @property
    def is_plain(self) -> bool:
        """Whether the end of the attempt is all that is to be written: it has made no outside calls and no steps."""
        return not self._spends and self._memo is None and self.claim.attempt == 1

    def cite(self, **source: Any) -> None:
        """Where a part of the result is from: provider, operation, host; ``synthetic`` where the data is not real."""
        self.sources.append({name: value for name, value in source.items() if value is not None})

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the result is from: the first source, and how many there were."""
        return {**self.sources[0], "calls": len(self.sources)} if self.sources else {}

    async def step(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """The result of ``work``, from the memo when an earlier attempt has finished it. Steps may run side by side.

        The result must be JSON. It is written under the attempt's token, together with the spends that it has made;
        raises :class:`Fenced` when the token is outdated or the job was cancelled.
        """
        if name not in self._steps or _has_failed(self._steps[name]):
            self._steps[name] = asyncio.create_task(self._step(name, work))
        return await self._steps[name]

    async def _step(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        if self._memo is None:
            rows = await self.pool.fetch(SQL.get("load_steps"), self.claim.id, self.claim.token)
            if not rows:
                raise Fenced(f"The attempt at {self.claim.product} {self.claim.key} is no longer this worker's.")
            self._memo = {row["name"]: row["value"] for row in rows if row["name"] is not None}
        if name in self._memo:
            return self._memo[name]
        STEP.set(name)  # a step is a task, so nobody else sees it
        result = await work()
        ended = self.take_ended(name)
        try:
            columns = (self.claim.id, self.claim.token, name, result, as_rows(ended))
            saved = await persist(lambda: self.pool.fetchval(SQL.get("save_step"), *columns))
            if not saved:
                raise Fenced(f"The attempt at {self.claim.product} {self.claim.key} is no longer this worker's.")
        except BaseException:
            self.give_back(ended)
            raise
        self._memo[name] = result
        return result

    async def sleep(self, name: str, span: timedelta) -> None:
        """Go on after ``span``, counted from the first attempt that came here.

        Meanwhile the worker is free: the job is parked without using an attempt, and begins again with its finished
        steps in the memo.
        """
        due = datetime.fromisoformat(await self.step(name, partial(self._after, span)))
        if (left := due - self._now()) > timedelta(0):
            raise Waiting(f"waiting until {due:%H:%M:%S} UTC", retry_after=left)

    async def artifact(self, product: str, key: str, *, any_age: bool = False) -> Any:
        """The value of another artifact, once it is fresh; None where its source has nothing.

        Until then the artifact is demanded and the job parked, without using an attempt; publishing wakes it. Raises
        :class:`Transient` when the artifact has failed. With ``any_age`` what is known will do, however old it is, and
        only what nobody has asked for yet is demanded: for what hardly ever changes, such as a company's numbers.
        """
        [reading] = await self.artifacts([(product, key)], any_age=any_age)
        return reading.value

    async def artifacts(self, keys: Sequence[tuple[str, str]], *, any_age: bool = False) -> list[Reading]:
        """Several at once, as :meth:`artifact`: read by one statement, and waited for together.

        In the order asked. ``value`` is None where the source has nothing.
        """
        readings = await read_many(self.pool, keys)
        needed = [one for one in readings if not _will_do(one, any_age=any_age)]
        for one in needed:
            if one.job is None and one.setback is not None and one.setback.retry_at > one.now:
                raise Transient(f"{one.product} {one.key} has failed: {one.setback.message}", code="need_failed")
        if not needed:
            return [replace(one, value=None) if one.state == "empty" else one for one in readings]
        source, job_class = f"job:{self.claim.id}", class_name(self.claim.job_class)
        wanted = sorted({(one.product, one.key) for one in needed})
        await want(self.pool, wanted, source=source, seconds=NEED_S, job_class=job_class)
        products, names = [product for product, _ in wanted], [key for _, key in wanted]
        await self.pool.execute(SQL.get("add_needs"), [self.claim.id], products, names, None)
        self.is_needing = True
        waited = (self.claim.now - self.claim.queued_at) / 2
        named = " and ".join(f"{product} {key}" for product, key in wanted[:2])
        more = f" and {len(wanted) - 2} more" if len(wanted) > 2 else ""
        raise Waiting(f"waiting for {named}{more}", retry_after=min(max(NEED_LOOK, waited), NEED_LOOK_MOST))

    async def _after(self, span: timedelta) -> str:
        return (self._now() + span).isoformat()

    def _now(self) -> datetime:
        """Database time: that of the claim, and what has passed since."""
        return self.claim.now + timedelta(seconds=monotonic() - self._begun)

    @property
    def took_s(self) -> float:
        """Seconds since it began."""
        return monotonic() - self._begun

    async def close(self) -> None:
        """End the steps that the producer has left running; what does not stop when asked to is not waited for."""
        left = [step for step in self._steps.values() if not step.done()]
        for step in left:
            step.cancel()
            step.add_done_callback(look_at)
        if left:
            await asyncio.wait(left, timeout=ABANDON_S)
        for spends in self._spends.values():
            spends.abandon()

    async def progress(self, words: str) -> None:
        """Say what is being done, for whoever waits. Raises :class:`Fenced` when the token is outdated."""
        if await self.pool.fetchval(SQL.get("set_progress"), self.claim.id, self.claim.token, words[:200]) is None:
            raise Fenced(f"The attempt at {self.claim.product} {self.claim.key} is no longer this worker's.")


def _will_do(reading: Reading, *, any_age: bool) -> bool:
    """Whether there is nothing to wait for."""
    if reading.state == "empty":
        return any_age or reading.settled
    return reading.state == "fresh" or (any_age and reading.state in ("stale", "expired"))


def look_at(work: asyncio.Future[Any]) -> None:
    """Look at what came of work that nobody waits for, so that nobody complains that nobody did."""
    if not work.cancelled():
        work.exception()


def _has_failed(step: asyncio.Task[Any]) -> bool:
    return step.done() and (step.cancelled() or step.exception() is not None)
