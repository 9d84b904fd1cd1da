"""`openbell digests prompts` and `openbell digests review`, against a database that `DATABASE_URL` names."""

from __future__ import annotations

import json

import asyncpg

from openbell.products.digest.prompts import versions
from tests.cli.house import openbell
from tests.products.digest.test_phases import SAID
from tests.products.digest.test_review import KEY, publish, review, written
from tests.products.digest.writing import by_model, inputs, scripted


async def test_prompts_and_reviews_from_the_terminal(dsn: str, pool: asyncpg.Pool) -> None:
    """DG-37, DG-40: versions with what became of their digests, and what a review has found, as tables and as JSON."""
    async with scripted(pool, SAID) as (desk, _):
        given = by_model(inputs(), review="none")
        await publish(pool, *(await written(desk, given, performance={"content": "Revenue rose 99%."})))
        code, out, _ = await openbell(dsn, "digests", "review", KEY)
        assert (code, "has not been looked at" in out) == (3, True)
        await review(desk)
    code, out, err = await openbell(dsn, "digests", "prompts", "bullets", "--json")
    assert (code, err) == (0, "")
    [row] = json.loads(out)
    assert (row["prompt"], row["role"], row["digests"], row["held"]) == ("bullets@1", "current", 1, 1)
    code, out, _ = await openbell(dsn, "digests", "prompts", "--json")
    assert {one["prompt"].split("@")[0] for one in json.loads(out)} == set(versions())
    code, out, err = await openbell(dsn, "digests", "prompts", "nothing")
    assert (code, "There is no prompt 'nothing'" in err) == (2, True)
    code, out, _ = await openbell(dsn, "digests", "review", KEY, "--json")
    said = json.loads(out)
    assert (code, said["verdict"], [one["kind"] for one in said["findings"]]) == (0, "hold", ["number"])
    code, out, _ = await openbell(dsn, "digests", "review", KEY.lower(), "--again")
    assert code == 0
    assert "hold" in out
    assert await pool.fetchval("select count(*) from openbell.job where product = 'digest-review'") == 1
    assert (await openbell(dsn, "digests", "review", "nonsense"))[0] == 2
