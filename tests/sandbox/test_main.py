"""`python -m openbell.sandbox` as a process of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import httpx
import pytest

from tests.sandbox.harness import Running
from tests.support import eventually


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
    url = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().split()[-1]
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{url}quote", params={"symbol": "FB"}, headers={"apikey": "another"})
    assert answer.json()[0]["symbol"] == "FB"
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_what_was_billed_survives_a_kill(tmp_path: Path) -> None:
    """PF-10: what was sold is known, and can be read, after the sandbox was killed in the middle of an answer."""
    arguments = ("--port", "0", "--state", str(tmp_path / "sandbox.json"))
    body = {"input": "x", "effort": "fast", "background": True}
    headers = {"authorization": "Bearer sandbox"}
    first = await start(*arguments)
    assert first.stdout is not None
    root = (await asyncio.wait_for(first.stdout.readline(), 30)).decode().split()[-1].removesuffix("stable/")
    async with httpx.AsyncClient(trust_env=False, base_url=root, headers=headers) as client:
        run = (await client.post("perplexity/v1/agent", json=body)).json()
        await client.post("_control/faults", json={"provider": "perplexity", "kind": "hang"})
        hanging = asyncio.create_task(client.post("perplexity/v1/agent", json=body))

        async def both() -> bool:
            totals = (await client.get("_control/ledger")).json()["totals"]
            return bool(totals["billed"] == 2)

        await eventually(both)
        before = (await client.get("_control/ledger")).json()["totals"]
        first.kill()
        await asyncio.wait_for(first.communicate(), 30)
        with pytest.raises(httpx.TransportError):
            await hanging
    second = await start(*arguments)
    assert second.stdout is not None
    root = (await asyncio.wait_for(second.stdout.readline(), 30)).decode().split()[-1].removesuffix("stable/")
    async with httpx.AsyncClient(trust_env=False, base_url=root, headers=headers) as client:
        after = (await client.get("_control/ledger")).json()["totals"]
        assert after["by_provider"]["perplexity"]["billed_usd_micro"] > 0
        assert after["by_provider"] == before["by_provider"]
        assert (await client.get(f"perplexity/v1/agent/{run['id']}")).json()["id"] == run["id"]
    second.terminate()
    await asyncio.wait_for(second.communicate(), 30)


async def test_taken_port_ends_with_a_sentence(sandbox: Running) -> None:
    """A taken port is one sentence on standard error and exit code 1, no traceback."""
    process = await start("--port", str(sandbox.port))
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert err.decode().startswith(f"Port {sandbox.port} is taken")
    assert err.count(b"\n") == 1
