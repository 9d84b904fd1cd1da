"""Estimates follow actuals: what a call takes, learnt from those that have ended (PF-22).

The average of the last calls decides, the older ones fade (an exponentially weighted moving average; the plain mean of
the first ten). A call that took more than twice what was expected is an alert: it is logged, and stays on the estimate.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from openbell.engine.costs import SUCCEEDED, SURE_FROM
from openbell.engine.database import SQL, Db
from openbell.engine.duty import Duty
from openbell.engine.ledger import MONEY
from openbell.engine.naming import resource_name, subject_name

log = logging.getLogger(__name__)

EVERY_S = 60.0
LAG = timedelta(seconds=60)
"""What ended within this time may not be committed yet; sessions may take half of it for a statement."""

BATCH = 5_000
STEPS_MOST = 100
CALLS_MOST = 50_000
"""How much one beat does at most."""

LAST_ID = 2**63 - 1

WEIGHT = 10
"""The newest call counts for one part in ten of the average."""

ALERT_FACTOR = 2


@dataclass(slots=True)
class Estimate:
    """What one resource of one operation of one product takes, in units of the resource."""

    product: str
    provider: str
    operation: str
    resource: str
    average: float = 0.0
    samples: int = 0
    alerts: int = 0
    alert_at: datetime | None = None
    alert_spend: int | None = None
    alert_took: int | None = None
    alert_expected: int | None = None

    @property
    def name(self) -> str:
        """For people: what it is the estimate of."""
        return f"{self.product}: {subject_name(self.provider)} {self.operation}, {resource_name(self.resource)}"

    def as_json(self) -> dict[str, Any]:
        """For programs; the average is rounded to whole units."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        return plain | {"average": round(self.average), "alert_at": self.alert_at and self.alert_at.isoformat()}


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that has ended, as far as it teaches something."""

    id: int
    ended_at: datetime
    product: str
    provider: str
    operation: str
    happened: bool
    outcome: str | None
    held: Mapping[str, int]
    took: Mapping[str, int]


def learn(estimate: Estimate, call: Ended) -> bool:
    """Take in one call; whether it is an alert.

    The size of an answer depends on the key, so that what is not paid for must also exceed what was held to be one. A
    call that failed teaches nothing about those that do not, but may be an alert.
    """
    took, held = call.took[estimate.resource], call.held.get(estimate.resource)
    expected = estimate.average if estimate.samples >= SURE_FROM else held
    alert = (
        expected is not None and took > ALERT_FACTOR * expected and (estimate.resource in MONEY or took > (held or 0))
    )
    if alert:
        estimate.alerts += 1
        estimate.alert_at, estimate.alert_spend = call.ended_at, call.id
        estimate.alert_took, estimate.alert_expected = took, round(expected or 0)
    if call.outcome in SUCCEEDED:
        estimate.samples += 1
        estimate.average += (took - estimate.average) / min(estimate.samples, WEIGHT)
    return alert


async def list_estimates(db: Db, *, exceeded_within: timedelta | None = None) -> list[Estimate]:
    """All that has been learnt, by name; or only what a call of that time has exceeded."""
    return [Estimate(**row) for row in await db.fetch(SQL.get("list_estimates"), exceeded_within)]


class Estimator(Duty):
    """Learns from the spends that have ended since it last looked, each once, whoever looks and whoever is killed."""

    name = "estimator"

    def __init__(self, pool: asyncpg.Pool, *, lag: timedelta = LAG, most: int = BATCH) -> None:
        super().__init__()
        self._pool, self._lag, self._most = pool, lag, most

    async def beat(self) -> float:
        """Learn from what is there, up to a bound; what is left then waits for the next beat."""
        learnt = 0
        for _ in range(STEPS_MOST):
            count, more = await self._learn()
            learnt += count
            if not more or learnt >= CALLS_MOST:
                break
        return EVERY_S

    async def _learn(self) -> tuple[int, bool]:
        """One step, in one transaction with the mark of how far it reached: its calls, and whether more follow."""
        async with self._pool.acquire() as connection, connection.transaction():
            mark = await connection.fetchrow(SQL.get("take_estimated"), self._lag)
            if mark is None or mark["until"] <= mark["ended_at"]:  # another process is at it, or has just been
                return 0, False
            arguments = (mark["ended_at"], mark["spend_id"], mark["until"], self._most)
            calls = [Ended(**row) for row in await connection.fetch(SQL.get("list_ended_spends"), *arguments)]
            changed, alerts = _learn_all(await list_estimates(connection) if calls else [], calls)
            if changed:
                columns = zip(*(astuple(one) for one in changed), strict=True)
                await connection.execute(SQL.get("save_estimates"), *(list(column) for column in columns))
            is_full = len(calls) == self._most
            reached = (calls[-1].ended_at, calls[-1].id) if is_full else (mark["until"], LAST_ID)
            await connection.execute(SQL.get("move_estimated"), *reached)
        for estimate, call in alerts:
            log.warning(
                "estimate.exceeded product=%s provider=%s operation=%s resource=%s spend=%d took=%d expected=%d",
                estimate.product,
                estimate.provider,
                estimate.operation,
                estimate.resource,
                call.id,
                call.took[estimate.resource],
                estimate.alert_expected,
            )
        return len(calls), is_full or mark["has_more"]


def _learn_all(
    known: Iterable[Estimate], calls: Iterable[Ended]
) -> tuple[list[Estimate], list[tuple[Estimate, Ended]]]:
    """The estimates that the calls have changed, and the last alert of each that has any."""
    estimates = {(one.product, one.provider, one.operation, one.resource): one for one in known}
    changed: dict[tuple[str, str, str, str], Estimate] = {}
    alerts: dict[tuple[str, str, str, str], tuple[Estimate, Ended]] = {}
    for call in calls:
        if not call.happened:
            continue
        for resource in call.took:
            name = (call.product, call.provider, call.operation, resource)
            estimate = changed[name] = estimates.setdefault(name, Estimate(*name))
            if learn(estimate, call):
                alerts[name] = (estimate, call)
    return list(changed.values()), list(alerts.values())
