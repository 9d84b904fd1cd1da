"""The work of weekly picks as tasks, and when it is done.

    picks-week (Mondays) ─▶ picks-batch … ─▶ picks-edition …     everybody's edition and the figures beside them
    picks-watch (often)  ─▶ what has lost its job is told as failed; queue and editions are looked over

All of it leaves rows, not artifacts: nobody can demand a paid edition by looking at something.
"""

from __future__ import annotations

import logging
from datetime import date, datetime
from typing import Any

from openbell.engine.enqueue import enqueue
from openbell.engine.errors import Permanent
from openbell.engine.registry import Calls, hours, minutes, seconds, task
from openbell.engine.schedules import schedule
from openbell.products.context import Context
from openbell.products.keys import Global
from openbell.products.picks import starter
from openbell.products.picks.batches import BatchWork
from openbell.products.picks.content import Made
from openbell.products.picks.database import SQL
from openbell.products.picks.editions import ALL, DEFAULT_ZONE, FIGURES, BatchKey, EditionKey, monday_of
from openbell.products.picks.mailing import alert_failures, mail_edition
from openbell.products.picks.plain import TooLittle, edition
from openbell.products.picks.queueing import plan_batches, queue_one
from openbell.products.picks.store import is_attested, publish, read_facts
from openbell.products.picks.words import Kind, Reason
from openbell.products.picks.work import Work

log = logging.getLogger(__name__)

DEATHS = 50
"""A worker that dies is no fault of an edition: its own three attempts are counted where they fail (PK-15)."""


@task(
    "picks-edition",
    key=EditionKey,
    version=1,
    timeout=minutes(6),
    retry=minutes(2),
    job_class="scheduled",
    max_attempts=DEATHS,
    patience=hours(48),
    spends={"perplexity": Calls(10)},
)
async def picks_edition(key: EditionKey, ctx: Context) -> None:
    """Make one edition, and mail it to whom has asked for that."""
    await Work(ctx, key).run()
    await mail_edition(ctx.attempt.pool, key)


@task(
    "picks-batch",
    key=BatchKey,
    version=1,
    timeout=minutes(6),
    retry=minutes(2),
    job_class="scheduled",
    max_attempts=DEATHS,
    patience=hours(48),
    spends={"perplexity": Calls(10)},
)
async def picks_batch(key: BatchKey, ctx: Context) -> None:
    """Ask for the editions of one batch together."""
    await BatchWork(ctx, key, picks_edition).run()


@task(
    "picks-figures",
    key=EditionKey,
    version=1,
    timeout=minutes(2),
    retry=minutes(2),
    job_class="scheduled",
    max_attempts=DEATHS,
)
async def picks_figures(key: EditionKey, ctx: Context) -> None:
    """Make the edition of figures alone; it costs nothing. Where too little is known there is none."""
    pool = ctx.attempt.pool
    try:
        stored = edition(await read_facts(pool, key.week))
    except TooLittle as error:
        raise Permanent(str(error), code="too_few_companies") from None
    await publish(pool, key, Kind.FIGURES, stored, Made(provider="none", at=ctx.attempt.claim.now))


@task("picks-starter", key=Global, version=1, timeout=minutes(2), retry=minutes(2), patience=hours(48))
async def picks_starter(_: Global, ctx: Context) -> None:
    """What an operator asks for on a fresh instance: figures of some companies, and the edition of them."""
    await starter.run(ctx)


@task(
    "picks-week",
    key=Global,
    version=1,
    timeout=minutes(5),
    retry=minutes(2),
    job_class="scheduled",
    max_attempts=DEATHS,
)
async def picks_week(_: Global, ctx: Context) -> None:
    """Queue a week: of the Monday on which it was due, however late this runs."""
    attempt = ctx.attempt
    week = monday_of(datetime.fromisoformat(attempt.claim.args["due_at"]).date())
    await start_week(ctx, week)


async def start_week(ctx: Context, week: date) -> int:
    """Queue everybody's edition, the figures, and the batches of those who get their own; how many of these."""
    pool, config = ctx.attempt.pool, ctx.connections.picks
    await enqueue(pool, picks_figures, [(EditionKey.of(FIGURES, week), None)])
    if not config.enabled:
        log.info("picks.week week=%s switched off: figures only", week)
        return 0
    together = config.provider == "perplexity"
    everybody = EditionKey.of(ALL, week)
    await queue_one(
        pool,
        picks_edition,
        everybody,
        Reason.NEW_WEEK,
        job_class="scheduled",
        batch_task=picks_batch,
        as_batch=together,
    )
    if not await is_attested(pool):
        log.info("picks.week week=%s nobody attests: one edition for all", week)
        return 0
    batch_of: Any = picks_batch if together else picks_edition
    queued = await plan_batches(pool, batch_of, week, size=config.members, together=together)
    log.info("picks.week week=%s queued=%d", week, queued)
    return queued


@task("picks-watch", key=Global, version=1, timeout=seconds(60), retry=minutes(1))
async def picks_watch(_: Global, ctx: Context) -> None:
    """Tell what has lost its job as failed, so that nothing stays under way for ever, and tell the operator."""
    pool = ctx.attempt.pool
    for row in await pool.fetch(SQL.get("settle_slots")):
        log.error("picks.failed edition=%s code=%s message=%s", row["edition"], row["code"], row["message"])
    await alert_failures(pool)


WEEKLY = schedule(
    "picks-week",
    picks_week,
    "GLOBAL",
    cron="30 5 * * mon",
    zone=DEFAULT_ZONE,
    missed="late",
    max_late=hours(48),
)

WATCH = schedule(
    "picks-watch",
    picks_watch,
    "GLOBAL",
    cron="*/10 * * * *",
    zone=DEFAULT_ZONE,
    missed="skip",
    max_late=hours(1),
)
