"""Where products keep rows, and their columns: read from the models, so that a new product needs nothing here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from openbell.engine import columns


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``kind`` is text, number, boolean, date or time."""

    name: str
    kind: str
    description: str | None


@dataclass(frozen=True, slots=True)
class Table:
    """The field that holds the rows, and their columns in order; where it is ``open``, rows have others besides."""

    field: str
    columns: tuple[Column, ...]
    open: bool

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)

    def rows_of(self, value: Any) -> list[dict[str, Any]]:
        """The rows of a stored value, each flat, by column."""
        names = [column.name for column in self.columns]
        return [
            dict(flat(row)) if isinstance(row, dict) else dict(zip(names, row, strict=True))
            for row in value[self.field]
        ]


@cache
def table_of(model: type[BaseModel] | None) -> Table | None:
    """The first list of rows in a model; None where it has none."""
    for name, field in model.model_fields.items() if model else ():
        if get_origin(field.annotation) is list:
            (row,) = get_args(field.annotation)
            if found := tuple(columns_of(row)):
                parts = (columns.plain_of(annotation)[0] for _, _, annotation, _ in columns.fields_of(row))
                return Table(name, found, any(get_origin(part) is dict for part in parts))
    return None


def columns_of(row: Any) -> Iterator[Column]:
    """The columns of a model or of a named tuple; a model within it has its own, named ``outer_inner``.

    Lists and mappings with open names are left out.
    """
    for column in columns.columns_of(row):
        if column.kind != "jsonb":
            yield Column(column.name, KINDS.get(column.kind, "text"), column.description)


KINDS: Mapping[columns.Kind, str] = {
    "boolean": "boolean",
    "bigint": "number",
    "double": "number",
    "numeric": "number",
    "timestamp": "time",
    "timestamptz": "time",
    "date": "date",
}


def flat(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The figures of a row or a value by column, without its lists."""
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}_")
        elif not isinstance(value, list):
            yield f"{prefix}{name}", value
