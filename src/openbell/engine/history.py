"""Ended jobs, page by page: quick however many there are, also where nothing is found.

A filter by key, by error or by a rare outcome has an index of its own. Everything else is read in the order of time,
and at most :data:`LOOK` jobs of it at once: what is rarer than that ends with the place from where on to look further.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from openbell.engine.database import SQL, Db, turn

LOOK = 10_000
"""Jobs that one page looks at, at most; about 15 ms."""
AFTER_ALL = 2**63 - 1
EVER = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(9999, 1, 1, tzinfo=UTC)
COMMON = ("done", "unchanged")
"""Outcomes that most jobs have, which no index tells apart."""

Place = tuple[datetime, int]
"""Where a page ends: the time at which a job has ended, and its id."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Which ended jobs are meant: those that have ended from ``since`` on and before ``before``; None asks for any."""

    state: str | None = None
    product: str | None = None
    key: str | None = None
    code: str | None = None
    job_class: int | None = None
    since: datetime = EVER
    before: Place = (END, AFTER_ALL)


@dataclass(frozen=True, slots=True)
class Page:
    """What was found, the newest first, and from where on there may be more; None when that was all."""

    rows: Sequence[Any]
    further: Place | None


def mark(sought: Sought) -> str:
    """By which index they are looked for: that of the rarest mark that is given, else that of time. Pure."""
    if sought.key is not None:
        return "key"
    if sought.code is not None:
        return "code"
    return "time" if sought.state in (None, *COMMON) else "outcome"


def asked(sought: Sought, *, limit: int, look: int) -> tuple[Any, ...]:
    """What `list_ended_jobs` takes."""
    own = (sought.state, sought.product, sought.key, sought.code, sought.job_class)
    return (sought.since, *sought.before, look, *own, limit, mark(sought))


async def list_ended(db: Db, sought: Sought, *, limit: int, look: int = LOOK) -> Page:
    """At most ``limit`` of the ended jobs that are meant, of the latest ``look`` that its index brings."""
    async with turn(db) as conn:
        await conn.execute(SQL.get("keep_order"))
        found = await conn.fetch(SQL.get("list_ended_jobs"), *asked(sought, limit=limit + 1, look=look))
    rows = [row for row in found if row["meant"]]
    if len(rows) > limit:
        return Page(rows[:limit], _place(rows[limit - 1]))
    # The last that was looked at came along, whether it is meant or not: there may be more behind it.
    edge = found[-1] if found and found[-1]["n"] == look else None
    return Page(rows, None if edge is None else _place(edge))


def _place(row: Any) -> Place:
    return row["finished_at"], row["id"]
