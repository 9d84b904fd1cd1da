"""Where products keep rows, and their columns: read from the models, so that a new product needs nothing here."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import AwareDatetime, BaseModel, NaiveDatetime


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
            if columns := tuple(columns_of(row)):
                return Table(name, columns, any(get_origin(_plain(one)) is dict for _, one, _ in _fields(row)))
    return None


def columns_of(row: Any, prefix: str = "") -> Iterator[Column]:
    """The columns of a model or of a named tuple; a model within it has its own, named ``outer_inner``.

    Lists and mappings with open names are left out.
    """
    for name, annotation, description in _fields(row):
        inner = _plain(annotation)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from columns_of(inner, f"{prefix}{name}_")
        elif get_origin(inner) not in (list, dict, tuple):
            yield Column(f"{prefix}{name}", _kind(inner), description)


def _fields(row: Any) -> Iterator[tuple[str, Any, str | None]]:
    if isinstance(row, type) and issubclass(row, BaseModel):
        for name, field in row.model_fields.items():
            yield name, field.annotation, field.description
    elif isinstance(row, type) and issubclass(row, tuple):
        for name, annotation in get_type_hints(row).items():
            yield name, annotation, None


def _plain(annotation: Any) -> Any:
    """Without its marks, and without None."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [one for one in get_args(annotation) if one is not type(None)]
        return _plain(rest[0]) if len(rest) == 1 else str
    return annotation


def _kind(plain: Any) -> str:
    for kind, name in KINDS.items():
        if isinstance(plain, type) and issubclass(plain, kind):
            return name
    return "text"


# A truth value is a number in Python, and a time is a date.
KINDS: Mapping[type, str] = {
    bool: "boolean",
    int: "number",
    float: "number",
    datetime: "time",
    AwareDatetime: "time",
    NaiveDatetime: "time",
    date: "date",
}


def flat(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The figures of a row or a value by column, without its lists."""
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}_")
        elif not isinstance(value, list):
            yield f"{prefix}{name}", value
