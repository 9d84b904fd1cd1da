"""The processes that take part in a measurement, as the measuring process sees them.

Each is ``python -m openbell.bench.worker ROLE DSN OPTIONS`` and speaks JSON lines: it says ``{"ready": true}``, begins
at the line ``go`` (an engine worker works from the start), tells what happens, ends at the line ``stop`` and says at
last what it has done.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from openbell.bench.errors import BenchError

OURS = (sys.executable, "-m", "openbell.bench.worker")
START_S = 60.0
SILENCE_S = 60.0
LOG_LINES = 15
LINE_BYTES_MAX = 16 * 1024 * 1024


class Actor:
    """One such process."""

    def __init__(self, role: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.role, self.pid = role, process.pid
        self._process, self._log = process, log

    @classmethod
    async def start(cls, command: Sequence[str], role: str, dsn: str, log: Path, options: dict[str, Any]) -> Actor:
        """Start it and wait until it is ready."""
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                role,
                dsn,
                json.dumps(options),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                limit=LINE_BYTES_MAX,
            )
        actor = cls(role, process, log)
        await actor.hear(START_S)
        return actor

    def go(self) -> None:
        """Begin."""
        self._say("go")

    def look(self) -> None:
        """Look what has come, for those who sleep until then."""
        self._say("look")

    async def hear(self, limit_s: float = SILENCE_S) -> dict[str, Any]:
        """The next thing that it says. Raises :class:`BenchError` when it has died or says nothing for too long."""
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), limit_s)
        except TimeoutError:
            raise BenchError(self._failure(f"said nothing for {limit_s:g} s")) from None
        if not line:
            raise BenchError(self._failure("ended before its time"))
        said: dict[str, Any] = json.loads(line)
        return said

    async def stop(self) -> dict[str, Any]:
        """End it; its last words."""
        self._say("stop")
        said = await self.hear()
        while "last" not in said:
            said = await self.hear()
        await self._process.wait()
        return said

    async def end(self) -> None:
        """Whatever happened, leave no process behind."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def _failure(self, what: str) -> str:
        tail = self._log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        return "\n".join([f"The process {self.role!r} {what}. Its log ends with:", *tail])

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(RuntimeError, OSError):  # one that is dead is told by the next `hear`, with its log
            self._process.stdin.write(f"{word}\n".encode())


@asynccontextmanager
async def acting(
    role: str, dsn: str, log: Path, count: int = 1, *, command: Sequence[str] = OURS, **options: Any
) -> AsyncIterator[list[Actor]]:
    """``count`` processes of a role, ready to go; none is left behind."""
    actors: list[Actor] = []
    try:
        for _ in range(count):
            actors.append(await Actor.start(command, role, dsn, log, options))  # noqa: PERF401 -- must know those that did start
        yield actors
    finally:
        for actor in actors:
            await actor.end()
