"""Whatever a provider puts into a field, the row becomes a record that can be stored, or is refused; nothing else."""

from __future__ import annotations

import importlib
import json
import pkgutil
from typing import Any

import pytest
from pydantic import ValidationError

import openbell.products.market as market
from openbell.products.market.fields import Record, in_order
from tests.sandbox.harness import Running

MODELS = {
    one.__name__: one
    for info in pkgutil.iter_modules(market.__path__, f"{market.__name__}.")
    for one in vars(importlib.import_module(info.name)).values()
    if isinstance(one, type) and issubclass(one, Record) and one.__module__ == info.name
}
SPAN = {"from": "2012-05-07", "to": "2012-06-10"}
PATHS = {
    "Announcement": "earnings-calendar", "Balance": "balance-sheet-statement", "CashFlow": "cash-flow-statement",
    "Consensus": "price-target-consensus", "CountryPremium": "market-risk-premium",
    "DailyRow": "historical-price-eod/full",
    "DividendDay": "dividends-calendar", "DividendRow": "dividends", "Entry": "earnings-calendar",
    "GradesRow": "grades-historical", "Head": "income-statement", "Headline": "news/stock",
    "Income": "income-statement",
    "InsiderQuarter": "insider-trading/statistics", "InsiderTransaction": "insider-trading/search",
    "IntradayRow": "historical-chart/5min", "Profile": "profile", "Quote": "quote", "RatiosTtm": "ratios-ttm",
    "Segments": "revenue-product-segmentation", "Summary": "price-target-summary", "TreasuryDay": "treasury-rates",
    "Valuation": "discounted-cash-flow", "Variant": "search-exchange-variants",
}  # fmt: skip
NASTY: list[Any] = [
    None, "", " ", "\x00", "\ud800", 0, -0.0, -1, True, False, 1e308, 10**400, float("nan"), float("inf"), "NaN",
    "1e400", "-Infinity", "12,5", [], [1], {}, {"a": float("nan")}, {"a": None}, {1: 2}, "0001-01-01 00:00:00",
    "2012-02-30", "9999-12-31 23:59:59", "x" * 19, "x" * 100_000, "javascript:alert(1)", "<script>",
    "2012-06-01", "2012-06-01T10:00:00Z", "2012-06-01T10:00:00", 1_338_557_400, 253_402_300_800, -(10**18),
]  # fmt: skip


async def test_any_value_in_any_field(sandbox: Running) -> None:
    """MD-7: any value in any field gives a record that JSON and the database can hold, or a refusal with its place."""
    assert set(PATHS) == set(MODELS) - {"Record", "Figures"}
    tried = 0
    for name, path in PATHS.items():
        params = {"symbol": "MSFT", "symbols": "MSFT", "limit": "5"} | (SPAN if path.endswith("calendar") else {})
        good = (await sandbox.rows(path, **params))[0]
        record = MODELS[name].model_validate(good)
        for field in good:
            for value in NASTY:
                tried += 1
                look(MODELS[name], record, good | {field: value}, f"{name}.{field} = {value!r:.60}")
    assert tried > 10_000


def look(model: type[Record], good: Record, row: dict[str, Any], where: str) -> None:
    """One row: a record that can be stored, or a refusal."""
    try:
        record = model.model_validate(row)
    except ValidationError:
        return
    except Exception as error:
        raise AssertionError(where) from error
    try:
        stored = json.dumps(record.model_dump(mode="json"), allow_nan=False).encode()
    except ValueError as error:
        raise AssertionError(where) from error
    assert b"\\u0000" not in stored, where
    single = [name for name, value in record if not isinstance(value, dict)]
    assert in_order([record, good, record], *single) in ([record, good], [good, record], [record]), where


@pytest.mark.parametrize("thing", [[], "row", None, 5])
def test_what_is_no_row_is_refused(thing: Any) -> None:
    """MD-7: a list, a word or nothing in place of a row is refused."""
    for model in MODELS.values():
        with pytest.raises(ValidationError):
            model.model_validate(thing)
