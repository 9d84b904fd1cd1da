"""Daily prices out of shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from openbell.engine.errors import Permanent
from tests.products.test_market import Kitchen, kitchen  # noqa: F401 - fixture
from tests.sandbox.harness import Running


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
    spoil: Callable[[dict[str, Any]], Any],  # noqa: F811
) -> None:
    """MD-7: daily prices are checked in full before anything is written; what does not fit is a typed refusal."""
    (row, *_) = await sandbox.rows("historical-price-eod/full", symbol="AAPL")
    spoil(row)
    with pytest.raises((ValidationError, Permanent)):
        await kitchen.answered([row]).make("eod-prices", "AAPL")
