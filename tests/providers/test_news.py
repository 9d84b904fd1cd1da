"""Feeds and the links of Google News: from the wire to what is done about it (table B5 of the domain notes)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import asyncpg
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.engine.attempt import Attempt
from openbell.engine.errors import Permanent, ProducerError, RateLimited, Transient, Waiting
from openbell.engine.spends import Call
from openbell.providers import google_links, news
from openbell.providers.google_links import GoogleLinks, Resolution, question, read_page, read_targets
from openbell.providers.news import Entry, Feed, News, google_search, plain, plain_link, read_feed, yahoo_headlines
from openbell.providers.outbound import Fetched, Fetcher
from openbell.providers.wire import Answer
from tests.engine.conftest import Employ
from tests.providers.attempts import an_attempt, became, only
from tests.providers.scripted import Scripted, http, serving
from tests.sandbox.harness import Running

XML = "application/rss+xml; charset=utf-8"


def rss(*items: str, tail: str = "</channel></rss>") -> bytes:
    """A feed of these items. Synthetic, our own words."""
    inner = "".join(f"<item>{item}</item>" for item in items)
    head = '<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>Synthetic</title>'
    return f"{head}{inner}{tail}".encode()


def fetched(body: bytes, url: str = "https://feeds.example/all.xml", content_type: str = XML) -> Fetched:
    return Fetched(url, None, Answer(200, httpx.Headers({"content-type": content_type}), body))


def entries(body: bytes, **how: str) -> list[Entry]:
    return read_feed("all", fetched(body, **how))


GOOGLE_ITEM = (
    "<title>Orchard grows faster &amp;amp; cheaper - The Daily Example</title>"
    "<link>https://news.google.com/rss/articles/CBMiExample_token-1?oc=5</link>"
    '<guid isPermaLink="false">CBMiExample_token-1</guid><pubDate>Tue, 03 Nov 2026 23:30:00 GMT</pubDate>'
    "<description>&lt;a href=&quot;https://news.google.com/x&quot;&gt;Orchard grows&lt;/a&gt;&amp;nbsp;"
    "&lt;font color=&quot;#6f6f6f&quot;&gt;The Daily Example&lt;/font&gt;</description>"
    '<source url="https://www.daily.example">The Daily Example</source>'
)
YAHOO_ITEM = (
    "<title>Orchard - a growing company - reports</title>"
    "<link>https://finance.example/news/orchard-1.html?.tsrc=rss</link>"
    '<guid isPermaLink="false">5f2c9d00-0000-4000-8000-000000000001</guid>'
    "<pubDate>Tue, 03 Nov 2026 18:30:00 -0500</pubDate><description>Plain words.</description>"
)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_google_entry_is_read() -> None:
    """DG-3, B5: the publisher is split off the title, the link is known by its token, the time is UTC."""
    (entry,) = entries(rss(GOOGLE_ITEM), url="https://news.google.com/rss/search?q=orchard")
    assert entry == Entry(
        feed="all",
        guid="CBMiExample_token-1",
        guid_repeats=False,
        title="Orchard grows faster & cheaper",
        publisher="The Daily Example",
        link="https://news.google.com/rss/articles/CBMiExample_token-1?oc=5",
        google_id="CBMiExample_token-1",
        published=datetime(2026, 11, 3, 23, 30, tzinfo=UTC),
        source_domain="daily.example",
        summary="Orchard grows The Daily Example",
    )


def test_a_yahoo_entry_is_read() -> None:
    """DG-3, B5: no publisher is invented from a dash, the feed's mark leaves the link, another zone becomes UTC."""
    (entry,) = entries(rss(YAHOO_ITEM))
    assert (entry.title, entry.publisher) == ("Orchard - a growing company - reports", None)
    assert (entry.link, entry.google_id) == ("https://finance.example/news/orchard-1.html", None)
    assert (entry.source_domain, entry.summary) == ("finance.example", "Plain words.")
    assert entry.published == datetime(2026, 11, 3, 23, 30, tzinfo=UTC)


