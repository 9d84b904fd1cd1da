"""The embedded server: one owner per folder, and a folder that outlives whatever happens to the owner."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from openbell.postgres.embedded import EmbeddedServer, running_dsn
from openbell.postgres.errors import FolderInUse, FolderNotWritable, ServerFailed
from openbell.postgres.folder import clear_leftovers, read_postmaster
from tests.support import eventually

BUSY_S = 20.0
"""What takes a second or two may take so long on a machine that is busy; whoever waits for somebody takes longer."""

OWNER = """
import asyncio, sys
from pathlib import Path
from openbell.postgres.embedded import EmbeddedServer

async def main():
    server = EmbeddedServer(Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()  # until it is ended

asyncio.run(main())
"""


UNPRIVILEGED_OWNER = """
import asyncio, concurrent.futures.thread, os, sys
from pathlib import Path
from openbell.postgres.embedded import EmbeddedServer

if os.getuid() == 0:
    os.setuid(65534)
asyncio.run(EmbeddedServer(Path(sys.argv[1])).start())
"""


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """A folder for one embedded server; whatever a test leaves running in it is stopped."""
    path = tmp_path / "data"
    yield path
    await asyncio.to_thread(clear_leftovers, path / "cluster")


@pytest.fixture
async def owned(folder: Path) -> AsyncIterator[EmbeddedServer]:
    """A started server in the folder."""
    server = EmbeddedServer(folder)
    await server.start()
    yield server
    await server.stop()


async def start_owner(folder: Path) -> tuple[subprocess.Popen[str], int]:
    """A process of its own that runs the server of the folder; the process and the server's pid."""
    command = [sys.executable, "-c", OWNER, str(folder)]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220 -- returns at once
    assert owner.stdout is not None
    return owner, int(await asyncio.to_thread(owner.stdout.readline))


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended but was not yet asked for by its parent does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(owner: subprocess.Popen[str]) -> None:
    owner.kill()
    owner.wait()
    assert owner.stdout is not None
    owner.stdout.close()


async def run(dsn: str, statement: str, method: str = "execute") -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await getattr(connection, method)(statement)
    finally:
        await connection.close()


async def test_listens_only_on_a_private_socket(owned: EmbeddedServer) -> None:
    """The embedded server opens no network port, and only its user may reach the socket."""
    assert await run(owned.dsn, "show listen_addresses", "fetchval") == ""
    assert owned.pid is not None
    assert owned._socket_folder is not None
    assert owned._socket_folder.stat().st_mode & 0o777 == 0o700
    assert not [link for link in psutil.Process(owned.pid).net_connections("inet") if link.status == "LISTEN"]


async def test_is_durable(owned: EmbeddedServer) -> None:
    """What was committed survives a power cut: nothing about that is switched off."""
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert await run(owned.dsn, f"show {setting}", "fetchval") == "on"


async def test_database_is_utf8_with_the_same_order_everywhere(owned: EmbeddedServer) -> None:
    """Text sorts the same on every machine: the locale is PostgreSQL's own C.UTF-8, not the system's."""
    row = await run(
        owned.dsn,
        "select pg_encoding_to_char(encoding) as encoding, datlocprovider::text as provider, datlocale as locale "
        "from pg_database where datname = current_database()",
        "fetchrow",
    )
    assert dict(row) == {"encoding": "UTF8", "provider": "b", "locale": "C.UTF-8"}


async def test_data_survives_a_restart_and_the_second_start_is_quick(folder: Path) -> None:
    """The folder is the database: stop and start again, and everything is there within seconds."""
    server = EmbeddedServer(folder)
    await run(await server.start(), "create table kept as select 42 as answer")
    await server.stop()
    assert running_dsn(folder) is None
    began = time.monotonic()
    dsn = await server.start()
    assert time.monotonic() - began < BUSY_S
    assert await run(dsn, "select answer from kept", "fetchval") == 42
    await server.stop()


async def test_stop_does_not_wait_for_open_transactions(owned: EmbeddedServer) -> None:
    """Ctrl-C ends everything soon, also while somebody holds a transaction open."""
    connection = await asyncpg.connect(owned.dsn)
    await connection.execute("begin; create table lost ()")
    began = time.monotonic()
    await owned.stop()
    assert time.monotonic() - began < BUSY_S
    assert owned.pid is None
    connection.terminate()


async def test_ctrl_c_at_the_terminal_does_not_reach_the_server(owned: EmbeddedServer) -> None:
    """The owner stops the server in order; the terminal's signal to the process group must not do it first."""
    assert owned.pid is not None
    assert os.getpgid(owned.pid) != os.getpgid(0)
    assert os.getsid(owned.pid) != os.getsid(0)


async def test_second_owner_is_refused_with_the_first_ones_pid(folder: Path) -> None:
    """Two `openbell up` on one folder give a sentence that names the folder, the owner and the mend."""
    owner, _ = await start_owner(folder)
    try:
        with pytest.raises(FolderInUse, match="Stop that process first") as caught:
            await EmbeddedServer(folder).start()
        assert caught.value.pid == owner.pid
        assert str(folder) in str(caught.value)
        assert running_dsn(folder) is not None  # the refusal left the first one alone
    finally:
        kill(owner)


async def test_second_server_in_one_process_is_refused(owned: EmbeddedServer) -> None:
    """The lock holds inside one process too, and is free again after stop."""
    with pytest.raises(FolderInUse):
        await EmbeddedServer(owned.folder).start()
    await owned.stop()
    other = EmbeddedServer(owned.folder)
    await other.start()
    await other.stop()


async def test_killed_owner_takes_the_server_along(folder: Path) -> None:
    """No process is left when the owner is killed; where the system does not see to it, the next start does."""
    owner, server_pid = await start_owner(folder)
    kill(owner)
    if sys.platform != "linux":
        heir = EmbeddedServer(folder)
        await heir.start()
        await heir.stop()
    await eventually(lambda: not is_alive(server_pid))


async def test_killed_owner_leaves_a_folder_that_starts_again(folder: Path) -> None:
    """A killed `openbell up` leaves a database that starts again, with everything that was committed."""
    owner, _ = await start_owner(folder)
    dsn = running_dsn(folder)
    assert dsn is not None
    await run(dsn, "create table kept as select 42 as answer")
    kill(owner)
    server = EmbeddedServer(folder)
    assert await run(await server.start(), "select answer from kept", "fetchval") == 42
    await server.stop()


async def test_killed_together_recovers(folder: Path) -> None:
    """Owner and server killed at the same instant (power cut, out of memory): recovery keeps what was committed."""
    owner, server_pid = await start_owner(folder)
    dsn = running_dsn(folder)
    assert dsn is not None
    await run(dsn, "create table kept as select generate_series(1, 1000) as number")
    os.kill(server_pid, signal.SIGKILL)
    kill(owner)
    assert (folder / "cluster" / "postmaster.pid").exists()
    server = EmbeddedServer(folder)
    assert await run(await server.start(), "select count(*) from kept", "fetchval") == 1000
    await server.stop()


async def test_orphan_that_still_runs_is_stopped_first(folder: Path) -> None:
    """A server whose owner is gone is stopped before the next one starts: two on one folder would destroy it."""
    server = EmbeddedServer(folder)
    await server.start()
    orphan = server.pid
    assert orphan is not None
    server._lock.release()  # as if the owner had gone, on a system that leaves the child behind
    reaper = asyncio.create_task(asyncio.to_thread(server._process.wait))
    heir = EmbeddedServer(folder)
    dsn = await heir.start()
    await reaper
    assert heir.pid != orphan
    assert await run(dsn, "select 1", "fetchval") == 1
    await heir.stop()


async def test_pid_file_of_a_recycled_pid_is_no_obstacle(owned: EmbeddedServer) -> None:
    """A stale postmaster.pid that names a live process of another kind (after a reboot) does not block the start."""
    await owned.stop()
    pid_file = owned.folder / "cluster" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{owned.folder / 'cluster'}\n1\n5432\n{owned.folder / 'run'}\n\n\nready   \n")
    assert running_dsn(owned.folder) is None
    await owned.start()


async def test_interrupted_first_start_begins_anew(folder: Path) -> None:
    """A half-made cluster (killed during the first start) is thrown away."""
    half = folder / "cluster.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    server = EmbeddedServer(folder)
    assert await run(await server.start(), "select 1", "fetchval") == 1
    await server.stop()


async def test_running_dsn_reaches_the_server_of_another_process(folder: Path) -> None:
    """CLI commands beside a running `up` find its database."""
    assert running_dsn(folder) is None
    owner, server_pid = await start_owner(folder)
    try:
        dsn = running_dsn(folder)
        assert dsn is not None
        assert await run(dsn, "select 1", "fetchval") == 1
        found = read_postmaster(folder / "cluster")
        assert found is not None
        assert found.pid == server_pid
    finally:
        kill(owner)


async def test_long_and_odd_paths(tmp_path: Path) -> None:
    """A path too long for a socket, with spaces, commas and umlauts, works; its temporary folder is removed."""
    folder = tmp_path / ("a very long name, with 'quotes' and ümläuts " * 3) / "data"
    server = EmbeddedServer(folder)
    dsn = await server.start()
    socket_folder = server._socket_folder
    assert socket_folder is not None
    assert socket_folder.is_relative_to(tempfile.gettempdir())
    assert await run(dsn, "select 1", "fetchval") == 1
    assert running_dsn(folder) == dsn
    await server.stop()
    assert not socket_folder.exists()


async def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """Data folder not writable: one sentence that names it, the reason and the mend."""
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(FolderNotWritable, match="choose another folder with --data") as caught:
        await EmbeddedServer(tmp_path / "file" / "data").start()
    assert str(tmp_path / "file" / "data") in str(caught.value)


async def test_folder_of_somebody_else(tmp_path: Path) -> None:
    """A folder that this user may not write is refused before anything is started."""
    await asyncio.to_thread(tmp_path.chmod, 0o500)
    command = [sys.executable, "-c", UNPRIVILEGED_OWNER, str(tmp_path)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert "FolderNotWritable" in done.stderr
    assert str(tmp_path) in done.stderr


async def test_server_that_cannot_start_shows_its_log(folder: Path) -> None:
    """When PostgreSQL itself refuses, the error carries what it said, and the folder is free again."""
    server = EmbeddedServer(folder, settings={"shared_buffers": "a lot"})
    with pytest.raises(ServerFailed, match="shared_buffers"):
        await server.start()
    mended = EmbeddedServer(folder)
    await mended.start()
    await mended.stop()


async def test_log_of_each_run_starts_empty(owned: EmbeddedServer) -> None:
    """The log stays small: one file for this run, one for the run before."""
    await owned.stop()
    size = (owned.folder / "postgres.log").stat().st_size
    for _ in range(3):
        await owned.start()
        await owned.stop()
    assert (owned.folder / "postgres.log").stat().st_size <= size
    assert sorted(path.name for path in owned.folder.glob("postgres.log*")) == ["postgres.log", "postgres.log.1"]
