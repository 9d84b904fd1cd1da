"""Flags: who is in, who is out, and that nobody changes sides by chance."""

from __future__ import annotations

from datetime import date

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.engine.flags import (
    ALL,
    Flag,
    InvalidFlag,
    UnknownFlag,
    add_flag,
    bucket,
    drop_flag,
    get_flag,
    judge,
    list_changes,
)
from openbell.engine.hints import Hint, Hints
from openbell.engine.rollout import set_flag
from tests.support import eventually

END = date(2027, 6, 30)


async def add(pool: asyncpg.Pool, name: str = "demand-number") -> Flag:
    await add_flag(pool, name, about="for a test", owner="nobody", remove_by=END, actor="test")
    return await get_flag(pool, name)


async def is_on(pool: asyncpg.Pool, name: str, key: str) -> bool:
    """The rule in SQL, as statements use it."""
    statement = "select openbell.is_on(f, $2) from (select 1) one left join openbell.flag f on f.name = $1"
    return bool(await pool.fetchval(statement, name, key))


async def test_a_new_flag_is_off_and_a_missing_one_too(pool: asyncpg.Pool) -> None:
    """PF-27: default off, when it is missing as well; adding one twice leaves it as it is."""
    assert not await is_on(pool, "demand-number", "a")
    assert not judge(None, "a").on
    await add(pool)
    assert not await is_on(pool, "demand-number", "a")
    await set_flag(pool, "demand-number", mode="on", actor="test")
    assert not await add_flag(pool, "demand-number", about="again", owner="else", remove_by=END, actor="test")
    assert (await get_flag(pool, "demand-number")).about == "for a test"
    assert await is_on(pool, "demand-number", "a")


async def test_the_rules_have_an_order(pool: asyncpg.Pool) -> None:
    """Off for all stands above every list, left out above on, taken in above the share; each says why."""
    await add(pool)
    lists = {"allow": ["in", "both"], "deny": ["out", "both"]}
    seen = {}
    for mode in ("off", "percent", "on"):
        flag = await set_flag(pool, "demand-number", mode=mode, share=0, actor="test", **lists)  # type: ignore[arg-type]
        verdicts = {key: judge(flag, key) for key in ("in", "out", "both", "else")}
        assert {key: await is_on(pool, flag.name, key) for key in verdicts} == {k: v.on for k, v in verdicts.items()}
        assert all(key in verdict.why or "for all" in verdict.why for key, verdict in verdicts.items())
        seen[mode] = {key for key, verdict in verdicts.items() if verdict.on}
    assert seen == {"off": set(), "percent": {"in"}, "on": {"in", "else"}}


async def test_sql_and_python_agree(pool: asyncpg.Pool) -> None:
    """Platform D: the same place for every key in SQL and in Python, whatever is in the key."""
    vectors: list[tuple[str, str]] = []

    @given(st.text(max_size=20), st.text(max_size=40))
    @settings(max_examples=400, database=None, deadline=None)
    def collect(salt: str, key: str) -> None:
        vectors.append((salt.replace("\x00", ""), key.replace("\x00", "")))

    collect()
    salts, keys = [salt for salt, _ in vectors], [key for _, key in vectors]
    statement = (
        "select openbell.bucket(s, k) as n from unnest($1::text[], $2::text[]) with ordinality u(s, k, i) order by i"
    )
    rows = await pool.fetch(statement, salts, keys)
    assert [row["n"] for row in rows] == [bucket(salt, key) for salt, key in vectors]


async def test_a_share_is_stable_and_grows_only(pool: asyncpg.Pool) -> None:
    """PF-27: a percentage holds the same keys each time, about as many as it says, and more of it drops nobody."""
    await add(pool)
    keys, before = [f"K{n}" for n in range(2_000)], set[str]()
    for share in (0, 1_000, 2_500, 5_000, ALL):
        flag = await set_flag(pool, "demand-number", mode="percent", share=share, actor="test")
        now = {key for key in keys if judge(flag, key).on}
        assert before <= now
        assert len(now) == pytest.approx(share / ALL * len(keys), abs=0.07 * len(keys))
        before = now
    assert before == set(keys)


async def test_two_flags_choose_differently(pool: asyncpg.Pool) -> None:
    """Platform D: the same tenth is not the guinea pig of every flag: the salt differs."""
    one, other = await add(pool), await add(pool, "demand-other")
    keys = [f"K{n}" for n in range(4_000)]
    both = sum(bucket(one.salt, key) < 1_000 and bucket(other.salt, key) < 1_000 for key in keys)
    assert 10 < both < 90


async def test_a_salt_is_frozen(pool: asyncpg.Pool) -> None:
    """A new salt would put keys on other sides: the database refuses it."""
    await add(pool)
    with pytest.raises(asyncpg.PostgresError, match="the salt of a flag never changes"):
        await pool.execute("update openbell.flag set salt = 'another'")


async def test_each_change_is_on_record(pool: asyncpg.Pool) -> None:
    """PF-27: who, when, from what to what; also that it was added, and that it is gone."""
    await add(pool)
    await set_flag(pool, "demand-number", mode="percent", share=1_000, actor="ann")
    await set_flag(pool, "demand-number", mode="off", actor="bob")
    changes = await list_changes(pool, "demand-number")
    assert [(one.actor, one.action) for one in changes] == [
        ("bob", "flag.set"),
        ("ann", "flag.set"),
        ("test", "flag.add"),
    ]
    assert changes[0].before is not None
    assert changes[0].after is not None
    assert (changes[0].before["mode"], changes[0].after["mode"], changes[0].after["share"]) == ("percent", "off", 1_000)
    await drop_flag(pool, "demand-number", actor="bob")
    assert await pool.fetchval("select count(*) from openbell.audit where action = 'flag.drop'") == 1


async def test_who_was_deaf_looks_at_flags_again(pool: asyncpg.Pool, dsn: str) -> None:
    """PF-27: a switch during a lost connection is heard when it is back, not when a duty happens to beat again."""
    heard = list[Hint]()
    hints = Hints(pool, dsn, name="ears")
    hints.subscribe(heard.append)
    hints.start()
    await eventually(hints.listening.is_set)
    heard.clear()
    await pool.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where application_name like '%ears' and datname = current_database()"
    )
    await eventually(lambda: Hint("flag", None) in heard)
    await hints.stop()


async def test_bad_input_is_refused(pool: asyncpg.Pool) -> None:
    """A share above everything, a name that is none, a flag that is not there: a clear error, nothing changed."""
    await add(pool)
    with pytest.raises(InvalidFlag, match="0 to 100 percent"):
        await set_flag(pool, "demand-number", share=ALL + 1, actor="test")
    with pytest.raises(InvalidFlag, match="no name for a flag"):
        await add_flag(pool, "Demand Number", about="", owner="", remove_by=END, actor="test")
    for work in (set_flag(pool, "nothing", mode="on", actor="t"), drop_flag(pool, "nothing", actor="t")):
        with pytest.raises(UnknownFlag, match="demand-number"):
            await work
    assert (await get_flag(pool, "demand-number")).share == 0
