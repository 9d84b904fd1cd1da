"""The measurements of a whole `openbell up`, for a moment only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.test_queue import run


@pytest.mark.slow
def test_the_idle_house_is_measured(tmp_path: Path) -> None:
    """`openbell bench idle --json` tells memory of the process tree, transactions a second, and processor time."""
    done = run("idle", "--seconds", "2", "--settle", "0", "--json", cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout, done.stderr
    said = json.loads(done.stdout)
    assert said["idle_system_memory_mib"] > 20
    assert said["idle_system_processes"] >= 4
    assert said["idle_system_queries_per_s"] >= 0
