"""Tables as files: Parquet with types and marks, and CSV for everything else."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import to_json

from openbell.cli.exits import BAD_INPUT, FAILED, CliError

Columns = Sequence[tuple[str, str]]
"""Names, and types as PostgreSQL calls them inside: float8, timestamptz."""

MISSING = 'Parquet needs pyarrow: pip install "openbell[parquet]". A file that ends in .csv needs nothing.'


class Table(Protocol):
    """A file that takes rows."""

    def write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows, in the order of the columns."""

    def close(self, marks: Mapping[str, Any]) -> None:
        """End the file, with what one should know about the whole of it, where the format has a place for that."""


def opener(path: Path) -> Callable[[Path, Columns], Table]:
    """What makes a file of the kind that a name ends in. Raises CliError for other names, and without pyarrow."""
    match path.suffix.lower():
        case ".csv":
            return CsvFile
        case ".parquet":
            try:
                import pyarrow.parquet  # noqa: F401 (is it there?)
            except ImportError as error:
                if (error.name or "").split(".")[0] != "pyarrow":
                    raise
                raise CliError(MISSING, FAILED) from None
            return ParquetFile
    raise CliError(f"{path.name} ends in neither .parquet nor .csv.", BAD_INPUT)


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a text for a formula, which it would then run."""


class CsvFile:
    """CSV with a head, UTF-8: times in ISO 8601, nothing for null, JSON for what is nested.

    A text that a spreadsheet would take for a formula gets an apostrophe before it, which spreadsheets hide; figures
    and times stay as they are.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow([name for name, _ in columns])
        self._nested = [kind == "jsonb" for _, kind in columns]

    def write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows."""
        self._writer.writerows(
            [_harmless(value, nested) for value, nested in zip(row, self._nested, strict=True)] for row in rows
        )

    def close(self, marks: Mapping[str, Any]) -> None:  # noqa: ARG002 (every row has its own)
        """End the file."""
        self._file.close()


def _text(value: Any, nested: bool) -> str:
    if value is None:
        return ""
    if nested:
        return to_json(value).decode()
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime | date) else str(value)


def _harmless(value: Any, nested: bool) -> str:
    """The text for a spreadsheet: no formula, whoever wrote it."""
    text = _text(value, nested)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text


class ParquetFile:
    """Parquet: a group of rows for each write, times in microseconds; marks stand as JSON under ``openbell``."""

    def __init__(self, path: Path, columns: Columns) -> None:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        kinds = {
            "int4": pa.int32(),
            "int8": pa.int64(),
            "float8": pa.float64(),
            "bool": pa.bool_(),
            "date": pa.date32(),
            "timestamp": pa.timestamp("us"),
            "timestamptz": pa.timestamp("us", tz="UTC"),
        }
        self._schema = pa.schema([(name, kinds.get(kind, pa.string())) for name, kind in columns])
        self._as_text = [None if kind in kinds else kind == "jsonb" for _, kind in columns]
        self._writer = ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows as a group."""
        import pyarrow as pa

        arrays = []
        for place, (field, nested) in enumerate(zip(self._schema, self._as_text, strict=True)):
            values = [row[place] for row in rows]
            if nested is not None:
                values = [None if value is None else _text(value, nested) for value in values]
            arrays.append(pa.array(values, type=field.type))
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))

    def close(self, marks: Mapping[str, Any]) -> None:
        """End the file."""
        self._writer.add_key_value_metadata({"openbell": json.dumps(marks)})
        self._writer.close()
