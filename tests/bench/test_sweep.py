"""The benchmark of the sweep, with far too little to mean anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openbell.bench.targets import SWEEP
from tests.bench.test_queue import run


@pytest.mark.slow
def test_a_sweep_is_measured(tmp_path: Path) -> None:
    """`openbell bench sweep --json` names every figure that has a target, over sweeps that queued what was due."""
    few = ("--artifacts", "2000", "--leases", "400", "--keys", "100", "--due", "10", "--rounds", "2")
    done = run("sweep", *few, "--json", cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    assert {name: said.get(name) for name in SWEEP if not said.get(name, 0) > 0} == {}


def test_impossible_sizes_are_refused(tmp_path: Path) -> None:
    """More due keys than wanted ones cannot be measured: it says so before anything starts."""
    done = run("sweep", "--keys", "10", "--due", "11", cwd=tmp_path)
    assert done.returncode == 2
    assert "--due" in done.stderr
