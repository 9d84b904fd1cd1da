"""Schedules: work that is due at times of the calendar, in a named zone.

    schedule ──▶ occurrence (one row a time, unique) ──▶ a task's job, or demand for an artifact ──▶ its outcome

Any number of schedulers look at the clock. Whoever locks a schedule first writes the occurrence, queues its work and
moves the schedule to its next time, all in one transaction: an occurrence happens once or not at all. Occurrences that
were missed run late or are skipped, as declared (:func:`openbell.engine.cron.plan`).

For an artifact an occurrence is demand with the source ``schedule:NAME``, which ends as soon as the key is fresh: a
schedule respects the product's TTL, and buys nothing that is fresh already.

A task finds the due time in its arguments, as ``due_at`` in the schedule's zone, and takes dates from there: what runs
late is still about its own day (DC-7). A schedule may also name its keys anew for each occurrence, one for each user or
date: :mod:`openbell.engine.spread`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import asyncpg

from openbell.engine.cron import MOST_LATE, InvalidCron, check, plan
from openbell.engine.database import SQL, Db
from openbell.engine.duty import Duty
from openbell.engine.errors import EngineError, InvalidDeclaration
from openbell.engine.hints import Hints
from openbell.engine.registry import CLASSES, Product
from openbell.engine.revisions import checked_reason, overtaken
from openbell.engine.spread import DUE, Keys, spreader
from openbell.engine.sweep import sweep
from openbell.telemetry.tally import swallowed

log = logging.getLogger(__name__)

LOOK_S = 30.0
"""A scheduler sleeps until the next occurrence, but looks at least this often: clocks and rows change."""
AT_ONCE = 10
CLASS = CLASSES["scheduled"]

Missed = Literal["late", "skip"]


class UnknownSchedule(EngineError):
    """No schedule of that name."""

    code = "unknown_schedule"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no schedule {name[:80]!r}: `openbell schedules list` shows those there are.")


@dataclass(frozen=True, slots=True)
class Schedule:
    """One declared schedule. See :func:`schedule` for what each part means."""

    name: str
    product: str
    key: str
    args: Any
    cron: str
    zone: str
    missed: Missed
    max_late: timedelta
    spreads: Product | None = None
    """The task that queues the keys of each occurrence, where they are named anew each time."""


def schedule(
    name: str,
    product: Product,
    key: str | None = None,
    *,
    cron: str,
    zone: str,
    missed: Missed,
    max_late: timedelta,
    args: Mapping[str, Any] | None = None,
    keys: Keys | None = None,
) -> Schedule:
    """Declare that ``key`` of ``product``, or whatever ``keys`` then names, is due at certain times.

    ``cron``      minute, hour, day of month, month, day of week; see :mod:`openbell.engine.cron` for clock changes
    ``zone``      the time zone in which these are read, such as ``America/New_York``
    ``missed``    what becomes of an occurrence that nobody could take in time: run it ``late`` (of several the latest
                  only), or ``skip`` it
    ``max_late``  how late it may still begin, up to a week; the schedule is overdue when it brings no result within it
    ``args``      the arguments of a task, as JSON; it finds ``due_at`` beside them
    ``keys``      instead of ``key``: a function of the due time that names the keys, each with its arguments

    Raises :class:`InvalidDeclaration` and :class:`InvalidKey`.
    """
    try:
        check(cron, zone)
    except InvalidCron as error:
        raise InvalidDeclaration(f"The schedule {name!r} cannot be planned: {error}") from None
    if not timedelta(0) < max_late <= MOST_LATE or missed not in ("late", "skip"):
        raise InvalidDeclaration(
            f"The schedule {name!r} needs missed 'late' or 'skip', and max_late above 0, up to {MOST_LATE.days} days."
        )
    if args is not None and not product.is_task:
        raise InvalidDeclaration(f"The schedule {name!r} has arguments, which only a task takes.")
    if (key is None) == (keys is None) or (keys is not None and args is not None):
        raise InvalidDeclaration(f"The schedule {name!r} needs a key, or keys that bring their own arguments.")
    if keys is not None:
        spreads = spreader(name, product, keys, max_late)
        return Schedule(name, spreads.name, DUE, None, cron, zone, missed, max_late, spreads)
    return Schedule(name, product.name, product.parse_key(key or ""), args, cron, zone, missed, max_late)


async def seed_schedules(db: Db, schedules: Iterable[Schedule]) -> None:
    """Bring the rows up to this code, after the products: what an operator has changed stays as it is."""
    for one in schedules:
        columns = {name: getattr(one, name) for name in Schedule.__slots__ if name not in ("name", "spreads")}
        seeded = columns | {"max_late": f"{one.max_late.total_seconds()} seconds"}
        await db.execute(SQL.get("seed_schedule"), one.name, *columns.values(), seeded)


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """A schedule as it is in force, and how its last occurrence went. ``changed`` names what an operator has set."""

    name: str
    product: str
    key: str
    args: Any
    cron: str
    zone: str
    missed: str
    max_late: timedelta
    enabled: bool
    changed_at: datetime
    next_at: datetime | None
    problem: str | None
    last_due_at: datetime | None
    last_enqueued_at: datetime | None
    last_success_at: datetime | None
    last_at: datetime | None
    last_state: str | None
    last_job: int | None
    last_note: str | None
    revision: int
    last_queued_at: datetime | None
    last_ended_at: datetime | None
    missed_week: int
    failed_week: int
    now: datetime
    changed: Sequence[str]

    @property
    def last_took_s(self) -> float | None:
        """How long the last occurrence took, in seconds from being queued; None while under way, or skipped."""
        if self.last_queued_at is None or self.last_ended_at is None or self.last_state == "skipped":
            return None
        return (self.last_ended_at - self.last_queued_at).total_seconds()

    @property
    def overdue(self) -> bool:
        """Whether it should have brought a result by now: nobody took its time, or what was taken did not succeed."""
        if not self.enabled:
            return False
        if self.problem is not None or (self.next_at is not None and self.now > self.next_at + self.max_late):
            return True
        if self.last_due_at is None or self.now <= self.last_due_at + self.max_late:
            return False
        return self.last_success_at is None or self.last_success_at < self.last_due_at

    def as_json(self) -> dict[str, Any]:
        """For programs; times in ISO 8601 with zone, durations in seconds."""
        plain = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name in self.__slots__
            if name not in ("max_late", "now", "changed")
            for value in [getattr(self, name)]
        }
        late = {"max_late_s": self.max_late.total_seconds(), "overdue": self.overdue, "last_took_s": self.last_took_s}
        return plain | late | {"changed": list(self.changed)}


async def list_schedules(db: Db) -> list[ScheduleView]:
    """Every schedule, by name."""
    return [ScheduleView(**row) for row in await db.fetch(SQL.get("list_schedules"))]


async def set_schedule(
    db: Db, name: str, changes: Mapping[str, Any], *, actor: str, reason: str = "", seen: int | None = None
) -> ScheduleView:
    """Change ``cron``, ``zone``, ``missed``, ``max_late`` or ``enabled`` while the system runs; the change is audited.

    ``seen`` is the revision on which it was decided. Raises :class:`UnknownSchedule`, :class:`InvalidCron`,
    :class:`Overtaken`, and ``ValueError`` for what cannot be set.
    """
    allowed = {"cron", "zone", "missed", "max_late", "enabled"}
    if wrong := sorted(set(changes) - allowed):
        raise ValueError(f"{', '.join(wrong)} cannot be set; what can be set is {', '.join(sorted(allowed))}")
    late = changes.get("max_late")
    if changes.get("missed", "late") not in ("late", "skip") or not timedelta(0) < (late or MOST_LATE) <= MOST_LATE:
        raise ValueError(f"missed is 'late' or 'skip', and max_late above 0 and up to {MOST_LATE.days} days")
    found = await get_schedule(db, name)
    check(changes.get("cron", found.cron), changes.get("zone", found.zone))
    plain = dict(changes) | ({"max_late": f"{late.total_seconds()} seconds"} if late else {})
    if await db.fetchval(SQL.get("set_schedule"), name, plain, actor, checked_reason(reason) or None, seen) is None:
        now = await get_schedule(db, name)
        raise await overtaken(db, "schedule", name, seen or found.revision, now.revision)
    return await get_schedule(db, name)


async def get_schedule(db: Db, name: str) -> ScheduleView:
    """One schedule. Raises :class:`UnknownSchedule`."""
    found = next((one for one in await list_schedules(db) if one.name == name), None)
    if found is None:
        raise UnknownSchedule(name)
    return found


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time of a schedule, and what became of it."""

    due_at: datetime
    state: str
    job_id: int | None
    actor: str
    queued_at: datetime
    ended_at: datetime | None
    note: str | None


