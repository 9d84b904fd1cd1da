"""Two news feeds, the way from their opaque links to the articles, and the articles.

Below /news, as below the real hosts (spec domain.md B5):

    rss/search?q=                                  Google News: at most 100 entries, newest first, 30 days back
    rss/articles/ID, articles/ID, read/ID          what an opaque link leads to: signature and timestamp
    _/DotsSplashUi/data/batchexecute               POST: addresses for signed identities, several at a time
    rss/2.0/headline?s=AAPL,MSFT                   Yahoo Finance: the newest 20 of each symbol
    m/UUID/SLUG.html                               a redirect to the article
    sites/DOMAIN/YYYY/MM/DD/SLUG-UUID              the article on its publisher's site

Time is real, unless POST /_control/news/clock {"now": "2026-11-20T15:00:00Z"} stops it there; null lets it go on.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from openbell.sandbox.house import House
from openbell.sandbox.ledger import symbols_of
from openbell.sandbox.news import articles, links, pages, query, rss
from openbell.sandbox.news.articles import Article
from openbell.sandbox.news.pages import Page
from openbell.sandbox.news.rss import Item
from openbell.sandbox.news.subjects import BY_SYMBOL
from openbell.sandbox.simulator import Answer, Call, Simulator

GOOGLE_ITEMS_MAX = 100
YAHOO_ITEMS_PER_SYMBOL = 20
YAHOO_SYMBOLS_MAX = 20
YAHOO_DAYS = 7
GZIP_BYTES_MIN = 500
OVERSIZED_BYTES = 12_000_000
CONTROL_BODY_BYTES_MAX = 10_000
HTML = "text/html; charset=utf-8"
LOCALE = "hl=en-US&gl=US&ceid=US:en"

# Faults. `rows` says how many entries of a feed the first three touch.
#   repeated_guid, missing_date, edited_title (the same guid)
#   latin1, empty, broken_xml (ends in the middle), html (a consent page with status 200), moved (301, works from there)
FEED_KINDS = ("repeated_guid", "missing_date", "edited_title", "latin1", "empty", "broken_xml", "html", "moved")
#   sorry (302 to a page with status 429), unsigned (no attributes), unresolved (no address), shuffled (another order)
LINK_KINDS = ("sorry", "unsigned", "unresolved", "shuffled")
#   forbidden, not_found, gone (403, 404, 410), paywall, cookie_wall, private_redirect (to an address inside), oversized
PAGE_KINDS = ("forbidden", "not_found", "gone", "paywall", "cookie_wall", "private_redirect", "oversized")
#   everywhere: rate_limited (429), html502
_STATUS = {
    "forbidden": (403, "Forbidden"),
    "not_found": (404, "Not Found"),
    "gone": (410, "Gone"),
}


class News(Simulator):
    """Everything below /news. The feeds hold what was published up to now."""

    name = "news"
    mount = "/news"
    data_class = "synthetic; invented news"
    kinds = frozenset((*FEED_KINDS, *LINK_KINDS, *PAGE_KINDS, "rate_limited", "html502"))

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._stopped_at: datetime | None = None
        for prefix in ("", "moved/"):
            self.on("GET", f"{prefix}rss/search", self.search)
            self.on("GET", f"{prefix}rss/2.0/headline", self.headlines)
        for path in ("rss/articles/{id}", "articles/{id}", "read/{id}"):
            self.on("GET", path, self.link)
        self.on("POST", "_/DotsSplashUi/data/batchexecute", self.resolve)
        self.on("GET", "sorry/index", self.sorry)
        self.on("GET", "m/{rest:path}", self.redirect)
        self.on("GET", "sites/{domain}/{rest:path}", self.article)

    def subjects(self, call: Call) -> list[str]:
        """The symbols asked for, or the company that an article is about."""
        if "s" in call.params:
            return symbols_of(call.params["s"].split(","))
        if "q" in call.params:
            return query.symbols(query.companies(query.parse(call.params["q"], self._now())))
        page = pages.at(f"/{call.path}") if call.path.startswith(("sites/", "m/")) else None
        return query.symbols([page.article.topic]) if page and page.article else []

    def unknown(self, call: Call) -> Answer:  # noqa: ARG002 - the same for all
        """A path that does not exist is an HTML page."""
        return self._page(pages.NOT_FOUND)

    def control(self) -> Sequence[BaseRoute]:
        """Read and stop the clock."""
        return [Route("/clock", self._clock, methods=["GET", "POST"])]

    async def search(self, call: Call) -> Answer:
        """Google News."""
        words = call.params.get("q", "")
        found = query.search(query.parse(words, self._now()))[:GOOGLE_ITEMS_MAX]
        base = self._base(call)
        items = _twisted(call, rss.google_items(found, base))
        return self._feed(call, rss.google_feed(items, words, base), found)

    async def headlines(self, call: Call) -> Answer:
        """Yahoo Finance."""
        symbols, now = self.subjects(call)[:YAHOO_SYMBOLS_MAX], self._now()
        found: dict[tuple[int, int, int], Article] = {}
        for topic in (BY_SYMBOL[symbol] for symbol in symbols if symbol in BY_SYMBOL):
            recent = articles.between(articles.around(topic), now - timedelta(days=YAHOO_DAYS), now)
            found |= {article.key: article for article in recent[:YAHOO_ITEMS_PER_SYMBOL]}
        newest_first = sorted(found.values(), key=lambda article: (article.published, article.key), reverse=True)
        base = self._base(call)
        items = _twisted(call, rss.yahoo_items(newest_first, base))
        return self._feed(call, rss.yahoo_feed(items, symbols, base), newest_first)

    async def link(self, call: Call) -> Answer:
        """The page of an opaque link. Without a locale it is a redirect to the same with one."""
        if (odd := self._twisted_answer(call)) is not None:
            return odd
        identity = call.arguments["id"]
        uuid = links.uuid_of(identity)
        if uuid is None or articles.by_uuid(uuid) is None:
            return self._page(pages.NOT_FOUND)
        if "hl" not in call.params:
            return self._redirect(f"{self._base(call)}/{call.path}?{LOCALE}")
        stamp = int(self._now().timestamp())
        return self._page(Page(200, pages.link_page(identity, stamp, signed=not call.meets("unsigned"))))

    async def resolve(self, call: Call) -> Answer:
        """The addresses of signed identities; one that is wrong has none, the others have theirs."""
        if (odd := self._twisted_answer(call)) is not None:
            return odd
        try:
            asked = links.wanted(parse_qs(call.body.decode())["f.req"][0])
        except (links.BadForm, KeyError, UnicodeDecodeError):
            return self._page(Page(400, pages.plain(400, "Bad Request")))
        base = self._base(call)
        results = [
            (None if call.meets("unresolved") else self._target(identity, stamp, given, base), label)
            for identity, stamp, given, label in asked
        ]
        if call.meets("shuffled"):
            results.reverse()
        return Answer(200, links.batch(results), "application/json; charset=utf-8", self.labelled())

    async def sorry(self, call: Call) -> Answer:  # noqa: ARG002 - an operation like any other
        """Where unattended clients are sent."""
        return self._page(Page(429, pages.SORRY))

    async def redirect(self, call: Call) -> Answer:
        """From the feed's own address to the publisher's."""
        if (odd := self._twisted_answer(call)) is not None:
            return odd
        target = pages.moved(call.arguments["rest"])
        if target is None:
            return self._page(pages.NOT_FOUND)
        return self._redirect(rss.site_address(target, self._base(call)))

    async def article(self, call: Call) -> Answer:
        """A page of a publisher."""
        if (odd := self._twisted_answer(call)) is not None:
            return odd
        page = pages.site(call.arguments["domain"], call.arguments["rest"])
        if page.article is not None and call.meets("paywall"):
            page = Page(200, pages.article_html(page.article, paywall=True))
        elif page.article is not None and call.meets("cookie_wall"):
            page = Page(200, pages.cookie_wall(page.article))
        elif call.meets("oversized"):
            page = replace(page, html=page.html + "<!-- " + "x" * OVERSIZED_BYTES + " -->")
        return self._page(page)

    def _target(self, identity: str, stamp: int, given: str, base: str) -> str | None:
        uuid = links.uuid_of(identity)
        found = articles.by_uuid(uuid) if uuid else None
        if found is None or not links.is_signed(identity, stamp, given, self._now().timestamp()):
            return None
        tracking = f"?{found.publisher.tracking}" if found.publisher.tracking else ""
        return rss.site_address(found, base) + tracking

    def _feed(self, call: Call, document: str, found: Sequence[Article]) -> Answer:
        if (odd := self._twisted_answer(call)) is not None:
            return odd
        if call.meets("html"):
            return self._page(Page(200, pages.CONSENT))
        if call.meets("broken_xml"):
            document = document[: len(document) * 2 // 3]
        body = rss.as_latin1(document) if call.meets("latin1") else document.encode()
        headers = self.labelled({"etag": f'W/"{hashlib.sha256(body).hexdigest()[:24]}"', "cache-control": "private"})
        newest = found[0].published if found else None
        if newest is not None:
            headers["last-modified"] = format_datetime(newest, usegmt=True)
        if _is_known(call, headers["etag"], newest):
            return Answer(304, headers=headers)
        if len(body) >= GZIP_BYTES_MIN and "gzip" in call.headers.get("accept-encoding", ""):
            body = gzip.compress(body, compresslevel=6, mtime=0)
            headers |= {"content-encoding": "gzip", "vary": "accept-encoding"}
        return Answer(200, body, "application/rss+xml", headers)

    def _twisted_answer(self, call: Call) -> Answer | None:
        """The answer of a fault that needs no content."""
        if call.fault is None:
            return None
        kind = call.fault.kind
        if kind == "rate_limited":
            page = self._page(Page(429, pages.plain(429, "Too Many Requests")))
            given = call.fault.spec.retry_after_s
            return page if given is None else replace(page, headers={**page.headers, "retry-after": f"{given:g}"})
        if kind in _STATUS:
            return self._page(Page(_STATUS[kind][0], pages.plain(*_STATUS[kind])))
        if kind == "moved" and not call.path.startswith("moved/"):
            return self._redirect(f"{self._base(call)}/moved/{call.path}?{call.query}", 301)
        if kind == "sorry":
            continued = quote(f"{self._base(call)}/{call.path}", safe="")
            return self._redirect(f"{self._base(call)}/sorry/index?continue={continued}")
        if kind == "private_redirect":
            return self._redirect("http://169.254.169.254/latest/meta-data/")
        return None

    def _page(self, page: Page) -> Answer:
        return Answer(page.status, page.html.encode(), HTML, self.labelled())

    def _redirect(self, address: str, status: int = 302) -> Answer:
        return Answer(status, b"", HTML, self.labelled({"location": address}))

    def _base(self, call: Call) -> str:
        """Our own address as the client knows it."""
        return f"http://{call.headers.get('host', 'localhost')}{self.mount}"

    def _now(self) -> datetime:
        return self._stopped_at or datetime.fromtimestamp(self.house.wall(), UTC)

    async def _clock(self, request: Request) -> Response:
        if request.method == "POST":
            try:
                now = json.loads((await request.body())[:CONTROL_BODY_BYTES_MAX])["now"]
                self._stopped_at = None if now is None else datetime.fromisoformat(now).astimezone(UTC)
            except (ValueError, KeyError, TypeError):
                return JSONResponse({"error": 'the body must be {"now": an ISO 8601 time, or null}'}, 400)
        return JSONResponse({"now": self._now().isoformat(), "stopped": self._stopped_at is not None})


def _twisted(call: Call, items: list[Item]) -> list[Item]:
    """The entries as a fault leaves them."""
    if call.fault is None:
        return items
    kind, rows = call.fault.kind, call.fault.spec.rows
    touched, rest = items[:rows], items[rows:]
    if kind == "empty":
        return []
    if kind == "repeated_guid":
        return [replace(item, guid=items[0].guid) for item in touched] + rest
    if kind == "missing_date":
        return [replace(item, published=None) for item in touched] + rest
    if kind == "edited_title":
        return [replace(item, title=f"Corrected: {item.title}") for item in touched] + rest
    return items


def _is_known(call: Call, etag: str, newest: datetime | None) -> bool:
    """Whether the client has this already. The tag goes before the date (RFC 9110, 13.1.3)."""
    if "if-none-match" in call.headers:
        return etag in call.headers["if-none-match"]
    try:
        since = parsedate_to_datetime(call.headers["if-modified-since"])
    except (KeyError, ValueError):
        return False
    return newest is not None and since.tzinfo is not None and newest <= since
