"""What is new, told to admins every hour of the day, and the looks at feeds that find it. Nothing of it is paid for.

digest-look   ─▶ looks at the feeds of each ticker that is followed, shortly before the hour
digest-hourly ─▶ one mail of all that was seen for the first time since the last such mail

The mail is its own mark: its name ends with the time until which it tells, and the next one begins there. Whoever is
killed has queued it or not, so no article is told of twice and none is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from openbell.engine.keys import Global
from openbell.engine.registry import Calls, hours, minutes, task
from openbell.mail import Letter, queue_all, render
from openbell.people import admins
from openbell.people.follows import followed
from openbell.products.context import Context
from openbell.products.digest.database import SQL
from openbell.products.digest.ingest import look_at_all
from openbell.products.digest.policy import read_policy
from openbell.products.digest.render import PACKAGE, moment, safe_url
from openbell.products.digest.truth_text import line
from openbell.products.keys import Symbol

SETTLED = timedelta(minutes=2)
"""What was seen later than this before a mail waits for the next one: whoever stores it may not have committed yet."""
LOOKED_BACK = timedelta(hours=24)
"""How far back a mail reaches when there was none for longer."""
MOST_OF_TICKER = 12


@task(
    "digest-look",
    key=Symbol,
    version=1,
    timeout=minutes(15),
    retry=minutes(5),
    job_class="research",
    max_attempts=2,
    patience=minutes(50),
    spends={"news": Calls(0)},
)
async def look_again(key: Symbol, ctx: Context) -> None:
    """Look once at the feeds of a ticker; those that somebody has just looked at, or that rest, are left alone."""
    await look_at_all(ctx, key)


@task(
    "digest-hourly", key=Global, version=1, timeout=minutes(5), retry=minutes(2), job_class="scheduled",
    max_attempts=5, patience=hours(1),
)  # fmt: skip
async def news(key: Global, ctx: Context) -> None:  # noqa: ARG001 (there is one)
    """Tell admins what is new of the tickers that are followed."""
    await tell_fresh(ctx)


async def tell_fresh(ctx: Context) -> int:
    """Queue the mail of what is new, if anything is; how many articles that are."""
    pool = ctx.attempt.pool
    zone = (await read_policy(pool)).zone
    async with pool.acquire() as conn, conn.transaction():
        ends = await conn.fetchval(SQL.get("read_now")) - SETTLED
        told = await conn.fetchval(SQL.get("read_told_until"))
        begins = max(told, ends - LOOKED_BACK) if told else ends - LOOKED_BACK
        rows = await conn.fetch(SQL.get("list_fresh"), await followed(conn), begins, ends, MOST_OF_TICKER)
        if not rows:
            return 0
        letter = hourly_letter(rows, begins, ends, zone)
        ref = f"digest hourly {ends.isoformat()}"
        await queue_all(conn, kind="digest-hourly", recipients=await admins(conn), letter=letter, ref=ref)
        return int(rows[0]["articles"])


def hourly_letter(rows: Sequence[Any], begins: datetime, ends: datetime, zone: str) -> Letter:
    """The mail of rows of `list_fresh`, which come ticker by ticker; times are shown in ``zone``. Pure."""
    tickers = []
    for ticker, group in groupby(rows, key=lambda row: row["ticker"]):
        of_ticker = list(group)
        shown = [_view(row, zone) for row in of_ticker]
        total = of_ticker[0]["total"]
        tickers.append({"ticker": ticker, "articles": shown, "total": total, "more": total - len(shown)})
    count = rows[0]["articles"]
    what = "1 new article" if count == 1 else f"{count:,} new articles"
    return render(
        "hourly",
        package=PACKAGE,
        subject=f"[News] {what}: {_names([one['ticker'] for one in tickers])}",
        why="You get this as an administrator.",
        what=what,
        window=f"{moment(begins, zone)} to {moment(ends, zone)}",
        tickers=tickers,
    )


def _view(row: Any, zone: str) -> dict[str, Any]:
    about = "" if row["category"] == "company" else f"{row['category'].replace('_', ' ')}: {line(row['subject'], 60)}"
    return {
        "title": line(row["title"], 200),
        "url": safe_url(row["address"]),
        "publisher": line(row["publisher"], 80),
        "when": moment(row["published_at"], zone) if row["published_at"] else "undated",
        "about": about,
    }


def _names(tickers: Sequence[str], most: int = 5) -> str:
    rest = len(tickers) - most
    return ", ".join(tickers[:most]) + (f" and {rest} more" if rest > 0 else "")
