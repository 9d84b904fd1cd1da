"""When digests are made and sent: a schedule for each weekday, so that each may have times of its own (DG-29).

Times are those of an operator in New York; `openbell schedules set` changes time, zone and days while the system runs.
The date of an edition is that of its due time in the schedule's zone, and is never computed again (DC-7).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from openbell.engine.registry import hours, minutes
from openbell.engine.schedules import Schedule, schedule
from openbell.products.digest.database import SQL
from openbell.products.digest.editions import digest_key, edition_of
from openbell.products.digest.hourly import look_again, news
from openbell.products.digest.morning import (
    DAYS,
    cleanup,
    edition,
    filings,
    send,
    send_time,
    tickers_due,
    topup,
    watch,
)  # fmt: skip
from openbell.products.digest.policy import read_policy

ZONE = "America/New_York"


async def editions_due(due: datetime, db: Any) -> list[tuple[str, Any]]:
    """The digests of a day, one for each ticker that somebody follows; they are noted with the time to send them."""
    tickers, kind = await tickers_due(db), edition_of(due.date())
    at = await send_time(db, due)
    await db.execute(SQL.get("plan_editions"), tickers, kind, due.date(), due, at)
    return [(digest_key(ticker, kind, due.date()), None) for ticker in tickers]


async def topups_due(due: datetime, db: Any) -> list[tuple[str, Any]]:
    """The digests of the day that are made and not sent, where the operator wants them topped up."""
    if not (await read_policy(db)).topup:
        return []
    rows = await db.fetch(SQL.get("list_editions"), due.date())
    return [
        (digest_key(row["ticker"], row["edition"], row["day"]), None)
        for row in rows
        if row["mailed_version"] is not None and row["send_at"] > due
    ]


async def each_ticker(due: datetime, db: Any) -> list[tuple[str, Any]]:  # noqa: ARG001 (as every schedule's keys)
    """Every ticker that somebody follows."""
    return [(ticker, None) for ticker in await tickers_due(db)]


def _process(day: str) -> Schedule:
    return schedule(
        f"digest-process-{day}", edition, keys=editions_due, cron=f"0 2 * * {day}", zone=ZONE,
        missed="late", max_late=hours(6),
    )  # fmt: skip


def _send(day: str) -> Schedule:
    return schedule(
        f"digest-send-{day}", send, "GLOBAL", cron=f"30 8 * * {day}", zone=ZONE, missed="late", max_late=hours(3)
    )


process_monday, process_tuesday, process_wednesday, process_thursday, process_friday = map(_process, DAYS)
send_monday, send_tuesday, send_wednesday, send_thursday, send_friday = map(_send, DAYS)

topups = schedule(
    "digest-topup", topup, keys=topups_due, cron="0 7 * * mon-fri", zone=ZONE, missed="late", max_late=hours(1)
)
check = schedule(
    "digest-filings", filings, keys=each_ticker, cron="0 6-22 * * *", zone=ZONE, missed="late", max_late=hours(6)
)
looks = schedule(
    "digest-look", look_again, keys=each_ticker, cron="50 8-21 * * *", zone=ZONE, missed="skip", max_late=minutes(50)
)
tells = schedule("digest-hourly", news, "GLOBAL", cron="0 9-22 * * *", zone=ZONE, missed="late", max_late=minutes(50))
watches = schedule("digest-watch", watch, "GLOBAL", cron="0,30 * * * *", zone=ZONE, missed="skip", max_late=minutes(20))
cleans = schedule("digest-cleanup", cleanup, "GLOBAL", cron="0 1 * * *", zone=ZONE, missed="late", max_late=hours(20))
