"""Jobs in large numbers, by a filter: counted and sampled first, then queued again or cancelled with the plan.

    filter ──▶ propose: how many, which, and a token        (openbell.engine.confirm)
    token  ──▶ carry_out: in batches, each its own transaction, each job audited

A plan is bound to a moment: jobs that come later are none of its. What has changed since is told, not done: a key
that was made meanwhile is not paid for again, and what another operator has queued or cancelled is counted as such.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from openbell.engine.confirm import Plan, Proposed, propose, take
from openbell.engine.database import SQL, Db, turn
from openbell.engine.errors import EngineError
from openbell.engine.hints import CHANNEL
from openbell.engine.history import AFTER_ALL, EVER, Sought, list_ended

Act = Literal["retry", "cancel"]
ACTS: tuple[Act, ...] = ("retry", "cancel")
MOST = 10_000
"""Jobs that one plan names at most; it says when there are more."""
LOOK = 1_000_000
"""Ended jobs that are looked at for a plan, at most."""
BATCH = 200
SAMPLE = 10
DOLLAR = 1_000_000
LIVE = ("waiting", "parked", "running")

WORDS: Mapping[str, str] = {
    "again": "queued again",
    "live": "left, for they are being made already",
    "since": "left, for their key has ended another way since",
    "gone": "left, for their product is no more",
    "doubt": "left, for they may have been paid for: look at each of them alone",
    "cancelled": "cancelled",
    "cancelling": "told to stop at their next step",
    "moved on": "left, for they have moved on",
    "ended": "left, for they have ended meanwhile",
}
"""What becomes of the jobs of a plan."""
DONE = ("again", "cancelled", "cancelling")


class NothingMeant(EngineError):
    """No job is what the filter asks for, or it asks for what cannot be."""

    code = "invalid_request"


@dataclass(frozen=True, slots=True)
class Meant:
    """Which jobs; None asks for any. Of those to be retried ``state`` is failed unless it is said."""

    state: str | None = None
    product: str | None = None
    key: str | None = None
    code: str | None = None
    job_class: int | None = None
    since: datetime = EVER
    until: datetime | None = None
    """Ended before; by default, before the plan."""
    last: int | None = None
    """The live job that was queued last when the plan was made."""

    def as_json(self) -> dict[str, Any]:
        """For the token, and for the audit log."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return {name: one.isoformat() if isinstance(one, datetime) else one for name, one in found.items()}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Meant:
        """The other way round. Raises ``ValueError``, ``TypeError`` or ``KeyError`` for anything else."""
        texts = {name: None if told[name] is None else str(told[name]) for name in ("state", "product", "key", "code")}
        numbers = {name: None if told[name] is None else int(told[name]) for name in ("job_class", "last")}
        until = None if told["until"] is None else datetime.fromisoformat(told["until"])
        return cls(
            **texts,
            job_class=numbers["job_class"],
            since=datetime.fromisoformat(told["since"]),
            until=until,
            last=numbers["last"],
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan that was proposed, with the jobs that it is bound to."""

    proposed: Proposed
    meant: Meant


@dataclass(frozen=True, slots=True)
class Done:
    """What has become of how many, and how that differs from the plan."""

    counts: Mapping[str, int]
    planned: int

    @property
    def done(self) -> int:
        """How many were queued again or cancelled."""
        return sum(self.counts.get(name, 0) for name in DONE)

    @property
    def sentences(self) -> list[str]:
        """For people."""
        told = [f"{_jobs(n)} {WORDS[name]}." for name, n in self.counts.items() if n]
        if self.done != self.planned:
            told.append(f"{_jobs(self.planned)} were planned: the rest has changed since.")
        return told or ["Nothing was left to do: all has changed since the plan."]


async def prepare(db: Db, act: Act, meant: Meant, *, actor: str) -> Prepared:
    """Count and sample what is meant now, and give out a token for it. Raises :class:`NothingMeant`."""
    now = await db.fetchval(SQL.get("read_clock"))
    last = await db.fetchval(SQL.get("read_last_job"))
    until = min(meant.until, now) if meant.until else now
    bound = Meant(**{**_fields(meant), "until": until, "last": last})
    if act == "retry" and meant.state is None:
        bound = Meant(**{**_fields(bound), "state": "failed"})
    plan = await (_plan_retry if act == "retry" else _plan_cancel)(db, bound)
    return Prepared(await propose(db, actor, f"jobs.{act}", bound.as_json(), plan), bound)


async def carry_out(db: Db, act: Act, meant: Meant, plan: Plan, token: str, *, actor: str) -> Done:
    """Do what was planned, as far as it is still so. Raises NotConfirmed when the token is not for just this."""
    async with turn(db) as conn:
        await take(conn, token, actor, f"jobs.{act}", meant.as_json(), plan)
        await conn.execute(SQL.get("add_audit"), actor, f"jobs.{act}", "begun", {"meant": meant.as_json()})
    counts: dict[str, int] = {}
    chosen = await _ended(db, meant) if act == "retry" else await _live(db, meant)
    for start in range(0, len(chosen), BATCH):
        ids = [row["id"] for row in chosen[start : start + BATCH]]
        async with turn(db) as conn:
            if act == "retry":
                ends = [row["finished_at"] for row in chosen[start : start + BATCH]]
                rows = await conn.fetch(SQL.get("retry_jobs"), ids, ends, actor)
            else:
                rows = await conn.fetch(SQL.get("cancel_jobs"), ids, actor, meant.state)
            await conn.execute(SQL.get("send_hint"), CHANNEL, '["work",null]')
        for row in rows:
            counts[row["verdict"]] = counts.get(row["verdict"], 0) + row["jobs"]
    done = Done(counts, sum(plan.rows.get(WORDS[name], 0) for name in ("again",)) if act == "retry" else _cancels(plan))
    await db.execute(SQL.get("add_audit"), actor, f"jobs.{act}", "done", {"meant": meant.as_json(), "jobs": counts})
    return done


def _cancels(plan: Plan) -> int:
    return sum(plan.rows.get(state, 0) for state in LIVE)


async def _plan_retry(db: Db, meant: Meant) -> Plan:
    if meant.state in LIVE:
        raise NothingMeant("Jobs that wait or run cannot be queued again: name a state in which jobs end.")
    rows = await _ended(db, meant)
    if not rows:
        raise NothingMeant("No job has ended so, with these filters: there is nothing to queue again.")
    judged: Counter[str] = Counter()
    paid = 0
    for start in range(0, len(rows), BATCH):  # of many at once the planner would read all of history
        part = rows[start : start + BATCH]
        ids, ends = [row["id"] for row in part], [row["finished_at"] for row in part]
        for one in await db.fetch(SQL.get("judge_retries"), ids, ends):
            judged[one["verdict"]] += one["jobs"]
            paid += one["cost_micro"] if one["verdict"] == "again" else 0
    counts = {WORDS[verdict]: judged[verdict] for verdict in sorted(judged)}
    more = f" Only the latest {MOST:,} are meant; there may be more." if len(rows) == MOST else ""
    return Plan(
        f"Jobs that ended as {meant.state} are queued again, unless their key has ended another way since. They have "
        f"cost ${paid / DOLLAR:.4f} before; what is paid for again stays within the budgets.{more}",
        counts,
        [f"{row['product']} {row['key']}{': ' + row['code'] if row['code'] else ''}" for row in rows[:SAMPLE]],
    )


async def _plan_cancel(db: Db, meant: Meant) -> Plan:
    if meant.state is not None and meant.state not in LIVE:
        raise NothingMeant("Jobs that have ended cannot be cancelled: name waiting, parked or running, or no state.")
    if meant.code is not None:
        raise NothingMeant("A job that has not ended has no error: leave the error out to cancel jobs.")
    rows = await _live(db, meant)
    if not rows:
        raise NothingMeant("No job waits or runs, with these filters: there is nothing to cancel.")
    counts = {state: n for state in LIVE if (n := sum(row["state"] == state for row in rows))}
    more = f" Only the first {MOST:,} are meant; there are more." if len(rows) == MOST else ""
    return Plan(
        "Jobs that wait are cancelled at once, those that run at their next step. Calls that were made stay paid for; "
        f"what is still wanted is queued again by itself.{more}",
        counts,
        [f"{row['product']} {row['key']} ({row['state']})" for row in rows[:SAMPLE]],
    )


async def _ended(db: Db, meant: Meant) -> Sequence[Any]:
    sought = Sought(
        state=meant.state,
        product=meant.product,
        key=meant.key,
        code=meant.code,
        job_class=meant.job_class,
        since=meant.since,
        before=(cast("datetime", meant.until), AFTER_ALL),
    )
    return (await list_ended(db, sought, limit=MOST, look=LOOK)).rows


async def _live(db: Db, meant: Meant) -> Sequence[Any]:
    return await db.fetch(
        SQL.get("choose_live"), meant.last, meant.state, meant.product, meant.key, meant.job_class, MOST
    )


def _fields(meant: Meant) -> dict[str, Any]:
    return {name: getattr(meant, name) for name in meant.__slots__}


def _jobs(n: int) -> str:
    return "1 job" if n == 1 else f"{n:,} jobs"
