"""Who did what to which, when and why: the audit log, page by page, quick however long it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openbell.engine.database import SQL, Db


@dataclass(frozen=True, slots=True)
class Entry:
    """One act. ``target`` is the object; ``before`` and ``after`` are its row or what was set, with the reason."""

    id: int
    at: datetime
    actor: str
    action: str
    target: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """For programs; the time in ISO 8601 with zone."""
        return {name: getattr(self, name) for name in self.__slots__} | {"at": self.at.isoformat()}


async def find_audit(
    db: Db,
    *,
    actor: str = "",
    action: str = "",
    target: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    before: tuple[datetime, int] | None = None,
    limit: int = 50,
) -> list[Entry]:
    """The latest entries, newest first; an empty text asks for everything, one that ends in ``*`` for what begins so.

    ``since`` is included, ``until`` is not; ``before`` is the time and the id with which the page before ended.
    """
    at, below = before or (None, 0)
    asked = (actor or None, action or None, target or None, since, until, at, below, limit)
    return [Entry(**row) for row in await db.fetch(SQL.get("find_audit"), *asked)]


async def list_audit_actions(db: Db) -> list[str]:
    """Every action that the log knows."""
    return [row["action"] for row in await db.fetch(SQL.get("list_audit_actions"))]
