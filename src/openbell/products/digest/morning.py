"""The work of a morning, beside the digests themselves: their mails, top-ups, filings, alerts, cleaning up.

digest-process ─▶ digest-edition (one a ticker) ─▶ wants the digest, waits ─▶ queues mails 1, 2 and 3
digest-send    ─▶ queues mail 3 for those who have come since; alerts about what is not ready
digest-watch   ─▶ alerts before it is too late
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

from openbell.engine.artifacts import Reading, read, read_many
from openbell.engine.cron import next_times
from openbell.engine.keys import Global
from openbell.engine.registry import Calls, hours, minutes, task
from openbell.mail import Letter, queue_all, render
from openbell.people import admins, followers
from openbell.people.follows import followed
from openbell.products.context import Context
from openbell.products.digest.database import SQL
from openbell.products.digest.digest import Digest
from openbell.products.digest.editions import DigestKey, Parts
from openbell.products.digest.filings import check_filings
from openbell.products.digest.pins import add_revision
from openbell.products.digest.policy import read_policy
from openbell.products.digest.reference import read_reference
from openbell.products.digest.render import content_letter, digest_letter, selection_letter
from openbell.products.digest.render_costs import costs_of
from openbell.products.digest.review import ask_review, is_held
from openbell.products.keys import Symbol

log = logging.getLogger(__name__)

WARNED_BEFORE = timedelta(minutes=60)
"""How long before its send time a digest that is not ready is told of."""
GRACE = timedelta(minutes=10)
"""How long after its time processing may begin before it is told of."""
LOOKED_BACK = timedelta(hours=24)
FEED_FAILURES = 5
"""A feed that has failed so often in a row is told of, once until it works again."""
MOST_TOLD = 50
DAYS = ("mon", "tue", "wed", "thu", "fri")
USUAL_SEND = timedelta(hours=6, minutes=30)
"""After processing, where the schedule that sends is switched off or cannot be read."""
KEPT = timedelta(days=60)
BATCH = 5_000


@task(
    "digest-edition",
    key=DigestKey,
    version=1,
    timeout=minutes(5),
    retry=minutes(5),
    job_class="scheduled",
    max_attempts=30,
    patience=hours(8),
)
async def edition(key: DigestKey, ctx: Context) -> None:
    """Have a digest made, wait for it, and queue its mails."""
    await ctx.attempt.artifact("digest", key)
    await queue_mails(ctx, key.parts)


@task(
    "digest-topup",
    key=DigestKey,
    version=1,
    timeout=minutes(5),
    retry=minutes(2),
    job_class="scheduled",
    max_attempts=30,
    patience=hours(2),
)
async def topup(key: DigestKey, ctx: Context) -> None:
    """Add what has been published since to a digest, before it is sent; what was paid for serves again (DG-30)."""
    pool = ctx.attempt.pool

    async def ask() -> int:
        reading = await read(pool, "digest", key)
        if reading.version:
            await add_revision(pool, key.parts, "topup")
        return reading.version

    before = await ctx.attempt.step("revision", ask)
    await pool.fetchval(SQL.get("expire_digest"), key, before)
    await ctx.attempt.artifact("digest", key)
    await queue_mails(ctx, key.parts)


async def queue_mails(ctx: Context, parts: Parts) -> None:
    """Mails 1 and 2 to admins now, and mail 3 to followers at its time; each once for a version of the digest.

    An edition that nobody has planned, such as a request of one person, has no mails.
    """
    pool = ctx.attempt.pool
    planned = await pool.fetchrow(SQL.get("read_edition"), parts.ticker, parts.edition, parts.day)
    reading = await read(pool, "digest", parts.key)
    if planned is None:
        return
    if reading.state == "empty" or reading.value is None:
        await _note(pool, parts, version=None)
        return
    found = Digest.model_validate(reading.value)
    policy = await read_policy(pool)
    costs = await costs_of(pool, str(parts.key), reading.version)
    inner = [
        ("digest-selection", selection_letter(found.inputs)),
        ("digest-content", content_letter(found.inputs, found.content, costs=costs)),
    ]
    artifact = ("digest", str(parts.key), reading.version)
    async with pool.acquire() as conn, conn.transaction():
        to = await admins(conn)
        for kind, letter in inner:
            await queue_all(conn, kind=kind, recipients=to, letter=letter, artifact=artifact)
        await _queue_third(
            conn, parts, reading, digest_letter(found.content), planned["send_at"], held=policy.approval == "manual"
        )
        await ask_review(conn, str(parts.key))
        await _note(conn, parts, version=reading.version)


async def _note(db: Any, parts: Parts, *, version: int | None) -> None:
    """Which version is mailed; None where there is nothing to mail."""
    quiet = version is None
    await db.execute(SQL.get("note_mailed"), parts.ticker, parts.edition, parts.day, version, quiet)


async def _queue_third(
    conn: Any, parts: Parts, reading: Reading, letter: Letter, send_at: datetime, *, held: bool
) -> None:
    await queue_all(
        conn, kind="digest", recipients=await followers(conn, parts.ticker), letter=letter,
        artifact=("digest", str(parts.key), reading.version), send_at=send_at, ticker=parts.ticker, held=held,
    )  # fmt: skip


@task(
    "digest-send", key=Global, version=1, timeout=minutes(10), retry=minutes(2), job_class="scheduled", max_attempts=5
)
async def send(key: Global, ctx: Context) -> None:  # noqa: ARG001 (there is one)
    """At the time of sending: who follows a ticker since its mails were queued gets it too; what is late is told."""
    pool = ctx.attempt.pool
    day = due_day(ctx)
    held = (await read_policy(pool)).approval == "manual"
    for row in await pool.fetch(SQL.get("list_editions"), day):
        parts = Parts(row["ticker"], row["edition"], row["day"])
        if row["mailed_version"] is None:
            continue
        reading = await read(pool, "digest", parts.key)
        if reading.version == row["mailed_version"] and reading.value is not None:
            letter = digest_letter(Digest.model_validate(reading.value).content)
            async with pool.acquire() as conn, conn.transaction():
                waits = held or await is_held(conn, str(parts.key), reading.version)
                await _queue_third(conn, parts, reading, letter, row["send_at"], held=waits)
    await tell_late(ctx)


@task(
    "digest-watch", key=Global, version=1, timeout=minutes(5), retry=minutes(2), job_class="scheduled", max_attempts=5
)
async def watch(key: Global, ctx: Context) -> None:  # noqa: ARG001 (there is one)
    """Tell admins what will be late, before it is, and which feeds have stopped working (DG-29)."""
    await tell_unplanned(ctx)
    await tell_late(ctx)
    broken = await ctx.attempt.pool.fetch(SQL.get("list_broken_feeds"), FEED_FAILURES)
    if broken:
        ids = [one["id"] for one in broken]
        await alert(
            ctx, "Feeds that have stopped working", [_broken(one) for one in broken[:MOST_TOLD]],
            ref=f"digest feeds {due_at(ctx):%Y-%m-%d %H:%M} {ids[0]} {len(ids)}",
        )  # fmt: skip
        await ctx.attempt.pool.execute(SQL.get("note_told_feeds"), ids)


def _broken(feed: Any) -> str:
    good = f"last on {feed['succeeded_at']:%d %B, %H:%M} UTC" if feed["succeeded_at"] else "never"
    return f"{feed['kind']} {feed['subject']}: {feed['in_a_row']} failures in a row ({feed['code']}), it worked {good}"


async def tell_late(ctx: Context) -> list[str]:
    """One alert for all digests that are not ready and should be by now; each is told of once. The lines of it."""
    pool = ctx.attempt.pool
    late = await pool.fetch(SQL.get("list_late"), WARNED_BEFORE)
    if not late:
        return []
    parts = [Parts(row["ticker"], row["edition"], row["day"]) for row in late]
    readings = await read_many(pool, [("digest", str(one.key)) for one in parts])
    lines = [
        f"{one.key}, due at {row['send_at']:%H:%M} UTC: {why_late(reading)}"
        for one, row, reading in zip(parts, late, readings, strict=True)
    ]
    for line in lines:
        log.warning("digest.late %s", line)
    first = min(row["send_at"] for row in late)
    what = "A digest is not ready" if len(lines) == 1 else f"{len(lines)} digests are not ready"
    await alert(ctx, what, lines, ref=f"digest late {first:%Y-%m-%d %H:%M} {lines[0]}")
    await pool.execute(
        SQL.get("note_alerted"),
        [one.ticker for one in parts],
        [one.edition for one in parts],
        [one.day for one in parts],
    )
    return lines


async def send_time(db: Any, due: datetime) -> datetime:
    """When what is due now is to be sent: the next time of its weekday's schedule."""
    row = await db.fetchrow(SQL.get("read_send_schedule"), f"digest-send-{DAYS[due.weekday() % 5]}")
    if row is None:
        return due + USUAL_SEND
    at = next(next_times(row["cron"], row["zone"], due), None)
    return at if at is not None and at - due <= timedelta(days=1) else due + USUAL_SEND


