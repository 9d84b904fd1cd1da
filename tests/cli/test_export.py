"""`openbell export`, against a database that `DATABASE_URL` names."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import os
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pyarrow import parquet

from openbell.cli.app import run as run_here
from openbell.products import registry
from tests.cli.house import FOREIGN, run
from tests.engine.hand import Hand, queue

REPLAY = "a replay of real prices"
AT = datetime(2012, 6, 1, 20, tzinfo=UTC)
QUOTE = {"symbol": "AAPL", "name": 'Apple, "Inc."', "price": 560.99, "source_time": AT.isoformat()}


GUIDE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text("utf-8")

Terminal = Callable[..., Awaitable[tuple[int, str]]]


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def openbell(
    dsn: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> Terminal:
    """The command line in this process, on this database; the exit code, and all that was said."""
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))
    for name in [name for name in os.environ if FOREIGN.match(name)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", dsn)

    async def command(*arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(run_here, list(arguments))
        return code, "".join(capsys.readouterr())

    return command


@pytest.fixture
async def known(pool: asyncpg.Pool) -> asyncpg.Pool:
    """A quote, and the bars of two symbols; of one of them a day that the source has stopped returning."""
    products = registry()
    hand = await Hand.hire(pool, *products)

    async def publish(product: str, key: str, value: dict[str, Any], at: datetime = AT) -> None:
        await pool.execute("update openbell.artifact set fresh_until = '-infinity', stale_until = '-infinity'")
        assert await queue(pool, key, name=product)
        (claim,) = await hand.claim()
        assert await hand.publish(claim, value, at=at, synthetic=REPLAY)

    await publish("quote", "AAPL", QUOTE)
    for symbol in ("AAPL", "MSFT"):
        bars = [[f"2012-06-0{day}", 1.5, 2.0, 1.0, 1.5, day * 100.0] for day in (1, 4, 5)]
        await publish("eod-prices", symbol, {"symbol": symbol, "rows": bars})
    await publish("eod-prices", "MSFT", {"symbol": "MSFT", "rows": bars[1:]}, AT + timedelta(days=1))
    return pool


async def test_parquet_has_types_and_says_that_it_is_synthetic(
    openbell: Terminal, known: asyncpg.Pool, tmp_path: Path
) -> None:
    """MD-27, PF-46: a file holds what SQL shows, typed; data that is not real is marked in each row and as a whole."""
    bars = tmp_path / "bars.parquet"
    code, out = await openbell("export", "eod-prices", "--to", str(bars))
    assert code == 0
    assert f"6 rows of eod-prices to {bars} (synthetic: {REPLAY}; licence: cc0)" in out
    found = parquet.read_table(bars)
    expected = await known.fetch("select * from data.eod_prices_rows order by key, day")
    assert found.to_pylist() == [dict(row) for row in expected]
    types = {field.name: str(field.type) for field in found.schema}
    assert (types["day"], types["close"], types["version"]) == ("date32[day]", "double", "int32")
    assert types["gone_at"] == "timestamp[us, tz=UTC]"
    marks = json.loads(parquet.read_metadata(bars).metadata[b"openbell"])
    assert marks == {"product": "eod-prices", "synthetic": [REPLAY], "licences": ["cc0"]}
    gone = [(row["key"], row["day"]) for row in found.to_pylist() if row["gone_at"]]
    assert gone == [("MSFT", date(2012, 6, 1))]
    assert names(tmp_path) == ["bars.parquet"]


async def test_some_keys_or_the_heads_only(openbell: Terminal, known: asyncpg.Pool, tmp_path: Path) -> None:
    """MD-27: keys are spelled as everywhere; the heads of a series are a row a key; JSON tells a program what came."""
    path = tmp_path / "some.parquet"
    code, out = await openbell("export", "eod-prices", "msft", "GE", "--to", str(path), "--json")
    assert (code, json.loads(out[: out.rindex("}") + 1])["rows"]) == (0, 3)
    code, _ = await openbell("export", "eod-prices", "--heads", "--to", str(path))
    assert [(row["key"], row["version"]) for row in parquet.read_table(path).to_pylist()] == [("AAPL", 1), ("MSFT", 2)]


async def test_csv_needs_nothing(dsn: str, known: asyncpg.Pool, tmp_path: Path) -> None:
    """MD-27: without pyarrow CSV is written, times with their zone; for Parquet it is said what to do."""
    (tmp_path / "pyarrow.py").write_text("raise ModuleNotFoundError('no pyarrow here', name='pyarrow')")
    path = tmp_path / "quotes.csv"
    bare = {"cwd": tmp_path, "DATABASE_URL": dsn, "PYTHONPATH": str(tmp_path)}
    done = await asyncio.to_thread(run, "export", "quote", "--to", str(path), **bare)
    assert done.returncode == 0, done.stderr
    with path.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["key"], row["price"], row["name"], row["synthetic"]) == ("AAPL", "560.99", 'Apple, "Inc."', REPLAY)
    assert (row["volume"], datetime.fromisoformat(row["source_time"])) == ("", AT)
    done = await asyncio.to_thread(run, "export", "quote", "--to", "quotes.parquet", **bare)
    assert done.returncode == 1
    assert 'pip install "openbell[parquet]"' in done.stderr
    assert not (tmp_path / "quotes.parquet").exists()


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
async def test_no_text_becomes_a_formula(openbell: Terminal, known: asyncpg.Pool, tmp_path: Path, name: str) -> None:
    """A text from outside that a spreadsheet would run gets an apostrophe in CSV; figures below 0 stay, Parquet too."""
    hand = await Hand.hire(known, *registry())
    await queue(known, "IBM", name="quote")
    (claim,) = await hand.claim()
    assert await hand.publish(claim, QUOTE | {"name": name, "change": -2.5}, at=AT)
    path = tmp_path / "quotes.csv"
    assert (await openbell("export", "quote", "IBM", "--to", str(path)))[0] == 0
    with path.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["change"], row["key"]) == (f"'{name}", "-2.5", "IBM")
    whole = tmp_path / "quotes.parquet"
    assert (await openbell("export", "quote", "IBM", "--to", str(whole)))[0] == 0
    assert parquet.read_table(whole).to_pylist()[0]["name"] == name


async def test_large_tables_are_written_in_parts(openbell: Terminal, known: asyncpg.Pool, tmp_path: Path) -> None:
    """MD-27: rows pass through memory ten thousand at a time, in the order of their natural key."""
    await known.execute(
        "insert into data.eod_prices_rows (key, day, close, version, first_at, changed_at, licence) "
        "select 'SYN', date '1950-01-01' + n, n, 1, now(), now(), 'cc0' from generate_series(1, 25000) as n"
    )
    path = tmp_path / "bars.parquet"
    code, _ = await openbell("export", "eod-prices", "SYN", "--to", str(path))
    assert code == 0
    file = parquet.ParquetFile(path)
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [10_000, 10_000, 5_000]
    closes = file.read(["close"])["close"].to_pylist()
    file.close()
    assert closes == sorted(closes)


async def test_bad_input_is_told_with_what_to_do(openbell: Terminal, known: asyncpg.Pool, tmp_path: Path) -> None:
    """Bad input: another kind of file, a product that is none or a task, nothing known, a folder that is not there."""
    task = next(one.name for one in registry() if one.is_task)
    for arguments, code, words in (
        (("quote", "--to", "quotes.xlsx"), 2, ".parquet nor .csv"),
        (("quotes", "--to", "quotes.csv"), 2, "quotes"),
        ((task, "--to", "task.csv"), 2, "task"),
        (("quote", "$$", "--to", "quotes.csv"), 2, "$$"),
        (("quote", "GE", "--to", str(tmp_path / "ge.csv")), 3, "Nothing is known of quote GE"),
        (("quote", "--to", str(tmp_path / "nowhere" / "quotes.csv")), 1, "could not be written"),
    ):
        found, said = await openbell("export", *arguments)
        assert (found, words in said) == (code, True), (arguments, said)
    assert names(tmp_path) == []


async def test_the_guide_works_as_it_stands(openbell: Terminal, known: asyncpg.Pool) -> None:
    """What docs/sql.md shows can be copied: queries, the role of a reader, and reading a file."""
    blocks = re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)
    statements = [one for block in blocks for one in block.split(";\n") if one]
    assert len(statements) >= 12
    async with known.acquire() as conn:
        turn = conn.transaction()
        await turn.start()
        for statement in statements:
            await conn.fetch(statement)
        assert await conn.fetchval("select has_table_privilege('notebook', 'data.quote', 'select')")
        await turn.rollback()
    assert (await openbell("export", "eod-prices", "AAPL", "--to", "bars.parquet"))[0] == 0
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(example, "docs/sql.md", "exec"), {})
    assert said.getvalue() == f"3 ['{REPLAY}'] ['cc0']\n"


async def test_migrate_makes_the_views(openbell: Terminal, tmp_path: Path) -> None:
    """MD-27: who may not make views as a worker's user lets `openbell migrate` make them; before that it is said."""
    code, said = await openbell("export", "quote", "--to", str(tmp_path / "quotes.csv"))
    assert (code, "openbell migrate" in said) == (1, True)
    assert (await openbell("migrate"))[0] == 0
    assert (await openbell("export", "quote", "--to", str(tmp_path / "quotes.csv")))[0] == 3
