"""Rows as flat mappings, and as frames of a library that the reader has installed; none is required."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from importlib import import_module
from typing import Any

from openbell.client.errors import NoFrame

LIBRARIES = ("pandas", "polars")


def flat(row: Any, names: Sequence[str]) -> dict[str, Any]:
    """One row by column: a list gets the ``names``, what is nested becomes ``outer_inner``."""
    return dict(_flat(row)) if isinstance(row, Mapping) else dict(zip(names, row, strict=True))


def _flat(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}_")
        else:
            yield f"{prefix}{name}", value


def frame(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str], library: str | None) -> Any:
    """The rows as a DataFrame; columns of the kinds ``date`` and ``time`` as dates, and times in UTC.

    Times without a zone, those of an exchange, stay as they are.
    Columns stand in the order of ``kinds``, others after them. Raises :class:`NoFrame` where the library is missing.
    """
    found = {name: None for row in rows for name in row}
    names = [*(name for name in kinds if name in found), *(name for name in found if name not in kinds)]
    columns = {name: [_read(row.get(name), kinds.get(name)) for row in rows] for name in names}
    made = _library(library).DataFrame(columns)
    if made.__class__.__module__.startswith("pandas"):
        pandas = import_module("pandas")
        for name in names:
            if kinds.get(name) in ("date", "time"):
                aware = any(isinstance(one, datetime) and one.tzinfo for one in columns[name])
                made[name] = pandas.to_datetime(made[name], utc=aware)
            elif kinds.get(name) == "number":
                made[name] = pandas.to_numeric(made[name])
    return made


def _read(value: Any, kind: str | None) -> Any:
    if not isinstance(value, str):
        return value
    if kind == "date":
        return date.fromisoformat(value)
    if kind == "time":
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo else time
    return value


def _library(name: str | None) -> Any:
    """The named library, or the first that is installed. Raises :class:`NoFrame` that names what to install."""
    if name is not None and name not in LIBRARIES:
        raise NoFrame(f"There are frames of {' and of '.join(LIBRARIES)}, and none of {name!r}.")
    for one in (name,) if name else LIBRARIES:
        try:
            return import_module(one)
        except ImportError:
            continue
    wanted = name or " or ".join(LIBRARIES)
    raise NoFrame(f"A frame needs {wanted}, which is not installed: pip install {name or LIBRARIES[0]}")
