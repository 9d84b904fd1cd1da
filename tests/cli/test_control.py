"""`openbell breakers`, `openbell audit`, and changes that say what their author has seen."""

from __future__ import annotations

import json

import asyncpg

from openbell.engine.ledger import ensure_accounts
from openbell.products import registry
from tests.cli.test_rollout import Terminal, openbell  # noqa: F401
from tests.engine.hand import per_minute


async def test_breakers_and_the_log_from_the_terminal(openbell: Terminal, pool: asyncpg.Pool) -> None:  # noqa: F811
    """PF-23, PF-27: opened and closed by hand with a reason; the log tells who, what and why, by filters."""
    await registry().seed(pool)
    await ensure_accounts(pool, [per_minute(100, "fmp")])
    code, said = await openbell("breakers", "list")
    assert (code, "All breakers are closed" in said) == (0, True)
    code, said = await openbell("breakers", "open", "fmp", "--for", "2h", "--reason", "they mend it", "--actor", "ann")
    assert (code, "Nobody calls fmp until" in said) == (0, True)
    (one,) = json.loads((await openbell("breakers", "list", "--json"))[1])
    assert (one["provider"], one["state"], one["reason"]) == ("fmp", "open", "they mend it")
    assert (await openbell("breakers", "close", "fmp", "--reason", "it answers"))[0] == 0
    for arguments, wrong, words in (
        (("breakers", "close", "fmp", "--reason", "x"), 1, "is closed: nothing holds its calls"),
        (("breakers", "open", "nobody", "--for", "1h", "--reason", "x"), 1, "There is no provider"),
        (("breakers", "open", "fmp", "--for", "8d", "--reason", "x"), 1, "a minute to 7 days"),
        (("breakers", "open", "fmp", "--for", "1h"), 2, "--reason"),
    ):
        code, said = await openbell(*arguments)
        assert (code, words in " ".join(said.split())) == (wrong, True), said
    code, said = await openbell("audit", "--action", "breaker.*", "--object", "fmp")
    assert code == 0
    assert [word in said for word in ("ann", "breaker.open", "they mend it", "it answers")] == [True] * 4
    found = json.loads((await openbell("audit", "--actor", "ann", "--json"))[1])
    assert [(row["action"], row["target"]) for row in found] == [("breaker.open", "fmp")]
    assert "Nothing matches" in (await openbell("audit", "--until", "2001-01-01"))[1]


async def test_a_command_says_what_its_author_has_seen(openbell: Terminal, pool: asyncpg.Pool) -> None:  # noqa: F811
    """Issue 9, two operators at once: with the revision that was looked at a flag, a product and its rule are refused
    when another was first, and what they did is told.
    """
    await registry().seed(pool)
    await openbell("flags", "add", "try-it", "--about", "a test")
    seen = str(json.loads((await openbell("flags", "show", "try-it", "--json"))[1])["revision"])
    await openbell("flags", "set", "try-it", "10%", "--actor", "ann", "--reason", "a look", "--remove-by", "2031-06-30")
    product = str(json.loads((await openbell("products", "show", "quote", "--json"))[1])["revision"])
    await openbell("products", "set", "quote", "--off", "--actor", "ann", "--reason", "wrong prices")
    for arguments, words in (
        (("flags", "set", "try-it", "off", "--seen", seen), "mode off to percent"),
        (("flags", "drop", "try-it", "--seen", seen), "a look"),
        (("products", "set", "quote", "--on", "--seen", product), "enabled on to off (wrong prices)"),
    ):
        code, said = await openbell(*arguments)
        told = " ".join(said.split())
        assert (code, "changed since you looked" in told, words in told) == (1, True, True), said
    assert "2031-06-30" in (await openbell("flags", "show", "try-it"))[1]
    rule = ("flags", "rule", "try-it", "--at-least", "500", "--different", "1", "--failed", "1")
    assert (await openbell(*rule))[0] == 0
    code, said = await openbell("flags", "set", "try-it", "20%", "--force")
    assert (code, "only for a reason" in " ".join(said.split())) == (1, True)
