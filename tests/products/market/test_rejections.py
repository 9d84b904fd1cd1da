"""Answers that were read and did not pass are kept for diagnosis: with what, how much, how many, how long."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from openbell.engine import jobs
from openbell.engine.answers import INVALID, MOST_A_DAY, MOST_BYTES
from openbell.engine.artifacts import read
from openbell.engine.database import SQL
from openbell.engine.upkeep import Historian
from openbell.products.context import contexts
from openbell.products.sources import Connections, Source, limits_of
from tests.engine.conftest import Employ
from tests.engine.hand import Hand, declare, ended, queue
from tests.products.kitchen import PRODUCTS
from tests.providers.scripted import http, serving
from tests.support import Clock, eventually

QUOTE = {"symbol": "AAPL", "price": 10, "timestamp": 1_338_557_400}


class Provider:
    """A provider that answers what a test has put down, and workers that ask it."""

    def __init__(self, pool: asyncpg.Pool, answers: dict[str, bytes]) -> None:
        self.pool, self.answers = pool, answers

    def says(self, body: bytes | list[dict[str, Any]], *, status: int = 200) -> None:
        """Answer this to everything from now on."""
        self.answers["*"] = http(status, body if isinstance(body, bytes) else json.dumps(body).encode())

    async def ends(self, product: str = "quote", key: str = "AAPL") -> asyncpg.Record:
        """How the job of a key ends, and what it has left."""
        before = len(await ended(self.pool, key, product))
        await queue(self.pool, key, name=product)
        await eventually(lambda: self._more(product, key, before))
        return (await ended(self.pool, key, product))[-1]

    async def _more(self, product: str, key: str, before: int) -> bool:
        return len(await ended(self.pool, key, product)) > before


@pytest.fixture
async def provider(pool: asyncpg.Pool, employ: Employ) -> AsyncIterator[Provider]:
    """The provider, and one worker."""
    answers: dict[str, bytes] = {}
    async with serving(answers) as server:
        sources = {"fmp": Source(server.url, key="a-secret-key", plan="premium", calls_per_minute=10_000)}
        connections = Connections(sources)
        await employ(
            *map(PRODUCTS.get, ("quote", "dividend-history", "valuations")),
            limits=limits_of(sources),
            context=contexts(connections),
        )
        yield Provider(pool, answers)
        await connections.close()


async def test_a_rejected_answer_is_kept(provider: Provider, pool: asyncpg.Pool) -> None:
    """MD-7: an answer that does not pass ends its job with one word, and is kept with what is wrong in which row."""
    good = {"symbol": "MSFT", "date": "2012-05-15", "recordDate": None, "paymentDate": None, "declarationDate": None}
    good |= {"adjDividend": 0.2, "dividend": 0.2}
    body = json.dumps([good, good | {"date": "2012-02-14", "dividend": -0.2}]).encode()
    provider.says(body)
    job = await provider.ends("dividend-history", "MSFT")
    assert (job["word"], job["code"]) == ("failed", INVALID)
    [kept] = await jobs.rejected(pool, job["id"])
    assert (kept["provider"], kept["operation"], kept["code"]) == ("FMP", "dividends", INVALID)
    assert (kept["bytes"], kept["body"].encode()) == (len(body), body)
    fault, note = kept["faults"]
    assert (fault["at"], fault["value"]) == ("dividend", "-0.2")
    assert note["note"].startswith("row 1 of the answer: ")
    assert "greater than or equal to 0" in kept["message"]
    assert "a-secret-key" not in json.dumps(kept)


async def test_what_passes_or_is_refused_is_not_kept(provider: Provider, pool: asyncpg.Pool) -> None:
    """MD-7: a good answer, an empty one and a refusal leave nothing: there is nothing to find out about them."""
    provider.says([QUOTE])
    assert (await provider.ends())["word"] == "done"
    for body, status, outcome in ((b"[]", 200, "empty"), (b"Exclusive Endpoint", 402, "failed")):
        provider.says(body, status=status)
        assert (await provider.ends(key=f"S{status}"))["word"] == outcome
    assert await pool.fetchval("select count(*) from openbell.rejected") == 0


async def test_the_wrong_company_is_kept(provider: Provider, pool: asyncpg.Pool) -> None:
    """MD-7: rows of another symbol end the job with the same word; the client's own word is kept beside the answer."""
    provider.says([QUOTE | {"symbol": "META"}])
    job = await provider.ends(key="FB")
    [kept] = await jobs.rejected(pool, job["id"])
    assert (job["code"], kept["code"]) == (INVALID, "wrong_symbol")
    assert "'META' when asked for FB" in kept["message"]
    assert (await read(pool, "quote", "FB")).version == 0