async def list_occurrences(db: Db, name: str, limit: int = 50) -> list[Occurrence]:
    """The latest occurrences of a schedule, newest first."""
    return [Occurrence(**row) for row in await db.fetch(SQL.get("list_occurrences"), name, limit)]


async def run_now(conn: asyncpg.Connection, name: str, *, actor: str, reason: str = "") -> int | None:
    """Let a schedule happen now, besides its times; audited. Returns the id of its job.

    None when no job is needed or possible at the moment: the artifact is fresh, or has failed a moment ago.
    Raises :class:`UnknownSchedule`.
    """
    why = {"reason": said} if (said := checked_reason(reason)) else {}
    async with conn.transaction():
        row = await conn.fetchrow(SQL.get("lock_schedule"), name)
        if row is None:
            raise UnknownSchedule(name)
        job_id = await _fire(conn, row, row["now"], actor)
        await conn.execute(SQL.get("add_audit"), actor, "schedule.run", name, {"job": job_id} | why)
        await conn.fetch(SQL.get("settle_occurrences"))
    return job_id


async def _fire(conn: Any, row: Any, due_at: datetime, actor: str) -> int | None:
    """Write one occurrence and queue its work, within the caller's transaction. Returns its job, if there is one."""
    name, product, due = row["name"], row["product"], due_at.astimezone(ZoneInfo(row["zone"])).isoformat()
    key = row["key"].replace(DUE, due)
    if await conn.fetchval(SQL.get("add_occurrence"), name, due_at, actor, key) is None:
        return None
    if row["kind"] == "task":
        args = {**(row["args"] or {}), "due_at": due}
        await conn.fetch(SQL.get("enqueue_jobs"), product, [key], [args], CLASS, 1, None, None)
    else:
        source = f"schedule:{name}"
        await conn.execute(SQL.get("want_keys"), source, [product], [key], [1], CLASS, row["patience"])
        await sweep(conn, [(product, key)])
    job_id: int | None = await conn.fetchval(SQL.get("note_occurrence"), name, due_at)
    log.info("schedule.fired name=%s due_at=%s actor=%s job=%s", name, due_at.isoformat(), actor, job_id)
    return job_id


