"""The benchmark itself, with numbers far too small to mean anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from openbell.bench.figures import Figures, percentile
from openbell.bench.queue import MEASURES
from openbell.bench.targets import QUEUE, Target

COMMAND = [sys.executable, "-P", "-m", "openbell", "bench"]
SMALL = ["--jobs", "2000", "--rounds", "1", "--ticks", "20", "--idle-s", "0.5", "--scale", "0.002"]


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env=os.environ, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.slow
def test_every_figure_is_produced(tmp_path: Path) -> None:
    """`openbell bench queue --json` names every figure that has a target, and exits with 1 when one is missed."""
    done = run("queue", *SMALL, "--json", cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    assert QUEUE.keys() <= said.keys()
    assert {name: said[name] for name in QUEUE if not (isinstance(said[name], float | int) and said[name] >= 0)} == {}
    assert said["missed"] == [name for name, target in QUEUE.items() if not target.is_met(said[name])]
    assert done.returncode == (1 if said["missed"] else 0)


def test_an_unknown_figure_is_refused(tmp_path: Path) -> None:
    """A wrong name ends with the names that there are, before anything starts."""
    done = run("queue", "--only", "speed", cwd=tmp_path)
    assert done.returncode == 2
    assert "drain_ratio" in done.stderr


def test_every_target_has_a_measure() -> None:
    """No target stands in the table that nothing measures."""
    assert MEASURES.keys() == QUEUE.keys()


def test_a_target_is_a_bound_from_one_side() -> None:
    """A target is met at its bound, and missed beyond it."""
    assert Target("at least", 0.45, "", "").is_met(0.45)
    assert not Target("at least", 0.45, "", "").is_met(0.449)
    assert Target("at most", 4, "ms", "").is_met(4)
    assert not Target("at most", 4, "ms", "").is_met(4.001)


def test_figures_tell_median_spread_and_misses() -> None:
    """A figure is the median of its rounds; what misses its target is named."""
    figures = Figures({"drain_ratio": QUEUE["drain_ratio"]})
    for sample in (0.5, 0.3, 0.4):
        figures.add("drain_ratio", sample)
    assert figures.as_json() == {"drain_ratio": 0.4, "spread": {"drain_ratio": [0.3, 0.5]}, "missed": ["drain_ratio"]}


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """The 99th percentile of 100 values is the second largest, of 10 the largest."""
    assert percentile([float(n) for n in range(1, 101)], 99) == 99
    assert percentile([float(n) for n in range(1, 11)], 99) == 10
    assert percentile([3.0, 1.0, 2.0], 50) == 2
