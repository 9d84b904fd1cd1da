"""`python -m openbell.sandbox` as a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sys

import httpx

from tests.sandbox.harness import Running


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "openbell.sandbox",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_starts_answers_and_ends() -> None:
    """The program says where it listens, answers there, and ends in order on an interrupt."""
    process = await start("--port", "0", "--day-seconds", "10", "--plan", "starter", "--key", "another")
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().split()[-1]
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{url}quote", params={"symbol": "FB"}, headers={"apikey": "another"})
    assert answer.json()[0]["symbol"] == "FB"
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_taken_port_ends_with_a_sentence(sandbox: Running) -> None:
    """A taken port is one sentence on standard error and exit code 1, no traceback."""
    process = await start("--port", str(sandbox.port))
    _, err = await process.communicate()
    assert process.returncode == 1
    assert err.decode().startswith(f"Port {sandbox.port} is taken")
    assert err.count(b"\n") == 1
