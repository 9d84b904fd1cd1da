"""Reading results. Nothing here creates, claims or produces anything (PF-47)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from openbell.engine.database import SQL, Db
from openbell.engine.explain import why
from openbell.engine.freshness import Hours, State, state_of


@dataclass(frozen=True, slots=True)
class JobGlance:
    """The live job of a key: ``state`` is waiting, parked (until ``run_at``) or running."""

    id: int
    state: str
    queued_at: datetime
    run_at: datetime | None
    attempt: int
    reason: str | None
    progress: str | None


NEVER = 9999
"""The year until which a key is left alone that only an operator may try again."""


@dataclass(frozen=True, slots=True)
class Setback:
    """The last failure of a key; it is not queued again before ``retry_at``."""

    code: str
    message: str
    at: datetime
    retry_at: datetime

    @property
    def needs_operator(self) -> bool:
        """Whether it is not tried again by itself, because something may have been paid for."""
        return self.retry_at.year == NEVER


@dataclass(frozen=True, slots=True)
class Blockage:
    """A full account or a paused provider in the way of a waiting job."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of one key at the database time ``now``. ``version`` 0 means that there is no value yet."""

    product: str
    key: str
    version: int
    state: State
    value: Any
    checked_at: datetime | None
    changed_at: datetime | None
    source_time: datetime | None
    fresh_until: datetime | None
    stale_until: datetime | None
    provenance: Mapping[str, Any]
    licence: str | None
    cost_micro: int
    job: JobGlance | None
    setback: Setback | None
    blockage: Blockage | None
    hours: Hours | None
    enabled: bool
    demanded: bool
    now: datetime

    @property
    def age_s(self) -> float | None:
        """Seconds since the source was last asked."""
        return None if self.checked_at is None else max(0.0, (self.now - self.checked_at).total_seconds())

    @property
    def synthetic(self) -> str | None:
        """What the data is, when it is not real."""
        return self.provenance.get("synthetic")

    @property
    def settled(self) -> bool:
        """There is nothing to wait for: it is fresh, known to be empty, or it failed and is left alone for now."""
        return self.state in ("fresh", "fallback") or (
            self.job is None and (self.state == "empty" or self.setback is not None)
        )

    @property
    def reason(self) -> str:
        """Why it is as fresh as it is, in one sentence."""
        return why(self)

    @property
    def etag(self) -> str:
        """Changes whenever a reader would see something else."""
        facts = (
            self.version,
            self.state,
            self.checked_at,
            self.job and (self.job.state, self.job.run_at),
            self.setback,
            self.blockage,
            self.hours,
        )
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:20]

    def as_json(self) -> dict[str, Any]:
        """For programs: times in ISO 8601 with zone, ages in seconds, money in millionths of a dollar."""
        return {
            "product": self.product,
            "key": self.key,
            "state": self.state,
            "version": self.version,
            "value": self.value,
            "age_s": None if self.age_s is None else round(self.age_s, 3),
            "checked_at": _iso(self.checked_at),
            "changed_at": _iso(self.changed_at),
            "source_time": _iso(self.source_time),
            "fresh_until": _iso(self.fresh_until),
            "stale_until": _iso(self.stale_until),
            "reason": self.reason,
            "source": dict(self.provenance),
            "licence": self.licence,
            "cost_micro": self.cost_micro,
            "job": self.job
            and {
                "id": self.job.id,
                "state": self.job.state,
                "queued_at": _iso(self.job.queued_at),
                "run_at": _iso(self.job.run_at),
                "attempt": self.job.attempt,
                "reason": self.job.reason,
                "progress": self.job.progress,
            },
            "setback": self.setback
            and {
                "code": self.setback.code,
                "message": self.setback.message,
                "at": _iso(self.setback.at),
                "retry_at": _iso(self.setback.retry_at),
            },
            "now": _iso(self.now),
        }


@dataclass(frozen=True, slots=True)
class Version:
    """One stored value; versions never change."""

    version: int
    created_at: datetime
    source_time: datetime | None
    value: Any
    provenance: Mapping[str, Any]
    licence: str
    cost_micro: int
    job_id: int


async def read(db: Db, product: str, key: str) -> Reading:
    """What is known of one key."""
    return (await read_many(db, [(product, key)]))[0]


async def read_many(db: Db, keys: Sequence[tuple[str, str]]) -> list[Reading]:
    """What is known of each key, in the order asked, in one statement."""
    rows = await db.fetch(SQL.get("read_artifacts"), [product for product, _ in keys], [key for _, key in keys])
    return [_reading(row) for row in rows]


async def read_heads(db: Db, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """For each key a mark that changes when a watcher should read it again."""
    rows = await db.fetch(SQL.get("read_heads"), [product for product, _ in keys], [key for _, key in keys])
    return {(row["product"], row["key"]): tuple(row.values())[2:] for row in rows}


async def known_keys(db: Db, product: str, *, within: timedelta, after: str = "", limit: int = 1_000) -> list[str]:
    """Keys of a product with a value that was asked for ``within`` that time, in order, from behind ``after`` on."""
    return [row["key"] for row in await db.fetch(SQL.get("list_known_keys"), product, after, limit, within)]


async def history(db: Db, product: str, key: str, limit: int = 50) -> list[Version]:
    """The latest versions of a key, newest first."""
    return [Version(**row) for row in await db.fetch(SQL.get("read_versions"), product, key, limit)]


def _reading(row: asyncpg.Record) -> Reading:
    return Reading(
        product=row["product"],
        key=row["key"],
        version=row["version"] or 0,
        state=state_of(row["stored"], row["fresh_until"], row["stale_until"], row["now"]),
        value=row["value"],
        checked_at=row["checked_at"],
        changed_at=row["changed_at"],
        source_time=row["source_time"],
        fresh_until=row["fresh_until"],
        stale_until=row["stale_until"],
        provenance=row["provenance"] or {},
        licence=row["licence"],
        cost_micro=row["cost_micro"] or 0,
        job=JobGlance(
            row["job_id"],
            row["job_state"],
            row["job_queued_at"],
            row["job_run_at"],
            row["job_attempt"],
            row["job_reason"],
            row["job_progress"],
        )
        if row["job_id"] is not None
        else None,
        setback=Setback(row["setback_code"], row["setback_message"], row["setback_at"], row["setback_retry_at"])
        if row["setback_code"] is not None
        else None,
        blockage=Blockage(row["blocked_until"], row["blocked_reason"]) if row["blocked_until"] is not None else None,
        hours=_hours(row),
        enabled=row["enabled"] is not False,
        demanded=row["demanded"],
        now=row["now"],
    )


def _hours(row: asyncpg.Record) -> Hours | None:
    if row["closes_at"] is None or (row["closes_at"] <= row["now"] and row["next_at"] is None):
        return None
    return Hours(row["calendar"], row["closes_at"] > row["now"], row["closes_at"], row["settles_at"], row["next_at"])


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
