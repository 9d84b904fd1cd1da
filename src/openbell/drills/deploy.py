"""`openbell drill deploy`: this version replaces the one before, part by part, while people watch and workers work.

The version before is the last commit with an older schema that starts, taken out of git into a folder; without git it
is this version, and the report says so. First comes the migration, by the new version, under the old one's load; then
each process is replaced as an orchestrator does it: a new one is ready, no more requests go to the old one, SIGTERM.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import httpx

import openbell
from openbell.postgres.pool import open_pool
from openbell.postgres.queries import Queries
from openbell.sandbox.companies import COMPANIES

SQL = Queries("openbell.drills")
HERE = Path(openbell.__file__).resolve().parents[1]
MIGRATIONS = "src/openbell/postgres/migrations"
TTL = timedelta(seconds=4)
SLOW_S = 2.5
VENDOR = Path("openbell/web/static/vendor")
CANDIDATES = 12
FAILURES_TOLD = 5
START_S, EXIT_S, LOCK_S, CLAIM_S = 60.0, 5.0, 0.5, 1.0
LATE_S = 10.0
"""A wanted value may be so late: a call, a queue of calls, and a handover."""
LOOK_S = 0.02
OWN = re.compile(
    r"[A-Z_]+_(KEY|URL|HOST|DSN|SECRET|TOKEN|ENDPOINT)$|OPENBELL_|FMP_|MAX_CONCURRENT|ENVIRONMENT$|DRY_RUN$"
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is going on."""

    streams: int = 5_000
    keys: int = 24
    webs: int = 2
    workers: int = 2
    slots: int = 8
    pause_s: float = 4.0
    patience: float = 1.0
    """How many times as long things may take: more than 1 only where a machine may stall, as in the suite."""
    seed: int = 1


@dataclass(slots=True)
class Played:
    """What the roll came to, and which promises it broke."""

    before: str = ""
    applied: list[str] = field(default_factory=list)
    migrate_s: float = 0.0
    lock_wait_s: float = 0.0
    lock_on: str = ""
    requests: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    streams: int = 0
    moved: int = 0
    not_moved: int = 0
    exits_s: list[float] = field(default_factory=list)
    interrupted: int = 0
    claimed_again_s: float = 0.0
    late_s: float = 0.0
    jobs: int = 0
    lost: int = 0
    twice: int = 0
    called_twice: int = 0
    calls: int = 0
    booked: int = 0
    doubtful: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {name: getattr(self, name) for name in self.__slots__}

    def judge(self, patience: float = 1.0) -> None:
        """Which promises were broken; the promises of the drill, in one place."""
        exit_s = max(self.exits_s, default=0.0)
        checks = (
            (self.failed == 0, f"{self.failed} of {self.requests:,} requests failed: {'; '.join(self.failures[:3])}"),
            (self.not_moved == 0, f"{self.not_moved} streams found no new place"),
            (
                self.lock_wait_s <= (LOCK_S + 0.1) * patience,
                f"a lock of {self.lock_on} was waited for {self.lock_wait_s:.2f} s",
            ),
            (exit_s <= EXIT_S * patience, f"an exit took {exit_s:.1f} s"),
            (
                self.claimed_again_s <= CLAIM_S * patience,
                f"interrupted work waited {self.claimed_again_s:.1f} s for another worker",
            ),
            (self.late_s <= LATE_S * patience, f"a wanted value was {self.late_s:.1f} s late"),
            (self.lost == 0, f"{self.lost} jobs were lost"),
            (self.twice == 0, f"{self.twice} jobs ended more than once"),
            (self.called_twice == 0, f"{self.called_twice} attempts made their call twice"),
            (self.doubtful == 0, f"of {self.doubtful} calls nobody knows what became of them"),
            (self.calls <= self.booked, f"{self.calls} calls reached the provider, {self.booked} are booked"),
            (self.jobs > 0 and self.requests > 0, "nothing happened"),
        )
        self.faults += [words for kept, words in checks if not kept]


