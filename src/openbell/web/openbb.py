"""A backend for OpenBB Workspace: widgets over what is known, read from the registry.

In the Workspace, add the address of Openbell with ``/openbb`` behind it as a backend; its origin must be among
READING_ORIGINS. Formats: docs.openbb.co, "widgets.json reference", and plotly.com, "JSON chart schema". A widget reads
and never asks: what nobody wants elsewhere grows old here, and says so.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from openbell.engine.artifacts import Reading
from openbell.engine.keys import Global, Key
from openbell.engine.registry import Product
from openbell.products.keys import Symbol, Week
from openbell.web import licence, own_series, words
from openbell.web.api import database, registry
from openbell.web.errors import NotHere
from openbell.web.marks import shown_state, source
from openbell.web.protection import safe
from openbell.web.reads import cache_control
from openbell.web.tables import Column, Table, columns_of, flat, table_of

router = APIRouter(dependencies=[safe("everybody")], prefix="/openbb", include_in_schema=False)

REFETCH_MIN_S, REFETCH_MAX_S = 10, 900
TEXT_MAX = 60
"""A text above this many letters is no key figure."""

BARS = ("open", "high", "low", "close")
CELLS = {"text": "text", "number": "number", "boolean": "boolean", "date": "dateString", "time": "dateString"}
PARAMETERS: Mapping[type[Key], Mapping[str, str]] = {
    Symbol: {"type": "text", "value": "AAPL"},
    Week: {"type": "date", "value": "$currentDate"},
}
"""What the Workspace begins with, by kind of key."""

MARKS = (
    Column("_state", "text", "fresh, stale, expired, empty or fallback"),
    Column("_checked_at", "time", "when the source was last asked"),
    Column("_source", "text", "who was asked; synthetic data says so"),
)
"""What every row tells besides its figures."""

THEMES = {"dark": ("#151518", "#ffffff"), "light": ("#ffffff", "#333333")}
"""The Workspace's grounds, and a text colour for each."""


@router.get("/widgets.json")
async def widgets(request: Request) -> dict[str, Any]:
    """The widgets by id: a table for each product with rows, else its key figures; and a chart for daily prices."""
    found: dict[str, Any] = {}
    for one in registry(request):
        if one.model is None:
            continue
        table = table_of(one.model)
        kind = {"type": "table", "data": {"table": grid(table)}} if table else {"type": "metric"}
        found[one.name] = widget(one) | kind | {"endpoint": f"products/{one.name}"}
        if table and is_bars(table):
            about = {"name": f"{title(one)}: chart", "type": "chart", "raw": True, "endpoint": f"charts/{one.name}"}
            found[f"{one.name}-chart"] = widget(one) | about
    return found


@router.get("/products/{product}")
async def figures(request: Request, product: str) -> Response:
    """The rows of one key, or its key figures, each with their state and source."""
    declared, reading = await read(request, product)
    table = table_of(declared.model)
    return answer(reading, rows_of(table, reading) if table else metrics(declared, reading))


@router.get("/charts/{product}")
async def chart(request: Request, product: str, theme: str = "dark", raw: bool = False) -> Response:
    """Candles and volume of one key for Plotly; ``raw`` gives the rows instead."""
    declared, reading = await read(request, product)
    table = table_of(declared.model)
    if table is None or not is_bars(table):
        raise NotHere(f"{product} has no prices to draw.", todo="See /openbb/widgets.json for the charts there are.")
    rows = rows_of(table, reading)
    return answer(reading, rows if raw else plot(reading, rows, table.columns[0].name, theme))


async def read(request: Request, product: str) -> tuple[Product, Reading]:
    """What is known of the key that the widget's parameter names. Raises WebError, and what `Registry` raises."""
    declared = registry(request).artifact(product)
    name = parameter(declared)
    key = declared.parse_key(request.query_params.get(name, "") if name else "GLOBAL")
    await own_series.check(request, [(product, key)])
    reading = await database(request).read(product, key)
    await licence.check(request, reading)
    if reading.state == "missing":
        raise NotHere(
            f"There is no {product} of {key} yet. {reading.reason}",
            code="artifact_missing",
            todo="Widgets only read: watch it on the pages of Openbell, or POST /api/v1/demand.",
        )
    return declared, reading


def answer(reading: Reading, data: object) -> Response:
    """As JSON, for as long as the value is fresh."""
    headers = {"Cache-Control": cache_control(reading)}
    return Response(to_json(data), media_type="application/json", headers=headers)


