"""The client for programs without a loop: the same methods, waited for."""

from __future__ import annotations

import asyncio
import inspect
import signal
import subprocess
import sys
import threading

import pytest

from openbell import BlockingClient, Client
from openbell.client import Artifact, Missing
from tests.support import eventually
from tests.web.conftest import QUOTE, Site


def methods(kind: type) -> dict[str, str]:
    """The public methods with their parameters, without what they give."""
    found = inspect.getmembers(kind, inspect.isfunction)
    return {name: str(inspect.signature(one).replace(return_annotation="")) for name, one in found if name[0] != "_"}


def test_both_clients_have_the_same_methods() -> None:
    """One implementation: what one client can, the other can in the same words."""
    assert methods(BlockingClient) == methods(Client)
    assert BlockingClient.get.__doc__ == Client.get.__doc__


async def test_it_works_in_a_thread_without_a_loop_and_beside_a_running_one(site: Site) -> None:
    """Issue 5, item 9: scripts have no loop, notebooks have one that runs; both may ask."""
    await site.publish("quote", "AAPL", QUOTE)

    def ask() -> Artifact:
        with BlockingClient(site.address) as bell:
            with pytest.raises(Missing):
                bell.read("quote", "MSFT")
            return bell.get("quote", "AAPL", wait=5)

    assert (await asyncio.to_thread(ask)).value["price"] == 562.95

    async def notebook() -> Artifact:
        return ask()

    assert (await asyncio.to_thread(asyncio.run, notebook())).state == "fresh"


async def test_a_watch_is_a_plain_iterator(site: Site) -> None:
    """Changes come one by one; whoever stops iterating watches no more, and closing twice is allowed."""
    await site.publish("quote", "AAPL", QUOTE)
    seen: list[int] = []

    def look() -> None:
        bell = BlockingClient(site.address)
        for change in bell.watch([("quote", "AAPL")]):
            seen.append(change.version)
            if change.version == 2:
                break
        bell.close()
        bell.close()
        with pytest.raises(RuntimeError, match="closed"):
            bell.products()

    looking = asyncio.create_task(asyncio.to_thread(look))
    await eventually(lambda: seen == [1])
    await site.publish("quote", "AAPL", QUOTE, version=2)
    await asyncio.wait_for(looking, 30)
    assert seen == [1, 2]
    assert not [one for one in threading.enumerate() if one.name == "openbell client"]
    await eventually(lambda: not site.app.state.hub.subscribers)


async def test_ctrl_c_ends_a_watch_at_once(site: Site) -> None:
    """A script that waits for changes ends when it is asked to, with one traceback, of the interrupt."""
    program = f"""
from openbell import BlockingClient
with BlockingClient({site.address!r}) as bell:
    for change in bell.watch([("quote", "AAPL")]):
        print(change.state, flush=True)
"""
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, **pipes)
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"missing\n"
    process.send_signal(signal.SIGINT)
    _, said = await asyncio.wait_for(process.communicate(), 10)  # the next ping comes after 15
    assert (said.count(b"Traceback"), said.rstrip().endswith(b"KeyboardInterrupt")) == (1, True)
    await eventually(lambda: not site.app.state.hub.subscribers)


def test_importing_openbell_stays_light_and_the_client_knows_no_engine() -> None:
    """`import openbell` loads nothing, and the client neither the engine, nor a driver, nor a frame library."""
    program = """
import sys
import openbell
assert not {"httpx", "pydantic", "asyncpg"} & sys.modules.keys()
from openbell import Client, BlockingClient
print(sorted({"asyncpg", "fastapi", "pandas", "numpy", "openbell.engine", "openbell.web"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=90, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
