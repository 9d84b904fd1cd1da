"""What the workers of a chaos run make: products and tasks that use every part of the engine, and one that misbehaves.

Everything that a producer does to the outside carries its job, its token and its step, so that the checker can tell
afterwards under which attempt it happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import Any

from pydantic import BaseModel

from openbell.engine.attempt import Attempt
from openbell.engine.errors import NothingKnown, Permanent, RateLimited, Transient
from openbell.engine.keys import Key
from openbell.engine.ledger import Limit
from openbell.engine.registry import Calls, Product, Registry, days, hours, minutes, product, seconds, task
from openbell.engine.schedules import schedule
from openbell.engine.worker import SeatLimit
from tests.chaos.deals import STORE, good
from tests.chaos.outside import Line
from tests.chaos.shop import DEAREST

WINDOW_S = 2.0
CALL_S = 1.0
"""What a call may take."""
NARROW_SEATS = 2
SEATS = 20
TIMEOUT_S = 25.0
"""Of an attempt, at the engine's own pace: longer than a lease, so that who was frozen still has something to write."""

SEAT_LIMITS = (SeatLimit("product", "narrow", NARROW_SEATS), SeatLimit("total", "all", SEATS))


def limits(calls: int) -> list[Limit]:
    """So many calls of the shop in any window; its money and that of the store are counted and not short."""
    return [
        Limit(STORE, "calls", "window", 10**9, span=timedelta(seconds=WINDOW_S)),
        Limit(STORE, "usd_micro", "ever", 10**12, closes="charge"),
        Limit("shop", "calls", "window", calls, span=timedelta(seconds=WINDOW_S)),
        Limit("shop", "usd_micro", "ever", 10**12, closes="charge"),
    ]


class Made(BaseModel):
    """A value that says which attempt made it."""

    token: int
    n: int


Make = Callable[[Key, Attempt], Awaitable[Any]]


def registry(line: Line, random: Random, pace: float = 1) -> Registry:
    """Everything that can be made, and what is due each minute."""
    made = {one.name: one for one in products(line, random, pace)}
    due: dict[str, Any] = {"cron": "* * * * *", "zone": "America/New_York", "max_late": minutes(5)}
    schedules = [
        schedule("each-minute", made["tick"], "late", missed="late", **due),
        schedule("each-minute-or-not", made["tick"], "skip", missed="skip", **due),
    ]
    return Registry(list(made.values()), schedules)


def products(line: Line, random: Random, pace: float = 1) -> list[Product]:
    """What can be made, doing its work through ``line``."""
    deeds, timeout = Deeds(line, random), seconds(TIMEOUT_S * pace)
    policy: dict[str, Any] = {
        "key": Key, "version": 1, "ttl": seconds(1.5), "stale": hours(1), "empty": seconds(3), "retry": seconds(1),
        "keep": days(1), "timeout": timeout, "spends": {"shop": Calls(1)}, "licence": "cc0",
    }  # fmt: skip
    duty: dict[str, Any] = {"version": 1, "timeout": timeout, "retry": seconds(1)}
    return [
        product("quote", **policy)(_typed(deeds.quote)),
        product("report", **policy | {"ttl": seconds(20), "job_class": "research"})(_typed(deeds.report)),
        product("rude", **policy | {"max_attempts": 2, "max_bytes": 2_000})(_typed(deeds.rude)),
        task("mail", **duty, spends={"shop": Calls(1)})(deeds.mail),
        task("narrow", **duty, job_class="scheduled")(deeds.narrow),
        task("needy", **duty, patience=minutes(10))(deeds.small),
        task("tick", **duty)(deeds.small),
        task("count", **duty, bundle=40)(deeds.count),
    ]


def _typed(make: Make) -> Callable[..., Awaitable[Made]]:
    async def producer(key: Key, attempt: Attempt) -> Made:
        return await make(key, attempt)  # type: ignore[no-any-return]

    return producer


