"""A small rolling deploy: two versions on one database, streams, reads and running jobs."""

from __future__ import annotations

import pytest

from openbell.drills.deploy import Played, Size, play
from openbell.drills.deploy_report import tell
from tests.sandbox.conftest import sandbox, start  # noqa: F401 - fixtures
from tests.sandbox.harness import Running

SMALL = Size(streams=60, keys=16, webs=1, workers=2, pause_s=0.5, patience=6)


@pytest.mark.slow
async def test_a_version_replaces_the_one_before(empty_dsn: str, sandbox: Running) -> None:  # noqa: F811
    """PF-26, PF-43: nothing fails, is lost, done twice or late while each process is replaced."""
    said: list[str] = []
    played = await play(empty_dsn, sandbox.url, SMALL, said.append)
    assert played.faults == [], (said, played)
    assert len(played.exits_s) == 3
    assert played.moved >= 60
    assert played.interrupted >= 1
    assert played.jobs >= 16
    if played.before:
        assert played.applied
    assert "Every promise was kept." in tell(SMALL, played)


def test_a_broken_promise_is_told() -> None:
    """The report names each promise that was broken, and a run in which nothing happened proves nothing."""
    played = Played(requests=10, failed=2, failures=["status 500"], jobs=5, lost=1, lock_wait_s=0.9, exits_s=[6.0])
    played.judge()
    assert len(played.faults) == 4
    told = tell(Size(), played)
    assert "- **2 of 10 requests failed: status 500**" in told
    assert "no git history" in told
    empty = Played()
    empty.judge()
    assert empty.faults == ["nothing happened"]
