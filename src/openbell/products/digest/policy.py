"""How digests are made here: the zone of dates, and the pages that are paid for. One row, changed by an operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from zoneinfo import available_timezones

from openbell.engine.database import Db
from openbell.products.digest.database import SQL

MOST_PAGES = 10_000


@dataclass(frozen=True, slots=True)
class Policy:
    """``zone`` is that of all dates; ``pages_per_job`` and ``pages_per_day`` how many pages may be paid for; ``quiet``
    whether a day without news makes a ``short`` digest or ``none``; ``topup`` whether articles of the morning are added
    before sending; ``approval`` whether mails to subscribers leave at their time (``auto``) or wait for an admin
    (``manual``, DC-6).
    """

    zone: str
    pages_per_job: int
    pages_per_day: int
    quiet: str
    topup: bool
    approval: str

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


async def read_policy(db: Db) -> Policy:
    """The policy in force."""
    row = await db.fetchrow(SQL.get("read_policy"))
    assert row is not None
    return Policy(**row)


async def set_policy(db: Db, changes: Mapping[str, Any], *, actor: str) -> Policy:
    """Change some of it; audited. Raises ``ValueError`` for what cannot be set so."""
    if wrong := sorted(set(changes) - set(Policy.__slots__)):
        raise ValueError(f"{', '.join(wrong)} cannot be set; what can be set is {', '.join(Policy.__slots__)}")
    after = Policy(**(asdict(await read_policy(db)) | dict(changes)))
    if after.zone not in available_timezones():
        raise ValueError(f"{after.zone!r} is no time zone; one is America/New_York")
    if not (0 <= after.pages_per_job <= MOST_PAGES and 0 <= after.pages_per_day <= MOST_PAGES):
        raise ValueError(f"paid pages are from 0 to {MOST_PAGES:,}")
    if after.quiet not in ("short", "none"):
        raise ValueError("a quiet day makes a digest that is 'short', or 'none'")
    if after.approval not in ("auto", "manual"):
        raise ValueError("mails to subscribers leave 'auto', or 'manual' after an admin has approved them")
    await db.execute(SQL.get("set_policy"), *asdict(after).values(), actor)
    return after
