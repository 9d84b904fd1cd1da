"""What people agreed to, in which version, when and where (DG-32). The latest row of a kind holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openbell.engine.database import Db
from openbell.people.database import SQL

TERMS = "2026-11"
"""The version of the terms, the privacy note and the agreement to get mail, as the sign-up page shows them."""

NEEDED = ("terms", "privacy", "mail")
LISTS = ("digest", "picks")
"""What people can be subscribed to, each to be ended by itself."""


@dataclass(frozen=True, slots=True)
class Consent:
    """One agreement or its end."""

    kind: str
    version: str
    given: bool
    at: datetime
    source: str

    def as_json(self) -> dict[str, Any]:
        """For the person themselves."""
        return {
            "kind": self.kind,
            "version": self.version,
            "given": self.given,
            "at": self.at.isoformat(),
            "source": self.source,
        }


async def consent(
    db: Db, person_id: int, kinds: Sequence[str], *, given: bool, source: str, version: str = TERMS
) -> None:
    """Write down that somebody agrees, or does no longer; what holds already is not written again."""
    await db.execute(SQL.get("add_consents"), person_id, list(kinds), version, given, source)


async def consents_of(db: Db, person_id: int) -> list[Consent]:
    """Every agreement of a person and its end, the oldest first."""
    return [Consent(**row) for row in await db.fetch(SQL.get("list_consents"), person_id)]


def holds(consents: Sequence[Consent], kind: str) -> bool:
    """Whether the latest word about ``kind`` is yes."""
    return next((one.given for one in reversed(consents) if one.kind == kind), False)


def wants(consents: Sequence[Consent], name: str) -> bool:
    """Whether somebody is to get mails of a list: they agreed to mail, and have not ended this list."""
    ended = any(one.kind == f"mail:{name}" for one in consents) and not holds(consents, f"mail:{name}")
    return holds(consents, "mail") and not ended
