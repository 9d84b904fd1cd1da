"""What is known, in SQL: a typed view for each product and a table for each time series, in the schema ``data``.

Both follow the models. ``data.quote`` has a row for each key: what is known of it, then the fields of its value.
``data.eod_prices_rows`` has a row for each natural key that any version has brought, also when the source has long
stopped returning it (MD-15): ``gone_at`` says since when.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from openbell.engine.columns import Column, columns_of, rows_of
from openbell.engine.database import SQL, Db
from openbell.telemetry.tally import swallowed

if TYPE_CHECKING:
    from openbell.engine.registry import Product

log = logging.getLogger(__name__)

OF_VIEW = (
    "key", "state", "version", "checked_at", "changed_at", "source_time", "fresh_until", "synthetic", "licence",
)  # fmt: skip
OF_ROWS = ("key", "version", "first_at", "changed_at", "gone_at", "synthetic", "licence")
"""Columns that every view and every table of rows has; a field of the same name is prefixed with ``value_``."""

LONGEST = 63
"""Letters in a name of PostgreSQL."""
FILLED_AT_ONCE = 20


def view_of(product: str) -> str:
    """The name of a product's view in the schema ``data``."""
    return product.replace("-", "_")


def table_of(product: str) -> str:
    """The name of the table of a product's time series in the schema ``data``."""
    return f"{view_of(product)}_rows"


def shape_of(one: Product) -> dict[str, Any] | None:
    """The columns of a product, and those of its rows, as the database makes them; None for a task."""
    if one.model is None:
        return None
    columns = [column for column in columns_of(one.model) if not _is_apart(one, column)]
    rows = None
    if one.series is not None:
        of_rows = _named(columns_of(rows_of(one.model, one.series.field)), OF_ROWS)
        key = [next(row["name"] for row in of_rows if row["field"] == name) for name in one.series.key]
        rows = {"field": one.series.field, "key": key, "columns": of_rows}
    return {"columns": _named(columns, OF_VIEW), "rows": rows}


def _is_apart(one: Product, column: Column) -> bool:
    """Whether a field is in the view already (the source time) or in a table of its own (the rows)."""
    return column.name == one.source_time == "source_time" or (
        one.series is not None and column.path == (one.series.field,)
    )


def _named(columns: Iterable[Column], taken: Iterable[str]) -> list[dict[str, Any]]:
    """The columns under names that differ, in at most 63 letters."""
    used, named = set(taken), []
    for column in columns:
        name = _free(column.name, used)
        used.add(name)
        named.append(
            {
                "name": name,
                "field": column.name,
                "kind": column.kind,
                "path": list(column.path),
                "nullable": column.nullable,
                "about": column.description,
            }
        )
    return named


def _free(name: str, used: set[str]) -> str:
    names: Iterator[str] = (prefix + name for prefix in ("", "value_"))
    numbered = (f"{name[: LONGEST - 4]}_{n}" for n in range(2, 1_000))
    return next(one for some in (names, numbered) for one in some if one not in used and len(one) <= LONGEST)


async def shape(db: Db, products: Iterable[Product]) -> None:
    """Bring views and tables up to the models; what has that shape already is left alone.

    Someone who holds on to a view, and a database user that may not make any, hinder nobody's work: they are logged,
    and the next start, or ``openbell migrate``, tries again.
    """
    made = {row["product"]: row for row in await db.fetch(SQL.get("list_shapes"))}
    for one in products:
        wanted = shape_of(one)
        if wanted is None:
            continue
        known = made.get(one.name)
        try:
            if known is None or known["shape"] != wanted:
                await db.fetchval(SQL.get("shape_product"), one.name, wanted)
            elif not known["filling"]:
                continue
            while wanted["rows"] and await db.fetchval(SQL.get("fill_rows"), one.name, FILLED_AT_ONCE):
                pass
        except _HINDERED as error:
            swallowed("shape.fill", error)
            log.warning("shape.left product=%s error=%s: %s", one.name, type(error).__name__, error)


@dataclass(frozen=True, slots=True)
class Shapes:
    """How many products are shown as their models are, which are not, and why rows of which are missing."""

    shown: int
    outdated: list[str]
    trouble: list[str]


async def look(db: Db, products: Iterable[Product]) -> Shapes:
    """Whether what SQL shows is what the models of ``products`` say. Changes nothing."""
    made = {row["product"]: row for row in await db.fetch(SQL.get("list_shapes"))}
    wanted = {one.name: wished for one in products if (wished := shape_of(one)) is not None}
    outdated = [name for name, wished in wanted.items() if name not in made or made[name]["shape"] != wished]
    trouble = [f"{name} {row['trouble']}" for name, row in made.items() if row["trouble"]]
    return Shapes(len(wanted) - len(outdated), outdated, trouble)


_HINDERED = (
    asyncpg.LockNotAvailableError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.DependentObjectsStillExistError,
    asyncpg.WrongObjectTypeError,
)
