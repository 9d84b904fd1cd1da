"""What an operator may have done to the whole: the documents' endpoints, each with its level, its plan and its work.

Doors call :func:`run`: without a token what is dangerous answers with its plan, with one it is done, in one transaction
with its audit. What is ``staging_only`` is refused by the environment of the process and by the database's own stamp.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import asyncpg

from openbell.engine.confirm import Plan, Proposed, propose, take
from openbell.engine.database import SQL as ENGINE
from openbell.engine.errors import EngineError
from openbell.mail import control
from openbell.people.follows import followed
from openbell.postgres.queries import Queries
from openbell.products.digest import batches, reference
from openbell.products.digest.database import SQL as DIGEST
from openbell.products.digest.editions import DigestKey
from openbell.products.digest.morning import KEPT
from openbell.products.digest.requests import ask_for, make_again

SQL = Queries("openbell.products")

Level = Literal["safe", "confirm", "staging_only"]
Arguments = Mapping[str, Any]
KEPT_TABLES = (
    "meta", "migration", "migration_past", "backfill", "web_process", "audit", "confirmation", "clock", "duty",
    "worker", "backup",
    "product", "shape", "schedule", "occurrence", "session", "flag", "flag_rule", "challenge", "digest_policy",
    "account", "account_grant", "spend", "hold", "aging", "estimate", "estimated", "breaker", "seat_limit",
    "person", "visit", "api_token", "suppression", "alert_silence", "picks_attestation", "prefetch",
)  # fmt: skip
"""What a wipe leaves: how the house is set up, its books (what was spent stays spent), admins, who wants no mail."""
SAMPLE = 10
FIXED = 20_000
"""Deliveries or articles that one plan tells of and its call moves, at most; the next call moves the next."""


class RefusedHere(EngineError):
    """It is not done in production, nor in a database that says it is one."""

    code = "disabled_in_production"


class RefusedInput(EngineError):
    """What was given cannot be used; nothing was changed."""

    code = "invalid_request"


@dataclass(frozen=True, slots=True)
class Operation:
    """One of them: what it is for, what it would do, and doing it."""

    name: str
    level: Level
    about: str
    plan: Callable[[asyncpg.Connection, Arguments], Awaitable[Plan]]
    do: Callable[[asyncpg.Connection, Arguments, Plan, str], Awaitable[dict[str, Any]]]
    """Given the plan as it is in the same transaction: what it does, it does to ``Plan.which``."""


async def run(
    conn: asyncpg.Connection,
    operation: Operation,
    arguments: Arguments,
    *,
    actor: str,
    environment: str,
    token: str | None = None,
) -> Proposed | dict[str, Any]:
    """Plan it or do it; what was done, by name. Raises :class:`RefusedHere`, :class:`RefusedInput`, NotConfirmed."""
    async with conn.transaction():
        stamp = await conn.fetchval(SQL.get("read_stamp"))
        if operation.level == "staging_only" and (environment == "production" or stamp in (None, "production")):
            raise RefusedHere(f"{operation.name} is disabled in production, and in a database that is not stamped.")
        plan = await operation.plan(conn, arguments)
        if operation.level != "safe":
            if token is None:
                return await propose(conn, actor, operation.name, arguments, plan)
            await take(conn, token, actor, operation.name, arguments, plan)
        done = await operation.do(conn, arguments, plan, actor)
        await conn.execute(ENGINE.get("add_audit"), actor, operation.name, "done", {"plan": plan.as_json(), **done})
    return done


async def _plan_wipe(conn: asyncpg.Connection, _: Arguments) -> Plan:
    row = await conn.fetchrow(SQL.get("count_wiped"))
    assert row is not None
    return Plan("All results, jobs, mails, digests, reference data and people but the admins are deleted.", dict(row))


async def _wipe(conn: asyncpg.Connection, _: Arguments, __: Plan, ___: str) -> dict[str, Any]:
    return {"tables": await conn.fetchval(SQL.get("wipe_data"), list(KEPT_TABLES))}


async def _plan_import(conn: asyncpg.Connection, given: Arguments) -> Plan:
    rows, errors = reference.read_rows(str(given["csv"]))
    if errors or not rows:
        raise RefusedInput(f"Nothing was imported: {'; '.join(errors[:SAMPLE]) or 'the file has no row'}.")
    known = {one.ticker: one for one in await reference.list_references(conn)}
    added = [row.ticker for row in rows if row.ticker not in known]
    changed = [row.ticker for row in rows if row.ticker in known and known[row.ticker] != row]
    counts = {"added": len(added), "changed": len(changed), "unchanged": len(rows) - len(added) - len(changed)}
    names = [*added, *changed]
    replaced = [f"{name}: {known[name].as_row() if name in known else None}" for name in names]
    sentence = "The tickers in the file become what it says; others stay."
    return Plan(sentence, counts, names[:SAMPLE], which=replaced)


async def _import(conn: asyncpg.Connection, given: Arguments, _: Plan, actor: str) -> dict[str, Any]:
    done = await reference.import_rows(conn, str(given["csv"]), source="operation", actor=actor)
    return {"added": done.added, "changed": done.changed, "unchanged": done.unchanged}


async def _plan_regenerate(conn: asyncpg.Connection, _: Arguments) -> Plan:
    keys = [row["key"] for row in await conn.fetch(SQL.get("list_latest_digests"))]
    sentence = "Every digest of the latest day is made again, of the same articles."
    return Plan(sentence, {"digests": len(keys)}, keys[:SAMPLE], which=keys)


async def _regenerate(conn: asyncpg.Connection, _: Arguments, plan: Plan, actor: str) -> dict[str, Any]:
    asked = []
    for key in [DigestKey(str(one)) for one in plan.which]:
        await make_again(conn, key, None, actor=actor)
        asked.append(await ask_for(conn, key, source="operation:force-regenerate-all", job_class="research"))
    return {"digests": len(asked), "queued": sum(one.created for one in asked)}


async def _plan_clean(conn: asyncpg.Connection, _: Arguments) -> Plan:
    ids = [row["id"] for row in await conn.fetch(SQL.get("list_old_articles"), KEPT, FIXED)]
    sentence = f"Articles that no digest has used and nobody has seen for {KEPT.days} days go."
    return Plan(sentence, {"articles": len(ids)}, which=ids)


async def _clean(conn: asyncpg.Connection, _: Arguments, plan: Plan, __: str) -> dict[str, Any]:
    told = await conn.execute(DIGEST.get("forget_articles"), KEPT, FIXED, _ids(plan))
    return {"articles": int(told.rpartition(" ")[2])}


async def _plan_init(conn: asyncpg.Connection, _: Arguments) -> Plan:
    row = await conn.fetchrow(SQL.get("count_feeds"))
    assert row is not None
    return Plan(
        "The feeds of every ticker are linked anew from its reference data, and failing ones tried again.", dict(row)
    )


async def _init(conn: asyncpg.Connection, _: Arguments, __: Plan, ___: str) -> dict[str, Any]:
    found = await reference.list_references(conn)
    for one in found:
        await reference.link_again(conn, one)
    return {"tickers": len(found), "revived": len(await conn.fetch(SQL.get("revive_feeds")))}


async def _plan_clear(conn: asyncpg.Connection, _: Arguments) -> Plan:
    ids = await _reports(conn, "list_queued_reports")
    sentence = "Every digest mail that waits is cancelled; it can be brought back while it is worth anything."
    return Plan(sentence, {"mails": len(ids)}, which=ids)


async def _clear(conn: asyncpg.Connection, _: Arguments, plan: Plan, actor: str) -> dict[str, Any]:
    return {"mails": len(await control.act(conn, "cancel", _ids(plan), actor=actor))}


async def _reports(conn: asyncpg.Connection, statement: str) -> list[int]:
    return [row["id"] for row in await conn.fetch(SQL.get(statement), FIXED)]


def _ids(plan: Plan) -> list[int]:
    return [int(one) for one in plan.which]


async def _plan_generate(conn: asyncpg.Connection, _: Arguments) -> Plan:
    tickers = await _makeable(conn)
    sentence = "Today's digests are made for every ticker with reference data that somebody follows; mails follow."
    return Plan(sentence, {"digests": len(tickers)}, tickers[:SAMPLE], which=tickers)


async def _generate(conn: asyncpg.Connection, _: Arguments, plan: Plan, actor: str) -> dict[str, Any]:
    tickers = [str(one) for one in plan.which]
    made = [
        await batches.submit(conn, tickers[n : n + batches.MOST_TICKERS], edition=None, mode="production", actor=actor)
        for n in range(0, len(tickers), batches.MOST_TICKERS)
    ]
    return {"batches": [one.id for one in made], "digests": sum(len(one.items) for one in made)}


async def _makeable(conn: asyncpg.Connection) -> list[str]:
    """The tickers that somebody follows, without those whose reference data is gone."""
    known = {one.ticker for one in await reference.list_references(conn)}
    return [ticker for ticker in await followed(conn) if ticker in known]


async def _plan_send(conn: asyncpg.Connection, _: Arguments) -> Plan:
    ids = await _reports(conn, "list_ready_reports")
    sentence = "Every digest mail that is ready and not held leaves now, if the rules allow it."
    return Plan(sentence, {"mails": len(ids)}, which=ids)


async def _send(conn: asyncpg.Connection, _: Arguments, plan: Plan, actor: str) -> dict[str, Any]:
    return {"mails": len(await control.act(conn, "send-now", _ids(plan), actor=actor))}


OPERATIONS: Mapping[str, Operation] = {
    one.name: one
    for one in (
        Operation("wipe-database", "staging_only", "Delete all data, of no production.", _plan_wipe, _wipe),
        Operation("commit-ticker-csv", "staging_only", "Import reference data.", _plan_import, _import),
        Operation(
            "force-regenerate-all",
            "staging_only",
            "Make the latest day's digests again.",
            _plan_regenerate,
            _regenerate,
        ),
        Operation("clean-feeds", "confirm", "Forget old articles that no digest has used.", _plan_clean, _clean),
        Operation("init", "confirm", "Link the feeds of every ticker anew.", _plan_init, _init),
        Operation("clear-all-reports", "confirm", "Cancel every digest mail that waits.", _plan_clear, _clear),
        Operation("generate-user-reports", "safe", "Make today's digests for all.", _plan_generate, _generate),
        Operation("send-all-ready", "safe", "Let digest mails that are ready leave.", _plan_send, _send),
    )
}
