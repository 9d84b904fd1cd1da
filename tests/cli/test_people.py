"""`openbell people` and `openbell mail`, and a worker of staging, against a database that `DATABASE_URL` names."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner, Result

from openbell.cli.app import explain, openbell
from openbell.cli.services import SLOTS, STAGING_SLOTS
from openbell.mail import KINDS, gate, queue_all
from openbell.mail.letters import Letter
from openbell.mail.rules import Rules
from openbell.people import add_person, consent, follow
from openbell.products import registry
from tests.cli.house import COMMAND, environ, run
from tests.engine.conftest import employ  # noqa: F401 - fixture
from tests.mail.conftest import Post, post  # noqa: F401 - fixture
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures

GUIDE = Path(__file__).parents[2] / "docs" / "mail.md"
ADMIN = "admin@openbell.example"


@pytest.fixture(autouse=True)
def _here(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Commands in this process find the fresh database, and no settings of ours."""
    for name in set(os.environ) - set(environ()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.chdir(tmp_path)


async def say(line: str) -> Result:
    """One command, as it stands in the guide."""
    words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)]
    return await asyncio.to_thread(CliRunner().invoke, openbell, words[1:])


async def test_the_guide_runs_as_it_stands(pool: asyncpg.Pool) -> None:
    """Docs: every command of docs/mail.md, in its order, against a fresh database."""
    await registry().seed(pool)
    lines = [
        re.split(r"\s{3,}", line.strip())[0]
        for line in GUIDE.read_text().splitlines()
        if line.startswith("    openbell ")
    ]
    assert len(lines) == 14
    for line in lines:
        if line == "openbell mail list":
            boss = await add_person(pool, "boss@example.com", state="active")
            await queue_all(
                pool, kind="welcome", recipients=[boss], letter=Letter("Hello", "<p>Hello</p>", "Hello"), ref="x"
            )
        said = await say(line)
        assert said.exception is None, (line, said.output, said.exception)
        assert said.exit_code == 0, (line, said.output)


async def test_people_at_the_terminal(pool: asyncpg.Pool) -> None:
    """Issue 6: listings for programs, sentences for errors, and nobody is active whose address has not answered."""
    await registry().seed(pool)
    assert "person 1, pending" in (await say("openbell people add Jane@Example.com")).output
    assert await pool.fetchval("select kind from openbell.delivery") == "confirm"
    [row] = json.loads((await say("openbell people list --json")).output)
    assert (row["address"], row["state"], "mail_token" in row) == ("jane@example.com", "pending", False)
    link = (await say("openbell people link jane@example.com")).output
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/confirm/[\w-]{43}\n", link)
    for line, words in (
        ("openbell people add jane", "no mail address"),
        ("openbell people show nobody@example.com", "nobody"),
        ("openbell people resume 1", "cannot be resumed"),
        ("openbell mail show 999", "no mail 999"),
        ('openbell mail stop --reason " "', "needs a reason"),
        ("openbell mail undo 1", "forbids it"),
        ("openbell mail unsuppress jane@example.com", "not suppressed"),
    ):
        said = await say(line)
        assert isinstance(said.exception, Exception), line
        assert words in explain(said.exception)[0], line


