"""Fixed lists and demand side by side: one flag takes keys over, and gives them back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import asyncpg

from openbell.engine.artifacts import history, read
from openbell.engine.database import SQL
from openbell.engine.demand import BEAT_S, LEASE_S, want
from openbell.engine.flags import bucket
from openbell.engine.keys import Key
from openbell.engine.polls import CLASS, Poller, Side, add_polls, compare_polls, drop_polls, fewer, flag_of, list_polls
from openbell.engine.registry import Calls, minutes
from openbell.engine.rollout import set_flag
from openbell.engine.sweep import sweep
from tests.engine.conftest import Employ
from tests.engine.hand import Hand, Number, declare
from tests.support import Clock, eventually

KEYS = [f"K{n:02}" for n in range(40)]
FLAG = flag_of("number")
FIGURES = ("keys", "refreshes", "changed", "failed", "calls", "bytes", "cost_micro", "fresh")


async def listed(pool: asyncpg.Pool, percent: float = 0) -> None:
    """A product with a fixed list, and the flag that takes over so much of it."""
    await pool.execute(
        "insert into openbell.flag (name, salt, about, owner, remove_by) values ($1, 'salt', 'a test', 'nobody', $2)",
        FLAG,
        date(2027, 6, 30),
    )
    await set_share(pool, percent)
    await add_polls(pool, "number", KEYS)


async def set_share(pool: asyncpg.Pool, percent: float) -> None:
    await set_flag(pool, FLAG, mode="percent", share=round(percent * 100), actor="test")


async def demanded(pool: asyncpg.Pool) -> dict[str, set[str]]:
    """Who wants which keys now."""
    rows = await pool.fetch("select source, key from openbell.demand where expires_at > openbell.now()")
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["source"], set()).add(row["key"])
    return found


async def renew(pool: asyncpg.Pool) -> None:
    """A beat of the duty, whoever had the last one; and its work once more, should a worker have this turn."""
    await pool.execute("update openbell.duty set next_at = '-infinity' where name = 'poll'")
    await Poller(pool).beat()
    await pool.execute(SQL.get("renew_polls"), CLASS, timedelta(seconds=LEASE_S))


async def look(pool: asyncpg.Pool, keys: list[str]) -> None:
    """Somebody looks at these keys."""
    await want(pool, [("number", key) for key in keys], source="viewer", seconds=LEASE_S)


async def test_a_list_is_refreshed_whether_or_not_somebody_looks(pool: asyncpg.Pool) -> None:
    """MD-25: the old way keeps its symbols fresh; who looks at one of them causes no second job for it."""
    await Hand.hire(pool, declare())
    await listed(pool)
    await look(pool, [*KEYS[:3], "elsewhere"])
    await renew(pool)
    assert await demanded(pool) == {"poll": set(KEYS), "viewer": {*KEYS[:3], "elsewhere"}}
    await sweep(pool)
    assert await pool.fetchval("select count(*) from openbell.job where key = any ($1)", KEYS) == len(KEYS)


async def test_a_key_that_was_taken_over_is_refreshed_only_while_somebody_looks(
    pool: asyncpg.Pool, clock: Clock
) -> None:
    """PF-29, MD-14: the flag moves a key from the list to demand: without a viewer nothing is fetched any more."""
    await Hand.hire(pool, declare())
    await listed(pool)
    await set_flag(pool, FLAG, mode="on", actor="test")
    await renew(pool)
    await look(pool, KEYS[:3])
    assert await demanded(pool) == {"viewer": set(KEYS[:3])}


async def test_a_share_is_on_one_side_and_the_rest_on_the_other(pool: asyncpg.Pool) -> None:
    """PF-29: at any percentage the same keys are polled each time, and a higher one moves keys one way only."""
    await Hand.hire(pool, declare())
    await listed(pool)
    before = set(KEYS)
    for percent in (0, 10, 50, 100):
        await pool.execute("delete from openbell.demand")
        await set_share(pool, percent)
        await look(pool, KEYS)
        await renew(pool)
        polled = (await demanded(pool)).get("poll", set())
        assert polled <= before
        assert polled == {key for key in KEYS if bucket("salt", key) >= percent * 100}
        before = polled
    assert before == set()


async def test_only_one_process_renews_a_list(pool: asyncpg.Pool, another_pool: asyncpg.Pool) -> None:
    """PF-5: of many processes that run the duty, one does each beat."""
    await Hand.hire(pool, declare())
    await listed(pool)
    await Poller(pool).beat()
    await pool.execute("delete from openbell.demand")
    await Poller(another_pool).beat()
    assert await demanded(pool) == {}


async def test_switching_to_and_fro_loses_nothing(pool: asyncpg.Pool, employ: Employ, clock: Clock) -> None:
    """PF-29, MD-25: through 10 %, 100 % and back under load each watched key stays fresh, no value is lost, and no call
    is made twice: as many calls as there are versions.
    """
    calls: list[str] = []

    async def make(key: Key, ctx: object) -> Number:
        async with ctx.spends("shop").call("buy"):  # type: ignore[attr-defined]
            calls.append(key)
        return Number(n=len(calls))

    await employ(declare(make=make, ttl=minutes(5), spends={"shop": Calls(1)}))
    await listed(pool)
    watched = KEYS[:10]

    async def all_fresh() -> bool:
        await look(pool, watched)
        states = [(await read(pool, "number", key)).state for key in watched]
        return set(states) == {"fresh"}

    for percent in (0, 10, 100, 10, 0):
        await set_share(pool, percent)
        await clock.advance(minutes=6)
        await renew(pool)
        await eventually(all_fresh)
    await eventually(lambda: _at_rest(pool))
    versions = {key: len(await history(pool, "number", key)) for key in KEYS}
    assert sum(versions.values()) == len(calls)
    assert all(versions[key] == 5 for key in watched)


async def _at_rest(pool: asyncpg.Pool) -> bool:
    return not await pool.fetchval("select exists (select 1 from openbell.job)")


async def test_both_sides_are_compared(pool: asyncpg.Pool, employ: Employ) -> None:
    """MD-25: the report tells calls, changes and ages of both sides of a list; what nobody watches costs nothing."""

    async def make(key: Key, ctx: object) -> Number:
        async with ctx.spends("shop").call("buy"):  # type: ignore[attr-defined]
            return Number(n=1)

    await employ(declare(make=make, spends={"shop": Calls(1)}))
    await listed(pool, percent=50)
    await renew(pool)
    await sweep(pool)
    await eventually(lambda: _at_rest(pool))
    polled, taken_over = await compare_polls(pool, "number", timedelta(hours=1))
    assert polled.keys + taken_over.keys == len(KEYS)
    assert (polled.calls, polled.changed, polled.fresh, polled.failed) == (polled.keys,) * 3 + (0,)
    assert polled.median_age_s is not None
    assert (taken_over.calls, taken_over.fresh) == (0, 0)
    assert fewer(polled, taken_over) == 1.0
    (poll,) = await list_polls(pool)
    assert (poll.product, poll.keys, poll.taken_over) == ("number", len(KEYS), taken_over.keys)


def test_savings_need_figures_of_both_sides() -> None:
    """No share is told where one side has no keys or no calls."""
    nothing = Side(taken_over=True, since=datetime.now(UTC), **dict.fromkeys(FIGURES, 0), median_age_s=None)
    assert fewer(nothing, nothing) is None


async def test_a_key_off_the_list_is_demanded_again(pool: asyncpg.Pool) -> None:
    """A removed key is no fixed one any more: it is refreshed while somebody looks at it, and no more."""
    await Hand.hire(pool, declare())
    await listed(pool)
    await drop_polls(pool, "number", KEYS[1:])
    await renew(pool)
    assert await demanded(pool) == {"poll": {KEYS[0]}}
    await drop_polls(pool, "number")
    assert await list_polls(pool) == []


def test_a_lease_outlives_a_missed_beat() -> None:
    """A list is not dropped when one beat is late."""
    assert LEASE_S >= 2 * BEAT_S
