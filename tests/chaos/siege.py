"""Eight against six small accounts, some of them dying: not one unit over any limit, and every sum exact.

``make chaos RESERVATIONS=1000000``. Each of the eight is a process that reserves over some of the accounts as quickly
as it can, settles as it likes, and is killed now and then in the middle of it. A watcher reads the accounts all the
while: what it sees must add up in every snapshot. In the end the history of every account is played again from the
spends.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import asyncpg

from openbell.engine.combiner import Combiner
from openbell.engine.ledger import Limit, ensure_accounts
from openbell.engine.persist import DATABASE_ERRORS
from openbell.engine.spends import Intent, Ledger, Settlement, SpendEnd
from openbell.postgres.migrate import migrate
from openbell.postgres.pool import open_pool
from tests.chaos import mutants
from tests.chaos.nursery import Child, Nursery
from tests.support import eventually, happens

SUBJECT = "fortress"
BESIEGERS = 8
AT_ONCE = 12
"""Reservations that one of them has under way."""
TELL_EVERY = 20
SPAN_US = 200_000
TIMEOUT_S = 0.5
LIFE = 1_000
"""After about so many reservations one of them is killed."""
HELP_EVERY_S = 0.2
SILENCE_S = 30.0
LIMITS = (
    Limit(SUBJECT, "calls", "window", 60, span=timedelta(microseconds=SPAN_US)),
    Limit(SUBJECT, "bytes", "window", 900, span=timedelta(microseconds=SPAN_US)),
    Limit(SUBJECT, "runs", "at once", 25, closes="release"),
    Limit(SUBJECT, "mails", "at once", 40, closes="release"),
    Limit(SUBJECT, "usd_micro", "ever", 3_000, closes="charge"),
    Limit(SUBJECT, "credits", "ever", 200, closes="charge"),
)
MOST = {"calls": 3, "bytes": 90, "runs": 2, "mails": 3, "usd_micro": 40, "credits": 4}
GRANTS = {"usd_micro": 300, "credits": 30}
"""What is granted on top every time that recovery goes its rounds, so that the siege does not come to rest."""
ENDS: Mapping[SpendEnd, float] = {"settled": 5, "released": 3, "refused": 1, "unanswered": 0.3, "unknown": 0.02}


async def besiege(options: Mapping[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One of the eight, in a process of its own: reserves until it is killed, and says how much it has asked for."""
    pool = await open_pool(options["dsn"], name="siege", max_size=3, ordered=True)
    accounts = {one["resource"]: one["id"] for one in await pool.fetch("select id, resource from openbell.account")}
    ledger, random, counts = Ledger(pool), Random(os.getpid()), Counter[str]()

    async def settle(ended: list[Settlement]) -> list[None]:
        await ledger.settle(ended)
        return [None] * len(ended)

    settling = Combiner(settle)

    async def storm() -> None:
        while True:
            try:
                await _one(ledger, settling, accounts, random, counts)
            except (*DATABASE_ERRORS, AssertionError) as error:
                counts[type(error).__name__] += 1
            counts["asked"] += 1
            if counts["asked"] % TELL_EVERY == 0:
                writer.write(json.dumps(counts).encode() + b"\n")
                counts.clear()
                await writer.drain()

    await asyncio.gather(*(storm() for _ in range(AT_ONCE)))


async def _one(
    ledger: Ledger,
    settling: Combiner[Settlement, None],
    accounts: Mapping[str, int],
    random: Random,
    counts: Counter[str],
) -> None:
    chosen = random.sample(list(accounts), random.randint(1, 4))
    held = {name: random.randint(1, MOST[name]) for name in chosen}
    legs = [(accounts[name], amount) for name, amount in held.items()]
    if random.random() < 0.001:
        legs[0] = (legs[0][0], 2**52)
    timeout = timedelta(seconds=TIMEOUT_S)
    verdict = await ledger.reserve(
        Intent(None, None, "siege", "wall", SUBJECT, "storm", None, "repeat", None, None, timeout, held, legs)
    )
    counts[verdict.word] += 1
    if verdict.spend_id is None:
        await asyncio.sleep(0)
        return
    end = random.choices(list(ENDS), list(ENDS.values()))[0]
    took = {name: random.randint(0, amount) for name, amount in held.items() if random.random() < 0.7}
    if random.random() < 0.01:
        took = {name: amount + 1 for name, amount in held.items()}
    await settling.ask(Settlement(verdict.spend_id, end, end, took))


