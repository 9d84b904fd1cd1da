"""Alerts: what the rules have found as rows that fire, are told of, and are cleared. Telling is done a floor above."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from openbell.engine.alarms import look
from openbell.engine.alert_rules import PACE_SPAN, RATE_SPAN, STUCK_AFTER, AlertError, AlertLimits, judge
from openbell.engine.database import SQL, Db
from openbell.engine.revisions import Overtaken, list_changes, tell
from openbell.engine.schedules import list_schedules
from openbell.engine.sweep import DEEPEST

log = logging.getLogger(__name__)

Channel = Literal["mail", "webhook"]

QUIET = timedelta(minutes=2)
"""How long something must be away before it counts as over."""
KEEP = timedelta(days=90)
MOST = 500
LONGEST_SILENCE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Changed:
    """An alert that has just fired or was just cleared."""

    id: int
    code: str
    about: str
    event: Literal["fired", "cleared"]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as it stands. ``silenced_until`` is set while nobody is told of it."""

    id: int
    code: str
    about: str
    level: str
    message: str
    mend: str
    figure: float
    state: Literal["pending", "firing", "cleared"]
    first_at: datetime
    seen_at: datetime
    fired_at: datetime | None
    cleared_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    silenced_until: datetime | None
    notices: Sequence[Mapping[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """For programs; times in ISO 8601 with zone."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in plain.items()}


async def evaluate(db: Db, channels: Sequence[Channel]) -> list[Changed]:
    """Look at everything once, and write down what fires and what is over, with the notices for these channels."""
    facts = await db.fetchrow(SQL.get("inspect_alerts"), RATE_SPAN, PACE_SPAN, STUCK_AFTER, DEEPEST)
    assert facts is not None
    found = judge(dict(facts), (await look(db)).alarms, await list_schedules(db), AlertLimits.read(facts["limits"]))
    rows = await db.fetch(SQL.get("note_alerts"), [one.as_json() for one in found], QUIET, list(channels))
    changed = [Changed(**row) for row in rows]
    for one in changed:
        log.warning("alert.%s id=%d code=%s about=%s", one.event, one.id, one.code, one.about)
    return changed


async def list_alerts(db: Db, *, state: str | None = None, limit: int = 100) -> list[Alert]:
    """Those that fire first, then those that were cleared, the latest on top; or those in one state."""
    return [Alert(**row) for row in await db.fetch(SQL.get("list_alerts"), state, min(limit, MOST))]


async def acknowledge(db: Db, alert_id: int, *, actor: str) -> None:
    """Say that somebody is at it; audited. Raises :class:`AlertError` where there is nothing to acknowledge."""
    if await db.fetchval(SQL.get("acknowledge_alert"), alert_id, actor) is None:
        raise AlertError(f"Alert {alert_id} does not fire, or was acknowledged before: `openbell alerts list`.")


async def silence(db: Db, code: str, about: str, span: timedelta, *, actor: str, reason: str) -> datetime:
    """Tell nobody of a kind ('*': of any) for a time, about one thing or (''), all. Until when; audited."""
    if not timedelta(0) < span <= LONGEST_SILENCE:
        raise AlertError(f"A silence lasts up to {LONGEST_SILENCE.days} days.")
    if not reason.strip():
        raise AlertError("A silence needs a reason, for whoever wonders why nobody was told.")
    until: datetime = await db.fetchval(SQL.get("silence_alerts"), code, about, span, actor, reason.strip()[:300])
    return until


async def read_limits(db: Db) -> AlertLimits:
    """From when on something is worth an alert, as it is in force."""
    return AlertLimits.read(await db.fetchval(SQL.get("read_alert_limits")))


async def set_limits(db: Db, limits: Mapping[str, float], *, actor: str, keep: bool = False) -> AlertLimits:
    """Change limits; what is not named is as usual, or with ``keep`` as it is. Audited.

    Raises :class:`AlertError`, and :class:`Overtaken` when somebody else changes them at the same time.
    """
    stored = await db.fetchval(SQL.get("read_alert_limits"))
    wanted = dict(AlertLimits.read(stored).as_json() if keep else {}) | dict(limits)
    made = AlertLimits.check(wanted)
    if await db.fetchval(SQL.get("set_alert_limits"), wanted, actor, stored) is None:
        raise Overtaken("The limits of alerts", [tell(row) for row in await list_changes(db, "alert", "alerts", 1)])
    return made


async def prune(db: Db) -> None:
    """Forget what was cleared, and silences that ended, long ago; some of it at a time."""
    await db.execute(SQL.get("prune_alerts"), KEEP, MOST)
    await db.execute(SQL.get("prune_silences"), KEEP, MOST)


__all__ = [
    "Alert", "AlertError", "AlertLimits", "Changed", "Channel", "acknowledge", "evaluate", "list_alerts", "prune",
    "read_limits", "set_limits", "silence",
]  # fmt: skip
