"""The measurements of a whole `openbell up`, for a moment only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from openbell.bench.house import House
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


def test_a_process_that_ends_while_it_is_measured_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database's own helpers come and go: one that ends between the list and the reading breaks no measurement."""
    ended = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    listed = [psutil.Process(os.getpid()), psutil.Process(ended.pid)]
    ended.communicate()
    monkeypatch.setattr(House, "tree", lambda _house: listed)
    house = House("127.0.0.1", 0, os.getpid(), tmp_path)
    assert house.memory_mib() > 1
    assert house.processor_s() > 0
    assert sum(house.processor_by_part().values()) > 0
