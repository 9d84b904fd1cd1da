"""Feeds, links, pages and filings as they come: repeated, edited, broken, huge, hostile, kept from us."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from openbell.engine.errors import Permanent, Transient
from openbell.products.digest.feeds import FeedRow, look
from openbell.products.digest.filings import check_filings
from openbell.products.digest.policy import read_policy, set_policy
from openbell.products.digest.reference import read_reference
from openbell.products.sources import Source
from openbell.providers.news import read_feed
from openbell.providers.outbound import Fetched
from openbell.providers.pages import Reader
from openbell.providers.wire import Answer
from tests.products.digest.newsroom import Newsroom, with_models
from tests.providers.scripted import Scripted, http, serving
from tests.sandbox.harness import Running
from tests.support import Clock

ITEM = "<item><title>{title}</title><link>{link}</link><guid>{guid}</guid><pubDate>{date}</pubDate></item>"
DATE = "Sun, 22 Nov 2026 10:00:00 GMT"


def rss(*items: tuple[str, str, str]) -> bytes:
    """A feed of (title, link, guid)."""
    made = (ITEM.format(title=t, link=link.replace("&", "&amp;"), guid=guid, date=DATE) for t, link, guid in items)
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>t</title>{"".join(made)}</channel></rss>'.encode()


@asynccontextmanager
async def feeding(
    pool: asyncpg.Pool, sandbox: Running, answers: Mapping[str, Any]
) -> AsyncIterator[tuple[Newsroom, Scripted]]:
    """A newsroom whose feeds are these answers by path."""
    async with serving(answers) as server:
        room = await Newsroom.open(pool, sandbox, {"news": Source(server.url, calls_per_minute=10_000)})
        try:
            yield room, server
        finally:
            await room.close()


async def look_at(room: Newsroom, url: str, policy: str = "guid") -> dict[str, Any]:
    """One look at a feed of its own address."""
    await room.pool.execute(
        "insert into openbell.digest_feed (kind, subject, policy) values ('rss', $1, $2) on conflict do nothing",
        url, policy,
    )  # fmt: skip
    await room.pool.execute("update openbell.digest_feed set succeeded_at = null, not_before = null")
    columns = "id, kind, subject, policy, moved_to, etag, modified"
    row = await room.pool.fetchrow(f"select {columns} from openbell.digest_feed where subject = $1", url)
    return await look(await room.context(), FeedRow(**row))


async def articles(pool: asyncpg.Pool) -> list[str]:
    """The addresses of all articles."""
    return [row["address"] for row in await pool.fetch("select address from openbell.digest_article order by id")]


async def test_eight_variants_give_one_article(pool: asyncpg.Pool, sandbox: Running) -> None:
    """DG-4: the same page under eight tracked addresses, in two feeds with guids of their own, is one article."""
    page = "https://paper.example/apple-rises?id=7"
    marks = (
        "",
        "&utm_source=a",
        "&fbclid=b",
        "&gclid=c",
        "#top",
        "&mc_cid=d",
        "&utm_medium=e&utm_term=f",
        "&.tsrc=rss",
    )
    items = [(f"Apple rises for the {n}th day", f"{page}{mark}", f"g{n}") for n, mark in enumerate(marks)]
    other = ("Apple rises for the 0th day", "https://paper.example/apple-rises?id=8", "g9")
    answers = {"/a": http(200, rss(*items[:4])), "/b": http(200, rss(*items[4:])), "/c": http(200, rss(other))}
    async with feeding(pool, sandbox, answers) as (room, server):
        for name in "ab":
            assert (await look_at(room, f"{server.url}/{name}"))["state"] == "changed"
        assert await articles(pool) == [page]
        await look_at(room, f"{server.url}/c")
        assert await articles(pool) == [page], "publisher and title are the same within a day: one article"


async def test_different_pages_stay_apart(pool: asyncpg.Pool, sandbox: Running) -> None:
    """DG-4: other titles at other addresses are never merged, whatever their guids say."""
    same = [
        (f"Story number {n} of the day", f"https://paper.example/story?id={n}", "one-guid-for-all") for n in range(6)
    ]
    async with feeding(pool, sandbox, {"/a": http(200, rss(*same))}) as (room, server):
        await look_at(room, f"{server.url}/a")
        assert len(await articles(pool)) == 6


async def test_the_policy_of_a_feed_decides(pool: asyncpg.Pool, sandbox: Running) -> None:
    """DG-4: by guid an edited title and a new address are the same article; by canonical address a new guid is."""
    first = rss(("Apple rises on Monday", "https://paper.example/a?id=1", "g1"))
    moved = rss(("Apple rises on Monday, twice", "https://paper.example/b?id=1", "g1"))
    answers = {"/a": http(200, first), "/c": http(200, first)}
    async with feeding(pool, sandbox, answers) as (room, server):
        await look_at(room, f"{server.url}/a")
        answers["/a"] = http(200, moved)
        await look_at(room, f"{server.url}/a")
        assert len(await articles(pool)) == 1
        await look_at(room, f"{server.url}/c", "canonical")
        answers["/c"] = http(200, moved)
        await look_at(room, f"{server.url}/c", "canonical")
        assert len(await articles(pool)) == 2


BAD: Mapping[str, tuple[bytes, str]] = {
    "empty": (http(200, b""), "feed_empty"),
    "broken": (http(200, rss(("A title that is long", "https://a.example/1", "g"))[:150]), "feed_broken"),
    "page": (http(200, b"<!doctype html><html><body>Hello</body></html>"), "feed_is_html"),
    "not found": (http(404), "feed_http_404"),
    "gone": (http(410), "feed_gone"),
    "outage": (http(503), "feed_outage"),
    "busy": (http(429, retry_after="60"), "feed_rate_limited"),
    "huge": (http(200, b"<rss>" + b" " * (5 * 1024 * 1024)), "too_large"),
    "bomb": (http(200, gzip.compress(b" " * 50_000_000), content_encoding="gzip"), "too_large"),
    "loop": (http(302, location="/loop"), "too_many_redirects"),
    "inside": (http(302, location="http://169.254.169.254/latest"), "refused_address"),
    "strange": (http(302, location="file:///etc/passwd"), "refused_url"),
}


async def test_a_bad_feed_harms_itself_alone(pool: asyncpg.Pool, sandbox: Running) -> None:
    """DG-6, DG-9: whatever a feed answers, it is recorded at that feed, with a pause, and the next one is read."""
    good = http(200, rss(("Apple rises on Tuesday", "https://paper.example/1", "g")))
    answers = {f"/{name.replace(' ', '-')}": answer for name, (answer, _) in BAD.items()} | {"/good": good}
    async with feeding(pool, sandbox, answers) as (room, server):
        for name, (_, code) in BAD.items():
            found = await look_at(room, f"{server.url}/{name.replace(' ', '-')}")
            assert (found["state"], found["code"]) == ("failed", code), name
        rows = await pool.fetch("select code, failures, not_before from openbell.digest_feed where code is not null")
        assert len(rows) == len(BAD)
        assert (await look_at(room, f"{server.url}/good"))["new"] == 1
        assert len(await articles(pool)) == 1


async def test_an_empty_feed_is_no_failure(pool: asyncpg.Pool, sandbox: Running) -> None:
    """DG-6: a feed may have nothing to say."""
    async with feeding(pool, sandbox, {"/a": http(200, rss())}) as (room, server):
        assert await look_at(room, f"{server.url}/a") | {"feed": 0} == {
            "feed": 0, "state": "changed", "entries": 0, "new": 0,
        }  # fmt: skip


async def test_feeds_are_asked_whether_they_have_changed(pool: asyncpg.Pool, sandbox: Running) -> None:
    """DG-6, issue 6: the next look sends what the last one brought; soon after it nobody asks."""
    body = rss(("Apple rises on Friday", "https://paper.example/1", "g"))
    answers = {"/a": http(200, body, etag='"v1"')}
    async with feeding(pool, sandbox, answers) as (room, server):
        await look_at(room, f"{server.url}/a")
        answers["/a"] = http(304)
        assert (await look_at(room, f"{server.url}/a"))["state"] == "unchanged"
        assert server.asked[-1].headers["if-none-match"] == '"v1"'
        row = await pool.fetchrow(
            "select id, kind, subject, policy, moved_to, etag, modified from openbell.digest_feed where kind = 'rss'"
        )
        assert (await look(await room.context(), FeedRow(**row)))["state"] == "recent"
        assert len(server.asked) == 2


async def test_links_are_resolved_once(newsroom: Newsroom, clock: Clock) -> None:
    """DG-7: only what was chosen is resolved; targets are kept, failures for hours; the next digest asks for none."""
    pool = newsroom.pool
    await newsroom.gather("IBM", edition="weekly")
    kept = await pool.fetchval("select count(*) from openbell.digest_link where target is not null")
    standing = await pool.fetchval("select count(*) from openbell.digest_article where google_id is not null")
    assert 0 < kept < standing / 2
    first = await pool.fetchval("select min(keep_until) - openbell.now() from openbell.digest_link")
    assert first > timedelta(hours=24)
    asked = await pool.fetchval("select count(*) from openbell.spend where provider = 'google_links'")
    await pool.execute("update openbell.digest_pin set inputs = null")
    await newsroom.gather("IBM", edition="weekly")
    assert await pool.fetchval("select count(*) from openbell.spend where provider = 'google_links'") == asked


async def test_links_that_lead_nowhere(newsroom: Newsroom, clock: Clock) -> None:
    """DG-7: a failure is kept for a shorter time; the articles end as unreachable or stand by their feed's words."""
    pool = newsroom.pool
    await newsroom.sandbox.fault("unresolved", provider="news", path="*batchexecute")
    inputs = await newsroom.gather("IBM", edition="weekly")
    rows = await pool.fetch("select reason, keep_until - openbell.now() as left from openbell.digest_link")
    assert {row["reason"] for row in rows} == {"no_target"}
    assert max(row["left"] for row in rows) <= timedelta(hours=12)
    assert inputs.outcomes.get("unreachable", 0) > 0
    assert sum(inputs.outcomes.values()) == len(inputs.candidates)


