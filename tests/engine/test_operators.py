"""Operators and what they set: two at once, what goes further than its rule, and a provider left alone by hand."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from pathlib import Path

import asyncpg
import pytest

import openbell
from openbell.engine.alerts import read_limits, set_limits
from openbell.engine.breakers import BreakerRefused, close_breaker, find_breaker, open_breaker
from openbell.engine.challenger import Rule
from openbell.engine.errors import AccountBlocked, EngineError
from openbell.engine.flags import InvalidFlag, add_flag, drop_flag, get_flag, list_changes
from openbell.engine.registry import list_products, set_product
from openbell.engine.revisions import BadReason, Overtaken, differences
from openbell.engine.rollout import FlagSetting, NotReady, set_flag, set_rule
from openbell.engine.schedules import get_schedule, list_occurrences, run_now, set_schedule
from tests.engine.hand import Hand, declare, per_minute
from tests.engine.purse import at_work, buy
from tests.engine.test_schedules import chore, every, set_up
from tests.support import Clock, eventually

NAME, END = "try-it", date(2027, 6, 30)


async def add(pool: asyncpg.Pool) -> None:
    """A flag that is off."""
    await add_flag(pool, NAME, about="a test", owner="nobody", remove_by=END, actor="test")


async def test_the_second_is_told_what_the_first_did(pool: asyncpg.Pool) -> None:
    """Issue 9, two operators at once: who decided on what is no longer so changes nothing, and is told what was done,
    by whom and when; on a flag, its rule, a schedule and a product.
    """
    await set_up(pool, chore(), schedules=[every()])
    await add(pool)
    seen = (await get_flag(pool, NAME)).revision
    await set_flag(pool, NAME, mode="shadow", share=1_000, actor="ann", reason="a look", seen=seen)
    with pytest.raises(
        Overtaken, match=r"ann, at \d\d:\d\d:\d\d UTC: mode off to shadow, share 0 % to 10 % \(a look\)"
    ):
        await set_flag(pool, NAME, mode="on", actor="bob", seen=seen)
    with pytest.raises(Overtaken, match="mode off to shadow"):
        await drop_flag(pool, NAME, actor="bob", seen=seen)
    with pytest.raises(Overtaken, match="mode off to shadow"):
        await set_rule(pool, NAME, Rule(), actor="bob", seen=seen)
    assert (await get_flag(pool, NAME)).mode == "shadow"
    now = (await get_flag(pool, NAME)).revision
    await set_rule(pool, NAME, Rule(at_least=7), actor="ann", seen=now)
    with pytest.raises(Overtaken, match="at least 7"):
        await set_flag(pool, NAME, mode="off", actor="bob", seen=now)

    nightly = await get_schedule(pool, "nightly")
    await set_schedule(
        pool, "nightly", {"enabled": False}, actor="ann", reason="the source moves", seen=nightly.revision
    )
    with pytest.raises(Overtaken, match=r"ann, .*: enabled on to off \(the source moves\)"):
        await set_schedule(pool, "nightly", {"cron": "1 1 * * *"}, actor="bob", seen=nightly.revision)
    (product, *_) = await list_products(pool)
    await set_product(pool, product.name, {"enabled": False}, actor="ann", seen=product.revision)
    with pytest.raises(Overtaken, match="enabled on to off"):
        await set_product(pool, product.name, {"enabled": True}, actor="bob", seen=product.revision)
    assert [row["actor"] for row in await pool.fetch("select actor from openbell.audit where actor = 'bob'")] == []


async def test_of_many_at_once_one_wins(pool: asyncpg.Pool) -> None:
    """Issue 9: of ten who decided on the same sight of a flag one is obeyed, and one change is on record."""
    await add(pool)
    seen = (await get_flag(pool, NAME)).revision

    async def decide(who: int) -> bool:
        try:
            await set_flag(pool, NAME, mode="percent", share=who, actor=f"operator {who}", seen=seen)
        except Overtaken:
            return False
        return True

    won = [who for who, done in enumerate(await asyncio.gather(*map(decide, range(10)))) if done]
    assert len(won) == 1
    assert (await get_flag(pool, NAME)).share == won[0]
    assert len([one for one in await list_changes(pool, NAME) if one.action == "flag.set"]) == 1


async def test_limits_of_alerts_that_two_set_at_once(pool: asyncpg.Pool) -> None:
    """Issue 9, two operators at once on a setting: who comes second on the same sight is refused and told of the first;
    one after the other each stands on what the other left.
    """
    await set_limits(pool, {"depth": 10}, actor="ann", keep=True)
    async with pool.acquire() as first, pool.acquire() as second:
        async with first.transaction():
            await set_limits(first, {"depth": 20}, actor="ann", keep=True)
            late = asyncio.create_task(set_limits(second, {"oldest_s": 60}, actor="bob", keep=True))
            await eventually(lambda: _waits(pool))
            assert not late.done()
        with pytest.raises(Overtaken, match=r"ann, .*depth 10(\.0)? to 20"):
            await late
    await set_limits(pool, {"oldest_s": 60}, actor="bob", keep=True)
    made = await read_limits(pool)
    assert (made.depth, made.oldest_s) == (20, 60)


async def _waits(pool: asyncpg.Pool) -> bool:
    """Whether somebody waits for a lock."""
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    return bool(await pool.fetchval(waiting))


async def test_beyond_its_rule_only_by_force_and_for_a_reason(pool: asyncpg.Pool) -> None:
    """PF-28: a flag with a rule is not widened before its figures are there, whoever asks and by whichever part of it;
    the refusal names the figure; an override needs a reason, and the log keeps both.
    """
    await add(pool)
    await set_rule(pool, NAME, Rule(at_least=500), actor="ann")
    wider = [FlagSetting("on"), FlagSetting("percent", 1), FlagSetting("percent", 0, allow=["AAPL"])]
    for setting in wider:
        with pytest.raises(NotReady, match="0 of 500 comparisons"):
            await set_flag(pool, NAME, setting, actor="bob")
        with pytest.raises(InvalidFlag, match="only for a reason"):
            await set_flag(pool, NAME, setting, actor="bob", force=True, reason="  ")
    assert (await get_flag(pool, NAME)).mode == "off"
    await set_flag(pool, NAME, wider[1], actor="bob", force=True, reason="the source ends tonight")
    (last, *_) = await list_changes(pool, NAME)
    assert last.after is not None
    assert (last.after["forced"], last.after["reason"]) == (["0 of 500 comparisons"], "the source ends tonight")
    for bad in (FlagSetting(owner=" "), FlagSetting(about="x" * 301), FlagSetting(allow=["a\x00"])):
        with pytest.raises(InvalidFlag):
            await set_flag(pool, NAME, bad, actor="bob")
    with pytest.raises(BadReason):
        await set_flag(pool, NAME, mode="off", actor="bob", reason="x" * 301)


def test_one_function_sets_flags() -> None:
    """PF-28: no other statement of the product writes a flag's reach than the one behind the rule, so that nothing can
    go around it; the drills, which prove things in databases of their own, are no part of that.
    """
    source = Path(openbell.__file__).parent
    writes = re.compile(r"update openbell\.flag\b(?!_)")
    found = {
        file.name for file in source.rglob("*.sql") if "drills" not in file.parts and writes.search(file.read_text())
    }
    assert found == {"set_flag.sql", "set_rule.sql"}
    callers = {file.name for file in source.rglob("*.py") if 'SQL.get("set_flag")' in file.read_text()}
    assert callers == {"rollout.py"}
    assert "mode" not in (source / "engine/queries/set_rule.sql").read_text()


async def test_a_provider_is_left_alone_by_hand_and_called_again(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-23, issue 9: with a reason nobody calls it for the span; its probe then finds out; closing ends it at once;
    who had not seen what another did is refused; all of it is in the log.
    """
    spends = await at_work(pool)
    await buy(spends, effect="repeat")
    until = await open_breaker(pool, "shop", timedelta(hours=1), reason="they mend their billing", actor="ann")
    found = await find_breaker(pool, "shop")
    assert found is not None
    assert (found.is_open, found.code, found.reason) == (True, "by_hand", "they mend their billing")
    with pytest.raises(Overtaken, match="they mend their billing"):
        await open_breaker(pool, "shop", timedelta(hours=2), reason="me too", actor="bob")
    with pytest.raises(AccountBlocked, match="the breaker of shop is open"):
        await buy(spends, effect="repeat")
    later = await open_breaker(pool, "shop", timedelta(hours=2), reason="longer", actor="bob", seen=until)
    with pytest.raises(Overtaken, match="longer"):
        await close_breaker(pool, "shop", reason="it works", actor="ann", seen=until)
    await close_breaker(pool, "shop", reason="it works", actor="ann", seen=later)
    await buy(spends, effect="repeat")
    await open_breaker(pool, "shop", timedelta(minutes=1), reason="a rest", actor="ann")
    await clock.advance(minutes=1, seconds=1)
    half = await find_breaker(pool, "shop")
    assert half is not None
    assert not half.is_open
    await buy(spends, effect="repeat")
    assert await find_breaker(pool, "shop") is None, "its probe found the provider there"
    with pytest.raises(BreakerRefused, match="closed"):
        await close_breaker(pool, "shop", reason="again", actor="ann")
    rows = await pool.fetch(
        "select actor, action, after ->> 'reason' as why from openbell.audit where target = 'shop' order by id"
    )
    assert [tuple(row) for row in rows] == [
        ("ann", "breaker.open", "they mend their billing"),
        ("bob", "breaker.open", "longer"),
        ("ann", "breaker.close", "it works"),
        ("ann", "breaker.open", "a rest"),
    ]