@dataclass(slots=True)
class Siege:
    """One siege, as it goes: counts by word, what was seen against the promises, and how often somebody looked."""

    pool: asyncpg.Pool
    random: Random
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[str, str]] = field(default_factory=list)
    to_the_first: bool = False
    """Whether it ends with the first promise that is seen to be broken."""
    looks: int = 0
    seconds: float = 0.0

    def figures(self) -> dict[str, Any]:
        """For one line of JSON."""
        known = ("asked", "kills", "ok", "full", "too_big")
        return {
            "reservations": self.counts["asked"], "kills": self.counts["kills"], "snapshots": self.looks,
            "admitted": self.counts["ok"], "full": self.counts["full"], "too_big": self.counts["too_big"],
            "other": {word: n for word, n in self.counts.items() if word not in known},
            "per_s": round(self.counts["asked"] / self.seconds), "seconds": round(self.seconds, 1),
            "violations": len(self.violations),
        }  # fmt: skip

    async def fight(self, nursery: Nursery, reservations: int) -> None:
        """Until so many have been asked for; whoever falls is replaced."""
        began, over = time.monotonic(), asyncio.Event()
        fighters = [asyncio.create_task(self._hear(nursery, over, reservations)) for _ in range(BESIEGERS)]
        watching = asyncio.create_task(self._watch(over))
        helping = asyncio.create_task(self._help(over))
        await asyncio.gather(*fighters, watching, helping)
        self.seconds = time.monotonic() - began

    async def _hear(self, nursery: Nursery, over: asyncio.Event, most: int) -> None:
        """One place in the ranks."""
        while not over.is_set():
            child = await nursery.child()
            left = self.random.expovariate(1 / LIFE)
            while (
                not over.is_set() and left > 0 and (said := await child.hear(time.monotonic() + SILENCE_S)) is not None
            ):
                self.counts += Counter(said)
                left -= said["asked"]
                if self.counts["asked"] >= most:
                    over.set()
            self.counts["kills"] += 1
            await _end(child)

    async def _watch(self, over: asyncio.Event) -> None:
        """Look at all the accounts at once, again and again."""
        while not over.is_set():
            for seen in await look(self.pool):
                self.violations.append(("sums are exact in every snapshot", seen))
            self.looks += 1
            if self.to_the_first and self.violations:
                over.set()
            await asyncio.sleep(0.01)

    async def _help(self, over: asyncio.Event) -> None:
        """Recovery goes its rounds, and an operator grants a little more."""
        while not await happens(over, HELP_EVERY_S):
            try:
                await self._help_once()
            except asyncpg.PostgresError as error:
                self.counts[type(error).__name__] += 1

    async def _help_once(self) -> None:
        await self.pool.execute("select openbell.recover_spends('0.1 seconds')")
        for resource, amount in GRANTS.items():
            grant = "update openbell.account set granted = granted + $2, extra = extra + $2 where resource = $1"
            await self.pool.execute(grant, resource, amount)


async def _end(child: Child) -> None:
    os.kill(child.pid, signal.SIGKILL)
    await child.codes.get()
    await child.hang_up()


SNAPSHOT = """
select a.resource, a.granted, a.held, a.spent, a.overrun,
    coalesce((select sum(h.amount) from openbell.hold h where h.account_id = a.id), 0)::bigint as holds,
    coalesce((select sum(g.amount) from openbell.aging g where g.account_id = a.id), 0)::bigint as aging
from openbell.account a where a.subject = 'fortress'
"""


async def look(pool: asyncpg.Pool) -> list[str]:
    """What does not add up, in one snapshot of everything."""
    rows = [dict(row) for row in await pool.fetch(SNAPSHOT)]
    wrong = [row for row in rows if row["held"] + row["spent"] > row["granted"]]
    wrong += [row for row in rows if row["held"] != row["holds"] + row["aging"] or row["held"] < 0]
    return [f"{row}" for row in wrong]


