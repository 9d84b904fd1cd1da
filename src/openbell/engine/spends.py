"""No outside call without a committed spend: the hold on every account that it touches and its intent, in one row.

    async with spends.call("quote", bytes=2_000) as call:
        answer = await wire.exchange(http, call, "GET", "quote")      # no transaction is open here
        call.took(bytes=len(answer.body))

Amounts are whole numbers by resource: ``calls``, ``bytes``, ``usd_micro`` (millionths of a US dollar), ``credits``, …;
what the call may take at most is held before it, what it took is settled after it. Leaving the block decides how the
spend ends: ``settled`` when the call has happened, ``released`` when it is proven that it has not, ``unknown`` when
nobody can tell. That is written together with what the call was made for: with the published result, the memo of the
step, or the end of the attempt. A process that dies in between leaves the spend open; recovery ends it.

What becomes of a call whose outcome is unknown, its effect decides (DC-1): ``repeat``, it is made again; ``resend`` and
``lookup``, it comes back as the same spend, by its idempotency key, and ``call.resumed`` says so; ``never``, the job
ends and an operator decides.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from time import monotonic
from typing import Any, Literal, NamedTuple

import asyncpg

from openbell.engine.combiner import Combiner
from openbell.engine.database import SQL
from openbell.engine.errors import AccountBlocked, Fenced, NotInPlan, Permanent, ProducerError, Waiting
from openbell.engine.ledger import Account, checked, ensure_account, legs
from openbell.engine.persist import DATABASE_ERRORS
from openbell.engine.registry import Effect
from openbell.telemetry import traces
from openbell.telemetry.context import about
from openbell.telemetry.tally import swallowed

log = logging.getLogger(__name__)

SpendEnd = Literal["settled", "unanswered", "released", "refused", "under_way", "unknown"]
"""How a spend ends, as the database function ``settle`` explains."""


MOST_TURNS = 5
"""How often one reservation follows its accounts into their next period."""

NO_ROOM = ("full", "paused", "reserved")
"""Verdicts that concern the accounts of one key; the next key may have room."""

RESERVED_SPREAD = timedelta(seconds=10)
"""Over how long they come back who found the rest kept for others: no gate holds them, so each asks again."""

MOST_AT_ONCE = 200
"""Reservations of a batch at most. Where so many wait, they are sent while the database is still at the last batch."""

LONGEST_TEXT = 500
"""Characters of an operation, a key or an idempotency key."""

STEP: ContextVar[str | None] = ContextVar("openbell_step", default=None)
"""The step of an attempt within which this code runs, its sub-tasks too."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One request to spend, as the ledger sees it. ``held`` is by resource, ``legs`` the same by account id."""

    job_id: int | None
    token: int | None
    product: str
    key: str
    provider: str
    operation: str
    on_behalf: str | None
    effect: Effect
    idempotency_key: str | None
    window: timedelta | None
    timeout: timedelta
    held: Mapping[str, int]
    legs: Sequence[tuple[int, int]]


