"""How work on editions is queued: a place and its job are one transaction, and there is one place a person and week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import asyncpg

from openbell.engine.database import SQL as ENGINE
from openbell.engine.database import Db
from openbell.engine.enqueue import enqueue
from openbell.engine.registry import Product
from openbell.products.picks.database import SQL
from openbell.products.picks.editions import EditionKey
from openbell.products.picks.store import read_slot
from openbell.products.picks.words import Answered, Reason, Status

MOST_AT_ONCE = 1_000
EDITION_TASK, BATCH_TASK = "picks-edition", "picks-batch"


@dataclass(frozen=True, slots=True)
class Queued:
    """What a wish for an edition has come to; ``job_id`` is None for what is there already."""

    answered: Answered
    job_id: int | None
    reason: Reason


async def queue_one(
    pool: asyncpg.Pool,
    edition_task: Product,
    key: EditionKey,
    reason: Reason,
    *,
    job_class: str = "interactive",
    batch_task: Product | None = None,
    as_batch: bool = False,
) -> Queued:
    """Have one edition made, unless it is there or under way. What has failed goes on where it was, at no new cost.

    ``as_batch`` asks for it by a batch of one, which is slower, and is found again whoever dies.
    """
    number = 0 if as_batch and batch_task is not None else None
    async with pool.acquire() as conn, conn.transaction():
        if await conn.fetchval(SQL.get("claim_slot"), key, key.person_id, key.week, reason.value, number) is not None:
            if number is not None and batch_task is not None:
                return await _job(conn, batch_task, f"{key.week}|{number}", key, reason, job_class)
            return await _job(conn, edition_task, key, key, reason, job_class)
        slot = await read_slot(conn, key)
        assert slot is not None
        if slot.status is Status.COMPLETE:
            return Queued(Answered.COMPLETED, None, slot.reason)
        if slot.status is not Status.ERROR or slot.job_id is not None:
            # A job that has told its failure and has not ended yet would swallow the new one.
            return Queued(Answered.IN_PROGRESS, slot.job_id, slot.reason)
        again = Reason.ERROR_RECOVERY if reason in (Reason.NEW_USER, Reason.NEW_WEEK) else reason
        batch = await conn.fetchval(SQL.get("reopen_slot"), key, again.value)
        answered = await conn.fetchval(SQL.get("has_answer"), key)
        if batch is not None and batch_task is not None and not answered:
            return await _job(conn, batch_task, f"{key.week}|{batch}", key, again, job_class)
        return await _job(conn, edition_task, key, key, again, job_class)


async def retry(
    pool: asyncpg.Pool, edition_task: Product, batch_task: Product, key: EditionKey, *, pay_again: bool, actor: str
) -> Queued | None:
    """Try again what has failed; None when nobody has asked for it. What was answered is read again, at no cost.

    With ``pay_again`` the answer is given up, which is audited, and the edition may be asked for once more.
    """
    slot = await read_slot(pool, key)
    if slot is None:
        return None
    if pay_again and slot.job_id is None:
        async with pool.acquire() as conn, conn.transaction():
            given_up = [row["number"] for row in await conn.fetch(SQL.get("give_up_answers"), key)]
            await conn.execute(ENGINE.get("add_audit"), actor, "picks.pay-again", key, {"given_up": given_up})
    reason = Reason.MANUAL_TRIGGER
    return await queue_one(pool, edition_task, key, reason, job_class="scheduled", batch_task=batch_task)


async def _job(db: Db, product: Product, key: str, edition: str, reason: Reason, job_class: str) -> Queued:
    (job,) = await enqueue(db, product, [(key, None)], job_class=job_class)
    await db.execute(SQL.get("set_job"), [edition], job.id)
    return Queued(Answered.QUEUED, job.id, reason)


async def plan_batches(pool: asyncpg.Pool, task: Product, week: date, *, size: int, together: bool) -> int:
    """Take a place for everybody who may have one, a thousand a transaction; how many were taken.

    ``together`` queues one job a batch, otherwise one an edition. Who has a place is passed over, so that it may be
    killed and begun again at any moment, and run by several at once.
    """
    taken = 0
    while True:
        async with pool.acquire() as conn, conn.transaction():
            await conn.execute(SQL.get("lock_week"), week)
            rows = await conn.fetch(SQL.get("claim_members"), week, MOST_AT_ONCE // size * size or size, together, size)
            if not rows:
                return taken
            keys = [f"{week}|{row['batch']}" if together else row["edition"] for row in rows]
            jobs = {job.key: job.id for job in await enqueue(conn, task, [(key, None) for key in dict.fromkeys(keys)])}
            editions = [row["edition"] for row in rows]
            await conn.execute(SQL.get("set_jobs"), editions, [jobs[key] for key in keys])
        taken += len(rows)