def test_an_address_in_figures_is_nobodys_name() -> None:
    """B5: where a link leads to a number and the item names no source, the feed's own title does."""
    numbered = YAHOO_ITEM.replace("finance.example", "127.0.0.1:8000")
    (entry,) = entries(rss(numbered))
    assert (entry.publisher, entry.source_domain) == ("Synthetic", "127.0.0.1")
    (entry,) = entries(rss(numbered).replace(b"<title>Synthetic</title>", b""))
    assert entry.publisher is None


def test_a_repeated_guid_merges_nothing() -> None:
    """B5: a feed that gives all its items one guid loses none of them, and it shows."""
    same = [YAHOO_ITEM.replace("reports", f"reports {n}") for n in range(10)]
    found = entries(rss(*same, GOOGLE_ITEM))
    assert [entry.guid_repeats for entry in found] == [True] * 10 + [False]
    assert len({entry.title_day for entry in found}) == 11


def test_the_same_story_has_the_same_title_day() -> None:
    """B5: title and day agree over case and punctuation, and differ from day to day."""
    one, two, three = entries(
        rss(YAHOO_ITEM, YAHOO_ITEM.replace("Orchard - a", "ORCHARD: a"), YAHOO_ITEM.replace("03 Nov", "04 Nov"))
    )
    assert one.title_day == two.title_day == "2026-11-03 orchard a growing company reports"
    assert three.title_day != one.title_day


@pytest.mark.parametrize("date", ["", "yesterday", "Tue, 99 Nov 2026 10:00:00 GMT", "0000-00-00", "99999-01-01"])
def test_a_missing_or_strange_date_is_none(date: str) -> None:
    """B5: an entry without a date that can be read is kept, and no date is invented."""
    (entry,) = entries(rss(f"<title>t</title><pubDate>{date}</pubDate>"))
    assert entry.published is None
    assert entry.title_day == "t"


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "file:///etc/passwd", "http:///x", "https://[::1", "data:text/html,x", "", "x" * 5_000],
)
def test_a_link_that_is_no_web_page_is_none(link: str) -> None:
    """DG-9: what a feed calls a link is only kept when it is one."""
    assert plain_link(link) is None


def test_a_google_token_counts_only_at_the_feeds_own_host() -> None:
    """DG-9: a link of somebody else that looks like Google's is no link of Google's."""
    (entry,) = entries(rss(GOOGLE_ITEM), url="https://feeds.example/all.xml")
    assert (entry.google_id, entry.link is not None) == (None, True)


def test_texts_are_plain() -> None:
    """DG-9: tags, entities and control characters of publishers do not reach us."""
    assert plain("<b>a</b>&nbsp;&lt;script&gt;\n\tb\x00c\u202e") == "a <script> b c"


def test_latin_1_and_a_wrong_label_are_read() -> None:
    """B5: the encoding that the document declares is used, and a label that contradicts it spoils nothing."""
    body = rss("<title>Caf\u00e9</title>").replace(b"UTF-8", b"ISO-8859-1").decode().encode("latin-1")
    assert entries(body)[0].title == "Caf\u00e9"
    assert entries(rss("<title>Caf\u00e9</title>"), content_type="text/html")[0].title == "Caf\u00e9"


def test_atom_is_read() -> None:
    """B5: Atom is as good as RSS."""
    body = (
        b'<feed xmlns="http://www.w3.org/2005/Atom"><title>s</title><entry><id>urn:1</id><title>Orchard</title>'
        b'<link href="https://daily.example/1"/><updated>2026-11-03T10:00:00+01:00</updated></entry></feed>'
    )
    (entry,) = entries(body)
    assert (entry.guid, entry.published) == ("urn:1", datetime(2026, 11, 3, 9, tzinfo=UTC))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "feed_empty"),
        (b" \n", "feed_empty"),
        (b"<!DOCTYPE html><html><body>Before you continue</body></html>", "feed_is_html"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<html xmlns='x'></html>", "feed_is_html"),
        (rss(GOOGLE_ITEM, YAHOO_ITEM)[:-300], "feed_broken"),
        (rss(GOOGLE_ITEM, tail=""), "feed_broken"),
        (b'{"error": "not a feed"}', "feed_broken"),
        (b"<xml><a/></xml>", "feed_broken"),
        (b"\x00\xff\xfe\x00", "feed_broken"),
    ],
)
def test_what_is_no_whole_feed_is_an_error(body: bytes, code: str) -> None:
    """B5: a web page, half a feed or nothing at all is never taken for a feed; half of it would hide the rest."""
    with pytest.raises(Transient) as caught:
        entries(body)
    assert caught.value.code == code


