"""Who runs the embedded server when we are root: PostgreSQL refuses to.

Like the package of the binaries does, an unprivileged system user is taken, made when missing. That user must be able
to reach the binaries and the data folder, so folders on the way get the right to be passed through (`o+x`, which does
not let anybody list them); each change is logged.
"""

from __future__ import annotations

import logging
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

USER_NAME = "openbell"
FALLBACK_NAME = "nobody"


@dataclass(frozen=True, slots=True)
class SystemUser:
    """Whom the server runs as; uid 0 means: as whoever we are."""

    uid: int
    gid: int


def choose_user(cluster: Path) -> SystemUser:
    """The user for a cluster: ourselves, or for root the owner of the cluster, or a system user of its own."""
    if os.geteuid() != 0:
        return SystemUser(0, 0)
    if cluster.exists() and (status := cluster.stat()).st_uid != 0:
        return SystemUser(status.st_uid, status.st_gid)
    entry = _find(USER_NAME) or _make(USER_NAME) or pwd.getpwnam(FALLBACK_NAME)
    return SystemUser(entry.pw_uid, entry.pw_gid)


def _find(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _make(name: str) -> pwd.struct_passwd | None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd:
        command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
        subprocess.run(command, check=False, capture_output=True)
        log.info("Made the system user %s, because PostgreSQL does not run as root.", name)
    return _find(name)  # also when another process made it at the same moment


def give(path: Path, user: SystemUser) -> None:
    """Make the user the owner of a folder that is to be private to it."""
    if user.uid:
        os.chown(path, user.uid, user.gid)
    path.chmod(0o700)


def let_through(path: Path, user: SystemUser) -> None:
    """Let the user pass through every folder above `path`."""
    for folder in path.resolve().parents if user.uid else ():
        status = folder.stat()
        if not _may(status, user, 0o1):
            folder.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)
            log.warning("Let other users pass through %s (chmod o+x), for the database to reach %s.", folder, path)


def let_read(tree: Path, user: SystemUser) -> None:
    """Let the user read and execute everything under `tree` (an installation made under a tight umask)."""
    if not user.uid or _may(tree.stat(), user, 0o5):
        return
    for path in [tree, *tree.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        extra = 0o5 if mode & stat.S_IXUSR else 0o4
        path.chmod(mode | extra)
    log.warning("Let other users read %s (chmod o+rX), for the database to run from it.", tree)


def _may(status: os.stat_result, user: SystemUser, bits: int) -> bool:
    mode = status.st_mode
    if status.st_uid == user.uid:
        mode >>= 6
    elif status.st_gid == user.gid:
        mode >>= 3
    return mode & bits == bits
