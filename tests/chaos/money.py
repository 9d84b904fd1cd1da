"""Ways to break the engine's handling of money in Python. :mod:`tests.chaos.mutants` says what each must break."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from openbell.engine.attempt import Attempt
from openbell.engine.runner import Runner
from openbell.engine.spends import Call, Settlement, Spends
from openbell.providers.mail import Mailer
from openbell.providers.perplexity.client import Perplexity


def settle_first() -> None:
    """What a call took is written before its result is, in a transaction of its own."""
    for name in ("_publish", "_complete"):
        original = getattr(Runner, name)

        async def ending(self: Runner, *args: Any, original: Any = original) -> None:
            attempt = next(one for one in args if isinstance(one, Attempt))
            await self.ledger.settle(attempt.take_ended())
            await original(self, *args)

        setattr(Runner, name, ending)


def new_key_each_time() -> None:
    """The key of a call says which attempt it is of, so that the next one makes another."""
    original = Spends._reserve

    async def reserve(self: Spends, operation: str, effect: Any, key: str | None, *rest: Any) -> Any:
        return await original(self, operation, effect, key and f"{key}:{self.token}", *rest)

    Spends._reserve = reserve  # type: ignore[method-assign]
    slot: Any = Call.idempotency_key
    salted = property(lambda call: (key := slot.__get__(call)) and f"{key}:{call._token}", slot.__set__)
    Call.idempotency_key = salted  # type: ignore[assignment]


def settle_others() -> None:
    """A step writes what other steps have bought together with its own memo."""
    original = Attempt.take_ended
    Attempt.take_ended = lambda self, step=None: original(self)  # type: ignore[method-assign]


def send_asleep() -> None:
    """Nobody looks at the clock before a request leaves."""
    original = Call.sending

    async def sending(self: Call) -> None:
        self._until = self._leave_by = float("inf")
        await original(self)

    Call.sending = sending  # type: ignore[method-assign]


def submit_again() -> None:
    """A run whose name was lost is taken for one that never was."""
    original = Perplexity._keyed

    @asynccontextmanager
    async def keyed(self: Perplexity, *args: Any) -> AsyncIterator[Call]:
        async with original(self, *args) as call:
            if call.provider_ref is None:
                call.not_found()
            yield call

    Perplexity._keyed = keyed  # type: ignore[method-assign]


def batch_again() -> None:
    """A batch is made without asking for an earlier one, under a key that the provider does not get to see."""

    async def find(self: Perplexity, call: Call, key: str) -> None:
        call.not_found()

    original = Perplexity._make

    async def make(self: Perplexity, *args: Any, **options: Any) -> Any:
        return await original(self, *args, **options | {"headers": None})

    Perplexity._find_batch = find  # type: ignore[method-assign]
    Perplexity._make = make  # type: ignore[method-assign]


def mail_unmarked() -> None:
    """A mail leaves without anybody having written down that it does."""
    original = Mailer.send

    async def send(self: Mailer, *args: Any, **options: Any) -> Any:
        sending, Call.sending = Call.sending, _without_a_mark
        try:
            return await original(self, *args, **options)
        finally:
            Call.sending = sending  # type: ignore[method-assign]

    Mailer.send = send  # type: ignore[method-assign]


async def _without_a_mark(self: Call) -> None:
    self._sent = True


def trust_the_hold() -> None:
    """What the provider says that it took is not written down."""
    original = Call.settlement

    def settlement(self: Call) -> Settlement:
        return replace(original(self), took={})

    Call.settlement = settlement  # type: ignore[method-assign]
