"""Backfills: data that is moved by ordinary jobs while others write, resumed after a kill, and what waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from openbell.engine.upkeep import queue_backfills
from openbell.engine.worker import Worker
from openbell.postgres.backfill import list_backfills, run
from openbell.postgres.errors import BackfillUnfinished, MigrationInvalid, OlderCodeRuns
from openbell.postgres.migrate import load, migrate, newest
from openbell.postgres.pool import connect, open_pool
from openbell.products.backfill import declare
from tests.engine.conftest import employ  # noqa: F401 - a fixture
from tests.support import eventually

Employ = Callable[..., Awaitable[Worker]]
NAME = "9001_fill_words"
ROWS = 6_000
EXPAND = (
    "create table openbell.book (id bigint generated always as identity primary key, title text not null, word text);"
)
FILL = """-- phase: backfill
-- batch: 50
-- rate: 100000
with batch as (select b.id from openbell.book b where b.id > coalesce($1, '0')::bigint order by b.id limit $2),
moved as (
    update openbell.book b set word = coalesce(b.word, '') || upper(b.title) from batch where b.id = batch.id
    returning b.id
)
select max(batch.id)::text as cursor, (select count(*) from moved) as rows from batch
"""
CONTRACT = "-- phase: contract\nalter table openbell.book drop column title;"


def write(folder: Path, *texts: tuple[str, str]) -> Path:
    """The migrations of the project's database stand in it already: these come behind them."""
    functions = folder / "functions"
    functions.mkdir(exist_ok=True)
    for migration in load():
        place = functions if migration.repeats else folder
        (place / f"{migration.name.removeprefix('functions/')}.sql").write_text(migration.text)
    for name, text in texts:
        (folder / f"{name}.sql").write_text(text)
    return folder


@pytest.fixture
async def book(dsn: str, pool: asyncpg.Pool, tmp_path: Path) -> Path:
    """A folder with an expand file that is applied to a database in use, which then has rows to move."""
    folder = write(tmp_path, ("9000_create_book", f"-- phase: expand\n{EXPAND}"))
    await migrate(dsn, folder=folder)
    await pool.execute("insert into openbell.book (title) select 'word' from generate_series(1, $1)", ROWS)
    return write(tmp_path, (NAME, FILL), ("9002_drop_title", CONTRACT))


async def test_a_backfill_moves_beside_writers_and_resumes_when_killed(
    dsn: str,
    pool: asyncpg.Pool,
    book: Path,
    employ: Employ,  # noqa: F811 - the fixture
) -> None:
    """PF-43: jobs move the data in batches; writers wait for none of them; the work of a killed one goes on where it
    was and moves no row twice; the contract file is refused until then, with what to do.
    """
    slowest, stop = 0.0, asyncio.Event()

    async def write_on() -> None:
        nonlocal slowest
        clock = asyncio.get_running_loop().time
        while not stop.is_set():
            begun = clock()
            await pool.execute(
                "update openbell.book set title = title where id = 1 + (random() * $1)::bigint", ROWS - 1
            )
            slowest = max(slowest, clock() - begun)
            await asyncio.sleep(0.002)

    assert await migrate(dsn, folder=book) == [NAME]
    with pytest.raises(BackfillUnfinished, match=f"{NAME} still moves data.*openbell migrate status"):
        await migrate(dsn, folder=book, contract=True)
    writers = [asyncio.create_task(write_on()) for _ in range(3)]
    victim = await open_pool(dsn, name="victim", max_size=1)
    async with victim.acquire() as connection:
        killed = asyncio.create_task(run(connection, NAME, FILL, seconds=60))

        async def has_begun() -> bool:
            return (await list_backfills(pool))[-1].rows > 200

        await eventually(has_begun)
        await pool.execute("select pg_terminate_backend($1)", connection.get_server_pid())
        assert isinstance((await asyncio.gather(killed, return_exceptions=True))[0], Exception)
    victim.terminate()
    left = (await list_backfills(pool))[-1]
    assert left.finished_at is None
    assert 200 < left.rows < ROWS

    worker = await employ(declare(book, work_s=0.3), context=_context)
    assert await queue_backfills(pool) in ([NAME], [])  # the worker looks itself, and may have been first
    assert await queue_backfills(pool) == []
    worker.wake()

    async def is_over() -> bool:
        return (await list_backfills(pool))[-1].finished_at is not None

    await eventually(is_over)
    stop.set()
    await asyncio.gather(*writers)
    done = (await list_backfills(pool))[-1]
    assert done.rows == ROWS
    assert done.batches == ROWS // done.batch + 1
    assert await pool.fetchval("select count(*) from openbell.book where word is distinct from 'WORD'") == 0
    assert slowest < 5  # a writer waits for one batch at most, on a machine that may be very busy