Act = Callable[[asyncpg.Pool], Awaitable[object]]
BAD: list[tuple[Act, type[EngineError]]] = [
    (lambda pool: open_breaker(pool, "nobody", timedelta(hours=1), reason="x", actor="a"), BreakerRefused),
    (lambda pool: open_breaker(pool, "shop", timedelta(days=8), reason="x", actor="a"), BreakerRefused),
    (lambda pool: open_breaker(pool, "shop", timedelta(hours=1), reason=" ", actor="a"), BadReason),
    (
        lambda pool: open_breaker(pool, "shop", timedelta(hours=1), operation="x" * 101, reason="x", actor="a"),
        BreakerRefused,
    ),
    (lambda pool: open_breaker(pool, "shop", timedelta(hours=1), reason="a\x00", actor="a"), BadReason),
]


async def test_bad_breakers_are_refused(pool: asyncpg.Pool) -> None:
    """Bad input: no such provider, too long, no reason, an operation that is no name: refused, and nothing is open."""
    await Hand.hire(pool, declare(), limits=[per_minute(100)])
    for act, error in BAD:
        with pytest.raises(error):
            await act(pool)
    assert await pool.fetchval("select count(*) from openbell.breaker") == 0


async def test_a_schedule_is_paused_and_run_for_a_reason(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-32, issue 9: paused it has no next time; what was done and why is in the log."""
    await set_up(pool, chore(), schedules=[every()])
    paused = await set_schedule(pool, "nightly", {"enabled": False}, actor="ann", reason="the source moves")
    assert (paused.enabled, paused.next_at, paused.last_took_s) == (False, None, None)
    async with pool.acquire() as conn:
        await run_now(conn, "nightly", actor="ann", reason="once by hand")
    (one,) = await list_occurrences(pool, "nightly")
    assert (one.actor, one.state) == ("ann", "queued")
    await set_schedule(pool, "nightly", {"enabled": True}, actor="bob", reason="it has moved")
    rows = await pool.fetch("select after ->> 'reason' as why from openbell.audit where target = 'nightly' order by id")
    assert [row["why"] for row in rows] == ["the source moves", "once by hand", "it has moved"]


LOG = """
insert into openbell.audit (at, actor, action, target, after)
select openbell.now() - interval '1 second' * (n / 3), 'person ' || n % 50, 'thing.' || n % 5,
    'object-' || n % 1000, '{}'
from generate_series(1, 40000) n
"""


async def test_the_log_is_read_by_its_indexes_whatever_is_asked(pool: asyncpg.Pool) -> None:
    """Issue 9: a page reads a small part of the log, by any filter and any two of them, also where nothing is found,
    such as what two frequent filters never have in common.
    """
    await pool.execute(LOG)
    await pool.execute("insert into openbell.audit (actor, action, target) values ('rare', 'thing.1', 'x')")
    await pool.execute("vacuum analyze openbell.audit")
    pages = await pool.fetchval("select pg_relation_size('openbell.audit') / 8192")
    asked: list[tuple[str | None, ...]] = [
        (None, None, None), (None, None, None), ("person 7", None, None), (None, "thing.2", None), ("rare", None, None),
        (None, None, "object-7"), ("person 7", "thing.3", None), ("rare", "thing.2", None), (None, "thing.*", None),
        ("person 7", None, "object-8"), ("nobody", None, None), (None, None, "object-9*"), (None, "zz*", None),
    ]  # fmt: skip
    page = "select * from openbell.find_audit($1, $2, $3, null, null, null, 0, 50)"
    read = []
    for one in asked:
        row = await pool.fetchval(f"explain (analyze, buffers, format json) {page}", *one)
        (plan,) = row if isinstance(row, list) else json.loads(row)
        read.append(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])
    assert max(read[1:]) < 120 < pages / 3, (
        dict(zip(asked, read, strict=True)),
        pages,
    )  # the first reads the catalogue
    everything = "select count(*) from openbell.find_audit(null, 'thing.*', null, null, null, null, 0, 99999)"
    assert await pool.fetchval(everything) == 40_001


def test_differences_are_told_in_words() -> None:
    """LOOK: what was set, from what to what, without what only counts; nothing is told that did not change."""
    told = list(
        differences(
            {"mode": "off", "allow": [], "revision": 1}, {"mode": "on", "allow": ["A"], "revision": 2, "new": None}
        )
    )
    assert told == ["mode off to on", "allow none to A"]
    assert list(differences({"enabled": True, "cron": "x"}, {"enabled": False})) == ["enabled on to off"]
    assert list(differences(None, None)) == []
