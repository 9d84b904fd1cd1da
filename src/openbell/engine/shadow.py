"""Trials: what a challenger makes of a key that was made for readers anyway, compared, kept apart, shown to nobody.

A trial begins when the live result has been published, as a job of the background class. It is paid from the
challenger's own budget and from the provider's accounts, of which it never touches what is kept for more urgent work,
and begins only while a fifth of each window is free; it does not wait for room, but gives way. That a flag is on is
asked of the database for each result, so that it holds everywhere from the next one on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from openbell.engine.artifacts import read
from openbell.engine.attempt import Attempt
from openbell.engine.challenger import Challenge, budget_of
from openbell.engine.compare import compare
from openbell.engine.database import SQL
from openbell.engine.errors import AccountBlocked, Permanent, ProducerError, ProviderStopped, RateLimited
from openbell.engine.ledger import MONEY, Account, ensure_account
from openbell.engine.persist import persist
from openbell.engine.registry import CLASSES, Product

if TYPE_CHECKING:
    from pydantic import BaseModel

    from openbell.engine.runner import Ending

    One = TypeVar("One", bound=Ending)

NO_ROOM = "no_room"
"""How a trial ends that would have had to wait for an account or for a provider: no fault of the challenger."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What the database keeps of one, in its order of columns."""

    version: int
    live_version: int
    verdict: str
    fields: int
    differences: list[dict[str, Any]]
    value: Any
    age_s: float | None
    live_age_s: float | None


async def choose(db: asyncpg.Pool, product: Product, challengers: Sequence[Product], key: str) -> Product:
    """Who makes this key for readers: the first challenger whose flag is on for it, else the product itself."""
    named = await db.fetchval(SQL.get("choose_challenger"), sorted(one.name for one in challengers), key)
    return next((one for one in challengers if one.name == named), product)


async def begin_trials(db: asyncpg.Pool, challengers: Sequence[Product], attempt: Attempt) -> list[str]:
    """Queue a trial with each challenger that is in shadow for this key and has something left for today."""
    rows = await db.fetch(
        SQL.get("begin_trials"),
        [one.name for one in challengers],
        attempt.claim.key,
        {"job": attempt.claim.id, "took_s": round(attempt.took_s, 3)},
        CLASSES["background"],
    )
    return [row["product"] for row in rows]


async def purse(
    db: asyncpg.Pool, product: Product, key: str, accounts: Mapping[str, list[Account]]
) -> Mapping[str, list[Account]]:
    """What a trial may spend from: everybody's accounts, and its own beside each of them. Both must have room.

    Whoever takes a kind of money for which it has no budget has no account for it, and a missing account blocks.
    Raises :class:`Permanent` `no_room` where the key is in shadow no longer.
    """
    budget = await db.fetchval(SQL.get("read_budget"), product.name, key)
    if budget is None:
        raise Permanent(f"{product.name} is not in shadow for {key} any more.", code=NO_ROOM)
    own = [await ensure_account(db, limit) for limit in budget_of(product.name, budget)]
    return {
        subject: [*theirs, *own]
        for subject, theirs in accounts.items()
        if own and {account.resource for account in theirs} & MONEY <= budget.keys()
    }


def gives_way(ending: One, error: ProducerError) -> One:
    """A trial that would wait for room ends instead."""
    if ending.kind == "wait" and isinstance(error, AccountBlocked | RateLimited | ProviderStopped):
        return replace(ending, kind="permanent", code=NO_ROOM)
    return ending


async def judge_trial(db: asyncpg.Pool, product: Product, key: str, value: BaseModel | None) -> Trial:
    """What a challenger has made of a key (None for "nothing known"), compared with what readers see now."""
    challenge = _challenge(product)
    live = await persist(lambda: read(db, challenge.of.name, key))
    new = None if value is None else value.model_dump(mode="json")
    seen = None if live.state == "empty" else live.value
    new_time = _source_time(challenge, value)
    said = compare(seen, new, challenge.by, live_time=live.source_time, new_time=new_time)
    return Trial(
        version=product.version,
        live_version=live.version,
        verdict=said.verdict,
        fields=said.fields,
        differences=said.as_json(),
        value=new,
        age_s=_age(live.now, new_time),
        live_age_s=_age(live.now, live.source_time),
    )


def _challenge(product: Product) -> Challenge:
    if product.challenge is None:
        raise ValueError(f"{product.name} challenges nobody")
    return product.challenge


def _source_time(challenge: Challenge, value: BaseModel | None) -> datetime | None:
    if value is None or challenge.of.source_time is None:
        return None
    found: datetime | None = getattr(value, challenge.of.source_time)
    return found


def _age(now: datetime, source_time: datetime | None) -> float | None:
    return None if source_time is None else max(0.0, (now - source_time).total_seconds())
