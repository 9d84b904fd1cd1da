"""`openbell up` on synthetic data, as a measurement runs it: in a folder of its own, without settings of anybody."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import asyncpg
import psutil

from openbell.bench.errors import BenchError
from openbell.postgres.embedded import DATABASE, running_dsn

Read = TypeVar("Read")
UP_S = 90.0
PARTS = ("web", "worker", "sandbox")
DOWN_S = 15.0
SETTINGS = re.compile(
    r"OPENBELL_|FMP_|PPLX_|ANTHROPIC_|CLAUDE_|OPENAI_|SCRAPFLY_|NEWS_|EDGAR_|WIKIMEDIA_|SMTP_|ADMIN_EMAIL$|DRY_RUN$"
    r"|DATABASE_|DIRECT_DATABASE_|ENVIRONMENT$|MAX_CONCURRENT|ALLOWED_ORIGINS|READING_ORIGINS"
)


@dataclass(slots=True)
class House:
    """A running one: its address, its process and its folder."""

    host: str
    port: int
    pid: int
    folder: Path

    def tree(self) -> list[psutil.Process]:
        """All its processes, the database's too."""
        parent = psutil.Process(self.pid)
        return [parent, *parent.children(recursive=True)]

    def web_pid(self) -> int:
        """Its web process."""
        return next(pid for pid, words in self._each(lambda one: (one.pid, one.cmdline())) if "web" in words)

    def memory_mib(self) -> float:
        """Proportional set size of all processes: memory that several share counts once."""
        return sum(float(one.pss) for one in self._each(psutil.Process.memory_full_info)) / 2**20

    def processor_s(self) -> float:
        """Processor time that its living processes have used so far."""
        return sum(float(one.user + one.system) for one in self._each(psutil.Process.cpu_times))

    def processor_by_part(self) -> dict[str, float]:
        """The same by part of the house: web, worker, sandbox, database, and up for the rest."""
        used: dict[str, float] = {}
        for words, times in self._each(lambda one: (one.cmdline(), one.cpu_times())):
            part = next((name for name in PARTS if name in words), "up")
            part = "database" if words and "postgres" in words[0] else part
            used[part] = used.get(part, 0.0) + float(times.user + times.system)
        return used

    def _each(self, read: Callable[[psutil.Process], Read]) -> Iterator[Read]:
        for one in self.tree():
            try:
                said = read(one)
            except psutil.NoSuchProcess:  # it has ended since the list was made
                continue
            yield said

    async def watcher(self) -> asyncpg.Connection:
        """A connection beside it whose questions are not counted among its own."""
        dsn = running_dsn(self.folder)
        if dsn is None:
            raise BenchError(f"No database runs in {self.folder}.")
        return await asyncpg.connect(dsn.replace(f"/{DATABASE}?", "/postgres?"))


@asynccontextmanager
async def running_house(*arguments: str) -> AsyncIterator[House]:
    """Up until the block ends; then everything is removed."""
    folder = Path(tempfile.mkdtemp(prefix="openbell-bench-"))
    folder.chmod(0o711)  # noqa: ASYNC240 -- once; the database may run as another user, who must get through
    environ = {name: value for name, value in os.environ.items() if not SETTINGS.match(name)}
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-P", "-m", "openbell", "up", "--port", "0", "--data", str(folder / "data"), *arguments],
        env={**environ, "PYTHONUNBUFFERED": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        host, port = await asyncio.wait_for(_address(process), UP_S)
        yield House(host, port, process.pid, folder / "data")
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            try:
                await asyncio.wait_for(process.wait(), DOWN_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        shutil.rmtree(folder, ignore_errors=True)


async def _address(process: asyncio.subprocess.Process) -> tuple[str, int]:
    assert process.stdout is not None
    said: list[str] = []
    while line := (await process.stdout.readline()).decode():
        said.append(line.rstrip())
        if found := re.search(r"Address\s+http://([\w.]+):(\d+)", line):
            return found[1], int(found[2])
    raise BenchError("`openbell up` has ended: " + "\n".join(said[-10:]))
