"""What holds for every data type: from the wire to the stored artifact, empty, blank, out of shape, somebody else's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import ValidationError

from openbell.engine.artifacts import read
from openbell.engine.errors import NothingKnown, Permanent, Transient
from openbell.products.context import contexts
from openbell.products.keys import Global, Query, Symbol, Week
from openbell.products.sources import Connections, limits_of
from tests.engine.conftest import Employ
from tests.engine.hand import ended, queue
from tests.products.kitchen import CONTACT, PRODUCTS, Kitchen
from tests.products.market.cases import CASES, FROM_FMP, ONE_PATH
from tests.sandbox.harness import Running
from tests.support import Clock, eventually


def test_every_product_is_found_and_whole() -> None:
    """MD-1, MD-2: a data type is one file in the folder; each is tried here, and names licence, provider, estimate."""
    here = [one for one in PRODUCTS.products.values() if one.producer.__module__.startswith("openbell.products.market")]
    assert {one.name for one in here if not one.is_task} == set(CASES)
    for one in (PRODUCTS.get(name) for name in CASES):
        assert one.licence == ("public-domain" if one.provider == "edgar" else "personal")
        assert one.provider in ("fmp", "edgar")
        assert one.estimate.calls >= len(CASES[one.name].paths)
        assert one.estimate.bytes >= 500
        assert one.timeout.total_seconds() > 15 * one.estimate.calls
        assert replace(one).name == one.name


def test_times_to_live_are_those_of_the_plan() -> None:
    """MD-2: how long each type is fresh is what the table of the registry says."""
    hours = {
        "quote": 1 / 60, "profile": 24, "financial-statements": 30 * 24, "ratios-ttm": 24, "dividend-history": 90 * 24,
        "revenue-product-segmentation": 365 * 24, "grades-historical": 30 * 24, "exchange-variants": 24,
        "insider-trading-statistics": 7 * 24, "insider-transactions": 24, "valuations": 24,
        "analyst-price-targets": 24, "market-risk-premium": 24, "treasury-rates": 24, "sec-outstanding-shares": 24,
    }  # fmt: skip
    policies = {name: PRODUCTS.get(name).policy for name in hours}
    assert {name: one and one.ttl for name, one in policies.items()} == {
        name: timedelta(hours=n) for name, n in hours.items()
    }
    assert PRODUCTS.get("financial-statements").estimate.calls == 3
    assert PRODUCTS.get("sec-outstanding-shares").job_class == "scheduled"


async def test_from_the_wire_to_the_artifact(
    pool: asyncpg.Pool, sandbox: Running, kitchen: Kitchen, employ: Employ, clock: Clock
) -> None:
    """MD-1, MD-4, MD-22: a worker makes every type; each is stored with its source, and the same again is no version.

    The shares come from EDGAR, whose number the profile has: they are asked for first, and wait for it.
    """
    connections = Connections(kitchen.sources, contact=CONTACT)
    await employ(*map(PRODUCTS.get, CASES), limits=limits_of(kitchen.sources), context=contexts(connections))
    await queue(pool, "AAPL", name="sec-outstanding-shares")
    for name, case in CASES.items():
        await queue(pool, case.key, name=name)

    async def all_ended(times: int) -> bool:
        count = await pool.fetchval("select count(*) from openbell.job_history where outcome in ('done', 'unchanged')")
        return int(count) >= times * len(CASES)

    await eventually(lambda: all_ended(1))
    for name, case in CASES.items():
        reading = await read(pool, name, case.key)
        assert (reading.state, reading.version) == ("fresh", 1), name
        assert reading.synthetic, name
        assert reading.provenance["operation"] in case.paths, name
        assert reading.value, name
    profiles = await ended(pool, "AAPL", "profile")
    assert [one["word"] for one in profiles] == ["done"]

    await clock.advance(days=366)
    for name, case in CASES.items():
        await queue(pool, case.key, name=name)
    await eventually(lambda: all_ended(2))
    assert {name: (await read(pool, name, case.key)).version for name, case in CASES.items()} == dict.fromkeys(CASES, 1)
    await connections.close()


async def test_nothing_known_is_told_apart(kitchen: Kitchen) -> None:
    """MD-6: what the provider has nothing for is "nothing known", with every type that has such keys."""
    for name in FROM_FMP:
        if CASES[name].unknown is not None:
            with pytest.raises(NothingKnown):
                await kitchen.make(name, str(CASES[name].unknown))


async def test_an_empty_answer_is_nothing_known(kitchen: Kitchen) -> None:
    """MD-6: `[]` is an answer of its own everywhere, also for what has one key only."""
    async with kitchen.answered([]) as (other, _):
        for name in FROM_FMP:
            with pytest.raises(NothingKnown):
                await other.make(name, CASES[name].key)


async def test_blanks_replace_nothing(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: rows whose every figure is null or "" are refused, never stored as a result; and never as zeros."""
    blank_is_known = {"profile", "symbol-search"}
    for name in (name for name in FROM_FMP if name not in blank_is_known):
        await sandbox.client.delete("/_control/faults")
        await sandbox.fault("nulls")
        with pytest.raises(ValidationError):
            await kitchen.make(name, CASES[name].key)
    await sandbox.client.delete("/_control/faults")


