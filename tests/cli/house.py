"""`openbell up` as a test runs it: in a folder of its own, on a free port, with nothing of our own environment."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

COMMAND = [sys.executable, "-P", "-m", "openbell"]
FOREIGN = re.compile(
    r"^(OPENBELL_|FMP_|PPLX_|ANTHROPIC_|CLAUDE_|OPENAI_|SCRAPFLY_|NEWS_|EDGAR_|WIKIMEDIA_|SMTP_|ADMIN_EMAIL$|DRY_RUN$"
    r"|DATABASE_|DIRECT_DATABASE_|ENVIRONMENT$|LOG_LEVEL$|MAX_CONCURRENT|ALLOWED_ORIGINS|READING_ORIGINS"
    r"|MAIL_|MAILS_|PUBLIC_URL$|SCHEDULES$|DKIM_)"
)
START_S = 120


def environ(**extra: str) -> dict[str, str]:
    """Our environment without any setting of openbell, and with `extra`."""
    return {name: value for name, value in os.environ.items() if not FOREIGN.match(name)} | extra


def run(*arguments: str, cwd: Path, timeout: float = 90, **extra: str) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environ(**extra),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


async def openbell(dsn: str, *arguments: str) -> tuple[int, str, str]:
    """One command against this database; its exit code, what it said, and what it complained about."""
    done = await asyncio.to_thread(run, *arguments, cwd=Path(__file__).parent, DATABASE_URL=dsn)
    return done.returncode, done.stdout, done.stderr


@contextmanager
def limited(process: subprocess.Popen[Any], within_s: float = 60) -> Iterator[None]:
    """Nobody waits for this process for longer than that: it is killed then, and whoever reads from it sees its end."""
    timer = threading.Timer(within_s, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


@dataclass
class House:
    """A running `openbell up`: its process, its address, what it has said, and its folder."""

    process: subprocess.Popen[str]
    cwd: Path
    address: str = ""
    said: list[str] = field(default_factory=list)

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """A command beside it."""
        return run(*arguments, cwd=self.cwd, **options)

    def json(self, *arguments: str) -> Any:
        """The same, for a program."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def page(self, path: str = "/") -> str:
        """The page at this path; an error when it does not answer 200."""
        with urllib.request.urlopen(self.address + path, timeout=30) as answer:
            return str(answer.read().decode())

    def tree(self) -> list[psutil.Process]:
        """The parent and everything it has started."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def child(self, name: str) -> psutil.Process:
        """The process that runs `openbell NAME`."""
        (found,) = self.running(name)
        return found

    def running(self, name: str) -> list[psutil.Process]:
        """The processes that run `openbell NAME` at this moment."""
        found = []
        for one in self.tree():
            try:
                if name in one.cmdline()[4:5]:
                    found.append(one)
            except psutil.Error:  # it has just ended
                pass
        return found

    def end(self) -> int:
        """Ctrl-C, and its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)


def start(cwd: Path, *arguments: str, **extra: str) -> House:
    """`openbell up` until it has printed its address."""
    process = subprocess.Popen(
        [*COMMAND, "up", "--port", "0", *arguments],
        cwd=cwd,
        env=environ(PYTHONUNBUFFERED="1", **extra),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    house = House(process, cwd)
    up = threading.Event()

    def listen() -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                house.said.append(line.rstrip())
                if found := re.search(r"Address\s+(http\S+)", line):
                    house.address = found[1]
                if "Ctrl-C" in line and house.address:
                    up.set()
        up.set()

    threading.Thread(target=listen, daemon=True).start()
    assert up.wait(START_S), house.said
    if not house.address:
        process.wait(timeout=30)
        raise AssertionError("\n".join(house.said))
    return house
