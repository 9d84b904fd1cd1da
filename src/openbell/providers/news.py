"""News feeds: RSS and Atom, in the shapes of Google News and Yahoo Finance, and any other that feedparser reads.

One GET a poll, through the guarded fetcher, since feeds and where they redirect to are addresses from outside. What
comes back is rows, whether anything has changed, or a typed failure of this one feed: a feed that fails says nothing
about the others, so it pauses nobody else and opens no breaker.
"""

from __future__ import annotations

import asyncio
import html
import io
import re
from calendar import timegm
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import quote, urlencode, urlsplit, urlunsplit
from xml.sax import SAXException

import feedparser  # type: ignore[import-untyped]

from openbell.engine.attempt import Attempt
from openbell.engine.errors import Permanent, ProducerError, Transient, Waiting
from openbell.engine.ledger import Limit
from openbell.providers import wire
from openbell.providers.outbound import Fetched, Fetcher
from openbell.providers.pauses import asked_pause

GOOGLE = "https://news.google.com"
YAHOO = "https://feeds.finance.yahoo.com"

TIMEOUT_S = 15.0
MOST_BYTES = 4 * 1024 * 1024
MOST_ENTRIES = 1_000
LONGEST_TITLE, LONGEST_TEXT, LONGEST_LINK = 500, 2_000, 4_000
PAUSE = timedelta(minutes=10)
"""How long a feed is left alone that asks for fewer calls and does not say until when."""


def limits(calls_per_minute: int = 60) -> list[Limit]:
    """How often feeds are asked, all of them together. No publisher sets a limit; this one is for politeness."""
    return [Limit("news", "calls", "minute", calls_per_minute, span=timedelta(minutes=1))]


@dataclass(frozen=True, slots=True)
class Feed:
    """Where to ask, and the name under which its entries are known for good."""

    name: str
    url: str


def google_search(query: str, *, base: str = GOOGLE, language: str = "en-US", country: str = "US") -> Feed:
    """Google News for a query: at most 100 entries. It may hold `when:7d`, `after:`, `before:`, `site:`, `intitle:`."""
    where = {"hl": language, "gl": country, "ceid": f"{country}:{language.partition('-')[0]}"}
    return Feed(f"google {query}", f"{base}/rss/search?{urlencode({'q': query, **where})}")


