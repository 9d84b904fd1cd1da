"""The queue of mails: one row is one letter to one recipient, and leaves at most once (DG-21).

The row is the truth; the job of `mail-delivery` beside it only says when to look. What an operator does is written into
the row, in one statement, and audited; whoever sends reads the row right before.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from openbell.engine.database import SQL as ENGINE
from openbell.engine.database import Db
from openbell.engine.errors import EngineError
from openbell.engine.hints import CHANNEL
from openbell.engine.registry import CLASSES
from openbell.mail.database import SQL
from openbell.mail.kinds import KINDS, Kind
from openbell.mail.letters import Image, Letter
from openbell.people.addresses import normalise
from openbell.people.database import transaction
from openbell.people.person import Person

TASK = "mail-delivery"
MOST_LISTED = 500
MOST_LOOKED = 2_000


class MailError(EngineError):
    """A mail cannot be queued or moved as it was asked for."""

    code = "mail_refused"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One letter to one recipient. ``message_id`` stays the same however often it is tried."""

    id: int
    kind: str
    artifact: str
    version: int
    person_id: int | None
    address: str | None = field(repr=False)
    list: str | None
    ticker: str | None
    message_id: str
    send_at: datetime
    expires_at: datetime
    state: str
    was: str | None
    note: str
    created_at: datetime
    state_at: datetime
    sent_to: str | None = field(repr=False)
    queue_id: str | None
    subject: str = ""
    to: str | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        """For programs of the operator."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in ("address", "was")}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in plain.items()}


Artifact = tuple[str, str, int]
"""Product, key and version of what a mail tells."""


async def queue(
    db: Db,
    *,
    kind: str,
    recipient: Person | str,
    subject: str,
    html: str,
    text: str,
    artifact: Artifact | None = None,
    ref: str | None = None,
    send_at: datetime | None = None,
    expires_at: datetime | None = None,
    ticker: str | None = None,
    held: bool = False,
    images: Mapping[str, Image] | None = None,
) -> Delivery:
    """Queue one letter to one recipient; what is queued already under the same artifact, version and kind is answered.

    ``artifact`` is what it tells; a mail without one may name a ``ref`` instead, under which it is sent once.
    ``send_at`` is now by default; ``expires_at`` is the end of the kind's window after it. With ``ticker`` it is sent
    only while the recipient follows it; ``held`` waits for an operator. A newer version takes the place of an older one
    that waits; where the older one was sent, it stays cancelled until an operator wants it. Raises :class:`MailError`.
    """
    try:
        letter = Letter(subject, html, text, images or {})
    except ValueError as error:
        raise MailError(f"This mail cannot be queued: {error}.") from None
    [made] = await queue_all(
        db, kind=kind, recipients=[recipient], letter=letter, artifact=artifact, ref=ref, send_at=send_at,
        expires_at=expires_at, ticker=ticker, held=held,
    )  # fmt: skip
    return made


async def queue_all(
    db: Db,
    *,
    kind: str,
    recipients: Sequence[Person | str],
    letter: Letter,
    artifact: Artifact | None = None,
    ref: str | None = None,
    send_at: datetime | None = None,
    expires_at: datetime | None = None,
    ticker: str | None = None,
    held: bool = False,
) -> list[Delivery]:
    """As :func:`queue`, one letter to many, in one transaction."""
    found = _kind(kind)
    if not recipients:
        return []
    named, version = (f"{artifact[0]} {artifact[1]}", artifact[2]) if artifact else (ref or secrets.token_hex(8), 0)
    to = list(
        dict.fromkeys((one.id, None) if isinstance(one, Person) else (None, normalise(one)) for one in recipients)
    )
    people, addresses = [one for one, _ in to], [one for _, one in to]
    if 0 in people:
        raise MailError("The local operator has no address; sign in as an admin to get mail.")
    if None in people and (found.list or found.link or found.to == "admins"):
        raise MailError(f"A mail of the kind {kind} goes to a person who is here, not to a bare address.")
    async with transaction(db) as conn:
        return await _queue(
            conn, found, letter, named, version, people, addresses, send_at, expires_at, ticker, held=held
        )


async def _queue(
    db: asyncpg.Connection | PoolConnectionProxy,
    kind: Kind,
    letter: Letter,
    artifact: str,
    version: int,
    people: list[int | None],
    addresses: list[str | None],
    send_at: datetime | None,
    expires_at: datetime | None,
    ticker: str | None,
    *,
    held: bool,
) -> list[Delivery]:
    await db.execute(
        SQL.get("add_letter"), letter.hash, letter.subject, letter.html, letter.text, letter.stored_images()
    )
    tokens = [secrets.token_hex(12) for _ in people]
    columns = (kind.name, artifact, version, kind.list, ticker, letter.hash, send_at, expires_at, kind.window, held)
    rows = await db.fetch(SQL.get("add_deliveries"), people, addresses, tokens, *columns)
    ready: dict[datetime, list[int]] = {}
    for row in rows:
        if row["state"] == "ready":
            ready.setdefault(row["send_at"], []).append(row["id"])
    for at, ids in ready.items():
        await look(db, ids, at, CLASSES[kind.job_class])
    return [Delivery(**row) for row in rows]


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise MailError(f"There is no kind of mail {name[:40]!r}; the kinds are {', '.join(KINDS)}.")
    return KINDS[name]


async def look(db: Db, ids: Sequence[int], at: datetime | None = None, job_class: int = CLASSES["scheduled"]) -> None:
    """Have deliveries looked at, from ``at`` on; workers hear of it at the commit. What is parked for later wakes."""
    if not ids:
        return
    keys = [str(one) for one in ids]
    await db.fetch(ENGINE.get("enqueue_jobs"), TASK, keys, [None] * len(keys), job_class, 1, None, at)
    await db.execute(SQL.get("move_looks"), keys, at)
    await db.execute(ENGINE.get("send_hint"), CHANNEL, '["work",null]')


async def get_delivery(db: Db, delivery_id: int) -> Delivery | None:
    """One delivery."""
    row = await db.fetchrow(SQL.get("get_delivery"), delivery_id)
    return None if row is None else Delivery(**row)


async def list_deliveries(
    db: Db,
    *,
    kind: str | None = None,
    state: str | None = None,
    person_id: int | None = None,
    ticker: str | None = None,
    artifact: str | None = None,
    limit: int = 100,
) -> list[Delivery]:
    """The deliveries that match, those that wait first, the soonest on top, then the latest.

    Of each state at most :data:`MOST_LOOKED` are looked at, unless they are of a person or an artifact.
    """
    most = min(limit, MOST_LISTED)
    if person_id is None and artifact is None:
        rows = await db.fetch(SQL.get("list_deliveries"), kind, state, ticker, most, MOST_LOOKED)
    else:
        rows = await db.fetch(SQL.get("list_deliveries_of"), kind, state, person_id, ticker, artifact, most)
    return [Delivery(**row) for row in rows]


async def read_letter(db: Db, delivery_id: int) -> tuple[str, Letter] | None:
    """The kind of a delivery and what it says; None when it is gone, as after its recipient was erased."""
    row = await db.fetchrow(SQL.get("read_letter"), delivery_id)
    if row is None:
        return None
    from openbell.mail.letters import images_of  # noqa: PLC0415 - only those who look at letters

    return row["kind"], Letter(row["subject"], row["html"], row["body"], images_of(row["images"]))


async def recent(db: Db, person_id: int, kind: str, seconds: float) -> int:
    """How many mails of a kind were queued for a person within the last seconds."""
    return int(await db.fetchval(SQL.get("count_recent"), person_id, kind, seconds))
