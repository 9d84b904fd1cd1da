"""Several keys of one provider: limits by key, over several processes, and a key that is refused."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import pytest

from openbell.engine.artifacts import read, read_many
from openbell.engine.books import list_books, resume
from openbell.engine.costs import list_spends
from openbell.engine.inquiry import inquire
from openbell.engine.ledger import Limit, by_key, ensure_accounts, keys_of
from openbell.engine.naming import account_name
from openbell.products import registry
from openbell.settings import Settings, SettingsError, load
from tests.engine.hand import queue
from tests.engine.test_processes import Launch, launch  # noqa: F401 - fixture
from tests.sandbox.harness import Running, Start
from tests.support import Clock, eventually

PER_MINUTE = 12
SPAN_S = 600
"""Our own minute: no machine is so slow that it goes by meanwhile."""
MINUTE = timedelta(minutes=1)
SECRETS = ("sandbox-2", "sandbox-3")


def symbols(first: int, count: int) -> list[str]:
    return [f"SYN{n:03d}" for n in range(first, first + count)]


async def demand(pool: asyncpg.Pool, names: Sequence[str]) -> None:
    await queue(pool, *names, name="profile")


async def fresh(pool: asyncpg.Pool, names: Sequence[str]) -> int:
    return sum(one.version > 0 for one in await read_many(pool, [("profile", name) for name in names]))


async def made(pool: asyncpg.Pool, names: Sequence[str], count: int) -> None:
    """Wait until so many of them are there."""

    async def enough() -> bool:
        return await fresh(pool, names) >= count

    await eventually(enough)


async def becomes(pool: asyncpg.Pool, statement: str, value: int) -> None:
    """Wait until the statement says so."""

    async def says() -> bool:
        return bool(await pool.fetchval(statement) == value)

    await eventually(says)


async def used(sandbox: Running) -> dict[str, dict[str, int]]:
    keys: dict[str, dict[str, int]] = (await sandbox.client.get("/_control/fmp/keys")).json()["keys"]
    return keys


async def by_credential(pool: asyncpg.Pool) -> Counter[str | None]:
    spends = await list_spends(pool, limit=1_000)
    return Counter(one.credential for one in spends if one.state != "released")


async def test_limits_hold_by_key_over_several_processes(
    pool: asyncpg.Pool,
    dsn: str,
    start: Start,
    launch: Launch,  # noqa: F811
    clock: Clock,
) -> None:
    """MD-18, PF-12: three processes with two keys make as many calls as two keys allow, each key its own share, and the
    provider, which counts by key, refuses none; each key is asked for once, and no secret is in the database.
    """
    sandbox = await start(calls_per_minute=PER_MINUTE)
    names = symbols(1, 3 * PER_MINUTE)
    order = {"dsn": dsn, "url": sandbox.url, "granted": PER_MINUTE, "keys": 2, "span_s": SPAN_S}
    await asyncio.gather(*(launch(**order) for _ in range(3)))
    await demand(pool, names)
    await made(pool, names, 2 * PER_MINUTE)
    paused = "select count(distinct subject) from openbell.account where blocked_until > openbell.now()"
    await becomes(pool, paused, 2)
    assert await fresh(pool, names) == 2 * PER_MINUTE
    assert await by_credential(pool) == {"k1": PER_MINUTE, "k2": PER_MINUTE}
    assert {key: (one["calls"], one["refused"]) for key, one in (await used(sandbox)).items()} == {
        "sandbox": (PER_MINUTE, 0),
        "sandbox-2": (PER_MINUTE, 0),
    }
    assert await pool.fetchval("select max(n) from (select count(*) as n from openbell.spend group by key) x") == 1
    await sandbox.clock(advance_s=61)
    await clock.advance(seconds=SPAN_S + 1)  # and beyond the leases, so that a job may be tried by a second process
    await made(pool, names, 3 * PER_MINUTE)
    assert (await sandbox.ledger())["totals"]["by_status"].keys() == {"200"}
    rows = [str(row) for table in ("spend", "account") for row in await pool.fetch(f"table openbell.{table}")]
    told = "".join(rows)
    assert not [secret for secret in SECRETS if secret in told]


async def test_a_refused_key_is_set_aside(
    pool: asyncpg.Pool,
    dsn: str,
    sandbox: Running,
    launch: Launch,  # noqa: F811
) -> None:
    """A key that the provider refuses waits, named, until somebody acts; the others go on, and nothing fails for it."""
    await sandbox.client.post("/_control/fmp/keys", json={"revoke": "sandbox-2"})
    names = symbols(1, 20)
    await launch(dsn=dsn, url=sandbox.url, keys=3)
    await demand(pool, names)
    await made(pool, names, len(names))
    books = {book.subject: book for book in await list_books(pool, resource="calls")}
    assert {subject for subject, book in books.items() if book.blocked_until is not None} == {"fmp.k2"}
    assert books["fmp.k2"].name == "FMP key k2 calls in any minute"
    assert "refuses the key" in (books["fmp.k2"].blocked_reason or "")
    refused = {one.credential for one in await list_spends(pool, limit=1_000) if one.outcome == "bad_key"}
    assert refused == {"k2"}
    assert await pool.fetchval("select count(*) from openbell.job_history where outcome = 'failed'") == 0
    told = await inquire(pool, registry(), "profile", names[0])
    assert next(gate for gate in told.gates if gate.name == "provider").open
    assert (await read(pool, "profile", names[0])).blockage is None
    await sandbox.client.post("/_control/fmp/keys", json={"restore": "sandbox-2"})
    assert await resume(pool, "fmp", reason="the key is back", actor="test") == 1
    more = symbols(30, 12)
    await demand(pool, more)
    await made(pool, more, len(more))
    assert (await used(sandbox))["sandbox-2"]["calls"] > 0


async def test_a_key_that_is_taken_away_keeps_nothing_open(pool: asyncpg.Pool) -> None:
    """With one key less, its accounts are history: they neither serve calls nor make a paused provider look open."""
    limits = [Limit("fmp", "calls", "minute", 5, span=MINUTE)]
    before = await ensure_accounts(pool, limits)
    both = await ensure_accounts(pool, by_key(limits, ["k1", "k2"]))
    assert [[one.limit.credential for one in key] for key in keys_of("fmp", both)] == [["k1"], ["k2"]]
    assert both["fmp"][0].id == before["fmp"][0].id
    pause = "update openbell.account set blocked_until = openbell.now() + interval '1 hour' where subject = 'fmp'"
    await pool.execute(pause)
    open_key = "select openbell.has_open_key('fmp', openbell.now())"
    assert await pool.fetchval(open_key)
    await ensure_accounts(pool, limits)
    assert not await pool.fetchval(open_key)


def test_keys_are_given_by_commas() -> None:
    """FMP_API_KEY="a,b": keys by name, in their order; one key is one; an empty or doubled one is refused, unseen."""
    settings = load(environ={"FMP_API_KEY": "first-1, second-2"})
    assert settings.keys_of("fmp") == {"k1": "first-1", "k2": "second-2"}
    assert "first-1" not in repr(settings)
    assert load(environ={"FMP_API_KEY": "first-1"}).keys_of("fmp") == {"k1": "first-1"}
    assert Settings().keys_of("fmp") == {}
    assert load(environ={"OPENAI_API_KEY": "a,b"}).keys_of("openai") == {"k1": "a,b"}
    for wrong in ("first-1,,third-3", "first-1,first-1", "first-1,"):
        with pytest.raises(SettingsError, match="separated by commas") as caught:
            load(environ={"FMP_API_KEY": wrong})
        assert "first-1" not in str(caught.value)


def test_keys_have_names_for_people() -> None:
    """The first key keeps the provider's name, the others say which they are."""
    assert account_name("fmp", "calls", "minute", "age") == "FMP calls in any minute"
    assert account_name("fmp.k2", "bytes", "30 days", "age") == "FMP key k2 bytes in any 30 days"


async def test_a_limit_of_one_key_pauses_that_key(
    pool: asyncpg.Pool,
    dsn: str,
    start: Start,
    launch: Launch,  # noqa: F811
) -> None:
    """MD-21: a key that is over its limit sooner than we knew pauses alone, and the other makes what it could not."""
    sandbox = await start(calls_per_minute=PER_MINUTE)
    seconds = datetime.fromisoformat((await sandbox.clock())["now"]).second
    await sandbox.clock(advance_s=61 - seconds)  # the provider counts by the minute of its clock: here one begins
    for _ in range(PER_MINUTE):  # somebody else uses the second key
        await sandbox.client.get("/stable/quote", params={"symbol": "IBM"}, headers={"apikey": "sandbox-2"})
    names = symbols(1, PER_MINUTE - 2)
    await launch(dsn=dsn, url=sandbox.url, keys=2)
    await demand(pool, names)
    await made(pool, names, len(names))
    books = {book.subject: book for book in await list_books(pool, resource="calls")}
    assert (books["fmp"].blocked_until is None, books["fmp.k2"].blocked_until is None) == (True, False)
    assert await pool.fetchval("select count(*) from openbell.job_history where attempts > 1") == 0