async def tell_unplanned(ctx: Context) -> list[str]:
    """An alert for a morning whose processing should have been by now and was not, before its send time; told of once.

    There are no digests of such a morning that could be late: nobody has planned any.
    """
    pool, now = ctx.attempt.pool, await ctx.attempt.pool.fetchval(SQL.get("read_now"))
    followed_now = await tickers_due(pool)
    lines = []
    for row in await pool.fetch(SQL.get("list_processing")) if followed_now else []:
        for due in takewhile(lambda at: at <= now - GRACE, next_times(row["cron"], row["zone"], now - LOOKED_BACK)):
            day = due.astimezone(ZoneInfo(row["zone"])).date()
            send_at = await send_time(pool, due.astimezone(ZoneInfo(row["zone"])))
            if send_at <= now or await pool.fetchval(SQL.get("count_editions_of_day"), day):
                continue
            name, count = row["name"], len(followed_now)
            line = (
                f"{day}: {name} was due at {due:%H:%M} UTC and has planned nothing; {count} digests are to be sent at "
                f"{send_at:%H:%M} UTC. See that a worker runs, then `openbell schedules run {name}`."
            )
            log.warning("digest.unplanned %s", line)
            await alert(ctx, "A morning of digests has not begun", [line], ref=f"digest unplanned {day}")
            lines.append(line)
    return lines


