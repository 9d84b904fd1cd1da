"""The news simulator as feed readers and resolvers meet it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import feedparser
import httpx
import pytest

from openbell.sandbox.news import articles, query
from openbell.sandbox.news.articles import Article
from openbell.sandbox.news.subjects import BY_SYMBOL
from tests.sandbox.harness import Running

LOCALE = {"hl": "en-US", "gl": "US", "ceid": "US:en"}
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.fixture
async def sandbox(sandbox: Running) -> Running:
    """Its news stand still, so that no article appears between two calls."""
    answer = await sandbox.client.post("/_control/news/clock", json={"now": NOW.isoformat()})
    assert answer.json() == {"now": NOW.isoformat(), "stopped": True}
    return sandbox


async def google(sandbox: Running, words: str, **headers: str) -> httpx.Response:
    return await sandbox.client.get("/news/rss/search", params={"q": words, **LOCALE}, headers=headers)


async def yahoo(sandbox: Running, symbols: str, **headers: str) -> httpx.Response:
    params = {"s": symbols, "region": "US", "lang": "en-US"}
    return await sandbox.client.get("/news/rss/2.0/headline", params=params, headers=headers)


def parsed(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    feed = feedparser.parse(answer.content, response_headers={"content-type": answer.headers["content-type"]})
    assert not feed.bozo, feed.bozo_exception
    return feed


def of_week(symbol: str, now: datetime = NOW) -> list[Article]:
    return articles.between([BY_SYMBOL[symbol], *articles.around(BY_SYMBOL[symbol])[1:2]], now - WEEK, now)


# The content


@pytest.mark.parametrize("now", [NOW, NOW + timedelta(days=3), NOW - timedelta(days=200)])
def test_amount_per_week(now: datetime) -> None:
    """A company and its sector have 60 to 100 articles in any week, several on every day, from several papers."""
    for symbol in BY_SYMBOL:
        found = of_week(symbol, now)
        assert 60 <= len(found) <= 100, symbol
        days = {article.published.date() for article in found}
        assert len(days) >= 6
        assert len({article.publisher.name for article in found}) >= 6


def test_categories_stories_and_near_duplicates() -> None:
    """A week has every category, stories told by several papers, and copies that are almost but not quite alike."""
    found = articles.between(articles.around(BY_SYMBOL["AAPL"]), NOW - WEEK, NOW)
    assert {a.category for a in found} == {"earnings", "product", "legal", "sector", "macro", "unrelated"}
    stories: dict[str, list[Article]] = {}
    for article in found:
        stories.setdefault(article.story, []).append(article)
    assert len(stories) < 0.75 * len(found)
    pairs = [(one, other) for told in stories.values() for one, other in pairwise(told)]
    near = [(a, b) for a, b in pairs if set(a.paragraphs[:3]) == set(b.paragraphs[:3]) and a.paragraphs != b.paragraphs]
    anew = [(a, b) for a, b in pairs if a.paragraphs[1:] != b.paragraphs[1:] and a.headline != b.headline]
    assert len(near) >= 5
    assert len(anew) >= 3
    assert all(a.category == b.category for a, b in pairs)


def test_texts_are_filled_and_have_numbers() -> None:
    """No slot is left open, addresses differ, and news about companies has figures in it."""
    for symbol in ("AAPL", "SYN007", "NET"):
        found = of_week(symbol)
        for article in found:
            text = " ".join((article.headline, *article.paragraphs))
            assert "{" not in text
            assert "  " not in text
            assert article.category == "unrelated" or re.search(r"\d", text)
        assert len({article.path for article in found}) == len({article.uuid for article in found}) == len(found)


def test_versions_of_a_story_agree_on_their_figures() -> None:
    """Papers that tell the same story do not contradict each other: a price target has one old and one new value."""
    leads = [a for symbol in ("MSFT", "IBM", "FB", "AAPL") for a in of_week(symbol) if "$" in a.summary]
    targets = [a for a in leads if re.search(r"price target|shares at \$", a.summary)]
    figures = {a.story: set(re.findall(r"\$\d+", a.summary)) for a in targets}
    assert len(targets) > len(figures) > 3
    assert all(set(re.findall(r"\$\d+", a.summary)) == figures[a.story] for a in targets)


def test_articles_never_change() -> None:
    """What was published stays as it was: the same address gives the same article whatever day it is asked for."""
    before = of_week("IBM")
    articles.of_day.cache_clear()
    again = {article.key: article for article in of_week("IBM", NOW + timedelta(days=1))}
    common = [article for article in before if article.published > NOW + timedelta(days=1) - WEEK]
    assert len(common) > 30
    assert all(again[article.key] == article for article in common)
    assert all(articles.by_uuid(article.uuid) == article for article in before)


def test_common_words_attract_what_is_not_meant() -> None:
    """A search for a name that is a word finds some news about other things; a search for the symbol AAPL does not."""

    def unrelated(words: str) -> int:
        return sum(a.category == "unrelated" for a in query.search(query.parse(f"{words} when:7d", NOW)))

    assert unrelated("Apple") >= 3
    assert unrelated("NET stock") >= 3
    assert unrelated("ALL") >= 3
    assert unrelated("AAPL") == 0


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        ("Apple when:1d", lambda a: a.published > NOW - timedelta(days=1)),
        (
            "Apple after:2026-11-10 before:2026-11-12",
            lambda a: f"{a.published:%Y-%m-%d}" in ("2026-11-10", "2026-11-11"),
        ),
        ("Apple site:lanternwire.example", lambda a: a.publisher.name == "Lantern Wire"),
        ("intitle:Apple", lambda a: "apple" in a.headline.lower()),
        ('"price target" (AAPL OR MSFT)', lambda a: a.topic.symbol in ("AAPL", "MSFT") and a.category == "earnings"),
        ("Apple -harvest -pie -cider", lambda a: a.category != "unrelated"),
        ("inflation", lambda a: a.category == "macro"),
    ],
)
def test_query_words(words: str, holds: Any) -> None:
    """when:, after:, before:, site:, intitle:, phrases, OR and - narrow the search."""
    found = query.search(query.parse(words, NOW))
    assert found
    assert all(holds(article) for article in found)


# The feeds


async def test_google_feed(sandbox: Running) -> None:
    """B5: feedparser reads the search feed: titles with the publisher, opaque ids, sources, dates of the last days."""
    answer = await google(sandbox, "AAPL when:7d")
    feed = parsed(answer)
    assert answer.headers["x-data-class"] == "synthetic; invented news"
    assert "Synthetic" in feed.feed.rights
    assert 50 <= len(feed.entries) <= 100
    for entry in feed.entries:
        assert entry.id.startswith("CBMi")
        assert not entry.guidislink
        assert entry.link == f"{sandbox.url}/news/rss/articles/{entry.id}?oc=5"
        assert entry.title.endswith(f" - {entry.source.title}")
        assert entry.source.href.endswith(".example")
        assert entry.published.endswith("GMT")
        assert NOW - WEEK <= datetime(*entry.published_parsed[:6], tzinfo=UTC) <= NOW
        assert 'color="#6f6f6f"' in entry.summary or entry.summary.startswith("<ol>")
    assert len({entry.id for entry in feed.entries}) == len(feed.entries)
    clusters = [entry for entry in feed.entries if entry.summary.startswith("<ol>")]
    assert clusters
    assert all(entry.summary.count("<li>") >= 3 for entry in clusters)


async def test_google_feed_has_at_most_100_entries(sandbox: Running) -> None:
    """B5: there is no paging; what is beyond 100 entries cannot be seen."""
    assert len(parsed(await google(sandbox, "AAPL OR MSFT OR IBM")).entries) == 100


async def test_yahoo_feed(sandbox: Running) -> None:
    """B5: the headlines of two symbols: plain titles, UUIDs, tracking parameters, no source, some redirects."""
    feed = parsed(await yahoo(sandbox, "AAPL,MSFT"))
    assert 20 <= len(feed.entries) <= 40
    for entry in feed.entries:
        assert re.fullmatch(r"[0-9a-f-]{36}", entry.id)
        assert entry.link.endswith("?.tsrc=rss")
        assert entry.published.endswith("+0000")
        assert "source" not in entry
        assert "<" not in entry.summary
    assert {urlsplit(entry.link).path.split("/")[2] for entry in feed.entries} == {"m", "sites"}
    stamps = [entry.published_parsed for entry in feed.entries]
    assert stamps == sorted(stamps, reverse=True)


async def test_unknown_symbol_is_an_empty_feed(sandbox: Running) -> None:
    """A symbol that nobody writes about has a feed without entries, not an error."""
    assert parsed(await yahoo(sandbox, "ZZZZ")).entries == []
    assert parsed(await google(sandbox, "ZZZZ")).entries == []


async def test_conditional_get(sandbox: Running) -> None:
    """An unchanged feed answers 304 to its tag and to its date, without a body; a changed tag gets it whole."""
    first = await google(sandbox, "IBM when:1d")
    tagged = await google(sandbox, "IBM when:1d", **{"if-none-match": first.headers["etag"]})
    dated = await google(sandbox, "IBM when:1d", **{"if-modified-since": first.headers["last-modified"]})
    other = await google(sandbox, "IBM when:1d", **{"if-none-match": 'W/"other"'})
    assert [answer.status_code for answer in (tagged, dated, other)] == [304, 304, 200]
    assert tagged.content == dated.content == b""
    assert tagged.headers["etag"] == first.headers["etag"]
    assert [entry["bytes"] for entry in await sandbox.entries("news")][1:3] == [0, 0]


async def test_gzip_only_when_accepted(sandbox: Running) -> None:
    """A feed is compressed for those who take it, and the ledger counts what went over the wire."""
    packed = await google(sandbox, "IBM", **{"accept-encoding": "gzip"})
    plain = await google(sandbox, "IBM", **{"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content
    small, large = [entry["bytes"] for entry in await sandbox.entries("news")]
    assert small < large / 4
    assert large == len(plain.content)


@pytest.mark.parametrize("fetch", [google, yahoo])
async def test_feed_faults_in_entries(sandbox: Running, fetch: Any) -> None:
    """Repeated guids, edited titles under the same guid, missing dates and no entries at all arrive as scripted."""
    good = parsed(await fetch(sandbox, "MSFT")).entries
    for kind, rows in (("repeated_guid", 10), ("edited_title", 1), ("missing_date", 3), ("empty", 250)):
        await sandbox.fault(kind, provider="news", path="rss/*", times=1, rows=rows)
    repeated = parsed(await fetch(sandbox, "MSFT")).entries
    assert [entry.id for entry in repeated[:10]] == [good[0].id] * 10
    assert repeated[10].id == good[10].id
    assert len({entry.title for entry in repeated[:10]}) > 3
    edited = parsed(await fetch(sandbox, "MSFT")).entries
    assert [entry.id for entry in edited] == [entry.id for entry in good]
    assert [n for n, entry in enumerate(edited) if entry.title != good[n].title] == [0]
    undated = parsed(await fetch(sandbox, "MSFT")).entries
    assert [n for n, entry in enumerate(undated) if "published" not in entry] == [0, 1, 2]
    assert parsed(await fetch(sandbox, "MSFT")).entries == []


async def test_latin1(sandbox: Running) -> None:
    """A feed in the old encoding says so in its first line only; read by its bytes it holds the same words."""
    words = "Courrier OR Lantern intitle:IBM"
    good = parsed(await google(sandbox, f"IBM {words}"))
    await sandbox.fault("latin1", provider="news", symbol="IBM", times=1)
    answer = await google(sandbox, f"IBM {words}")
    old = parsed(answer)
    assert b'encoding="ISO-8859-1"' in answer.content
    assert b"March\xe9s" in answer.content
    assert [entry.title for entry in old.entries] == [entry.title for entry in good.entries]


async def test_broken_xml_and_html_instead(sandbox: Running) -> None:
    """A feed that ends in the middle is 200 and does not parse as a whole; a consent page is 200 and is no feed."""
    await sandbox.fault("broken_xml", provider="news", path="rss/search", times=1)
    broken = feedparser.parse((await google(sandbox, "IBM")).content)
    assert broken.bozo
    assert broken.entries
    await sandbox.fault("html", provider="news", path="rss/search", times=1)
    page = await google(sandbox, "IBM")
    assert (page.status_code, page.headers["content-type"][:9]) == (200, "text/html")
    assert feedparser.parse(page.content).entries == []


async def test_moved_for_ever(sandbox: Running) -> None:
    """A feed that has moved answers 301, and its new address has the same entries, even while the fault is in force."""
    good = await google(sandbox, "IBM when:2d")
    await sandbox.fault("moved", provider="news")
    moved = await google(sandbox, "IBM when:2d")
    assert (moved.status_code, moved.content) == (301, b"")
    there = await sandbox.client.get(moved.headers["location"])
    assert [e.id for e in parsed(there).entries] == [e.id for e in parsed(good).entries]


@pytest.mark.parametrize("fetch", [google, yahoo])
async def test_rate_limited(sandbox: Running, fetch: Any) -> None:
    """429 comes with Retry-After only when the script says so."""
    await sandbox.fault("rate_limited", provider="news", times=1)
    await sandbox.fault("rate_limited", provider="news", times=1, retry_after_s=90)
    bare, told = await fetch(sandbox, "IBM"), await fetch(sandbox, "IBM")
    assert (bare.status_code, told.status_code) == (429, 429)
    assert "retry-after" not in bare.headers
    assert told.headers["retry-after"] == "90"


# The way from an opaque link to its article


def attributes(page: httpx.Response) -> tuple[str, int, str]:
    found = [re.search(f'data-n-a-{name}="([^"]+)"', page.text) for name in ("id", "ts", "sg")]
    identity, stamp, signed = [one[1] for one in found if one]
    return identity, int(stamp), signed


async def batch(sandbox: Running, asked: list[tuple[str, int, str]]) -> httpx.Response:
    calls = [
        ["Fbv4je", json.dumps(["garturlreq", [["X"]], identity, stamp, signed]), None, str(number)]
        for number, (identity, stamp, signed) in enumerate(asked, 1)
    ]
    path = "/news/_/DotsSplashUi/data/batchexecute"
    return await sandbox.client.post(path, data={"f.req": json.dumps([calls])})


def addresses(answer: httpx.Response) -> dict[str, str | None]:
    guard, body = answer.text.split("\n\n", 1)
    assert guard == ")]}'"
    rows = [row for row in json.loads(body) if row[0] == "wrb.fr"]
    assert all(row[1] == "Fbv4je" for row in rows)
    return {row[6]: json.loads(row[2])[1] if row[2] else None for row in rows}


async def links_of(sandbox: Running, words: str, count: int) -> list[str]:
    return [entry.link for entry in parsed(await google(sandbox, words)).entries[:count]]


async def test_links_are_resolved_in_two_steps(sandbox: Running) -> None:
    """B5: page, signature, one POST for several ids: each gets its article's address on its publisher's site."""
    feed = parsed(await google(sandbox, "IBM"))
    asked = [attributes(await sandbox.client.get(e.link, params=LOCALE)) for e in feed.entries[:3]]
    assert [identity for identity, _, _ in asked] == [entry.id for entry in feed.entries[:3]]
    found = addresses(await batch(sandbox, asked))
    assert sorted(found) == ["1", "2", "3"]
    for label, entry in zip("123", feed.entries, strict=False):
        address = str(found[label])
        assert urlsplit(entry.source.href).hostname == f"www.{address.split('/')[5]}"
        page = await sandbox.client.get(address)
        assert page.status_code == 200
        assert entry.title.removesuffix(f" - {entry.source.title}") in page.text.replace("&#x27;", "'").replace(
            "&amp;", "&"
        )


async def test_link_without_locale_is_redirected(sandbox: Running) -> None:
    """A link without locale parameters leads to itself with them."""
    [link] = await links_of(sandbox, "IBM", 1)
    answer = await sandbox.client.get(link)
    assert answer.status_code == 302
    assert attributes(await sandbox.client.get(answer.headers["location"]))


async def test_wrong_signatures_have_no_address(sandbox: Running) -> None:
    """A wrong, foreign or outdated signature spoils its own id only; a form that is none is a 400."""
    good, other = [
        attributes(await sandbox.client.get(link, params=LOCALE)) for link in await links_of(sandbox, "FB", 2)
    ]
    asked = [
        good,
        (good[0], good[1], "wrong"),
        (good[0], *other[1:]),
        (good[0], good[1] - 90_000, good[2]),
        ("CBMiX", 1, ""),
    ]
    found = addresses(await batch(sandbox, asked))
    assert found["1"] is not None
    assert [found[label] for label in "2345"] == [None] * 4
    path = "/news/_/DotsSplashUi/data/batchexecute"
    for form in ("", "[]", "[[1]]", '[[["other","[]"]]]'):
        assert (await sandbox.client.post(path, data={"f.req": form})).status_code == 400


async def test_resolver_faults(sandbox: Running) -> None:
    """The sorry page is a redirect to a 429; a page without attributes, an unresolved id and another order are 200."""
    [link] = await links_of(sandbox, "IBM", 1)
    await sandbox.fault("sorry", provider="news", path="rss/articles/*", times=1)
    sent = await sandbox.client.get(link, params=LOCALE)
    sorry = await sandbox.client.get(sent.headers["location"])
    assert (sent.status_code, sorry.status_code) == (302, 429)
    assert "automated queries" in sorry.text
    await sandbox.fault("unsigned", provider="news", path="rss/articles/*", times=1)
    bare = await sandbox.client.get(link, params=LOCALE)
    assert bare.status_code == 200
    assert "data-n-a" not in bare.text
    asked = attributes(await sandbox.client.get(link, params=LOCALE))
    await sandbox.fault("unresolved", provider="news", path="_/*", times=1)
    assert addresses(await batch(sandbox, [asked])) == {"1": None}
    await sandbox.fault("shuffled", provider="news", path="_/*", times=1)
    assert list(addresses(await batch(sandbox, [asked, asked]))) == ["2", "1"]


async def test_made_up_links_are_not_found(sandbox: Running) -> None:
    """An address that no feed gave out is a 404."""
    zero = "00000000-0000-0000-0000-000000000000"
    for path in ("rss/articles/CBMiabc", f"m/{zero}/x.html", f"sites/lanternwire.example/2026/11/20/x-{zero}", "x"):
        assert (await sandbox.client.get(f"/news/{path}", params=LOCALE)).status_code == 404


# The articles


async def address_of(sandbox: Running, **publisher: bool) -> str:
    """An article of a publisher with or without paywall and banner."""
    [name, value] = next(iter(publisher.items()))
    for article in articles.between([BY_SYMBOL["AAPL"]], NOW - WEEK, NOW):
        if getattr(article.publisher, name) is value:
            return f"/news/sites/{article.publisher.domain}/{article.path}"
    raise AssertionError(name)


async def test_article_page(sandbox: Running) -> None:
    """An article stands amid navigation, newsletter, related links and a footer, and says that it is synthetic."""
    address = await address_of(sandbox, paywall=False)
    page = await sandbox.client.get(address)
    assert page.headers["x-data-class"] == "synthetic; invented news"
    article = articles.by_uuid(UUID(address.rpartition("-")[2]))
    assert article is not None
    assert all(paragraph.replace("&", "&amp;") in page.text for paragraph in article.paragraphs)
    for mark in (
        "<nav>",
        "newsletter",
        "More from us",
        "<footer>",
        "Synthetic",
        "application/ld+json",
        'rel="canonical"',
    ):
        assert mark in page.text
    [entry] = await sandbox.entries("news")
    assert entry["symbols"] == ["AAPL"]


async def test_paywall_and_banner(sandbox: Running) -> None:
    """A paper with a paywall shows two paragraphs; a paper with a banner asks about cookies first."""
    closed = (await sandbox.client.get(await address_of(sandbox, paywall=True))).text
    assert "Subscribe to keep reading" in closed
    assert closed.split('class="article-body"')[1].split('class="paywall"')[0].count("<p>") == 2
    banner = (await sandbox.client.get(await address_of(sandbox, banner=True))).text
    assert banner.index("cookie-banner") < banner.index("<h1>")


async def test_page_faults(sandbox: Running) -> None:
    """Pages fail as scripted."""
    address = await address_of(sandbox, paywall=False)
    for kind, status, words in (
        ("forbidden", 403, "Forbidden"),
        ("not_found", 404, "Not Found"),
        ("gone", 410, "Gone"),
        ("html502", 502, "Bad Gateway"),
        ("paywall", 200, "Subscribe to keep reading"),
        ("cookie_wall", 200, "accept all cookies"),
    ):
        await sandbox.fault(kind, provider="news", path="sites/*", times=1)
        answer = await sandbox.client.get(address)
        assert answer.status_code == status
        assert words in answer.text


async def test_dangerous_pages(sandbox: Running) -> None:
    """A page can lead to an address inside the network, or be larger than anybody should read."""
    address = await address_of(sandbox, paywall=False)
    await sandbox.fault("private_redirect", provider="news", path="sites/*", times=1)
    assert (await sandbox.client.get(address)).headers["location"].startswith("http://169.254.169.254/")
    await sandbox.fault("oversized", provider="news", path="sites/*", times=1)
    assert len((await sandbox.client.get(address)).content) > 10_000_000


async def test_redirecting_address(sandbox: Running) -> None:
    """The feed's own address of an article is a redirect to its publisher's page."""
    feed = parsed(await yahoo(sandbox, "AAPL"))
    link = next(entry.link for entry in feed.entries if "/m/" in entry.link)
    answer = await sandbox.client.get(link)
    assert answer.status_code == 302
    assert (await sandbox.client.get(answer.headers["location"])).status_code == 200


async def test_time_is_real_unless_stopped(sandbox: Running) -> None:
    """The feeds end at the moment at which the clock was stopped, and now once it goes on; nonsense is a 400."""
    stopped = parsed(await google(sandbox, "IBM")).entries[0]
    assert datetime(*stopped.published_parsed[:6], tzinfo=UTC) <= NOW
    for senseless in ({"now": "noon"}, {"now": 1}, {}, []):
        assert (await sandbox.client.post("/_control/news/clock", json=senseless)).status_code == 400
    going = (await sandbox.client.post("/_control/news/clock", json={"now": None})).json()
    assert abs(datetime.fromisoformat(going["now"]) - datetime.now(UTC)) < timedelta(minutes=1)
    newest = parsed(await google(sandbox, "IBM")).entries[0]
    assert (
        datetime.now(UTC) - timedelta(days=3) < datetime(*newest.published_parsed[:6], tzinfo=UTC) <= datetime.now(UTC)
    )
