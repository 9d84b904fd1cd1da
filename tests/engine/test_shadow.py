"""Challengers: another producer of a product, tried in its shadow, put in its place by a flag, and taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine.alarms import look
from openbell.engine.artifacts import history, read
from openbell.engine.challenger import Rule, challenger
from openbell.engine.compare import Compare
from openbell.engine.errors import InvalidDeclaration, NothingKnown, Permanent, RateLimited
from openbell.engine.flags import Mode, get_flag
from openbell.engine.keys import Key
from openbell.engine.registry import Calls, Product, Registry, minutes, seconds
from openbell.engine.rollout import set_budget, set_flag
from tests.engine.conftest import Employ
from tests.engine.hand import Make, Number, account, declare, ended, one, per_minute, queue
from tests.engine.purse import BUDGET
from tests.support import eventually

NEXT = "number-next"


def bought(n: float, *, at: datetime | None = None, **amounts: int) -> Make:
    """A producer that makes one call and this number."""

    async def make(key: Key, ctx: Any) -> Number:
        async with ctx.spends("shop").call("buy", **amounts) as call:
            call.took(bytes=50, **amounts)
        return Number(n=n, at=at)

    return make


def rival(
    of: Product,
    make: Make = one,
    *,
    version: int = 2,
    budget: Mapping[str, int] | None = None,
    by: Compare | None = None,
    rule: Rule | None = None,
    timeout: timedelta = timedelta(seconds=10),
) -> Product:
    """A challenger of numbers."""

    async def producer(key: Key, ctx: Any) -> Number:
        return await make(key, ctx)  # type: ignore[no-any-return]

    declared = challenger(
        NEXT, of=of, version=version, timeout=timeout, spends={"shop": Calls(1, bytes=100)},
        budget={"calls": 100} if budget is None else budget, by=by or Compare(), rule=rule or Rule(),
    )  # fmt: skip
    return declared(producer)


async def shadow(pool: asyncpg.Pool, percent: float = 100) -> None:
    """Put the challenger into the shadow of so many keys, whatever its rule says."""
    await set_flag(pool, NEXT, mode="shadow", share=round(percent * 100), actor="test")


async def trials(pool: asyncpg.Pool, count: int = 1) -> list[asyncpg.Record]:
    """The trials, once there are so many."""

    async def enough() -> list[asyncpg.Record]:
        rows = list(await pool.fetch("select * from openbell.trial order by id"))
        return rows if len(rows) >= count else []

    return await eventually(enough)


async def made(pool: asyncpg.Pool, key: str, version: int = 1) -> None:
    """Until readers see that version of the key."""

    async def there() -> bool:
        return (await read(pool, "number", key)).version >= version

    await eventually(there)


async def at_rest(pool: asyncpg.Pool) -> None:
    """Until no job is left."""

    async def quiet() -> bool:
        return not await pool.fetchval("select exists (select 1 from openbell.job)")

    await eventually(quiet)


async def test_a_shadow_is_produced_compared_and_shown_to_nobody(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-28: the challenger makes what was made anyway, the difference is on record, and readers see the old value."""
    number = declare(make=bought(1))
    await employ(number, rival(number, bought(2)))
    await shadow(pool)
    await queue(pool, "a")
    (trial,) = await trials(pool)
    assert (trial["verdict"], trial["key"], trial["live_version"], trial["producer_version"]) == (
        "different",
        "a",
        1,
        2,
    )
    assert trial["differences"] == [{"place": "n", "path": "n", "side": "different", "live": 1.0, "new": 2.0}]
    assert (trial["calls"], trial["bytes"], trial["live_calls"], trial["live_bytes"]) == (1, 50, 1, 50)
    assert trial["live_took_s"] is not None
    reading = await read(pool, "number", "a")
    assert (reading.value["n"], reading.version) == (1, 1)
    assert await pool.fetchval("select count(*) from openbell.artifact") == 1
    assert await pool.fetchval("select count(*) from openbell.version") == 1
    assert await pool.fetch("select viewname from pg_views where schemaname = 'data'") == [("number",)]
    assert (await read(pool, NEXT, "a")).version == 0
    assert [row["job_class"] for row in await ended(pool, "a", NEXT)] == [90]


