"""Where every cent went: single spends, what became of doubtful ones, and sums by product, provider, user and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal

from openbell.engine.database import SQL, Db
from openbell.engine.errors import EngineError
from openbell.engine.hints import CHANNEL
from openbell.engine.ledger import MOST

if TYPE_CHECKING:
    from openbell.engine.estimates import Estimate

By = Literal["product", "provider", "operation", "user", "week", "day"]
PARTS: tuple[By, ...] = ("product", "provider", "operation", "user", "week", "day")

LOOK_BACK: Mapping[str, timedelta] = {"week": timedelta(weeks=8)}
LOOK_BACK_ELSE = timedelta(days=30)
"""How far back costs are told of, where nobody says."""

SUCCEEDED = ("ok", "completed", "price unknown")
"""Outcomes of calls that did what they were made for; every other word is a failure."""


SURE_FROM = 10
"""From so many calls on the average is what is expected of the next one; before, what was held for it."""


class UnknownSpend(EngineError):
    """There is no spend with that id."""

    code = "unknown_spend"

    def __init__(self, spend_id: int) -> None:
        super().__init__(f"There is no spend {spend_id}: `openbell spends list` shows the latest.")


class NotDoubtful(EngineError):
    """The spend is not unknown, or no longer; there is nothing to resolve."""

    code = "not_doubtful"


class CostRefused(EngineError):
    """The cost or the reason cannot be booked."""

    code = "cost_refused"


@dataclass(frozen=True, slots=True)
class Receipt:
    """One outside call: what was held for it, what it took, and what became of it."""

    id: int
    job_id: int | None
    product: str
    key: str
    provider: str
    operation: str
    on_behalf: str | None
    effect: str
    idempotency_key: str | None
    state: str
    outcome: str | None
    intended_at: datetime
    sent_at: datetime | None
    ended_at: datetime | None
    resend_until: datetime | None
    held: Mapping[str, int]
    took: Mapping[str, int] | None
    cost_micro: int
    provider_ref: str | None
    credential: str | None
    """The name of the key, where the provider has several: ``k2``; never the key."""

    def as_json(self) -> dict[str, Any]:
        """For programs; amounts by resource, ``cost_micro`` in millionths of a dollar, times in ISO 8601 with zone."""
        return {
            one.name: value.isoformat() if isinstance(value := getattr(self, one.name), datetime) else value
            for one in fields(self)
        }


async def list_spends(
    db: Db, *, unknown: bool = False, provider: str | None = None, job_id: int | None = None, limit: int = 50
) -> list[Receipt]:
    """The latest spends, the newest first; with ``unknown`` those whose outcome nobody knows."""
    statement = SQL.get("list_doubtful" if unknown else "find_spends")
    return [Receipt(**row) for row in await db.fetch(statement, provider, job_id, limit)]


async def get_spend(db: Db, spend_id: int) -> tuple[Receipt, Sequence[dict[str, Any]]]:
    """One spend, and what operators have said about it. Raises :class:`UnknownSpend`."""
    row = await db.fetchrow(SQL.get("get_spend"), spend_id)
    if row is None:
        raise UnknownSpend(spend_id)
    said = [
        {"at": one["at"].isoformat(), "actor": one["actor"], "before": one["before"], "after": one["after"]}
        for one in await db.fetch(SQL.get("list_resolutions"), str(spend_id))
    ]
    return Receipt(**row), said


async def resolve(
    db: Db, spend_id: int, *, happened: bool, cost_micro: int | None = None, reason: str, actor: str
) -> Receipt:
    """Say what became of a doubtful call: what is held for it is charged, or given back. Audited.

    ``cost_micro`` is what it has cost, in millionths of a dollar, by default what was held. A call that never happened
    leaves its key free to be queued again. Raises :class:`UnknownSpend`, :class:`NotDoubtful` (also for the second of
    two operators) and :class:`CostRefused`.
    """
    if cost_micro is not None and (not happened or type(cost_micro) is not int or not 0 <= cost_micro < MOST):
        raise CostRefused(
            "A call that never happened has cost nothing."
            if not happened
            else f"{cost_micro!r} is no cost: it takes whole millionths of a dollar, from 0."
        )
    if not reason.strip() or "\x00" in reason:
        raise CostRefused("Resolving a spend needs a reason, for whoever reads the books.")
    word = await db.fetchval(SQL.get("resolve_spend"), spend_id, happened, cost_micro, reason, actor)
    if word == "missing":
        raise UnknownSpend(spend_id)
    spend, said = await get_spend(db, spend_id)
    if word == "unpaid":
        raise CostRefused(f"No dollars were held for spend {spend_id}, so it can be charged none; leave the cost out.")
    if word == "charged":
        raise CostRefused(
            f"Spend {spend_id} was answered and charged before, {spend.cost_micro:,} micro-dollars: it did happen, at "
            "that cost. Say that it happened, and leave the cost out."
        )
    if word != "resolved":
        by = f" by {said[-1]['actor']} at {said[-1]['at']}" if said else ""
        raise NotDoubtful(
            f"Spend {spend_id} is {word}{by} ({spend.outcome or 'its call is under way'}): it is not in doubt."
        )
    if not happened:
        await db.execute(SQL.get("send_hint"), CHANNEL, '["work",null]')
    return spend


@dataclass(frozen=True, slots=True)
class Doubt:
    """Calls whose outcome is unknown: how many, since when, and what is held for them by resource.

    ``asked`` of them have a live job that will ask the provider; ``repeats`` more are free reads that were cut off,
    which need nobody.
    """

    calls: int
    asked: int
    repeats: int
    oldest: datetime | None
    held: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "calls": self.calls,
            "asked": self.asked,
            "repeats": self.repeats,
            "oldest": self.oldest and self.oldest.isoformat(),
            "held": dict(self.held),
        }


async def count_doubtful(db: Db) -> Doubt:
    """All calls in doubt together."""
    row = await db.fetchrow(SQL.get("count_doubtful"))
    assert row is not None
    return Doubt(**row)


@dataclass(frozen=True, slots=True)
class Costs:
    """The calls of one part, and what they cost. Money is in millionths of a dollar.

    ``calls`` have happened or may have; ``failed`` of them brought nothing, at ``failed_micro`` of ``cost_micro``. Of
    those that ``cost_micro`` was charged for, ``held_micro`` is what was held, the most that they could take, and
    ``estimate_micro`` what such calls are expected to take: the average learnt so far, until it is sure what was held.
    What is held for calls whose outcome is
    unknown, and for those under way (``open``, not among ``calls``), stands apart and is in neither.
    """

    product: str | None
    provider: str | None
    operation: str | None
    on_behalf: str | None
    period: str | None
    calls: int
    failed: int
    unknown: int
    open: int
    cost_micro: int
    failed_micro: int
    held_micro: int
    estimate_micro: int
    unknown_micro: int
    open_micro: int
    credits: int
    held_credits: int
    estimate_credits: int
    unknown_credits: int

    @property
    def name(self) -> str:
        """For people: what the part is called."""
        if self.operation is not None:
            return f"{self.product}: {self.provider} {self.operation}"
        parts = (
            self.product,
            self.provider,
            self.period,
            self.on_behalf or (self.on_behalf is not None and "the house"),
        )
        return next((part for part in parts if part), "")

    def as_json(self) -> dict[str, Any]:
        """For programs: only the parts that it was asked by, then the sums."""
        named = {name: value for name in _PARTS if (value := getattr(self, name)) is not None}
        return {**named, **{name: getattr(self, name) for name in _SUMS}}


_PARTS = ("product", "provider", "operation", "on_behalf", "period")
_SUMS = tuple(one.name for one in fields(Costs) if one.name not in _PARTS)


@dataclass(frozen=True, slots=True)
class Report:
    """Costs by one part since a day; ``estimates`` are those of the operations that the rows name."""

    by: By
    since: date
    until: datetime
    rows: Sequence[Costs]
    estimates: Sequence[Estimate] = ()

    @property
    def total(self) -> Costs:
        """All parts together."""
        sums = {name: sum(getattr(row, name) for row in self.rows) for name in _SUMS}
        return Costs(None, None, None, None, None, **sums)

    def estimates_of(self, row: Costs) -> list[Estimate]:
        """What a call of this operation takes, by resource."""
        name = (row.product, row.provider, row.operation)
        return [one for one in self.estimates if (one.product, one.provider, one.operation) == name]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        rows = [
            row.as_json() | ({"estimates": [one.as_json() for one in self.estimates_of(row)]} if row.operation else {})
            for row in self.rows
        ]
        return {
            "by": self.by,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "rows": rows,
            "total": self.total.as_json(),
        }


async def costs(
    db: Db, by: By, since: date | None = None, *, paid: bool = False, estimates: Sequence[Estimate] = ()
) -> Report:
    """What the calls since that day have cost; times in their order, other parts the dearest first. The zone is UTC.

    By default the last 30 days; by week the last eight and what there is of this one. With ``paid`` only of the calls
    that are paid for, which is quick however many others there are.
    """
    now: datetime = await db.fetchval(SQL.get("read_clock"))
    if since is None:
        since = (now - LOOK_BACK.get(by, LOOK_BACK_ELSE)).date()
        since -= timedelta(days=since.weekday() if by == "week" else 0)
    begin = datetime.combine(since, time(), UTC)
    rows = await db.fetch(SQL.get("sum_costs"), by, begin, list(SUCCEEDED), paid, SURE_FROM)
    return Report(by, since, now, [Costs(**row) for row in rows], estimates)
