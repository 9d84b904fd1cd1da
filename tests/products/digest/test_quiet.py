"""Days on which nothing happens, feeds that stop working, and press releases beside filings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from openbell.engine.artifacts import read_many
from openbell.mail.control import act
from openbell.products.digest.desk import list_desk
from openbell.products.digest.editions import DigestKey
from openbell.products.digest.filings import EXHIBIT, check_filings, filings_for
from openbell.products.digest.policy import set_policy
from openbell.products.digest.reference import read_reference
from tests.engine.conftest import Employ
from tests.products.digest.newsroom import ZONE, Newsroom
from tests.products.digest.test_morning import run, seeded, subscriber, work  # noqa: F401 - fixture
from tests.support import eventually

LONG_AGO = datetime(2012, 1, 2, 9, tzinfo=UTC)


async def settled(pool: asyncpg.Pool) -> list[dict[str, Any]]:
    """The editions, once nothing but mails waits for anything."""

    async def over() -> bool:
        return not await pool.fetchval("select count(*) from openbell.job where product <> 'mail-delivery'")

    await eventually(over, 180)
    return [dict(row) for row in await list_desk(pool)]


async def test_a_quiet_day(seeded: asyncpg.Pool, employ: Employ, newsroom: Newsroom) -> None:  # noqa: F811
    """DG-18, DC-6: without news there is no digest and no mail where the policy says so, and nobody calls it late;
    else a short one, whose mail 3 waits for an admin where mails are approved by hand.
    """
    pool = seeded
    await subscriber(pool, "admin", role="admin")
    await subscriber(pool, "ann", "AAPL")
    await newsroom.sandbox.client.post("/_control/news/clock", json={"now": LONG_AGO.isoformat()})
    await set_policy(pool, {"quiet": "none"}, actor="tests")
    await work(employ, newsroom)
    await run(pool, "digest-process-mon")
    [one] = await settled(pool)
    assert (one["quiet"], one["mailed_version"]) == (True, None)
    [reading] = await read_many(pool, [("digest", one["key"])])
    assert (reading.state, reading.value) == ("empty", None)
    await pool.execute("update openbell.digest_edition set send_at = openbell.now() - interval '5 minutes'")
    await run(pool, "digest-watch")
    await settled(pool)
    assert await pool.fetchval("select count(*) from openbell.delivery") == 0
    await set_policy(pool, {"quiet": "short", "approval": "manual"}, actor="tests")
    await pool.execute("update openbell.digest_edition set send_at = openbell.now() + interval '2 hours'")
    await pool.execute("update openbell.artifact set fresh_until = openbell.now() where product = 'digest'")
    await run(pool, "digest-process-mon")
    [one] = await settled(pool)
    assert (one["quiet"], one["held"], one["first_mail"] is not None, one["second_mail"] is not None) == (
        False, 1, True, True,
    )  # fmt: skip
    text = await pool.fetchval(
        "select l.body from openbell.delivery d join openbell.letter l on l.hash = d.letter where d.kind = 'digest'"
    )
    assert "othing new" in text
    assert await act(pool, "release", [one["third_mail"]], actor="tests") == [one["third_mail"]]
    assert DigestKey(one["key"]).parts.ticker == "AAPL"


async def test_feeds_that_stop_working(seeded: asyncpg.Pool, employ: Employ, newsroom: Newsroom) -> None:  # noqa: F811
    """Issue 6: feeds that failed five times in a row are in one mail to each admin, once, until they work again."""
    pool = seeded
    await subscriber(pool, "admin", role="admin")
    await work(employ, newsroom)
    await pool.execute("update openbell.digest_feed set in_a_row = 6, failures = 9, polls = 20, code = 'feed_invalid'")

    async def told() -> int:
        await run(pool, "digest-watch")
        await settled(pool)
        count: int = await pool.fetchval("select count(*) from openbell.delivery where kind = 'alert'")
        return count

    assert (await told(), await told()) == (1, 1)
    await pool.execute("update openbell.digest_feed set in_a_row = 0, told_at = null where id % 2 = 0")
    await pool.execute("update openbell.digest_feed set in_a_row = 5 where id % 2 = 0")
    assert await told() == 2
    letters = await pool.fetch("select body from openbell.letter order by created_at")
    assert "6 failures in a row (feed_invalid), it worked never" in letters[0]["body"]
    assert "5 failures in a row" in letters[1]["body"]


async def test_a_press_release_is_read_once(newsroom: Newsroom) -> None:
    """DG-41, domain B5: the exhibit 99 beside a new 8-K is in the same digest as the report, and asked for once."""
    pool = newsroom.pool
    one = await read_reference(pool, "AAPL")
    assert one is not None
    first = await newsroom.context()
    await check_filings(first, one)
    filed = await pool.fetchval("select max(filed) from openbell.digest_filing where form = '8-K'")
    await pool.execute("update openbell.digest_filing set state = 'new' where form = '8-K' and filed = $1", filed)
    ends = datetime(filed.year, filed.month, filed.day, 23, tzinfo=UTC)
    found = await filings_for(first, one, ends - timedelta(days=1), ends, ZONE)
    [release] = [each for each in found if each.form == EXHIBIT]
    [report] = [each for each in found if each.form == "8-K"]
    assert (release.accession, release.is_new, release.text_ref is not None) == (report.accession, True, True)
    asked = len(await newsroom.sandbox.entries("edgar"))
    again = await filings_for(await newsroom.context(), one, ends - timedelta(days=1), ends, ZONE)
    assert [each.text_ref for each in again] == [each.text_ref for each in found]
    assert len(await newsroom.sandbox.entries("edgar")) == asked
