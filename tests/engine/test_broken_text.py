"""What providers say goes to the database: text that PostgreSQL refuses costs no call its price, and no job its end."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from pydantic import BaseModel

from openbell.engine import answers, jobs
from openbell.engine.errors import Permanent, ProducerError, ProviderStopped, RateLimited, Transient
from openbell.engine.keys import Key
from openbell.engine.ledger import Limit
from tests.engine.conftest import Employ
from tests.engine.hand import Number, declare, ended, per_minute, queue
from tests.support import eventually

NUL, HALF = "\x00", "\ud800"
MONEY = Limit("shop", "usd_micro", "ever", 10_000, closes="charge")
LIMITS = (per_minute(100), MONEY)


class Rows(BaseModel):
    """A model whose names are the provider's."""

    rows: dict[str, int]


async def buy(attempt: Any) -> None:
    """A call that must not be made twice, with 1,000 held, of which it takes 7."""
    async with attempt.spends("shop").call("pay", effect="never", idempotency_key="k", usd_micro=1_000) as call:
        await call.sending()
        call.took(usd_micro=7)


async def last(pool: asyncpg.Pool) -> Any:
    """How the only job has ended."""
    await eventually(lambda: ended(pool, "a"))
    return (await ended(pool, "a"))[-1]


async def is_charged(pool: asyncpg.Pool) -> bool:
    """The call has ended with the price that was told."""
    spend = await pool.fetchrow("select state::text, cost_micro from openbell.spend")
    return spend is not None and tuple(spend) == ("settled", 7)


@pytest.mark.parametrize("broken", [NUL, HALF], ids=["NUL", "half a pair"])
async def test_a_broken_name_in_an_answer(employ: Employ, pool: asyncpg.Pool, broken: str) -> None:
    """PF-10, MD-7: an answer with a broken name in it is rejected and kept, and its call charged as it was told."""

    async def make(key: Key, ctx: Any) -> Number:
        await buy(ctx)
        body = json.dumps({"rows": {f"a{broken}b": "x"}})
        answers.saw("shop", "pay", body.encode())
        Rows.model_validate(json.loads(body))
        return Number(n=1)

    await employ(declare(make=make), limits=LIMITS)
    await queue(pool, "a")
    job = await last(pool)
    assert (job["word"], job["code"]) == ("failed", answers.INVALID)
    assert await is_charged(pool)
    [kept] = await jobs.rejected(pool, job["id"])
    [fault] = kept["faults"]
    assert re.fullmatch(r"rows\.a[\ufffd?]+b", fault["at"])
    assert fault["fault"].startswith("Input should be a valid integer")


@pytest.mark.parametrize("error", [Permanent, ProviderStopped, RateLimited])
@pytest.mark.parametrize("broken", [NUL, HALF], ids=["NUL", "half a pair"])
async def test_a_broken_sentence_of_a_provider(
    employ: Employ, pool: asyncpg.Pool, error: type[ProducerError], broken: str
) -> None:
    """PF-10: a provider's sentence that cannot be stored ends its attempt like any other, and pauses whom it should."""

    async def make(key: Key, ctx: Any) -> Number:
        await buy(ctx)
        raise error(f"we are {broken}closed", retry_after=timedelta(hours=1))

    await employ(declare(make=make), limits=LIMITS)
    await queue(pool, "a")
    await eventually(lambda: is_charged(pool))
    if error is Permanent:
        assert "closed" in (await last(pool))["message"]
    else:
        assert await pool.fetchval("select bool_or(blocked_reason like 'we are _closed') from openbell.account")


@pytest.mark.parametrize("refused", ["publish", "end"])
async def test_a_refused_write_gives_the_calls_back(employ: Employ, pool: asyncpg.Pool, refused: str) -> None:
    """PF-10: whichever write the database refuses, the calls that came with it are settled by the one that follows."""

    async def make(key: Key, ctx: Any) -> Number:
        await buy(ctx)
        if refused == "end":
            raise Transient("it broke", code=NUL)
        return Number(n=1, text=NUL)

    await employ(declare(make=make), limits=LIMITS)
    await queue(pool, "a")
    job = await last(pool)
    assert (job["word"], job["code"], job["message"]) == (
        "failed",
        answers.INVALID,
        "the database cannot store the answer",
    )
    assert await is_charged(pool)
