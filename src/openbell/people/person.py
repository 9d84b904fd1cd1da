"""One person: found, added, changed, and moved through the states."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg

from openbell.engine.database import SQL as ENGINE
from openbell.engine.database import Db
from openbell.people.addresses import hidden, normalise
from openbell.people.database import SQL, transaction
from openbell.people.errors import PeopleError, StateRefused, UnknownPerson
from openbell.people.states import BY_OPERATOR, Event, State, step

Role = Literal["subscriber", "admin"]
Plan = Literal["free", "premium", "professional"]

MOST_LISTED = 500
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
SIGN_UPS = ("open", "approve")
"""Whether who has confirmed an address is in, or waits until an operator approves."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody we serve. ``address`` is empty once erased; ``mail_token`` stands in the links of their mails."""

    id: int
    address: str = field(repr=False)
    name: str = field(repr=False)
    role: Role
    state: State
    zone: str
    plan: Plan
    created_at: datetime = LONG_AGO
    state_at: datetime = LONG_AGO
    confirmed_at: datetime | None = None
    approved_at: datetime | None = None
    erased_at: datetime | None = None
    mail_token: str = field(default="", repr=False)

    @property
    def is_admin(self) -> bool:
        """Whether they run this instance."""
        return self.role == "admin" and self.state == "active"

    @property
    def subject(self) -> str:
        """How the books and the audit log call them: ``person 42``."""
        return f"person {self.id}"

    @property
    def shown(self) -> str:
        """As a list may show them to others: ``j…@example.com``."""
        return hidden(self.address)

    def as_json(self) -> dict[str, Any]:
        """For programs of the operator; without the token of their mails."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "mail_token"}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in plain.items()}


LOCAL_OPERATOR = Person(0, "", "local operator", "admin", "active", "UTC", "professional")
"""Whoever sits at this machine in development: may operate, and is nobody that mail could be sent to."""


def made(row: asyncpg.Record | None) -> Person | None:
    """The person of a row with all columns."""
    if row is None:
        return None
    told = dict(row)
    return Person(**told | {"address": told["address"] or "", "mail_token": told["mail_token"] or ""})


async def find_person(db: Db, person_id: int) -> Person | None:
    """The person of an id."""
    return made(await db.fetchrow(SQL.get("find_person"), person_id))


async def find_by_address(db: Db, address: str) -> Person | None:
    """The person who reads the mail of an address, in whatever spelling. Raises :class:`InvalidAddress`."""
    return made(await db.fetchrow(SQL.get("find_address"), normalise(address)))


async def find_by_mail_token(db: Db, token: str) -> Person | None:
    """The person whose mails carry this token."""
    if not re.fullmatch(r"[0-9a-f]{64}", token):
        return None
    return made(await db.fetchrow(SQL.get("find_mail_token"), token))


async def list_people(
    db: Db, *, state: str | None = None, search: str | None = None, limit: int = MOST_LISTED
) -> list[Person]:
    """Those whose address or name holds ``search``, newest first; erased ones are not shown."""
    rows = await db.fetch(SQL.get("list_people"), state, search or None, min(limit, MOST_LISTED))
    return [one for row in rows if (one := made(row))]


async def admins(db: Db) -> list[Person]:
    """Those who run this instance, now."""
    return [one for row in await db.fetch(SQL.get("list_admins")) if (one := made(row))]


async def add_person(
    db: Db,
    address: str,
    *,
    name: str = "",
    role: Role = "subscriber",
    plan: Plan = "free",
    zone: str = "America/New_York",
    state: Literal["pending", "active"] = "pending",
    actor: str = "sign-up",
) -> Person:
    """A new person, or the one who is there already, unchanged. ``active`` says that whoever adds vouches for the
    address. Audited without the address. Raises :class:`InvalidAddress`, :class:`PeopleError`.
    """
    check_zone(zone)
    row = await db.fetchrow(
        SQL.get("add_person"), normalise(address), " ".join(name.split())[:200], role, plan, zone, state, actor
    )
    return made(row) or await _there(db, address)


async def _there(db: Db, address: str) -> Person:
    """Raises :class:`UnknownPerson` when they have gone in between."""
    if (found := await find_by_address(db, address)) is None:
        raise UnknownPerson("of this address")
    return found


async def change_person(
    db: Db,
    person_id: int,
    *,
    actor: str,
    name: str | None = None,
    zone: str | None = None,
    plan: Plan | None = None,
    role: Role | None = None,
) -> Person:
    """Change what is given; audited. Raises :class:`UnknownPerson`, :class:`PeopleError`."""
    if zone is not None:
        check_zone(zone)
    named = None if name is None else " ".join(name.split())[:200]
    found = made(await db.fetchrow(SQL.get("change_person"), person_id, named, zone, plan, role, actor))
    if found is None:
        raise UnknownPerson(f"with the id {person_id}")
    return found


def check_zone(zone: str) -> None:
    """Raises :class:`PeopleError` for what is no time zone."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PeopleError(f"There is no time zone {zone[:60]!r}; one is America/New_York.") from None


async def move(db: Db, person_id: int, event: Event, *, actor: str) -> Person:
    """One step of the state table, under the person's lock; audited. A step that changes nothing is none.

    Raises :class:`UnknownPerson`, and :class:`StateRefused` where the table has no such step.
    """
    async with transaction(db) as conn:
        person = made(await conn.fetchrow(SQL.get("lock_person"), person_id))
        if person is None or person.erased_at is not None:
            raise UnknownPerson(f"with the id {person_id}")
        confirmed = person.confirmed_at is not None or event == "confirm"
        approved = person.approved_at is not None or event in ("approve", "unblock")
        asks = await conn.fetchval(SQL.get("read_sign_up")) == "approve"
        state = step(person.state, event, confirmed=confirmed, approved=approved, asks_approval=asks)
        if state is None:
            raise StateRefused(f"Somebody who is {person.state} cannot be {_PAST[event]}.")
        return made(await conn.fetchrow(SQL.get("move_person"), person_id, state, event, actor)) or person


_PAST = {
    "confirm": "confirmed",
    "approve": "approved",
    "pause": "paused",
    "resume": "resumed",
    "block": "blocked",
    "unblock": "unblocked",
    "leave": "signed off",
}


async def move_by_operator(db: Db, person_id: int, event: Event, *, actor: str) -> Person:
    """As :func:`move`, for what an operator may do. Raises :class:`StateRefused` for what only the person may."""
    if event not in BY_OPERATOR:
        raise StateRefused(f"Only the person can be {_PAST[event]}, by a link that was sent to them.")
    return await move(db, person_id, event, actor=actor)


async def set_sign_up(db: Db, mode: str, *, actor: str) -> None:
    """Whether sign-up is `open`, or an operator is to `approve` everybody; audited. Raises :class:`PeopleError`."""
    if mode not in SIGN_UPS:
        raise PeopleError(f"Sign-up is {' or '.join(SIGN_UPS)}, not {mode[:20]!r}.")
    await db.execute(SQL.get("set_sign_up"), mode)
    await db.execute(ENGINE.get("add_audit"), actor, "people.sign-up", "sign-up", {"mode": mode})


async def sign_up_mode(db: Db) -> str:
    """How sign-up is: `open`, or `approve`."""
    return str(await db.fetchval(SQL.get("read_sign_up")) or "open")


def ids(people: Sequence[Person]) -> list[int]:
    """Their ids."""
    return [one.id for one in people]
