"""Marked keys: a whole run, worker and pages and commands, shows none of them anywhere."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from openbell.engine import jobs
from openbell.engine.demand import want
from openbell.engine.enqueue import enqueue
from openbell.settings import KEYED, field_of
from tests.cli import asker
from tests.cli.house import COMMAND, environ, run
from tests.sandbox.conftest import start  # noqa: F401 - fixture
from tests.sandbox.harness import Running, Start
from tests.support import eventually

ASKED = (*KEYED, "smtp")
MARK = {name: f"marked-{name}-9c41e7" for name in ASKED}
MARKS = {field_of(name, "api_key").upper(): MARK[name] for name in KEYED} | {"SMTP_PASSWORD": MARK["smtp"]}
PATHS = {
    "perplexity": "/perplexity",
    "anthropic": "/anthropic",
    "openai": "/openai/v1",
    "gemini": "/gemini/v1beta/openai",
    "scrapfly": "/scrapfly",
}
FAULTS = {
    "perplexity": "drop",
    "anthropic": "html502",
    "openai": "cut",
    "gemini": "drop",
    "scrapfly": "drop",
    "smtp": "drop",
}
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
        """Run `openbell NAME` with the marked keys in its environment; a worker has one product more."""
        command = COMMAND if name != "worker" else [sys.executable, asker.__file__]
        with (self.folder / f"{name}.log").open("wb") as log:
            self.started[name] = subprocess.Popen(
                [*command, name],
                cwd=self.folder,
                env=environ(**self.settings, **MARKS),
                stdout=log,
                stderr=log,
            )

    def said(self, name: str) -> str:
        """All that it has written."""
        return (self.folder / f"{name}.log").read_text()

    def files(self) -> dict[str, str]:
        """All that is in their folder, by path."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path): path.read_text(errors="replace") for path in found}


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path, {})
    yield made
    for one in made.started.values():
        one.terminate()
        one.wait(60)


def page(address: str, path: str) -> str:
    """What the pages answer there, also when it is an error."""
    try:
        with urllib.request.urlopen(address + path, timeout=30) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


async def pretend(start: Start) -> dict[str, Running]:  # noqa: F811 - fixture
    """By name, a provider that knows its own marked key and no other."""
    return {name: await start(key=MARK[name]) for name in ASKED}


async def addresses(providers: dict[str, Running]) -> dict[str, str]:
    """The settings that lead there, with some money to spend."""
    ports = (await providers["smtp"].client.get("/_control/ports")).json()
    settings = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(ports["smtp"]), "SMTP_TLS": "none", "SMTP_USER": "openbell"}
    for name in KEYED:
        settings[field_of(name, "base_url").upper()] = providers[name].url + PATHS.get(name, "")
    return settings | {
        field_of(name, "usd_per_month").upper(): "5" for name in ("perplexity", "anthropic", "openai", "gemini")
    }


async def ask_everybody(pool: asyncpg.Pool, providers: dict[str, Running]) -> None:
    """Each provider is asked for something, and something goes wrong with each; all of them know us by our key."""
    for symbol, kind in (("MSFT", "legacy"), ("IBM", "drop"), ("GOOG", "html502")):
        await providers["fmp"].fault(kind, path="quote", symbol=symbol, times=1)
    for name, kind in FAULTS.items():
        await providers[name].fault(kind, provider=name, times=1)
    await want(pool, [("quote", symbol) for symbol in ("AAPL", "MSFT", "IBM", "GOOG")], source="t", seconds=600)
    await enqueue(pool, asker.ASKING, [(name, None) for name in FAULTS])
    ended = "select count(*) = $1 from openbell.job_history where product = 'asking' and outcome = 'failed'"
    await eventually(lambda: pool.fetchval(ended, len(FAULTS)))
    await eventually(lambda: jobs.list_jobs(pool, state="failed"))
    await eventually(lambda: pool.fetchval("select count(*) > 0 from openbell.artifact"))
    for name in ASKED:
        arrived = await providers[name].entries(name)
        assert {entry["status"] for entry in arrived} - {401, 403}, name


@pytest.mark.slow
async def test_a_run_with_marked_keys_shows_none_of_them(
    pool: asyncpg.Pool,
    dsn: str,
    start: Start,  # noqa: F811 - fixture
    processes: Processes,
    tmp_path: Path,
) -> None:
    """PF-41, issue 4: logs at the finest level, errors, pages, commands and tables of a run contain no key.

    Every key has gone to its provider, with something that went wrong there.
    """
    providers = await pretend(start)
    settings = {"DATABASE_URL": dsn, "LOG_LEVEL": "DEBUG", "OPENBELL_PORT": "0"} | await addresses(providers)
    processes.settings = settings
    processes.start("worker")
    processes.start("web")
    found = await eventually(lambda: re.search(r"http://127\.0\.0\.1:\d+", processes.said("web")))
    await eventually(lambda: "worker.registered" in processes.said("worker"))
    await ask_everybody(pool, providers)

    shown = {path: await asyncio.to_thread(page, found[0], path) for path in PAGES}
    for command in COMMANDS:
        done = await asyncio.to_thread(run, *command, cwd=tmp_path, **settings, **MARKS)
        shown[" ".join(command)] = done.stdout + done.stderr
    for row in await pool.fetch(TABLES):
        shown[row["relname"]] = str(await pool.fetch(f"select to_jsonb(t) as row from openbell.{row['relname']} t"))
    shown |= processes.files()
    assert len(processes.said("worker")) > 1_000
    assert "AAPL" in shown["/symbol/AAPL"]
    assert "perplexity" in shown["spends list --json"]
    assert not [place for place, text in shown.items() for mark in MARKS.values() if mark in text]
