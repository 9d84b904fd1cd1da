"""Rules of money that are not kept yet: ``python -m pytest tests/engine/pending_spends.py``."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from typing import Any

import asyncpg
import pytest

from openbell.engine.errors import Permanent, Waiting
from tests.engine.hand import queue
from tests.engine.test_doubtful_spends import hire


async def test_an_endless_key_fails_alone(pool: asyncpg.Pool) -> None:
    """PF-35: an idempotency key that no index can hold is refused before it fails the batch of others."""
    hand = await hire(pool)
    await queue(pool, "a", "b")
    bad, good = [hand.attempt(claim) for claim in await hand.claim(2)]

    async def call(attempt: Any, operation: str, **other: Any) -> None:
        async with attempt.spends("shop").call(operation, **other):
            pass

    endless = "".join(Random(1).choices("0123456789abcdef", k=20_000))
    keyed = call(bad, "x", effect="resend", idempotency_key=endless)
    answers = await asyncio.gather(keyed, call(good, "read"), return_exceptions=True)
    assert isinstance(answers[0], Permanent)
    assert answers[1] is None


async def test_a_second_request_that_is_too_late_takes_nothing_back(pool: asyncpg.Pool) -> None:
    """PF-21: a call of two requests whose second one comes too late has happened all the same."""
    hand = await hire(pool)
    await queue(pool, "a")
    attempt = hand.attempt((await hand.claim())[0])
    keyed: Any = {"effect": "lookup", "idempotency_key": "k", "usd_micro": 100, "timeout": timedelta(seconds=0.2)}
    with pytest.raises(Waiting):  # noqa: PT012 (the call is what raises)
        async with attempt.spends("shop").call("pay", **keyed) as call:
            await call.sending()  # it is handed in and paid for
            call.took(usd_micro=90, ref="r1")
            await asyncio.sleep(0.3)
            await call.sending()  # and looked after
    (ended,) = attempt.take_ended()
    assert ended.state in ("settled", "unknown")
