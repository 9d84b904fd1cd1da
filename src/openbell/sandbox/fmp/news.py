"""News and press releases: the articles of the sandbox's feeds, so that one story comes from several sources.

Their days are those of the wall clock, as in the feeds, not of the replayed market. Times have no zone; they are New
York's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta

from openbell.sandbox.clock import NEW_YORK
from openbell.sandbox.companies import COMPANIES
from openbell.sandbox.fmp.ask import Ask
from openbell.sandbox.fmp.rows import Row
from openbell.sandbox.ledger import symbols_of
from openbell.sandbox.news import articles
from openbell.sandbox.news.articles import Article
from openbell.sandbox.news.subjects import BY_SYMBOL, MACRO, TOPICS, Topic

DAYS_BACK = 30  # without `from`
DAYS_BACK_MAX = 120
SYMBOLS_MAX = 20
LIMIT_DEFAULT = 20
# The newest of everything is of the real companies only: the invented ones would cost seconds.
WATCHED = tuple(BY_SYMBOL[symbol] for symbol, company in COMPANIES.items() if not company.invented)
GENERAL = (MACRO, *(topic for topic in TOPICS if topic.kind == "sector"))
RELEASED = ("earnings", "product")  # what a company tells about itself


def stock(ask: Ask) -> Iterator[Row]:
    """Rows of `news/stock` (with `symbols`) and `news/stock-latest`, newest first."""
    return ask.paged(map(_article, _found(ask, _topics(ask))), LIMIT_DEFAULT)


def general(ask: Ask) -> Iterator[Row]:
    """Rows of `news/general-latest`: no symbol."""
    return ask.paged((_article(article) | {"symbol": None} for article in _found(ask, GENERAL)), LIMIT_DEFAULT)


def releases(ask: Ask) -> Iterator[Row]:
    """Rows of `news/press-releases` (with `symbols`) and `news/press-releases-latest`: one of each story."""
    found = (article for article in _found(ask, _topics(ask)) if article.category in RELEASED)
    return ask.paged(map(_release, _once(found)), LIMIT_DEFAULT)


def _topics(ask: Ask) -> Sequence[Topic]:
    if ask.path.endswith("-latest"):
        return WATCHED
    wanted = symbols_of((ask.params.get("symbols") or ask.params.get("symbol") or "").split(","))
    return [BY_SYMBOL[symbol] for symbol in wanted[:SYMBOLS_MAX] if symbol in COMPANIES]


def _found(ask: Ask, topics: Sequence[Topic]) -> Iterator[Article]:
    """The articles between `from` and `to`, day by day, so that a page costs only the days that it shows."""
    first, last = ask.day("from"), ask.day("to")
    newest = min(_end(last), ask.wall) if last else ask.wall
    reach = newest - timedelta(days=DAYS_BACK_MAX if first else DAYS_BACK)
    oldest = max(_end(first - timedelta(days=1)), reach) if first else reach
    while newest > oldest:
        start = max(oldest, newest - timedelta(days=1))
        yield from articles.between(topics, start, newest)
        newest = start


def _end(day: date) -> datetime:
    """The last moment of a New York day."""
    return datetime.combine(day, time.max, NEW_YORK).astimezone(UTC)


def _once(found: Iterable[Article]) -> Iterator[Article]:
    stories: set[str] = set()
    for article in found:
        if article.story not in stories:
            stories.add(article.story)
            yield article


def _article(article: Article) -> Row:
    home = f"https://{article.publisher.domain}"
    return {
        "symbol": article.topic.symbol or None,
        "publishedDate": f"{article.published.astimezone(NEW_YORK):%Y-%m-%d %H:%M:%S}",
        "publisher": article.publisher.name,
        "title": article.headline,
        "image": f"{home}/images/{article.uuid.hex}.jpg",
        "site": article.publisher.domain,
        "text": article.summary,
        "url": f"{home}/{article.path}",
    }


def _release(article: Article) -> Row:
    return _article(article) | {
        "title": f"{article.topic.full_name} Announces: {article.headline}",
        "text": " ".join(article.paragraphs),
    }
