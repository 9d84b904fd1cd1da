"""The benchmarks of many browsers, with a few of them for a moment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.test_queue import run


@pytest.mark.slow
def test_streams_are_measured_from_commit_to_browser(tmp_path: Path) -> None:
    """`openbell bench stream --json` tells what a stream costs, and the median and 99th percentile of what arrived."""
    done = run("stream", "--streams", "40", "--deliveries", "200", "--seconds", "2", "--json", cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    assert said["stream_events"] >= 200
    assert 0 < said["stream_p50_ms"] <= said["stream_p99_ms"]
    assert said["streams_memory_mib"] > said["web_memory_mib"] / 2
    assert set(said["missed"]) <= {"stream_p50_ms", "stream_p99_ms"}, "what holds for 10,000 is not asked of 40"


@pytest.mark.slow
def test_a_crowd_at_a_cold_key_is_one_call(tmp_path: Path) -> None:
    """Issue 5: all who ask for one cold key over three web processes are answered by one call of the provider."""
    done = run("crowd", "--viewers", "60", "--rounds", "1", "--json", cwd=tmp_path)
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    assert said["crowd_calls"] == 1
    assert 0 < said["crowd_first_ms"] <= said["crowd_p50_ms"] <= said["crowd_last_ms"]
    assert done.returncode == (1 if said["missed"] else 0)