def test_small_faults_of_a_whole_feed_are_forgiven() -> None:
    """B5: an unknown entity or a bare ampersand does not cost the entries of a feed that is all there."""
    assert [entry.guid for entry in entries(rss("<title>A & B &mdash; C</title><guid>urn:1</guid>", GOOGLE_ITEM))] == [
        "urn:1",
        "CBMiExample_token-1",
    ]


def test_a_feed_without_entries_is_a_feed() -> None:
    """B5: a search that finds nothing has failed at nothing."""
    assert entries(rss()) == []


def test_a_feed_cannot_name_a_file(tmp_path: Path) -> None:
    """DG-9: an answer that is the name of a file of ours is not opened."""
    (tmp_path / "feed.xml").write_bytes(rss(GOOGLE_ITEM))
    with pytest.raises(Transient):
        entries(str(tmp_path / "feed.xml").encode())


def test_entities_do_not_grow() -> None:
    """DG-9: entities that double themselves, or name a file, are not unfolded."""
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    doctype = f'<!DOCTYPE r [<!ENTITY l0 "lol">{lol}<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    body = rss("<title>a&l11;b&f;c</title>").replace(b'UTF-8"?>', b'UTF-8"?>' + doctype.encode())
    (entry,) = entries(body)
    assert len(entry.title) < 100
    assert "root" not in entry.title


def test_a_huge_feed_is_bounded() -> None:
    """DG-9: entries and texts beyond all sense are cut."""
    found = entries(rss(*[f"<title>{'t' * 900}</title><description>{'d ' * 3_000}</description>"] * 1_200))
    assert len(found) == news.MOST_ENTRIES
    assert (len(found[0].title), len(found[0].summary)) == (500, 2_000)


def tried(body: bytes) -> list[Entry] | ProducerError:
    try:
        return entries(body)
    except ProducerError as error:
        return error


@given(st.binary(max_size=300))
def test_any_answer_is_entries_or_a_typed_error(body: bytes) -> None:
    """MD-7: no answer, however strange, is an untyped failure."""
    assert isinstance(tried(body), list | Transient)


@given(st.lists(st.text(alphabet="<>&;/'\"!-[]CDATAitemlnkgudpubS", max_size=40), max_size=5))
def test_any_items_are_entries_or_a_typed_error(items: list[str]) -> None:
    """MD-7: whatever stands between the tags of an item."""
    assert isinstance(tried(rss(*items)), list | Transient)


def test_feeds_are_asked_for_in_their_own_words() -> None:
    """B5: what Google and Yahoo expect in an address."""
    assert google_search('"Orchard Inc" when:7d').url == (
        "https://news.google.com/rss/search?q=%22Orchard+Inc%22+when%3A7d&hl=en-US&gl=US&ceid=US%3Aen"
    )
    assert yahoo_headlines(["AAPL", "BRK-B"]).url == (
        "https://feeds.finance.yahoo.com/rss/2.0/headline?s=AAPL,BRK-B&region=US&lang=en-US"
    )


# --- polling ---------------------------------------------------------------------------------------------------------


@pytest.fixture
async def attempt(pool: asyncpg.Pool) -> Attempt:
    return await an_attempt(pool, [*news.limits(), *google_links.limits()])


def reader(server: Scripted | Running, attempt: Attempt) -> News:
    return News(Fetcher(allowed={("127.0.0.1", server.port)}), attempt)


async def test_an_unchanged_feed_is_not_read_again(attempt: Attempt) -> None:
    """B5: what the feed gave to tell its versions apart goes back to it, and 304 is `unchanged`; one GET a poll."""
    day = "Tue, 03 Nov 2026 10:00:00 GMT"
    answers: dict[str, Any] = {"/": http(200, rss(GOOGLE_ITEM), etag='"v1"', last_modified=day)}
    async with serving(answers) as server:
        feed = Feed("all", f"{server.url}/")
        first = await reader(server, attempt).poll(feed)
        assert (first.state, len(first.entries), first.etag) == ("changed", 1, '"v1"')
        answers["/"] = http(304)
        second = await reader(server, attempt).poll(feed, etag=first.etag, modified=first.modified)
        assert (second.state, second.entries) == ("unchanged", [])
        assert (second.etag, second.modified) == (first.etag, first.modified)
        told = [(one.headers.get("if-none-match"), one.headers.get("if-modified-since")) for one in server.asked]
        assert told == [(None, None), ('"v1"', day.lower())]
    assert [settlement.state for settlement in attempt.take_ended()] == ["settled"] * 2


