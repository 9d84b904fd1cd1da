"""Accounts: what may be spent by whom on what in which period.

An account is named by subject, resource and period, for example ``fmp · calls · minute``. The sums are kept by the
database functions ``reserve`` and ``settle``, under a constraint that no code can overdraw. A missing limit blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

from openbell.engine.database import SQL, Db
from openbell.engine.naming import account_name
from openbell.engine.registry import CLASSES

Closing = Literal["age", "charge", "release"]
Calendar = Literal["day", "week", "month"]

MOST = 2**53
"""Amounts are below this, so that every program that reads them as JSON reads them exactly."""

MONEY = frozenset({"usd_micro", "credits"})
"""Resources that are paid for: a call that takes some of one needs an account for it."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit to be kept: ``granted`` units of ``resource`` for ``subject`` in ``period``.

    With ``closes="age"`` it is a sliding window of ``span``: a unit counts until ``span`` after its call has ended, so
    that no stretch of that length ever holds more than ``granted``, wherever it begins. ``grain`` rounds the ends up,
    which keeps long windows small. With ``closes="charge"`` what was taken stays taken; ``calendar`` gives every day,
    week or month of ``zone`` an account of its own. ``floors`` says by job class what less urgent classes leave free
    for it. Where a provider has several keys, ``credential`` names the key whose limit it is, ``key_of`` the provider.
    """

    subject: str
    resource: str
    period: str
    granted: int
    closes: Closing = "age"
    span: timedelta | None = None
    grain: timedelta = timedelta(0)
    calendar: Calendar | None = None
    zone: str = "UTC"
    floors: Mapping[str, int] = field(default_factory=dict)
    credential: str | None = None
    key_of: str | None = None

    def __post_init__(self) -> None:
        _whole(self.granted, f"the limit {self.name}")
        if (self.closes == "age") != (self.span is not None):
            raise ValueError(f"the limit {self.name} needs a span if, and only if, it ages")
        if self.calendar is not None and self.closes == "age":
            raise ValueError(f"the limit {self.name} ages; only what is charged or released has calendar periods")
        for job_class, kept in self.floors.items():
            if job_class not in CLASSES:
                raise ValueError(f"the limit {self.name} has a floor for the unknown class {job_class!r}")
            _whole(kept, f"the floor of {self.name} for {job_class}")

    @property
    def name(self) -> str:
        """For whoever writes it down: ``fmp calls per minute``."""
        return f"{self.subject} {self.resource} per {self.period}"


def _whole(amount: object, what: str) -> int:
    if type(amount) is not int or not 0 <= amount < MOST:
        raise ValueError(f"{what} must be a whole number from 0 to below 2^53, not {amount!r}")
    return amount


def checked(amounts: Mapping[str, int]) -> dict[str, int]:
    """The amounts, when each is a whole number that can be counted exactly. Raises ``ValueError``."""
    return {resource: _whole(amount, f"the amount of {resource}") for resource, amount in amounts.items()}


@dataclass(frozen=True, slots=True)
class Account:
    """An account as a provider client needs it: its id, the limit that it keeps, and the period in which it does."""

    id: int
    limit: Limit
    period: str

    @property
    def name(self) -> str:
        """For people: ``FMP calls in any minute``."""
        return account_name(self.limit.subject, self.limit.resource, self.period, self.limit.closes)

    @property
    def resource(self) -> str:
        """Which resource of a call it measures."""
        return self.limit.resource


async def ensure_account(db: Db, limit: Limit) -> Account:
    """Bring the account of a limit, in the period that runs now, to it. A lowered limit holds for new calls at once."""
    floors = {CLASSES[job_class]: kept for job_class, kept in limit.floors.items()}
    row = await db.fetchrow(
        SQL.get("ensure_account"),
        limit.subject,
        limit.resource,
        limit.period,
        limit.closes,
        limit.span,
        limit.grain,
        limit.granted,
        floors,
        limit.calendar,
        limit.zone,
        limit.credential,
        limit.key_of,
    )
    assert row is not None
    return Account(row["id"], limit, row["period"])


def by_key(limits: Sequence[Limit], credentials: Sequence[str]) -> list[Limit]:
    """The limits of a provider for each of its keys, which are told apart by name: ``k1``, ``k2``.

    The first key keeps the accounts that the provider has had with one key, and their history with them.
    """
    return [
        replace(
            limit,
            subject=limit.subject if n == 0 else f"{limit.subject}.{credential}",
            credential=credential,
            key_of=limit.subject,
        )
        for n, credential in enumerate(credentials)
        for limit in limits
    ]


async def ensure_accounts(db: Db, limits: Sequence[Limit]) -> dict[str, list[Account]]:
    """The accounts of all these limits, by subject. Keys that these providers had before are theirs no longer."""
    providers = sorted({limit.key_of or limit.subject for limit in limits})
    await db.execute(SQL.get("forget_keys"), providers, sorted({limit.subject for limit in limits}))
    accounts: dict[str, list[Account]] = {}
    for limit in limits:
        accounts.setdefault(limit.subject, []).append(await ensure_account(db, limit))
    return accounts


def keys_of(provider: str, accounts: Mapping[str, list[Account]]) -> list[list[Account]]:
    """The accounts of a provider, one list for each of its keys; one list, empty where there are none, without keys."""
    own = [accounts.get(provider, [])]
    return own + [
        theirs for subject, theirs in accounts.items() if subject != provider and theirs[0].limit.key_of == provider
    ]


def legs(provider: str, accounts: Sequence[Account], amounts: Mapping[str, int]) -> list[tuple[int, int]]:
    """What a call takes of each account: (account id, amount). A resource that the call does not name takes nothing;
    a budget is touched all the same, so that what a call costs beyond its word is booked there.

    Empty, which the ledger refuses, when a resource that is paid for has no account: a missing limit blocks.
    """
    kept = {account.resource for account in accounts if provider in (account.limit.subject, account.limit.key_of)}
    if any(resource in MONEY and amount > 0 and resource not in kept for resource, amount in amounts.items()):
        return []
    return [
        (account.id, amounts.get(account.resource, 0))
        for account in accounts
        if amounts.get(account.resource, 0) > 0 or (account.resource in MONEY and account.limit.closes == "charge")
    ]
