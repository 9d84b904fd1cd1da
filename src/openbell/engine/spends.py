"""No outside call without a committed spend: the hold on every account that it touches and its intent, in one row.

    async with spends.call("quote", calls=1, bytes=2_000) as call:
        answer = await http.get(...)            # no transaction is open here
        call.took(bytes=len(answer.content))

Leaving the block decides how the spend ends: ``settled`` when the call has happened, ``released`` when it is proven
that it has not. It is written together with what the call was made for: with the published result, the memo of the
step, or the end of the attempt. A process that dies in between leaves the spend open; recovery makes it ``unknown``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Literal

import asyncpg

from openbell.engine.combiner import Combiner
from openbell.engine.database import SQL
from openbell.engine.errors import AccountBlocked, Fenced, Permanent, Waiting
from openbell.engine.ledger import Account, legs
from openbell.engine.registry import Effect

SpendEnd = Literal["settled", "unanswered", "released", "unknown"]
"""How a spend ends: ``unanswered`` is settled too, but the request may still be on its way until its time-out."""

LONGEST_BLOCK = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Intent:
    """One request to spend, as the ledger sees it."""

    job_id: int | None
    token: int | None
    product: str
    key: str
    provider: str
    operation: str
    effect: Effect
    idempotency_key: str | None
    timeout: timedelta
    legs: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The ledger's answer: a spend id, or which account has no room until when."""

    spend_id: int | None
    word: str
    account_id: int | None
    frees_at: datetime | None
    opens_in: timedelta


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a spend ended and what it truly took."""

    spend_id: int
    state: SpendEnd
    outcome: str
    bytes: int | None = None
    cost_micro: int | None = None
    provider_ref: str | None = None


def as_columns(settlements: Sequence[Settlement]) -> list[list[object]]:
    """The settlements as the parallel arrays that the database functions take."""
    return [
        [s.spend_id for s in settlements],
        [s.state for s in settlements],
        [s.outcome for s in settlements],
        [s.bytes for s in settlements],
        [s.cost_micro for s in settlements],
        [s.provider_ref for s in settlements],
    ]


class Ledger:
    """Reserves spends for a whole process; requests that meet form batches, so that a hot account costs one lock."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._combiner: Combiner[Intent, Verdict] = Combiner(self._reserve)
        self._abandoned: set[asyncio.Task[None]] = set()

    async def reserve(self, intent: Intent) -> Verdict:
        """Commit the intent and hold all its accounts, or say why not."""
        return await self._combiner.ask(intent)

    async def reserve_or_abandon(self, intent: Intent) -> Verdict:
        """As :meth:`reserve`; when the caller is cancelled meanwhile, what was held for it is released."""
        asked = asyncio.create_task(self.reserve(intent))
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            abandoned = asyncio.create_task(self._abandon(asked))
            self._abandoned.add(abandoned)
            abandoned.add_done_callback(self._abandoned.discard)
            raise

    async def _abandon(self, asked: asyncio.Task[Verdict]) -> None:
        verdict = await asked
        if verdict.spend_id is not None:
            await self.settle([Settlement(verdict.spend_id, "released", "the attempt ended before the call")])

    async def _reserve(self, intents: list[Intent]) -> list[Verdict]:
        all_legs = [(n, account, amount) for n, intent in enumerate(intents, 1) for account, amount in intent.legs]
        rows = await self._pool.fetch(
            SQL.get("reserve_spends"),
            [i.job_id for i in intents],
            [i.token for i in intents],
            [i.product for i in intents],
            [i.key for i in intents],
            [i.provider for i in intents],
            [i.operation for i in intents],
            [i.effect for i in intents],
            [i.idempotency_key for i in intents],
            [i.timeout for i in intents],
            [n for n, _, _ in all_legs],
            [account for _, account, _ in all_legs],
            [amount for _, _, amount in all_legs],
        )
        return [Verdict(*row.values()) for row in rows]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """End spends that belong to no job's end. Those of a job end with it."""
        await self._pool.execute(SQL.get("settle_spends"), *as_columns(settlements))

    async def block(self, account_id: int, until: datetime, reason: str) -> None:
        """Keep the claim from taking work that this account would refuse anyway."""
        await self._pool.execute(SQL.get("block_accounts"), [account_id], until, reason)