@dataclass(slots=True)
class Part:
    """One process of a version."""

    kind: str
    process: asyncio.subprocess.Process
    port: int = 0
    draining: asyncio.Task[None] | None = None
    said: list[str] = field(default_factory=list)


def version_before(folder: Path) -> tuple[str, Path]:
    """The last version with an older schema that starts, put into ``folder``: which it is, and where its code lies."""
    root = HERE.parent
    try:
        found = _git(root, "log", f"-{CANDIDATES}", "--format=%h", "--", MIGRATIONS).decode().split()
        for changed in found:
            before = _git(root, "log", "-1", "--format=%h", f"{changed}^").decode().strip()
            code = folder / before / "src"
            with tarfile.open(fileobj=BytesIO(_git(root, "archive", "--format=tar", before, "src"))) as archive:
                archive.extractall(folder / before, filter="data")
            shutil.copytree(HERE / VENDOR, code / VENDOR, dirs_exist_ok=True)
            if _fits(code) and _starts(code):
                return before, code
    except (OSError, subprocess.CalledProcessError):
        pass
    return "", HERE


def _fits(code: Path) -> bool:
    """Whether its migrations are the first of ours: one that was edited before it was given to anybody is not."""
    theirs, ours = (sorted((one / MIGRATIONS[4:]).glob("*.sql")) for one in (code, HERE))
    texts = {path.name: path.read_text("utf-8") for path in ours}
    return len(theirs) < len(ours) and all(texts.get(path.name) == path.read_text("utf-8") for path in theirs)


def _starts(code: Path) -> bool:
    """Whether a version is whole: a commit of a busy day may not be."""
    words = [
        sys.executable,
        "-P",
        "-c",
        "import openbell.cli.app, openbell.web.app, openbell.products; openbell.products.registry()",
    ]
    environ = os.environ | {"PYTHONPATH": str(code)}
    return subprocess.run(words, env=environ, check=False, capture_output=True).returncode == 0


def _git(root: Path, *words: str) -> bytes:
    return subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True).stdout  # noqa: S607


async def play(dsn: str, sandbox: str, size: Size, say: Say) -> Played:
    """One roll on an empty database; the old version brings it to its schema first."""
    played, begun = Played(), monotonic()
    folder = Path(tempfile.mkdtemp(prefix="openbell-deploy-"))
    stage = Stage(dsn, sandbox, size, say, played, folder)
    try:
        played.before, old = await asyncio.to_thread(version_before, folder / "before")
        await stage.open(old)
        await stage.migrate()
        await stage.roll()
        await stage.close()
    finally:
        await stage.end()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    played.seconds = round(monotonic() - begun, 1)
    played.judge(size.patience)
    return played


