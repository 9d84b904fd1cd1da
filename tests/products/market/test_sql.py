"""What SQL shows of every data type is what was stored, value by value."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import asyncpg

from openbell.engine.artifacts import read
from openbell.engine.shapes import shape_of, table_of, view_of
from openbell.products.context import contexts
from openbell.products.sources import Connections, limits_of
from tests.engine.conftest import Employ
from tests.engine.hand import queue
from tests.products.kitchen import CONTACT, PRODUCTS, Kitchen
from tests.products.market.cases import CASES
from tests.sandbox.harness import Running
from tests.support import eventually


def typed(column: dict[str, Any], value: Any) -> Any:
    """What JSON holds on the path of a column, as a row of SQL gives it."""
    for step in column["path"]:
        value = None if value is None else value[step]
    if value is None:
        return None
    match column["kind"]:
        case "date":
            return date.fromisoformat(value)
        case "timestamp" | "timestamptz":
            return datetime.fromisoformat(value)
        case _:
            return value


def row_of(columns: list[dict[str, Any]], value: Any) -> dict[str, Any]:
    """A whole row."""
    return {column["name"]: typed(column, value) for column in columns}


async def test_sql_shows_what_is_stored(pool: asyncpg.Pool, sandbox: Running, kitchen: Kitchen, employ: Employ) -> None:
    """MD-27: every type from the wire to view and table: each value arrives as it is, typed, and no row is missing."""
    connections = Connections(kitchen.sources, contact=CONTACT)
    await employ(*map(PRODUCTS.get, CASES), limits=limits_of(kitchen.sources), context=contexts(connections))
    for name, case in CASES.items():
        await queue(pool, case.key, name=name)

    async def all_done() -> bool:
        count = await pool.fetchval("select count(*) from openbell.job_history where outcome in ('done', 'unchanged')")
        return int(count) >= len(CASES)

    try:
        await eventually(all_done)
    finally:
        await connections.close()
    assert [
        dict(row) for row in await pool.fetch("select product, trouble from openbell.shape where trouble > ''")
    ] == []
    for name, case in CASES.items():
        shape = shape_of(PRODUCTS.get(name))
        assert shape is not None
        reading = await read(pool, name, case.key)
        (head,) = await pool.fetch(f"select * from data.{view_of(name)}")
        expected = row_of(shape["columns"], reading.value)
        assert {column: head[column] for column in expected} == expected, name
        assert (head["key"], head["version"], head["synthetic"]) == (case.key, 1, reading.synthetic)
        assert head["source_time"] == reading.source_time, name
        if shape["rows"]:
            rows = await pool.fetch(f"select * from data.{table_of(name)}")
            told = [row_of(shape["rows"]["columns"], row) for row in reading.value[shape["rows"]["field"]]]
            found = [{column: row[column] for column in told[0]} for row in rows]
            assert sorted(map(repr, found)) == sorted(map(repr, map(in_utc, told))), name
            assert {row["gone_at"] for row in rows} == {None}


def in_utc(row: dict[str, Any]) -> dict[str, Any]:
    """The same, with times that have a zone in UTC, as the database gives them."""
    return {
        name: value.astimezone(UTC).replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo else value
        for name, value in row.items()
    }
