"""The search words of the news: a small part of what people type.

Words (all must be found), "phrases in quotes", OR between two of them, -without, when:7d (h, d, m, y), after: and
before: with a date, site:domain, intitle:word. Case never matters; brackets are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from openbell.sandbox.news import articles
from openbell.sandbox.news.articles import Article
from openbell.sandbox.news.subjects import TOPICS, Topic

DAYS_BACK = 30  # without when: and after:
DAYS_BACK_MAX = 370
TERMS_MAX = 32
_TOKEN = re.compile(r'-?(?:[a-z]+:)?(?:"[^"]*"|[^\s"]+)')
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "m": timedelta(days=30), "y": timedelta(days=365)}
_NOISE = frozenset(("stock", "stocks", "share", "shares", "news", "and", "the"))  # found in everything


@dataclass(slots=True)
class Query:
    """What is looked for. `groups`: of each at least one (where, words) must be found; `where` is text or title."""

    after: datetime
    until: datetime
    groups: list[list[tuple[str, str]]] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    site: str = ""

    def words(self) -> set[str]:
        """Everything that is looked for."""
        return {words for group in self.groups for _, words in group}


def parse(text: str, now: datetime) -> Query:
    """Read a query. A date that is none is ignored, as is a word with an unknown prefix; `now` is aware."""
    query = Query(after=now - timedelta(days=DAYS_BACK), until=now)
    join = False
    for part in _TOKEN.findall(text.lower().replace("(", " ").replace(")", " "))[:TERMS_MAX]:
        if part == "or":
            join = bool(query.groups)
            continue
        prefix, colon, rest = part.partition(":")
        if colon and _limit(query, prefix, rest, now):
            continue
        if part.startswith("-"):
            query.without.append(_plain(part))
            continue
        term = ("title", _plain(rest)) if colon and prefix == "intitle" else ("text", _plain(part))
        if join:
            query.groups[-1].append(term)
        elif term[1] and term[1] not in _NOISE:
            query.groups.append([term])
        join = False
    query.after = max(query.after, now - timedelta(days=DAYS_BACK_MAX))
    return query


def companies(query: Query) -> list[Topic]:
    """The companies that a query names by symbol or name."""
    words = query.words()
    return [t for t in TOPICS if t.symbol and (t.symbol.lower() in words or any(_names(w, t) for w in words))]


def search(query: Query) -> list[Article]:
    """What is found, newest first."""
    if not query.groups:
        return []
    named = companies(query)
    topics = named or [topic for topic in TOPICS if not topic.symbol]
    topics = list({topic.index: topic for company in topics for topic in articles.around(company)}.values())
    return [article for article in articles.between(topics, query.after, query.until) if _found(query, article)]


def _limit(query: Query, prefix: str, rest: str, now: datetime) -> bool:
    """Whether the part was a limit in time or place; it is in force then."""
    if prefix == "site":
        query.site = rest
    elif prefix == "when":
        if (span := re.fullmatch(r"(\d{1,3})([hdmy])", rest)) is not None:
            query.after = now - int(span[1]) * _UNITS[span[2]]
    elif prefix in ("after", "before"):
        try:
            midnight = datetime.combine(date.fromisoformat(rest), time(), UTC)
        except ValueError:
            return True
        if prefix == "after":
            query.after = midnight
        else:
            query.until = min(now, midnight)
    else:
        return False
    return True


def _found(query: Query, article: Article) -> bool:
    if query.site and not article.publisher.domain.endswith(query.site):
        return False
    texts = {"text": _searchable(article), "title": f" {_plain(article.headline)} "}
    if any(_in(words, texts["text"]) for words in query.without):
        return False
    return all(any(_in(words, texts[where]) for where, words in group) for group in query.groups)


def _searchable(article: Article) -> str:
    """The text; of a company's news its names too, as a search engine knows whom an article is about."""
    names = f" {article.topic.symbol} {article.topic.full_name}" if article.category != "unrelated" else ""
    return f" {_plain(article.text + names)} "


def _names(words: str, topic: Topic) -> bool:
    return words == _plain(topic.full_name) or any(_in(name, f" {words} ") for name in topic.words)


def _in(words: str, text: str) -> bool:
    return f" {words} " in text


def _plain(text: str) -> str:
    """Words in lower case with single blanks between them."""
    return " ".join(re.findall(r"[\w&]+", text.lower()))


def symbols(topics: Sequence[Topic]) -> list[str]:
    """The symbols of companies."""
    return [topic.symbol for topic in topics if topic.symbol]
