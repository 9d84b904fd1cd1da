"""Jobs as people and programs look at them: live ones from the hot table, finished ones from history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from openbell.engine.database import SQL, Db
from openbell.engine.errors import JobEnded, UnknownJob
from openbell.engine.history import LOOK, Sought, list_ended
from openbell.engine.registry import class_name

LIVE = ("waiting", "parked", "running")
ENDED = ("done", "unchanged", "empty", "outdated", "superseded", "failed", "expired", "cancelled")


@dataclass(frozen=True, slots=True)
class SpendView:
    """One outside call of a job: its intent, and what became of it."""

    id: int
    provider: str
    operation: str
    effect: str
    state: str
    intended_at: datetime
    ended_at: datetime | None
    outcome: str | None
    held: Mapping[str, int]
    took: Mapping[str, int] | None
    cost_micro: int
    provider_ref: str | None
    token: int | None


@dataclass(frozen=True, slots=True)
class JobView:
    """One job. ``state`` is one of :data:`LIVE`, or its outcome, one of :data:`ENDED`."""

    id: int
    product: str
    key: str
    job_class: int
    number: int | None
    state: str
    attempt: int
    max_attempts: int | None
    queued_at: datetime
    run_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    worker: int | None
    reason: str | None
    progress: str | None
    cancelled_by: str | None
    code: str | None
    message: str | None
    version: int | None
    cost_micro: int | None
    trail: Sequence[Mapping[str, Any]]
    spends: Sequence[SpendView] = field(default=())

    @property
    def class_name(self) -> str:
        """The word for its class."""
        return class_name(self.job_class)

    def timeline(self) -> list[dict[str, Any]]:
        """What happened to it, in order: queued, attempts, outside calls, the end."""
        events: list[tuple[datetime, str, str]] = [(self.queued_at, "queued", f"class {self.class_name}")]
        for one in self.trail:
            begun = f"attempt {one['attempt']} on worker {one['worker']}"
            events += [(datetime.fromisoformat(one["started_at"]), "started", begun)] if one["started_at"] else []
        events += [
            (datetime.fromisoformat(one["ended_at"]), "attempt failed", f"attempt {one['attempt']}: {one['message']}")
            for one in self.trail
        ]
        for spend in self.spends:
            events.append((spend.intended_at, "call", f"{spend.provider} {spend.operation}"))
            if spend.ended_at is not None:
                events.append(
                    (spend.ended_at, f"call {spend.state}", f"{spend.provider} {spend.operation}: {spend.outcome}")
                )
        if self.started_at is not None and not any(one["attempt"] == self.attempt for one in self.trail):
            events.append((self.started_at, "started", f"attempt {self.attempt} on worker {self.worker}"))
        if self.finished_at is not None:
            events.append((self.finished_at, self.state, self.message or ""))
        return [
            {"at": at.isoformat(), "event": event, "detail": detail}
            for at, event, detail in sorted(events, key=lambda e: e[0])
        ]

    def as_json(self) -> dict[str, Any]:
        """For programs; times in ISO 8601 with zone, money in millionths of a dollar."""
        plain = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name in self.__slots__
            if name not in ("job_class", "trail", "spends")
            for value in [getattr(self, name)]
        }
        return {
            **plain,
            "class": self.class_name,
            "live": self.state in LIVE,
            "trail": list(self.trail),
            "spends": [
                {
                    "id": s.id,
                    "provider": s.provider,
                    "operation": s.operation,
                    "effect": s.effect,
                    "state": s.state,
                    "intended_at": s.intended_at.isoformat(),
                    "ended_at": s.ended_at and s.ended_at.isoformat(),
                    "outcome": s.outcome,
                    "held": s.held,
                    "took": s.took,
                    "cost_micro": s.cost_micro,
                }
                for s in self.spends
            ],
            "timeline": self.timeline(),
        }


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How the jobs of one product ended, with waiting and running times in seconds."""

    product: str
    outcome: str
    jobs: int
    cost_micro: int
    wait_p50_s: float | None
    wait_p99_s: float | None
    run_p50_s: float | None
    run_p99_s: float | None


