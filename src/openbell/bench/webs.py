"""Web processes as a measurement starts them: ``openbell web``, as everybody runs it."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil

from openbell.bench.errors import BenchError
from openbell.bench.house import SETTINGS

START_S, STOP_S = 60.0, 15.0
SPARE_FILES = 500


@dataclass(frozen=True, slots=True)
class Web:
    """A running one."""

    port: int
    pid: int

    def memory_mib(self) -> float:
        """Proportional set size."""
        return float(psutil.Process(self.pid).memory_full_info().pss) / 2**20

    def processor_s(self) -> float:
        """Processor time so far."""
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)


@asynccontextmanager
async def running_web(*arguments: str, settings: Mapping[str, str] | None = None) -> AsyncIterator[Web]:
    """Up until the block ends."""
    environ = {name: value for name, value in os.environ.items() if not SETTINGS.match(name)}
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-P", "-m", "openbell", "web", "--port", "0", *arguments],
        env=environ | dict(settings or {}),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    draining: asyncio.Task[None] | None = None
    try:
        port = await asyncio.wait_for(_port(process), START_S)
        draining = asyncio.create_task(_drain(process))
        web = Web(port, process.pid)
        await asyncio.wait_for(_ready(web), START_S)
        yield web
    finally:
        if draining is not None:
            draining.cancel()
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.communicate(), STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()


def allow_files(wanted: int) -> None:
    """Let this process and those that it starts open so many files and some more, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted + SPARE_FILES:
        return
    if hard < wanted + SPARE_FILES:
        raise BenchError(f"{wanted:,} connections need more open files than the {hard:,} that `ulimit -Hn` allows.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _port(process: asyncio.subprocess.Process) -> int:
    assert process.stderr is not None
    said: Sequence[str] = []
    while line := (await process.stderr.readline()).decode():
        said = [*said[-10:], line.rstrip()]
        if found := re.search(r"Pages on http://[\w.]+:(\d+)", line):
            return int(found[1])
    raise BenchError("`openbell web` has ended: " + "\n".join(said))


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Nobody reads its log, and it must not stop for that."""
    assert process.stderr is not None
    while await process.stderr.readline():
        pass


async def _ready(web: Web) -> None:
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", web.port)
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answered = await reader.readline()
        writer.close()
        if b" 200 " in answered:
            return
        await asyncio.sleep(0.1)
