"""`openbell mcp`, asked by the client of the protocol's own SDK over stdin and stdout."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from mcp import Client, StdioServerParameters
from mcp_types import CallToolResult, TextContent

from openbell.products import registry
from tests.cli.house import COMMAND, environ, limited, run
from tests.support import eventually
from tests.web.conftest import PRICES, QUOTE, Site, serve
from tests.web.test_api import TABLES

READ_ONLY = {"list_products", "read", "why", "costs"}


@pytest.fixture
async def site(dsn: str, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    """A web process whose database is there."""
    await registry().seed(pool)
    async with serve(dsn, pool) as running:
        await running.ready()
        yield running


@asynccontextmanager
async def model(site: Site, *options: str) -> AsyncIterator[Client]:
    """A program that has started `openbell mcp` and speaks with it."""
    program, *arguments = COMMAND
    command = StdioServerParameters(
        command=program,
        args=[*arguments, "mcp", "--url", site.address, *options],
        env=environ(),
        cwd=Path(__file__).parent,
    )
    async with Client(command, read_timeout_seconds=60) as client:
        yield client


def data(answer: CallToolResult) -> Any:
    """What a tool gave, as a program reads it; the text for models says the same."""
    assert not answer.is_error, answer.content
    (text,) = answer.content
    assert isinstance(text, TextContent)
    assert json.loads(text.text) == answer.structured_content
    return answer.structured_content


def complaint(answer: CallToolResult) -> str:
    """What a tool said when it could not."""
    (text,) = answer.content
    assert answer.is_error
    assert isinstance(text, TextContent)
    return text.text


async def test_tools_read_and_create_nothing(site: Site) -> None:
    """Issue 5, item 9: a model has tools that only read, says the protocol's own mark, and the tables agree."""
    await site.publish("quote", "AAPL", QUOTE)
    before = [await site.count(table) for table in TABLES]
    async with model(site) as client:
        tools = (await client.list_tools()).tools
        assert {one.name for one in tools} == READ_ONLY
        assert all(one.annotations and one.annotations.read_only_hint for one in tools)
        assert all(one.description for one in tools)

        products = {one["name"]: one for one in data(await client.call_tool("list_products", {}))["products"]}
        assert products.keys() == {one.name for one in registry() if not one.is_task}
        assert "such as AAPL" in products["quote"]["key"]

        quote = data(await client.call_tool("read", {"product": "quote", "key": "aapl"}))
        assert (quote["key"], quote["state"], quote["value"]["price"]) == ("AAPL", "fresh", 562.95)
        assert quote["source"]["synthetic"]
        assert quote["reason"]

        told = data(await client.call_tool("why", {"product": "quote", "key": "MSFT"}))
        assert told["verdict"]
        assert data(await client.call_tool("costs", {"by": "week", "since": "2026-01-01"}))["since"] == "2026-01-01"
    assert [await site.count(table) for table in TABLES] == before


async def test_errors_are_told_to_the_model_with_their_code(site: Site) -> None:
    """Bad input: a sentence and a stable code that a model can act on, and never a trace."""
    async with model(site) as client:
        missing = await client.call_tool("read", {"product": "quote", "key": "AAPL"})
        assert "artifact_missing: There is no quote of AAPL yet." in complaint(missing)
        unknown = await client.call_tool("why", {"product": "quot", "key": "AAPL"})
        assert "unknown_product" in complaint(unknown)
        assert "wait_s" not in complaint(await client.call_tool("get", {"product": "quote", "key": "AAPL"}))
        assert "rows" in complaint(await client.call_tool("read", {"product": "quote", "key": "A", "rows": -1}))


async def test_a_long_table_is_shortened_to_its_newest_rows(site: Site) -> None:
    """A model reads by the word: it gets the newest rows, and is told how many were left out."""
    await site.publish("eod-prices", "AAPL", PRICES)
    async with model(site) as client:
        told = data(await client.call_tool("read", {"product": "eod-prices", "key": "AAPL", "rows": 1}))
        assert ([row[0] for row in told["value"]["rows"]], told["rows_left_out"]) == (["2012-05-31"], 1)
        assert told["columns"][0] == "day"
        whole = data(await client.call_tool("read", {"product": "eod-prices", "key": "AAPL"}))
        assert (len(whole["value"]["rows"]), whole["rows_left_out"]) == (2, 0)


async def test_with_demand_a_model_can_ask_for_what_is_fresh(site: Site) -> None:
    """What may cost money is offered only when the operator says so, and is not marked as reading only."""
    async with model(site, "--demand") as client:
        tools = {one.name: one for one in (await client.list_tools()).tools}
        assert tools.keys() == READ_ONLY | {"get"}
        marks = tools["get"].annotations
        assert marks is not None
        assert marks.read_only_hint is False
        asking = asyncio.create_task(client.call_tool("get", {"product": "quote", "key": "AAPL"}))
        await eventually(lambda: len(site.app.state.hub.subscribers) == 1)
        await site.publish("quote", "AAPL", QUOTE)
        assert data(await asyncio.wait_for(asking, 30))["state"] == "fresh"
    assert await site.count("job") == 1


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM, None])
def test_it_ends_at_once_when_asked_to(asked: signal.Signals | None) -> None:
    """Ctrl-C, SIGTERM, and a host that is gone end it, also while it waits for a question; stdout is the wire alone."""
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    question = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    with (
        subprocess.Popen(
            [*COMMAND, "mcp", "--url", "http://127.0.0.1:9"],
            env=environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
        limited(process),
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["result"]["serverInfo"]["name"] == "openbell"
        if asked is None:
            process.stdin.close()
        else:
            process.send_signal(asked)
        assert process.wait(30) == (0 if asked is None else -asked)
        assert process.stdout.read() == ""


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """Without an address, with one that is none, and without the SDK: a sentence with the mend, and its exit code."""
    nowhere = run("mcp", cwd=tmp_path)
    assert (nowhere.returncode, "Nothing is running" in nowhere.stderr) == (5, True)
    lines = [line.split() for line in run("mcp", "--help", cwd=tmp_path).stdout.splitlines()]
    assert READ_ONLY | {"get"} <= {words[0] for words in lines if words}
    wrong = run("mcp", "--url", "localhost", cwd=tmp_path)
    assert (wrong.returncode, "http://" in wrong.stderr) == (2, True)
    (tmp_path / "mcp").mkdir()
    (tmp_path / "mcp" / "__init__.py").write_text("raise ModuleNotFoundError('No module named mcp', name='mcp')")
    bare = run("mcp", "--url", "http://127.0.0.1:9", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert (bare.returncode, 'pip install "openbell[mcp]"' in bare.stderr) == (1, True)
