"""`openbell calendars`, against a database that `DATABASE_URL` names, with the real calendars of exchanges."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from openbell.cli import calendars
from openbell.cli.house import House
from openbell.engine.artifacts import read
from openbell.engine.sessions import Session, list_calendars, write_sessions
from openbell.products.market.exchanges import CALENDARS
from tests.cli import house
from tests.cli.house import run
from tests.engine.hand import Hand, declare, queue
from tests.support import Clock, eventually

KEY = "a9F3kQ7LmZ2vX8sT4wR6yB1nC5dE0gHj"


def today() -> date:
    """Today, by UTC; asked for in each test, since a run may pass midnight."""
    return datetime.now(UTC).date()


class Terminal:
    """Runs commands on one database."""

    def __init__(self, dsn: str, cwd: Path) -> None:
        self.dsn, self.cwd = dsn, cwd

    def run(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return run("calendars", *arguments, cwd=self.cwd, DATABASE_URL=self.dsn, **extra)

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def doctor(self) -> dict[str, Any]:
        done = run("doctor", "--json", cwd=self.cwd, DATABASE_URL=self.dsn, FMP_BASE_URL="http://127.0.0.1:1")
        (found,) = (one for one in json.loads(done.stdout)["findings"] if one["about"] == "calendars")
        return dict(found)


@pytest.fixture
def terminal(dsn: str, tmp_path: Path) -> Terminal:
    return Terminal(dsn, tmp_path)


async def test_sessions_are_written_and_told(terminal: Terminal, pool: asyncpg.Pool) -> None:
    """MD-17: sessions of a year are written by calendar or exchange, told, and not computed again while they last."""
    assert terminal.json("list") == []
    assert "every market counts as open" in terminal.run("list").stdout
    written = terminal.json("write", "NASDAQ", "xtks")["written"]
    assert set(written) == {"XNYS", "XTKS"}
    rows = {row["calendar"]: row for row in terminal.json("list")}
    for name, row in rows.items():
        assert row["last_day"] == written[name] > str(today() + timedelta(days=300))
        assert row["first_day"] < str(today())
        assert 240 < row["days"] < 330
    assert terminal.json("write", "XNYS", "XTKS", "--if-needed") == {"written": {}, "trouble": {}}
    breaks = await pool.fetchval(
        "select count(*) > 240 from openbell.session "
        "where calendar = 'XTKS' and (closes_at at time zone 'UTC')::time < '04:00'"
    )
    assert breaks, "Tokyo has a lunch break"


async def test_a_day_is_closed_and_reopened(terminal: Terminal, pool: asyncpg.Pool) -> None:
    """MD-17: an operator closes a day, wholly or from a time on; it lasts over a new writing, and can be undone."""
    terminal.json("write", "XNYS")
    ask = "select day, opens_at, closes_at from openbell.session where day > $1 order by day limit 1"
    day, opens_at, closes_at = await pool.fetchrow(ask, today())
    assert terminal.run("close", "NYSE", str(day), "--reason", "mourning").stdout == f"XNYS is closed on {day}.\n"
    terminal.json("write", "XNYS")
    assert [row["manual"] for row in terminal.json("list")] == [[str(day)]]
    early = opens_at + timedelta(hours=2)
    left = terminal.json("close", "XNYS", str(day), "--at", early.isoformat(), "--reason", "a half day")
    assert left["hours"] == [{"opens_at": opens_at.isoformat(), "closes_at": early.isoformat()}]
    again = terminal.json("reopen", "XNYS", str(day))
    assert again["hours"] == [{"opens_at": opens_at.isoformat(), "closes_at": closes_at.isoformat()}]
    assert [row["manual"] for row in terminal.json("list")] == [[]]
    actions = await pool.fetch("select action, actor, after ->> 'reason' as reason from openbell.audit order by id")
    assert [tuple(row) for row in actions] == [
        ("calendar.close", "cli", "mourning"),
        ("calendar.close", "cli", "a half day"),
        ("calendar.reopen", "cli", None),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["write", "NONSENSE"], 2, "no calendar and no exchange 'NONSENSE'"),
        (["close", "XNYS", "2026-12-25", "--reason", "x"], 3, "XNYS has no session on 2026-12-25"),
        (["reopen", "XNYS", "2026-12-25"], 3, "XNYS has no session on 2026-12-25"),
        (["close", "XNYS", "25.12.2026", "--reason", "x"], 2, "does not match the format"),
        (["close", "XNYS", "2026-12-24", "--at", "noon", "--reason", "x"], 2, "'noon' is no time"),
        (["close", "XNYS", "2026-12-24", "--at", "2026-12-24T12:00", "--reason", "x"], 2, "has no zone"),
        (["close", "XNYS", "2026-12-24"], 2, "--reason"),
    ],
)
def test_what_cannot_be_is_a_sentence(terminal: Terminal, arguments: list[str], code: int, sentence: str) -> None:
    """PF-48: wrong names, days and times are told in a sentence, with the exit code of their kind."""
    done = terminal.run(*arguments)
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr


async def test_the_sessions_of_real_exchanges_stay_out_of_synthetic_data(
    terminal: Terminal, pool: asyncpg.Pool
) -> None:
    """MD-16: the replayed market of a sandbox counts as open, also at a weekend; nobody stops it by mistake."""
    await pool.execute("insert into openbell.meta values ('mode', to_jsonb('sandbox'::text))")
    for arguments in (["write"], ["close", "XNYS", "2026-12-04", "--reason", "x"], ["reopen", "XNYS", "2026-12-04"]):
        done = terminal.run(*arguments)
        assert done.returncode == 2
        assert "counts as open at any time" in done.stderr
    assert terminal.doctor()["state"] == "info"


def test_without_the_library(terminal: Terminal) -> None:
    """MD-17: where exchange_calendars is not installed, the command says how to get it."""
    (terminal.cwd / "exchange_calendars.py").write_text("raise ImportError")
    done = terminal.run("write", "XNYS", PYTHONPATH=str(terminal.cwd))
    assert done.returncode == 1
    assert "pip install 'openbell[calendars]'" in done.stderr


async def test_a_calendar_that_fails_stops_no_other(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MD-17: calendars that cannot be computed, or written, are named with the error, and the others are written."""

    def compute(name: str, first: date) -> list[Session]:
        if name == "XPAR":
            raise LookupError
        end = datetime.now(UTC)
        return [Session(end.date(), end - timedelta(hours=1), end)] * (2 if name == "XLON" else 1)

    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.setattr(calendars, "compute", compute)
    written, trouble = await calendars._write(None, ["XPAR", "XLON", "XNYS"], if_needed=False)
    assert list(written) == ["XNYS"]
    assert trouble.pop("XPAR") == "LookupError: no reason given"
    assert list(trouble) == ["XLON"]
    assert "overlapping" in trouble["XLON"]


