"""Products that buy: one for each way in which a call may be repeated or not, alone, in steps, in the background.

They are what a provider client is: one attempt, typed errors, the key of a purchase made of product, key and step. Each
keeps the names of its sales in its result, so that it can be seen afterwards that nothing was bought for nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from openbell.engine.attempt import Attempt
from openbell.engine.errors import Transient, Waiting
from openbell.engine.keys import Key
from openbell.engine.ledger import Limit
from openbell.engine.registry import Calls, Product, days, hours, product, seconds, task
from openbell.engine.spends import Call
from tests.chaos.outside import Line
from tests.chaos.shop import DEAREST

STORE = "store"
POLL_S = 0.01


class Bought(BaseModel):
    """The result of a purchase: which attempt made it, and the names of the sales in it."""

    token: int
    refs: list[str]


def limits(calls: int = 10**9) -> list[Limit]:
    """Calls in a window, runs at once, and money: in all, and by day."""
    return [
        Limit(STORE, "calls", "window", calls, span=timedelta(seconds=2)),
        Limit(STORE, "runs", "at once", 10**6, closes="release"),
        Limit(STORE, "usd_micro", "ever", 10**15, closes="charge"),
        Limit(STORE, "usd_micro", "day", 10**15, closes="charge", calendar="day"),
    ]


def products(line: Line, *, timeout_s: float = 0.6, attempt_s: float = 20.0) -> list[Product]:
    """What can be bought through ``line``; a call may take ``timeout_s``, an attempt ``attempt_s``."""
    deals = Deals(line, timedelta(seconds=timeout_s))
    common: dict[str, Any] = {
        "key": Key, "version": 1, "timeout": seconds(attempt_s), "retry": seconds(0.05), "max_attempts": 100,
        "spends": {STORE: Calls(1)},
    }  # fmt: skip
    policy = common | {"ttl": hours(9), "stale": hours(9), "empty": hours(9), "keep": days(1), "licence": "cc0"}
    duty = {name: common[name] for name in common if name != "key"}
    made = [product(f"deal-{name}", **policy)(_typed(make)) for name, make in deals.artifacts.items()]
    return made + [task(f"deal-{name}", **duty)(work) for name, work in deals.tasks.items()]


def _typed(make: Callable[[Key, Attempt], Awaitable[list[str]]]) -> Callable[..., Awaitable[Bought]]:
    async def producer(key: Key, attempt: Attempt) -> Bought:
        return Bought(token=attempt.claim.token, refs=await make(key, attempt))

    return producer


class Deals:
    """The producers."""

    def __init__(self, line: Line, timeout: timedelta) -> None:
        self._line, self._timeout = line, timeout
        self.artifacts = {
            "read": self.read, "keyed": self.keyed, "asked": self.asked, "beside": self.beside, "chain": self.chain,
            "run": self.run,
        }  # fmt: skip
        self.tasks = {"paid": self.paid, "bare": self.bare}

    async def read(self, key: Key, attempt: Attempt) -> list[str]:
        """One free read."""
        return [await self._buy(attempt, "read", "repeat")]

    async def keyed(self, key: Key, attempt: Attempt) -> list[str]:
        """One purchase that the provider knows again by its key."""
        return [await self._buy(attempt, "keyed", "resend")]

    async def asked(self, key: Key, attempt: Attempt) -> list[str]:
        """One purchase that the provider can be asked about."""
        return [await self._buy(attempt, "asked", "lookup")]

    async def paid(self, key: Key, attempt: Attempt) -> None:
        """A purchase that nobody can tell from another, and its memo."""
        await self._step(attempt, "paid", "never")

    async def bare(self, key: Key, attempt: Attempt) -> None:
        """The same with nothing to remember it by, and a step after it."""
        await self._buy(attempt, "bare", "never")
        await self._step(attempt, "after", "repeat")

    async def beside(self, key: Key, attempt: Attempt) -> list[str]:
        """Three side by side."""
        wishes = (("pay", "never"), ("key", "resend"), ("look", "repeat"))
        return list(await asyncio.gather(*(self._step(attempt, name, effect) for name, effect in wishes)))

    async def chain(self, key: Key, attempt: Attempt) -> list[str]:
        """One after the other."""
        wishes = (("read", "repeat"), ("key", "resend"), ("ask", "lookup"), ("pay", "never"))
        return [await self._step(attempt, name, effect) for name, effect in wishes]

    async def run(self, key: Key, attempt: Attempt) -> list[str]:
        """A run in the background: handed in, parked, looked after, never handed in twice."""
        wish = self._wish(attempt, "run", "lookup")
        async with self._call(attempt, wish) as call:
            if call.resumed and call.provider_ref is None:
                found = good(call, await self._line.deal("find", key=call.idempotency_key))
                call.provider_ref = found["ref"]
                if found["ref"] is None:
                    call.not_found()
            if call.provider_ref is None:
                await call.sending()
                call.provider_ref = (await self._made(call, wish))["ref"]
            said = await self._line.deal("look", ref=call.provider_ref)
            if said["done"]:
                call.took(usd_micro=said["cost"], ref=said["ref"])
                return [said["ref"]]
            call.under_way(said["ref"])
        raise Waiting("the run is under way", retry_after=timedelta(seconds=POLL_S))

    async def _step(self, attempt: Attempt, name: str, effect: str) -> str:
        """A purchase in a step that goes on for a moment after it."""

        async def work() -> str:
            ref = await self._buy(attempt, name, effect)
            await asyncio.sleep(0.002)
            return ref

        return str(await attempt.step(name, work))

    async def _buy(self, attempt: Attempt, step: str, effect: str) -> str:
        wish = self._wish(attempt, step, effect)
        async with self._call(attempt, wish) as call:
            if call.resumed and effect == "lookup":
                found = good(call, await self._line.deal("find", key=call.idempotency_key))
                if found["ref"] is not None:
                    call.took(usd_micro=found["cost"], ref=found["ref"])
                    return str(found["ref"])
                call.not_found()
            await call.sending()
            said = await self._made(call, wish)
            call.took(usd_micro=said["cost"], ref=said["ref"])
            return str(said["ref"])

    def _wish(self, attempt: Attempt, step: str, effect: str) -> dict[str, Any]:
        claim = attempt.claim
        return {
            "job": claim.id, "token": claim.token, "name": f"{claim.product}:{claim.key}", "step": step,
            "effect": effect, "dedupe": effect == "resend", "until": time.time() + self._timeout.total_seconds(),
        }  # fmt: skip

    async def _made(self, call: Call, wish: Mapping[str, Any]) -> Mapping[str, Any]:
        """The sale. Raises :class:`Transient` when there is none, or no answer."""
        wish = {**wish, "spend": call.spend_id, "key": call.idempotency_key}
        return good(call, await self._line.deal("buy", **wish))

    def _call(self, attempt: Attempt, wish: Mapping[str, Any]) -> Any:
        money = DEAREST if wish["effect"] != "repeat" else 0
        return attempt.spends(STORE).call(
            wish["step"],
            effect=wish["effect"],
            idempotency_key=f"{wish['name']}:{wish['step']}" if wish["effect"] in ("resend", "lookup") else None,
            window=timedelta(days=30) if wish["dedupe"] else None,
            timeout=self._timeout,
            usd_micro=money,
            runs=1,
        )


def good(call: Call, said: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer, unless it is one of the bad ones. Raises :class:`Transient`."""
    match said["status"]:
        case "ok":
            return said
        case "refused":
            call.refused("refused")
        case "outage":
            call.took(runs=1)
            call.unclear("http_500")
    raise Transient(f"the store says {said['status']}", code=said["status"])
