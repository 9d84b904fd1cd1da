"""`openbell drill restore`: a backup under load, a disaster, a restore into another database, the operator after it.

A shop and a mail server keep books of their own, which say at the end whether anything was charged or mailed twice.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
from pydantic import BaseModel

from openbell.drills.databases import another
from openbell.drills.till import Till
from openbell.engine.books import resume
from openbell.engine.costs import resolve
from openbell.engine.demand import want
from openbell.engine.keys import Key
from openbell.engine.ledger import Limit
from openbell.engine.registry import Calls, Product, Registry, days, hours, product, seconds
from openbell.engine.worker import Worker
from openbell.mail.control import act, resume_all
from openbell.mail.deliveries import queue
from openbell.mail.gate import stamp
from openbell.mail.rules import Rules
from openbell.people import Person, add_person
from openbell.postgres.backup import Head, backup, restore
from openbell.postgres.migrate import migrate
from openbell.postgres.pool import open_pool
from openbell.postgres.queries import Queries
from openbell.products import registry
from openbell.products.context import contexts
from openbell.products.sources import Connections
from openbell.providers.mail import Relay

SQL = Queries("openbell.drills")
RULES = Rules(sender="Openbell <drill@openbell.example>", home="https://bell.example.com", per_minute=10_000)
LIMITS = (
    Limit("till", "usd_micro", "year", 1_000_000_000, closes="charge"),
    Limit("till", "calls", "minute", 100_000, span=timedelta(minutes=1)),
)
OPERATOR = "drill"
WATCH_S = 3.0
PATIENCE_S = 90.0

Say = Callable[[str], None]


class Goods(BaseModel):
    """What is bought."""

    n: int


@dataclass(frozen=True, slots=True)
class Size:
    """How much load; smaller is for trying it out."""

    keys: int = 40
    mails: int = 40
    seconds: float = 4.0
    seed: int = 1

    @property
    def wishes(self) -> list[tuple[str, str]]:
        """What is bought: under keys that the shop knows, and what is never to be bought again."""
        keys = range(self.keys)
        return [("drill-keyed", f"k{n}") for n in keys] + [("drill-once", f"o{n}") for n in keys]


@dataclass(slots=True)
class Played:
    """What was seen. ``faults`` are the promises that did not hold."""

    backup_bytes: int = 0
    backup_s: float = 0.0
    restore_s: float = 0.0
    artifacts: int = 0
    deliveries: int = 0
    doubtful_calls: int = 0
    mails_held: int = 0
    mails_of_them_sent: int = 0
    charges: int = 0
    mails: int = 0
    faults: list[str] = field(default_factory=list)
    proved: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {name: getattr(self, name) for name in self.__slots__}

    def check(self, holds: object, promise: str) -> None:
        """Note a promise as kept or broken."""
        (self.proved if holds else self.faults).append(promise)


def products(till: Till) -> list[Product]:
    """Two ways to buy: under a key that the shop knows, and one that is never to be repeated."""
    policy: dict[str, Any] = {
        "key": Key, "version": 1, "ttl": hours(12), "stale": days(7), "empty": hours(1), "retry": seconds(5),
        "keep": days(1), "timeout": seconds(30), "spends": {"till": Calls(1, bytes=100)}, "licence": "cc0",
    }  # fmt: skip

    @product("drill-keyed", **policy)
    async def keyed(key: Key, ctx: Any) -> Goods:
        name = f"keyed:{key}"
        async with ctx.attempt.spends("till").call(
            "buy", effect="resend", idempotency_key=name, window=timedelta(days=1), usd_micro=1_000
        ) as call:
            await call.sending()
            number = await till.buy(name, once=True)
            call.took(usd_micro=1_000)
        return Goods(n=number)

    @product("drill-once", **policy)
    async def once(key: Key, ctx: Any) -> Goods:
        name = f"once:{key}"
        async with ctx.attempt.spends("till").call(
            "buy", effect="never", idempotency_key=name, usd_micro=1_000
        ) as call:
            await call.sending()
            number = await till.buy(name, once=False)
            call.took(usd_micro=1_000)
        return Goods(n=number)

    return [keyed, once]


@dataclass(slots=True)
class Crew:
    """A worker over one database."""

    pool: asyncpg.Pool
    stop: asyncio.Event
    task: asyncio.Task[None]

    @classmethod
    async def start(cls, dsn: str, till: Till, smtp: int) -> Crew:
        """Begin to work."""
        pool = await open_pool(dsn, name="drill worker", max_size=8, ordered=True)
        connections = Connections({}, relay=Relay("127.0.0.1", smtp, tls="none"), mail_rules=RULES)
        await stamp(pool, RULES)
        mail = [registry().get(name) for name in ("mail-delivery", "mail-sweep")]
        limits = [*connections.limits, *LIMITS]
        context = contexts(connections)
        worker = Worker(pool, dsn, Registry([*products(till), *mail]), limits=limits, context=context, slots=8)
        stop = asyncio.Event()
        return cls(pool, stop, asyncio.create_task(worker.run(stop)))

    async def end(self) -> None:
        """Stop in order."""
        self.stop.set()
        await asyncio.wait({self.task}, timeout=20)
        self.pool.terminate()


async def play(dsn: str, sandbox: str, till: Till, folder: Path, size: Size, say: Say) -> Played:
    """The whole drill over an empty, migrated database and a sandbox."""
    played, rng = Played(), random.Random(size.seed)  # noqa: S311 (a drill, no secret)
    async with httpx.AsyncClient(base_url=sandbox, timeout=20) as control:
        smtp = (await control.get("/_control/ports")).json()["smtp"]
        head, file = await _under_load(dsn, till, smtp, folder, size, rng, played, say)
        say("Restoring into another database")
        other = await another(dsn, f"{urlsplit(dsn).path[1:]}_restored")
        begun = monotonic()
        await restore(other, file, actor=OPERATOR)
        played.restore_s = round(monotonic() - begun, 2)
        await migrate(other)
        pool = await open_pool(other, name="drill", max_size=3)
        try:
            await _compare(pool, head, played)
            crew = await Crew.start(other, till, smtp)
            try:
                await _watch(pool, till, control, size, played, say)
                await _operate(pool, till, control, size, played, say)
            finally:
                await crew.end()
        finally:
            pool.terminate()
    return played


async def _under_load(
    dsn: str, till: Till, smtp: int, folder: Path, size: Size, rng: random.Random, played: Played, say: Say
) -> tuple[Head, Path]:
    """Buy and mail, back up in the middle, go on, and be struck by a disaster: the worker is gone without a word."""
    say("Working")
    crew = await Crew.start(dsn, till, smtp)
    pool = await open_pool(dsn, name="drill", max_size=3)
    person = await add_person(pool, "reader@openbell.example", state="active", actor=OPERATOR)
    loading = asyncio.create_task(_load(pool, person, size, rng))
    await asyncio.sleep(size.seconds / 2)
    say("Backing up under load")
    begun, file = monotonic(), folder / "drill.openbell-backup"
    head = await backup(dsn, file, actor=OPERATOR)
    played.backup_s, played.backup_bytes = round(monotonic() - begun, 2), head.bytes
    await asyncio.sleep(size.seconds / 2)
    loading.cancel()
    await asyncio.gather(loading, return_exceptions=True)
    logging.disable(logging.WARNING)  # the crew complains that its database is gone, which is the disaster
    crew.pool.terminate()
    crew.task.cancel()
    await asyncio.wait({crew.task}, timeout=10)
    pool.terminate()
    logging.disable(logging.NOTSET)
    await asyncio.sleep(1)  # what has left arrives
    return head, file


async def _load(pool: asyncpg.Pool, person: Person, size: Size, rng: random.Random) -> None:
    """Wishes and mails, evenly over the time."""
    wishes = size.wishes
    rng.shuffle(wishes)
    early = [one for one in wishes if one[0] == "drill-once"]
    steps = max(size.mails, 1)
    for step in range(steps):
        part = wishes[step * len(wishes) // steps : (step + 1) * len(wishes) // steps]
        if step == 0:
            part = early + part  # what must never be repeated is asked for before the backup
        await want(pool, part or wishes[:1], source="drill", seconds=3600)
        await queue(
            pool, kind="notice", recipient=person, subject=f"Notice {step}", html="<p>x</p>", text="x",
            ref=f"drill {step}",
        )  # fmt: skip
        await asyncio.sleep(size.seconds / steps)


async def _compare(pool: asyncpg.Pool, head: Head, played: Played) -> None:
    now = await pool.fetchrow(Queries("openbell.postgres").get("count_backup"))
    wrong = await pool.fetchrow(SQL.get("check_restored"))
    assert now is not None
    assert wrong is not None
    kept = ("artifacts", "versions", "spends", "deliveries", "people")
    differs = [name for name in kept if now[name] != head.figures[name]]
    played.check(
        not differs, f"artifacts, versions, spends, mails and people as in the snapshot {differs or ''}".strip()
    )
    broken = {name: count for name, count in wrong.items() if count}
    played.check(
        not broken,
        f"accounts are the sums of their calls; nothing runs, is open or ready to leave {broken or ''}".strip(),
    )
    played.artifacts, played.deliveries = now["artifacts"], now["deliveries"]
    played.doubtful_calls = len(await pool.fetch(SQL.get("list_doubts")))
    played.mails_held = len(await pool.fetch(SQL.get("list_held_mails")))


async def _watch(
    pool: asyncpg.Pool, till: Till, control: httpx.AsyncClient, size: Size, played: Played, say: Say
) -> None:
    """Workers run and everybody asks again: before an operator has looked, nothing may be charged or mailed."""
    say("Watching what a worker does before the operator")
    charges, mails = till.charges.total(), len(await _mails(control))
    await want(pool, size.wishes, source="drill", seconds=3600)
    await asyncio.sleep(WATCH_S)
    played.check(till.charges.total() == charges, "nothing is charged before an operator has resumed the budgets")
    played.check(len(await _mails(control)) == mails, "no mail leaves before an operator has resumed mail")


async def _operate(
    pool: asyncpg.Pool, till: Till, control: httpx.AsyncClient, size: Size, played: Played, say: Say
) -> None:
    """What the operator does: ask the shop and the mail server what became of each doubt, then let go on."""
    say("Resolving what is in doubt, and going on")
    for row in await pool.fetch(SQL.get("list_doubts")):
        happened = till.charges[row["idempotency_key"]] > 0
        await resolve(
            pool, row["id"], happened=happened, cost_micro=1_000 if happened else None, reason="the shop's books",
            actor=OPERATOR,
        )  # fmt: skip
    arrived = {one["message_id"] for one in await _mails(control)}
    held = await pool.fetch(SQL.get("list_held_mails"))
    sent = [row["id"] for row in held if row["message_id"] in arrived]
    played.mails_of_them_sent = len(sent)
    await act(pool, "cancel", sent, actor=OPERATOR)
    await act(pool, "release", [row["id"] for row in held if row["id"] not in sent], actor=OPERATOR)
    await resume(pool, "till", reason="compared with the shop's books", actor=OPERATOR)
    await resume_all(pool, actor=OPERATOR)
    wishes = [one for one in size.wishes if one[0] == "drill-keyed"]
    end = monotonic() + PATIENCE_S
    while monotonic() < end:
        await want(pool, wishes, source="drill", seconds=3600)
        if await pool.fetchval(SQL.get("count_made"), ["drill-keyed"]) >= size.keys and not await pool.fetchval(
            SQL.get("count_unsent")
        ):
            break
        await asyncio.sleep(0.5)
    played.check(
        await pool.fetchval(SQL.get("count_made"), ["drill-keyed"]) == size.keys, "everything that was wanted is made"
    )
    twice = {key: n for key, n in till.charges.items() if n > 1}
    played.check(not twice, f"nothing is charged twice, by the shop's books {twice or ''}".strip())
    told = Counter(one["message_id"] for one in await _mails(control))
    again = [name for name, n in told.items() if n > 1]
    played.check(not again, f"no mail arrives twice, by the mail server's books {again or ''}".strip())
    broken = await pool.fetchrow(SQL.get("check_restored"))
    played.check(
        broken is not None and not broken["accounts_off"] and not broken["accounts_over"], "the books add up at the end"
    )
    played.charges, played.mails = till.charges.total(), told.total()


async def _mails(control: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Everything that the mail server has taken."""
    found: list[dict[str, Any]] = []
    more = True
    while more:
        since = found[-1]["n"] if found else 0
        page = (await control.get("/_control/smtp/mails", params={"since": since})).raise_for_status().json()
        found += page["mails"]
        more = page["more"]
    return found
