"""Credits for ad-hoc requests: so many a calendar month by plan, kept by the ledger (DG-27, DG-28, DC-3).

A credit is an account whose period is the month in :data:`ZONE`: a new month is a new row, so that nothing has to be
reset. It is held when a request queues a job, in the same transaction, posted when the job has brought a result, and
given back when the job failed, was cancelled or fell back. Whoever joins a job or finds a fresh result needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from openbell.engine.books import list_books
from openbell.engine.database import SQL as ENGINE
from openbell.engine.database import Db
from openbell.engine.ledger import Limit, ensure_account
from openbell.people.database import SQL
from openbell.people.errors import NoCredit
from openbell.people.person import Person, Plan

ZONE = "America/New_York"
PLANS: Mapping[Plan, int] = {"free": 5, "premium": 25, "professional": 100}
"""Credits a month by plan."""

PROVIDER, RESOURCE = "credits", "credits"
LONGEST_JOB = timedelta(days=30)


def credit_limit(person: Person) -> Limit:
    """What the plan of somebody grants in a month."""
    return Limit(
        f"person:{person.id}", RESOURCE, "month", PLANS[person.plan], closes="charge", calendar="month", zone=ZONE
    )


@dataclass(frozen=True, slots=True)
class Credits:
    """The credits of the month that runs; ``used`` counts those that are held for requests under way."""

    plan: Plan
    granted: int
    used: int
    free: int
    resets_at: datetime

    @property
    def resets_on(self) -> str:
        """The day on which there are new ones, as people say it: ``1 December 2026``."""
        day = self.resets_at.astimezone(ZoneInfo(ZONE))
        return f"{day.day} {day:%B %Y}"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "plan": self.plan,
            "granted": self.granted,
            "used": self.used,
            "free": self.free,
            "resets_at": self.resets_at.isoformat(),
            "zone": ZONE,
        }


async def read_credits(db: Db, person: Person) -> Credits:
    """How many credits somebody has, after all that has ended is booked."""
    await settle_credits(db, person.id)
    account = await ensure_account(db, credit_limit(person))
    book = next(one for one in await list_books(db, f"person:{person.id}", RESOURCE) if one.id == account.id)
    assert book.ends_at is not None
    return Credits(person.plan, book.granted, book.used, book.free, book.ends_at)


async def take_credit(
    conn: asyncpg.Connection | PoolConnectionProxy, person: Person, *, product: str, key: str, job_id: int
) -> bool:
    """Hold one credit for a job that this person's request has queued, in the transaction that queued it.

    False when the job has one of theirs already. Raises :class:`NoCredit` with the time of the next ones, and then the
    caller's transaction must not commit.
    """
    assert conn.is_in_transaction(), "a credit is taken together with what it is for"
    account = await ensure_account(conn, credit_limit(person))
    said = (f"user:{person.id}", f"ad-hoc {person.id} {job_id}")
    row = await conn.fetchrow(
        ENGINE.get("reserve_spends"), [], [], [product], [key], [PROVIDER], ["ad-hoc"], [said[0]], ["never"],
        [said[1]], [], [LONGEST_JOB], [{RESOURCE: 1}], [1], [account.id], [1],
    )  # fmt: skip
    assert row is not None
    if row[0] is not None:
        await conn.execute(SQL.get("add_credit"), row[0], person.id, product, key, job_id)
        return True
    if row[1] in ("busy", "made", "expired"):
        return False
    found = await read_credits(conn, person)
    raise NoCredit(
        f"The {found.granted} credits of this month are used up; new ones come on {found.resets_on}.", found.resets_at
    )


async def settle_credits(db: Db, person_id: int | None = None) -> int:
    """Post or give back the credits whose jobs have ended, of one person or of all; how many."""
    rows = await db.fetch(SQL.get("find_ended_credits"), person_id)
    ended = [
        {
            "id": row["spend_id"],
            "token": None,
            "state": row["state"],
            "outcome": row["outcome"],
            "took": {RESOURCE: 1} if row["state"] == "settled" else {},
            "ref": str(row["job_id"]),
            "trouble": None,
        }
        for row in rows
    ]
    if ended:
        await db.execute(ENGINE.get("settle_spends"), ended)
    return len(ended)