class Verdict(NamedTuple):
    """The ledger's answer: a spend id, or which account has no room until when."""

    spend_id: int | None
    word: str
    account_id: int | None
    frees_at: datetime | None
    opens_in: timedelta
    resumed: bool = False
    provider_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a spend ended, what it truly took by resource, and the trouble with the provider that it shows, if any."""

    spend_id: int
    state: SpendEnd
    outcome: str
    took: Mapping[str, int] = field(default_factory=dict)
    ref: str | None = None
    trouble: str | None = None
    token: int | None = None
    step: str | None = None
    """The step within which the call was made; its memo and the settlement are written together."""


def as_rows(settlements: Sequence[Settlement]) -> list[dict[str, Any]]:
    """The settlements as the database functions take them, in one JSON array."""
    return [
        {
            "id": s.spend_id,
            "token": s.token,
            "state": s.state,
            "outcome": s.outcome,
            "took": s.took,
            "ref": s.ref,
            "trouble": s.trouble,
        }
        for s in settlements
    ]


class Ledger:
    """Reserves spends for a whole process; requests that meet form batches, so that a hot account costs one lock.

    ``counters`` counts, as ``unreleased``, holds that could not be given back at once; recovery gives them back later.
    ``turn`` tells which of a provider's keys is asked first, so that they are used evenly.
    """

    def __init__(self, pool: asyncpg.Pool, counters: Counter[str] | None = None) -> None:
        self._pool = pool
        self._counters = Counter[str]() if counters is None else counters
        self._combiner: Combiner[Intent, Verdict] = Combiner(self._reserve, most=MOST_AT_ONCE, at_once=2)
        self._abandoned: set[asyncio.Task[None]] = set()
        self.turn = count()

    async def reserve(self, intent: Intent) -> Verdict:
        """Commit the intent and hold all its accounts, or say why not."""
        return await self._combiner.ask(intent)

    async def reserve_or_abandon(self, intent: Intent) -> Verdict:
        """As :meth:`reserve`; when the caller is cancelled meanwhile, what was held for it is released."""
        asked = asyncio.create_task(self.reserve(intent))
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            abandoned = asyncio.create_task(self._abandon(asked, intent.token))
            self._abandoned.add(abandoned)
            abandoned.add_done_callback(self._abandoned.discard)
            raise

    async def _abandon(self, asked: asyncio.Task[Verdict], token: int | None) -> None:
        try:
            verdict = await asked
            if verdict.spend_id is not None:
                state: SpendEnd = "unknown" if verdict.resumed else "released"
                said = "the attempt ended before the call"
                await self.settle([Settlement(verdict.spend_id, state, said, token=token)])
        except DATABASE_ERRORS as error:
            self._not_released(f"a hold under the token {token}", error)

    async def _reserve(self, intents: list[Intent]) -> list[Verdict]:
        all_legs = [(n, account, amount) for n, intent in enumerate(intents, 1) for account, amount in intent.legs]
        rows = await self._pool.fetch(
            SQL.get("reserve_spends"),
            _column([i.job_id for i in intents]),
            _column([i.token for i in intents]),
            [i.product for i in intents],
            [i.key for i in intents],
            [i.provider for i in intents],
            [i.operation for i in intents],
            _column([i.on_behalf for i in intents]),
            [i.effect for i in intents],
            _column([i.idempotency_key for i in intents]),
            _column([i.window for i in intents]),
            [i.timeout for i in intents],
            [dict(i.held) for i in intents],
            [n for n, _, _ in all_legs],
            [account for _, account, _ in all_legs],
            [amount for _, _, amount in all_legs],
        )
        return [Verdict._make(row.values()) for row in rows]

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """End spends that belong to no job's end. Those of a job end with it."""
        await self._pool.execute(SQL.get("settle_spends"), as_rows(settlements))

    async def release_places(self, spend_id: int) -> None:
        """Free the call's places among those at once. Best effort: settling the spend frees what is left."""
        try:
            await self._pool.execute(SQL.get("release_places"), spend_id)
        except DATABASE_ERRORS as error:
            self._not_released(f"the places of spend {spend_id}", error)

    def _not_released(self, what: str, error: BaseException) -> None:
        self._counters["unreleased"] += 1
        swallowed("spend.release", error)
        log.warning("spend.unreleased what=%s error=%s: %s", what, type(error).__name__, error)

    async def mark_sent(self, spend_id: int, job_id: int | None, token: int | None) -> bool:
        """Commit that the request leaves now. False when it must not."""
        return bool(await self._pool.fetchval(SQL.get("mark_sent"), spend_id, job_id, token))

    async def block(self, account_id: int, until: datetime, reason: str) -> None:
        """Keep the claim from taking work that this account would refuse anyway."""
        await self._pool.execute(SQL.get("block_accounts"), [account_id], until, reason)

    async def next_period(self, account: Account) -> Account:
        """The account of the same limit in the period that runs now."""
        return await ensure_account(self._pool, account.limit)


