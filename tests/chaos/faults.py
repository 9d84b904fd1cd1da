"""What goes wrong: processes killed, frozen, asked to leave; connections cut, the server crashed, the clock moved."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import asyncpg

from openbell.engine.persist import DATABASE_ERRORS
from openbell.postgres.embedded import EmbeddedServer
from tests.chaos.history import History
from tests.support import happens, watch

if TYPE_CHECKING:
    from tests.chaos.run import Plan

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = {"kill": 6.0, "freeze": 5.0, "cut": 4.0, "ask_to_leave": 2.0, "jump": 1.0, "crash": 1.0}


@dataclass(slots=True)
class Process:
    """A worker process. Its name is the name of its leases in the database."""

    name: str
    popen: subprocess.Popen[bytes]
    frozen: bool = False

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.popen.pid, number)


@dataclass(slots=True)
class Staff:
    """The worker processes of a run. Whoever ends is replaced, as a supervisor would."""

    options: dict[str, Any]
    folder: Path
    history: History
    processes: list[Process] = field(default_factory=list)
    hired: int = 0

    def hire(self) -> Process:
        """Start one."""
        self.hired += 1
        name = f"w{self.hired}"
        options = self.options | {"name": name, "seed": self.options["seed"] * 1_000 + self.hired}
        with (self.folder / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-m", "tests.chaos.worker", json.dumps(options)]
            popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=ROOT)
        self.processes.append(Process(name, popen))
        return self.processes[-1]

    def are_ready(self) -> bool:
        """Whether each of them has said hello."""
        ready = {fact["worker"] for fact in self.history.of("hello")}
        return all(one.name in ready for one in self.processes)

    def free(self) -> list[Process]:
        """Those that run and are not frozen."""
        return [one for one in self.processes if not one.frozen and one.popen.poll() is None]

    def replace(self, one: Process) -> None:
        """It has ended; start another in its place."""
        self.processes.remove(one)
        assert one.popen.stdin is not None
        one.popen.stdin.close()
        self.hire()

    def look(self) -> None:
        """Replace those that ended though nobody made them."""
        for one in list(self.processes):
            if (code := one.popen.poll()) is not None:
                self.history.add("died", worker=one.name, code=code)
                self.replace(one)

    async def dismiss(self, *, within_s: float = 20.0) -> None:
        """Ask all to leave; whoever does not leave with code 0 is noted."""
        for one in self.processes:
            one.send(signal.SIGCONT)
            one.send(signal.SIGTERM)
        for one in self.processes:
            await leave(one, self.history, within_s)
        self.processes.clear()

    def kill(self) -> None:
        """End them all, whatever state they are in."""
        for one in self.processes:
            one.popen.kill()
            one.popen.wait()
            if one.popen.stdin is not None:
                one.popen.stdin.close()
        self.processes.clear()


async def leave(one: Process, history: History, within_s: float = 20.0) -> None:
    """Wait for a process that was asked to leave; it must do so in time and with code 0."""
    if not await watch(lambda: one.popen.poll() is not None, within_s):
        one.popen.kill()
        one.popen.wait()
    history.add("left", worker=one.name, code=one.popen.returncode)
    if one.popen.stdin is not None:
        one.popen.stdin.close()


@dataclass(slots=True)
class Faults:
    """Chooses what goes wrong next, by seed."""

    staff: Staff
    server: EmbeddedServer
    dsn: str
    history: History
    random: Random
    plan: Plan

    async def run(self, stop: asyncio.Event, every_s: float) -> None:
        """One fault after the other, about every ``every_s``; freezes thaw beside.

        Each comes once, the likeliest first: else a short run on a busy machine may end before anybody was killed.
        """
        thaws: set[asyncio.Task[None]] = set()
        self._thaws, weights = thaws, self.plan.weights
        first = iter(sorted(weights, key=lambda fault: -weights[fault]))
        while not await happens(stop, self.random.uniform(0.3, 1.7) * every_s):
            self.staff.look()
            (fault,) = self.random.choices(list(weights), list(weights.values()))
            await getattr(self, next(first, fault))()
        for thaw in thaws:
            thaw.cancel()
        await asyncio.gather(*thaws, return_exceptions=True)

    _thaws: set[asyncio.Task[None]] = field(default_factory=set)

    def _one(self, *, spare: int) -> Process | None:
        free = self.staff.free()
        return self.random.choice(free) if len(free) > spare else None

    async def kill(self) -> None:
        """SIGKILL, and another one in its place."""
        if one := self._one(spare=1):
            one.popen.kill()
            self.history.add("kill", worker=one.name)
            one.popen.wait()
            self.staff.replace(one)

    async def freeze(self) -> None:
        """SIGSTOP for a while; then it goes on as if nothing had happened."""
        if one := self._one(spare=2):
            seconds = self.random.uniform(*self.plan.freeze_s)
            one.frozen = True
            one.send(signal.SIGSTOP)
            self.history.add("freeze", worker=one.name, seconds=seconds)
            thaw = asyncio.create_task(self._thaw(one, seconds))
            self._thaws.add(thaw)
            thaw.add_done_callback(self._thaws.discard)

    async def _thaw(self, one: Process, seconds: float) -> None:
        try:
            if self.random.random() < self.plan.exactly:
                await self._until_robbed(one, time.time(), seconds)
            else:
                await asyncio.sleep(seconds)
        finally:
            self.history.add("thaw", worker=one.name)
            one.send(signal.SIGCONT)
            one.frozen = False

    async def _until_robbed(self, one: Process, since: float, most_s: float) -> None:
        """Until somebody has taken a job from it: what it writes next is late by a moment, which is the worst time."""
        robbed = (
            "select exists (select 1 from chaos.event e"
            " join chaos.event h on h.kind = 'hired' and h.worker = e.worker and h.word = $1"
            " where e.kind = 'freed' and e.word = 'process_gone' and e.at > to_timestamp($2))"
        )
        await watch(lambda: self._ask(robbed, one.name, since), most_s, every_s=0.05)
        await asyncio.sleep(self.random.choice([0.0, 0.0, 0.1, 0.4]))

    async def _ask(self, statement: str, *arguments: Any) -> Any:
        """The answer to one statement, over a connection of its own; None when the database is away."""
        try:
            connection = await asyncpg.connect(self.dsn)
        except DATABASE_ERRORS:
            return None
        try:
            return await connection.fetchval(statement, *arguments)
        except (*DATABASE_ERRORS, asyncpg.InternalClientError):
            return None
        finally:
            connection.terminate()

    async def ask_to_leave(self) -> None:
        """SIGTERM: it must hand back what it holds and leave with code 0."""
        if one := self._one(spare=2):
            one.send(signal.SIGTERM)
            await leave(one, self.history)
            self.staff.replace(one)

    async def cut(self) -> None:
        """Terminate some of the connections, wherever they are."""
        count = await self._ask(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where pid <> pg_backend_pid() and datname = current_database()"
            " and application_name like 'openbell%' and random() < $1",
            self.random.choice([0.1, 0.5, 1.0]),
        )
        if count is not None:
            self.history.add("cut", connections=count)

    async def jump(self) -> None:
        """The clock of the database goes forward."""
        seconds, began = round(self.random.uniform(1, 40) * self.plan.pace, 3), time.time()
        statement = "update openbell.clock set shift = shift + make_interval(secs => $1) returning true"
        if await self._ask(statement, seconds):
            self.history.add("jump", began=began, seconds=seconds)

    async def crash(self) -> None:
        """Stop the server at once, as a crash would, and start it again."""
        pid = self.server.pid
        assert pid is not None
        self.history.add("crash")
        os.kill(pid, signal.SIGQUIT)
        await self.server.stop()
        await asyncio.sleep(self.random.uniform(0, 1.5))
        dsn = await self.server.start()
        self.history.add("back", dsn=dsn)
