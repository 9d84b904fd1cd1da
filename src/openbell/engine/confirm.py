"""What is dangerous is shown first and done once: a plan, a token for it, and the record of both (PF-38).

    plan ──▶ propose: token, for two minutes, for this actor, this action, these arguments, this plan
    token ──▶ take, within the transaction that does the work: the plan is made again and must be the same

Of a token only the SHA-256 is kept. Two who use one at the same time wait for each other, and one of them does it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from openbell.engine.database import SQL, Db
from openbell.engine.errors import EngineError

TOKEN_TIME = timedelta(minutes=2)


class NotConfirmed(EngineError):
    """A token does not stand for this: unknown, used, too old, of somebody else, or the plan is another by now."""

    code = "not_confirmed"

    def __init__(self, sentence: str, code: str) -> None:
        super().__init__(f"{sentence} Nothing was done: ask for the plan again.")
        self.code = code


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done: a sentence, rows by what they are, and some of them by name."""

    sentence: str
    rows: Mapping[str, int] = field(default_factory=dict)
    sample: Sequence[str] = ()
    which: Sequence[int | str] = ()
    """Each of them, where they could be others by then in the same number; its token stands for just these."""

    def as_json(self) -> dict[str, Any]:
        """For programs, and for the audit log."""
        return {"sentence": self.sentence, "rows": dict(self.rows), "sample": list(self.sample)}


@dataclass(frozen=True, slots=True)
class Proposed:
    """A plan with the token that carries it out once."""

    plan: Plan
    token: str = field(repr=False)
    expires_at: datetime


def mark_of(action: str, arguments: Mapping[str, Any], plan: Plan) -> bytes:
    """SHA-256 of what a token stands for."""
    told = json.dumps(
        [action, arguments, plan.as_json(), list(plan.which)], sort_keys=True, default=str, separators=(",", ":")
    )
    return hashlib.sha256(told.encode()).digest()


async def propose(db: Db, actor: str, action: str, arguments: Mapping[str, Any], plan: Plan) -> Proposed:
    """Give out a token for a plan; audited as ``ACTION.planned``."""
    token = secrets.token_urlsafe(24)
    await db.execute(SQL.get("prune_confirmations"))
    expires_at = await db.fetchval(
        SQL.get("add_confirmation"), _kept(token), actor, action, mark_of(action, arguments, plan), TOKEN_TIME
    )
    await db.execute(SQL.get("add_audit"), actor, f"{action}.planned", "plan", plan.as_json())
    return Proposed(plan, token, expires_at)


async def take(
    conn: asyncpg.Connection, token: str, actor: str, action: str, arguments: Mapping[str, Any], plan: Plan
) -> None:
    """Use a token up, in the transaction that does what ``plan`` says as it is now. Raises :class:`NotConfirmed`."""
    row = await conn.fetchrow(SQL.get("lock_confirmation"), _kept(token))
    if row is None or row["actor"] != actor or row["action"] != action:
        raise NotConfirmed("This token was not given to you for this.", "confirmation_unknown")
    if row["used"]:
        raise NotConfirmed("This token was used already; it works once.", "confirmation_used")
    if not row["fresh"]:
        raise NotConfirmed("This token is too old; it works for two minutes.", "confirmation_expired")
    if row["plan"] != mark_of(action, arguments, plan):
        raise NotConfirmed("This is not what was planned: it has changed since.", "plan_changed")
    await conn.execute(SQL.get("use_confirmation"), _kept(token))


def _kept(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
