"""How somebody comes in: one-time links by mail, sessions of a browser, tokens of a program.

Of every secret only the SHA-256 is kept; what was given out can be compared and not read back.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from openbell.engine.database import Db
from openbell.people.database import SQL
from openbell.people.errors import LinkRefused, PeopleError
from openbell.people.person import Person, made

Purpose = Literal["sign-in", "confirm"]
Scope = Literal["person", "operator"]

LINK_TIMES = {"sign-in": timedelta(minutes=15), "confirm": timedelta(days=3)}
SESSION_TIME = timedelta(days=30)
KNOCKS_AT_ONCE = 20
"""Requests for a mail from one client within :data:`KNOCK_PAUSE`."""
KNOCK_PAUSE = timedelta(hours=1)
MOST_TOKENS = 10
PREFIX = "ob_"


def digest(secret: str) -> bytes:
    """What is kept of a secret. They are long and random, so a plain hash tells nothing."""
    return hashlib.sha256(secret.encode()).digest()


async def make_link(db: Db, person_id: int, purpose: Purpose) -> str:
    """The token of a new one-time link."""
    token = secrets.token_urlsafe(32)
    await db.execute(SQL.get("add_link"), digest(token), person_id, purpose, LINK_TIMES[purpose])
    return token


async def knock(db: Db, client: str) -> bool:
    """Note that ``client`` asks for a mail; False when it asks too often."""
    who = digest(f"client {client}")
    return int(await db.fetchval(SQL.get("add_knock"), who, KNOCK_PAUSE)) < KNOCKS_AT_ONCE


async def use_link(db: Db, token: str, purpose: Purpose) -> Person:
    """Whoever the link was sent to; it works once. Raises :class:`LinkRefused`."""
    row = await db.fetchrow(SQL.get("use_link"), digest(token), purpose)
    person = made(await db.fetchrow(SQL.get("find_person"), row["person_id"])) if row and row["fresh"] else None
    if person is not None:
        return person
    if row is None:
        raise LinkRefused("This link is not known here, perhaps because a part of it is missing.", "link_unknown")
    if row["used"]:
        raise LinkRefused("This link was used already; it works once.", "link_used")
    raise LinkRefused("This link is too old.", "link_expired")


async def open_session(db: Db, person_id: int) -> str:
    """The secret of a new session, for a cookie."""
    token = secrets.token_urlsafe(32)
    await db.execute(SQL.get("add_session"), digest(token), person_id, SESSION_TIME)
    return token


async def person_of_session(db: Db, secret: str) -> Person | None:
    """Who a session belongs to; nobody when it has ended, or they were blocked."""
    return made(await db.fetchrow(SQL.get("find_session"), digest(secret)))


async def end_session(db: Db, secret: str) -> None:
    """Sign out."""
    await db.execute(SQL.get("drop_session"), digest(secret))


async def end_sessions(db: Db, person_id: int) -> None:
    """Sign out everywhere."""
    await db.execute(SQL.get("drop_sessions"), person_id)


async def still_admins(db: Db, proofs: Iterable[bytes]) -> set[bytes]:
    """Of these digests of operators' sessions and tokens those that still let one in."""
    return {row["hash"] for row in await db.fetch(SQL.get("list_admin_doors"), list(proofs))}


async def prune_doors(db: Db) -> None:
    """Forget links and sessions a week after their end."""
    for query in ("prune_links", "prune_sessions"):
        await db.execute(SQL.get(query))


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token as its owner is shown it; the token itself is shown once, when it is made."""

    id: int
    name: str
    hint: str
    scope: Scope
    created_at: datetime
    used_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """For the person themselves."""
        return {
            "id": self.id,
            "name": self.name,
            "hint": f"…{self.hint}",
            "scope": self.scope,
            "created_at": self.created_at.isoformat(),
            "used_at": self.used_at and self.used_at.isoformat(),
        }


async def make_token(db: Db, person: Person, name: str, scope: Scope = "person") -> str:
    """A new token. Raises :class:`PeopleError` without a name, for one too many, or for a scope that is not theirs."""
    named = " ".join(name.split())[:60]
    if not named:
        raise PeopleError("A token needs a name, by which you know it again.")
    if scope == "operator" and not person.is_admin:
        raise PeopleError("Only who runs this instance can have a token for operators.")
    if len(await list_tokens(db, person.id)) >= MOST_TOKENS:
        raise PeopleError(f"There are {MOST_TOKENS} tokens already: revoke one first.")
    token = PREFIX + secrets.token_urlsafe(32)
    await db.execute(SQL.get("add_token"), digest(token), person.id, named, token[-4:], scope)
    return token


async def list_tokens(db: Db, person_id: int) -> list[ApiToken]:
    """The tokens that work, the oldest first."""
    return [ApiToken(**row) for row in await db.fetch(SQL.get("list_tokens"), person_id)]


async def revoke_token(db: Db, person_id: int, token_id: int) -> bool:
    """Let a token of this person work no longer; False when there is none."""
    return await db.fetchval(SQL.get("revoke_token"), token_id, person_id) is not None


async def person_of_token(db: Db, token: str) -> tuple[Person, Scope] | None:
    """Who a token belongs to, and what it may do."""
    if not token.startswith(PREFIX):
        return None
    row = await db.fetchrow(SQL.get("use_token"), digest(token))
    if row is None:
        return None
    person = made(await db.fetchrow(SQL.get("find_person"), row["person_id"]))
    return (person, row["scope"]) if person is not None and person.state in ("active", "paused") else None
