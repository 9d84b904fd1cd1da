"""Flags: switches that hold for every process at once, without a restart, for all keys or for a stable share of them.

A flag that is missing is off. Whatever asks for one asks the table, in the statement that does the work, so that there
is no copy that could be old; :func:`judge` is the same rule in Python, for those who explain it.

In ``shadow`` a flag is on for nobody: what it would switch is tried beside what there is, for a stable share of the
keys, and compared. A flag is set by one function, :func:`openbell.engine.rollout.set_flag`, which asks its rule first.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from openbell.engine.database import SQL, Db
from openbell.engine.errors import EngineError
from openbell.engine.revisions import overtaken

Mode = Literal["off", "shadow", "percent", "on"]
ALL = 10_000
"""A share of everything, in hundredths of a percent."""


class UnknownFlag(EngineError):
    """There is no flag of this name."""

    code = "unknown_flag"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        there = f"there are {', '.join(known)}" if known else "there is none yet; add one with: openbell flags add"
        super().__init__(f"There is no flag {name!r}: {there}.")


class InvalidFlag(EngineError):
    """A flag cannot be as it was asked for."""

    code = "invalid_flag"


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag as it is in force. ``share`` is in hundredths of a percent and counts in ``shadow`` and ``percent``."""

    name: str
    mode: Mode
    share: int
    salt: str
    allow: Sequence[str]
    deny: Sequence[str]
    about: str
    owner: str
    remove_by: date
    changed_at: datetime
    revision: int = 1
    """Counts its changes, so that nobody changes what they have not seen."""
    expired: bool = False
    """Whether the day by which it should be gone is over, by the database's clock."""

    @property
    def words(self) -> str:
        """How far it is on."""
        return extent(self.mode, self.share)

    def takes_in(self, key: str) -> bool:
        """Whether the key is in its share, or taken in by name, and not left out by name."""
        return key not in self.deny and (key in self.allow or bucket(self.salt, key) < self.share)

    def shadows(self, key: str) -> bool:
        """Whether the key is tried in shadow; ``openbell.is_shadowed`` in SQL is the same."""
        return self.mode == "shadow" and self.takes_in(key)

    def as_json(self) -> dict[str, Any]:
        """For programs; the share in percent."""
        return {
            "name": self.name,
            "mode": self.mode,
            "percent": self.share / 100,
            "allow": list(self.allow),
            "deny": list(self.deny),
            "about": self.about,
            "owner": self.owner,
            "remove_by": self.remove_by.isoformat(),
            "expired": self.expired,
            "changed_at": self.changed_at.isoformat(),
            "revision": self.revision,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a flag is on for a key, and by which of its rules."""

    on: bool
    why: str


@dataclass(frozen=True, slots=True)
class FlagChange:
    """Who changed a flag when; ``before`` is None for its first row."""

    at: datetime
    actor: str
    action: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


def extent(mode: str, share: int) -> str:
    """How far a flag is on, in words; ``share`` in hundredths of a percent."""
    if mode == "percent" or (mode == "shadow" and share < ALL):
        return f"{'shadow ' if mode == 'shadow' else ''}{share / 100:g} %"
    return mode


def parse_share(text: str) -> int:
    """``12.5`` or ``12.5%`` as hundredths of a percent. Raises :class:`InvalidFlag`. Pure."""
    try:
        share = Decimal(text.strip().removesuffix("%").strip()) * 100
        whole = int(share)
    except (InvalidOperation, ValueError, OverflowError):
        share, whole = Decimal(-1), -1
    if not 0 <= whole <= ALL or share != whole:
        raise InvalidFlag(f"{text[:20]!r} is no share: it takes 0 to 100 percent in steps of 0.01.")
    return whole


def bucket(salt: str, key: str) -> int:
    """0 to 9999: the place of a key, from the first four bytes of SHA-256; ``openbell.bucket`` in SQL is the same."""
    return int.from_bytes(hashlib.sha256(f"{salt}:{key}".encode()).digest()[:4]) % ALL


def judge(flag: Flag | None, key: str) -> Verdict:
    """The rules in their order: off, deny, on, allow, percent. ``openbell.is_on`` in SQL is the same."""
    if flag is None:
        return Verdict(on=False, why="there is no such flag, and what is missing is off")
    if flag.mode == "off":
        return Verdict(on=False, why=f"{flag.name} is off for all")
    if flag.mode == "shadow":
        tried = "tried and compared" if flag.shadows(key) else "not tried"
        return Verdict(on=False, why=f"{flag.name} is in shadow: {key} is {tried}, and readers see the old way")
    if key in flag.deny:
        return Verdict(on=False, why=f"{flag.name} leaves {key} out by name")
    if flag.mode == "on":
        return Verdict(on=True, why=f"{flag.name} is on for all")
    if key in flag.allow:
        return Verdict(on=True, why=f"{flag.name} takes {key} in by name")
    place = bucket(flag.salt, key)
    why = f"{key} is at {place / 100:g} of 100, and {flag.name} takes in what is below {flag.share / 100:g}"
    return Verdict(on=place < flag.share, why=why)


async def list_flags(db: Db) -> list[Flag]:
    """Every flag, by name."""
    return [Flag(**row) for row in await db.fetch(SQL.get("list_flags"))]


async def get_flag(db: Db, name: str) -> Flag:
    """One flag. Raises :class:`UnknownFlag`."""
    flags = {flag.name: flag for flag in await list_flags(db)}
    if name not in flags:
        raise UnknownFlag(name, list(flags))
    return flags[name]


async def add_flag(db: Db, name: str, *, about: str, owner: str, remove_by: date, actor: str) -> bool:
    """Add a flag, off for all; False when it is there already. Raises :class:`InvalidFlag`."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,62}", name):
        raise InvalidFlag(f"{name!r} is no name for a flag; it takes lower-case letters, digits and hyphens, up to 63.")
    return await db.fetchval(SQL.get("add_flag"), name, about, owner, remove_by, actor) is True


async def drop_flag(db: Db, name: str, *, actor: str, seen: int | None = None) -> None:
    """Remove a flag, which is then off; audited.

    ``seen`` is the revision that somebody has looked at. Raises :class:`UnknownFlag` and :class:`Overtaken`.
    """
    if await db.fetchval(SQL.get("drop_flag"), name, actor, seen) is None:
        now = await get_flag(db, name)
        raise await overtaken(db, "flag", name, seen or now.revision, now.revision)


async def list_changes(db: Db, name: str, limit: int = 20) -> list[FlagChange]:
    """The latest changes of a flag, newest first."""
    return [FlagChange(**row) for row in await db.fetch(SQL.get("list_flag_changes"), name, limit)]
