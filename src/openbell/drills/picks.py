"""`openbell drill picks`: a whole weekly run while workers are killed, at every step and at random.

Many processes share one database; each has a scheduler of its own. A process that is killed is replaced, and what it
held is free at once, so that the run does not wait for leases. At the end the sandbox's own books say what was charged.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import httpx

from openbell.drills.picks_report import left_line
from openbell.drills.picks_worker import SCHEDULES, TASKS
from openbell.engine.registry import Registry
from openbell.engine.schedules import seed_schedules
from openbell.postgres.embedded import EmbeddedServer
from openbell.postgres.migrate import migrate
from openbell.postgres.pool import open_pool
from openbell.postgres.queries import Queries
from openbell.products.picks.editions import DEFAULT_ZONE
from openbell.products.picks.figures import Fact
from openbell.products.picks.reports import costs
from openbell.products.picks.store import attest
from openbell.sandbox.companies import COMPANIES

SQL = Queries("openbell.drills")
WEEK = date(2030, 3, 4)
DUE = datetime(2030, 3, 4, 5, 30, tzinfo=ZoneInfo(DEFAULT_ZONE))
KNOWN = 60
"""Companies of which something is stored."""
SECTORS = ("industry", "healthcare", "energy")
LOOK_S = 0.2
START_S = 60.0
MOST_S = 600.0

POINTS = (
    "sql:add_occurrence", "sql:enqueue_jobs", "sql:plan_schedule", "sql:claim_members", "sql:set_job", "sql:list_batch",
    "sql:read_facts", "sql:mark_sent", "call:POST v1/files", "answer:POST v1/files", "call:POST v1/batches",
    "answer:POST v1/batches", "sql:save_step", "call:GET v1/batches", "answer:GET v1/batches", "call:GET v1/files",
    "answer:GET v1/files", "sql:add_answer", "sql:hold_claim", "sql:leave_batch", "sql:read_answers", "sql:set_status",
    "sql:set_progress", "sql:add_edition", "sql:complete_task", "sql:list_readers", "sql:end_attempt",
)  # fmt: skip
"""Where workers of the weekly run are killed, each once at least; in the order of the way."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much of a week; smaller is for trying it out."""

    users: int = 200
    workers: int = 4
    members: int = 25
    points: Sequence[str] = POINTS
    random_kills: int = 20
    batch_s: float = 30.0
    """How long the provider works at a batch: so long that workers find it running."""
    seed: int = 1


