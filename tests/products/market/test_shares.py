"""The count of shares: from EDGAR, by the number of the profile, once a day for every company that is known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine.artifacts import known_keys, read
from openbell.engine.schedules import run_now, seed_schedules
from openbell.products.context import contexts
from openbell.products.market.sec_outstanding_shares import DAILY, _rows
from openbell.products.sources import Connections, limits_of
from openbell.providers.edgar import Fact
from tests.engine.conftest import Employ
from tests.engine.hand import ended, queue
from tests.products.kitchen import CONTACT, PRODUCTS, Kitchen
from tests.sandbox.harness import Running
from tests.support import Clock, eventually

NAME = "sec-outstanding-shares"


@pytest.fixture
async def staff(employ: Employ, kitchen: Kitchen, pool: asyncpg.Pool) -> AsyncIterator[None]:
    """One worker for profiles, shares and the schedule."""
    connections = Connections(kitchen.sources, contact=CONTACT)
    made = [PRODUCTS.get(name) for name in ("profile", NAME, f"{NAME}-due")]
    await employ(*made, limits=limits_of(kitchen.sources), context=contexts(connections))
    await seed_schedules(pool, [DAILY])
    yield
    await connections.close()


async def made(pool: asyncpg.Pool, product: str, key: str, outcome: str = "done") -> Any:
    """Wait until the key has been made, and read it."""
    await eventually(lambda: _has(pool, product, key))
    last = (await ended(pool, key, product))[-1]
    assert last["word"] == outcome, last["message"]
    return await read(pool, product, key)


async def _has(pool: asyncpg.Pool, product: str, key: str) -> bool:
    return bool(await ended(pool, key, product))


async def test_it_waits_for_the_profile(pool: asyncpg.Pool, staff: None) -> None:
    """MD-22: without a profile the job waits, uses no attempt, and goes on when the profile arrives."""
    await queue(pool, "IBM", name=NAME)
    reading = await made(pool, NAME, "IBM")
    assert reading.value["cik"] == 51143
    assert reading.value["fact"] == "dei:EntityCommonStockSharesOutstanding"
    assert {row["shares"] for row in reading.value["rows"]} == {1_130_000_000}
    days = [row["as_of"] for row in reading.value["rows"]]
    assert days == sorted(set(days))
    assert reading.licence == "public-domain"
    [job] = await ended(pool, "IBM", NAME)
    assert job["attempts"] == 1
    assert (await read(pool, "profile", "IBM")).state == "fresh"


async def test_who_has_no_number_has_no_shares(pool: asyncpg.Pool, staff: None) -> None:
    """MD-6, MD-22: a company without a number at the SEC, and one without a profile, are "nothing known"."""
    for symbol in ("SYN001", "NOPE"):
        await queue(pool, symbol, name=NAME)
        assert (await made(pool, NAME, symbol, "empty")).state == "empty"


async def test_a_company_that_reports_nothing_is_empty(sandbox: Running, pool: asyncpg.Pool, staff: None) -> None:
    """MD-6: where neither the cover nor the balance sheet has a count, nothing is known."""
    await sandbox.fault("empty", provider="edgar")
    await queue(pool, "AAPL", name=NAME)
    assert (await made(pool, NAME, "AAPL", "empty")).state == "empty"


async def test_the_schedule_wants_what_is_known(pool: asyncpg.Pool, staff: None, clock: Clock) -> None:
    """MD-14: by schedule every company whose profile was looked at is refreshed; what is fresh is left alone."""
    for symbol in ("IBM", "MSFT", "GOOG"):
        await queue(pool, symbol, name="profile")
    for symbol in ("IBM", "MSFT", "GOOG"):
        await made(pool, "profile", symbol)
    async with pool.acquire() as conn:
        assert await run_now(conn, DAILY.name, actor="test")
    for symbol in ("IBM", "MSFT", "GOOG"):
        await made(pool, NAME, symbol)
    assert (await read(pool, NAME, "AAPL")).state == "missing"

    await clock.advance(hours=23)
    async with pool.acquire() as conn:
        assert await run_now(conn, DAILY.name, actor="test")
    await eventually(lambda: _count(pool, f"{NAME}-due", 2))
    assert await pool.fetchval("select count(*) from openbell.job_history where product = $1", NAME) == 3
    await clock.advance(hours=2)  # within the interest of that day they come of age
    await eventually(lambda: _count(pool, NAME, 6))


async def test_the_schedule_buys_no_profiles(sandbox: Running, pool: asyncpg.Pool, staff: None, clock: Clock) -> None:
    """MD-14: the schedule takes profiles as old as they are, and leaves companies at which nobody looks any more."""
    await queue(pool, "IBM", name="profile")
    before = await made(pool, "profile", "IBM")
    await clock.advance(hours=25)
    async with pool.acquire() as conn:
        assert await run_now(conn, DAILY.name, actor="test")
    assert (await made(pool, NAME, "IBM")).value["cik"] == 51143
    after = await read(pool, "profile", "IBM")
    assert (after.state, after.fresh_until) == ("stale", before.fresh_until)
    assert len(await sandbox.entries("fmp")) == 1

    await clock.advance(days=7)
    runs = len(await ended(pool, "GLOBAL", f"{NAME}-due"))
    async with pool.acquire() as conn:
        assert await run_now(conn, DAILY.name, actor="test")
    await eventually(lambda: _count(pool, f"{NAME}-due", runs + 1))
    assert len(await ended(pool, "IBM", NAME)) == 1
    assert not (await read(pool, NAME, "IBM")).demanded


async def _count(pool: asyncpg.Pool, product: str, most: int) -> bool:
    count = await pool.fetchval("select count(*) from openbell.job_history where product = $1", product)
    return bool(count >= most)


async def test_known_keys_come_in_order(pool: asyncpg.Pool, staff: None, clock: Clock) -> None:
    """MD-14: the companies that are known are walked in order, page by page; what was not asked for lately is not."""
    for symbol in ("MSFT", "IBM", "GOOG"):
        await queue(pool, symbol, name="profile")
        await made(pool, "profile", symbol)
    week = timedelta(days=7)
    assert await known_keys(pool, "profile", within=week, limit=2) == ["GOOG", "IBM"]
    assert await known_keys(pool, "profile", within=week, after="IBM", limit=2) == ["MSFT"]
    await clock.advance(days=7)
    assert await known_keys(pool, "profile", within=week) == []


def test_the_last_report_of_a_day_counts() -> None:
    """MD-27: where several reports speak of one day the one filed last stays; a count of 0 is a blank, and left out."""

    def fact(end: int, value: float, number: int, filed: int) -> Fact:
        return Fact(date(2012, 3, end), value, f"0000320193-12-{number:06d}", "10-Q", date(2012, 4, filed))

    rows = _rows(
        [fact(31, 900, 1, 20), fact(31, 905, 3, 25), fact(31, 903, 2, 22), fact(30, 0, 4, 26), fact(1, 5, 5, 1)]
    )
    assert [(row.as_of.day, row.shares, row.accession[-1]) for row in rows] == [(1, 5, "5"), (31, 905, "3")]


def test_the_schedule_is_found() -> None:
    """MD-2: a schedule in a product's file is found with it."""
    assert PRODUCTS.schedules[NAME].product == f"{NAME}-due"
    assert PRODUCTS.get(f"{NAME}-due").is_task
