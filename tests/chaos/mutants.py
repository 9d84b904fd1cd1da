"""The engine broken on purpose. Each mutant must make the checker find something, or the checker proves nothing.

A mutant changes the text of database functions or of statements. What it replaces must be there: when the engine moves
on, the mutant says that it no longer fits instead of quietly changing nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg

from openbell.postgres.queries import Queries
from tests.chaos import money

Changes = Mapping[str, Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One way to break the engine: replacements by function and by statement, and what is executed first."""

    rule: str
    """The promise that it breaks, in the checker's words."""
    functions: Changes = field(default_factory=dict)
    statements: Changes = field(default_factory=dict)
    ddl: Sequence[str] = ()
    code: Callable[[], None] | None = None
    """Changes the engine's Python, in a process of its own."""
    plan: Mapping[str, Any] = field(default_factory=dict)
    """What it needs to show, beside what all get."""


FREEZE = {"weights": {"freeze": 1}, "fault_every_s": 0.4, "workers": 4, "exactly": 1.0, "seconds": 20}
EXPIRED = "w.expires_at <= openbell.now() and not w.gone and w.id <> $1"
TAKEN = "from picked, clock, claim, open_product p"
LOOKED = "limit $4\n), moment as materialized (\n    select pg_sleep(0.2) from (select count(*) from picked) as looked"
"""Without locks, a moment between looking and taking: two that look at once are then sure to take the same."""
UNIQUE = ("on conflict (product, key) do update", "on conflict (id) do update")

MUTANTS: Mapping[str, Mutant] = {
    "publish ignores the token": Mutant(
        "published under the token that holds the job",
        functions={"publish": [("where id = p_job and token = p_token for update", "where id = p_job for update")]},
        plan=FREEZE,
    ),
    "steps are saved without the token": Mutant(
        "steps are saved under the token that holds the job",
        functions={"save_step": [("j.id = p_job and j.token = p_token", "j.id = p_job")]},
        plan=FREEZE | {"acts": {"want_report": 60}},
    ),
    "rescue takes live leases": Mutant(
        "leases in force are respected",
        functions={"rescue": [("and w.expires_at > openbell.now()", "and false")]},
        statements={"beat_worker": [(EXPIRED, "true")]},
    ),
    "nobody is rescued": Mutant(
        "leases end",
        statements={"rescue_jobs": [("rescue($1)", "rescue($1 * 0)")]},
        plan={"quiet_s": 8, "weights": {"kill": 1}},
    ),
    "claims do not lock": Mutant(
        "one attempt at a time",
        statements={"claim_jobs": [("limit $4 for update skip locked", LOOKED), (TAKEN, TAKEN + ", moment")]},
        plan={"weights": {"kill": 1}, "fault_every_s": 5, "seconds": 20},
    ),
    "some jobs end without history": Mutant(
        "no accepted job is lost",
        functions={"finish": [("p_message, p_job.trail;", "p_message, p_job.trail where p_job.id % 10 > 0;")]},
    ),
    "bundles are finished twice": Mutant(
        "accepted jobs end once",
        statements={"finish_tasks": [("from gone g, (", "from gone g, generate_series(1, 2), (")]},
    ),
    "bundles ignore the token": Mutant(
        "each effect of a finished step happened under its token",
        statements={"finish_tasks": [("and j.token = $2", "and $2::bigint is not null")]},
        plan=FREEZE | {"acts": {"count": 90, "want_quotes": 10}, "seconds": 10},
    ),
    "cancelling is forgotten": Mutant(
        "cancelled jobs end as cancelled",
        functions={"cancel_job": [("update openbell.job set cancelled_by = p_actor where id = p_job;", "")]},
    ),
    "windows end too early": Mutant(
        "windows are never exceeded",
        functions={"settle": [("else e.at + a.span end as frees_at", "else e.at end as frees_at")]},
        plan={"calls": 10},
    ),
    "holds are never given back": Mutant(
        "accounts add up",
        functions={"settle": [("where c.closes <> 'age' or c.taken < c.held", "where false")]},
    ),
    "seats are not counted": Mutant(
        "seats are never exceeded",
        functions={"full_limit": [("where case l.scope", "where false and case l.scope")]},
        plan={"seats": True},
    ),
    "keys are not unique": Mutant(
        "one live job a key",
        statements={"sweep_demand": [UNIQUE], "enqueue_jobs": [UNIQUE], "merge_jobs": [UNIQUE]},
        functions={"retry_job": [(UNIQUE[0] + " set parked_until", UNIQUE[1] + " set parked_until")]},
        ddl=["drop index openbell.job_key"],
    ),
    "finished steps are forgotten": Mutant(
        "finished steps do not run again",
        statements={"load_steps": [("on s.job_id = j.id", "on s.job_id = j.id and false")]},
    ),
    "unknown purchases are made again": Mutant(
        "a call that must not be repeated is made once",
        functions={
            "end_attempt": [("s.state = 'unknown' and (", "s.state = 'unknown' and false and (")],
        },
        plan={
            "acts": {"mail": 60, "many": 0, "count": 1},
            "weights": {"kill": 1},
            "fault_every_s": 0.6,
            "latency_s": 0.6,
            "workers": 4,
            "quiet_s": 6,
        },
    ),
}


