"""The two feeds as XML (spec domain.md B5), and what goes wrong with feeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from xml.sax.saxutils import escape, quoteattr

from openbell.sandbox.news.articles import Article
from openbell.sandbox.news.links import opaque_id

NOTE = "Synthetic: every word is invented by the Openbell sandbox."
CLUSTER_MIN = 3
_GREY = '<font color="#6f6f6f">{}</font>'


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of a feed. `published` None leaves the date out."""

    title: str
    link: str
    guid: str
    published: datetime | None
    description: str
    source: tuple[str, str] | None = None  # address, name


def google_items(found: Sequence[Article], base: str) -> list[Item]:
    """Entries of the search. Those of a story that several papers print list the others too."""
    stories: dict[str, list[Article]] = {}
    for article in found:
        stories.setdefault(article.story, []).append(article)
    return [_google_item(article, stories[article.story], base) for article in found]


def yahoo_items(found: Sequence[Article], base: str) -> list[Item]:
    """Entries of the headlines per symbol; every second address is a redirect."""
    return [
        Item(
            title=article.headline,
            link=f"{_yahoo_address(article, base)}?.tsrc=rss",
            guid=str(article.uuid),
            published=article.published,
            description=article.summary,
        )
        for article in found
    ]


def site_address(article: Article, base: str) -> str:
    """Where the article itself is."""
    return f"{base}/sites/{article.publisher.domain}/{article.path}"


def google_feed(items: Sequence[Item], query: str, base: str) -> str:
    """The search as XML. It changes only when its entries do."""
    return _document(
        f'"{query}" - Google News',
        f"{base}/search?q={query}",
        items,
        "<generator>NFE/5.0</generator><language>en-US</language>"
        f"<copyright>{NOTE}</copyright><description>Google News</description>",
        date="GMT",
    )


def yahoo_feed(items: Sequence[Item], symbols: Sequence[str], base: str) -> str:
    """The headlines as XML."""
    return _document(
        f"Yahoo! Finance: {','.join(symbols)} News",
        f"{base}/q/h?s={','.join(symbols)}",
        items,
        f"<copyright>{NOTE}</copyright><description>Latest Financial News</description><language>en-US</language>",
        date="+0000",
    )


def as_latin1(document: str) -> bytes:
    """The same in the old encoding, declared only in its first line."""
    declared = document.replace('encoding="UTF-8"', 'encoding="ISO-8859-1"', 1)
    return declared.encode("iso-8859-1", errors="xmlcharrefreplace")


def _google_item(article: Article, story: Sequence[Article], base: str) -> Item:
    domain, name = article.publisher.domain, article.publisher.name
    if len(story) >= CLUSTER_MIN and article is story[0]:
        rows = (f"<li>{_anchor(one, base)}&nbsp;&nbsp;{_GREY.format(escape(one.publisher.name))}</li>" for one in story)
        description = f"<ol>{''.join(rows)}</ol>"
    else:
        description = f"{_anchor(article, base)}&nbsp;&nbsp;{_GREY.format(escape(name))}"
    return Item(
        title=f"{article.headline} - {name}",
        link=_google_address(article, base),
        guid=opaque_id(article.uuid),
        published=article.published,
        description=description,
        source=(f"https://www.{domain}", name),
    )


def _google_address(article: Article, base: str) -> str:
    return f"{base}/rss/articles/{opaque_id(article.uuid)}?oc=5"


def _anchor(article: Article, base: str) -> str:
    return f'<a href="{_google_address(article, base)}" target="_blank">{escape(article.headline)}</a>'


def _yahoo_address(article: Article, base: str) -> str:
    if article.key[2] % 2:
        return f"{base}/m/{article.uuid}/{article.slug}.html"
    return site_address(article, base)


def _document(title: str, link: str, items: Sequence[Item], head: str, *, date: str) -> str:
    entries = "".join(_entry(item, date) for item in items)
    newest = next((item.published for item in items if item.published), None)
    built = f"<lastBuildDate>{_stamp(newest, date)}</lastBuildDate>" if newest else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<!-- {NOTE} -->\n'
        '<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"><channel>'
        f"<title>{escape(title)}</title><link>{escape(link)}</link>{head}{built}{entries}</channel></rss>\n"
    )


def _entry(item: Item, date: str) -> str:
    published = f"<pubDate>{_stamp(item.published, date)}</pubDate>" if item.published else ""
    source = f"<source url={quoteattr(item.source[0])}>{escape(item.source[1])}</source>" if item.source else ""
    return (
        f"<item><title>{escape(item.title)}</title><link>{escape(item.link)}</link>"
        f'<guid isPermaLink="false">{escape(item.guid)}</guid>{published}'
        f"<description>{escape(item.description)}</description>{source}</item>"
    )


def _stamp(moment: datetime, date: str) -> str:
    return format_datetime(moment, usegmt=date == "GMT")