async def test_an_unchanged_nothing_is_an_error(attempt: Attempt) -> None:
    """B5: 304 for somebody who knows nothing yet is nonsense, not an empty feed."""
    async with serving({"/": http(304)}) as server:
        with pytest.raises(Permanent) as caught:
            await reader(server, attempt).poll(Feed("all", f"{server.url}/"))
        assert caught.value.code == "feed_http_304"


STATUS: list[tuple[int, dict[str, str], type[ProducerError], str, timedelta | None]] = [
    (429, {"retry_after": "90"}, Waiting, "feed_rate_limited", timedelta(seconds=90)),
    (429, {}, Waiting, "feed_rate_limited", timedelta(minutes=10)),
    (503, {"retry_after": "120"}, Transient, "feed_outage", timedelta(seconds=120)),
    (500, {}, Transient, "feed_outage", None),
    (404, {}, Permanent, "feed_http_404", None),
    (403, {}, Permanent, "feed_http_403", None),
    (410, {}, Permanent, "feed_gone", None),
]


async def test_every_status_has_its_meaning(attempt: Attempt) -> None:
    """B5, PF-24: each refusal of a feed is told apart; the call has happened and troubles no breaker."""
    answers = {f"/{n}": http(status, b"no", **headers) for n, (status, headers, *_) in enumerate(STATUS)}
    async with serving(answers) as server:
        for n, (status, _, kind, code, pause) in enumerate(STATUS):
            with pytest.raises(ProducerError) as caught:
                await reader(server, attempt).poll(Feed("all", f"{server.url}/{n}"))
            seen = type(caught.value), caught.value.code, caught.value.retry_after
            assert seen == (kind, code, pause), status
            settlement = only(attempt)
            assert (settlement.state, settlement.trouble) == ("settled", None)


async def test_a_moved_feed_tells_its_new_address(sandbox: Running, attempt: Attempt) -> None:
    """B5: a permanent redirect is followed and told, so that the next look goes there at once."""
    await sandbox.fault("moved", provider="news", path="rss/search")
    feed = google_search("Apple", base=f"{sandbox.url}/news")
    found = await reader(sandbox, attempt).poll(feed)
    assert found.entries
    assert found.moved_to is not None
    assert found.moved_to != feed.url


async def test_the_feeds_of_the_sandbox_are_read(sandbox: Running, attempt: Attempt) -> None:
    """B5: entries in both shapes, over a real socket; that they are invented is cited."""
    base = f"{sandbox.url}/news"
    google = (await reader(sandbox, attempt).poll(google_search("Apple", base=base))).entries
    yahoo = (await reader(sandbox, attempt).poll(yahoo_headlines(["AAPL", "MSFT"], base=base))).entries
    assert len(google) > 3
    assert len(yahoo) > 3
    for entry in google + yahoo:
        assert entry.title
        assert entry.link
        assert entry.guid
        assert not entry.guid_repeats
        assert entry.published is not None
        assert entry.published <= datetime.now(UTC)
        assert (entry.google_id is not None) == (entry in google)
        assert ".tsrc" not in entry.link
    for entry in google:
        assert entry.publisher
        assert not entry.title.endswith(entry.publisher)
        assert entry.source_domain
    assert attempt.provenance["provider"] == "news"
    assert attempt.provenance["synthetic"]


FAULTS: list[tuple[str, dict[str, Any], str | None]] = [
    ("html", {}, "feed_is_html"),
    ("broken_xml", {}, "feed_broken"),
    ("html502", {}, "feed_outage"),
    ("rate_limited", {"retry_after_s": 45}, "feed_rate_limited"),
    ("empty", {}, None),
    ("drop", {}, "broken"),
    ("cut", {}, "broken"),
    ("repeated_guid", {"rows": 3}, None),
    ("missing_date", {"rows": 3}, None),
    ("edited_title", {"rows": 3}, None),
    ("latin1", {}, None),
]