STATEMENTS: dict[str, Any] = {"where": ("statement",)}
WIRE: dict[str, Any] = {"where": ("wire",)}

MONEY: Mapping[str, Mutant] = {
    "money is settled before the result is published": Mutant(
        "what must not be repeated is bought once", code=money.settle_first, plan=STATEMENTS | {"kinds": ("bare",)}
    ),
    "a resumed call gets a new key": Mutant(
        "what has a key is bought once", code=money.new_key_each_time, plan=WIRE | {"kinds": ("keyed",)}
    ),
    "the mark before the request is skipped": Mutant(
        "what must not be repeated is bought once",
        functions={"mark_sent": [("set state = 'sent', sent_at", "set sent_at")]},
        plan=WIRE | {"kinds": ("paid",)},
    ),
    "the hold of an unknown call is freed": Mutant(
        "accounts tell the same as spends",
        functions={"settle": [("not (e.state in ('unknown', 'under_way') and a.closes = 'charge')", "true")]},
        plan=WIRE | {"kinds": ("paid",)},
    ),
    "publishing does not settle": Mutant(
        "every doubtful call is visible",
        functions={"publish": [("perform openbell.settle(p_ended);", "")]},
        plan=WIRE | {"kinds": ("keyed",)},
    ),
    "what may have happened is given back": Mutant(
        "what must not be repeated is bought once",
        functions={"lost_call": [("else 'unknown' end", "else 'released' end")]},
        plan=WIRE | {"kinds": ("paid",)},
    ),
    "a step settles what others have bought": Mutant(
        "what must not be repeated is bought once", code=money.settle_others, plan=STATEMENTS | {"kinds": ("bare",)}
    ),
    "a provider is asked too early": Mutant(
        "what has a key is bought once",
        functions={"reserve": [("or asked.on_its_way_until > v_now then", "then")]},
        plan=WIRE | {"kinds": ("asked",)},
    ),
    "who stood still sends all the same": Mutant(
        "who stood still does not send",
        code=money.send_asleep,
        plan=STATEMENTS | {"kinds": ("asked",), "how": "stop", "thaw": 9},
    ),
    "a run whose name was lost is submitted again": Mutant(
        "what must not be repeated is bought once", code=money.submit_again, plan=WIRE | {"kinds": ("research",)}
    ),
    "a batch is made without its key": Mutant(
        "what has a key is bought once", code=money.batch_again, plan=WIRE | {"kinds": ("batch",)}
    ),
    "a mail leaves without its mark": Mutant(
        "what must not be repeated is bought once", code=money.mail_unmarked, plan=WIRE | {"kinds": ("mail",)}
    ),
    "what a call took is not told": Mutant(
        "spends cost what the provider charged", code=money.trust_the_hold, plan=WIRE | {"kinds": ("keyed",)}
    ),
}
"""What must be noticed in the books. ``plan`` names the fates that show it: kinds of jobs, places, and how they end."""

UNLOCKED = "accounts are not locked"
SIEGE: Mapping[str, Mutant] = {
    UNLOCKED: Mutant(
        "sums are exact in every snapshot",
        functions={"reserve": [("order by a.id for no key update;", "order by a.id;")]},
        ddl=["alter table openbell.account drop constraint account_check"],
    ),
    "windows end too early": replace(MUTANTS["windows end too early"], rule="no limit was ever exceeded"),
    "holds are never given back": replace(
        MUTANTS["holds are never given back"], rule="sums are exact in every snapshot"
    ),
}
"""What must be noticed when many take what they can get."""


def change_statements(name: str | None) -> None:
    """Make this process use the mutant's statements instead of the engine's."""
    if name is None:
        return
    changes, original = _find(name).statements, Queries.get
    changed = {
        statement: _replaced(original(Queries("openbell.engine"), statement), changes[statement])
        for statement in changes
    }

    def get(self: Queries, statement: str) -> str:
        return changed.get(statement) or original(self, statement)

    Queries.get = get  # type: ignore[method-assign]


def change_code(name: str | None) -> None:
    """Make this process run the mutant's code instead of the engine's, for good."""
    if name is not None and (change := _find(name).code) is not None:
        change()


def restore_statements() -> None:
    """Back to the engine's own, for a process that goes on."""
    Queries.get = _ORIGINAL  # type: ignore[method-assign]


_ORIGINAL: Any = Queries.get


async def change_functions(connection: asyncpg.Connection, name: str | None) -> None:
    """Break the functions of a test database."""
    if name is None:
        return
    for function, changes in _find(name).functions.items():
        text = await connection.fetchval("select pg_get_functiondef(('openbell.' || $1)::regproc)", function)
        await connection.execute(_replaced(text, changes))
    for statement in _find(name).ddl:
        await connection.execute(statement)


def _find(name: str) -> Mutant:
    return {**SIEGE, **MONEY, **MUTANTS}[name]


def _replaced(text: str, changes: Sequence[tuple[str, str]]) -> str:
    for old, new in changes:
        assert old in text, f"the engine no longer says {old!r}; mend the mutant"
        text = text.replace(old, new)
    return text