@dataclass(slots=True)
class Call:
    """One outside call under way. The client says what it took and what the provider calls it."""

    spend_id: int
    operation: str
    effect: Effect
    idempotency_key: str | None
    credential: str | None = None
    """The name of the key that it is held on, where the provider has several; it must be made with that one."""
    resumed: bool = False
    """Whether this call may have been made before, by a lost attempt: `lookup` asks first, `resend` sends again."""
    provider_ref: str | None = None
    _mark: Callable[[], Awaitable[bool]] | None = None
    _leave_by: float = math.inf
    _until: float = math.inf
    _token: int | None = None
    _step: str | None = None
    _sent: bool = False
    _outcome: str = "ok"
    _took: dict[str, int] = field(default_factory=dict)
    _answered: bool = False
    _end: SpendEnd | None = None
    _trouble: str | None = None

    async def sending(self) -> None:
        """The request leaves now. To be called right before it does; a call with an effect is committed as sent.

        It must leave within half of the call's time: what leaves as that ends arrives after it, and would be counted
        there for longer than it is held here.
        Raises :class:`Fenced` when the attempt is no longer ours: then nothing may leave.
        """
        if self.effect != "repeat" and (self._mark is None or not await self._mark()):
            self.never_sent("fenced")
            raise Fenced("The attempt is no longer this worker's; the call was not made.")
        if monotonic() > (self._until if self._sent else self._leave_by):
            self.never_sent("the process stood still before the call")
            raise Waiting("The process stood still for too long to make the call now.")
        self._sent = True

    def took(self, *, outcome: str | None = None, ref: str | None = None, **amounts: int) -> None:
        """The provider has answered; what the call truly took, where it is known, and what the provider calls it."""
        if not self._may_have_been:
            raise RuntimeError(
                f"{self.operation} was answered and not marked as sent; await call.sending() before it leaves"
            )
        self._answered, self._end = True, None
        self._took |= checked(amounts)
        self._outcome, self.provider_ref = outcome or self._outcome, ref or self.provider_ref

    def never_sent(self, outcome: str) -> None:
        """It is proven that the provider saw nothing this time; everything held is given back.

        What has been answered before, in this call or an earlier one of its key, stays.
        """
        before = self.resumed or self._answered
        self._end = "released" if not before else "settled" if self.effect == "repeat" else "unknown"
        self._outcome = outcome

    def refused(self, outcome: str) -> None:
        """The provider has answered that it did nothing: the call counts, nothing is paid, its key is like new."""
        self._end, self._outcome = ("unknown" if self.resumed else "refused"), outcome

    def under_way(self, ref: str) -> None:
        """The provider works on it, named ``ref``. The money stays held; a call with the same key resumes this one."""
        self._end, self._outcome, self.provider_ref = "under_way", "under way", ref

    def not_found(self) -> None:
        """The provider has been asked: it knows of no earlier call with this key. What follows is the first one."""
        self.resumed = self._answered = self._sent = False

    def unclear(self, outcome: str) -> None:
        """There was an answer, and it does not say whether the call has happened."""
        self._end, self._outcome = ("settled" if self.effect == "repeat" else "unknown"), outcome

    def trouble(self, code: str) -> None:
        """The provider is to blame: it failed or was slow. Enough of these open its breaker."""
        self._trouble = code

    def failed(self, error: BaseException) -> None:
        """The block was left with an error. Where nobody answered, what happened is unknown unless a repeat is free."""
        if self._outcome == "ok":
            self._outcome = getattr(error, "code", None) or type(error).__name__
        if self._end is None and not self._answered:
            self._end = "unanswered" if self.effect == "repeat" else "unknown" if self._may_have_been else "released"

    @property
    def _may_have_been(self) -> bool:
        return self.effect == "repeat" or self._sent or self.resumed

    def settlement(self) -> Settlement:
        """How the spend ends."""
        end: SpendEnd = self._end or ("settled" if self._may_have_been else "released")
        outcome, ref = _plain(self._outcome), self.provider_ref and _plain(self.provider_ref)
        return Settlement(self.spend_id, end, outcome, dict(self._took), ref, self._trouble, self._token, self._step)

    @property
    def left_s(self) -> float:
        """Seconds until the call must have ended; what comes later is not waited for."""
        return max(0.0, self._until - monotonic())