async def test_every_fault_of_a_feed_is_typed_or_survived(sandbox: Running, attempt: Attempt) -> None:
    """B5: from the wire to a code or to entries, for each thing that a feed may do."""
    feed, news_reader = google_search("Apple", base=f"{sandbox.url}/news"), reader(sandbox, attempt)
    before = (await news_reader.poll(feed)).entries
    for fault, spec, code in FAULTS:
        await sandbox.fault(fault, provider="news", path="rss/search", times=1, **spec)
        seen = None
        try:
            after = (await news_reader.poll(feed)).entries
        except ProducerError as error:
            after, seen = before, error.code
        assert seen == code, fault
        assert len(after) == (0 if fault == "empty" else len(before)), fault
        assert sum(entry.guid_repeats for entry in after) == (3 if fault == "repeated_guid" else 0), fault
        assert sum(entry.published is None for entry in after) == (3 if fault == "missing_date" else 0), fault
        if fault == "edited_title":
            assert [entry.guid for entry in after] == [entry.guid for entry in before]
            assert sum(a.title != b.title for a, b in zip(after, before, strict=True)) == 3


# --- the links of Google News ----------------------------------------------------------------------------------------


@dataclass
class Resolver:
    """The resolver of one attempt."""

    links: GoogleLinks
    attempt: Attempt
    http: httpx.AsyncClient


async def resolve(links: GoogleLinks, ids: Sequence[str]) -> list[Resolution]:
    """What became of some links, in their order, as a digest asks for them."""
    answers = {link: await links.sign(link) for link in dict.fromkeys(ids)}
    signed = {link: one for link, one in answers.items() if not isinstance(one, Resolution)}
    found = await links.targets(signed) if signed else {}
    found |= {link: one for link, one in answers.items() if isinstance(one, Resolution)}
    return [found[link] for link in ids]


@pytest.fixture
async def resolver(sandbox: Running, attempt: Attempt) -> AsyncIterator[Resolver]:
    async with google_links.open_http(f"{sandbox.url}/news") as pool:
        yield Resolver(GoogleLinks(pool, attempt), attempt, pool)


async def some_links(sandbox: Running, attempt: Attempt, count: int = 3) -> list[Entry]:
    found = (await reader(sandbox, attempt).poll(google_search("Apple", base=f"{sandbox.url}/news"))).entries[:count]
    attempt.take_ended()
    return found


async def test_links_are_resolved_in_one_question(sandbox: Running, resolver: Resolver) -> None:
    """B5: a page for each link and one question for all; each target is on the site that the feed names."""
    found = await some_links(sandbox, resolver.attempt)
    ids = [entry.google_id or "" for entry in found]
    resolved = await resolve(resolver.links, ids)
    assert [one.id for one in resolved] == ids
    assert len({one.url for one in resolved}) == 3
    for one, entry in zip(resolved, found, strict=True):
        assert entry.source_domain
        assert entry.source_domain in (one.url or "")
    paths = [entry["path"] for entry in await sandbox.entries("news")]
    assert sum("batchexecute" in path for path in paths) == 1
    assert [settlement.state for settlement in resolver.attempt.take_ended()] == ["settled"] * 4


async def test_answers_in_another_order_find_their_links(sandbox: Running, resolver: Resolver) -> None:
    """B5, A3: an answer belongs to the link whose tag it carries, wherever it stands."""
    ids = [entry.google_id or "" for entry in await some_links(sandbox, resolver.attempt, 5)]
    plainly = await resolve(resolver.links, ids)
    number = await sandbox.fault("shuffled", provider="news")
    assert await resolve(resolver.links, ids) == plainly
    await sandbox.client.delete("/_control/faults", params={"id": number})
    assert await resolve(resolver.links, [ids[2], ids[0], ids[2]]) == [plainly[2], plainly[0], plainly[2]]


