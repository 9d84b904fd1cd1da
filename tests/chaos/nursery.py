"""The zygote and its children (:mod:`tests.chaos.zygote`), as their boss sees them."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.chaos.fate import Fate
from tests.chaos.faults import ROOT

ANSWER_S = 120.0
BORN_AHEAD = 2


class Child:
    """A worker process, from the boss's side."""

    def __init__(self, pid: int, worker: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid, self.worker, self._reader, self._writer = pid, worker, reader, writer
        self.codes: asyncio.Queue[int | None] = asyncio.Queue()
        """Its exit code; before that None for each time that it has come to stand still."""
        self._answer: asyncio.Task[bytes] | None = None

    def order(self, fate: Fate) -> None:
        """Make an attempt at a job, with this fate."""
        self._writer.write(json.dumps(fate.as_json()).encode() + b"\n")
        self._answer = asyncio.create_task(self._reader.readline())

    async def end(self) -> dict[str, int] | int | None:
        """What its attempt has passed; or its exit code; or None when it has come to stand still."""
        assert self._answer is not None
        code = asyncio.create_task(self.codes.get())
        await asyncio.wait({self._answer, code}, timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
        if self._answer.done() and not self._answer.exception() and (line := self._answer.result()):
            code.cancel()
            said: dict[str, int] = json.loads(line)
            return said
        return await asyncio.wait_for(code, ANSWER_S)

    async def hear(self, until: float) -> dict[str, int] | None:
        """What it says next of its own accord; None when it says nothing until then (monotonic time) or has ended."""
        try:
            line = await asyncio.wait_for(self._reader.readline(), max(0.0, until - time.monotonic()))
        except (TimeoutError, ConnectionError):
            return None
        return dict(json.loads(line)) if line else None

    async def hang_up(self) -> None:
        """No more orders: it ends, if it has not ended yet."""
        if self._answer is not None:
            self._answer.cancel()
            await asyncio.gather(self._answer, return_exceptions=True)
        self._writer.close()


class Nursery:
    """The zygote and its children. ``role`` among the options is what the children do."""

    def __init__(self, options: dict[str, Any], log: Path) -> None:
        self._options, self._log = options, log
        self._born: asyncio.Queue[Child] = asyncio.Queue()
        self._living: dict[int, Child] = {}
        self._asked = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Nursery]:
        """Children can be had within; none is left behind."""
        server = await asyncio.start_unix_server(self._hello, self._options["boss"])
        with self._log.open("ab") as log:
            self._zygote = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.chaos.zygote", json.dumps(self._options),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log, cwd=ROOT,
            )  # fmt: skip
        listening = asyncio.create_task(self._listen())
        try:
            yield self
        finally:
            assert self._zygote.stdin is not None
            self._zygote.stdin.close()
            await self._zygote.wait()
            await listening
            for child in self._living.values():
                await child.hang_up()
            server.close()

    async def child(self) -> Child:
        """One more; others are on their way meanwhile."""
        assert self._zygote.stdin is not None
        while self._asked <= BORN_AHEAD:
            self._zygote.stdin.write(b"\n")
            self._asked += 1
        self._asked -= 1
        return await asyncio.wait_for(self._born.get(), ANSWER_S)

    async def _hello(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = json.loads(await reader.readline())
        child = self._living[said["pid"]] = Child(said["pid"], said["worker"], reader, writer)
        self._born.put_nowait(child)

    async def _listen(self) -> None:
        assert self._zygote.stdout is not None
        while line := await self._zygote.stdout.readline():
            said = json.loads(line)
            child = self._living.get(said["pid"])
            if child is not None:
                child.codes.put_nowait(said["code"])
