"""One edition, from its slot to what is shown: asked for at most once, read from what came as often as needed.

    may it be paid for? ─▶ submit ─▶ poll ─▶ answer kept, spend settled, step done: one transaction ─▶ parse ─▶ edition

A worker that dies anywhere finds by the steps and the answers where it was. What is in a step is never paid for twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from openbell.engine.errors import (
    AccountBlocked,
    Fenced,
    Permanent,
    ProducerError,
    ProviderStopped,
    RateLimited,
    Transient,
    Waiting,
)
from openbell.engine.ledger import ensure_account
from openbell.products.context import Context
from openbell.products.picks import alternatives
from openbell.products.picks.answers import edition_of, of_run, read_answers
from openbell.products.picks.config import MOST_ATTEMPTS, PicksConfig, backoff
from openbell.products.picks.database import SQL
from openbell.products.picks.editions import EditionKey
from openbell.products.picks.figures import Fact
from openbell.products.picks.keeping import keep
from openbell.products.picks.parse import Rejected
from openbell.products.picks.profile import Profile
from openbell.products.picks.questions import Question, question
from openbell.products.picks.store import is_attested, publish, read_facts, set_status
from openbell.products.picks.words import Kind, Status
from openbell.providers.perplexity import Handle
from openbell.providers.perplexity.client import LOOK_AGAIN

LONG = timedelta(hours=6)
"""A budget that opens no sooner is none for this week."""


@dataclass(slots=True)
class Work:
    """What one attempt does for one edition."""

    ctx: Context
    key: EditionKey

    @property
    def config(self) -> PicksConfig:
        """What the operator decides."""
        return self.ctx.connections.picks

    @property
    def pool(self) -> Any:
        """The database."""
        return self.ctx.attempt.pool

    async def run(self) -> None:
        """Make the edition, or end with the reason why not."""
        try:
            await self._make()
        except Rejected as error:
            await set_status(self.pool, Status.ERROR, self.key, code="rejected", message="; ".join(error.reasons))
            raise Permanent(f"the answer for {self.key} is no edition: {error}", code="rejected") from None
        except (RateLimited, ProviderStopped) as error:
            await set_status(self.pool, Status.PENDING, self.key, code=error.code, message=str(error))
            raise
        except Waiting:
            raise
        except ProducerError as error:
            raise await failed(self.ctx, error, self.key) from error

    async def _make(self) -> None:
        await set_status(self.pool, Status.STARTED, self.key)
        profile = await self._profile()
        facts = await read_facts(self.pool, self.key.week)
        answers = await read_answers(self.pool, self.key)
        answer = next((one for one in reversed(answers) if one.is_paid and not one.given_up), None)
        if answer is None:
            await self._check_may_pay(facts)
            await self._step(Status.PROCESSING)
            await self._asked(question(self.key.week, facts, profile), len(answers) + 1)
            answer = (await read_answers(self.pool, self.key))[-1]
        if answer.failure is not None:
            again = Permanent if answer.is_paid else Transient
            raise again(f"the provider's run for {self.key} brought nothing: {answer.failure}", code="run_failed")
        await self._step(Status.PARSING)
        stored, made = edition_of(answer, facts, () if profile is None else profile.interests)
        kind = Kind.IMPERSONAL if profile is None else Kind.PERSONAL
        async with self.pool.acquire() as conn, conn.transaction():
            if not await conn.fetchval(SQL.get("hold_claim"), *self._claim):
                raise Fenced(f"The attempt at {self.key} is no longer this worker's.")
            await publish(conn, self.key, kind, stored, made)
            await set_status(conn, Status.COMPLETE, self.key)

    async def _profile(self) -> Profile | None:
        if self.key.person_id is None:
            return None
        self.ctx.attempt.on_behalf = f"user:{self.key.person_id}"
        row = await self.pool.fetchrow(SQL.get("read_member"), self.key.person_id)
        if row is None or not row["allowed"]:
            raise Permanent(f"person {self.key.person_id} has no personal picks made", code="not_wanted")
        return profile_of(row)

    async def _check_may_pay(self, facts: Mapping[str, Fact]) -> None:
        if not self.config.enabled:
            raise Permanent("ENABLE_WEEKLY_PICKS_GENERATION is off", code="switched_off")
        if self.key.person_id is not None and not await is_attested(self.pool):
            raise Permanent("nobody attests that personal picks may be given", code="not_attested")
        if len(facts) < 6:
            raise Permanent(f"{len(facts)} companies are known; picks need six at least", code="too_few_companies")

    async def _asked(self, asked: Question, number: int) -> None:
        """Have an answer come, and keep it."""
        await hold_weekly(self.ctx)
        await self._step(Status.SENT)
        try:
            if self.config.provider == "perplexity":
                await self._run(asked, number)
            else:
                await alternatives.ask(self.ctx, self.key, asked, number)
        except AccountBlocked as error:
            raise for_this_week(error) from None

    async def _run(self, asked: Question, number: int) -> None:
        attempt, provider = self.ctx.attempt, self.ctx.perplexity
        name = f"{self.key} #{number}"
        submit = partial(provider.submit, asked.ask(self.config), key=f"picks {name}")

        async def submitted() -> dict[str, Any]:
            return {"handle": (await submit()).model_dump(mode="json"), "at": attempt.claim.now.isoformat()}

        told = await attempt.step(f"submit {number}", submitted)
        handle = Handle.model_validate(told["handle"])
        await attempt.step(f"run {number}", partial(self._answered, handle, asked.prompt.id, number, told["at"]))

    async def _answered(self, handle: Handle, prompt: str, number: int, asked_at: str) -> int:
        """Look at the run; once it has ended, its answer, its cost and this step are written together."""
        attempt, step = self.ctx.attempt, f"run {number}"
        run = await self.ctx.perplexity.poll(handle)
        if run.running:
            effort = (handle.effort or "").partition("@")[0]
            raise Waiting(Status.SENT.step, retry_after=LOOK_AGAIN.get(effort, timedelta(seconds=10)))
        await keep(attempt, step, number, [(self.key, number, *of_run(run, prompt, asked_at))])
        return number

    @property
    def _claim(self) -> tuple[int, int]:
        return self.ctx.attempt.claim.id, self.ctx.attempt.claim.token

    async def _step(self, status: Status) -> None:
        await self.ctx.attempt.progress(status.step)
        await set_status(self.pool, status, self.key)


def profile_of(row: Mapping[str, Any]) -> Profile:
    """The profile of a row, with the person's own name where they gave no other."""
    told = Profile.of(row["profile"])
    if told.first_name or not row["name"]:
        return told
    return Profile.of({**(row["profile"] or {}), "first_name": str(row["name"]).split(" ")[0]})