@dataclass(slots=True)
class Played:
    """What a run came to, and which promises it broke."""

    seconds: float = 0.0
    killed_at: list[str] = field(default_factory=list)
    not_reached: list[str] = field(default_factory=list)
    killed_at_random: int = 0
    editions: int = 0
    charges: int = 0
    charged_twice: int = 0
    altered: int = 0
    cost_micro: int = 0
    faults: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """Where the run was not over: each job that is left, in which state, and whose."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {name: getattr(self, name) for name in self.__slots__}


async def play(dsn: str, sandbox: str, size: Size, say: Say) -> Played:
    """One weekly run on a database and a sandbox that hold nothing of that week yet."""
    pool = await open_pool(dsn, name="drill", max_size=3)
    stage = Stage(pool, dsn, sandbox, size, say)
    begun = monotonic()
    try:
        await stage.prepare()
        await stage.run()
        await stage.look()
    finally:
        await stage.end()
        pool.terminate()
    stage.played.seconds = round(monotonic() - begun, 1)
    return stage.played


@dataclass(slots=True)
class Hand:
    """A worker process. It dies at the first of the points that were left when it came, and says at which."""

    name: str
    process: asyncio.subprocess.Process


@dataclass(slots=True)
class Stage:
    """The database, the sandbox, and the processes between them."""

    pool: asyncpg.Pool
    dsn: str
    sandbox: str
    size: Size
    say: Say
    played: Played = field(default_factory=Played)
    hands: list[Hand] = field(default_factory=list)
    points: list[str] = field(default_factory=list)
    hired: int = 0
    seen: dict[str, str] = field(default_factory=dict)
    log: Any = asyncio.subprocess.DEVNULL

    async def prepare(self) -> None:
        """People who want an edition of their own, facts, an operator who attests, and the clock before the hour.

        The provider's batches take their time, so that attempts end while one runs, and can be killed there.
        """
        self.points = list(self.size.points)
        await self.pool.execute(SQL.get("set_clock"), DUE - timedelta(minutes=1))
        await Registry(TASKS, SCHEDULES).seed(self.pool)
        await seed_schedules(self.pool, SCHEDULES)
        await attest(self.pool, "Drill Operator", given=True, actor="drill")
        profiles = [{"interests": [SECTORS[n % len(SECTORS)]], "first_name": "Reader"} for n in range(self.size.users)]
        await self.pool.execute(SQL.get("add_readers"), profiles)
        facts = [_fact(ticker) for ticker in islice(COMPANIES, KNOWN)]
        await self.pool.execute(SQL.get("add_facts"), WEEK, [one.model_dump(mode="json") for one in facts])
        slow = {"kind": "slow_run", "provider": "perplexity", "path": "v1/batches", "seconds": self.size.batch_s}
        async with httpx.AsyncClient(base_url=self.sandbox, timeout=30) as http:
            (await http.post("/_control/faults", json=slow)).raise_for_status()

    async def run(self) -> None:
        """Let the hour come, and kill until there is nothing left to be killed at; then let them finish."""
        for _ in range(self.size.workers):
            await self._hire()
        await self._planned()
        await self.pool.execute(SQL.get("set_clock"), DUE)
        dice, end = random.Random(self.size.seed), monotonic() + MOST_S  # noqa: S311 -- when to kill, no secret
        told = 0.0
        while not await self._is_done():
            if monotonic() > end:
                self.played.faults.append(f"the run was not over after {MOST_S:g} s")
                await self.tell_left()
                return
            await self._replace_dead()
            if self.played.killed_at_random < self.size.random_kills and dice.random() < LOOK_S:
                self.played.killed_at_random += 1
                dice.choice(self.hands).process.kill()
            await self.pool.execute(SQL.get("hurry_jobs"))
            await self._watch_editions()
            if monotonic() - told > 5:
                told = monotonic()
                self.say(
                    f"{len(self.seen)} editions, killed {len(self.played.killed_at)} + {self.played.killed_at_random}"
                )
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """What there is, and what the sandbox has charged for it."""
        await self._watch_editions()
        played, users = self.played, self.size.users
        played.not_reached = self.points
        played.editions = await self.pool.fetchval(SQL.get("count_editions"), WEEK)
        if played.editions != users:
            played.faults.append(f"{played.editions} of {users} people have an edition of their own")
        charged = await self._charged()
        played.charges, played.charged_twice = sum(charged.values()), sum(n - 1 for n in charged.values() if n > 1)
        if played.charges != users + 1 or played.charged_twice:
            played.faults.append(
                f"{played.charges} charges for {users} people and everybody, {played.charged_twice} twice"
            )
        report = await costs(self.pool, WEEK)
        played.cost_micro = report.cost_micro
        if report.duplicates or report.unknown or report.open or not report.adds_up:
            played.faults.append(
                f"the books do not add up: {report.cost_micro} answers, {report.ledger_micro} ledger, "
                f"{report.duplicates} duplicates, {report.unknown} unknown, {report.open} open"
            )

    async def end(self) -> None:
        """End the processes that are left."""
        for hand in self.hands:
            if hand.process.returncode is None:
                hand.process.terminate()
        for hand in self.hands:
            await hand.process.wait()

    async def _hire(self) -> None:
        self.hired += 1
        name = f"drill {self.hired}"
        options = {"name": name, "slots": 8, "members": self.size.members, "die_at": self.points}
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-P", "-m", "openbell.drills.picks_worker", self.dsn, self.sandbox, json.dumps(options)],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self.log,
        )
        self.hands.append(Hand(name, process))

    async def _replace_dead(self) -> None:
        for hand in [one for one in self.hands if one.process.returncode is not None]:
            self.hands.remove(hand)
            assert hand.process.stdout is not None
            if point := (await hand.process.stdout.read()).decode():
                self.played.killed_at.append(point)
                self.points = [one for one in self.points if one != point]
            await self.pool.execute(SQL.get("expire_worker"), hand.name)
            await self._hire()

    async def _planned(self) -> None:
        """Until a scheduler knows when the week is due: what is planned after the hour happens a week later."""
        end = monotonic() + 60
        while not await self.pool.fetchval(SQL.get("is_planned")) and monotonic() < end:
            await self._replace_dead()
            await asyncio.sleep(LOOK_S)

    async def _watch_editions(self) -> None:
        """Whatever happens to statuses, an edition that was there stays as it is."""
        for row in await self.pool.fetch(SQL.get("sum_editions"), WEEK):
            if self.seen.setdefault(row["edition"], row["sum"]) != row["sum"]:
                self.played.altered += 1
                self.played.faults.append(f"{row['edition']} was altered")

    async def tell_left(self) -> None:
        """What nobody has finished, so that whoever reads it knows where to look."""
        jobs = [left_line(row) for row in await self.pool.fetch(SQL.get("list_left"))]
        places = [
            f"edition {row['edition']} is {row['status']}"
            + "".join(f"; {row[it]}" for it in ("code", "message") if row[it])
            for row in await self.pool.fetch(SQL.get("list_waiting_places"), WEEK)
        ]
        self.played.left = [*(jobs or ["no job is left"]), *places]
        for line in self.played.left:
            self.say(line)

    async def _is_done(self) -> bool:
        row = await self.pool.fetchrow(SQL.get("count_undone"), WEEK)
        assert row is not None
        if row["failed"] and row["failed"] == row["undone"]:
            self.played.faults.append(f"{row['failed']} editions have failed: {row['said']}")
            return True
        return row["places"] > self.size.users and not row["undone"]

    async def _charged(self) -> Counter[str]:
        """By the sandbox's books and files: how often each edition was charged for."""
        found: Counter[str] = Counter()
        async with httpx.AsyncClient(base_url=self.sandbox, timeout=30) as http:
            ledger = (await http.get("/_control/ledger?provider=perplexity")).json()["entries"]
            head = {"authorization": "Bearer sandbox"}
            for entry in ledger:
                if not entry["billed"]:
                    continue
                if "batch" not in (entry["reference"] or ""):
                    found[f"alone {entry['reference']}"] += entry["billed_calls"]
                    continue
                batch = (await http.get(f"/perplexity/v1/batches/{entry['reference']}", headers=head)).json()
                file = await http.get(f"/perplexity/v1/files/{batch['input_file_id']}/content", headers=head)
                found.update(json.loads(line)["custom_id"] for line in file.text.splitlines())
        return found