class Scheduler(Duty):
    """Lets schedules happen when they are due, and notes how their occurrences end. Any number of them may run."""

    name = "scheduler"

    def __init__(self, pool: asyncpg.Pool, hints: Hints | None = None) -> None:
        super().__init__()
        self._pool, self._hints = pool, hints

    async def beat(self) -> float:
        """Look once; the seconds until something is due."""
        seen = await self._pool.fetchrow(SQL.get("look_schedules"))
        assert seen is not None
        if seen["settle_in_s"] is not None:
            await self._settle()
        if seen["due"]:
            return 0.0 if await self.take_due() else 1.0
        return min(pause for pause in (LOOK_S, seen["next_in_s"], seen["settle_in_s"]) if pause is not None)

    async def take_due(self) -> int:
        """Take up to :data:`AT_ONCE` schedules that are due and that nobody else has in hand; how many."""
        async with self._pool.acquire() as conn, conn.transaction():
            rows = await conn.fetch(SQL.get("lock_schedules"), AT_ONCE)
            fired = [row for row in rows if await self._take(conn, row)]
        if self._hints is not None:
            for row in fired:
                self._hints.tell("work", row["product"], row["key"])
        return len(rows)

    async def _take(self, conn: Any, row: Any) -> bool:
        """Do what is to be done for one locked schedule; whether an occurrence happened."""
        try:
            planned = plan(
                row["cron"],
                row["zone"],
                missed=row["missed"],
                max_late=row["max_late"],
                next_at=row["next_at"],
                now=row["now"],
            )
        except InvalidCron as error:
            swallowed("schedule.plan", error)
            log.error("schedule.broken name=%s error=%s", row["name"], error)
            await conn.execute(SQL.get("plan_schedule"), row["name"], None, str(error), None)
            return False
        if planned.skipped:
            note = f"missed: noticed at {row['now'].isoformat(timespec='seconds')}"
            await conn.execute(SQL.get("skip_occurrences"), row["name"], planned.skipped, note)
            log.warning("schedule.skipped name=%s occurrences=%d", row["name"], len(planned.skipped))
        if planned.run is not None:
            await _fire(conn, row, planned.run, "scheduler")
        problem = None if planned.next_at else "it never fires again"
        last_due = planned.run or (planned.skipped[-1] if planned.skipped else None)
        await conn.execute(SQL.get("plan_schedule"), row["name"], planned.next_at, problem, last_due)
        return planned.run is not None

    async def _settle(self) -> None:
        for row in await self._pool.fetch(SQL.get("settle_occurrences")):
            level = logging.WARNING if row["state"] == "failed" else logging.INFO
            log.log(level, "schedule.%s name=%s due_at=%s note=%s", row["state"], *list(row.values())[:2], row["note"])
        await self._pool.execute(SQL.get("renew_scheduled"), CLASS)
