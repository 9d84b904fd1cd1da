"""Opening hours: when it is worth asking for what moves only while a market is open (MD-16, MD-17).

The engine knows no market and computes no holiday: a calendar is a name, and its sessions are written here by whoever
knows them. The database judges by them when a result is published (`openbell.fresh_until`):

    open                      fresh for the product's ttl; if that ends after the close, until a little after the close
    closed                    refreshed once more after the close, then fresh until the next opening, at most a day
    no calendar, or no more   fresh for the ttl, as if it were open

What an operator has closed stays closed when the sessions are written anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from openbell.engine.database import SQL, Db
from openbell.engine.errors import EngineError

Connection: TypeAlias = "asyncpg.Connection | PoolConnectionProxy"
"""One connection, because what is written here takes a transaction."""

ENDS_SOON = timedelta(days=60)
"""A calendar that reaches no further is to be written anew."""

MOST_SESSIONS = 100_000
"""In one writing of one calendar: more than a century with two sessions a day."""


class UnknownSession(EngineError):
    """There is no session of this calendar on that day."""

    code = "unknown_session"

    def __init__(self, calendar: str, day: date) -> None:
        super().__init__(
            f"{calendar} has no session on {day}: it is closed anyway, or its sessions are not written yet."
        )


class InvalidSessions(EngineError):
    """These cannot be the sessions of a calendar."""

    code = "invalid_sessions"


@dataclass(frozen=True, slots=True)
class Session:
    """One stretch of opening hours, of the ``day`` as the calendar's own people name it. A break makes two of a day."""

    day: date
    opens_at: datetime
    closes_at: datetime


@dataclass(frozen=True, slots=True)
class CalendarRow:
    """A calendar as it stands at ``now``: from when to when it is known, and the coming days that an operator changed.

    ``closes_at`` of the session that is on, else of the last one, None where nothing of it has begun; ``next_at`` None
    when it ends.
    """

    calendar: str
    first_day: date
    last_day: date
    ends_at: datetime
    days: int
    manual: Sequence[date]
    is_open: bool | None
    closes_at: datetime | None
    next_at: datetime | None
    now: datetime

    def as_json(self) -> dict[str, Any]:
        """For programs; times in ISO 8601 with zone."""
        return {
            "calendar": self.calendar,
            "first_day": self.first_day.isoformat(),
            "last_day": self.last_day.isoformat(),
            "days": self.days,
            "manual": [day.isoformat() for day in self.manual],
            "open": bool(self.is_open),
            "closes_at": self.closes_at and self.closes_at.isoformat(),
            "next_at": self.next_at and self.next_at.isoformat(),
        }


async def write_sessions(db: Connection, calendar: str, sessions: Sequence[Session]) -> None:
    """Make these the sessions of ``calendar`` from the first of their days on; earlier days stay.

    Days that an operator has changed stay, too. Raises :class:`InvalidSessions` when they overlap, are not in order, or
    are too many.
    """
    if not sessions or len(sessions) > MOST_SESSIONS:
        raise InvalidSessions(f"{calendar} was given {len(sessions):,} sessions; it takes 1 to {MOST_SESSIONS:,}.")
    for one in sessions:
        if one.opens_at.tzinfo is None or one.closes_at.tzinfo is None or one.opens_at >= one.closes_at:
            raise InvalidSessions(f"{calendar} cannot be open from {one.opens_at} to {one.closes_at}.")
    for before, after in pairwise(sessions):
        if before.closes_at > after.opens_at or before.day > after.day:
            raise InvalidSessions(
                f"{calendar} has sessions out of order or overlapping on {before.day} and {after.day}."
            )
    columns = zip(*((one.day, one.opens_at, one.closes_at) for one in sessions), strict=True)
    async with db.transaction():
        await db.execute(SQL.get("lock_sessions"))
        await db.execute(SQL.get("delete_sessions"), calendar, sessions[0].day)
        await db.execute(SQL.get("insert_sessions"), calendar, *columns)
        await db.execute(SQL.get("shorten_freshness"), calendar)


async def close_day(
    db: Connection, calendar: str, day: date, *, at: datetime | None = None, actor: str, reason: str
) -> list[Session]:
    """Close a day, the whole of it or from ``at`` on, and write that into the audit log; the hours that are left.

    Raises :class:`UnknownSession` when there is nothing to close.
    """
    note = {"reason": reason, "at": at and at.isoformat()}
    return await _change(db, "close_sessions", (calendar, day, at), actor, "calendar.close", note)


async def reopen_day(db: Connection, calendar: str, day: date, *, actor: str) -> list[Session]:
    """Give a day its computed hours back, and write that into the audit log; those hours.

    Values that rest because of the closure are due again at once. Raises :class:`UnknownSession`.
    """
    return await _change(db, "reopen_sessions", (calendar, day), actor, "calendar.reopen", {})


async def _change(
    db: Connection, statement: str, columns: tuple[Any, ...], actor: str, action: str, note: dict[str, Any]
) -> list[Session]:
    calendar, day = columns[:2]
    async with db.transaction():
        await db.execute(SQL.get("lock_sessions"))
        rows = await db.fetch(SQL.get(statement), *columns)
        if not rows:
            raise UnknownSession(calendar, day)
        await db.execute(SQL.get("add_audit"), actor, action, f"{calendar} {day}", note)
        await db.execute(SQL.get("shorten_freshness"), calendar)
    return [Session(day, **row) for row in rows if row["closes_at"] > row["opens_at"]]


async def list_calendars(db: Db) -> list[CalendarRow]:
    """Every calendar whose sessions are known, by name."""
    return [CalendarRow(**row) for row in await db.fetch(SQL.get("inspect_calendars"))]


def ends_soon(row: CalendarRow) -> bool:
    """Whether a calendar is to be written anew before it ends, and its market counts as open all the time."""
    return row.ends_at < row.now + ENDS_SOON


async def used_calendars(db: Db) -> list[str]:
    """The calendars that stored values keep to, by name; they need not be known."""
    return [row["calendar"] for row in await db.fetch(SQL.get("list_used_calendars"))]
