"""Migrations: each applied once, in order, without stopping those who read meanwhile."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import asyncpg
import pytest

from openbell.postgres import migrate as runner
from openbell.postgres.errors import (
    MigrationBlocked,
    MigrationChanged,
    MigrationFailed,
    MigrationInvalid,
    MigrationUnknown,
)
from openbell.postgres.migrate import lacking, load, migrate, pause_s, pending
from openbell.postgres.pool import connect
from tests.support import eventually


def write(folder: Path, name: str, body: str, header: str = "-- phase: expand\n") -> None:
    (folder / f"{name}.sql").write_text(header + body)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two migrations; the second has several statements and a function body with semicolons."""
    write(tmp_path, "0001_create_book", "create table openbell.book (title text);")
    write(
        tmp_path,
        "0002_fill_book",
        "insert into openbell.book values ('one; two');\n"
        "create function openbell.count_books() returns bigint language plpgsql as $$\n"
        "begin return (select count(*) from openbell.book); end; $$;\n"
        "insert into openbell.book values ('three');",
    )
    return tmp_path


@pytest.fixture
async def connection(empty_dsn: str) -> asyncpg.Connection:
    made = await connect(empty_dsn, name="test")
    yield made
    await made.close()


async def test_applies_in_order_and_once(empty_dsn: str, folder: Path, connection: asyncpg.Connection) -> None:
    """`migrate` applies what is missing, says so, and does nothing the second time."""
    names = ["0001_create_book", "0002_fill_book"]
    heard: list[str] = []
    assert await pending(empty_dsn, folder=folder) == names
    assert await migrate(empty_dsn, folder=folder, on_step=heard.append) == names
    assert heard == names
    assert await connection.fetchval("select openbell.count_books()") == 2
    assert await pending(empty_dsn, folder=folder) == []
    assert await migrate(empty_dsn, folder=folder) == []


async def test_pending_changes_nothing(empty_dsn: str, folder: Path, connection: asyncpg.Connection) -> None:
    """`migrate --check` only looks, also at an empty database."""
    await pending(empty_dsn, folder=folder)
    assert not await connection.fetchval("select exists (select from pg_namespace where nspname = 'openbell')")


async def test_concurrent_runners_apply_once(empty_dsn: str, folder: Path, connection: asyncpg.Connection) -> None:
    """Several processes that migrate at the same moment wait for one another; each file is applied by one of them."""
    applied = await asyncio.gather(*(migrate(empty_dsn, folder=folder) for _ in range(5)))
    assert sorted(name for names in applied for name in names) == ["0001_create_book", "0002_fill_book"]
    assert await connection.fetchval("select openbell.count_books()") == 2


async def test_failed_file_leaves_nothing(empty_dsn: str, folder: Path, connection: asyncpg.Connection) -> None:
    """A file is applied wholly or not at all, and the error names file, line and reason; mended, it goes through."""
    write(folder, "0003_add_page", "create table openbell.page (number int);\n\ninsert into openbell.pgae values (1);")
    with pytest.raises(
        MigrationFailed, match=r'0003_add_page failed at line 4.*"openbell\.pgae" does not exist'
    ) as caught:
        await migrate(empty_dsn, folder=folder)
    assert caught.value.line == 4
    assert await connection.fetchval("select to_regclass('openbell.page')") is None
    assert await pending(empty_dsn, folder=folder) == ["0003_add_page"]
    write(folder, "0003_add_page", "create table openbell.page (number int);")
    assert await migrate(empty_dsn, folder=folder) == ["0003_add_page"]


async def test_changed_file_is_refused(empty_dsn: str, folder: Path) -> None:
    """An applied file must not change: databases that have it would differ from those that get it later."""
    await migrate(empty_dsn, folder=folder)
    write(folder, "0001_create_book", "create table openbell.book (title text, author text);")
    for check in (migrate, pending):
        with pytest.raises(
            MigrationChanged, match=r"0001_create_book was changed after it was applied.*new data folder"
        ):
            await check(empty_dsn, folder=folder)