def widget(product: Product) -> dict[str, Any]:
    """What all widgets of a product have in common."""
    ttl_s = product.policy.ttl.total_seconds() if product.policy else REFETCH_MAX_S
    refetch_ms = int(min(max(ttl_s, REFETCH_MIN_S), REFETCH_MAX_S)) * 1_000
    name = parameter(product)
    parameters = [
        {
            "type": "text",
            "value": "",
            **PARAMETERS.get(product.key, {}),
            "paramName": name,
            "label": name.capitalize(),
            "description": product.key.shape,
            "show": True,
        }
    ]
    return {
        "name": title(product),
        "description": (inspect.getdoc(product.model) or title(product)).split("\n\n")[0].replace("\n", " "),
        "category": "Openbell",
        "source": [source({"provider": product.provider})],
        "gridData": {"w": 20, "h": 10},
        "params": parameters if name else [],
        "refetchInterval": refetch_ms,
        "staleTime": refetch_ms,
    }


def title(product: Product) -> str:
    """The name of a product for people."""
    return product.name.replace("-", " ").capitalize()


def parameter(product: Product) -> str:
    """The name of the widget's parameter, equal where keys are of one kind, so that widgets can be grouped by it.

    Empty where there is only one key.
    """
    return "" if issubclass(product.key, Global) else product.key.__name__.lower()


def is_bars(table: Table) -> bool:
    """Whether the rows are prices over time."""
    return table.columns[0].kind in ("date", "time") and {*BARS} <= {column.name for column in table.columns}


def grid(table: Table) -> dict[str, Any]:
    """The columns as the Workspace's table takes them; it finds out those of a table with others besides."""
    cells = {} if table.open else {"columnsDefs": [cell(column) for column in (*table.columns, *MARKS)]}
    return {"showAll": True, **cells}


def cell(column: Column) -> dict[str, Any]:
    """One column; years are not grouped by thousands, and per cent say so."""
    about = (column.description or "").partition(":")[0]
    percent, year = column.kind == "number" and about.startswith("per cent"), column.name.endswith("year")
    return {
        "field": column.name,
        "headerName": column.name.strip("_").replace("_", " ").capitalize(),
        "cellDataType": CELLS[column.kind],
        **({"headerTooltip": column.description} if column.description else {}),
        **({"formatterFn": "percent" if percent else "none"} if percent or year else {}),
    }


def rows_of(table: Table, reading: Reading) -> list[dict[str, Any]]:
    """The rows with their state and source; none where the source has nothing."""
    marks = dict(zip((column.name for column in MARKS), about(reading), strict=True))
    return [] if reading.value is None else [row | marks for row in table.rows_of(reading.value)]


def about(reading: Reading) -> tuple[str, str | None, str]:
    """State, time of the check, and source; data that is not real says so."""
    checked_at = reading.checked_at.isoformat() if reading.checked_at else None
    return shown_state(reading), checked_at, source(reading.provenance) + (", synthetic" if reading.synthetic else "")


def metrics(product: Product, reading: Reading) -> list[dict[str, str]]:
    """The key figures in the order of the model, and what one should know about them."""
    value = dict(flat(reading.value)) if isinstance(reading.value, dict) else {}
    found = [
        {"label": column.name.replace("_", " ").capitalize(), "value": text}
        for column in columns_of(product.model)
        if column.name in value and len(text := shown(value[column.name])) <= TEXT_MAX
    ]
    state, _, asked = about(reading)
    age = "" if reading.age_s is None else f", {words.duration(reading.age_s)} old"
    return [*found, {"label": "State", "value": f"{state}{age}"}, {"label": "Source", "value": asked}]


def shown(value: object) -> str:
    """A figure in the words of the house: all its digits, a true minus, and a dash where there is none."""
    if value is None:
        return words.DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.12g}".replace("-", words.MINUS) if words.is_number(value) else str(value)


def plot(reading: Reading, rows: Sequence[Mapping[str, Any]], time: str, theme: str) -> dict[str, Any]:
    """A figure of Plotly: candles above, volume below, and in the title what the data is."""
    ground, ink = THEMES.get(theme, THEMES["dark"])
    state, _, asked = about(reading)
    times = [row[time] for row in rows]
    axis = {"type": "category", "nticks": 8, "rangeslider": {"visible": False}, "anchor": "y2"}
    return {
        "data": [
            {
                "type": "candlestick",
                "name": reading.key,
                "x": times,
                **{one: [row[one] for row in rows] for one in BARS},
            },
            {"type": "bar", "name": "Volume", "x": times, "y": [row.get("volume") for row in rows], "yaxis": "y2"},
        ],
        "layout": {
            "title": {"text": f"{reading.key}: {state}, {asked}"},
            "paper_bgcolor": ground,
            "plot_bgcolor": ground,
            "font": {"color": ink},
            "showlegend": False,
            "xaxis": axis,
            "yaxis": {"domain": [0.25, 1]},
            "yaxis2": {"domain": [0, 0.2]},
        },
    }