def _fact(ticker: str) -> Fact:
    """Something to choose by: figures that are made up, as everything of the sandbox."""
    company, n = COMPANIES[ticker], sum(map(ord, ticker))
    return Fact(
        ticker=ticker, name=company.name, exchange=company.exchange, sector=company.sector, currency="USD",
        day=WEEK - timedelta(days=3), close=20.0 + n, momentum=n % 60 / 100 - 0.2, value=0.02 + n % 9 / 100,
        quality=n % 40 / 100, risk=0.15 + n % 30 / 100, dividend_yield=n % 5 / 100, synthetic="sandbox",
    )  # fmt: skip


@asynccontextmanager
async def ground(*, migrated: bool = True) -> AsyncIterator[tuple[str, str]]:
    """A database server and a sandbox of their own: the DSN, and where the sandbox answers. Nothing is left behind."""
    folder = Path(tempfile.mkdtemp(prefix="openbell-drill-"))
    await asyncio.to_thread(folder.chmod, 0o711)  # the database may run as another user, who must get through
    server = EmbeddedServer(folder / "data")
    sandbox = await asyncio.create_subprocess_exec(
        *[sys.executable, "-P", "-m", "openbell", "sandbox", "--port", "0"],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    draining: asyncio.Task[bytes] | None = None
    try:
        assert sandbox.stderr is not None
        told = ""
        while not (found := re.search(r"Sandbox on (http://\S+)", told)):
            told = (await asyncio.wait_for(sandbox.stderr.readline(), START_S)).decode()
            if not told:
                raise RuntimeError("The sandbox ended before it was ready.")
        draining = asyncio.create_task(sandbox.stderr.read())
        dsn = await server.start()
        if migrated:
            await migrate(dsn)
        yield dsn, found[1]
    finally:
        if sandbox.returncode is None:
            sandbox.terminate()
        await sandbox.wait()
        if draining is not None:
            await draining
        await server.stop()
        shutil.rmtree(folder, ignore_errors=True)