def yahoo_headlines(symbols: Sequence[str], *, base: str = YAHOO) -> Feed:
    """The headlines of Yahoo Finance for some symbols, about twenty each."""
    named = ",".join(symbols)
    return Feed(f"yahoo {named}", f"{base}/rss/2.0/headline?s={quote(named, safe=',')}&region=US&lang=en-US")


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a feed. Texts are plain and one line each; times are UTC.

    Who stores it decides by a policy of the feed what makes two entries the same: (feed, guid), the canonical address,
    or :attr:`title_day`. Within one fetch entries are never merged: a feed that repeats one ``guid`` for all its items
    is known, and ``guid_repeats`` says that it has happened.
    """

    feed: str
    guid: str | None
    guid_repeats: bool
    title: str
    publisher: str | None
    link: str | None
    google_id: str | None
    published: datetime | None
    source_domain: str | None
    summary: str

    @property
    def title_day(self) -> str:
        """The title without case and punctuation, and the day it was published, such as `2026-11-03 apple rises`."""
        words = " ".join(re.findall(r"\w+", self.title.casefold()))
        return f"{self.published:%Y-%m-%d} {words}" if self.published else words


@dataclass(frozen=True, slots=True)
class Poll:
    """What a look at a feed has brought. ``etag`` and ``modified`` belong into the next look, ``moved_to`` for good."""

    state: Literal["changed", "unchanged"]
    entries: list[Entry]
    etag: str | None
    modified: str | None
    moved_to: str | None


class News:
    """Feeds as one attempt may ask them."""

    def __init__(self, fetcher: Fetcher, attempt: Attempt) -> None:
        self._fetcher, self._attempt = fetcher, attempt

    async def poll(self, feed: Feed, *, etag: str | None = None, modified: str | None = None) -> Poll:
        """One look at a feed, with what the last one has brought. A feed without entries is no failure.

        Raises, beside the errors of :meth:`Fetcher.fetch`, :class:`Waiting` `feed_rate_limited`, :class:`Permanent`
        `feed_gone` and `feed_http_…`, :class:`Transient` `feed_outage`, `feed_empty`, `feed_is_html`, `feed_broken`.
        """
        known = {"if-none-match": etag, "if-modified-since": modified}
        headers = {name: value for name, value in known.items() if value is not None}
        timeout = wire.call_time(TIMEOUT_S)
        async with self._attempt.spends("news").call("feed", timeout=timeout, slow=2 * timeout, bytes=200_000) as call:
            fetched = await self._fetcher.fetch(
                call, feed.url, headers=headers, most_bytes=MOST_BYTES, most_seconds=TIMEOUT_S
            )
            answer = fetched.answer
            if answer.status != 200 and not (answer.status == 304 and headers):
                raise refusal(feed.name, answer.status, answer.headers)
            entries = [] if answer.status == 304 else await asyncio.to_thread(read_feed, feed.name, fetched)
        host = urlsplit(fetched.url).netloc
        self._attempt.cite(provider="news", operation="feed", host=host, synthetic=answer.synthetic)
        state: Literal["changed", "unchanged"] = "unchanged" if answer.status == 304 else "changed"
        tag = answer.headers.get("etag") or (etag if state == "unchanged" else None)
        since = answer.headers.get("last-modified") or (modified if state == "unchanged" else None)
        return Poll(state, entries, tag, since, fetched.moved_to)


def refusal(name: str, status: int, headers: Mapping[str, str]) -> ProducerError:
    """What a feed means by a status that brings no entries."""
    asked = asked_pause(headers)
    if status == 429:
        return Waiting(f"The feed {name} asks for fewer calls.", code="feed_rate_limited", retry_after=asked or PAUSE)
    if status >= 500:
        return Transient(f"The feed {name} is out of order (HTTP {status}).", code="feed_outage", retry_after=asked)
    if status == 410:
        return Permanent(f"The feed {name} has been given up by its publisher; remove it.", code="feed_gone")
    return Permanent(f"The feed {name} cannot be had (HTTP {status}).", code=f"feed_http_{status}")


def read_feed(name: str, fetched: Fetched) -> list[Entry]:
    """The entries of an answer, in its order. Raises :class:`Transient` when it is no whole feed."""
    body = fetched.answer.body
    if not body.strip():
        raise Transient(f"The feed {name} answered with nothing.", code="feed_empty")
    if _HTML.match(body[:2_000]):
        raise Transient(f"The feed {name} answered with a web page.", code="feed_is_html")
    headers = {"content-type": fetched.answer.headers.get("content-type", ""), "content-location": fetched.url}
    try:
        # A stream, never the bytes themselves: what looks like the name of a file would be opened.
        parsed = feedparser.parse(io.BytesIO(body), response_headers=headers)
    except PARSER_FAULTS as error:
        said = f"The feed {name} holds what no feed may hold ({type(error).__name__})."
        raise Transient(said, code="feed_broken") from error
    is_cut = isinstance(parsed.get("bozo_exception"), SAXException) and not _WHOLE.search(body[-500:])
    if is_cut or not parsed.get("version"):
        raise Transient(f"The feed {name} is broken or cut short.", code="feed_broken")
    items = parsed.entries[:MOST_ENTRIES]
    guids = Counter(item.get("id") for item in items)
    channel = plain(parsed.feed.get("title", ""))[:LONGEST_TITLE]
    return [_entry(name, fetched.url, channel, item, repeats=guids[item.get("id")] > 1) for item in items]


PARSER_FAULTS = (ValueError, LookupError, OverflowError, RecursionError, TypeError, AttributeError, AssertionError)
"""What the library lets through where a feed means harm, such as a reference to half a letter."""
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S
)
_WHOLE = re.compile(rb"</(?:rss|feed|(?:\w+:)?rdf)\s*>\s*(?:<!--.*?-->\s*)*$", re.I | re.S)
_GOOGLE_LINK = re.compile(r"/(?:rss/)?(?:articles|read)/([A-Za-z0-9_-]{8,2000})$")


def _entry(feed: str, url: str, channel: str, item: Any, *, repeats: bool) -> Entry:
    source = item.get("source") or {}
    title, publisher = split_title(plain(item.get("title", "")), plain(source.get("title", "")) or None)
    link = plain_link(str(item.get("link", "")))
    if publisher is None and _is_number(link):
        publisher = channel or None
    ours = link is not None and urlsplit(link).netloc == urlsplit(url).netloc
    token = _GOOGLE_LINK.search(urlsplit(link).path) if ours and link else None
    guid = str(item.get("id") or "")[:LONGEST_LINK] or None
    return Entry(
        feed=feed,
        guid=guid,
        guid_repeats=repeats and guid is not None,
        title=title[:LONGEST_TITLE],
        publisher=publisher,
        link=link,
        google_id=token[1] if token else None,
        published=_utc(item.get("published_parsed")) or _utc("updated_parsed" in item and item["updated_parsed"]),
        source_domain=_domain(str(source.get("href", ""))) or (None if token else _domain(link or "")),
        summary=plain(item.get("summary", ""))[:LONGEST_TEXT],
    )


def split_title(title: str, publisher: str | None) -> tuple[str, str | None]:
    """Headline and publisher of a title such as `Apple rises - Reuters`, where the feed names the publisher as well."""
    if publisher and title.endswith(f" - {publisher}"):
        return title.removesuffix(f" - {publisher}").strip(), publisher
    return title, publisher


def plain(text: str) -> str:
    """Text without tags, entities and control characters, on one line."""
    bare = html.unescape(re.sub(r"<[^>]{0,5000}>", " ", text))
    return " ".join("".join(letter if letter.isprintable() else " " for letter in bare).split())


def plain_link(link: str) -> str | None:
    """The link without the mark of the feed (`.tsrc`) and without fragment; None where it leads to no web page."""
    try:
        parts = urlsplit(link.strip())
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc or len(link) > LONGEST_LINK or not link.isprintable():
        return None
    query = "&".join(pair for pair in parts.query.split("&") if pair and not pair.startswith(".tsrc="))
    return urlunsplit(parts._replace(query=query, fragment=""))


def _domain(link: str) -> str | None:
    try:
        host = urlsplit(link).hostname
    except ValueError:
        return None
    return host.removeprefix("www.")[:253] if host else None


def _is_number(link: str | None) -> bool:
    """Whether the host is an address in figures, which names nobody; the feed's own title does then."""
    try:
        ip_address(_domain(link or "") or "")
    except ValueError:
        return False
    return True


def _utc(parsed: Any) -> datetime | None:
    """The time, if it can be that of news: feeds have been seen to say year 0 and year 9999."""
    return datetime.fromtimestamp(timegm(parsed), UTC) if parsed and 1990 <= parsed[0] < 2100 else None
