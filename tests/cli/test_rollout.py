"""`openbell flags` and `openbell polls` as docs/rollout.md tells, and what an operator reads of a trial."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import asyncpg

from openbell.engine.registry import Product
from openbell.products import registry
from tests.cli.test_export import Terminal, openbell  # noqa: F401 (a fixture)

GUIDE = (Path(__file__).parents[2] / "docs" / "rollout.md").read_text("utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL) for line in block.splitlines()]


async def declared(pool: asyncpg.Pool) -> Product:
    """The challenger of the guide, in the database."""
    (source,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    found: dict[str, Any] = {}
    exec(compile(f"from __future__ import annotations\n{source}", "docs/rollout.md", "exec"), found)
    products = registry()
    products.add(found["quote_next"])
    await products.seed(pool)
    one: Product = found["quote_next"]
    return one


async def test_the_guide_works_as_it_stands(openbell: Terminal, pool: asyncpg.Pool) -> None:  # noqa: F811
    """MD-25, PF-28: every command of docs/rollout.md does what it says, in its order, and leaves both flags off."""
    made = await declared(pool)
    assert made.challenge is not None
    assert len(COMMANDS) >= 15
    for command in COMMANDS:
        code, said = await openbell(*shlex.split(command)[1:])
        assert code == 0, (command, said)
    flags = await pool.fetch("select name, mode from openbell.flag where name ~ 'quote' order by name")
    assert [tuple(row.values()) for row in flags] == [("demand-quote", "off"), ("quote-next", "off")]
    assert await pool.fetchval("select budget from openbell.challenge where name = 'quote-next'") == {"calls": 1000}
    forced = "select count(*) from openbell.audit where target = 'quote-next' and after ? 'forced'"
    assert await pool.fetchval(forced) == 2
    assert await pool.fetchval("select count(*) from openbell.poll") == 4


async def test_a_report_says_what_differs_and_what_is_missing(openbell: Terminal, pool: asyncpg.Pool) -> None:  # noqa: F811
    """PF-28: old and new side by side, each field that differs with an example, and the refusal with its reason."""
    await declared(pool)
    await pool.execute(
        """insert into openbell.trial (challenger, key, at, job_id, producer_version, live_version, verdict, fields,
               differences, calls, bytes, cost_micro, took_s, live_calls, live_bytes, live_cost_micro, live_took_s)
           select 'quote-next', 'AAPL', openbell.now(), n, 2, 1, case when n = 1 then 'different' else 'equal' end, 9,
               case when n = 1 then '[{"path": "price", "side": "different", "live": 1.5, "new": 2.5}]'
                   else '[]' end::jsonb,
               1, 700, 0, 0.2, 1, 900, 0, 0.3 from generate_series(1, 4) n"""
    )
    code, said = await openbell("flags", "report", "quote-next")
    words = " ".join(said.split())
    assert code == 0
    assert "4 trials of 1 keys" in words
    assert "bytes 3600 2800" in words.replace(",", "")
    assert "4 compared: 3 equal, 1 different, 0 missing, 0 extra. 0 failed." in words
    assert "price different 1 AAPL 1.50 2.50" in words
    assert "Its rule is not met: 4 of 200 comparisons; 25.00% differ, 0.50% may." in words
    code, said = await openbell("flags", "set", "quote-next", "on")
    assert code != 0
    assert "25.00% differ" in " ".join(said.split())
    code, said = await openbell("flags", "report", "quote-next", "--json")
    found = json.loads(said)
    assert (found["trials"]["different"], len(found["shortfalls"]), found["flag"]["mode"]) == (1, 2, "off")
    code, said = await openbell("flags", "set", "quote-next", "shadow:25%")
    assert (code, said) == (0, "quote-next is shadow 25 %.\n")
    code, said = await openbell("flags", "show", "quote-next", "--key", "AAPL")
    assert "in shadow: AAPL is" in " ".join(said.split())


async def test_bad_input_is_told_with_what_to_do(openbell: Terminal, pool: asyncpg.Pool) -> None:  # noqa: F811
    """Bad input: a share that is none, a flag that is not there, a budget without a figure, a list that is none."""
    await declared(pool)
    await openbell("flags", "add", "demand-profile", "--about", "a test")
    for arguments, code, words in (
        (("set", "quote-next", "shadow:101%"), 2, "neither on nor off"),
        (("report", "nothing"), 3, "There is no flag 'nothing': there are demand-profile"),
        (("rule", "nothing", "--at-least", "1", "--different", "1", "--failed", "1"), 3, "There is no flag"),
        (("rule", "quote-next", "--at-least", "1", "--different", "101", "--failed", "1"), 2, "101"),
        (("budget", "quote-next"), 2, "--calls"),
        (("budget", "demand-profile", "--calls", "5"), 1, "no challenger"),
        (("budget", "quote-next", "--usd", "much"), 2, "no amount"),
        (("report", "demand-profile"), 3, "no fixed list"),
    ):
        found, said = await openbell("flags", *arguments)
        assert (found, words in " ".join(said.split())) == (code, True), (arguments, found, said)


async def test_the_doctor_finds_flags_past_their_day(openbell: Terminal, pool: asyncpg.Pool) -> None:  # noqa: F811
    """PF-27: a flag has an owner and an end, and one that nobody removed is told with its mend."""
    await declared(pool)
    for moved, level in (("", "ok"), ("update openbell.flag set remove_by = current_date - 1", "warn")):
        if moved:
            await pool.execute(moved)
        _, said = await openbell("doctor", "--json")
        (found,) = [one for one in json.loads(said)["findings"] if one["about"] == "flags"]
        assert found["state"] == level
    assert "quote-next (off, code)" in found["detail"]
    assert "flags drop" in found["mend"]
