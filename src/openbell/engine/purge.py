"""Purge of what is known from a provider or under a licence, as when its terms end. Planned, then done in steps."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from openbell.engine.database import SQL, Db
from openbell.engine.errors import EngineError

AT_ONCE = 5_000


class PurgeRefused(EngineError):
    """There is nothing to purge by, or what would be purged is not what was planned."""

    code = "purge_refused"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a purge would remove, by table. ``token`` is what carries it out, while the plan is still true."""

    provider: str | None
    licence: str | None
    rows: Mapping[str, int]

    @property
    def total(self) -> int:
        """Rows of all tables."""
        return sum(self.rows.values())

    @property
    def token(self) -> str:
        """Twelve letters that stand for exactly this plan."""
        told = json.dumps([self.provider, self.licence, dict(self.rows)], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:12]


async def plan(db: Db, *, provider: str | None = None, licence: str | None = None) -> Plan:
    """Count what would go; changes nothing. Raises :class:`PurgeRefused` without a provider and a licence."""
    if not provider and not licence:
        raise PurgeRefused("Say whose data is to go: a provider, a licence, or both.")
    rows = await db.fetch(SQL.get("purge_step"), provider or None, licence or None, None)
    return Plan(provider or None, licence or None, {row["what"]: row["n"] for row in rows})


async def purge(db: Db, planned: Plan, token: str, *, actor: str) -> Mapping[str, int]:
    """Do what was planned, a few thousand rows a statement; what has gone, by table. Audited before and after.

    Raises :class:`PurgeRefused` when the plan has changed since. One that was broken off is planned and done again.
    """
    now = await plan(db, provider=planned.provider, licence=planned.licence)
    if not hmac.compare_digest(now.token.encode(), token.encode()):
        raise PurgeRefused("What would be purged has changed since it was planned: look at the plan again.")
    target = " ".join(part for part in (now.provider, now.licence) if part)
    await db.execute(SQL.get("add_audit"), actor, "data.purge", target, {"planned": dict(now.rows)})
    gone: Counter[str] = Counter()
    while rows := await db.fetch(SQL.get("purge_step"), now.provider, now.licence, AT_ONCE):
        gone.update({row["what"]: row["n"] for row in rows})
    await db.execute(SQL.get("add_audit"), actor, "data.purged", target, {"removed": dict(gone)})
    return dict(gone)
