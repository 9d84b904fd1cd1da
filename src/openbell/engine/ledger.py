"""Accounts: what may be spent by whom on what in which period.

An account is named by subject, resource and period, for example ``fmp · calls · minute``. The sums are kept by the
database functions ``reserve`` and ``settle``, under a constraint that no code can overdraw. A missing limit blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from openbell.engine.database import SQL, Db

Closing = Literal["age", "charge", "release"]


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit to be kept: ``granted`` units of ``resource`` for ``subject`` in ``period``.

    With ``closes="age"`` it is a sliding window of ``span``: a unit counts until ``span`` after its call has ended, so
    that no stretch of that length ever holds more than ``granted``, wherever it begins. ``grain`` rounds the ends up,
    which keeps long windows small.
    """

    subject: str
    resource: str
    period: str
    granted: int
    closes: Closing = "age"
    span: timedelta | None = None
    grain: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        if type(self.granted) is not int or not 0 <= self.granted < 2**62:
            raise ValueError(f"the limit {self.name} must be a whole number from 0, not {self.granted!r}")
        if (self.closes == "age") != (self.span is not None):
            raise ValueError(f"the limit {self.name} needs a span if, and only if, it ages")

    @property
    def name(self) -> str:
        """For people: ``fmp calls per minute``."""
        return f"{self.subject} {self.resource} per {self.period}"


@dataclass(frozen=True, slots=True)
class Account:
    """An account as a provider client needs it: its id, and which resource of a call it measures."""

    id: int
    name: str
    resource: str


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account for people: ``free`` is what can be taken now; ``frees_at`` when the next unit comes back."""

    id: int
    subject: str
    resource: str
    period: str
    closes: Closing
    span: timedelta | None
    granted: int
    held: int
    spent: int
    overrun: int
    blocked_until: datetime | None
    blocked_reason: str | None
    frees_at: datetime | None

    @property
    def free(self) -> int:
        """What can be taken now."""
        return max(0, self.granted - self.held - self.spent - self.overrun)

    def as_json(self) -> dict[str, Any]:
        """For programs; times in ISO 8601 with zone."""
        return {
            "subject": self.subject,
            "resource": self.resource,
            "period": self.period,
            "closes": self.closes,
            "granted": self.granted,
            "held": self.held,
            "spent": self.spent,
            "overrun": self.overrun,
            "free": self.free,
            "blocked_until": self.blocked_until and self.blocked_until.isoformat(),
            "blocked_reason": self.blocked_reason,
            "frees_at": self.frees_at and self.frees_at.isoformat(),
        }


async def ensure_accounts(db: Db, limits: Sequence[Limit]) -> dict[str, list[Account]]:
    """Bring the accounts to their limits and return them by subject. A lowered limit holds for new calls at once."""
    accounts: dict[str, list[Account]] = {}
    for limit in limits:
        account_id = await db.fetchval(
            SQL.get("ensure_account"),
            limit.subject,
            limit.resource,
            limit.period,
            limit.closes,
            limit.span,
            limit.grain,
            limit.granted,
        )
        accounts.setdefault(limit.subject, []).append(Account(account_id, limit.name, limit.resource))
    return accounts


async def list_accounts(db: Db) -> list[AccountView]:
    """All accounts, by name."""
    return [AccountView(**row) for row in await db.fetch(SQL.get("list_accounts"))]


def legs(accounts: Sequence[Account], amounts: Mapping[str, int]) -> list[tuple[int, int]]:
    """What a call takes of each account: (account id, amount). A resource that the call does not name takes nothing."""
    return [(account.id, amounts[account.resource]) for account in accounts if amounts.get(account.resource, 0) > 0]
