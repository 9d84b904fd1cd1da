"""`openbell products`: the policy of each product, looked at and changed while everything runs."""

from __future__ import annotations

import json
from datetime import timedelta

import asyncpg
import pytest

from openbell.engine.registry import list_products
from openbell.products import registry
from tests.cli.test_export import Terminal, openbell  # noqa: F401 - fixture


@pytest.fixture
async def seeded(pool: asyncpg.Pool) -> asyncpg.Pool:
    await registry().seed(pool)
    return pool


async def test_a_policy_is_changed_and_audited(seeded: asyncpg.Pool, openbell: Terminal) -> None:  # noqa: F811
    """MD-2, PF-3: an operator's change holds in the row, survives the next start, and says who made it."""
    code, said = await openbell("products", "set", "quote", "--ttl", "5min", "--off", "--actor", "ada")
    assert code == 0
    assert "5 min" in said
    await registry().seed(seeded)
    row = next(one for one in await list_products(seeded) if one.name == "quote")
    assert (row.ttl, row.enabled, sorted(row.changed)) == (timedelta(minutes=5), False, ["enabled", "ttl"])
    audit = await seeded.fetchrow("select actor, action, target from openbell.audit order by id desc limit 1")
    assert audit is not None
    assert tuple(audit) == ("ada", "product.set", "quote")
    code, said = await openbell("products", "show", "quote", "--json")
    assert (code, json.loads(said)["ttl_s"]) == (0, 300)
    code, said = await openbell("products", "show", "quote")
    assert "set by an operator" in said


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("quote",), "Say what to change"),
        (("quote", "--ttl", "soon"), "no time"),
        (("quote", "--ttl", "0s"), "no time"),
        (("quote", "--ttl", "30d"), "--stale too"),
        (("nosuch", "--ttl", "1h"), "There is no product"),
        (("sec-outstanding-shares-due", "--ttl", "1h"), "task"),
    ],
)
async def test_what_cannot_be_a_policy_is_refused(
    seeded: asyncpg.Pool,
    openbell: Terminal,  # noqa: F811
    arguments: tuple[str, ...],
    word: str,
) -> None:
    """A mistake is named, and changes nothing."""
    before = await list_products(seeded)
    code, said = await openbell("products", "set", *arguments)
    assert code != 0
    assert word in said
    assert await list_products(seeded) == before