async def test_a_contract_file_waits_for_older_code(dsn: str, pool: asyncpg.Pool, book: Path) -> None:
    """PF-43: what a running worker or web process of older code may use is not removed; it is named, with what to do.
    Afterwards, and when a killed one's lease is over, the file is applied.
    """
    await migrate(dsn, folder=book)
    connection = await connect(dsn, name="test")
    try:
        await run(connection, NAME, FILL, seconds=None)
    finally:
        await connection.close()
    await pool.execute(
        "insert into openbell.worker (name, slots, knows, expires_at) select u.name, 1, u.knows,"
        " openbell.now() + u.lease"
        " from (values ('new:1', 9002, interval '1 hour'), ('old:1', null, interval '1 hour'),"
        " ('dead:1', null, interval '-1 second')) u (name, knows, lease)"
    )
    await pool.execute(
        "insert into openbell.web_process (name, knows, expires_at) values"
        " ('old:2', $1, openbell.now() + interval '1 hour')",
        newest(),
    )
    with pytest.raises(OlderCodeRuns, match=r"\(web old:2, worker old:1\).*Replace these processes") as caught:
        await migrate(dsn, folder=book, contract=True)
    assert caught.value.processes == ["web old:2", "worker old:1"]
    assert await pool.fetchval("select count(title) from openbell.book") == ROWS
    await pool.execute("delete from openbell.worker where name = 'old:1'")
    await pool.execute("update openbell.web_process set expires_at = openbell.now()")
    assert await migrate(dsn, folder=book, contract=True) == ["9002_drop_title"]


async def test_alone_everything_is_done_at_once(dsn: str, pool: asyncpg.Pool, book: Path) -> None:
    """Where nobody else uses the database, as with `openbell up`, backfills and contract files are done right away."""
    assert await migrate(dsn, folder=book, alone=True) == [NAME, "9002_drop_title"]
    assert await pool.fetchval("select count(*) from openbell.book where word = 'WORD'") == ROWS


async def test_processes_say_what_they_know(
    dsn: str,
    pool: asyncpg.Pool,
    employ: Employ,  # noqa: F811 - the fixture
) -> None:
    """A worker and a web process say in the database which migration is the newest that they know."""
    from openbell.engine.presence import Presence

    await employ()
    assert await pool.fetchval("select knows from openbell.worker where not gone") == newest()
    presence = Presence(pool)
    await presence.beat()
    assert await pool.fetchval("select knows from openbell.web_process") == newest()
    await presence.stop()
    assert await pool.fetchval("select count(*) from openbell.web_process") == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-- phase: backfill\nupdate openbell.book set word = title", "takes a cursor"),
        ("-- phase: backfill\n-- batch: 1000000\nselect $1, $2", "at most 100,000 rows"),
    ],
)
def test_rules_of_the_file(tmp_path: Path, text: str, reason: str) -> None:
    """A backfill that could not be done in batches is refused when it is read."""
    (tmp_path / "0001_fill_words.sql").write_text(text)
    with pytest.raises(MigrationInvalid, match=reason):
        load(tmp_path)


def _context(attempt: object) -> object:
    class Context:
        pass

    made = Context()
    made.attempt = attempt  # type: ignore[attr-defined]
    return made
