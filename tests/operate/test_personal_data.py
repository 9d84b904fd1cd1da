"""What is kept about a person, and of a provider: told, and gone, from every table there is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from openbell.engine import purge
from openbell.engine.confirm import NotConfirmed
from openbell.engine.purge import Purge, PurgeRefused
from openbell.engine.registry import Calls
from openbell.mail import queue as queue_mail
from openbell.people import add_person, consent
from openbell.people.doors import make_link, make_token
from openbell.people.records import erase, export
from openbell.postgres.pool import open_pool
from openbell.products import registry
from tests.engine.hand import Hand, declare, per_minute, queue
from tests.engine.purse import BUDGET, buy
from tests.support import eventually

ADDRESS = "jane.marker@example.com"
NAME = "Jane Markername"
MARK = "hold-marker-7731"

ABOUT_PEOPLE = {
    "api_token", "consent", "credit", "delivery", "follow", "forecast_note", "forecast_note_count", "forecast_upload",
    "link", "picks_edition", "picks_profile", "picks_slot", "saved_comparison", "visit",
}  # fmt: skip
STAYS = {"consent", "credit", "delivery", "forecast_note_count"}
"""What the books and the proof of consent need: under a number that names nobody."""

LATE = ("api_token", "follow", "forecast_upload", "link", "picks_profile", "saved_comparison", "visit")
"""What a request of theirs may write at the moment in which they are erased."""

ROWS = (
    "insert into openbell.follow (person_id, ticker) values ($1, 'AAPL')",
    f'insert into openbell.picks_profile (person_id, profile) values ($1, \'{{"holds": ["{MARK}"]}}\')',
    (
        "insert into openbell.picks_slot (edition, person_id, week, reason, status)"
        " values ($1 || '|2026-11-23', $1, '2026-11-23', 'new_week', 'complete')"
    ),
    (
        "insert into openbell.picks_answer (edition, number, provider, prompt, answer, asked_at)"
        f" values ($1 || '|2026-11-23', 1, 'perplexity', 'p', '{{\"text\": \"{MARK}\"}}', now())"
    ),
    (
        "insert into openbell.picks_edition (edition, person_id, week, kind, content, made)"
        f" values ($1 || '|2026-11-23', $1, '2026-11-23', 'personal', '{{\"text\": \"{MARK}\"}}', '{{}}')"
    ),
    f"insert into openbell.forecast_upload (name, person_id, points) values ('{MARK.replace('-', ' ')}', $1, '[]')",
    "insert into openbell.saved_comparison (person_id, pair) values ($1, 'up:hold-marker-7731|aapl')",
    "insert into openbell.forecast_note (key, person_id, day) values ('hold-marker-7731', $1, '2026-11-23')",
    "insert into openbell.forecast_note_count values ('2026-11-23', $1, 1)",
    "insert into openbell.visit (hash, person_id, expires_at) values ('\\x01', $1, now())",
    (
        "insert into openbell.rejected (job_id, attempt, product, key, rejected_at, code, message, faults, body)"
        f" values (1, 1, 'picks-edition', $1 || '|2026-11-23', now(), 'x', 'x', '[]', '{MARK}')"
    ),
)


async def found_in(pool: asyncpg.Pool, *marks: str) -> dict[str, int]:
    """How many rows of each table hold one of these, in whatever column, base64 of letters included."""
    tables = await pool.fetch(
        "select n.nspname || '.' || quote_ident(c.relname) as name from pg_class c join pg_namespace n"
        " on n.oid = c.relnamespace where n.nspname in ('openbell', 'data') and c.relkind = 'r'"
    )
    found = {}
    for row in tables:
        rule = " or ".join(f"t::text ilike '%' || ${n} || '%'" for n in range(1, len(marks) + 1))
        if count := await pool.fetchval(f"select count(*) from {row['name']} t where {rule}", *marks):
            found[row["name"]] = count
    return found


async def test_export_and_erase_are_complete(pool: asyncpg.Pool) -> None:
    """Platform F: everything about a person is in the export and gone after; every table that names people is known."""
    columns = await pool.fetch(
        "select table_name from information_schema.columns"
        " where table_schema = 'openbell' and column_name = 'person_id'"
    )
    assert {row["table_name"] for row in columns} == ABOUT_PEOPLE, "export and erase must know a new table"
    await registry().seed(pool)
    person = await add_person(pool, ADDRESS, name=NAME, state="active", actor="test")
    other = await add_person(pool, "somebody@example.com", state="active", actor="test")
    await consent(pool, person.id, ["terms", "mail"], given=True, source="test")
    for row in ROWS:
        await pool.execute(row.replace("$1 ||", f"'{person.id}' ||").replace("$1", str(person.id)))
    await make_link(pool, person.id, "sign-in")
    await make_token(pool, person, "my program", "person")
    for one in (person, other):
        await queue_mail(
            pool, kind="notice", recipient=one, subject=f"News for {one.address}", html=f"<p>{one.address}</p>",
            text=one.address, ref=one.address if one is other else "hers",
        )  # fmt: skip
    hand = await Hand.hire(pool, declare(), limits=[BUDGET, per_minute(9)])
    await queue(pool, "a")
    [claim] = await hand.claim()
    spends = hand.attempt(claim).spends("shop")
    spends.on_behalf = f"user:{person.id}"
    await buy(spends, took=10)

    told = json.dumps(await export(pool, person), default=str)
    for mark in (
        ADDRESS,
        NAME,
        MARK,
        "my program",
        "AAPL",
        "News for",
        "hold marker 7731",
        '"terms"',
        '"cost_micro": 10',
    ):
        assert mark in told, mark
    assert "somebody@" not in told
    before = await found_in(pool, ADDRESS, NAME, MARK, MARK.replace("-", " "))
    assert len(before) >= 9, before

    await erase(pool, person.id, actor=person.subject)
    assert await found_in(pool, ADDRESS, NAME, MARK, MARK.replace("-", " "), str(person.mail_token)) == {}
    for table in sorted(ABOUT_PEOPLE):
        left = await pool.fetchval(f"select count(*) from openbell.{table} where person_id = $1", person.id)
        assert not left or table in STAYS, table
    assert await found_in(pool, "somebody@example.com"), "others keep theirs"
    [written] = await pool.fetch("select * from openbell.audit where action = 'person.erase'")
    assert (written["actor"], written["target"]) == (person.subject, person.subject)


async def test_purge_of_a_provider(pool: asyncpg.Pool) -> None:
    """DC-10, PF-37: what is known from a provider is counted, confirmed, removed from every table, and audited.

    What may have been paid for is not bought again for it (DC-1).
    """
    mine, theirs = declare("mine"), declare("theirs", spends={"mall": Calls(1)})
    hand = await Hand.hire(pool, mine, theirs, limits=[BUDGET, per_minute(9)])

    async def make(name: str, text: str) -> None:
        await queue(pool, "a", name=name)
        [claim] = await hand.claim()
        value: dict[str, Any] = {"n": 1, "at": None, "text": text}
        await hand.publish(claim, value)

    await make("mine", "shopmark")
    await pool.execute(
        "insert into openbell.answer (input_hash, phase, provider, model, prompt, prompt_hash, value, input_tokens,"
        " output_tokens) values (repeat('a', 64), 'x', 'shop', 'm', 'p', 'h', '{\"x\": \"shopmark\"}', 1, 1)"
    )
    await pool.execute(
        "insert into openbell.rejected (job_id, attempt, product, key, rejected_at, code, message, faults, provider,"
        " body) values (1, 1, 'other', 'a', now(), 'x', 'x', '[]', 'shop', 'shopmark')"
    )
    await pool.execute(
        "insert into openbell.version (product, key, version, created_at, value, provenance, producer_version, licence,"
        " cost_micro, job_id) values ('theirs', 'a', 1, now(), '{\"t\": \"mallmark\"}', '{\"provider\": \"mall\"}', 1,"
        " 'cc0', 0, 1)"
    )
    await pool.execute(
        "insert into openbell.cooldown (product, key, code, message, at, retry_at, job_id) values"
        " ('mine', 'b', 'bad_answer', 'x', now(), now() + interval '1 day', 1),"
        " ('mine', 'c', 'outcome_unknown', 'x', now(), '9999-12-31', 1)"
    )
    with pytest.raises(PurgeRefused):
        await Purge().plan(pool)
    shop = Purge(provider="shop")
    proposed = await shop.propose(pool, actor="test")
    assert {name: n for name, n in proposed.plan.rows.items() if not name.startswith("data.")} == {
        "artifact": 1, "version": 1, "cooldown": 1, "rejected": 1, "answer": 1,
    }  # fmt: skip
    spends = await pool.fetchval("select count(*) from openbell.account")
    async with pool.acquire() as conn:
        for meant, actor in ((Purge(provider="mall"), "test"), (shop, "somebody")):
            with pytest.raises(NotConfirmed):
                await meant.carry_out(conn, proposed.token, actor=actor)
        assert (await found_in(pool, "shopmark")).keys() >= {"openbell.version", "openbell.answer", "openbell.rejected"}
        gone = await shop.carry_out(conn, proposed.token, actor="test")
        assert gone == proposed.plan.rows
        with pytest.raises(NotConfirmed):
            await shop.carry_out(conn, proposed.token, actor="test")
    assert await found_in(pool, "shopmark") == {}
    assert [row["key"] for row in await pool.fetch("select key from openbell.cooldown")] == ["c"]
    assert await found_in(pool, "mallmark") == {"openbell.version": 1}
    assert await pool.fetchval("select count(*) from openbell.account") == spends
    acts = [row["action"] for row in await pool.fetch("select action from openbell.audit where actor = 'test'")]
    assert acts == ["data.purge.planned", "data.purge", "data.purged"]


async def test_a_purge_in_steps_goes_by_what_points_to_what(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DC-10: articles that turned out to be another one go before it, however few go at once."""
    add = (
        "insert into openbell.digest_article (address, title, title_key, publisher, same_as)"
        " values ($1, 't', 't', 'p', $2) returning id"
    )
    first = await pool.fetchval(add, "https://news.example/1", None)
    for n in (2, 3):
        await pool.execute(add, f"https://news.example/{n}", first)
    monkeypatch.setattr(purge, "AT_ONCE", 1)
    meant = Purge("news")
    async with pool.acquire() as proxy:
        conn: asyncpg.Connection = proxy  # type: ignore[assignment]
        token = (await meant.propose(conn, actor="test")).token
        assert await meant.carry_out(conn, token, actor="test") == {"digest_article": 3}


