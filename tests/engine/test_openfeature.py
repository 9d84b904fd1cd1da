"""Our flags through the SDK of OpenFeature, as code that knows nothing of us would ask."""

from __future__ import annotations

import asyncio
from datetime import date
from itertools import pairwise

import asyncpg
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from openbell.engine.flags import Verdict, add_flag, get_flag, judge, list_changes
from openbell.engine.rollout import set_flag
from openbell.openfeature import OpenbellProvider
from tests.support import eventually

NAME = "demand-number"


async def test_the_sdk_of_openfeature_gets_our_verdicts_at_once(dsn: str, pool: asyncpg.Pool) -> None:
    """PF-27: through the provider each key is on the side it is on in Python and SQL; a change is heard by LISTEN; what
    is missing, of another type or not read yet gives the caller's default and an error code.
    """
    await add_flag(pool, NAME, about="for a test", owner="nobody", remove_by=date(2027, 6, 30), actor="test")
    provider = OpenbellProvider(dsn, poll_s=3_600)
    api.set_provider(provider)
    client = api.get_client()
    early = client.get_boolean_details(NAME, default_value=True)
    assert (early.value, early.error_code) == (True, ErrorCode.PROVIDER_NOT_READY)
    await provider.start()
    try:
        assert not client.get_boolean_value(NAME, default_value=True, evaluation_context=EvaluationContext("a"))
        await eventually(lambda: provider._hints is not None and provider._hints.listening.is_set())
        lists = {"allow": ["taken-in"], "deny": ["left-out"]}
        await set_flag(pool, NAME, mode="percent", share=3_000, actor="test", **lists)  # type: ignore[arg-type]
        await eventually(
            lambda: client.get_boolean_value(
                NAME, default_value=False, evaluation_context=EvaluationContext("taken-in")
            )
        )
        flag = await get_flag(pool, NAME)
        sql = "select openbell.is_on(f, $2) from openbell.flag f where f.name = $1"
        keys = ["left-out", *(f"key-{n}" for n in range(200))]
        for key in keys:
            got = client.get_boolean_details(NAME, default_value=False, evaluation_context=EvaluationContext(key))
            assert got.value == judge(flag, key).on == await pool.fetchval(sql, NAME, key), key
        assert (
            client.get_boolean_details(
                NAME, default_value=False, evaluation_context=EvaluationContext("left-out")
            ).reason
            == Reason.TARGETING_MATCH
        )
        assert not client.get_boolean_value(NAME, default_value=True)
        missing = client.get_boolean_details("no-such-flag", default_value=True)
        assert (missing.value, missing.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)
        other = client.get_integer_details(NAME, 7)
        assert (other.value, other.error_code) == (7, ErrorCode.TYPE_MISMATCH)
        await set_flag(pool, NAME, mode="off", actor="test")
        await eventually(
            lambda: (
                not client.get_boolean_value(NAME, default_value=True, evaluation_context=EvaluationContext("taken-in"))
            )
        )
    finally:
        await provider.stop()
        api.clear_providers()
    assert judge(None, "a") == Verdict(on=False, why="there is no such flag, and what is missing is off")


async def test_two_operators_on_one_flag_are_both_on_record_in_their_order(pool: asyncpg.Pool) -> None:
    """Issue 9, bad input: two at once on one flag: each change stands on what the other left, and none is lost."""
    await add_flag(pool, NAME, about="for a test", owner="nobody", remove_by=date(2027, 6, 30), actor="test")

    async def widen(who: int) -> None:
        for share in range(5):
            await set_flag(pool, NAME, mode="percent", share=100 * share + who, actor=f"operator {who}")

    await asyncio.gather(widen(1), widen(2), widen(3))
    changes = [one for one in reversed(await list_changes(pool, NAME, 100)) if one.action == "flag.set"]
    assert len(changes) == 15
    for before, after in pairwise(changes):
        assert before.after is not None
        assert after.before is not None
        assert before.after["share"] == after.before["share"]
    assert changes[-1].after is not None
    assert (await get_flag(pool, NAME)).share == changes[-1].after["share"]
