"""A batch of the weekly run: many editions, one creation under an idempotency key, one answer file.

The members are the slots that carry its number, fixed when it was queued. Whatever dies in between, the batch is found
again by its key or its mark at the provider; its answers, the end of its spend and what follows are one transaction.
A batch takes as many as there is money for, new people first; the others are asked for alone once it is over, as is
what the service refused to do; what it may have done and cannot tell is left to the operator.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import accumulate, count
from typing import Any

from openbell.engine.enqueue import enqueue
from openbell.engine.errors import (
    AccountBlocked,
    Fenced,
    Permanent,
    ProducerError,
    ProviderStopped,
    RateLimited,
    Waiting,
)
from openbell.engine.registry import Product
from openbell.products.context import Context
from openbell.products.picks.answers import of_run
from openbell.products.picks.database import SQL
from openbell.products.picks.editions import BatchKey
from openbell.products.picks.keeping import keep
from openbell.products.picks.questions import Question, question
from openbell.products.picks.store import is_attested, read_facts, set_status
from openbell.products.picks.words import Status
from openbell.products.picks.work import failed, for_this_week, hold_weekly, profile_of
from openbell.providers.perplexity import Batch, BatchHandle
from openbell.providers.perplexity.client import BATCH_LOOK
from openbell.providers.perplexity.requests import Ask

READ = "read"
NO_ROOM = ("money_cap", "limit_too_small")


@dataclass(slots=True)
class BatchWork:
    """What one attempt does for one batch; ``alone`` is the task that makes one edition."""

    ctx: Context
    key: BatchKey
    alone: Product
    look: timedelta = BATCH_LOOK

    @property
    def pool(self) -> Any:
        """The database."""
        return self.ctx.attempt.pool

    async def run(self) -> None:
        """Have the answers come, then let each edition be made of its own."""
        rows = await self.pool.fetch(SQL.get("list_batch"), self.key.week, self.key.number)
        members = [row["edition"] for row in rows]
        waiting = [row["edition"] for row in rows if not row["answered"]]
        try:
            if waiting:
                await self._answers(rows)
        except (RateLimited, ProviderStopped) as error:
            await set_status(self.pool, Status.PENDING, *waiting, code=error.code, message=str(error))
            raise
        except Waiting:
            raise
        except ProducerError as error:
            raise await failed(self.ctx, error, *waiting) from error
        await self._pass_on(members)

    async def _answers(self, rows: list[Any]) -> None:
        attempt = self.ctx.attempt
        config = self.ctx.connections.picks
        if not config.enabled:
            raise Permanent("ENABLE_WEEKLY_PICKS_GENERATION is off", code="switched_off")
        personal = any(row["person_id"] is not None for row in rows)
        if personal and not await is_attested(self.pool):
            raise Permanent("nobody attests that personal picks may be given", code="not_attested")
        allowed = [row for row in rows if row["allowed"] and not row["answered"]]
        editions = [row["edition"] for row in allowed]
        await set_status(self.pool, Status.PROCESSING, *editions)
        await attempt.progress(f"{len(editions)} editions: {Status.PROCESSING.step}")
        facts = await read_facts(self.pool, self.key.week)
        if len(facts) < 6:
            raise Permanent(f"{len(facts)} companies are known; picks need six at least", code="too_few_companies")
        questions = {
            row["edition"]: question(self.key.week, facts, None if row["person_id"] is None else profile_of(row))
            for row in allowed
        }
        asks = {edition: one.ask(config) for edition, one in questions.items()}
        if not asks:
            return
        await hold_weekly(self.ctx)
        told = await self._created(asks)
        handle = BatchHandle.model_validate(told["handle"])
        left = [one for one in asks if one not in handle.asked]
        said = "the money of this week does not reach for it with the others; it is tried again after them"
        await set_status(self.pool, Status.PENDING, *left, code="money_cap", message=said)
        editions = [one for one in editions if one in handle.asked]
        await set_status(self.pool, Status.SENT, *editions)
        await attempt.progress(f"{len(editions)} editions: {Status.SENT.step}")
        await attempt.step(READ, partial(self._read, handle, questions, told["at"], left))

    async def _created(self, asks: dict[str, Ask]) -> dict[str, Any]:
        """The batch of as many as there is money for, the first of ``asks``; that there was too little is a step, too.

        Raises what the ledger says when there is not even room for one.
        """
        attempt, provider, most = self.ctx.attempt, self.ctx.perplexity, len(asks)
        for number in count(1):
            some = await attempt.step(f"fit {number}", partial(self._fit, asks, most))
            chosen = {edition: asks[edition] for edition in some if edition in asks}
            file = await attempt.step(f"upload {number}", partial(provider.upload, chosen))
            create = partial(self._create, file, chosen, is_last=len(some) == 1)
            told: dict[str, Any] = await attempt.step(f"create {number}", create)
            if told["handle"] is not None:
                return told
            most = len(some) // 2
        raise AssertionError("the last one is made or raises")

    async def _fit(self, asks: dict[str, Ask], most: int) -> list[str]:
        """How many there is room for now, one at least: what the ledger says to that one is the reason for all."""
        spends = self.ctx.attempt.spends(self.ctx.connections.picks.provider)
        room = await self.pool.fetchval(SQL.get("read_room"), [account.id for account in spends.accounts])
        needs = accumulate(one.hold for one in asks.values())
        fitting = sum(1 for need in needs if room is None or need <= room)
        return list(asks)[: max(1, min(fitting, most))]

    async def _create(self, file: str, asks: dict[str, Ask], *, is_last: bool) -> dict[str, Any]:
        try:
            handle = await self.ctx.perplexity.create_batch(file, asks, key=f"picks {self.key}")
        except (AccountBlocked, Permanent) as error:
            ended = for_this_week(error) if isinstance(error, AccountBlocked) else error
            if is_last or ended.code not in NO_ROOM:
                raise ended from None
            return {"handle": None}  # others were faster
        return {"handle": handle.model_dump(mode="json"), "at": self.ctx.attempt.claim.now.isoformat()}

    async def _read(
        self, handle: BatchHandle, questions: dict[str, Question], at: str, left: list[str]
    ) -> dict[str, list[str]]:
        """Look at the batch; once it has ended, everything that it brought is kept together with this step."""
        batch = await self.ctx.perplexity.read_batch(handle)
        if batch.running:
            raise Waiting(Status.SENT.step, retry_after=self.look)
        prompts = {edition: one.prompt.id for edition, one in questions.items()}
        default = next(iter(prompts.values()), "personal")
        answers = [(edition, 1, *of_run(run, prompts.get(edition, default), at)) for edition, run in batch.runs.items()]
        told = {"undone": sorted({*_undone(batch, handle), *left}), "unread": sorted(batch.unread)}
        await keep(self.ctx.attempt, READ, told, answers)
        return told

    async def _pass_on(self, members: list[str]) -> None:
        """Each edition becomes a job of its own: it finds its answer, or asks alone where nothing was done."""
        attempt = self.ctx.attempt
        told = await attempt.step(READ, _nothing)
        unread = [one for one in told["unread"] if one in members]
        await set_status(
            self.pool,
            Status.ERROR,
            *unread,
            code="outcome_unknown",
            message="the batch does not tell what became of it",
        )
        going_on = [one for one in members if one not in unread]
        async with self.pool.acquire() as conn, conn.transaction():
            claim = attempt.claim
            if not await conn.fetchval(SQL.get("hold_claim"), claim.id, claim.token):
                raise Fenced(f"The attempt at {claim.product} {claim.key} is no longer this worker's.")
            jobs = await enqueue(conn, self.alone, [(one, None) for one in going_on], job_class="scheduled")
            for job in jobs:
                await conn.execute(SQL.get("set_job"), [job.key], job.id)
            await conn.execute(SQL.get("leave_batch"), [one for one in told["undone"] if one in members])


async def _nothing() -> dict[str, list[str]]:
    """There was nothing to read: every member has its answer already, or none is wanted any more."""
    return {"undone": [], "unread": []}


def _undone(batch: Batch, handle: BatchHandle) -> list[str]:
    """What is proven not to have been worked on: refused, or left out by a batch that did not get so far."""
    rest = handle.asked.keys() - batch.runs.keys() - set(batch.unread)
    return sorted({*batch.refused, *(rest if batch.status != "completed" else ())})
