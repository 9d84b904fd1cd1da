"""Ledger and spends against a model of them in plain Python: whatever is done in whatever order, both tell the same.

The database is real; only its clock stands still between the moves, so that every edge is met exactly. The model knows
what the docstrings of `reserve` and `settle` promise, and nothing of how they do it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from openbell.engine.attempt import Claim
from openbell.engine.books import list_books
from openbell.engine.database import SQL
from openbell.engine.ledger import Account, Limit, ensure_account
from openbell.engine.spends import Intent, Settlement, Verdict
from openbell.postgres.pool import open_pool
from tests.engine.hand import Hand, declare, rescue

BEGIN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SPAN, GRAIN, TIMEOUT, WINDOW = 60, 10, 10, 100
GRACE = 5
LIMITS = (
    Limit("shop", "calls", "window", 8, span=timedelta(seconds=SPAN), floors={"interactive": 2}),
    Limit("shop", "bytes", "window", 120, span=timedelta(seconds=SPAN), grain=timedelta(seconds=GRAIN)),
    Limit("shop", "runs", "at once", 3, closes="release"),
    Limit("shop", "usd_micro", "ever", 900, closes="charge"),
    Limit("shop", "usd_micro", "day", 400, closes="charge", calendar="day"),
)
NAMES = tuple(f"{limit.resource} {limit.period}" for limit in LIMITS)
CLASSES = {"number": 0, "slow": 50}
"""The products whose jobs spend, and their class; what the floor keeps, it keeps from the second."""


WISHES = st.fixed_dictionaries(
    {
        "product": st.sampled_from([*CLASSES, *CLASSES, None]),
        "effect": st.sampled_from(["repeat", "resend", "lookup", "never"]),
        "key": st.sampled_from(["k1", "k2", "k3"]),
        "held": st.fixed_dictionaries(
            {"calls": st.integers(1, 3), "usd_micro": st.sampled_from([0, 30, 100, 100, 350, 401])},
            optional={"bytes": st.integers(1, 60), "runs": st.just(1)},
        ),
        "stale": st.integers(0, 19).map(lambda n: n == 0),
    }
)
ENDS = st.tuples(
    st.integers(0, 50),
    st.sampled_from(["settled", "settled", "unanswered", "released", "refused", "under_way", "unknown"]),
    st.fixed_dictionaries({}, optional={"usd_micro": st.sampled_from([0, 29, 100, 500]), "bytes": st.integers(0, 90)}),
    st.sampled_from(["ours", "ours", "ours", "nobody's", "another's"]),
)


@dataclass
class Due:
    """What an account counts of calls that have ended, until then."""

    at: int
    amount: int
    charged: int = 0
    excess: int = 0


@dataclass
class Purse:
    """An account, in the model."""

    name: str
    id: int
    limit: int
    closes: str
    resource: str
    ends_at: int | None = None
    extra: int = 0
    spent: int = 0
    overrun: int = 0
    due: list[Due] = field(default_factory=list)

    @property
    def most(self) -> int:
        """What is granted in all."""
        return self.limit + self.extra

    def age(self, now: int) -> None:
        """Somebody looks at it and takes off what is due."""
        self.spent += sum(due.charged for due in self.due if due.at <= now)
        self.due = [due for due in self.due if due.at > now]

    def view(self, now: int, held: int) -> tuple[int, int, int, int]:
        """Granted, held, spent, overrun, as everybody is told them."""
        left = [due for due in self.due if due.at > now]
        spent = self.spent + sum(due.charged for due in self.due if due.at <= now)
        return self.most, held + sum(d.amount for d in left), spent, self.overrun + sum(d.excess for d in left)

    def room(self, now: int, held: int) -> int:
        """What can be taken."""
        most, held, spent, overrun = self.view(now, held)
        return most - held - spent - overrun


@dataclass
class Bought:
    """A spend, in the model."""

    id: int
    job: int | None
    token: int | None
    effect: str
    key: str | None
    state: str
    tried_at: int
    held: dict[str, int]
    resend_until: int | None
    holds: dict[int, int] = field(default_factory=dict)
    took: dict[str, int] = field(default_factory=dict)
    ref: str | None = None
    cost: int = 0
    charged: bool = False
    under_way: bool = False

    @property
    def open(self) -> bool:
        """Whether nobody has ended it."""
        return self.state in ("intended", "sent")

    @property
    def may_have_been(self) -> bool:
        """Whether the provider may have seen it."""
        return self.state in ("sent", "settled", "unknown")


class LedgerMachine(RuleBasedStateMachine):
    """The moves. Each is made in the database and in the model, and what both answer is compared."""

    def __init__(self, runner: asyncio.Runner, pool: asyncpg.Pool) -> None:
        super().__init__()
        self.do, self.pool, self.now = runner.run, pool, 0
        self.keys = itertools.count(1)
        self.spends: dict[int, Bought] = {}
        self.jobs: dict[str, Claim] = {}
        self.limits = dict(zip(NAMES, LIMITS, strict=True))
        self.do(self._clear())
        self.hand = self.do(Hand.hire(pool, *(declare(name, max_attempts=100) for name in CLASSES)))
        self.do(pool.execute("update openbell.worker set expires_at = 'infinity'"))
        self.purses: dict[int, Purse] = {}
        self.current = {name: self._ensure(name) for name in NAMES}
        for name in CLASSES:
            self._job(name)

    async def _clear(self) -> None:
        await self.pool.execute(
            "truncate openbell.aging, openbell.hold, openbell.spend, openbell.account, openbell.job, openbell.worker,"
            " openbell.cooldown, openbell.demand cascade"
        )
        await self.pool.execute("update openbell.clock set shift = '0'")

    def _ensure(self, name: str) -> int:
        """The account of a limit in the period of now, there and in the model."""
        limit = self.limits[name]
        account: Account = self.do(ensure_account(self.pool, limit))
        ends_at = (self.now // 86_400 + 1) * 86_400 - 43_200 if limit.calendar else None
        if ends_at is not None and ends_at <= self.now:
            ends_at += 86_400
        fresh = Purse(name, account.id, limit.granted, limit.closes, limit.resource, ends_at)
        self.purses.setdefault(account.id, fresh).limit = limit.granted
        return account.id

    def _job(self, product: str) -> None:
        """One more job of a product, claimed."""
        key = f"K{next(self.keys)}"
        insert = "insert into openbell.job (product, key, job_class, max_attempts) values ($1, $2, $3, 100)"
        self.do(self.pool.execute(insert, product, key, CLASSES[product]))
        self._claim(product)

    def _claim(self, product: str) -> None:
        row = self.do(self.pool.fetchrow(SQL.get("claim_jobs"), [product], [CLASSES[product]], self.hand.id, 1))
        assert row is not None
        self.jobs[product] = Claim(**row)

    def _held(self, account: int) -> int:
        return sum(spend.holds.get(account, 0) for spend in self.spends.values())

    # Reserving

    @rule(wishes=st.lists(WISHES, min_size=1, max_size=5))
    def reserve(self, wishes: list[dict[str, Any]]) -> None:
        """Ask for spends, one after the other."""
        for wish in wishes:
            self._reserve(**wish)

    def _reserve(self, product: str | None, effect: Any, key: str, held: dict[str, int], stale: bool) -> None:
        keyed = key if effect in ("resend", "lookup") else None
        claim = self.jobs[product] if product else None
        token = None if claim is None else claim.token - 1 if stale else claim.token
        legs = [(self.current[name], held.get(limit.resource, 0)) for name, limit in self.limits.items()]
        window = timedelta(seconds=WINDOW) if effect == "resend" else None
        intent = Intent(
            claim and claim.id, token, product or "number", "a", "shop", "buy", None, effect, keyed, window,
            timedelta(seconds=TIMEOUT), held, [leg for leg in legs if leg[1]],
        )  # fmt: skip
        got: Verdict = self.do(self.hand.ledger.reserve(intent))
        earlier = next((one for one in self.spends.values() if keyed and one.key == keyed), None)
        for account, _ in intent.legs:
            self.purses[account].age(self.now)
        word = self._verdict(intent, earlier)
        assert got.word == word, (got, word, earlier)
        if word == "ok":
            assert got.spend_id is not None
            assert got.resumed == (earlier is not None and earlier.may_have_been)
            assert got.provider_ref == (earlier and earlier.ref)
            self._intend(got.spend_id, intent, earlier)
        elif word == "turned":
            self.current["usd_micro day"] = self._ensure("usd_micro day")

    def _amounts(self, intent: Intent, earlier: Bought | None) -> dict[int, int]:
        """What it takes of each account now: money once for each key, and nothing that is held for it already."""
        amounts = {}
        for account, amount in intent.legs:
            paid = earlier is not None and earlier.may_have_been and self.purses[account].closes == "charge"
            amounts[account] = 0 if paid or (earlier and account in earlier.holds) else amount
        return amounts

    def _verdict(self, intent: Intent, earlier: Bought | None) -> str:
        claim = next((one for one in self.jobs.values() if one.id == intent.job_id), None)
        if claim is not None and claim.token != intent.token:
            return "fenced"
        if earlier is not None and (word := self._again(intent, earlier)):
            return word
        amounts = self._amounts(intent, earlier).items()
        purses = {account: self.purses[account] for account, _ in amounts}
        if any((end := purse.ends_at) is not None and end <= self.now for purse in purses.values()):
            return "turned"
        if any(amount > purses[account].most for account, amount in amounts):
            return "too_big"
        room = {account: purses[account].room(self.now, self._held(account)) for account, _ in amounts}
        if any(amount > 0 and amount > room[account] for account, amount in amounts):
            return "full"
        job_class = CLASSES.get(claim.product, 0) if claim else 0
        kept = {account: 2 if purses[account].name == NAMES[0] and job_class > 0 else 0 for account in room}
        if any(amount > 0 and amount > room[account] - kept[account] for account, amount in amounts):
            return "reserved"
        return "ok"

    def _again(self, intent: Intent, earlier: Bought) -> str | None:
        """What speaks against making the call of a key again."""
        tokens = {one.id: one.token for one in self.jobs.values()}
        if earlier.open and earlier.job in tokens and tokens[earlier.job] == earlier.token:
            return "busy"
        on_its_way = earlier.state in ("sent", "unknown") and earlier.ref is None
        if intent.effect == "lookup" and on_its_way and earlier.tried_at + TIMEOUT > self.now:
            return "busy"
        nobodys = earlier.open and earlier.job is None and not earlier.under_way
        if nobodys and earlier.tried_at + TIMEOUT > self.now:
            return "busy"
        late = intent.effect == "resend" and earlier.resend_until is not None and earlier.resend_until <= self.now
        if earlier.may_have_been and (late or intent.effect == "never"):
            return "made" if earlier.state == "settled" else "expired"
        return None

    def _intend(self, spend_id: int, intent: Intent, earlier: Bought | None) -> None:
        amounts = self._amounts(intent, earlier)
        until = self.now + WINDOW if intent.effect == "resend" else None
        spend = Bought(
            spend_id, intent.job_id, intent.token, intent.effect, intent.idempotency_key, "intended", self.now,
            dict(intent.held), until,
        )  # fmt: skip
        if earlier is not None:
            assert earlier.id == spend_id
            again = earlier.may_have_been
            spend = replace(
                earlier, job=intent.job_id, token=intent.token, tried_at=self.now, under_way=False,
                state="sent" if again else "intended", held=earlier.held if again else dict(intent.held),
                resend_until=earlier.resend_until if again else until,
            )  # fmt: skip
        for account, amount in amounts.items():
            if amount:
                spend.holds[account] = spend.holds.get(account, 0) + amount
        self.spends[spend_id] = spend

    # Calling and ending

    def _chosen(self, number: int, *states: str) -> Bought | None:
        found = [spend for spend in self.spends.values() if spend.state in states]
        return found[number % len(found)] if found else None

    @rule(numbers=st.lists(st.integers(0, 50), min_size=1, max_size=3))
    def mark(self, numbers: list[int]) -> None:
        """Requests leave."""
        for number in numbers:
            if (spend := self._chosen(number, "intended", "sent")) is not None:
                self._mark(spend)

    def _mark(self, spend: Bought) -> None:
        ours = spend.job is None or any(one.token == spend.token for one in self.jobs.values() if one.id == spend.job)
        ours = ours and (spend.job is None or spend.token is not None)
        assert self.do(self.hand.ledger.mark_sent(spend.id, spend.job, spend.token)) == ours
        if ours:
            spend.state = "sent"

    @rule(ends=st.lists(ENDS, min_size=1, max_size=3))
    def settle(self, ends: list[tuple[int, Any, dict[str, int], str]]) -> None:
        """Somebody ends spends; one that is not his, or has ended, stays as it is."""
        for end in ends:
            self._settle(*end)

    def _settle(self, number: int, state: Any, took: dict[str, int], whose: str) -> None:
        spend = self._chosen(number, "intended", "sent") or self._chosen(number, "settled", "unknown")
        if spend is None:
            return
        ref = f"r{spend.id}" if state == "under_way" else None
        token = {"ours": spend.token, "nobody's": None, "another's": 1}[whose]
        self.do(self.hand.ledger.settle([Settlement(spend.id, state, state, took, ref, token=token)]))
        if spend.open and (token is None or token == spend.token):
            self._end(spend, state, took, ref)

    def _end(self, spend: Bought, state: str, took: dict[str, int], ref: str | None = None) -> None:
        for account, held in list(spend.holds.items()):
            purse = self.purses[account]
            if purse.closes != "charge" or state not in ("unknown", "under_way"):
                del spend.holds[account]
                self._close(purse, spend, held, state, took)
        kept = ("usd_micro",) if spend.charged else ()
        spend.took |= {name: amount for name, amount in took.items() if name not in kept}
        if state == "refused":
            spend.took = {"calls": spend.held["calls"]} | spend.took
        if not spend.charged:
            told = took.get("usd_micro", spend.held["usd_micro"])
            spend.cost = 0 if state in ("released", "refused") else told
        spend.charged |= state in ("settled", "unanswered")
        spend.ref = ref or spend.ref
        spend.state = {"unanswered": "settled", "refused": "released", "under_way": "sent"}.get(state, state)
        spend.under_way = state == "under_way"
        if spend.under_way:
            spend.token = None

    def _close(self, purse: Purse, spend: Bought, held: int, state: str, took: dict[str, int]) -> None:
        """One hold of a spend ends."""
        taken = took.get(purse.resource, held)
        if state == "released" or purse.closes == "release" or (state == "refused" and purse.closes == "charge"):
            taken = 0
        elif state == "unknown":
            taken = held
        end = max(self.now, spend.tried_at + TIMEOUT if state in ("unknown", "unanswered") else self.now)
        used, excess = min(taken, held), max(taken - held, 0)
        if purse.closes == "age":
            frees = end + SPAN if purse.resource == "calls" else (end + SPAN + GRAIN) // GRAIN * GRAIN
            purse.due += [Due(frees, used, excess=excess), Due(self.now, held - used)]
        else:
            purse.due.append(Due(self.now, held, charged=used if purse.closes == "charge" else 0))
            purse.overrun += excess

    @precondition(lambda self: any(one.open for one in self.spends.values()))
    @rule(product=st.sampled_from(list(CLASSES)), kind=st.sampled_from(["crash", "crash", "release"]))
    def lose(self, product: str, kind: str) -> None:
        """The process of an attempt is gone, or it ends without having ended its calls; another attempt begins."""
        claim = self.jobs[product]
        lost = [one for one in self.spends.values() if one.open and (one.job, one.token) == (claim.id, claim.token)]
        if kind == "crash":
            self.do(self._crash(claim))
        else:
            self.do(self.hand.end(claim, "release"))
        for spend in lost:
            self._end(spend, "released" if spend.effect != "repeat" and spend.state == "intended" else "unknown", {})
        doubtful = any(
            one.state == "unknown"
            and (one.effect == "never" or (one.effect == "resend" and (one.resend_until or 0) <= self.now))
            for one in self.spends.values()
            if one.job == claim.id
        )
        live = self.do(self.pool.fetchval("select exists (select 1 from openbell.job where id = $1)", claim.id))
        assert live == (not doubtful)
        self.do(self.pool.execute("update openbell.job set parked_until = null"))
        if live:
            self._claim(product)
        else:
            self._job(product)

    async def _crash(self, claim: Claim) -> None:
        other = await self.pool.fetchval(
            "insert into openbell.worker (name, slots, expires_at) values ('gone', 1, '-infinity') returning id"
        )
        await self.pool.execute("update openbell.job set worker = $2 where id = $1", claim.id, other)
        await rescue(self.pool)

    @precondition(lambda self: any(one.open for one in self.spends.values()))
    @rule()
    def recover(self) -> None:
        """Recovery goes its round."""
        tokens = {one.id: one.token for one in self.jobs.values()}
        lost = [
            one
            for one in self.spends.values()
            if one.open
            and one.tried_at + TIMEOUT + GRACE < self.now
            and not (one.job in tokens and (tokens[one.job] == one.token or (one.token is None and one.ref)))
        ]
        recovered = self.do(self.pool.fetchval("select openbell.recover_spends($1)", timedelta(seconds=GRACE)))
        assert recovered == len(lost)
        for spend in lost:
            self._end(spend, "released" if spend.effect != "repeat" and spend.state == "intended" else "unknown", {})

    @precondition(lambda self: any(one.state == "unknown" for one in self.spends.values()))
    @rule(number=st.integers(0, 50), happened=st.booleans(), cost=st.sampled_from([None, 0, 90, 600]))
    def resolve(self, number: int, happened: bool, cost: int | None) -> None:
        """An operator says what became of a call."""
        spend = self._chosen(number, "unknown", "unknown", "settled")
        assert spend is not None
        cost = cost if happened else None
        ask = "select openbell.resolve_spend($1, $2, $3, 'as I know', 'somebody')"
        said = self.do(self.pool.fetchval(ask, spend.id, happened, cost))
        if spend.state != "unknown":
            assert said == spend.state
        elif spend.charged and (cost is not None or not happened):
            assert said == "charged"
        else:
            assert said == "resolved"
            took = spend.took | ({} if cost is None else {"usd_micro": cost})
            self._end(spend, "settled" if happened else "released", took)

    # Limits and time

    @rule(name=st.sampled_from(NAMES), share=st.sampled_from([0.5, 1.0, 1.0, 1.5, 0.2, 0.0]))
    def limit(self, name: str, share: float) -> None:
        """An operator sets another limit."""
        whole = LIMITS[NAMES.index(name)].granted
        self.limits[name] = replace(self.limits[name], granted=round(whole * share))
        self.current[name] = self._ensure(name)

    @rule(name=st.sampled_from(NAMES), amount=st.sampled_from([-50, -2, 2, 50]))
    def grant(self, name: str, amount: int) -> None:
        """An operator grants more of an account, or takes some of it back."""
        purse = self.purses[self.current[name]]
        purse.age(self.now)
        free = max(0, purse.room(self.now, self._held(purse.id)))
        row = self.do(
            self.pool.fetchrow(
                "select * from openbell.grant_account($1, $2, 'more', 'me', 1000000, 'x')", purse.id, amount
            )
        )
        assert row is not None
        if purse.ends_at is not None and purse.ends_at <= self.now:
            assert row["word"] == "turned"
        elif -amount > min(free, purse.extra):
            assert row["word"] == "too_much"
        else:
            assert row["word"] == "granted"
            purse.extra += amount

    @rule(seconds=st.sampled_from([1, 9, 10, 11, 15, 50, 59, 60, 61, 70, 100, 3_600, 43_200, 86_400]))
    def advance(self, seconds: int) -> None:
        """Time goes on."""
        self._move(seconds)

    @precondition(lambda self: self.now > 0)
    @rule(seconds=st.sampled_from([1, 10, 61, 90_000]))
    def step_back(self, seconds: int) -> None:
        """Somebody sets the clock back."""
        self._move(-seconds)

    def _move(self, seconds: int) -> None:
        self.now += seconds
        self.do(self.pool.execute("update openbell.clock set shift = make_interval(secs => $1)", self.now))

    @rule()
    def compact(self) -> None:
        """Upkeep makes one row of many."""
        self.do(self.pool.execute("select openbell.compact_aging()"))
        for purse in self.purses.values():
            if purse.name == NAMES[1]:
                purse.age(self.now)

    # What must be true after every move

    @invariant()
    def accounts_are_told_alike(self) -> None:
        told = {
            one.id: (one.granted, one.held, one.spent, one.overrun)
            for one in self.do(list_books(self.pool, ended=True))
        }
        assert told == {one.id: one.view(self.now, self._held(one.id)) for one in self.purses.values()}

    @invariant()
    def sums_are_exact(self) -> None:
        for row in self.do(self.pool.fetch(SUMS)):
            assert row["held"] == row["holds"] + row["aging"]
            assert row["held"] + row["spent"] <= row["granted"]

    @invariant()
    def spends_are_told_alike(self) -> None:
        rows = self.do(self.pool.fetch("select id, state::text as state, cost_micro, took from openbell.spend"))
        told = {row["id"]: (row["state"], row["cost_micro"], row["took"] or {}) for row in rows}
        assert told == {one.id: (one.state, one.cost, one.took) for one in self.spends.values()}


SUMS = """
select a.held, a.spent, a.granted,
    coalesce((select sum(h.amount) from openbell.hold h where h.account_id = a.id), 0) as holds,
    coalesce((select sum(g.amount) from openbell.aging g where g.account_id = a.id), 0) as aging
from openbell.account a
"""


@pytest.fixture
def still(dsn: str) -> Iterator[tuple[asyncio.Runner, asyncpg.Pool]]:
    """A database whose clock stands still unless it is moved, and a loop for many examples."""
    with asyncio.Runner() as runner:
        pool = runner.run(open_pool(dsn, name="model"))
        stop = (
            "create or replace function openbell.now() returns timestamptz language sql stable as"
            f" $$ select timestamptz '{BEGIN.isoformat()}' + (select shift from openbell.clock) $$"
        )
        runner.run(pool.execute(stop))
        yield runner, pool
        runner.run(pool.close())


@pytest.mark.slow
def test_ledger_and_model_tell_the_same(still: tuple[asyncio.Runner, asyncpg.Pool]) -> None:
    """PF-19 to PF-21, DC-1: verdicts, sums and ends of spends are what a model in plain Python predicts."""
    run_state_machine_as_test(
        lambda: LedgerMachine(*still),
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