@contextmanager
def a_worker(cwd: Path, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """`openbell worker` with these settings, until the block ends."""
    with (cwd / "worker.log").open("wb") as log:
        process = subprocess.Popen([*COMMAND, "worker"], cwd=cwd, env=environ(**settings), stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


async def test_a_worker_of_staging_reaches_the_admin_only(dsn: str, post: Post, tmp_path: Path) -> None:  # noqa: F811
    """PF-42, DG-23, DG-31: `ENVIRONMENT=staging` alone, every kind of mail: at the socket only the admin is named."""
    settings = {
        "DATABASE_URL": dsn,
        "ENVIRONMENT": "staging",
        "ADMIN_EMAIL": ADMIN,
        "MAIL_FROM": "Openbell <mail@openbell.example>",
        "PUBLIC_URL": "https://staging.example.com",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(post.port),
        "SMTP_TLS": "none",
        "FMP_API_KEY": "sandbox",
        "FMP_BASE_URL": post.sandbox.url,
        "MAILS_PER_MINUTE": "1000",
        "MAILS_PER_DOMAIN": "1000",
    }
    jane = await post.person()
    boss = await post.person("boss", role="admin")
    new = await add_person(post.pool, "new@example.com")
    queued = []
    for kind in KINDS.values():
        people = [boss] if kind.to == "admins" else [new] if kind.link == "confirm" else [jane, boss]
        letter = Letter(f"About {kind.name}", "<p>Hello</p>", "Hello")
        queued += await queue_all(post.pool, kind=kind.name, recipients=people, letter=letter, ref=kind.name)
    with a_worker(tmp_path, **settings):
        for one in queued:
            await post.ends(one, "sent")
        schedules = await post.pool.fetch("select name from openbell.schedule")
        slots = await post.pool.fetchval("select slots from openbell.worker where not gone")
    assert await post.boxes() == {ADMIN: len(queued)}
    assert [row["name"] for row in schedules] == ["mail-sweep"], (
        "schedules do not run there; this one looks after mails"
    )
    assert slots == STAGING_SLOTS < SLOTS
    assert await post.pool.fetchval("select value #>> '{}' from openbell.meta where key = 'environment'") == "staging"
    assert "@example.com" not in (tmp_path / "worker.log").read_text(), "DG-34: no address in a log"


async def test_the_doctor_names_who_waits_for_a_digest_in_vain(dsn: str, post: Post) -> None:  # noqa: F811
    """DG-1: a ticker that somebody follows and that has no reference data is told, with the mend."""
    jane = await post.person()
    await consent(post.pool, jane.id, ["mail:digest"], given=True, source="test")
    await follow(post.pool, jane, "GOOG")

    async def finding() -> dict[str, str]:
        done = await asyncio.to_thread(run, "doctor", "--json", cwd=Path(__file__).parent, DATABASE_URL=dsn)
        return next(one for one in json.loads(done.stdout)["findings"] if one["about"] == "digests")

    found = await finding()
    assert (found["state"], found["detail"]) == ("warn", "followed, without reference data: GOOG")
    assert "openbell reference import" in found["mend"]
    await post.pool.execute("insert into openbell.digest_ticker (ticker, name, source) values ('GOOG', 'Alphabet', '')")
    assert (await finding())["state"] == "ok"


async def test_a_worker_of_another_environment_does_not_start(dsn: str, pool: asyncpg.Pool, tmp_path: Path) -> None:
    """Issue 9: a worker that was pointed at the database of another environment does nothing there, and says why."""
    await gate.stamp(pool, Rules(environment="production"))
    settings = {"DATABASE_URL": dsn, "ENVIRONMENT": "staging", "ADMIN_EMAIL": ADMIN}
    settings |= {"FMP_API_KEY": "sandbox", "FMP_BASE_URL": "http://127.0.0.1:9"}
    with a_worker(tmp_path, **settings) as process:
        assert await asyncio.to_thread(process.wait, 60) == 2
    assert "stamped production" in (tmp_path / "worker.log").read_text()
    assert await pool.fetchval("select count(*) from openbell.worker") == 0


async def test_whose_database_it_is(dsn: str, pool: asyncpg.Pool) -> None:
    """DG-23: the stamp stays what it was; only an operator changes it, audited."""
    assert await gate.stamp(pool, Rules(environment="production")) == "production"
    assert await gate.stamp(pool, Rules(environment="staging")) == "production"
    jane = await add_person(pool, "jane@example.com", state="active")
    await consent(pool, jane.id, ["mail"], given=True, source="test")
    assert "stamped staging" in (await say("openbell mail environment staging")).output
    told = await pool.fetchrow("select before, after from openbell.audit where action = 'mail.environment'")
    assert told is not None
    assert tuple(told) == ("production", "staging")


def test_help_names_the_steps(tmp_path: Path) -> None:
    """Every step of the state table that is an operator's has a command."""
    said = run("people", "--help", cwd=tmp_path).stdout
    for step in ("approve", "pause", "resume", "block", "unblock"):
        assert f"  {step} " in said