HOSTILE = ("not_found", "private_redirect", "oversized", "paywall")


@pytest.mark.parametrize("kind", HOSTILE)
async def test_pages_that_cannot_be_read(newsroom: Newsroom, kind: str) -> None:
    """DG-9, DG-11: whatever its pages answer, a digest gets its inputs, and each article one outcome."""
    await newsroom.sandbox.fault(kind, provider="news", path="sites/*")
    inputs = await newsroom.gather("IBM")
    assert sum(inputs.outcomes.values()) == len(inputs.candidates) > 0
    rows = await newsroom.pool.fetch("select reading, failure from openbell.digest_article where read_at is not null")
    assert rows
    if kind != "paywall":
        assert {row["reading"] for row in rows} == {"failed"}
        assert all(row["failure"] for row in rows)


async def test_paid_pages_stay_within_the_day(pool: asyncpg.Pool, sandbox: Running) -> None:
    """DG-8: pages are paid for only after they could not be had for nothing, and only as many as the day's cap says."""
    await sandbox.fault("forbidden", provider="news", path="sites/*")
    room = await Newsroom.open(pool, sandbox, with_models(sandbox, scrapfly=True))
    try:
        await set_policy(pool, {"pages_per_day": 3}, actor="tests")
        await room.gather("IBM", edition="weekly")
        await room.gather("MSFT", edition="weekly")
        paid = await pool.fetchval("select count(*) from openbell.spend where provider = 'scrapfly'")
        assert paid == await pool.fetchval("select sum(used) from openbell.digest_paid") == 3
        assert await pool.fetchval("select count(*) from openbell.digest_article where failure = 'daily_cap'") > 0
        assert (await read_policy(pool)).pages_per_day == 3
    finally:
        await room.close()