async def test_a_rejection_leaves_the_last_good_value(provider: Provider, pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-13, MD-7: what was known stays; the rejected answer lies beside it."""
    provider.says([QUOTE])
    await provider.ends()
    await clock.advance(minutes=5)
    provider.says([QUOTE | {"price": None}])
    job = await provider.ends()
    reading = await read(pool, "quote", "AAPL")
    assert (reading.version, reading.value["price"]) == (1, 10)
    assert len(await jobs.rejected(pool, job["id"])) == 1


async def test_only_the_beginning_of_a_large_answer_is_kept(provider: Provider, pool: asyncpg.Pool) -> None:
    """MD-7: of a large answer 64 KiB are kept, and its whole size."""
    rows = json.dumps([QUOTE | {"price": -1, "name": "x" * 100_000}]).encode()
    provider.says(rows)
    [kept] = await jobs.rejected(pool, (await provider.ends())["id"])
    assert (kept["bytes"], len(kept["body"])) == (len(rows), MOST_BYTES)


async def test_what_is_no_text_is_kept_too(provider: Provider, pool: asyncpg.Pool) -> None:
    """MD-7: an answer that is tried again is kept with its first attempt; bytes that are no text do no harm."""
    provider.says(b"<html>\x00\xff\xfe")
    await queue(pool, "T", name="quote")
    kept = await eventually(lambda: pool.fetchrow("select * from openbell.rejected where key = 'T'"))
    assert kept is not None
    assert (kept["code"], kept["attempt"], kept["bytes"], kept["body"]) == (
        "not_json",
        1,
        9,
        "<html>\ufffd\ufffd\ufffd",
    )
    view = await jobs.get(pool, kept["job_id"])
    assert view is not None
    assert view.state in jobs.LIVE


async def test_so_many_a_day_and_no_more(provider: Provider, pool: asyncpg.Pool, clock: Clock) -> None:
    """MD-7: a provider that is wrong about everything fills no disk: 20 answers a day of one product, kept 30 days."""
    provider.says([QUOTE | {"price": "dear"}])
    keys = [f"K{number}" for number in range(MOST_A_DAY + 15)]
    for key in keys:
        await queue(pool, key, name="valuations")

    async def all_failed() -> bool:
        count = await pool.fetchval("select count(*) from openbell.job_history where product = 'valuations'")
        return bool(count == len(keys))

    await eventually(all_failed)
    kept = await pool.fetchval("select count(*) from openbell.rejected")
    assert MOST_A_DAY <= kept < MOST_A_DAY + 8  # attempts that end at the same moment do not see each other
    await clock.advance(days=31)
    await Historian(pool).beat()
    assert await pool.fetchval("select count(*) from openbell.rejected") == 0


async def test_an_outdated_attempt_keeps_nothing(pool: asyncpg.Pool) -> None:
    """PF-5: the answers of an attempt whose token is outdated are not written."""
    hand = await Hand.hire(pool, declare("number"))
    [job_id] = await queue(pool, "a")
    [claim] = await hand.claim()
    answer = {"provider": "shop", "operation": "buy", "bytes": 2, "body": "{}"}
    for token, kept in ((claim.token - 1, 0), (claim.token, 1)):
        columns = (job_id, token, INVALID, "wrong", [], [answer], MOST_A_DAY)
        await pool.execute(SQL.get("keep_rejected"), *columns)
        assert len(await jobs.rejected(pool, job_id)) == kept