@pytest.mark.parametrize("spoil", ["[]", "word", "missing"])
async def test_rows_out_of_shape_are_refused(sandbox: Running, kitchen: Kitchen, spoil: str) -> None:
    """MD-7: an answer is checked in full before anything is written: lists or words for figures, a renamed field."""
    free = {"profile"}  # whose every fact may be missing
    free |= {"stock-headlines", "market-headlines"} if spoil == "word" else set()  # which are words
    for name in (name for name in ONE_PATH if name not in free):
        [path] = CASES[name].paths
        rows = await rows_of(sandbox, name)
        for row in rows:
            fields = [field for field in row if field not in ("symbol", "date", "publishedDate")]
            if spoil == "missing":
                for field in fields:
                    row[f"new{field}"] = row.pop(field)
            else:
                row.update(dict.fromkeys(fields, [] if spoil == "[]" else "dear"))
        async with kitchen.answered({path: rows}) as (other, _):
            with pytest.raises(ValidationError):
                await other.make(name, CASES[name].key)


async def rows_of(sandbox: Running, name: str) -> list[dict[str, Any]]:
    """What the sandbox answers for a type."""
    [path] = CASES[name].paths
    span = {"from": "2012-05-07", "to": "2012-06-10"} if "calendar" in path else {}
    found = await sandbox.rows(path, symbol=CASES[name].key, symbols=CASES[name].key, limit="60", **span)
    return list(found)


async def test_infinite_figures_are_refused(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: NaN and infinity, which JSON does not have and some write anyway, are no figures."""
    for name in ("quote", "ratios-ttm", "valuations", "treasury-rates", "dividend-history"):
        [path] = CASES[name].paths
        (row, *_) = await rows_of(sandbox, name)
        for bad in (float("nan"), float("inf"), "-Infinity"):
            spoilt = {field: bad if isinstance(value, float) else value for field, value in row.items()}
            async with kitchen.answered({path: [spoilt]}) as (other, _):
                with pytest.raises(ValidationError):
                    await other.make(name, CASES[name].key)


async def test_the_wrong_company_is_refused(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: figures under another symbol than the one asked for are refused, also after a company's renaming.

    A provider that answers the old symbol with rows of the new one: the old key gets no figures, the new one has them.
    """
    named = [
        name
        for name in ONE_PATH
        if CASES[name].unknown == "NOPE" and name not in ("intraday-prices", "exchange-variants")
    ]
    assert len(named) >= 11
    for name in named:
        [path] = CASES[name].paths
        rows = [row | {"symbol": "META"} for row in await rows_of(sandbox, name)]
        async with kitchen.answered({path: rows}) as (other, _):
            with pytest.raises(Permanent) as caught:
                await other.make(name, "FB")
            assert caught.value.code == "wrong_symbol", name
            assert "META" in str(caught.value)
            assert await other.make(name, "META")


@pytest.mark.parametrize("ticker", ["TOT", "NET", "SPY", "ALL", "BRK-B", "brk.b"])
async def test_tickers_that_are_words_are_tickers(sandbox: Running, kitchen: Kitchen, ticker: str) -> None:
    """MD-7: a symbol is asked for as a symbol, whatever else it means; a class of shares has one spelling."""
    symbol = {"brk.b": "BRK-B"}.get(ticker, ticker)
    for name in ("quote", "dividend-history", "stock-headlines"):
        [path] = CASES[name].paths
        rows = [row | {"symbol": symbol} for row in await rows_of(sandbox, name)]
        async with kitchen.answered({path: rows}) as (other, server):
            value = await other.make(name, ticker)
        assert value["symbol"] == symbol
        assert f"symbol={symbol}" in server.targets[0] or f"symbols={symbol}" in server.targets[0]


async def test_one_broken_type_leaves_the_others(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-12: an endpoint that is out of order is that type's trouble alone."""
    await sandbox.fault("html502", path="ratios-ttm")
    with pytest.raises(Transient):
        await kitchen.make("ratios-ttm")
    assert await kitchen.make("quote")
    assert await kitchen.make("valuations")


def test_the_table_of_data_types_is_true() -> None:
    """MD-2: the documented table says of every data type what its declaration says."""
    lines = (Path(__file__).parents[3] / "docs" / "data-types.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| `")]
    units = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
    keys = {Symbol: "symbol", Global: "GLOBAL", Week: "week", Query: "text"}
    for name, key, fresh, calls, size, _ in rows:
        one = PRODUCTS.get(name.strip("`"))
        number, unit = fresh.split()
        assert one.policy is not None
        assert one.policy.ttl == int(number) * units[unit], name
        assert (keys[one.key], one.estimate.calls, f"{one.estimate.bytes:,}") == (key, int(calls), size), name
    assert {row[0].strip("`") for row in rows} == set(CASES)