async def test_a_letter_that_another_is_about_to_get_outlives_who_is_erased(pool: asyncpg.Pool) -> None:
    """Platform F: somebody can be erased while the same letter is being queued to somebody else, who gets it."""
    await registry().seed(pool)
    mine, other = [await add_person(pool, f"{name}@example.com", state="active") for name in ("mine", "other")]
    said = {"kind": "notice", "subject": "News", "html": "<p>x</p>", "text": "x"}
    await queue_mail(pool, recipient=mine, ref="one", **said)
    async with pool.acquire() as conn:
        async with conn.transaction():
            await queue_mail(conn, recipient=other, ref="two", **said)
            erasing = asyncio.create_task(erase(pool, mine.id, actor="test"))
            await eventually(lambda: held_up(pool))
        await erasing
    assert await pool.fetchval("select count(*) from openbell.letter") == 1
    assert await pool.fetch("select person_id, letter is null from openbell.delivery order by id") == [
        (mine.id, True),
        (other.id, False),
    ]


async def held_up(pool: asyncpg.Pool, statements: int = 1) -> bool:
    """Whether so many statements of this database wait for a lock."""
    waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return int(await pool.fetchval(waits)) >= statements


async def test_nothing_is_written_about_somebody_who_is_being_erased(pool: asyncpg.Pool, web_dsn: str) -> None:
    """Platform F: a request that had seen them before leaves nothing, whatever it writes, once they are erased."""
    written = [row for row in ROWS if any(f".{name} " in row for name in LATE)]
    assert len(written) == len(LATE) - 2, "links and tokens are made by their own doors"
    person = await add_person(pool, ADDRESS, name=NAME, state="active", actor="test")
    web = await open_pool(web_dsn, name="test", max_size=len(LATE))

    async def late() -> list[object]:
        return await asyncio.gather(
            *(web.execute(row.replace("$1", str(person.id))) for row in written),
            make_link(web, person.id, "sign-in"),
            make_token(web, person, "my program", "person"),
            return_exceptions=True,
        )

    async with pool.acquire() as conn, conn.transaction():
        await erase(conn, person.id, actor="test")
        writing = asyncio.create_task(late())
        await eventually(lambda: held_up(pool, len(LATE)))
    told = await writing
    assert not [one for one in told if isinstance(one, BaseException)], told
    for table in LATE:
        assert await pool.fetchval(f"select count(*) from openbell.{table}") == 0, table
    await web.close()
