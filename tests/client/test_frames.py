"""Frames on request: rows as tables of the library that the reader has."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from openbell.client import Client, NoFrame
from openbell.products import registry
from openbell.web.tables import table_of
from tests.web.conftest import PRICES, QUOTE, Site

HEADLINES = {
    "rows": [
        {"published": "2012-06-01T15:00:00-04:00", "title": "One", "symbol": None},
        {"published": "2012-06-04T09:00:00-04:00", "title": "Two", "symbol": None},
    ]
}
STATEMENTS = {
    "symbol": "AAPL",
    "cik": None,
    "periods": [
        {"date": "2011-09-24", "period": "FY", "fiscal_year": 2011, "income": {"revenue": 108_249.0, "eps": None}},
        {"date": "2012-09-29", "period": "FY", "fiscal_year": 2012, "income": {"revenue": 156_508.0}},
    ],
}


async def test_bars_become_a_frame_with_named_columns_and_days(site: Site, bell: Client) -> None:
    """Issue 5, item 9: rows that are plain lists get the names of their columns, and days are days."""
    await site.publish("eod-prices", "AAPL", PRICES)
    found = await bell.read("eod-prices", "AAPL")
    assert found.rows[0] == {
        "day": "2012-05-30", "open": 569.2, "high": 579.99, "low": 566.56, "close": 579.17, "volume": 18_908_200,
    }  # fmt: skip
    made = found.frame()
    assert list(made.columns) == ["day", "open", "high", "low", "close", "volume"]
    assert made.set_index("day")["close"].loc["2012-05-31"] == 577.73
    assert str(made.dtypes["day"]).startswith("datetime64")


async def test_what_is_nested_gets_columns_of_its_own(site: Site, bell: Client) -> None:
    """Issue 5, item 9: a frame is flat; a figure that is missing in a row is missing in the frame, and not zero."""
    await site.publish("financial-statements", "AAPL", STATEMENTS)
    made = (await bell.read("financial-statements", "AAPL")).frame("pandas")
    assert made["income_revenue"].tolist() == [108_249.0, 156_508.0]
    assert list(made.columns[:3]) == ["date", "period", "fiscal_year"]
    assert str(made.dtypes["income_eps"]) == "float64"  # a column of numbers, though none is known


async def test_times_are_in_utc(site: Site, bell: Client) -> None:
    """Times of several offsets make one column of times, in UTC."""
    await site.publish("market-headlines", "GLOBAL", HEADLINES)
    made = (await bell.read("market-headlines", "GLOBAL")).frame()
    assert made["published"][0].to_pydatetime() == datetime(2012, 6, 1, 19, tzinfo=UTC)


async def test_times_of_an_exchange_keep_their_clock(site: Site, bell: Client) -> None:
    """A time without a zone is not taken for one of this machine, whatever its zone."""
    bars = {"rows": [["2012-06-01T09:30:00", 569.16, 572.65, 560.52, 562.95, 18_606_700]]}
    await site.publish("intraday-prices", "AAPL", bars)
    made = (await bell.read("intraday-prices", "AAPL")).frame()
    assert made["time"][0].to_pydatetime() == datetime(2012, 6, 1, 9, 30)  # noqa: DTZ001


async def test_a_frame_that_cannot_be_made_says_what_is_missing(
    site: Site, bell: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither library is required: without one the error names what to install, and a result without rows says so."""
    await site.publish("eod-prices", "AAPL", PRICES)
    await site.publish("quote", "AAPL", QUOTE)
    prices = await bell.read("eod-prices", "AAPL")
    quote = await bell.read("quote", "AAPL")
    with pytest.raises(NoFrame, match="quote AAPL has no rows"):
        quote.frame()
    await site.publish("eod-prices", "NONE", None, version=0, state="empty")
    with pytest.raises(NoFrame, match="no value of eod-prices NONE, which is empty"):
        (await bell.read("eod-prices", "NONE")).frame()
    with pytest.raises(NoFrame, match="none of 'excel'"):
        prices.frame("excel")  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(NoFrame, match="pip install pandas"):
        prices.frame()
    with pytest.raises(NoFrame, match="pip install polars"):
        prices.frame("polars")


def test_every_product_with_rows_has_columns() -> None:
    """Issue 5, item 9: columns are read from the model, so that a new data type has frames and widgets by itself."""
    for one in registry():
        if one.model is None:
            continue
        table = table_of(one.model)
        fields = one.model.model_json_schema()["properties"]
        lists = [name for name in fields if fields[name].get("type") == "array"]
        rows = [name for name in lists if "$ref" in fields[name]["items"] or "prefixItems" in fields[name]["items"]]
        assert ([table.field] if table else []) == rows[:1]
        names = [column.name for column in table.columns] if table else []
        assert len(set(names)) == len(names) != 1, one.name


def test_the_columns_of_a_model_know_what_they_hold() -> None:
    """Kinds are those of the model: days, times, numbers, truth and text."""
    found: dict[str, Any] = {}
    for name in ("eod-prices", "financial-statements", "market-headlines"):
        table = table_of(registry().get(name).model)
        assert table is not None
        found |= {one.name: one.kind for one in table.columns}
    assert (found["day"], found["close"], found["income_revenue"]) == ("date", "number", "number")
    assert (found["published"], found["title"], found["filed"], found["accepted"]) == (
        "time",
        "text",
        "date",
        "time",
    )
