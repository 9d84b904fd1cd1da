"""The benchmark of reads over HTTP, for a moment only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.test_queue import run


@pytest.mark.slow
def test_reads_are_measured_beside_the_bare_framework(tmp_path: Path) -> None:
    """`openbell bench read --json` tells our rate and the bare framework's for the same bytes, from one run."""
    done = run("read", "--readers", "4", "--seconds", "0.3", "--rounds", "1", "--json", cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    assert said["read_bytes"] > 500
    assert said["reads_per_s"] > 0
    assert said["read_ratio"] == pytest.approx(said["reads_per_s"] / said["bare_per_s"], rel=0.01)
    assert done.returncode == (1 if said["missed"] else 0)