FALLEN = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
where datname = current_database() and application_name = 'openbell siege'
"""


async def bury(pool: asyncpg.Pool) -> None:
    """Whoever was killed may have left a session that is still at its last statement."""
    await eventually(lambda: _none_left(pool))


async def _none_left(pool: asyncpg.Pool) -> bool:
    return not await pool.fetchval(FALLEN)


async def play_again(pool: asyncpg.Pool) -> Iterator[str]:
    """The history of each account, from the spends alone: never over the limit, and what is left is what we have."""
    await pool.execute("update openbell.clock set shift = shift + interval '1 hour'")
    while await pool.fetchval("select openbell.recover_spends('0 seconds')"):
        pass
    await pool.execute("update openbell.clock set shift = shift + interval '1 hour'")
    await pool.execute("select openbell.age_out(array(select id from openbell.account), openbell.now())")
    accounts = {row["resource"]: dict(row) for row in await pool.fetch("select * from openbell.account")}
    use: dict[str, list[tuple[int, int]]] = defaultdict(list)
    left: Counter[tuple[str, str]] = Counter()
    async with pool.acquire() as connection, connection.transaction():
        async for row in connection.cursor(SPENDS, prefetch=5_000):
            for name, amount in row["held"].items():
                _use(use[name], left, name, accounts[name]["closes"], row, amount)
    return _compare(accounts, use, left)


SPENDS = """
select held, coalesce(took, '{}') as took, state::text as state, outcome,
    (extract(epoch from tried_at) * 1000000)::bigint as began,
    (extract(epoch from ended_at) * 1000000)::bigint as ended,
    (extract(epoch from tried_at + timeout) * 1000000)::bigint as until
from openbell.spend where provider = 'fortress' order by id
"""


def _use(
    use: list[tuple[int, int]], left: Counter[tuple[str, str]], name: str, closes: str, row: Any, held: int
) -> None:
    """What one spend has taken of one account, from when to when."""
    gone = row["state"] == "released" and (row["outcome"] != "refused" or closes == "charge")
    doubtful = row["state"] == "unknown"
    took = 0 if gone else held if doubtful else row["took"].get(name, held)
    use.append((row["began"], held))
    if closes == "release":
        use.append((row["ended"], -held))
    elif closes == "age":
        late = doubtful or row["outcome"] == "unanswered"
        use.append((row["ended"], min(took, held) - held))
        use.append((max(row["ended"], row["until"] if late else 0) + SPAN_US, -min(took, held)))
    else:
        use.append((row["ended"], min(took, held) - held))
        left[name, "held" if doubtful else "spent"] += min(took, held)
        left[name, "overrun"] += max(0, took - held)


def _compare(
    accounts: Mapping[str, Mapping[str, Any]],
    use: Mapping[str, list[tuple[int, int]]],
    left: Counter[tuple[str, str]],
) -> Iterator[str]:
    for name, account in accounts.items():
        in_use = most = 0
        for _, change in sorted(use[name]):
            in_use += change
            most = max(most, in_use)
        if account["closes"] != "charge" and most > account["granted"]:
            yield f"{name}: {most} in use at one time, and {account['granted']} are granted"
        for column in ("held", "spent", "overrun"):
            if account[column] != left[name, column]:
                yield f"{name}: {column} is {account[column]}, and by the spends {left[name, column]}"


async def run(dsn: str, folder: Path, *, reservations: int, seed: int, mutant: str | None = None) -> Siege:
    """A siege of an empty database."""
    await migrate(dsn)
    pool = await open_pool(dsn, name="chaos boss", max_size=4, statement_timeout_s=300)
    try:
        await ensure_accounts(pool, LIMITS)
        async with pool.acquire() as connection:
            await mutants.change_functions(connection, mutant)
        siege = Siege(pool, Random(seed), to_the_first=mutant is not None)
        options = {"dsn": dsn, "boss": str(folder / "boss"), "role": "siege", "mutant": None}
        async with Nursery(options, folder / "children.log").opened() as nursery:
            await siege.fight(nursery, reservations)
        await bury(pool)
        siege.violations += [("sums are exact in every snapshot", seen) for seen in await look(pool)]
        siege.violations += [("no limit was ever exceeded", seen) for seen in await play_again(pool)]
        errors = [word for word in siege.counts if word.endswith("Error")]
        siege.violations += [("the database never refuses", f"{siege.counts[word]} times {word}") for word in errors]
        return siege
    finally:
        pool.terminate()
