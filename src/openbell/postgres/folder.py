"""The data folder of an embedded server: who owns it, and what a killed owner left behind.

folder/owner.lock     flock held for the owner's life; its text is the owner's pid
folder/cluster/       the PostgreSQL cluster
folder/run/           the socket, private to the user that runs the server
folder/postgres.log   what the server wrote since it was started
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from openbell.postgres.errors import FolderInUse, FolderNotWritable

ORPHAN_STOP_S = 10.0
POLL_S = 0.02


class FolderLock:
    """The right to run the server of a folder. The kernel gives it back however the process ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None

    def take(self) -> None:
        """Raises FolderInUse or FolderNotWritable."""
        path = self._folder / "owner.lock"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise FolderNotWritable(self._folder, error.strerror or str(error)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(descriptor, 32, 0).strip()
            os.close(descriptor)
            raise FolderInUse(self._folder, int(text) if text.isdigit() else None) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the folder back; harmless when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What PostgreSQL's own `postmaster.pid` says about a running (or crashed) server."""

    pid: int
    port: int
    socket_folder: str
    ready: bool

    def dsn(self, user: str, database: str) -> str:
        """The address of a database of this server. It holds no secret: the socket's folder is the protection."""
        return f"postgresql://{user}@/{database}?host={quote(self.socket_folder)}&port={self.port}"


def read_postmaster(cluster: Path) -> Postmaster | None:
    """The server that a cluster names, None when it names none yet (the file grows while the server starts)."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        return Postmaster(
            pid=int(lines[0]), port=int(lines[3]), socket_folder=lines[4].strip(), ready=lines[7].strip() == "ready"
        )
    except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
        return None


def is_server_of(pid: int, cluster: Path) -> bool:
    """Whether a live process works in the cluster: PostgreSQL's processes do, a recycled pid does not."""
    try:
        return psutil.pid_exists(pid) and Path(psutil.Process(pid).cwd()) == cluster.resolve()
    except psutil.Error:
        return False


def clear_leftovers(cluster: Path) -> None:
    """Stop the processes of a killed owner and remove a pid file that would stop the next start. Needs the lock.

    Two servers on one cluster destroy it, so every process that works in the folder must be gone first, backends too.
    """
    pid_file = cluster / "postmaster.pid"
    try:
        first = pid_file.read_text().partition("\n")[0].strip()
    except (FileNotFoundError, NotADirectoryError):
        return  # a clean end: the file is the last thing that a server removes
    postmaster_pid = int(first) if first.isdigit() else 0
    if _processes_in(cluster):
        _send(postmaster_pid if is_server_of(postmaster_pid, cluster) else 0, signal.SIGINT)
        if not _wait_until_empty(cluster, ORPHAN_STOP_S):
            for pid in _processes_in(cluster):
                _send(pid, signal.SIGKILL)
            _wait_until_empty(cluster, ORPHAN_STOP_S)
    if not _processes_in(cluster):
        pid_file.unlink(missing_ok=True)


def _processes_in(cluster: Path) -> list[int]:
    return [pid for pid in psutil.pids() if is_server_of(pid, cluster)]


def _wait_until_empty(cluster: Path, timeout_s: float) -> bool:
    end = time.monotonic() + timeout_s
    while _processes_in(cluster):
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


def _send(pid: int, number: signal.Signals) -> None:
    if pid:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
