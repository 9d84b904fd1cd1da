"""The benchmark of the ledger, with times far too short to mean anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from openbell.bench.ledger import MEASURES
from openbell.bench.targets import LEDGER
from tests.bench.test_queue import run


@pytest.mark.slow
def test_every_figure_is_produced(tmp_path: Path) -> None:
    """`openbell bench ledger --json` names every figure that has a target, and exits with 1 when one is missed."""
    done = run("ledger", "--seconds", "0.3", "--rounds", "1", "--json", cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    assert {name: said.get(name) for name in LEDGER if not said.get(name, 0) > 0} == {}
    assert said["missed"] == [name for name, target in LEDGER.items() if not target.is_met(said[name])]
    assert done.returncode == (1 if said["missed"] else 0)


def test_an_unknown_figure_is_refused(tmp_path: Path) -> None:
    """A wrong name ends with the names that there are, before anything starts."""
    done = run("ledger", "--only", "speed", cwd=tmp_path)
    assert done.returncode == 2
    assert "holds_per_s" in done.stderr


def test_every_target_has_a_measure() -> None:
    """No target stands in the table that nothing measures."""
    assert MEASURES.keys() == LEDGER.keys()
