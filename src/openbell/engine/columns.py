"""The columns of a model: what its fields are called in a table, and of which SQL type they are."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import AwareDatetime, BaseModel, FutureDatetime, NaiveDatetime, PastDatetime

Kind = Literal["text", "boolean", "bigint", "double", "numeric", "date", "timestamp", "timestamptz", "jsonb"]
"""A SQL type; ``double`` is double precision. ``timestamp`` is a time without a zone (``NaiveDatetime``)."""

# A truth value is a number in Python, and a time is a date.
KINDS: tuple[tuple[Any, Kind], ...] = (
    (bool, "boolean"),
    (int, "bigint"),
    (float, "double"),
    (Decimal, "numeric"),
    (NaiveDatetime, "timestamp"),
    (AwareDatetime, "timestamptz"),
    (PastDatetime, "timestamptz"),
    (FutureDatetime, "timestamptz"),
    (datetime, "timestamptz"),
    (date, "date"),
)
DEEPEST = 8
"""Models within models; what lies deeper stays JSON."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``path`` leads to its value: names within objects, places within lists (rows of named tuples)."""

    name: str
    kind: Kind
    path: tuple[str | int, ...]
    nullable: bool
    description: str | None


def columns_of(row: Any) -> Iterator[Column]:
    """The columns of a model or a named tuple, in order; a model within it has its own, named ``outer_inner``.

    What has no type of its own in SQL (lists, mappings, several models in one place) is of the kind ``jsonb``.
    """
    yield from _columns(row, "", (), nullable=False)


def rows_of(model: type[BaseModel], field: str) -> Any:
    """The model or named tuple of the rows in a field; None where it holds no list of such."""
    annotation = model.model_fields[field].annotation if field in model.model_fields else None
    if get_origin(annotation) is not list:
        return None
    (row,) = get_args(annotation)
    return row if has_fields(row) else None


def _columns(row: Any, prefix: str, path: tuple[str | int, ...], *, nullable: bool) -> Iterator[Column]:
    for step, name, annotation, description in fields_of(row):
        plain, absent = plain_of(annotation)
        here, may_be_null = (*path, step), nullable or absent
        if isinstance(plain, type) and issubclass(plain, BaseModel) and len(here) < DEEPEST:
            yield from _columns(plain, f"{prefix}{name}_", here, nullable=may_be_null)
        else:
            yield Column(f"{prefix}{name}", _kind(plain), here, may_be_null, description)


def has_fields(row: Any) -> bool:
    """Whether it is a model or a named tuple."""
    return isinstance(row, type) and (
        issubclass(row, BaseModel) or (issubclass(row, tuple) and hasattr(row, "_fields"))
    )


def fields_of(row: Any) -> Iterator[tuple[str | int, str, Any, str | None]]:
    """The fields of a model or a named tuple: step, name, annotation, description. Nothing for what is neither."""
    if not has_fields(row):
        return
    if issubclass(row, BaseModel):
        for name, field in row.model_fields.items():
            yield name, name, field.annotation, field.description
    else:
        for place, (name, annotation) in enumerate(get_type_hints(row).items()):
            yield place, name, annotation, None


def plain_of(annotation: Any) -> tuple[Any, bool]:
    """An annotation without its marks and without None, and whether None was among it."""
    if get_origin(annotation) is Annotated:
        return plain_of(get_args(annotation)[0])
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, annotation in (None, type(None), Any)
    parts = [plain_of(one) for one in get_args(annotation) if one is not type(None)]
    absent = type(None) in get_args(annotation) or any(null for _, null in parts)
    if len(parts) == 1:
        return parts[0][0], absent
    kinds = {_kind(plain) for plain, _ in parts}
    return (dict if "jsonb" in kinds else str), absent


def _kind(plain: Any) -> Kind:
    if get_origin(plain) is Literal or (isinstance(plain, type) and issubclass(plain, str)):
        return "text"
    for one, kind in KINDS:
        if plain is one or (isinstance(plain, type) and isinstance(one, type) and issubclass(plain, one)):
            return kind
    nested = plain is Any or get_origin(plain) is not None or plain in (list, dict, tuple, set) or has_fields(plain)
    return "jsonb" if nested else "text"
