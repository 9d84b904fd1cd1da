"""A comparison from the first demand to the published forecast, and what happens on the way."""

from __future__ import annotations

import pytest

from openbell.products.forecast.keys import ForecastKey, pair_of
from tests.products.forecast.conftest import PAIR, Desk


async def test_the_default_request_is_warmed_end_to_end(desk: Desk) -> None:
    """FC-1, FC-10, FC-20: one demand for amazon versus costco, worldwide, brings both forecasts and the gap, once each."""
    value = await desk.warm()
    assert (value["a"], value["b"], value["geo"]) == ("amazon", "costco", "")
    assert value["titles"] == {"amazon": "Amazon (company)", "costco": "Costco"}
    forecast = (await desk.read(value["forecast_key"], "forecast")).value
    assert forecast["data_hash"] == value["data_hash"] == ForecastKey(value["forecast_key"]).data_hash
    for part in ("a", "b", "gap"):
        points = forecast[part]["points"]
        assert len(points) == 8
        assert all(p["lo95"] <= p["lo80"] <= p["mean"] <= p["hi80"] <= p["hi95"] for p in points)
    assert await desk.outcomes("forecast") == ["done"]
    stored = await desk.pool.fetchval("select count(*) from openbell.forecast_point")
    assert stored == 3 * 8
    calls = [e for e in await desk.sandbox.entries("wikimedia") if "per-article" in e["path"]]
    assert len(calls) == 2
