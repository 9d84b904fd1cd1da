"""Comparisons that somebody keeps, and mails about their changes: a new leader, a rising risk, a score that moved."""

from __future__ import annotations

import html
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from openbell.engine.artifacts import read
from openbell.engine.database import Db
from openbell.engine.keys import Global
from openbell.engine.registry import minutes, task
from openbell.engine.schedules import schedule
from openbell.mail import queue
from openbell.people import find_person
from openbell.products.context import Context
from openbell.products.forecast.database import SQL
from openbell.products.forecast.keys import Pair, split
from openbell.products.forecast.premium import available

log = logging.getLogger(__name__)

ALERTS: Mapping[str, str] = {
    "none": "nothing",
    "leader": "the leader changes",
    "risk": "the risk of a new leader rises",
    "score": "a score moves",
}
WHY = "You asked to be told of this when you saved the comparison."
SAVED_MAX = 200
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Saved:
    """One kept comparison; `threshold` is in points of the score or of the hundred of a risk."""

    pair: Pair
    alert: str
    threshold: int


async def save(db: Db, person_id: int, pair: Pair, *, alert: str, threshold: int) -> None:
    """Keep a comparison, or change what somebody is told of it. Beyond 200 nothing more is kept."""
    await db.execute(SQL.get("save_comparison"), person_id, pair.key, alert, threshold, SAVED_MAX)


async def forget(db: Db, person_id: int, pair: Pair) -> None:
    """Keep it no more."""
    await db.execute(SQL.get("forget_comparison"), person_id, pair.key)


async def list_saved(db: Db, person_id: int) -> list[Saved]:
    """What somebody keeps, newest first."""
    rows = await db.fetch(SQL.get("list_saved"), person_id)
    return [Saved(Pair(*split(row["pair"])), row["alert"], row["threshold"]) for row in rows]


def seen_of(value: Mapping[str, Any]) -> dict[str, Any]:
    """What an alert compares."""
    last = [[v for v in value[f"scores_{side}"] if v is not None] for side in ("a", "b")]
    return {
        "leader": value["leader"]["term"],
        "risk": value["lead_change_risk"],
        "scores": [scores[-1] if scores else None for scores in last],
    }


def news_of(
    alert: str, threshold: int, before: Mapping[str, Any], now: Mapping[str, Any], terms: tuple[str, str]
) -> str:
    """The sentence of an alert; "" when nothing has changed enough. What is absent changes nothing."""
    if alert == "leader" and before["leader"] != now["leader"] and now["leader"]:
        return f"{now['leader']} leads now; before it was {before['leader'] or 'neither'}."
    if alert == "risk":
        was, is_ = before["risk"], now["risk"]
        if was is not None and is_ is not None and 100 * (is_ - was) >= threshold:
            return f"The risk of a new leader rose from {100 * was:.0f} to {100 * is_:.0f} %."
    if alert == "score":
        moved = [
            f"{term} went from {was:.1f} to {is_:.1f} points"
            for term, was, is_ in zip(terms, before["scores"], now["scores"], strict=True)
            if was is not None and is_ is not None and abs(is_ - was) >= threshold
        ]
        return "; ".join(moved) + "." if moved else ""
    return ""


@task("comparison-alerts", version=1, key=Global, timeout=minutes(5), retry=minutes(5))
async def comparison_alerts(_key: Global, ctx: Context) -> None:
    """Look at what is stored of each saved comparison and tell its owner what has changed since the last look."""
    db, told = ctx.attempt.pool, 0
    for row in await db.fetch(SQL.get("list_alerts"), AT_ONCE):
        pair = Pair(*split(row["pair"]))
        reading = await read(db, "comparison", pair.key)
        if not available(reading):
            continue
        now = seen_of(reading.value)
        text = news_of(row["alert"], row["threshold"], row["seen"], now, (pair.a, pair.b)) if row["seen"] else ""
        person = await find_person(db, row["person_id"]) if text else None
        if person is not None:
            await _tell(db, person, pair, reading.version, text)
            told += 1
        if text or not row["seen"]:
            await db.execute(SQL.get("note_seen"), row["person_id"], row["pair"], now)
    log.info("comparison.alerts told=%d", told)


async def _tell(db: Db, person: Any, pair: Pair, version: int, text: str) -> None:
    """One mail for each version of a comparison: a second look at the same one tells nothing new."""
    subject = f"{pair.a} versus {pair.b}"
    await queue(
        db,
        kind="notice",
        recipient=person,
        artifact=("comparison", pair.key, version),
        subject=subject,
        html=f"<p>{html.escape(subject)}: {html.escape(text)}</p><p>{WHY}</p>",
        text=f"{subject}: {text}\n\n{WHY}\n",
    )


alerts_hourly = schedule(
    "comparison-alerts",
    comparison_alerts,
    "GLOBAL",
    cron="20 * * * *",
    zone="UTC",
    missed="skip",
    max_late=timedelta(minutes=50),
)