@dataclass(frozen=True, slots=True)
class Stats:
    """The queue at a glance, and what came out of it within ``span``."""

    now: datetime
    waiting: int
    parked: int
    running: int
    oldest_waiting: datetime | None
    workers: int
    slots: int
    span: timedelta
    outcomes: Sequence[Outcomes]

    def as_json(self) -> dict[str, Any]:
        """For programs; ages and times in seconds."""
        return {
            "now": self.now.isoformat(),
            "waiting": self.waiting,
            "parked": self.parked,
            "running": self.running,
            "oldest_waiting_s": self.oldest_waiting and round((self.now - self.oldest_waiting).total_seconds(), 3),
            "workers": self.workers,
            "slots": self.slots,
            "span_s": self.span.total_seconds(),
            "outcomes": [{name: getattr(one, name) for name in Outcomes.__slots__} for one in self.outcomes],
        }


async def get(db: Db, job_id: int) -> JobView | None:
    """One job with its outside calls, live or from history."""
    row = await db.fetchrow(SQL.get("get_job"), job_id)
    if row is None:
        return None
    spends = [SpendView(**spend) for spend in await db.fetch(SQL.get("list_spends"), job_id)]
    return JobView(**row, spends=spends)


async def rejected(db: Db, job_id: int) -> list[dict[str, Any]]:
    """The answers of a job that were read and did not pass, oldest first, each with what is wrong and how it began."""
    rows = await db.fetch(SQL.get("list_rejected"), job_id)
    return [{**row, "rejected_at": row["rejected_at"].isoformat()} for row in rows]


async def list_jobs(
    db: Db,
    *,
    state: str | None = None,
    product: str | None = None,
    key: str | None = None,
    job_class: int | None = None,
    limit: int = 50,
) -> list[JobView]:
    """Live jobs in the order in which they are served, then the latest finished ones; at most ``limit`` together.

    ``state`` is one of :data:`LIVE` or :data:`ENDED`; raises ``ValueError`` for anything else. Of ended jobs only the
    latest are looked at, as many as :data:`openbell.engine.history.LOOK`, unless a key or a rare outcome is asked for.
    """
    if state is not None and state not in LIVE + ENDED:
        raise ValueError(f"{state!r} is no state of a job; the states are {', '.join(LIVE + ENDED)}")
    found: list[JobView] = []
    if state is None or state in LIVE:
        rows = await db.fetch(SQL.get("list_live_jobs"), state, product, key, job_class, limit)
        found += [JobView(**row) for row in rows]
    if len(found) < limit and (state is None or state in ENDED):
        sought = Sought(state=state, product=product, key=key, job_class=job_class)
        page = await list_ended(db, sought, limit=limit - len(found), look=max(LOOK, limit))
        found += [of_history(row) for row in page.rows]
    return found


def of_history(row: Any) -> JobView:
    """An ended job, of a row of :mod:`openbell.engine.history`."""
    told: dict[str, Any] = {name: value for name, value in row.items() if name not in ("meant", "n")}
    nothing: dict[str, Any] = dict.fromkeys(("number", "max_attempts", "run_at", "reason", "progress", "cancelled_by"))
    return JobView(**nothing, **told)


async def stats(db: Db, span: timedelta = timedelta(hours=24)) -> Stats:
    """The queue now, and the outcomes of the last ``span``."""
    now = await db.fetchrow(SQL.get("count_jobs"))
    outcomes = [Outcomes(**row) for row in await db.fetch(SQL.get("count_outcomes"), span)]
    assert now is not None
    return Stats(**now, span=span, outcomes=outcomes)


async def cancel(db: Db, job_id: int, *, actor: str) -> str:
    """Cancel a live job: ``cancelled`` while it waits, ``cancelling`` while it runs.

    Raises :class:`UnknownJob`, or :class:`JobEnded` when it has ended already.
    """
    state: str | None = await db.fetchval(SQL.get("cancel_job"), job_id, actor)
    if state is not None:
        return state
    ended = await get(db, job_id)
    raise UnknownJob(job_id) if ended is None else JobEnded(job_id, ended.state)


async def retry(db: Db, job_id: int, *, actor: str) -> int:
    """Queue a job again by hand, forgetting its key's last failure. Returns the id of the live job.

    Raises :class:`UnknownJob`.
    """
    live: int | None = await db.fetchval(SQL.get("retry_job"), job_id, actor)
    if live is None:
        raise UnknownJob(job_id)
    return live