async def test_stored_text_is_read_once(newsroom: Newsroom) -> None:
    """DG-8: an article that another digest has read is taken from the store."""
    await newsroom.gather("MSFT")
    pages = await newsroom.pool.fetch("select count(*) from openbell.spend where provider = 'pages'")
    assert await newsroom.pool.fetchval("select count(*) from openbell.digest_article where text_ref is not null") > 5
    await newsroom.pool.execute("update openbell.digest_pin set inputs = null")
    await newsroom.gather("MSFT")
    assert await newsroom.pool.fetch("select count(*) from openbell.spend where provider = 'pages'") == pages


async def test_a_page_that_stops_the_reader_is_given_up() -> None:
    """DG-9, issue 6: what takes longer than it may is given up with its process, and the next page is read."""
    reader = Reader(most_seconds=0.0)
    with pytest.raises(Transient, match="in time"):
        await reader.text("<html><body><p>Hello</p></body></html>")
    await reader.aclose()
    reader = Reader()
    body = "".join(
        f"<p>Apple said on day {n} that sales of its laptops rose by {n} percent in Europe.</p>" for n in range(20)
    )
    try:
        assert "rose by 7 percent" in await reader.text(f"<html><body><article>{body}</article></body></html>")
        assert await reader.text("\x00<<<>>>&#xD800;" * 50) == ""
        with pytest.raises(Permanent, match="larger"):
            await reader.text("x" * (21 * 1024 * 1024))
    finally:
        await reader.aclose()


async def test_filings_are_news_once(newsroom: Newsroom) -> None:
    """DG-41: what was filed before the first look is the baseline, silently; a new filing is found, and found once."""
    pool = newsroom.pool
    one = await read_reference(pool, "AAPL")
    assert one is not None
    assert await check_filings(await newsroom.context(), one) == {"new": 0}
    states = await pool.fetch("select state, count(*) as n from openbell.digest_filing group by 1")
    assert [row["state"] for row in states] == ["baseline"]
    last = await pool.fetchval(
        "delete from openbell.digest_filing where ticker = 'AAPL' and accession = "
        "(select accession from openbell.digest_filing order by filed desc limit 1) returning accession"
    )
    assert await check_filings(await newsroom.context(), one) == {"new": 1}
    assert await check_filings(await newsroom.context(), one) == {"new": 0}
    assert await pool.fetchval("select state from openbell.digest_filing where accession = $1", last) == "new"


async def test_filings_that_cannot_be_had(newsroom: Newsroom) -> None:
    """DG-41: an outage of EDGAR is no failure of a digest; it goes on with the filings that are known."""
    await newsroom.sandbox.fault("html503", provider="edgar")
    inputs = await newsroom.gather("IBM")
    assert inputs.filings == []
    assert inputs.candidates


def test_a_thousand_entries_are_cut() -> None:
    """DG-6: a feed of more entries than anybody reads is cut, not refused."""
    items = [(f"Story number {n} is here", f"https://paper.example/{n}", f"g{n}") for n in range(1_500)]
    fetched = Fetched("https://paper.example/feed", None, Answer(200, _headers(), rss(*items)))
    assert len(read_feed("many", fetched)) == 1_000


def _headers() -> Any:
    return httpx.Headers({"content-type": "application/rss+xml"})
