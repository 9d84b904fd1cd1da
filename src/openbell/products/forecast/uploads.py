"""Series that somebody brings as CSV: a day and a figure a line. Missing days stay gaps."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Set as AbstractSet
from datetime import date

from openbell.engine.database import Db
from openbell.products.forecast.database import SQL
from openbell.products.forecast.gather import UPLOAD
from openbell.products.forecast.keys import split

ROWS_MAX = 4_000
FIRST_YEAR, LAST_YEAR = 1900, 2100
"""A day outside would make a series of thousands of years, a step for each."""
FIGURE_MAX = 1e15
MADE_OF = frozenset(("comparison", "forecast", "comparison-note"))
"""Products whose keys begin with two terms."""
NAME = re.compile(r"[a-z0-9][a-z0-9 ]{0,39}")


class BadUpload(ValueError):
    """The text is no series; the message names the line and the mend."""


def parse_csv(text: str) -> list[tuple[date, float | None]]:
    """Days and figures in order of days. A heading, blank lines and empty figures are allowed.

    Raises :class:`BadUpload` for a day or figure that cannot be read, a day twice, none at all, or above 4,000
    lines; for years before 1900 or after 2100, and figures above 1e15.
    """
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=None))
    try:
        rows = [row for row in lines if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise BadUpload(f"Line {lines.line_num} cannot be read as CSV: {error}.") from None
    if rows and not _is_day(rows[0][0]):
        rows = rows[1:]
    if not 1 <= len(rows) <= ROWS_MAX:
        raise BadUpload(f"A series has 1 to {ROWS_MAX:,} lines with a day and a figure; this one has {len(rows):,}.")
    points: dict[date, float | None] = {}
    for number, row in enumerate(rows, 1):
        if len(row) < 2 or not _is_day(row[0]):
            raise BadUpload(f"Line {number} of the figures is not a day and a figure, such as 2026-01-31,42.5.")
        day = date.fromisoformat(row[0].strip())
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise BadUpload(f"{day} is outside the years {FIRST_YEAR} to {LAST_YEAR}.")
        if day in points:
            raise BadUpload(f"{day} stands there twice; keep one line a day.")
        points[day] = _figure(row[1], number)
    if all(value is None for value in points.values()):
        raise BadUpload("Every figure is empty.")
    return sorted(points.items())


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def _figure(text: str, number: int) -> float | None:
    if not text.strip():
        return None
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not 0 <= value <= FIGURE_MAX:
        raise BadUpload(
            f"Line {number} has {text.strip()[:20]!r}, which is no figure from zero to a thousand trillion."
        )
    return value + 0.0


async def save_upload(
    db: Db, name: str, points: list[tuple[date, float | None]], *, person_id: int | None = None
) -> None:
    """Keep a series under a name, instead of what it held. Raises :class:`BadUpload` for a name that cannot be one."""
    if not NAME.fullmatch(name):
        raise BadUpload("A name has up to 40 small letters, digits and blanks.")
    plain = [[day.isoformat(), value] for day, value in points]
    if await db.fetchval(SQL.get("save_upload"), name, plain, person_id) is None:
        raise BadUpload(f"The name {name!r} belongs to somebody else; choose another.")


def brought_in(product: str, key: str) -> list[str]:
    """The names of the series that this key of a product is made of; none for words and symbols."""
    terms = split(key)[:2] if product in MADE_OF else []
    return [term.removeprefix(UPLOAD) for term in terms if term.startswith(UPLOAD)]


async def owns(db: Db, person_id: int, names: AbstractSet[str]) -> bool:
    """Whether each of these series is this person's."""
    return bool(await db.fetchval(SQL.get("count_owned"), person_id, list(names)) == len(names))
