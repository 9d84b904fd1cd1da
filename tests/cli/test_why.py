"""`openbell jobs why` and `jobs stats` on a database without workers."""

from __future__ import annotations

import asyncio
import json

import asyncpg
import pytest

from openbell.cli import main
from openbell.cli.stats import sparkline
from openbell.engine.demand import want
from openbell.engine.upkeep import Sampler
from openbell.postgres.pool import open_pool
from openbell.products import registry


@pytest.fixture(autouse=True)
def _here(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In a folder without settings, with the fresh database named."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))

    async def prepare() -> None:
        pool: asyncpg.Pool = await open_pool(dsn, name="test")
        await registry().seed(pool)
        await want(pool, [("quote", "AAPL")], source="web:x", seconds=60)
        await Sampler(pool).beat()
        await pool.close()

    asyncio.run(prepare())


def test_why(capsys: pytest.CaptureFixture[str]) -> None:
    """Issue 3, explain: the terminal says the verdict, then each gate in a table; programs get JSON."""
    assert main(["jobs", "why", "quote", "aapl"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Nothing is known yet. No worker is running.")
    assert "by 1 viewer; weight 1." in said
    assert main(["jobs", "why", "quote", "AAPL", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["gates"][-1]["name"] == "workers"


@pytest.mark.parametrize(("product", "key"), [("quot", "AAPL"), ("quote", "$$")])
def test_wrong_names_are_2(product: str, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit codes: an unknown product or a malformed key is wrong usage."""
    assert main(["jobs", "why", product, key]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_stats(capsys: pytest.CaptureFixture[str]) -> None:
    """Issue 3: `jobs stats` shows depth by class over time, the oldest waiting jobs and the fleet."""
    assert main(["jobs", "stats"]) == 0
    said = capsys.readouterr().out
    for words in ("waiting  1", "interactive", "█", "No job has ended", "AAPL", "No worker is running"):
        assert words in said
    assert main(["jobs", "stats", "--hours", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["waiting"], found["workers"], found["depth"]["step_s"]) == (1, 0, 75)


def test_a_sparkline_shows_gaps_and_proportion() -> None:
    """LOOK: what is not known is a gap, nothing is a low line, the most is full height."""
    assert sparkline([None, 0, 1, 50, 100]) == " ▁▂▅█"
    assert sparkline([0, None]) == "▁ "