async def test_database_of_newer_code_is_refused(empty_dsn: str, folder: Path) -> None:
    """Old code does not touch a database that newer code has migrated."""
    await migrate(empty_dsn, folder=folder)
    (folder / "0002_fill_book.sql").unlink()
    for check in (migrate, pending):
        with pytest.raises(MigrationUnknown, match="0002_fill_book is unknown here"):
            await check(empty_dsn, folder=folder)


async def test_old_code_serves_what_newer_code_has_only_added_to(empty_dsn: str, folder: Path) -> None:
    """PF-43: code N-1 may serve on schema N, also with a function of before, until a contract file has run there."""
    before = folder / "before"
    (folder / "functions").mkdir()
    answer = "create or replace function openbell.answer() returns int language sql return {};"
    (folder / "functions/answer.sql").write_text(answer.format(41))
    shutil.copytree(folder, before, ignore=shutil.ignore_patterns("before"))
    assert await lacking(empty_dsn, folder=before) == ["0001_create_book", "0002_fill_book", "functions/answer"]
    await migrate(empty_dsn, folder=before)
    write(folder, "0003_add_author", "alter table openbell.book add author text;")
    (folder / "functions/answer.sql").write_text(answer.format(42))
    assert await lacking(empty_dsn, folder=before) == []
    assert await lacking(empty_dsn, folder=folder) == ["0003_add_author", "functions/answer"]
    await migrate(empty_dsn, folder=folder)
    assert await lacking(empty_dsn, folder=before) == await lacking(empty_dsn, folder=folder) == []

    write(folder, "0004_drop_title", "alter table openbell.book drop title;", header="-- phase: contract\n")
    write(folder, "0005_add_page", "alter table openbell.book add page int;")
    assert await migrate(empty_dsn, folder=folder) == []
    assert await pending(empty_dsn, folder=folder) == ["0004_drop_title", "0005_add_page"]
    assert await lacking(empty_dsn, folder=before) == []
    assert await migrate(empty_dsn, folder=folder, contract=True) == ["0004_drop_title", "0005_add_page"]
    with pytest.raises(MigrationUnknown, match="0004_drop_title is unknown here"):
        await lacking(empty_dsn, folder=before)


async def test_steps_back_from_a_taken_lock(empty_dsn: str, folder: Path, connection: asyncpg.Connection) -> None:
    """A lock is waited for half a second, so that reads that queue behind the migration go on; then it retries."""
    await migrate(empty_dsn, folder=folder)
    write(folder, "0003_add_author", "alter table openbell.book add author text;")
    reader = await connect(empty_dsn, name="reader")
    holder = connection.transaction()
    await holder.start()
    await connection.execute("select from openbell.book")  # a share lock, held until the transaction ends

    task = asyncio.create_task(migrate(empty_dsn, folder=folder))
    waiting = (
        "select exists (select from pg_stat_activity "
        "where application_name = 'openbell migrate' and wait_event_type = 'Lock')"
    )
    await eventually(lambda: reader.fetchval(waiting))
    # The read queues behind the waiting ALTER; it goes on when that steps back, long before the holder is done.
    assert await asyncio.wait_for(reader.fetchval("select count(*) from openbell.book"), timeout=30) == 2
    assert not task.done()

    await holder.rollback()
    assert await asyncio.wait_for(task, timeout=30) == ["0003_add_author"]
    await reader.close()