def why_late(reading: Reading) -> str:
    """What a digest waits for, in a few words."""
    if reading.job is not None:
        return reading.job.progress or reading.job.reason or reading.job.state
    if reading.setback is not None:
        return f"failed: {reading.setback.message}"
    return "made, and its mails are not queued yet" if reading.version else "not begun"


async def alert(ctx: Context, subject: str, lines: Sequence[str], *, ref: str) -> None:
    """A mail to every admin; the same ``ref`` twice is one mail."""
    letter = render("digest-alert", subject=subject, package="openbell.products.digest", lines=list(lines))
    await queue_all(ctx.attempt.pool, kind="alert", recipients=await admins(ctx.attempt.pool), letter=letter, ref=ref)


@task(
    "digest-filings",
    key=Symbol,
    version=1,
    timeout=minutes(2),
    retry=minutes(10),
    job_class="research",
    max_attempts=4,
    patience=hours(4),
    spends={"edgar": Calls(1)},
)
async def filings(key: Symbol, ctx: Context) -> None:
    """Find the new filings of a company; the digest that comes reads them (DG-41)."""
    one = await read_reference(ctx.attempt.pool, key)
    if one is not None:
        await check_filings(ctx, one)


@task("digest-cleanup", key=Global, version=1, timeout=minutes(20), retry=minutes(10), max_attempts=3)
async def cleanup(key: Global, ctx: Context) -> None:  # noqa: ARG001 (there is one)
    """Forget what no digest has used, a batch at a time."""
    pool = ctx.attempt.pool
    await pool.execute(SQL.get("forget_links"))
    await pool.execute(SQL.get("forget_paid"))
    await pool.execute(SQL.get("prune_answers"), KEPT)
    while await pool.execute(SQL.get("forget_articles"), KEPT, BATCH, None) == f"DELETE {BATCH}":
        await ctx.attempt.progress("forgetting old articles")
    while await pool.execute(SQL.get("forget_texts"), BATCH) == f"DELETE {BATCH}":
        await ctx.attempt.progress("forgetting old texts")


def due_at(ctx: Context) -> datetime:
    """When the schedule meant the task to run; now, where somebody else has begun it."""
    args = ctx.attempt.claim.args
    given = args.get("due_at") if isinstance(args, dict) else None
    return datetime.fromisoformat(given) if given else ctx.attempt.claim.now


def due_day(ctx: Context) -> date:
    """The date of the calendar on which that was."""
    return due_at(ctx).date()


async def tickers_due(db: Any) -> list[str]:
    """The tickers whose followers are to get a digest."""
    return sorted(set(await followed(db)))
