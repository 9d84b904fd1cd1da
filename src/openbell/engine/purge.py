"""Purge of what is known from a provider or under a licence, as when its terms end. Planned, then done in steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from openbell.engine.confirm import Plan, Proposed, propose, take
from openbell.engine.database import SQL, Db
from openbell.engine.errors import EngineError

ACTION = "data.purge"
AT_ONCE = 5_000


class PurgeRefused(EngineError):
    """There is nothing to purge by."""

    code = "purge_refused"


@dataclass(frozen=True, slots=True)
class Purge:
    """Whose data goes: what is known from a provider, under a licence, or both at once."""

    provider: str | None = None
    licence: str | None = None

    @property
    def target(self) -> str:
        """For the audit log."""
        return " ".join(part for part in (self.provider, self.licence) if part)

    @property
    def arguments(self) -> Mapping[str, Any]:
        """What its token stands for, beside the plan."""
        return {"provider": self.provider, "licence": self.licence}

    async def plan(self, db: Db) -> Plan:
        """What would go, by table; changes nothing. All that is theirs goes, whichever rows that are by then.

        Raises :class:`PurgeRefused` without a provider and a licence.
        """
        if not self.target:
            raise PurgeRefused("Say whose data is to go: a provider, a licence, or both.")
        rows = await db.fetch(SQL.get("purge_step"), self.provider, self.licence, None)
        return Plan(f"Remove what is known of {self.target}.", {row["what"]: row["n"] for row in rows})

    async def propose(self, db: Db, *, actor: str) -> Proposed:
        """The plan with the token that carries it out once."""
        return await propose(db, actor, ACTION, self.arguments, await self.plan(db))

    async def carry_out(self, conn: asyncpg.Connection, token: str, *, actor: str) -> Mapping[str, int]:
        """Do what was planned, a few thousand rows a statement; what has gone, by table. Audited before and after.

        Raises :class:`NotConfirmed` when the token is not for this, or the plan is another by now. One that was broken
        off is planned and done again.
        """
        async with conn.transaction():
            planned = await self.plan(conn)
            await take(conn, token, actor, ACTION, self.arguments, planned)
            await conn.execute(SQL.get("add_audit"), actor, ACTION, self.target, {"planned": dict(planned.rows)})
        gone: Counter[str] = Counter()
        while rows := await conn.fetch(SQL.get("purge_step"), self.provider, self.licence, AT_ONCE):
            gone.update({row["what"]: row["n"] for row in rows})
        await conn.execute(SQL.get("add_audit"), actor, f"{ACTION}d", self.target, {"removed": dict(gone)})
        return dict(gone)