async def test_gives_up_in_the_end(
    empty_dsn: str, folder: Path, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The retries are bounded; the error says that nothing happened and what to do."""
    monkeypatch.setattr(runner, "ATTEMPTS_MAX", 2)
    monkeypatch.setattr(runner, "LOCK_TIMEOUT_MS", 20)
    await migrate(empty_dsn, folder=folder)
    write(folder, "0003_drop_book", "drop table openbell.book cascade;", header="-- phase: contract\n")
    async with connection.transaction():
        await connection.execute("select from openbell.book")
        with pytest.raises(MigrationBlocked, match="in 2 attempts"):
            await migrate(empty_dsn, folder=folder, contract=True)
    assert await pending(empty_dsn, folder=folder) == ["0003_drop_book"]


async def test_failed_concurrent_index_is_built_anew(
    empty_dsn: str, folder: Path, connection: asyncpg.Connection
) -> None:
    """A failed CREATE INDEX CONCURRENTLY leaves an invalid index, which `if not exists` would take for done."""
    await migrate(empty_dsn, folder=folder)
    await connection.execute("insert into openbell.book values ('three')")
    header = "-- phase: expand\n-- no-transaction\n"
    statement = "create unique index concurrently if not exists book_title on openbell.book (title);"
    write(folder, "0003_index_book", statement, header=header)
    with pytest.raises(MigrationFailed, match="three"):
        await migrate(empty_dsn, folder=folder)
    valid = "select indisvalid from pg_index where indexrelid = 'openbell.book_title'::regclass"
    assert await connection.fetchval(valid) is False

    await connection.execute("delete from openbell.book where ctid = (select max(ctid) from openbell.book)")
    assert await migrate(empty_dsn, folder=folder) == ["0003_index_book"]
    assert await connection.fetchval(valid) is True


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("1_create_book", "-- phase: expand\n", "NNNN_verb_noun"),
        ("0001_book", "-- phase: expand\n", "NNNN_verb_noun"),
        ("0001_create_book", "create table book ();\n", "first line"),
        ("0001_create_book", "-- phase: later\n", "first line"),
    ],
)
def test_rules_of_name_and_header(tmp_path: Path, name: str, text: str, reason: str) -> None:
    """A file that breaks the rules is named before anything is applied."""
    (tmp_path / f"{name}.sql").write_text(text)
    with pytest.raises(MigrationInvalid, match=reason):
        load(tmp_path)


async def test_a_changed_function_is_applied_again(
    empty_dsn: str, folder: Path, connection: asyncpg.Connection
) -> None:
    """PF-43: functions come after the numbered files and are replaced, in place, when their file has changed."""
    (folder / "functions").mkdir()
    file, body = folder / "functions" / "answer.sql", "create or replace function openbell.answer() returns int\n"
    file.write_text(body + "language sql as 'select 41'")
    assert (await migrate(empty_dsn, folder=folder))[-1] == "functions/answer"
    assert await migrate(empty_dsn, folder=folder) == []
    file.write_text(body + "language sql as 'select 42'")
    assert await pending(empty_dsn, folder=folder) == ["functions/answer"]
    assert await migrate(empty_dsn, folder=folder) == ["functions/answer"]
    assert await connection.fetchval("select openbell.answer()") == 42


def test_a_function_is_named_as_its_file(tmp_path: Path) -> None:
    """PF-43: whoever looks for a function finds it in the file of its name."""
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "answer.sql").write_text("create or replace function openbell.other() returns int ...")
    with pytest.raises(MigrationInvalid, match="named after"):
        load(tmp_path)


def test_two_files_with_one_number(tmp_path: Path) -> None:
    """Two branches that took the same number are found when they meet."""
    write(tmp_path, "0001_create_book", "")
    write(tmp_path, "0001_create_page", "")
    with pytest.raises(MigrationInvalid, match="taken by 0001_create_book"):
        load(tmp_path)


def test_pauses_grow_and_are_bounded() -> None:
    """Retries spread out: doubling, random by half, never longer than ten seconds."""
    assert [pause_s(attempt, 1.0) for attempt in range(3)] == [0.1, 0.2, 0.4]
    assert pause_s(1, 0.0) == pytest.approx(0.1)
    assert pause_s(50, 1.0) == runner.PAUSE_MAX_S


async def test_migrations_of_the_project_are_whole(dsn: str) -> None:
    """The files in the package are valid, and the database of a test has all of them."""
    numbered = [migration.name[:4] for migration in load() if not migration.repeats]
    assert numbered[0] == "0001"
    assert numbered == sorted(set(numbered))
    assert await pending(dsn) == []
