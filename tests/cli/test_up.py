"""`openbell up` from start to end: what starts, what must not start, and that nothing is ever left behind."""

from __future__ import annotations

import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.cli import house
from tests.cli.house import House
from tests.support import eventually

STOP_S = 30.0
READY_S = 40.0
"""On a machine with nothing else to do both take less than 5 seconds; one that is busy or stalls takes longer."""


def gone(tree: list[psutil.Process]) -> bool:
    """Whether all of these have ended."""
    return not any(alive(one) for one in tree)


def alive(one: psutil.Process) -> bool:
    """Whether this very process runs; one that nobody has waited for does not."""
    try:
        return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def answers(home: House) -> bool:
    """Whether the page is there."""
    try:
        return "<html" in home.page()
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.mark.slow
async def test_life_of_a_folder(tmp_path: Path) -> None:
    """Done when: Ctrl-C ends everything within seconds with no process left, and kill -9 leaves none either.

    A start after each works, is ready within seconds, and still knows what was known.
    """
    first = house.start(tmp_path)
    assert answers(first)
    assert first.json("get", "quote", "AAPL")["state"] == "fresh"
    tree = first.tree()
    assert len(tree) >= 5, tree
    stream = urllib.request.urlopen(f"{first.address}/api/v1/stream?watch=quote:AAPL", timeout=30)  # noqa: ASYNC210
    assert stream.readline()
    began = time.monotonic()
    assert first.end() == 0
    assert time.monotonic() - began < STOP_S
    assert gone(tree), [one for one in tree if alive(one)]
    assert not (tmp_path / ".openbell/sandbox/run.json").exists()
    assert not any("ERROR" in line for line in first.said), first.said
    stream.close()

    began = time.monotonic()
    second = house.start(tmp_path)
    assert answers(second)
    assert time.monotonic() - began < READY_S
    assert second.json("get", "quote", "AAPL", "--wait", "0")["version"] >= 1
    tree = second.tree()
    second.process.kill()
    second.process.wait()
    await eventually(lambda: gone(tree), STOP_S, message="kill -9 of the parent left processes behind")

    third = house.start(tmp_path)
    tree = third.tree()
    assert third.json("get", "quote", "AAPL")["state"] == "fresh"
    third.process.send_signal(signal.SIGTERM)
    assert third.process.wait(STOP_S) == 0
    assert gone(tree)


@pytest.mark.slow
async def test_whatever_dies_is_started_again(tmp_path: Path) -> None:
    """A part that dies is said and started again: the page, the worker, the sandbox and the database come back."""
    home = house.start(tmp_path)
    try:
        for name in ("web", "worker", "sandbox"):
            before = home.child(name)
            before.kill()
            await eventually(lambda b=before, n=name: any(one != b for one in home.running(n)))
            assert any(f"The {name} process ended (signal 9)" in line for line in home.said)
        await eventually(lambda: answers(home))
        assert home.json("get", "quote", "MSFT")["state"] == "fresh"

        postgres = next(one for one in psutil.Process(home.process.pid).children() if one.name() == "postgres")
        postgres.kill()
        await eventually(lambda: any("The database process ended" in line for line in home.said))
        await eventually(lambda: home.run("get", "quote", "IBM", "--wait", "10").returncode == 0)
        await eventually(lambda: answers(home))
    finally:
        tree = home.tree()
        assert home.end() == 0
    assert gone(tree)


@pytest.mark.slow
async def test_what_does_not_stay_up_is_said(tmp_path: Path) -> None:
    """A part that cannot start ends `up` with a sentence that names it and its log, exit 1, and nothing left."""
    state = tmp_path / ".openbell/sandbox/sandbox.json"
    state.parent.mkdir(parents=True)
    state.write_text("this is no state")
    with pytest.raises(AssertionError, match="The sandbox process does not stay up: it ended 5 times"):
        house.start(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("presses", "code"), [(1, 0), (2, 130)])
async def test_a_part_that_hangs_is_killed(tmp_path: Path, presses: int, code: int) -> None:
    """Done when: everything ends within seconds, also what does not listen; a second Ctrl-C does not wait for it."""
    home = house.start(tmp_path)
    tree = home.tree()
    for name in ("web", "worker"):
        home.child(name).suspend()
    began = time.monotonic()
    for _ in range(presses):
        home.process.send_signal(signal.SIGINT)
        await eventually(lambda: "Stopping." in home.said)
    assert home.process.wait(30) == code
    assert time.monotonic() - began < STOP_S
    assert gone(tree)
