"""`openbell flags` and `openbell polls`, against a database that `DATABASE_URL` names."""

from __future__ import annotations

import json
from pathlib import Path

import asyncpg
import click
import pytest

from openbell.cli.flags import _parse_extent
from openbell.products import registry
from tests.cli.house import openbell


async def test_a_list_is_taken_over_from_the_terminal(dsn: str, pool: asyncpg.Pool, tmp_path: Path) -> None:
    """PF-29, MD-25: a list from a file, its flag by percentage and by name, why a key is in, and the comparison."""
    await registry().seed(pool)
    symbols = tmp_path / "symbols.txt"
    symbols.write_text("aapl\nMSFT\n\nge\n")
    code, out, err = await openbell(dsn, "polls", "add", "quote", "BRK.B", "--file", str(symbols))
    assert (code, err) == (0, "")
    assert "4 keys of quote" in out
    code, out, err = await openbell(dsn, "flags", "set", "demand-quote", "25%", "--allow", "AAPL", "--deny", "GE")
    assert (code, out, err) == (0, "demand-quote is 25 %.\n", "")
    code, out, _ = await openbell(dsn, "flags", "show", "demand-quote", "--key", "GE")
    assert code == 0
    assert "off: demand-quote leaves GE out by name" in " ".join(out.split())
    code, out, _ = await openbell(dsn, "flags", "show", "demand-quote", "--key", "AAPL", "--json")
    said = json.loads(out)
    assert (said["percent"], said["allow"], said["deny"], said["verdict"]["on"]) == (25, ["AAPL"], ["GE"], True)
    assert [change["actor"] for change in said["changes"]] == ["cli", "cli"]
    code, out, _ = await openbell(dsn, "polls", "list", "--json")
    (listed,) = json.loads(out)
    assert (listed["product"], listed["keys"]) == ("quote", 4)
    assert 1 <= listed["taken_over"] <= 3
    code, out, _ = await openbell(dsn, "polls", "compare", "quote", "--json")
    assert sum(side["keys"] for side in json.loads(out)["sides"]) == 4
    code, out, _ = await openbell(dsn, "polls", "compare", "quote")
    assert code == 0
    assert "on demand" in out
    assert "polled" in out
    code, out, _ = await openbell(dsn, "polls", "remove", "quote", "--all")
    assert code == 0
    assert await pool.fetchval("select count(*) from openbell.poll") == 0


async def test_bad_input_is_told_with_what_to_do(dsn: str, pool: asyncpg.Pool) -> None:
    """Bad input: a share that is none, keys that are none, a flag or a list that is not there."""
    await registry().seed(pool)
    await openbell(dsn, "flags", "add", "try-it", "--about", "a test")
    for arguments, code, words in (
        (("flags", "set", "try-it", "101%"), 2, "neither on nor off"),
        (("flags", "set", "nothing", "on"), 3, "There is no flag 'nothing'"),
        (("flags", "add", "try-it", "--about", "again"), 1, "already"),
        (("flags", "add", "Try It", "--about", "x"), 1, "no name for a flag"),
        (("polls", "add", "quote"), 2, "Name keys"),
        (("polls", "add", "quote", "$$"), 2, "$$"),
        (("polls", "add", "quotes", "AAPL"), 2, "quotes"),
        (("polls", "remove", "quote"), 2, "--all"),
        (("polls", "compare", "quote"), 3, "no fixed list"),
    ):
        said = await openbell(dsn, *arguments)
        assert (said[0], words in said[2]) == (code, True), (arguments, said)
    assert (await openbell(dsn, "flags", "drop", "try-it"))[0] == 0


def test_every_share_can_be_written() -> None:
    """A share in steps of a hundredth of a percent is taken as it is written, with or without its sign."""
    for n in range(10_001):
        text = f"{n // 100}.{n % 100:02}"
        assert _parse_extent(f"{text}%") == _parse_extent(text) == ("percent", n)
    for text in ("100.01", "-1", "1.005", "nan", "inf", "", "%", "1e9", "half"):
        with pytest.raises(click.BadParameter):
            _parse_extent(text)