async def test_an_article_is_fetched_through_the_guarded_door(sandbox: Running, resolver: Resolver) -> None:
    """DG-9: from feed to link to page; a publisher that leads inwards or sends without end gets nowhere."""
    (entry,) = await some_links(sandbox, resolver.attempt, 1)
    (found,) = await resolve(resolver.links, [entry.google_id or ""])
    fetcher, types = Fetcher(allowed={("127.0.0.1", sandbox.port)}), {"text/html"}
    outcomes: list[int | str] = []
    for fault in (None, "forbidden", "private_redirect", "oversized"):
        if fault:
            await sandbox.fault(fault, provider="news", path="sites/*", times=1)
        call = Call(1, "article", "repeat", None)
        try:
            outcomes.append((await fetcher.fetch(call, found.url or "", types=types)).answer.status)
        except ProducerError as error:
            outcomes.append(error.code)
    assert outcomes == [200, 403, "refused_address", "too_large"]


LINK_FAULTS = [
    ("unsigned", "rss/articles/*", "unsigned", False),
    ("html502", "rss/articles/*", "http_502", True),
    ("drop", "rss/articles/*", "broken", True),
    ("unresolved", "*batchexecute", "no_target", False),
    ("html502", "*batchexecute", "http_502", True),
    ("cut", "*batchexecute", "broken", True),
]


async def test_a_link_that_cannot_be_resolved_is_an_answer(sandbox: Running, resolver: Resolver) -> None:
    """B5: whatever happens to a link, the article is not lost: it is unresolved, with a reason."""
    (entry,) = await some_links(sandbox, resolver.attempt, 1)
    assert entry.google_id
    for fault, path, reason, passing in LINK_FAULTS:
        await sandbox.fault(fault, provider="news", path=path, times=1)
        found = await resolve(resolver.links, [entry.google_id])
        assert found == [Resolution(entry.google_id, None, reason, passing)], fault


async def test_one_bad_link_does_not_spoil_the_others(sandbox: Running, resolver: Resolver) -> None:
    """B5: each link of a batch has its own end, an invented one and one that is no id too."""
    good, bad = [entry.google_id or "" for entry in await some_links(sandbox, resolver.attempt, 2)]
    await sandbox.fault("unsigned", provider="news", path=f"rss/articles/{bad}")
    strange = "../../etc/passwd"
    found = await resolve(resolver.links, [bad, good, strange])
    assert [one.url is not None for one in found] == [False, True, False]
    assert [one.reason for one in found] == ["unsigned", None, "malformed"]


async def test_who_is_taken_for_a_robot_is_told_to_pause(sandbox: Running, resolver: Resolver) -> None:
    """B5: the "sorry" page, the way to it and a plain 429 are one thing: an hour without resolving."""
    (entry,) = await some_links(sandbox, resolver.attempt, 1)
    for fault, path in (("sorry", "*"), ("rate_limited", "*"), ("sorry", "*batchexecute")):
        await sandbox.fault(fault, provider="news", path=path, times=1)
        with pytest.raises(RateLimited) as caught:
            await resolve(resolver.links, [entry.google_id or ""])
        assert (caught.value.code, caught.value.retry_after) == ("bot_check", timedelta(hours=1)), path
        assert caught.value.provider == "google_links"


async def test_the_pause_is_shared_and_costs_nothing(pool: asyncpg.Pool, employ: Employ) -> None:
    """B5, MD-19: all resolving waits, feeds go on, no attempt is used."""
    sorry = http(302, location="https://www.google.com/sorry/index?continue=x")
    async with serving({"*": sorry}) as server, google_links.open_http(server.url) as links:
        limits = [*google_links.limits(), *news.limits()]
        seen = await became(pool, employ, limits, lambda attempt: GoogleLinks(links, attempt).sign("CBMi_x"))
    assert (seen.state, seen.attempts) == ("waiting", 0)
    assert set(seen.paused) == {"google_links"}
    assert timedelta(minutes=59) < seen.paused["google_links"] <= timedelta(hours=1)


def test_the_question_is_one_form_for_all() -> None:
    """B5: a triple for each link, tagged by its number, with its own timestamp and signature."""
    ((first, second),) = json.loads(question({"CBMiA": (1, "sigA"), "CBMiB": (2, "sigB")}))
    assert (first[0], first[3], second[3]) == ("Fbv4je", "1", "2")
    assert json.loads(first[1])[0] == "garturlreq"
    assert json.loads(first[1])[-3:] == ["CBMiA", 1, "sigA"]
    assert json.loads(second[1])[-3:] == ["CBMiB", 2, "sigB"]