async def hold_weekly(ctx: Context) -> None:
    """Let every paid call of this attempt be held on the week's own account as well: without room there is no call."""
    config = ctx.connections.picks
    account = await ensure_account(ctx.attempt.pool, config.limit)
    spends = ctx.attempt.spends(config.provider)
    for accounts in (spends.accounts, *spends.other_keys):
        if all(one.limit.subject != account.limit.subject for one in accounts):
            accounts.append(account)


def for_this_week(error: AccountBlocked) -> ProducerError:
    """A budget that is used up for long ends the matter; a window that is full for a moment does not."""
    if error.opens_in < LONG:
        return error
    return Permanent(f"there is no money left: {error}", code="money_cap")


async def failed(ctx: Context, error: ProducerError, *editions: str) -> ProducerError:
    """Count the failure; what to raise: tried again after two minutes, then four; the third is the end."""
    pool, said = ctx.attempt.pool, str(error)
    rows = await pool.fetch(SQL.get("count_failure"), list(editions), error.code, said[:500])
    failures = max((row["failures"] for row in rows), default=MOST_ATTEMPTS)
    if isinstance(error, Permanent) or failures >= MOST_ATTEMPTS:
        await set_status(pool, Status.ERROR, *editions, code=error.code, message=said)
        return error if isinstance(error, Permanent) else Permanent(said, code=error.code)
    await set_status(pool, Status.PENDING, *editions, code=error.code, message=said)
    return Transient(said, code=error.code, retry_after=backoff(failures))
