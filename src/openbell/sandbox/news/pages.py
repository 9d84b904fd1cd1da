"""The pages behind the links: articles with everything around them that an extractor has to leave out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import unquote, urlsplit
from uuid import UUID

from openbell.sandbox.news import articles
from openbell.sandbox.news.articles import Article
from openbell.sandbox.news.links import signature
from openbell.sandbox.news.rss import NOTE
from openbell.sandbox.news.subjects import PUBLISHERS

FREE_PARAGRAPHS = 2
REDIRECTS_MAX = 3
_DOMAINS = {publisher.domain for publisher in PUBLISHERS}
_BANNER = (
    '<div id="cookie-banner" role="dialog" class="consent"><h2>Your privacy matters</h2><p>We and our {count} partners '
    "store cookies on your device to measure visits and to show you advertisements. You can accept all cookies, reject "
    "those that are not needed, or change your mind later in the settings.</p><button>Accept all</button>"
    "<button>Reject</button></div>"
)
_LETTER = (
    '<aside class="newsletter"><h3>The morning letter</h3><p>Join 40,000 readers who get our letter at seven. '
    'You can unsubscribe at any time.</p><form><input type="email"><button>Sign up</button></form></aside>'
)
_FOOTER = (
    '<footer><ul><li><a href="/imprint">Imprint</a></li><li><a href="/terms">Terms of use</a></li>'
    f"<li>All rights reserved</li></ul><p>{NOTE}</p></footer>"
)


@dataclass(frozen=True, slots=True)
class Page:
    """What a site answers."""

    status: int
    html: str
    article: Article | None = None


def at(url: str) -> Page:
    """The page at an address, redirects followed: below /sites/ of any host, or on a publisher's own domain."""
    for _ in range(REDIRECTS_MAX):
        parts = urlsplit(url)
        host, path = (parts.hostname or "").removeprefix("www."), unquote(parts.path)
        if "/m/" in path:
            target = moved(path.split("/m/", 1)[1])
            if target is None:
                break
            url = f"https://{target.publisher.domain}/{target.path}"
            continue
        if host in _DOMAINS:
            return site(host, path.lstrip("/"))
        if "/sites/" in path:
            return site(*path.split("/sites/", 1)[1].partition("/")[::2])
        break
    return NOT_FOUND


def site(domain: str, path: str) -> Page:
    """A page of a publisher's site. The path must be the article's own."""
    try:
        article = articles.by_uuid(UUID(path.rpartition("-")[2]))
    except ValueError:
        return NOT_FOUND
    if article is None or article.publisher.domain != domain or article.path != path:
        return NOT_FOUND
    return Page(200, article_html(article), article)


def moved(rest: str) -> Article | None:
    """The article that a redirecting address (uuid/slug.html) leads to."""
    try:
        return articles.by_uuid(UUID(rest.partition("/")[0]))
    except ValueError:
        return None


def shown(article: Article, *, closed: bool | None = None) -> Sequence[str]:
    """The paragraphs that one can read without paying."""
    if closed is None:
        closed = article.publisher.paywall
    return article.paragraphs[:FREE_PARAGRAPHS] if closed else article.paragraphs


def article_html(article: Article, *, paywall: bool | None = None) -> str:
    """The article as its publisher shows it; with `paywall` as if it had one."""
    closed = article.publisher.paywall if paywall is None else paywall
    body = "".join(f"<p>{escape(paragraph, quote=False)}</p>" for paragraph in shown(article, closed=closed))
    if closed:
        body += (
            '<div class="paywall"><h3>Subscribe to keep reading</h3><p>You have read your free articles of this month. '
            "Subscribe for $1 a week and cancel whenever you like.</p></div>"
        )
    banner = _BANNER.format(count=700 + article.key[2]) if article.publisher.banner else ""
    content = (
        f"{banner}{_navigation(article)}<main><article><h1>{escape(article.headline)}</h1>"
        f'<p class="byline">By the newsroom of {escape(article.publisher.name)}</p>'
        f'<time datetime="{article.published.isoformat()}">{article.published:%d %B %Y}</time>'
        f'<div class="article-body">{body}</div></article>{_LETTER}{_related(article)}</main>{_FOOTER}'
    )
    return _html(article.headline, content, _head(article, closed=closed))


def cookie_wall(article: Article) -> str:
    """A page that shows nothing before somebody accepts cookies."""
    return _html(article.publisher.name, f"{_BANNER.format(count=812)}{_FOOTER}", "")


def link_page(identity: str, stamp: int, *, signed: bool = True) -> str:
    """The search's page for an opaque link: not the target, but what is needed to ask for it."""
    about = (
        f'data-n-a-id="{identity}" data-n-a-sg="{signature(identity, stamp)}" data-n-a-ts="{stamp}"' if signed else ""
    )
    content = f'<c-wiz jsrenderer="Synth"><div jscontroller="aLI87" {about}></div></c-wiz>'
    return _html("Google News", content, "")


SORRY = (
    "<html><head><title>Sorry...</title></head><body><h1>We're sorry...</h1><p>... but your computer or network may be "
    "sending automated queries. To protect our users, we can't process your request right now.</p></body></html>"
)
CONSENT = (
    "<!doctype html><html><head><title>Before you continue</title></head><body><form><h1>Before you continue</h1>"
    "<p>We use cookies to deliver this service.</p><button>Accept</button></form></body></html>"
)


def plain(status: int, words: str) -> str:
    """A short page of a web server."""
    return f"<html><head><title>{status} {words}</title></head><body><h1>{words}</h1></body></html>"


NOT_FOUND = Page(404, plain(404, "Not Found"))


def _html(title: str, content: str, head: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="data-class" content="{NOTE}">{head}</head><body>{content}</body></html>'
    )


def _head(article: Article, *, closed: bool) -> str:
    address = f"https://www.{article.publisher.domain}/{article.path}"
    facts = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": article.headline,
        "datePublished": article.published.isoformat(),
        "publisher": {"@type": "Organization", "name": article.publisher.name},
        "isAccessibleForFree": not closed,
        "creativeWorkStatus": NOTE,
    }
    return (
        f'<link rel="canonical" href="{address}"><meta property="og:url" content="{address}">'
        f'<meta property="og:title" content="{escape(article.headline)}">'
        f'<script type="application/ld+json">{json.dumps(facts)}</script>'
    )


def _navigation(article: Article) -> str:
    sections = "".join(f'<li><a href="/{name.lower()}">{name}</a></li>' for name in ("Markets", "World", "Opinion"))
    return f'<header><a href="/">{escape(article.publisher.name)}</a><nav><ul>{sections}</ul></nav></header>'


def _related(article: Article) -> str:
    others = [o for o in articles.of_day(article.topic, article.published.date()) if o.publisher == article.publisher]
    links = "".join(f'<li><a href="/{other.path}">{escape(other.headline)}</a></li>' for other in others[:3])
    return f'<section class="related"><h3>More from us</h3><ul>{links}</ul></section>'