@dataclass(slots=True)
class Spends:
    """The spends of one attempt with one provider. ``ended`` is what must be written with the attempt's result."""

    ledger: Ledger
    provider: str
    accounts: list[Account]
    product: str
    key: str
    job_id: int | None
    token: int | None
    on_behalf: str | None = None
    other_keys: list[list[Account]] = field(default_factory=list)
    """The accounts of the provider's other keys. A call is held on those of one key."""
    ended: list[Settlement] = field(default_factory=list)
    _under_way: dict[int, Call] = field(default_factory=dict)

    def abandon(self) -> None:
        """The attempt ends and does not wait for the calls that are still under way: they may have happened."""
        for call in self._under_way.values():
            call.unclear("the attempt ended before the call did")
            self.ended.append(call.settlement())
        self._under_way.clear()

    @asynccontextmanager
    async def call(
        self,
        operation: str,
        *,
        effect: Effect = "repeat",
        idempotency_key: str | None = None,
        window: timedelta | None = None,
        timeout: timedelta = timedelta(seconds=10),
        slow: timedelta | None = None,
        calls: int = 1,
        **amounts: int,
    ) -> AsyncIterator[Call]:
        """Hold, then let the block make the call.

        ``amounts`` is what it may take at most, by resource. ``window`` is how long the provider remembers the
        idempotency key of a `resend`; ``slow`` is from when on an answer is a trouble of the provider (half the timeout
        by default).

        Raises, before anything is sent, :class:`AccountBlocked` when an account has no room or a breaker is open,
        :class:`Fenced` when the attempt is no longer ours, :class:`Permanent` when a limit is missing.
        """
        held = checked({"calls": calls, **amounts})
        _check_texts(operation, idempotency_key, self.key, self.on_behalf)
        if effect in ("resend", "lookup") and idempotency_key is None:
            raise ValueError(f"{self.provider} {operation}: a call with the effect {effect!r} needs an idempotency key")
        asked_at = monotonic()
        try:
            accounts, verdict = await self._reserve(operation, effect, idempotency_key, window, timeout, held)
        except ProducerError as error:  # whoever waits must know for whom: the claim looks at the product's own only
            error.provider = error.provider or self.provider
            raise
        assert verdict.spend_id is not None
        first = accounts[0].limit if accounts else None
        mark = partial(self.ledger.mark_sent, verdict.spend_id, self.job_id, self.token)
        call = Call(
            verdict.spend_id, operation, effect, idempotency_key, first.credential if first else None, verdict.resumed,
            verdict.provider_ref, mark,
            asked_at + timeout.total_seconds() / 2, asked_at + timeout.total_seconds(), self.token, STEP.get(),
        )  # fmt: skip
        self._under_way[call.spend_id] = call
        end_span = traces.begin(
            "call",
            provider=self.provider,
            operation=operation,
            spend=call.spend_id,
            effect=effect,
            product=self.product,
        )
        try:
            if effect == "repeat":
                await call.sending()
            begun = monotonic()
            with about(spend=call.spend_id):
                yield call
            if monotonic() - begun > (timeout / 2 if slow is None else slow).total_seconds():
                call.trouble("slow")
            end_span(None)
        except BaseException as error:
            end_span(error)
            call.failed(error)
            if isinstance(error, ProducerError):
                error.provider = error.provider or self.provider
                error.subject = error.subject or (first.subject if first and first.key_of else None)
            raise
        finally:
            if self._under_way.pop(call.spend_id, None) is not None:
                self.ended.append(call.settlement())
            if any(account.limit.closes == "release" for account in accounts):
                await self.ledger.release_places(call.spend_id)

    async def _reserve(
        self,
        operation: str,
        effect: Effect,
        idempotency_key: str | None,
        window: timedelta | None,
        timeout: timedelta,
        held: Mapping[str, int],
    ) -> tuple[list[Account], Verdict]:
        """Held on the accounts of one key: the first in turn that has room. Raises as :meth:`call`."""
        full: list[tuple[Intent, Verdict]] = []
        for accounts in self._in_turn(effect):
            intent, verdict = await self._ask(accounts, operation, effect, idempotency_key, window, timeout, held)
            if verdict.spend_id is not None:
                return accounts, verdict
            if verdict.word not in NO_ROOM:
                await self._refused(intent, verdict)
            full.append((intent, verdict))
        for _, verdict in full:
            await self._tell_full(verdict)
        await self._refused(*min(full, key=lambda one: one[1].opens_in))
        raise AssertionError("a refusal raises")

    def _in_turn(self, effect: Effect) -> list[list[Account]]:
        """The keys in the order in which they are asked. What may come back as the same call stays with the first: only
        the key that has made a call can be asked about it.
        """
        keys = [self.accounts, *self.other_keys]
        if len(keys) == 1 or effect != "repeat":
            return keys[:1]
        first = next(self.ledger.turn) % len(keys)
        return keys[first:] + keys[:first]

    async def _ask(
        self,
        accounts: list[Account],
        operation: str,
        effect: Effect,
        idempotency_key: str | None,
        window: timedelta | None,
        timeout: timedelta,
        held: Mapping[str, int],
    ) -> tuple[Intent, Verdict]:
        """What the ledger says to a hold on these accounts, of the periods that run now."""
        for _ in range(MOST_TURNS):
            intent = Intent(
                self.job_id, self.token, self.product, self.key, self.provider, operation, self.on_behalf, effect,
                idempotency_key, window, timeout, held, legs(self.provider, accounts, held),
            )  # fmt: skip
            verdict = await self.ledger.reserve_or_abandon(intent)
            if verdict.word != "turned":
                return intent, verdict
            for place, account in enumerate(accounts):
                if account.id == verdict.account_id:
                    accounts[place] = await self.ledger.next_period(account)
        raise Permanent(
            f"{self.provider} {operation}: the period of its accounts ends again and again; are two zones set for one?",
            code="limit_missing",
        )

    async def _refused(self, intent: Intent, verdict: Verdict) -> None:
        what = f"{self.provider} {intent.operation}"
        match verdict.word:
            case "fenced":
                raise Fenced(f"The attempt at {self.product} {self.key} is no longer this worker's.")
            case "expired":
                raise Permanent(
                    f"{what} may have been made already and cannot be repeated safely: see the calls in doubt "
                    f"(`openbell spends list --unknown`), its key is {intent.idempotency_key}.",
                    code="outcome_unknown",
                )
            case "made":
                raise Permanent(
                    f"{what} was made already, under the key {intent.idempotency_key}, and is not made twice.",
                    code="already_made",
                )
            case "missing":
                raise Permanent(
                    f"{what}: there is no account for it, and a missing limit blocks; set its limits.",
                    code="limit_missing",
                )
            case "too_big" if self._granted(verdict) == 0:
                raise Permanent(
                    f"{what}: nothing may be spent, the limit of {self._name(verdict)} is 0; set a budget.",
                    code="limit_missing",
                )
            case "too_big":
                raise Permanent(
                    f"{what} needs more than {self._name(verdict)} ever allows; raise the limit.",
                    code="limit_too_small",
                )
            case "busy":
                raise Waiting(f"{what}: another attempt makes this call right now.", retry_after=verdict.opens_in)
            case "retired":
                raise NotInPlan(
                    f"{what} was refused as not in the plan; it is tried again in {verdict.opens_in.days} days.",
                    code="endpoint_not_in_plan",
                    retry_after=verdict.opens_in,
                )
            case "open":
                raise AccountBlocked(
                    f"Waiting: the breaker of {self.provider} is open.", opens_in=verdict.opens_in, gated=True
                )
        await self._no_room(verdict)

    async def _no_room(self, verdict: Verdict) -> None:
        """The claim knows of a full window of the provider and takes no such work; for the rest the job waits itself.

        A budget that has no room for this call may have some for a cheaper one, so that nobody else waits for it.
        """
        reason, opens_in = f"the limit of {self._name(verdict)} is used up", verdict.opens_in
        if verdict.word == "reserved":
            reason = f"what is left of {self._name(verdict)} is kept for more urgent work"
            opens_in += RESERVED_SPREAD * random.random()  # noqa: S311 -- no secret
        raise AccountBlocked(
            f"Waiting: {reason}.",
            opens_in=opens_in,
            gated=self._is_gated(verdict),
            keys=bool(self.other_keys),
        )

    async def _tell_full(self, verdict: Verdict) -> None:
        """Let the claim know of a window of the provider that is full."""
        if self._is_gated(verdict) and verdict.word == "full":
            assert verdict.account_id is not None
            assert verdict.frees_at is not None
            reason = f"the limit of {self._name(verdict)} is used up"
            await self.ledger.block(verdict.account_id, verdict.frees_at, reason)

    def _is_gated(self, verdict: Verdict) -> bool:
        account = self._account(verdict)
        ours = account is not None and self.provider in (account.limit.subject, account.limit.key_of)
        ages = account is not None and account.limit.closes == "age"
        return ours and ages and verdict.frees_at is not None and verdict.word in ("full", "paused")

    def _account(self, verdict: Verdict) -> Account | None:
        every = (account for accounts in (self.accounts, *self.other_keys) for account in accounts)
        return next((account for account in every if account.id == verdict.account_id), None)

    def _granted(self, verdict: Verdict) -> int | None:
        account = self._account(verdict)
        return account.limit.granted if account else None

    def _name(self, verdict: Verdict) -> str:
        account = self._account(verdict)
        return account.name if account else self.provider


def _column(values: list[Any]) -> list[Any]:
    """A column of a batch; unnest fills up an empty one with nulls, and nothing needs to be encoded."""
    return values if values.count(None) < len(values) else []


def _plain(text: str) -> str:
    """Words of a provider as the database can store them: no NUL, no half characters, not endless."""
    return text[:LONGEST_TEXT].replace("\x00", "").encode("utf-8", "replace").decode()


def _check_texts(*texts: str | None) -> None:
    """Refuse what the database cannot store, before it spoils the batch of others. Raises :class:`Permanent`."""
    for text in filter(None, texts):
        if len(text) > LONGEST_TEXT:
            raise Permanent(
                f"{text[:40]!r}… has {len(text):,} characters; {LONGEST_TEXT} are allowed.", code="invalid_request"
            )
        try:
            text.encode()
        except UnicodeEncodeError:
            broken = True
        else:
            broken = "\x00" in text
        if broken:
            raise Permanent(
                f"{text[:40]!r} cannot be stored: it holds a NUL or half a character.", code="invalid_request"
            )
