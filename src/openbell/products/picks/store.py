"""What is written down on the way to an edition. Progress, answers and editions are tables apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from openbell.engine.database import Db
from openbell.products.picks.content import Made, Stored
from openbell.products.picks.database import SQL
from openbell.products.picks.editions import DEFAULT_ZONE, EditionKey, week_at
from openbell.products.picks.figures import Fact, fact_of
from openbell.products.picks.words import Kind, Reason, Status

MOST_COMPANIES = 400


@dataclass(frozen=True, slots=True)
class Slot:
    """How far an edition is. ``job_id`` is its live job, or that of its batch."""

    edition: str
    person_id: int | None
    week: date
    reason: Reason
    batch: int | None
    failures: int
    queued_at: datetime
    status_at: datetime
    job_id: int | None
    status: Status
    code: str | None
    message: str | None
    job_state: str | None
    progress: str | None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {name: one.isoformat() if isinstance(one, date) else one for name, one in plain.items()}


async def read_slot(db: Db, edition: str) -> Slot | None:
    """The slot; what nobody works on any more has failed."""
    row = await db.fetchrow(SQL.get("read_slot"), edition)
    if row is None:
        return None
    return Slot(**{**row, "status": Status(row["status"]), "reason": Reason(row["reason"])})


async def list_slots(db: Db, week: date, status: str | None = None) -> list[Slot]:
    """The slots of a week, everybody's first; with ``status`` only those that stand so."""
    names = [row["edition"] for row in await db.fetch(SQL.get("list_slots"), week)]
    found = [slot for name in names if (slot := await read_slot(db, name)) is not None]
    return [slot for slot in found if status in (None, slot.status.value)]


async def set_status(
    db: Db, status: Status, *editions: str, code: str | None = None, message: str | None = None
) -> None:
    """Move editions to a status, and nothing else of them."""
    await db.execute(SQL.get("set_status"), list(editions), status.value, code, message and message[:500])


async def read_facts(db: Db, week: date) -> dict[str, Fact]:
    """What was known of each company when the editions of a week began; computed by whoever asks first."""
    rows = await db.fetch(SQL.get("read_facts"), week)
    if not rows:
        found = [fact_of(dict(row)) for row in await db.fetch(SQL.get("read_universe"), MOST_COMPANIES)]
        await db.execute(SQL.get("add_facts"), week, [one.model_dump(mode="json") for one in found])
        rows = await db.fetch(SQL.get("read_facts"), week)
    facts = [Fact.model_validate(row["fact"]) for row in rows]
    return {one.ticker: one for one in facts}


async def publish(db: Db, key: EditionKey, kind: Kind, stored: Stored, made: Made) -> bool:
    """Write an edition, within the caller's transaction if there is one. False when there is one already."""
    content = stored.model_dump(mode="json")
    row = await db.fetchval(SQL.get("add_edition"), key, key.person_id, key.week, kind.value, content, made.as_json())
    return row is not None


@dataclass(frozen=True, slots=True)
class Attestation:
    """That somebody says the operator may give personal picks, or no longer."""

    name: str
    given: bool
    words: str
    at: datetime


ATTESTED = (
    "I may lawfully give personalised investment information to the users of this instance, "
    "or have it given under a licence that covers it, and answer for what is shown."
)


async def read_attestation(db: Db) -> Attestation | None:
    """The latest word on it."""
    row = await db.fetchrow(SQL.get("read_attestation"))
    return None if row is None else Attestation(**row)


async def is_attested(db: Db) -> bool:
    """Whether personal editions may be made."""
    found = await read_attestation(db)
    return found is not None and found.given


async def attest(db: Db, name: str, *, given: bool, actor: str) -> Attestation:
    """Store who says so and when; audited. Raises ``ValueError`` for what is no name."""
    plain = " ".join(name.split())
    if not 2 <= len(plain) <= 200:
        raise ValueError("the name of the person who attests needs 2 to 200 letters")
    row = await db.fetchrow(SQL.get("add_attestation"), plain, given, ATTESTED if given else "withdrawn", actor)
    assert row is not None
    return Attestation(**row)


@dataclass(frozen=True, slots=True)
class Member:
    """Whether somebody has personal editions made, and whether they have had one."""

    allowed: bool
    has_edition: bool


async def read_member(db: Db, person_id: int) -> Member:
    """How somebody stands; nobody may nothing."""
    row = await db.fetchrow(SQL.get("read_member"), person_id)
    return Member(allowed=False, has_edition=False) if row is None else Member(row["allowed"], row["has_edition"])


async def current_week(db: Db) -> date:
    """The Monday of the week that runs where the weekly schedule is, by the database's clock."""
    row = await db.fetchrow(SQL.get("read_zone"), DEFAULT_ZONE)
    assert row is not None
    return week_at(row["now"], row["zone"])


async def add_answer(db: Db, edition: str, number: int, answer: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Keep what came, as it came; ``about`` is what is to be known of it, by column."""
    names = ("provider", "model", "effort", "prompt", "ref")
    counts = (
        about.get("cost_micro"),
        about.get("input_tokens", 0),
        about.get("output_tokens", 0),
        about.get("asked_at"),
    )
    columns: Sequence[Any] = (*(about.get(name) for name in names), dict(answer), about.get("failure"), *counts)
    await db.execute(SQL.get("add_answer"), edition, number, *columns)