@dataclass(slots=True)
class Call:
    """One outside call under way. The client says what it took and what the provider calls it."""

    spend_id: int
    operation: str
    idempotency_key: str | None
    outcome: str = "ok"
    happened: bool = True
    bytes: int | None = None
    cost_micro: int | None = None
    provider_ref: str | None = None
    answered: bool = False
    failed: bool = False

    def settlement(self, effect: Effect) -> Settlement:
        """How the spend ends. Where nobody answered and a repeat is not free, what happened is unknown."""
        state: SpendEnd = "settled" if self.happened else "released"
        if self.happened and self.failed and not self.answered:
            state = "unanswered" if effect == "repeat" else "unknown"
        return Settlement(self.spend_id, state, self.outcome, self.bytes, self.cost_micro, self.provider_ref)

    def took(
        self,
        *,
        bytes: int | None = None,  # noqa: A002 (the unit is the name)
        cost_micro: int | None = None,
        outcome: str | None = None,
    ) -> None:
        """The provider has answered; what the call truly took, where it is known."""
        self.answered = True
        self.bytes = bytes if bytes is not None else self.bytes
        self.cost_micro = cost_micro if cost_micro is not None else self.cost_micro
        self.outcome = outcome or self.outcome

    def never_sent(self, outcome: str) -> None:
        """It is proven that the provider saw nothing; everything held is given back."""
        self.happened, self.outcome = False, outcome


@dataclass(slots=True)
class Spends:
    """The spends of one attempt with one provider. ``ended`` is what must be written with the attempt's result."""

    ledger: Ledger
    provider: str
    accounts: Sequence[Account]
    product: str
    key: str
    job_id: int | None
    token: int | None
    ended: list[Settlement] = field(default_factory=list)
    _under_way: dict[int, Call] = field(default_factory=dict)

    def abandon(self) -> None:
        """The attempt ends and does not wait for the calls that are still under way: they may have happened."""
        for spend_id in self._under_way:
            self.ended.append(Settlement(spend_id, "unknown", "the attempt ended before the call did"))
        self._under_way.clear()

    @asynccontextmanager
    async def call(
        self,
        operation: str,
        *,
        calls: int = 1,
        bytes: int = 0,  # noqa: A002 (the unit is the name)
        cost_micro: int = 0,
        effect: Effect = "repeat",
        idempotency_key: str | None = None,
        timeout: timedelta = timedelta(seconds=10),
    ) -> AsyncIterator[Call]:
        """Hold, then let the block make the call.

        Raises, before anything is sent, :class:`AccountBlocked` when an account has no room, :class:`Fenced` when the
        attempt is no longer ours, :class:`Permanent` when a limit is missing.
        """
        intent = Intent(
            self.job_id,
            self.token,
            self.product,
            self.key,
            self.provider,
            operation,
            effect,
            idempotency_key,
            timeout,
            legs(self.accounts, {"calls": calls, "bytes": bytes, "usd_micro": cost_micro}),
        )
        asked_at = monotonic()
        verdict = await self.ledger.reserve_or_abandon(intent)
        if verdict.spend_id is None:
            await self._refused(intent, verdict)
        assert verdict.spend_id is not None
        call = self._under_way[verdict.spend_id] = Call(verdict.spend_id, operation, idempotency_key)
        try:
            if monotonic() - asked_at > timeout.total_seconds():
                call.never_sent("the process stood still between hold and call")
                raise Waiting("The process stood still for too long to make the call now.")
            yield call
        except BaseException as error:
            if call.outcome == "ok":
                call.outcome = getattr(error, "code", None) or type(error).__name__
            call.failed = True
            raise
        finally:
            if self._under_way.pop(call.spend_id, None) is not None:
                self.ended.append(call.settlement(effect))

    async def _refused(self, intent: Intent, verdict: Verdict) -> None:
        if verdict.word == "fenced":
            raise Fenced(f"The attempt at {self.product} {self.key} is no longer this worker's.")
        if verdict.word == "missing":
            raise Permanent(
                f"{self.provider} has no account for this call, and a missing limit blocks; set its limits.",
                code="limit_missing",
            )
        if verdict.word == "too_big":
            raise Permanent(
                f"{self.provider} {intent.operation} needs more than its limits ever allow; raise the limit.",
                code="limit_too_small",
            )
        account = next((a for a in self.accounts if a.id == verdict.account_id), None)
        name = account.name if account else self.provider
        reason = f"the limit of {name} is used up"
        if verdict.word == "full" and verdict.account_id is not None and verdict.frees_at is not None:
            await self.ledger.block(verdict.account_id, verdict.frees_at, reason)
        raise AccountBlocked(f"Waiting: {reason}.", opens_in=verdict.opens_in, gated=verdict.frees_at is not None)
