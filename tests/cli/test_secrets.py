"""Marked keys: a whole run, worker and pages and commands, shows none of them anywhere."""

from __future__ import annotations

import asyncio
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from openbell.engine import jobs
from openbell.engine.demand import want
from openbell.settings import KEYED
from tests.cli.house import COMMAND, environ, run
from tests.sandbox.conftest import start  # noqa: F401 - fixture
from tests.sandbox.harness import Start
from tests.support import eventually

MARKS = {f"{name.upper()}_API_KEY": f"marked-{name}-9c41e7" for name in KEYED} | {"SMTP_PASSWORD": "marked-smtp-9c41e7"}
PAGES = ("/", "/symbol/AAPL", "/symbol/NOSUCH", "/budgets", "/health", "/api/v1/artifacts/quote/AAPL", "/metrics")
COMMANDS = (
    ("doctor",), ("jobs", "list", "--json"), ("spends", "list", "--json"), ("accounts", "list", "--json"),
    ("costs", "--json"), ("jobs", "why", "quote", "MSFT"),
)  # fmt: skip
TABLES = "select relname from pg_class where relnamespace = 'openbell'::regnamespace and relkind in ('r', 'p')"


class Processes:
    """Commands of ours that go on running; what they say goes into files."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder, self.settings = folder, settings
        self.started: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Run `openbell NAME` with the marked keys in its environment."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self.started[name] = subprocess.Popen(
                [*COMMAND, name],
                cwd=self.folder,
                env=environ(**self.settings, **MARKS),
                stdout=log,
                stderr=log,
            )

    def said(self, name: str) -> str:
        """All that it has written."""
        return (self.folder / f"{name}.log").read_text()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path, {})
    yield made
    for one in made.started.values():
        one.terminate()
        one.wait(20)


def page(address: str, path: str) -> str:
    """What the pages answer there, also when it is an error."""
    try:
        with urllib.request.urlopen(address + path, timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


async def test_a_run_with_marked_keys_shows_none_of_them(
    pool: asyncpg.Pool,
    dsn: str,
    start: Start,  # noqa: F811 - fixture
    processes: Processes,
    tmp_path: Path,
) -> None:
    """PF-41, issue 4: logs at the finest level, errors, pages, commands and tables of a run contain no key."""
    sandbox = await start(key=MARKS["FMP_API_KEY"])
    settings = {"DATABASE_URL": dsn, "FMP_BASE_URL": sandbox.url, "LOG_LEVEL": "DEBUG", "OPENBELL_PORT": "0"}
    processes.settings = settings | {"SMTP_HOST": "127.0.0.1", "SMTP_USER": "openbell"}
    processes.start("worker")
    processes.start("web")
    for symbol, kind in (("MSFT", "legacy"), ("IBM", "drop"), ("GOOG", "html502")):
        await sandbox.fault(kind, path="quote", symbol=symbol, times=1)
    found = await eventually(lambda: re.search(r"http://127\.0\.0\.1:\d+", processes.said("web")), 20)
    await eventually(lambda: "worker.registered" in processes.said("worker"), 20)
    await want(pool, [("quote", symbol) for symbol in ("AAPL", "MSFT", "IBM", "GOOG")], source="t", seconds=60)
    await eventually(lambda: jobs.list_jobs(pool, state="failed"), 20)
    await eventually(lambda: pool.fetchval("select count(*) > 0 from openbell.artifact"), 30)

    shown = {path: await asyncio.to_thread(page, found[0], path) for path in PAGES}
    for command in COMMANDS:
        done = await asyncio.to_thread(run, *command, cwd=tmp_path, **settings, **MARKS)
        shown[" ".join(command)] = done.stdout + done.stderr
    for row in await pool.fetch(TABLES):
        shown[row["relname"]] = str(await pool.fetch(f"select to_jsonb(t) as row from openbell.{row['relname']} t"))
    shown |= {f"{name}.log": processes.said(name) for name in processes.started}
    assert len(shown["worker.log"]) > 1_000
    assert "AAPL" in shown["/symbol/AAPL"]
    assert not [place for place, text in shown.items() for mark in MARKS.values() if mark in text]
