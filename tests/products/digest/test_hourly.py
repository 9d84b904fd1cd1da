"""What is new, told to admins every hour: each article once, whoever is killed."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from openbell.products import registry
from openbell.products.digest import hourly
from openbell.products.digest.hourly import tell_fresh
from tests.engine.conftest import Employ
from tests.products.digest.newsroom import Newsroom
from tests.products.digest.test_morning import run, seeded, subscriber, work  # noqa: F401 - fixture
from tests.support import Clock, eventually

TITLE = "Synthetic Works opens a <b>plant</b>"
PLAIN = "* Synthetic Works opens a plant\n"


async def appear(pool: asyncpg.Pool, ticker: str, title: str, *, age: str = "0 minutes") -> None:
    """An article in the first feed of a company's own news."""
    number = await pool.fetchval("select count(*) from openbell.digest_article")
    await pool.execute(
        "with a as (insert into openbell.digest_article (address, title, title_key, publisher, published_at) "
        "values ($1, $2, $2, 'Synthetic Wire ' || $1, openbell.now() - $4::text::interval) returning id) "
        "insert into openbell.digest_sighting (feed_id, identity, article_id) "
        "select min(t.feed_id), $1, min(a.id) from a, openbell.digest_ticker_feed t "
        "where t.ticker = $3 and t.category = 'company'",
        f"https://wire.example/{number}", title, ticker, age,
    )  # fmt: skip


async def mails(pool: asyncpg.Pool) -> list[dict[str, Any]]:
    """The hourly mails, the oldest first."""
    return [
        dict(row)
        for row in await pool.fetch(
            "select d.id, p.address as email, l.subject, l.html, l.body from openbell.delivery d "
            "join openbell.letter l on l.hash = d.letter join openbell.person p on p.id = d.person_id "
            "where d.kind = 'digest-hourly' order by d.id"
        )
    ]


async def test_what_feeds_show_is_told_within_the_hour(
    seeded: asyncpg.Pool,  # noqa: F811
    employ: Employ,
    newsroom: Newsroom,
    clock: Clock,
) -> None:
    """DG-29: the look at feeds before the hour finds what is new at no cost, the hour's mail tells admins alone of it,
    and the next run has nothing to say.
    """
    pool = seeded
    await subscriber(pool, "admin", role="admin")
    await subscriber(pool, "ann", "AAPL")
    await work(employ, newsroom)

    async def done(name: str, count: int = 1) -> None:
        async def ended() -> bool:
            ran = "select count(*) from openbell.job_history where product = $1 and outcome = 'done'"
            return bool(await pool.fetchval(ran, name) == count)

        await run(pool, name)
        await eventually(ended, 60)

    await done("digest-look")
    assert await pool.fetchval("select count(*) from openbell.digest_article") > 0
    assert {row["provider"] for row in await pool.fetch("select distinct provider from openbell.spend")} == {"news"}
    assert await pool.fetchval("select coalesce(sum(cost_micro), 0) from openbell.spend") == 0
    await appear(pool, "AAPL", TITLE)
    await done("digest-hourly")
    assert await mails(pool) == [], "what may not be committed yet waits"
    await clock.advance(minutes=3)
    await done("digest-hourly", 2)
    [mail] = await mails(pool)
    assert mail["email"] == "admin@example.com"
    assert mail["subject"].endswith(": AAPL")
    assert PLAIN in mail["body"]
    assert "<b>" not in mail["html"]
    assert "https://wire.example/" in mail["html"]
    await done("digest-hourly", 3)
    assert len(await mails(pool)) == 1


async def test_each_article_is_told_once(
    seeded: asyncpg.Pool,  # noqa: F811
    newsroom: Newsroom,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DG-29: an hour without news makes no mail, nor does what nobody follows or what is old; killed before the mail is
    stored it is told of by the next run, and killed after it by no other. A title told before is
    no news.
    """
    pool = seeded
    await subscriber(pool, "admin", role="admin")
    await subscriber(pool, "ann", "AAPL")
    ctx = await newsroom.context("the hour")
    assert await tell_fresh(ctx) == 0
    await appear(pool, "IBM", "Nobody follows this")
    await appear(pool, "AAPL", "An old story", age="3 days")
    await clock.advance(minutes=60)
    assert await tell_fresh(ctx) == 0
    assert await mails(pool) == []

    await appear(pool, "AAPL", TITLE)
    await clock.advance(minutes=60)
    queue_all = hourly.queue_all

    async def dies(*args: Any, **named: Any) -> None:
        await queue_all(*args, **named)
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(hourly, "queue_all", dies)
        with pytest.raises(ConnectionResetError):
            await tell_fresh(ctx)
    assert await mails(pool) == []
    assert await tell_fresh(ctx) == 1
    await newsroom.be_killed()
    assert await tell_fresh(await newsroom.context("the hour again")) == 0
    await appear(pool, "AAPL", TITLE)
    for number in range(hourly.MOST_OF_TICKER + 3):
        await appear(pool, "AAPL", f"Another story, number {number}")
    await clock.advance(minutes=60)
    assert await tell_fresh(await newsroom.context()) == hourly.MOST_OF_TICKER + 3
    first, second = await mails(pool)
    assert PLAIN in first["body"]
    assert PLAIN not in second["body"]
    assert "And 3 more." in second["body"]


def test_the_timetable() -> None:
    """DG-29: the hours at which filings are looked for, feeds are looked at and admins are told, in New York."""
    found = {one.name: (one.cron, one.zone) for one in registry().schedules.values()}
    assert found["digest-filings"] == ("0 6-22 * * *", "America/New_York")
    assert found["digest-look"] == ("50 8-21 * * *", "America/New_York")
    assert found["digest-hourly"] == ("0 9-22 * * *", "America/New_York")