async def test_only_a_stable_share_is_tried_and_only_while_in_shadow(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-28, PF-27: off tries nothing; a share the same keys each time; who is named is in or out by name."""
    number = declare(make=bought(1))
    await employ(number, rival(number, bought(1)))
    keys = [f"K{n}" for n in range(30)]
    await queue(pool, *keys)
    await at_rest(pool)
    assert await pool.fetchval("select count(*) from openbell.trial") == 0
    await set_flag(pool, NEXT, mode="shadow", share=3_000, allow=["K1"], deny=["K2"], actor="test")
    flag = await get_flag(pool, NEXT)
    expected = {key for key in keys if flag.shadows(key)}
    assert "K1" in expected
    assert "K2" not in expected
    assert 2 < len(expected) < 25
    for _ in range(2):
        await pool.execute("update openbell.artifact set fresh_until = openbell.now()")
        await queue(pool, *keys)
        await trials(pool, len(expected))
        await at_rest(pool)
        rows = await pool.fetch("delete from openbell.trial returning key, verdict")
        assert {row["key"] for row in rows} == expected
        assert {row["verdict"] for row in rows} == {"equal"}


@pytest.mark.parametrize("mode", ["off", "on"])
async def test_a_trial_that_has_waited_is_not_made_after_shadow(pool: asyncpg.Pool, employ: Employ, mode: Mode) -> None:
    """PF-27, PF-28: what was queued in shadow and comes to its turn when the flag is elsewhere pays for nothing."""
    number = declare(make=bought(1))
    await employ(number, rival(number, bought(1)))
    await set_flag(pool, NEXT, mode=mode, actor="test", force=True, reason="a test")
    await pool.execute(
        """insert into openbell.job (product, key, args, job_class, max_attempts, queued_at)
           select p.name, 'a', '{"job": 1, "took_s": 1}', 90, p.max_attempts, openbell.now()
           from openbell.product p where p.name = $1""",
        NEXT,
    )
    await pool.execute("select pg_notify('openbell', '[\"work\", null]')")
    (row,) = await eventually(lambda: ended(pool, "a", NEXT))
    assert (row["word"], row["code"]) == ("failed", "no_room")
    assert await pool.fetchval("select count(*) from openbell.spend") == 0


async def test_a_trial_is_paid_from_its_own_budget(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-28, PF-20: when the day's budget is used up there are no trials, and readers get what they got before."""
    number = declare(make=bought(1))
    await employ(number, rival(number, bought(1), budget={"calls": 3}))
    await shadow(pool)
    for n in range(8):
        await queue(pool, f"k{n}")
        await made(pool, f"k{n}")
        await trials(pool, min(n + 1, 3))
    await at_rest(pool)
    assert await pool.fetchval("select count(*) from openbell.trial") == 3
    spent = await account(pool, f"shadow:{NEXT}")
    assert (spent["granted"], spent["held"], spent["spent"]) == (3, 0, 3)
    assert await pool.fetchval("select count(*) from openbell.spend where product = $1", NEXT) == 3
    assert await pool.fetchval("select count(*) from openbell.artifact") == 8


async def test_money_that_nobody_granted_is_not_spent(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-20: a challenger that pays without a budget of dollars is refused before its call, and that is on record."""
    number = declare(make=bought(1))
    await employ(number, rival(number, bought(1, usd_micro=5)), limits=(per_minute(1_000), BUDGET))
    await shadow(pool)
    await queue(pool, "a")
    await made(pool, "a")

    async def refused() -> list[asyncpg.Record]:
        return await ended(pool, "a", NEXT)

    (row,) = await eventually(refused)
    assert (row["word"], row["code"]) == ("failed", "limit_missing")
    assert await pool.fetchval("select count(*) from openbell.spend where product = $1", NEXT) == 0
    await set_budget(pool, NEXT, "usd_micro", 7, actor="test")
    await queue(pool, "b")
    await trials(pool)
    assert (await account(pool, f"shadow:{NEXT}", "usd_micro"))["spent"] == 5
    assert (await account(pool, "shop", "usd_micro"))["spent"] == 5
    await queue(pool, "c")

    async def given_up() -> list[asyncpg.Record]:
        return await ended(pool, "c", NEXT)

    (row,) = await eventually(given_up)
    assert (row["word"], row["code"]) == ("failed", "no_room")
    assert [alarm for alarm in (await look(pool)).alarms if alarm.code == "budget"] == []


async def test_a_trial_gives_way_when_the_provider_is_busy(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-28, PF-17: of a nearly full minute nothing is taken for trials: what is left is for those who look."""
    number = declare(make=bought(1))
    await employ(number, rival(number, bought(1)), limits=(per_minute(10),))
    await shadow(pool)
    for n in range(6):
        await queue(pool, f"k{n}")
        await made(pool, f"k{n}")
        await at_rest(pool)
    shadowed = await pool.fetchval("select count(*) from openbell.spend where product = $1", NEXT)
    live = await pool.fetchval("select count(*) from openbell.spend where product = 'number'")
    assert (live, shadowed) == (6, 4)


@pytest.mark.parametrize(("n", "verdict"), [(1, "equal"), (1.001, "equal"), (2, "moved")])
async def test_a_later_source_time_is_no_difference_by_itself(
    pool: asyncpg.Pool, employ: Employ, n: float, verdict: str
) -> None:
    """PF-28: a trial runs a moment later: what is the same or near enough is equal, what has moved on says nothing."""
    noon = datetime(2012, 6, 1, 12, tzinfo=UTC)
    number = declare(make=bought(1, at=noon))
    later = bought(n, at=noon + timedelta(seconds=2))
    await employ(number, rival(number, later, by=Compare(within={"n": 0.01})))
    await shadow(pool)
    await queue(pool, "a")
    (trial,) = await trials(pool)
    assert trial["verdict"] == verdict
    assert trial["live_age_s"] - trial["age_s"] == pytest.approx(2)


@pytest.mark.parametrize("how", ["fails", "waits", "late"])
async def test_a_broken_challenger_harms_nobody(pool: asyncpg.Pool, employ: Employ, how: str) -> None:
    """PF-28: one that fails, is refused or does not end leaves no trial and no mark on what readers see."""

    async def broken(key: Key, ctx: Any) -> Number:
        if how == "late":
            await asyncio.Event().wait()
        if how == "waits":
            async with ctx.spends("shop").call("buy"):
                raise RateLimited("come again later", retry_after=minutes(5))
        raise Permanent("it cannot", code="no_such_thing")

    number = declare(make=bought(1))
    await employ(number, rival(number, broken, timeout=seconds(0.2)))
    await shadow(pool)
    await queue(pool, "a")

    async def over() -> list[asyncpg.Record]:
        return await ended(pool, "a", NEXT)

    if how == "late":
        await pool.execute("update openbell.product set max_attempts = 1 where name = $1", NEXT)
        await pool.execute("update openbell.job set max_attempts = 1 where product = $1", NEXT)
    (row,) = await eventually(over)
    code = {"fails": "no_such_thing", "waits": "no_room", "late": "deadline"}[how]
    assert (row["word"], row["code"]) == ("failed", code)
    reading = await read(pool, "number", "a")
    assert (reading.state, reading.version, reading.setback) == ("fresh", 1, None)
    assert await pool.fetchval("select count(*) from openbell.trial") == 0


async def test_nothing_is_a_result_too(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-28: a challenger that finds nothing where readers have something has lost it; the reverse is told as well."""

    async def nothing(key: Key, ctx: Any) -> Number:
        if key.startswith("new"):
            return Number(n=1)
        raise NothingKnown("nothing here")

    async def live(key: Key, ctx: Any) -> Number:
        if key == "old":
            return Number(n=1)
        raise NothingKnown("nothing here")

    number = declare(make=live)
    await employ(number, rival(number, nothing))
    await shadow(pool)
    await queue(pool, "old", "new", "none")
    rows = {row["key"]: row["verdict"] for row in await trials(pool, 3)}
    assert rows == {"old": "missing", "new": "extra", "none": "equal"}


async def test_a_challenger_takes_the_place_and_gives_it_back(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-29: at a share the challenger makes these keys for readers, at on all, and off gives them back; each value is
    a new version with its producer named, none is lost, and nothing is tried that is not in shadow.
    """
    number = declare(make=bought(1))
    await employ(number, rival(number, bought(2)))
    keys = [f"K{n}" for n in range(12)]
    versions = 0
    for mode, share in (("off", 0), ("percent", 4_000), ("on", 0), ("off", 0)):
        flag = await set_flag(  # type: ignore[arg-type]
            pool, NEXT, mode=mode, share=share, actor="test", force=True, reason="a test"
        )
        await pool.execute("update openbell.artifact set fresh_until = openbell.now()")
        await queue(pool, *keys)
        await at_rest(pool)
        for key in keys:
            taken = mode == "on" or (mode == "percent" and flag.takes_in(key))
            reading = await read(pool, "number", key)
            assert reading.value["n"] == (2 if taken else 1), (mode, key)
            assert reading.provenance.get("producer") == (NEXT if taken else None)
            kept = await history(pool, "number", key)
            assert sorted(one.version for one in kept) == list(range(1, len(kept) + 1))
        now = await pool.fetchval("select count(*) from openbell.version")
        assert now >= versions
        versions = now
    assert await pool.fetchval("select count(*) from openbell.trial") == 0
    assert await pool.fetchval("select count(*) from openbell.spend where product = $1", NEXT) == 0


async def test_a_wrong_source_time_does_not_outlive_its_challenger(pool: asyncpg.Pool, employ: Employ) -> None:
    """PF-29: off takes a challenger back at once, also one whose source times were hours ahead; of one producer's
    values an older one still changes nothing.
    """
    now = datetime.now(UTC)
    times = iter([now, now - timedelta(hours=1)])

    async def live(key: Key, ctx: Any) -> Number:
        return Number(n=1, at=next(times))

    number = declare(make=live, source_time="at")
    await employ(number, rival(number, bought(2, at=now + timedelta(hours=5))))
    seen = []
    for mode in ("on", "off", "off"):
        await set_flag(pool, NEXT, mode=mode, actor="test", force=True, reason="a test")  # type: ignore[arg-type]
        await pool.execute("update openbell.artifact set fresh_until = openbell.now()")
        await queue(pool, "a")
        await at_rest(pool)
        reading = await read(pool, "number", "a")
        seen.append((reading.value["n"], reading.source_time))
    assert seen == [(2, now + timedelta(hours=5)), (1, now), (1, now)]
    assert await pool.fetchval("select outcome::text from openbell.job_history order by id desc limit 1") == "outdated"


async def test_an_operator_s_budget_stays_and_a_declared_one_follows(pool: asyncpg.Pool) -> None:
    """PF-1, PF-27: a challenger brings a row, its flag (off) and its rule; what an operator has set stays."""
    number = declare()
    await Registry([number, rival(number)]).seed(pool)
    assert (await get_flag(pool, NEXT)).mode == "off"
    await Registry([number, rival(number, budget={"calls": 7})]).seed(pool)
    assert await pool.fetchval("select budget from openbell.challenge") == {"calls": 7}
    await pool.execute("update openbell.challenge set budget = '{\"calls\": 9}'")
    await Registry([number, rival(number, budget={"calls": 8})]).seed(pool)
    assert await pool.fetchval("select budget from openbell.challenge") == {"calls": 9}
    assert await pool.fetchval("select count(*) from openbell.flag_rule") == 1
    assert await pool.fetchval("select count(*) from openbell.audit where action = 'flag.add'") == 1


def test_a_challenger_must_be_able_to_take_the_place() -> None:
    """PF-1: the same model, a version of its own, a budget and an end in time; else the process does not start."""
    number = declare()
    rival(number)
    for wrong in ({"version": 1}, {"budget": {}}, {"budget": {"calls": -1}}, {"timeout": minutes(30)}):
        with pytest.raises(InvalidDeclaration):
            rival(number, **wrong)  # type: ignore[arg-type]

    async def other(key: Key, ctx: Any) -> Rule:
        return Rule()

    declared = challenger(NEXT, of=number, version=2, timeout=seconds(1), spends={}, budget={"calls": 1})
    with pytest.raises(InvalidDeclaration, match="take its place"):
        declared(other)  # type: ignore[arg-type]