def batch(*frames: list[Any]) -> Answer:
    body = ")]}'\n\n" + json.dumps([*frames, ["di", 30], ["af.httprm", 30, "1", 9]])
    return Answer(200, httpx.Headers(), body.encode())


def frame(url: Any, tag: Any) -> list[Any]:
    return ["wrb.fr", "Fbv4je", json.dumps(["garturlres", url, 1]), None, None, None, tag]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (batch(frame("https://a.example/", "1"), frame("https://b.example/", "2")), {"A": "https://a.example/", "B": "https://b.example/"}),
        (batch(frame("https://b.example/", "2")), {"A": None, "B": "https://b.example/"}),
        (batch(frame("https://x.example/", "generic"), frame("https://y.example/", "generic")), {"A": None, "B": None}),
        (batch(frame("https://x.example/", "3"), frame("https://y.example/", "0")), {"A": None, "B": None}),
        (batch(frame("javascript:alert(1)", "1"), frame(None, "2")), {"A": None, "B": None}),
        (batch(["wrb.fr", "Fbv4je", "not json", None, "1"], ["wrb.fr", "Fbv4je", None, "2"]), {"A": None, "B": None}),
        (batch(), {"A": None, "B": None}),
        (Answer(200, httpx.Headers(), b")]}'\n\nnot json"), None),
        (Answer(200, httpx.Headers(), b""), None),
        (Answer(200, httpx.Headers(), b"[[" * 50_000), None),
    ],
)  # fmt: skip
def test_a_target_is_the_one_of_its_link_or_none(answer: Answer, expected: Any) -> None:
    """B5, A3: where it is not certain which link a target belongs to, there is none."""
    assert read_targets(["A", "B"], answer) == expected


def test_the_only_link_may_have_an_untagged_answer() -> None:
    """B5: with one link there is nothing to mix up."""
    assert read_targets(["A"], batch(frame("https://a.example/", "generic"))) == {"A": "https://a.example/"}


@given(st.binary(max_size=200))
def test_any_answer_of_the_resolver_is_read(body: bytes) -> None:
    """MD-7: no answer, however strange, is an untyped failure."""
    answer = Answer(200, httpx.Headers(), b")]}'\n\n[[" + body)
    assert read_targets(["A"], answer) in (None, {"A": None})
    assert isinstance(read_page(answer), str | tuple)


async def test_the_form_arrives_as_google_expects_it(attempt: Attempt) -> None:
    """B5: the question goes as the form field f.req, with the locale on the page, and no redirect is followed."""
    page = http(200, b'<c-wiz data-n-a-sg="AZ5r" data-n-a-ts="1790000000"></c-wiz>')
    answers = {
        "/rss/articles/CBMiA": page,
        "/rss/articles/CBMiB": http(302, location="https://consent.example/?continue=x"),
        "/_/DotsSplashUi/data/batchexecute": http(200, batch(frame("https://a.example/1", "1")).body),
    }
    async with serving(answers) as server, google_links.open_http(server.url, contact="ops@example.org") as pool:
        found = await resolve(GoogleLinks(pool, attempt), ["CBMiA", "CBMiB"])
    assert [(one.url, one.reason) for one in found] == [("https://a.example/1", None), (None, "http_302")]
    assert server.targets[0] == "/rss/articles/CBMiA?hl=en-US&gl=US&ceid=US%3Aen"
    assert server.targets[2] == "/_/DotsSplashUi/data/batchexecute?rpcids=Fbv4je"
    assert json.loads(parse_qs(server.asked[2].body.decode())["f.req"][0]) == json.loads(
        question({"CBMiA": (1790000000, "AZ5r")})
    )
    assert server.asked[0].headers["user-agent"] == "openbell/0.1 (+ops@example.org)"


async def test_too_many_links_at_once_is_a_mistake(attempt: Attempt) -> None:
    """B5: a bounded number of requests for each call; the caller divides."""
    async with google_links.open_http("http://127.0.0.1:1") as pool:
        with pytest.raises(ValueError, match="at most 20"):
            await GoogleLinks(pool, attempt).targets({f"CBMi{n}": (1, "sig") for n in range(21)})
