"""Quotes, profiles, daily prices and searches: from the provider's rows to the values that are stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import openbell
from openbell.engine.errors import InvalidKey, NothingKnown, Permanent, RateLimited
from openbell.products.keys import Query, Symbol
from tests.products.kitchen import PRODUCTS, Kitchen
from tests.sandbox.harness import Running


async def test_a_quote(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-4, MD-7: a quote has the provider's figures under our names, and the time that the provider gives it."""
    (row,) = await sandbox.rows("quote", symbol="AAPL")
    value = await kitchen.make("quote", " aapl ")
    assert value["symbol"] == "AAPL"
    names = {"price": "price", "change_percent": "changePercentage", "day_high": "dayHigh", "volume": "volume"}
    assert {ours: value[ours] for ours in names} == {ours: row[theirs] for ours, theirs in names.items()}
    assert datetime.fromisoformat(value["source_time"]) == datetime.fromtimestamp(row["timestamp"], UTC)
    assert value["day_low"] <= value["price"] <= value["day_high"]


async def test_a_quote_without_a_price_is_refused(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: a row whose figures are null is no quote; nothing is made up for it."""
    await sandbox.fault("nulls", path="quote")
    with pytest.raises(ValidationError):
        await kitchen.make("quote", "AAPL")


async def test_a_profile(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: a profile has the provider's facts, numbers as numbers and dates as dates."""
    (row,) = await sandbox.rows("profile", symbol="AAPL")
    value = await kitchen.make("profile", "AAPL")
    assert (value["name"], value["currency"], value["cik"]) == (row["companyName"], row["currency"], row["cik"])
    assert value["employees"] is None or value["employees"] == int(row["fullTimeEmployees"])
    assert date.fromisoformat(value["ipo_date"])


async def test_blanks_become_nothing(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: "" and null of the provider are nothing, never an empty text or zero."""
    await sandbox.fault("nulls", path="profile")
    value = await kitchen.make("profile", "AAPL")
    assert value.pop("symbol") == "AAPL"
    assert set(value.values()) == {None}


async def test_daily_prices(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-27: daily prices are oldest first, each day once, each within its range."""
    value = await kitchen.make("eod-prices", "AAPL")
    days = [row[0] for row in value["rows"]]
    assert days == sorted(set(days))
    assert 1_000 < len(days) <= 1_260
    assert all(
        low <= min(open_, close) and max(open_, close) <= high for _, open_, high, low, close, _ in value["rows"]
    )
    newest = (await sandbox.rows("historical-price-eod/full", symbol="AAPL"))[0]
    assert (days[-1], value["rows"][-1][4]) == (newest["date"], newest["close"])
    assert (value["unit"], value["adjusted"]) == ("per share", "splits")


async def test_days_without_a_price_are_left_out(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-7: a session without figures is left out, not filled; when none is left, the answer is refused."""
    rows = await sandbox.rows("historical-price-eod/full", symbol="AAPL")
    rows = [dict(row) for row in rows[:5]]
    rows[1] |= dict.fromkeys(("open", "high", "low", "close", "volume"))
    async with kitchen.answered(rows) as (other, _):
        value = await other.make("eod-prices", "AAPL")
    assert [row[0] for row in value["rows"]] == [rows[n]["date"] for n in (4, 3, 2, 0)]
    await sandbox.fault("nulls", path="historical-price-eod/*")
    with pytest.raises(ValidationError):
        await kitchen.make("eod-prices", "AAPL")


async def test_a_day_sent_twice_is_there_once(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-27: time series are taken by their natural key."""
    rows = (await sandbox.rows("historical-price-eod/full", symbol="AAPL"))[:3]
    async with kitchen.answered([*rows, *rows]) as (other, _):
        value = await other.make("eod-prices", "AAPL")
    assert len(value["rows"]) == 3


@pytest.mark.parametrize("product", ["quote", "profile", "eod-prices"])
async def test_the_wrong_company_is_refused(sandbox: Running, kitchen: Kitchen, product: str) -> None:
    """MD-7: figures of another symbol than the one asked for are never stored under it."""
    path = {"eod-prices": "historical-price-eod/full"}.get(product, product)
    rows = (await sandbox.rows(path, symbol="MSFT"))[:3]
    async with kitchen.answered(rows) as (other, _):
        with pytest.raises(Permanent) as caught:
            await other.make(product, "AAPL")
    assert caught.value.code == "wrong_symbol"


@pytest.mark.parametrize("product", ["quote", "profile"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: row.clear(),
        lambda row: row.pop("symbol"),
        lambda row: row.update({name: [] for name in row}),
        lambda row: row.update(price="dear", marketCap=-1, open="x", close="x"),
        lambda row: row.update(price=-1, marketCap=-1, open=-1, close=-1, date="2012-02-30"),
    ],
    ids=["empty", "without symbol", "lists", "words", "negative"],
)
async def test_rows_out_of_shape_are_refused(
    sandbox: Running, kitchen: Kitchen, product: str, spoil: Callable[[dict[str, Any]], Any]
) -> None:
    """MD-7: an answer is checked in full before anything is written; what does not fit is a typed refusal."""
    path = {"eod-prices": "historical-price-eod/full"}.get(product, product)
    (row, *_) = await sandbox.rows(path, symbol="AAPL")
    spoil(row)
    async with kitchen.answered([row]) as (other, _):
        with pytest.raises((ValidationError, Permanent)):
            await other.make(product, "AAPL")


@pytest.mark.parametrize("product", ["quote", "profile", "eod-prices", "symbol-search"])
async def test_nothing_known_is_told_apart(kitchen: Kitchen, product: str) -> None:
    """MD-6: an unknown symbol or a search without a match is "nothing known"."""
    with pytest.raises(NothingKnown):
        await kitchen.make(product, "NOSUCHSYMBOL")


async def test_a_search_finds_by_symbol_and_by_name(kitchen: Kitchen) -> None:
    """MD-1: a search finds listings by symbol first, then by name, each once."""
    by_symbol = await kitchen.make("symbol-search", "aap")
    assert by_symbol["matches"][0]["symbol"] == "AAPL"
    by_name = await kitchen.make("symbol-search", "  APPLE ")
    assert by_name["query"] == "apple"
    found = [match["symbol"] for match in by_name["matches"]]
    assert "AAPL" in found
    assert len(found) == len(set(found)) <= 20


async def test_a_search_that_is_refused_is_no_empty_search(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-6: a refusal in one half of a search is an error, not "no match"."""
    await sandbox.fault("limit", path="search-name")
    with pytest.raises(RateLimited):
        await kitchen.make("symbol-search", "apple")


@pytest.mark.parametrize(
    "text", ["", " ", "A B", "-A", ".A", "A" * 16, "A/B", "A\x00", "ß", "ſ", "ＡＡＰＬ", "AAPL;", "../x"]
)
def test_a_malformed_symbol_is_refused(text: str) -> None:
    """PF-48: what cannot be a symbol is refused with a code before anything is asked."""
    with pytest.raises(InvalidKey) as caught:
        PRODUCTS.get("quote").parse_key(text)
    assert caught.value.code == "malformed_key"


@pytest.mark.parametrize("text", ["AAPL", "aapl", " brk-b ", "VOD.L", "0700.HK", "A"])
def test_symbols_have_one_spelling(text: str) -> None:
    """PF-1: however it is typed, a symbol is one key."""
    assert Symbol.parse(text) == text.strip().upper()


@pytest.mark.parametrize("kind", [Symbol, Query])
@given(text=st.text(max_size=60))
def test_parsing_is_done_once(kind: type[Symbol | Query], text: str) -> None:
    """PF-1: parsing what parsing gave changes nothing, and what it gives can be stored."""
    try:
        key = kind.parse(text)
    except ValueError:
        return
    assert kind.parse(key) == key
    assert isinstance(key, kind)
    key.encode()


def test_builders_find_what_they_need() -> None:
    """MD-1: the public names exist, are documented, and unknown ones are an ordinary AttributeError."""
    for name in openbell.__all__:
        assert getattr(openbell, name).__doc__, name
    assert openbell.product is PRODUCTS.get("quote").producer.__globals__["product"]
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = openbell.nonsense  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: row.clear(),
        lambda row: row.pop("symbol"),
        lambda row: row.pop("open"),
        lambda row: row.pop("date"),
        lambda row: row.update(date=[1]),
        lambda row: row.update(date="2012-02-30"),
        lambda row: row.update(close="x"),
        lambda row: row.update(open=-1),
        lambda row: row.update(volume=-1),
        lambda row: row.update(high=1, low=2),
    ],
    ids=["empty", "symbol", "open", "date", "list", "day", "word", "negative", "volume", "range"],
)
async def test_a_day_out_of_shape_is_refused(
    sandbox: Running,
    kitchen: Kitchen,
    spoil: Callable[[dict[str, Any]], Any],
) -> None:
    """MD-7: daily prices are checked in full before anything is written; what does not fit is a typed refusal."""
    (row, *_) = await sandbox.rows("historical-price-eod/full", symbol="AAPL")
    spoil(row)
    async with kitchen.answered([row]) as (other, _):
        with pytest.raises((ValidationError, Permanent)):
            await other.make("eod-prices", "AAPL")