async def test_trouble_is_mended_soon(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """MD-17: when `up` could not have the sessions written it tries again in minutes, then less often; told once."""
    tries: list[float] = []
    enough = asyncio.Event()

    async def fail(*_: Any, **__: Any) -> tuple[int, bytes]:
        tries.append(asyncio.get_running_loop().time())
        if len(tries) == 3:
            enough.set()
        return 1, b"the database is starting"

    monkeypatch.setattr("openbell.cli.house.run_once", fail)
    monkeypatch.setattr("openbell.cli.house.CALENDARS_RETRY_S", 0.01)
    plan: Any = SimpleNamespace(folder=tmp_path)
    (tmp_path / "logs").mkdir()
    keeping = asyncio.create_task(House(plan)._keep_calendars())
    await asyncio.wait_for(enough.wait(), 30)
    keeping.cancel()
    await asyncio.wait([keeping])
    assert (tmp_path / "logs/calendars.log").read_text().count("the database is starting") == len(tries)
    assert "".join(capsys.readouterr()).count("the database is starting") == 1
    assert tries[2] - tries[1] >= 0.02


async def test_the_doctor_knows_when_a_calendar_ends(terminal: Terminal, pool: asyncpg.Pool) -> None:
    """MD-17, PF-34: `doctor` tells when a calendar that values keep to is missing or ends within 60 days."""
    assert terminal.doctor()["state"] == "info"
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a")
    (claim,) = await hand.claim()
    await hand.publish(claim, {"n": 1}, calendar="TEST")
    assert "no sessions of TEST" in terminal.doctor()["detail"]
    now = datetime.now(UTC)
    async with pool.acquire() as connection:
        for days, state in ((59, "warn"), (61, "ok")):
            end = now + timedelta(days=days)
            await write_sessions(connection, "TEST", [Session(end.date(), end - timedelta(hours=1), end)])
            found = terminal.doctor()
            assert found["state"] == state, found
            assert str(end.date()) in found["detail"]
    assert (await list_calendars(pool))[0].days == 2


@pytest.mark.parametrize(
    ("sunday", "monday"),
    [("2025-03-09T20:00Z", "2025-03-10T13:30Z"), ("2025-11-02T20:00Z", "2025-11-03T14:30Z")],
    ids=["spring", "autumn"],
)
async def test_the_opening_after_a_clock_change(pool: asyncpg.Pool, clock: Clock, sunday: str, monday: str) -> None:
    """MD-17: over both weekends on which New York changes its clocks, a quote rests until the opening by new time."""
    before, opening = datetime.fromisoformat(sunday), datetime.fromisoformat(monday)
    async with pool.acquire() as connection:
        sessions = [one for one in calendars.compute("XNYS", date(2025, 2, 1)) if one.day < date(2025, 12, 1)]
        await write_sessions(connection, "XNYS", sessions)
    await clock.advance(before - await clock.now())
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a")
    (claim,) = await hand.claim()
    await hand.publish(claim, {"n": 1}, calendar="XNYS")
    reading = await read(pool, "number", "a")
    assert reading.fresh_until == opening + timedelta(seconds=2)
    assert f"closed until Mon {opening:%H:%M} UTC" in reading.reason
    await clock.advance(opening + timedelta(seconds=1) - await clock.now())
    assert await queue(pool, "a")


@pytest.mark.slow
async def test_up_writes_them_beside_itself(terminal: Terminal, pool: asyncpg.Pool) -> None:
    """MD-17: `up --live` does not wait for missing sessions; a process of its own writes them and goes."""
    end = datetime.now(UTC) + timedelta(days=100)
    async with pool.acquire() as connection:
        for name in set(CALENDARS) - {"XLON", "XNYS"}:
            await write_sessions(connection, name, [Session(end.date(), end - timedelta(hours=1), end)])
    options = {"DATABASE_URL": terminal.dsn, "FMP_API_KEY": KEY, "FMP_BASE_URL": "http://127.0.0.1:1"}
    home = house.start(terminal.cwd, "--live", **options)
    try:
        log = terminal.cwd / ".openbell/live/logs/calendars.log"
        await eventually(lambda: log.exists() and log.read_text(), 120)
        assert re.fullmatch(r"Written: XLON to \S+, XNYS to \S+\.\n", log.read_text())
        assert not home.running("calendars")
        for name in ("web", "worker"):
            mapped = {Path(one.path).parts for one in home.child(name).memory_maps()}
            assert not [parts for parts in mapped if {"pandas", "exchange_calendars"} & set(parts)], name
    finally:
        assert home.end() == 0
    assert {row.calendar for row in await list_calendars(pool)} == set(CALENDARS)


def test_nothing_that_stays_computes_sessions() -> None:
    """MD-17: what web and worker import brings neither exchange_calendars nor pandas."""
    code = "import sys, openbell.cli.services, openbell.cli.calendars, openbell.web.app, openbell.engine.worker\n"
    code += "from openbell.products import registry; registry()\nfrom openbell.products.context import Context\n"
    code += "sys.exit(', '.join({'exchange_calendars', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=90, check=False)
    assert done.stderr.strip() == ""