class Deeds:
    """The producers."""

    def __init__(self, line: Line, random: Random) -> None:
        self._line, self._random = line, random

    async def quote(self, key: Key, attempt: Attempt) -> Made:
        """One free read; sometimes there is nothing."""
        await self._call(attempt, "make", "repeat")
        if self._random.random() < 0.02:
            raise NothingKnown("nothing under this key")
        return self._made(attempt)

    async def report(self, key: Key, attempt: Attempt) -> Made:
        """Two reads side by side, a purchase that must never be repeated, and one more read."""
        await asyncio.gather(*(self._step(attempt, name, "repeat") for name in ("left", "right")))
        await self._step(attempt, "pay", "never", cost_micro=900)
        await self._step(attempt, "last", "repeat")
        return self._made(attempt)

    async def mail(self, key: Key, attempt: Attempt) -> None:
        """A task whose one call must not be repeated; its arguments must have come through."""
        if not attempt.claim.args or attempt.claim.args.get("to") != str(key):
            self._line.tell("lost_args", job=attempt.claim.id, got=attempt.claim.args)
        await self._step(attempt, "send", "never")
        if self._random.random() < 0.02:
            raise Permanent("the address does not exist")

    async def narrow(self, key: Key, attempt: Attempt) -> None:
        """Few of these may run at once; each buys two things under keys, once."""
        await self._effect(attempt, "run")
        await self._step(attempt, "key", "resend")
        await self._step(attempt, "ask", "lookup")
        await asyncio.sleep(self._random.uniform(0.02, 0.15))

    async def small(self, key: Key, attempt: Attempt) -> None:
        """Nothing but its effect."""
        await self._effect(attempt, "run")

    async def count(self, key: Key, attempt: Attempt) -> None:
        """One of very many."""
        claim = attempt.claim
        self._line.tell("effect", job=claim.id, token=claim.token, step="run")
        if self._random.random() < 0.3:
            await asyncio.sleep(0.03)
        if self._random.random() < 0.01:
            raise Transient("not now")

    async def rude(self, key: Key, attempt: Attempt) -> Any:
        """Breaks a rule each time: the job must end with a typed outcome, and the worker must live."""
        await self._effect(attempt, "run")
        match self._random.randrange(7):
            case 0:
                raise RuntimeError("a bug \x00 in a producer")
            case 1:
                return {"token": attempt.claim.token}
            case 2:
                return Made(token=attempt.claim.token, n=10**4000)
            case 3:
                time.sleep(0.4)  # noqa: ASYNC251 - it blocks the event loop on purpose
            case 4:
                self._leak = asyncio.create_task(asyncio.sleep(60))
            case 5:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(60)
            case 6:
                raise Transient("not now")
        return self._made(attempt)

    def _made(self, attempt: Attempt) -> Made:
        return Made(token=attempt.claim.token, n=self._random.randrange(10**6))

    async def _effect(self, attempt: Attempt, step: str) -> None:
        await self._line.ask("effect", job=attempt.claim.id, token=attempt.claim.token, step=step)

    async def _step(self, attempt: Attempt, name: str, effect: Any, cost_micro: int = 0) -> None:
        async def work() -> int:
            await self._effect(attempt, name)
            if effect in ("resend", "lookup"):
                await self._order(attempt, name, effect)
            else:
                await self._call(attempt, name, effect, cost_micro)
            return attempt.claim.token

        await attempt.step(name, work)

    async def _order(self, attempt: Attempt, step: str, effect: Any) -> None:
        """Buy once under a key: the store knows it again, or can be asked about it."""
        claim = attempt.claim
        wish = {
            "job": claim.id, "token": claim.token, "name": f"{claim.product}:{claim.key}", "step": step,
            "effect": effect, "dedupe": effect == "resend", "until": time.time() + CALL_S, "key": f"{claim.id}:{step}",
        }  # fmt: skip
        async with attempt.spends(STORE).call(
            step, effect=effect, idempotency_key=wish["key"], window=days(30), usd_micro=2 * DEAREST,
            timeout=seconds(CALL_S),
        ) as call:  # fmt: skip
            if call.resumed and effect == "lookup":
                found = good(call, await self._line.deal("find", key=wish["key"]))
                if found["ref"] is not None:
                    call.took(usd_micro=found["cost"], ref=found["ref"])
                    return
                call.not_found()
            await call.sending()
            said = good(call, await self._line.deal("buy", **wish, spend=call.spend_id))
            call.took(usd_micro=said["cost"], ref=said["ref"])

    async def _call(self, attempt: Attempt, step: str, effect: Any, cost_micro: int = 0) -> None:
        claim = attempt.claim
        held = cost_micro and cost_micro + 100
        gate = attempt.spends("shop").call(step, effect=effect, usd_micro=held, timeout=seconds(CALL_S))
        async with gate as call:
            await call.sending()
            status = await self._line.ask(
                "call", job=claim.id, token=claim.token, step=step, spend=call.spend_id, effect=effect
            )
            call.took(usd_micro=cost_micro)
            if status == "broken":
                raise Transient("the shop is broken")
            if status == "pause":
                raise RateLimited("the shop asks for a pause", retry_after=timedelta(seconds=0.5))
