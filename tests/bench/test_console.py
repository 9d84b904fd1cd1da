"""The benchmark of the console's pages, with far too little behind them to mean anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openbell.bench.console import TARGETS
from tests.bench.test_queue import run


@pytest.mark.slow
def test_pages_of_the_console_are_measured(tmp_path: Path) -> None:
    """`openbell bench console --json` names every page with its 99th percentile and its median, of pages that came."""
    done = run("console", "--jobs", "30000", "--others", "1000", "--asks", "2", "--json", cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    assert {name: said.get(name) for name in TARGETS if not said.get(name, 0) > 0} == {}
    assert {name for name in TARGETS if f"{name}: median" not in said} == set()
