"""The examples of docs/programs.md and of the README, run as they stand there."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
from pathlib import Path

import pytest

from openbell.cli.app import openbell
from openbell.client import Client
from tests.web.conftest import PRICES, QUOTE, Site

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "programs.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
ADDRESS = "http://127.0.0.1:8000"
EXAMPLES = [one for one in re.findall(r"```python\n(.*?)```", GUIDE + README, re.DOTALL) if "Client" in one]


def play(source: str) -> str:
    """Run one example as a program of its own would; what it prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(source, "docs/programs.md", "exec"), {"__name__": "__main__"})
    return said.getvalue()


@pytest.mark.parametrize("source", EXAMPLES, ids=range(len(EXAMPLES)))
async def test_an_example_runs_as_it_stands(site: Site, source: str) -> None:
    """What the guide shows works, against a real web process."""
    await site.publish("quote", "AAPL", QUOTE)
    await site.publish("eod-prices", "AAPL", PRICES)
    assert ADDRESS in source
    assert await asyncio.wait_for(asyncio.to_thread(play, source.replace(ADDRESS, site.address)), 30)


def test_the_guide_names_every_method_and_every_tool() -> None:
    """A method that the guide forgets is one that nobody finds."""
    public = {name for name in vars(Client) if name[0] != "_" and name != "close"}
    assert set(re.findall(r"^\| `(\w+)\(", GUIDE, re.MULTILINE)) == public
    (hosts,) = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    command, *options = json.loads(hosts)["mcpServers"]["openbell"]["args"]
    known = {option for one in openbell.commands[command].params for option in one.opts}
    assert {one for one in options if one.startswith("--")} <= known
    assert "--demand" in known
