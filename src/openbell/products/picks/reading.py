"""What is shown to somebody. Reading changes nothing, asks nobody, and makes nothing.

In this order: their own edition of the week; else, where they get their own, their last good one, marked with its week;
else everybody's of the week; else the figures of the week; else the last of everybody's; else the static list, with its
own date. Whatever is not this week's own says why.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from openbell.engine.database import Db
from openbell.products.picks.content import Made, Stored
from openbell.products.picks.database import SQL
from openbell.products.picks.editions import ALL, DEFAULT_ZONE, EditionKey
from openbell.products.picks.profile import Profile
from openbell.products.picks.store import Slot, read_slot
from openbell.products.picks.words import Fallback, Kind, Status

MOST_WEEKS = 104
MOST_KEPT = 500
COST_CODES = frozenset(
    (
        "switched_off", "money_cap", "limit_missing", "limit_too_small", "not_attested", "price_unknown",
        "not_configured",
    )
)  # fmt: skip
"""Ends that say that nothing may be paid; everything else is a failure of the service."""


@dataclass(frozen=True, slots=True)
class Edition:
    """An edition as it is shown; ``made_at`` is when it was made, of the static list when it was written."""

    name: str
    week: date
    kind: Kind
    stored: Stored
    made: Made
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """An edition without what is in it; ``mark`` is another for another content."""

    edition: str
    week: date
    kind: str
    made_at: datetime
    mark: str


_KEPT: OrderedDict[Head, Edition] = OrderedDict()


@dataclass(frozen=True, slots=True)
class View:
    """What somebody sees this week: an edition or none, why it is not the one they wait for, and how far that is."""

    week: date
    edition: Edition | None
    fallback: Fallback | None
    slot: Slot | None
    is_new: bool

    @property
    def status(self) -> Status | None:
        """How far this week's own edition is; None when nobody has asked for it."""
        return None if self.slot is None else self.slot.status

    @property
    def is_own_week(self) -> bool:
        """Whether what is shown is of this week."""
        return self.edition is not None and self.edition.week == self.week


@cache
def static_edition() -> Edition:
    """The list that is always there. Its date is its own."""
    told = json.loads((files(__package__) / "static.json").read_text("utf-8"))
    week = date.fromisoformat(told["week"])
    made_at = datetime.fromisoformat(told["made_at"])
    return Edition("static", week, Kind.STATIC, Stored.model_validate(told["stored"]), Made(provider="none"), made_at)


async def look(db: Db, person_id: int | None, *, enabled: bool) -> View:
    """What this person, or anybody without a session, is shown now."""
    rows = await db.fetch(SQL.get("read_view"), person_id, DEFAULT_ZONE)
    week, own = rows[0]["this_week"], bool(rows[0]["own"])
    slot = await read_slot(db, EditionKey.of(person_id if own and person_id is not None else ALL, week))
    heads = [Head(*(row[name] for name in Head.__slots__)) for row in rows if row["edition"] is not None]
    found = {head.kind: head for head in heads}
    shown = await _opened(db, _chosen(found, week, own=own))
    is_new = own and Kind.PERSONAL not in found
    return View(week, shown, _reason(shown, slot, week, own=own, enabled=enabled), slot, is_new)


async def read_edition(db: Db, name: str) -> Edition | None:
    """One edition by its name."""
    row = await db.fetchrow(SQL.get("read_edition"), name)
    return None if row is None else edition_of(row)


async def list_weeks(db: Db, person_id: int | None) -> list[Mapping[str, Any]]:
    """The editions that somebody may look at, latest first: name, week, kind, when made."""
    return [dict(row) for row in await db.fetch(SQL.get("list_weeks"), person_id, MOST_WEEKS)]


def edition_of(row: Any) -> Edition:
    """The edition of a row."""
    stored, made = Stored.model_validate(row["content"]), Made.model_validate(row["made"])
    return Edition(row["edition"], row["week"], Kind(row["kind"]), stored, made, row["made_at"])


@dataclass(frozen=True, slots=True)
class Since:
    """How a pick has done: from the close of ``base_day`` to that of ``day``, both as they are counted today."""

    ticker: str
    base_day: date
    day: date
    change: float


async def since(db: Db, stored: Stored) -> dict[str, Since]:
    """How the picks of an edition have done by the stored daily closes, adjusted for splits, without dividends.

    One whose base day is stored no longer is left out.
    """
    base = {ticker: day for ticker, (day, _) in stored.base.items()}
    rows = await db.fetch(SQL.get("read_since"), list(base), list(base.values()))
    return {
        row["ticker"]: Since(row["ticker"], base[row["ticker"]], row["day"], row["close"] / row["base"] - 1)
        for row in rows
        if row["base"] and row["close"] is not None
    }


async def closes(db: Db, ticker: str) -> list[tuple[date, float]]:
    """The daily closes of the last year, oldest first; empty where none are stored."""
    bars = await db.fetchval(SQL.get("read_closes"), ticker)
    return [(date.fromisoformat(bar[0]), float(bar[4])) for bar in bars or []]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What somebody told, and whether they want an edition of their own."""

    profile: Profile
    personal: bool
    told: bool


async def read_wishes(db: Db, person_id: int) -> Wishes:
    """What is stored of somebody; the default where nothing is."""
    row = await db.fetchrow(SQL.get("read_profile"), person_id)
    if row is None:
        return Wishes(Profile(), personal=False, told=False)
    return Wishes(Profile.of(row["profile"]), row["personal"], told=True)


async def save_wishes(db: Db, person_id: int, profile: Profile, *, personal: bool) -> None:
    """Store what somebody told."""
    await db.execute(SQL.get("save_profile"), person_id, profile.for_prompt(), personal)


async def _opened(db: Db, head: Head | None) -> Edition:
    """The edition of a head. What is written once need not be read twice: the latest ones are kept."""
    if head is None:
        return static_edition()
    if head in _KEPT:
        _KEPT.move_to_end(head)
        return _KEPT[head]
    found = await read_edition(db, head.edition)
    if found is None:
        return static_edition()
    _KEPT[head] = found
    while len(_KEPT) > MOST_KEPT:
        _KEPT.popitem(last=False)
    return found


def _chosen(found: Mapping[str, Head], week: date, *, own: bool) -> Head | None:
    personal = found.get(Kind.PERSONAL) or found.get(Kind.IMPORTED)
    if own and personal is not None:
        return personal
    now = [one for kind in (Kind.IMPERSONAL, Kind.FIGURES) if (one := found.get(kind)) and one.week == week]
    past = [one for kind in (Kind.IMPERSONAL, Kind.FIGURES) if (one := found.get(kind))]
    return next(iter([*now, *sorted(past, key=lambda one: one.week, reverse=True)]), None)


def _reason(shown: Edition, slot: Slot | None, week: date, *, own: bool, enabled: bool) -> Fallback | None:
    wanted = Kind.PERSONAL if own else Kind.IMPERSONAL
    if shown.kind is wanted and shown.week == week:
        return None
    if slot is not None and slot.status.is_live:
        return Fallback.IN_PROGRESS
    if not enabled or (slot is not None and slot.code in COST_CODES) or slot is None:
        return Fallback.COST
    return Fallback.SERVICE_ERROR
