"""One child process of `openbell up`: started, watched, started again when it dies, and ended.

A child gets a session of its own, so that Ctrl-C at the terminal reaches only the parent, which decides the order in
which things end. Its output goes through the parent into a log file of limited size; errors are shown as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from openbell.cli import lifeline

BACKOFF_FIRST_S = 0.2
BACKOFF_MOST_S = 10.0
DEATHS_MAX = 5
DEATHS_WINDOW_S = 30.0
LOG_BYTES_MAX = 5_000_000
LINE_BYTES_MAX = 64_000
SAME_ERROR_EVERY_S = 60.0
SHOWN_ERRORS_MAX = 200
LOUD = (" ERROR ", " CRITICAL ", '"level": "ERROR"', '"level": "CRITICAL"')
COMMAND = (sys.executable, "-P", "-m", "openbell")
"""-P: a folder or file of the same name in the working folder must not be taken for a module."""


class LogFile:
    """Appends lines; at the size limit the file becomes `….1`, and the one before that goes."""

    def __init__(self, path: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
        self.path = path
        self._bytes_max = bytes_max
        self._file = path.open("ab")

    def write(self, line: bytes) -> None:
        """A full disk must not end the service that logs, so an error here is dropped."""
        with contextlib.suppress(OSError):
            if self._file.tell() + len(line) > self._bytes_max:
                self._file.close()
                self.path.replace(self.path.with_name(self.path.name + ".1"))
                self._file = self.path.open("ab")
            self._file.write(line)
            self._file.flush()

    def close(self) -> None:
        """Nothing may be written afterwards."""
        with contextlib.suppress(OSError):
            self._file.close()


class Service:
    """A command of openbell that is kept running until `stop`; `failed` gets a sentence when that is impossible."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        environ: Mapping[str, str],
        logs: Path,
        lifeline_fd: int,
        say: Callable[[str], None],
        inherit: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.restarts = 0
        self._command = [*COMMAND, *arguments]
        self._environ = {**environ, lifeline.VARIABLE: str(lifeline_fd)}
        self._inherit = (lifeline_fd, *inherit)
        self._log = LogFile(logs / f"{name}.log")
        self._say = say
        self._shown: dict[str, float] = {}
        self._tail: deque[str] = deque(maxlen=1)
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._renewing = False

    @property
    def pid(self) -> int | None:
        """Of the process that runs now, if any."""
        return self._process.pid if self._process and self._process.returncode is None else None

    def start(self) -> None:
        """Begin to keep the command running; returns at once."""
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    def renew(self, changes: Mapping[str, str]) -> None:
        """Start it again with a changed environment; that is no death."""
        self._environ |= changes
        self._renewing = self.pid is not None
        self._signal(signal.SIGTERM)

    async def stop(self, grace_s: float) -> None:
        """Ask it to drain, wait at most `grace_s` seconds, then kill it."""
        self._stopping.set()
        if self._keeper is None:
            return
        self._signal(signal.SIGTERM)
        _, late = await asyncio.wait([self._keeper], timeout=grace_s)
        if late:
            self.kill()
            await asyncio.wait([self._keeper], timeout=1.0)
            self._keeper.cancel()
        self._log.close()

    def kill(self) -> None:
        """End it and whatever it has started, now."""
        self._stopping.set()
        if (pid := self.pid) is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is not None and self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def _keep(self) -> None:
        deaths: deque[float] = deque(maxlen=DEATHS_MAX)
        while not self._stopping.is_set():
            code = await self._run_once()
            if self._stopping.is_set():
                return
            if self._renewing:
                self._renewing = False
                continue
            deaths.append(time.monotonic())
            if len(deaths) == DEATHS_MAX and deaths[-1] - deaths[0] < DEATHS_WINDOW_S:
                why = f" Its last line: {self._tail[-1]}" if self._tail else ""
                self.failed.set_result(
                    f"The {self.name} process does not stay up: it ended {DEATHS_MAX} times "
                    f"(last {_ending(code)}); see {self._log.path}.{why}"
                )
                return
            self.restarts += 1
            recent = sum(deaths[-1] - at < DEATHS_WINDOW_S for at in deaths)
            pause = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * 2 ** (recent - 1))
            self._say(f"The {self.name} process ended ({_ending(code)}); starting it again in {pause:.1f} s.")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _run_once(self) -> int:
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environ,
            pass_fds=self._inherit,
            start_new_session=True,
            limit=LINE_BYTES_MAX,
        )
        if self._stopping.is_set():  # asked to end while it was being started
            self._signal(signal.SIGTERM)
        if process.stdout is not None:
            await self._pump(process.stdout)
        return await process.wait()

    async def _pump(self, output: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await output.readline()
            except ValueError:  # longer than LINE_BYTES_MAX: what was buffered of it has been dropped
                line = b"(a line too long to log)\n"
            if not line:
                return
            self._log.write(line)
            text = line.decode("utf-8", "replace").rstrip()
            if text:
                self._tail.append(text)
            if any(mark in text[:80] for mark in LOUD):
                self._show(text)

    def _show(self, line: str) -> None:
        """An error goes to the terminal, the same one at most once a minute."""
        message = line.split(" ", 1)[-1]
        now = time.monotonic()
        if now - self._shown.get(message, -SAME_ERROR_EVERY_S) < SAME_ERROR_EVERY_S:
            return
        if len(self._shown) >= SHOWN_ERRORS_MAX:
            self._shown.clear()
        self._shown[message] = now
        self._say(f"{self.name}: {message}")


async def run_once(arguments: Sequence[str], *, environ: Mapping[str, str], lifeline_fd: int) -> tuple[int, bytes]:
    """A command of openbell to its end: its exit code, and all that it said. Cancelling kills it."""
    child = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**environ, lifeline.VARIABLE: str(lifeline_fd)},
        pass_fds=(lifeline_fd,),
        start_new_session=True,
    )
    try:
        said, _ = await child.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        raise
    return child.returncode or 0, said


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit {code}"