class Stage:
    """The database, the sandbox, the processes, and those who look at them."""

    def __init__(self, dsn: str, sandbox: str, size: Size, say: Say, played: Played, folder: Path) -> None:
        self.dsn, self.sandbox, self.size, self.say, self.played, self.folder = dsn, sandbox, size, say, played, folder
        self.parts: list[Part] = []
        self.open_doors: list[int] = []
        self.seen: set[int] = set()
        self.over = asyncio.Event()
        self.keys = list(COMPANIES)[: size.keys]
        self.chance = random.Random(size.seed)  # noqa: S311 -- spreads load
        self.tasks: list[asyncio.Task[None]] = []
        self.streaming: set[int] = set()
        self.http = httpx.AsyncClient(timeout=30)
        self.pool: asyncpg.Pool | None = None

    async def open(self, old: Path) -> None:
        """The version before runs, and everybody watches."""
        self.say("Starting the version before")
        await self.command(old, "migrate")
        self.pool = await open_pool(self.dsn, name="drill", max_size=4)
        await self.pool.execute(SQL.get("set_quote_pace"), TTL)
        slow = {"provider": "fmp", "path": "quote", "kind": "slow", "seconds": SLOW_S}
        (await self.http.post(f"{self.sandbox}/_control/faults", json=slow)).raise_for_status()
        await asyncio.gather(*(self.start("web", old) for _ in range(self.size.webs)))
        await asyncio.gather(*(self.start("worker", old) for _ in range(self.size.workers)))
        self.say(f"Opening {self.size.streams:,} streams")
        door = asyncio.Semaphore(100)
        self.tasks += [asyncio.create_task(self.watch(n, door)) for n in range(self.size.streams)]
        await self.until(lambda: len(self.streaming) == self.size.streams, 120)
        self.played.streams = len(self.streaming)
        self.tasks += [
            asyncio.create_task(one()) for one in (self.look_at_locks, self.look_at_freshness, self.look_at_jobs)
        ]
        await self.until_known()
        self.tasks += [asyncio.create_task(self.read()) for _ in range(4)]
        await asyncio.sleep(self.size.pause_s)

    async def migrate(self) -> None:
        """The new version's migrations, while the old one goes on."""
        self.say("Migrating under load")
        begun = monotonic()
        told = await self.command(HERE, "migrate", "--json")
        self.played.migrate_s = round(monotonic() - begun, 2)
        self.played.applied = re.findall(r'"((?:\d{4}_|functions/)[a-z0-9_]+)"', told)
        await asyncio.sleep(self.size.pause_s)

    async def roll(self) -> None:
        """One after the other: a new one is ready, the old one is asked to go."""
        for n, old in enumerate(list(self.parts), start=1):
            self.say(f"Replacing a {old.kind} ({n} of {self.size.webs + self.size.workers})")
            await self.start(old.kind, HERE)
            if old.kind == "web":
                self.open_doors.remove(old.port)
                await asyncio.sleep(0.5)  # requests under way end; an orchestrator calls it the pre-stop pause
            held = await self.held_by(old) if old.kind == "worker" else {}
            begun = monotonic()
            old.process.send_signal(signal.SIGTERM)
            following = asyncio.create_task(self.follow(held))
            try:
                await asyncio.wait_for(old.process.wait(), 4 * EXIT_S)
            except TimeoutError:
                old.process.kill()
            self.played.exits_s.append(round(monotonic() - begun, 2))
            if old.process.returncode not in (0, None):
                self.played.faults.append(
                    f"a {old.kind} ended with {old.process.returncode}: {' / '.join(old.said[-3:])}"
                )
            await following
            await asyncio.sleep(self.size.pause_s)

    async def close(self) -> None:
        """Everybody leaves; what was queued ends; the books are compared."""
        assert self.pool is not None
        await self.until(lambda: len(self.streaming) == self.size.streams, 15, or_go_on=True)
        self.played.not_moved = self.size.streams - len(self.streaming)
        self.over.set()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        ends = monotonic() + 30
        while monotonic() < ends and not await self.is_quiet():
            await asyncio.sleep(0.2)
        row = await self.pool.fetchrow(SQL.get("judge_jobs"), sorted(self.seen))
        assert row is not None
        played = self.played
        played.lost, played.twice, played.called_twice = row["lost"], row["twice"], row["called_twice"]
        played.booked, played.doubtful, played.jobs = row["booked"], row["doubtful"], row["done"]
        answer = (await self.http.get(f"{self.sandbox}/_control/ledger", params={"since": 2**50})).json()
        played.calls = answer["totals"]["by_provider"].get("fmp", {}).get("calls", 0)

    async def is_quiet(self) -> bool:
        """Whether no job is left."""
        assert self.pool is not None
        return not await self.pool.fetch(SQL.get("list_held"), None)

    async def end(self) -> None:
        """Whatever happened, nothing stays."""
        for task in self.tasks:
            task.cancel()
        for part in self.parts:
            if part.process.returncode is None:
                part.process.kill()
                await part.process.wait()
            if part.draining is not None:
                part.draining.cancel()
        await self.http.aclose()
        if self.pool is not None:
            self.pool.terminate()

    # Processes

    def environ(self, code: Path) -> dict[str, str]:
        """Settings of a version: nobody's own."""
        kept = {name: value for name, value in os.environ.items() if not OWN.match(name)}
        fmp = {"FMP_BASE_URL": self.sandbox, "FMP_API_KEY": "sandbox", "FMP_PLAN": "ultimate"}
        return kept | fmp | {"DATABASE_URL": self.dsn, "PYTHONPATH": str(code), "SCHEDULES": "false"}

    async def spawn(self, code: Path, *words: str) -> asyncio.subprocess.Process:
        """A process of a version, in an empty folder."""
        return await asyncio.create_subprocess_exec(
            *[sys.executable, "-P", "-m", "openbell", *words],
            cwd=self.folder,
            env=self.environ(code),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def command(self, code: Path, *words: str) -> str:
        """What a short command says. Raises RuntimeError when it fails."""
        process = await self.spawn(code, *words)
        told, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"`openbell {' '.join(words)}` failed: {told.decode()[-500:]}")
        return told.decode()

    async def start(self, kind: str, code: Path) -> Part:
        """A web process that is ready, or a worker that has its lease."""
        words = ("web", "--port", str(_free_port())) if kind == "web" else ("worker", "--slots", str(self.size.slots))
        process = await self.spawn(code, *words)
        part = Part(kind, process, port=int(words[2]) if kind == "web" else 0)
        self.parts.append(part)
        registered = asyncio.Event()
        part.draining = asyncio.create_task(_drain(part, registered))
        ends = monotonic() + START_S
        while not (registered.is_set() if kind == "worker" else await self.is_ready(part.port)):
            if process.returncode is not None or monotonic() > ends:
                raise RuntimeError(f"The {kind} of {code} did not start: {' / '.join(part.said[-5:])}")
            await asyncio.sleep(0.05)
        if kind == "web":
            self.open_doors.append(part.port)
        return part

    async def is_ready(self, port: int) -> bool:
        """What an orchestrator asks."""
        with suppress(httpx.HTTPError):
            return (await self.http.get(f"http://127.0.0.1:{port}/readyz")).status_code == httpx.codes.OK
        return False

    # Load

    async def until_known(self) -> None:
        """Until each quote has a first value: reads create nothing, so before that they find nothing."""
        left, ends = set(self.keys), monotonic() + START_S
        while left:
            for key in sorted(left):
                url = f"http://127.0.0.1:{self.open_doors[0]}/api/v1/artifacts/quote/{key}"
                if (await self.http.get(url)).status_code == httpx.codes.OK:
                    left.remove(key)
            if monotonic() > ends:
                raise RuntimeError(f"{len(left)} quotes had no value after {START_S:.0f} s.")
            await asyncio.sleep(0.2)

    async def read(self) -> None:
        """Somebody who reads what is known, again and again."""
        while not self.over.is_set():
            port, key = self.chance.choice(self.open_doors), self.chance.choice(self.keys)
            self.played.requests += 1
            try:
                answer = await self.http.get(f"http://127.0.0.1:{port}/api/v1/artifacts/quote/{key}")
                if answer.status_code != httpx.codes.OK:
                    self.fail(f"status {answer.status_code}")
            except httpx.HTTPError as error:
                self.fail(f"{type(error).__name__} {error}")
            await asyncio.sleep(0.02)

    def fail(self, what: str) -> None:
        """One request was not answered as it should have been."""
        self.played.failed += 1
        if len(self.played.failures) < FAILURES_TOLD:
            self.played.failures.append(what)

    async def watch(self, n: int, door: asyncio.Semaphore) -> None:
        """One browser: when its stream ends, it opens another, as EventSource does."""
        key, first = self.keys[n % len(self.keys)], True
        while not self.over.is_set():
            writer = None
            try:
                async with door:
                    port = self.open_doors[n % len(self.open_doors)]
                    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**15)
                    writer.write(f"GET /api/v1/stream?watch=quote:{key} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                    head = await reader.readuntil(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200"):
                    self.fail(f"stream {head[:12].decode()}")
                self.streaming.add(n)
                self.played.moved += not first
                first = False
                while await reader.read(2**14):
                    pass
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.1)
            finally:
                self.streaming.discard(n)
                if writer is not None:
                    writer.close()

    # Looking on

    async def look_at_locks(self) -> None:
        """Who waits for a lock, and how long."""
        assert self.pool is not None
        while not self.over.is_set():
            row = await self.pool.fetchrow(SQL.get("read_lock_wait"))
            if row is not None and row["waited_s"] > self.played.lock_wait_s:
                self.played.lock_wait_s, self.played.lock_on = round(row["waited_s"], 3), row["what"]
            await asyncio.sleep(LOOK_S)

    async def look_at_freshness(self) -> None:
        """How late the latest wanted value is."""
        assert self.pool is not None
        while not self.over.is_set():
            late: float = await self.pool.fetchval(SQL.get("read_late"))
            self.played.late_s = max(self.played.late_s, round(late, 2))
            await asyncio.sleep(0.25)

    async def look_at_jobs(self) -> None:
        """Which jobs there are."""
        assert self.pool is not None
        while not self.over.is_set():
            self.seen |= {row["id"] for row in await self.pool.fetch(SQL.get("list_held"), None)}
            await asyncio.sleep(0.1)

    async def held_by(self, part: Part) -> dict[int, int]:
        """The jobs that run in a worker now, and as whom: waits a little until it is as busy as can be."""
        assert self.pool is not None
        name, ends = f"{socket.gethostname()}:{part.process.pid}", monotonic() + 3 * TTL.total_seconds()
        best: dict[int, int] = {}
        while monotonic() < ends and len(best) < self.size.slots:
            rows = await self.pool.fetch(SQL.get("list_held"), None)
            best = {row["id"]: row["worker"] for row in rows if row["name"] == name}
            await asyncio.sleep(LOOK_S)
        return best

    async def follow(self, held: dict[int, int]) -> None:
        """How long work that was interrupted is without a worker."""
        assert self.pool is not None
        free: dict[int, float] = {}
        left, ends = dict(held), monotonic() + 15
        while left and monotonic() < ends:
            rows = {row["id"]: row["worker"] for row in await self.pool.fetch(SQL.get("list_held"), list(left))}
            now = monotonic()
            for job, worker in list(left.items()):
                if rows.get(job) == worker and job in rows:
                    continue
                if job in rows and rows[job] is None:
                    free.setdefault(job, now)
                    continue
                if job in rows or job in free:
                    self.played.interrupted += 1
                    waited = now - free.get(job, now)
                    self.played.claimed_again_s = max(self.played.claimed_again_s, round(waited, 3))
                del left[job]
            await asyncio.sleep(LOOK_S)
        if left:
            self.played.faults.append(f"{len(left)} interrupted jobs were not claimed again within 15 s")

    async def until(self, holds: Callable[[], bool], within_s: float, *, or_go_on: bool = False) -> None:
        """Wait for a condition. Raises RuntimeError after ``within_s``, unless ``or_go_on``."""
        ends = monotonic() + within_s
        while not holds():
            if monotonic() > ends:
                if or_go_on:
                    return
                raise RuntimeError(f"Only {len(self.streaming):,} of {self.size.streams:,} streams are open.")
            await asyncio.sleep(0.05)


async def _drain(part: Part, registered: asyncio.Event) -> None:
    """Read what it says, and keep the last of it."""
    assert part.process.stdout is not None
    while line := (await part.process.stdout.readline()).decode(errors="replace"):
        part.said = [*part.said[-9:], line.strip()[:300]]
        if "worker.registered" in line:
            registered.set()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number: int = taken.getsockname()[1]
        return number
