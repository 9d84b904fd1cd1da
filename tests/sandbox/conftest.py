"""A running sandbox for each test that asks for one, and the replay without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from openbell.sandbox import serve
from openbell.sandbox.companies import INVENTED
from openbell.sandbox.prices import load
from openbell.sandbox.replay import Market
from tests.sandbox.harness import Running, Start


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start sandboxes with any options of serve(); all are stopped at the end."""
    started: list[Running] = []

    async def starter(*, freeze: bool = True, **options: Any) -> Running:
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        task = asyncio.create_task(serve("127.0.0.1", 0, ready=port.set_result, stop=stop, **options))
        await asyncio.wait((task, port), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port.result()}", timeout=30.0, trust_env=False)
        started.append(Running(port.result(), client, stop, task))
        if freeze:
            await started[-1].clock(freeze=True)
        return started[-1]

    yield starter
    for running in started:
        running.stop.set()
        await running.client.aclose()
        await running.task


@pytest.fixture
async def sandbox(start: Start) -> Running:
    """A premium sandbox that stands still."""
    return await start()


@pytest.fixture(scope="session")
def market() -> Market:
    """The replay itself."""
    return Market(load(), INVENTED)
