"""The backend for OpenBB Workspace."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from openbell.engine.errors import InvalidKey
from openbell.engine.keys import Global
from openbell.engine.registry import Product
from openbell.products import registry
from tests.web.conftest import PRICES, QUOTE, Site, serve
from tests.web.test_api import TABLES

WORKSPACE = "https://pro.openbb.co"
# As the reference of widgets.json names them.
ATTRIBUTES = {
    "name", "description", "endpoint", "category", "type", "raw", "gridData", "data", "params", "source",
    "refetchInterval", "staleTime",
}  # fmt: skip
CELL = {"field", "headerName", "cellDataType", "headerTooltip", "formatterFn"}
CELL_TYPES = {"text", "number", "boolean", "date", "dateString", "object"}


async def widgets(site: Site) -> dict[str, Any]:
    """What the Workspace asks for first."""
    answer = await site.http.get("/openbb/widgets.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_every_product_has_a_widget_in_the_form_of_the_workspace(site: Site) -> None:
    """Issue 5, item 9: widgets come from the registry: a table for rows, else key figures, and charts of prices."""
    found = await widgets(site)
    made = {one.name for one in registry() if one.model is not None}
    assert found.keys() == made | {"eod-prices-chart", "intraday-prices-chart"}
    for name, one in found.items():
        assert one.keys() <= ATTRIBUTES, name
        assert one["type"] in ("table", "metric", "chart")
        assert one["name"]
        assert one["description"]
        assert one["refetchInterval"] >= 1_000
        for cell in one.get("data", {}).get("table", {}).get("columnsDefs", []):
            assert cell.keys() <= CELL, (name, cell)
            assert cell["cellDataType"] in CELL_TYPES
    assert (found["quote"]["type"], found["eod-prices"]["type"]) == ("metric", "table")
    assert found["quote"]["params"][0]["paramName"] == "symbol"
    assert found["treasury-rates"]["params"] == []
    assert (
        "columnsDefs" not in found["revenue-product-segmentation"]["data"]["table"]
    )  # its columns are not known before


def fits(declared: Product, params: dict[str, str]) -> bool:
    """Whether what is asked for can be a key: that of a digest or a comparison has several parts."""
    try:
        declared.parse_key(next(iter(params.values()), "GLOBAL"))
    except InvalidKey:
        return False
    return True


async def test_every_widget_can_be_asked_for_its_data(site: Site) -> None:
    """An address that a widget names exists: without a result it is a 404 in JSON that says what to do, no page."""
    for name, one in (await widgets(site)).items():
        declared = registry().get(name.removesuffix("-chart"))
        params = {p["paramName"]: "2012-06-04" if p["type"] == "date" else "AAPL" for p in one["params"]}
        answer = await site.http.get(f"/openbb/{one['endpoint']}", params=params)
        said = (answer.status_code, answer.json()["error"]["code"])
        assert said == ((404, "artifact_missing") if fits(declared, params) else (400, "malformed_key")), name
        assert bool(params) is not issubclass(declared.key, Global)


async def test_rows_are_flat_and_tell_their_state_and_source(site: Site) -> None:
    """Issue 5: every figure tells its source and state, in a foreign dashboard too; synthetic data says so."""
    await site.publish("eod-prices", "AAPL", PRICES)
    rows = (await site.http.get("/openbb/products/eod-prices?symbol=aapl")).json()
    columns = [one["field"] for one in (await widgets(site))["eod-prices"]["data"]["table"]["columnsDefs"]]
    assert [list(row) for row in rows] == [columns, columns]
    assert (rows[1]["day"], rows[1]["close"]) == ("2012-05-31", 577.73)
    assert (rows[1]["_state"], "synthetic" in rows[1]["_source"]) == ("fresh", True)


async def test_nested_rows_become_columns(site: Site) -> None:
    """A table of the Workspace is flat: what is nested has columns of its own."""
    value = {"periods": [{"date": "2011-09-24", "fiscal_year": 2011, "income": {"revenue": 1.5, "eps": None}}]}
    await site.publish("financial-statements", "AAPL", value)
    (row,) = (await site.http.get("/openbb/products/financial-statements?symbol=AAPL")).json()
    assert (row["income_revenue"], row["income_eps"]) == (1.5, None)
    cells = (await widgets(site))["financial-statements"]["data"]["table"]["columnsDefs"]
    assert {"income_revenue", "balance_total_assets"} <= {one["field"] for one in cells}
    assert next(one for one in cells if one["field"] == "fiscal_year")["formatterFn"] == "none"


async def test_key_figures_are_labelled_and_complete(site: Site) -> None:
    """Figures keep their digits, and a blank is a dash and not a zero."""
    await site.publish("quote", "AAPL", QUOTE, fresh="-1 hour")
    told = (await site.http.get("/openbb/products/quote?symbol=AAPL")).json()
    shown = {one["label"]: one["value"] for one in told}
    assert (shown["Price"], shown["Change"], shown["Volume"]) == ("562.95", "\N{MINUS SIGN}14.78", "18,606,700")
    assert shown["Market cap"] == "\N{EN DASH}"
    assert shown["State"].startswith("stale")
    assert shown["Source"].endswith("synthetic")


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_daily_prices_have_a_chart(site: Site, theme: str) -> None:
    """Issue 5, item 9: candles and volume as a figure of Plotly; its rows where they are asked for."""
    await site.publish("eod-prices", "AAPL", PRICES)
    figure = (await site.http.get(f"/openbb/charts/eod-prices?symbol=AAPL&theme={theme}")).json()
    candles, volume = figure["data"]
    assert (candles["x"], candles["close"]) == (["2012-05-30", "2012-05-31"], [579.17, 577.73])
    assert volume["y"] == [18_908_200, 17_559_800]
    assert "synthetic" in figure["layout"]["title"]["text"]
    raw = (await site.http.get("/openbb/charts/eod-prices?symbol=AAPL&raw=true")).json()
    assert [row["close"] for row in raw] == candles["close"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("products/quot?symbol=AAPL", 400, "unknown_product"),
        ("products/quote?symbol=$", 400, "malformed_key"),
        ("products/quote", 400, "malformed_key"),
        ("charts/quote?symbol=AAPL", 404, "not_found"),
        ("nothing.json", 404, "not_found"),
    ],
)
async def test_bad_questions_are_answered_in_json(site: Site, path: str, status: int, code: str) -> None:
    """Bad input: a stable code and a sentence."""
    await site.publish("quote", "AAPL", QUOTE)
    answer = await site.http.get(f"/openbb/{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_widget_only_reads(site: Site) -> None:
    """PF-47: a dashboard that asks every few seconds creates nothing; nothing here takes another method."""
    await site.publish("eod-prices", "AAPL", PRICES)
    before = [await site.count(table) for table in TABLES]
    for one in (await widgets(site)).values():
        await site.http.get(f"/openbb/{one['endpoint']}?symbol=AAPL")
        assert (await site.http.post(f"/openbb/{one['endpoint']}")).status_code == 405
    assert [await site.count(table) for table in TABLES] == before


@pytest.mark.parametrize(("setting", "status"), [("reading_origins", 403), ("allowed_origins", 202)])
async def test_the_workspace_may_read_when_its_origin_is_named(
    dsn: str, pool: asyncpg.Pool, setting: str, status: int
) -> None:
    """READING_ORIGINS lets a foreign page read and ask for nothing; ALLOWED_ORIGINS lets it ask, too."""
    async with serve(dsn, pool, **{setting: [WORKSPACE]}) as site:
        await site.ready()
        for origin, allowed in ((WORKSPACE, WORKSPACE), ("https://evil.example", None)):
            answer = await site.http.get("/openbb/widgets.json", headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed
            asks = {
                "Origin": origin,
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "x-api-key",
                "Access-Control-Request-Private-Network": "true",
            }
            preflight = await site.http.options("/openbb/widgets.json", headers=asks)
            assert preflight.is_success is (allowed is not None)
        wish = {"items": [{"product": "quote", "key": "AAPL"}]}
        asked = await site.http.post("/api/v1/demand", json=wish, headers={"Origin": WORKSPACE})
        assert asked.status_code == status
        assert await site.count("demand") == int(status == 202)
        if status == 403:
            watched = await site.http.get("/api/v1/stream?watch=quote:AAPL", headers={"Origin": WORKSPACE})
            assert watched.status_code == 403
