"""Workers as real processes, for engines whose claims and reports cannot be made by hand.

A worker program prints one JSON line for whatever happens (``began``, ``ended``) and reads commands, one a line. To
fall silent is to be stopped (SIGSTOP).
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.suite import Engine, NotOffered
from tests.support import watch

BEGIN_S = 90.0
WATCH_S = 4.0
"""For so long a late report may show an effect; then it counts as without."""


class Interrupted(Exception):
    """The engine stopped the attempt before it could report."""


@dataclass(slots=True)
class Worker:
    """One process and what it has said."""

    name: str
    process: asyncio.subprocess.Process
    said: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    async def start(cls, program: str, name: str, **options: Any) -> Worker:
        """Start a program of this package, and listen."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"tests.conformance.engines.{program}", json.dumps({"name": name, **options}),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        worker = cls(name, process)
        worker.listening = asyncio.create_task(worker._listen())
        return worker

    listening: asyncio.Task[None] | None = None

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            if line.startswith(b"{"):
                self.said.append(json.loads(line))

    async def hears(self, what: str, within_s: float = BEGIN_S) -> None:
        """Wait until it has said that."""
        if not await watch(lambda: any(line["what"] == what for line in self.said), within_s):
            raise TimeoutError(f"{self.name} has not {what} within {within_s:g} s")

    def tell(self, command: str) -> None:
        """Send a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(command.encode() + b"\n")

    def freeze(self) -> None:
        """Stop it where it is."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if nothing had happened."""
        self.process.send_signal(signal.SIGCONT)

    async def end(self) -> None:
        """Kill it."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        if self.listening is not None:
            await self.listening


class ProcessEngine(Engine):
    """An engine whose workers are processes of one program."""

    program: str
    how = "real processes, stopped and continued"

    def __init__(self) -> None:
        self.workers: list[Worker] = []

    async def start(self, name: str, **options: Any) -> Worker:
        """Start a worker."""
        worker = await Worker.start(self.program, name, dsn=self.dsn, **options)
        self.workers.append(worker)
        return worker

    dsn: str

    async def close(self) -> None:
        for worker in self.workers:
            await worker.end()

    async def lapse(self, claim: Worker) -> None:
        claim.freeze()

    async def succeed(self, claim: Worker) -> None:
        await self._report(claim, "ok")

    async def fail(self, claim: Worker) -> None:
        await self._report(claim, "fail")

    async def _report(self, claim: Worker, word: str) -> None:
        """Let it go on and report; then watch for an effect."""
        before = await self.look()
        claim.thaw()
        claim.tell(word)
        try:
            await claim.hears("ended", WATCH_S)
        except TimeoutError:
            raise Interrupted from None

        async def changed() -> bool:
            return bool(await self.look() != before)

        await watch(changed, WATCH_S)

    async def busiest(self, workers: list[Worker], jobs: int) -> int:
        """How many jobs ran at once at the worst moment, when all have ended."""

        def all_ended() -> bool:
            return sum(line["what"] == "ended" for worker in workers for line in worker.said) >= jobs

        if not await watch(all_ended, BEGIN_S):
            raise NotOffered("the jobs did not end in time")
        steps = sorted(
            (line["at"], 1 if line["what"] == "began" else -1)
            for worker in workers
            for line in worker.said
            if line["what"] in ("began", "ended")
        )
        running = most = 0
        for _, step in steps:
            running += step
            most = max(most, running)
        return most


def say(what: str) -> None:
    """For the programs: one line."""
    sys.stdout.write(json.dumps({"what": what, "at": time.time()}) + "\n")  # in one piece: others write too
    sys.stdout.flush()
