"""What a producer of this floor gets: its attempt, and the providers it may ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from openbell.engine.attempt import Attempt
from openbell.products.sources import Connections, Source
from openbell.providers import edgar, fmp, google_links, pageviews, perplexity, scrapfly, wikipedia
from openbell.providers.edgar import Edgar
from openbell.providers.fmp import Fmp
from openbell.providers.google_links import GoogleLinks
from openbell.providers.llm import Kind, open_models
from openbell.providers.mail import Mailer
from openbell.providers.news import GOOGLE, YAHOO, Feed, News, google_search, yahoo_headlines
from openbell.providers.outbound import Fetcher
from openbell.providers.pages import Pages, Reader
from openbell.providers.pageviews import Pageviews
from openbell.providers.perplexity import Perplexity
from openbell.providers.scrapfly import Scrapfly
from openbell.providers.wikipedia import Wikipedia

if TYPE_CHECKING:
    from openbell.providers.llm.client import Llm


def contexts(connections: Connections) -> Callable[[Attempt], Context]:
    """Makes the context of each attempt."""
    return lambda attempt: Context(attempt, connections)


@dataclass(frozen=True, slots=True)
class Context:
    """One attempt and its providers. One that is not configured raises :class:`Permanent` when it is asked for."""

    attempt: Attempt
    connections: Connections

    @property
    def fmp(self) -> Fmp:
        """Financial Modeling Prep."""
        pool = self.connections.pool("fmp", lambda s: fmp.open_http(s.base_url, s.key))
        source = self.connections.source("fmp")
        return Fmp(pool, self.attempt, plan=source.plan or "basic", keys=source.keys)

    @property
    def perplexity(self) -> Perplexity:
        """Perplexity's agents."""
        pool = self.connections.pool("perplexity", lambda s: perplexity.open_http(s.base_url, s.key))
        return Perplexity(pool, self.attempt)

    def llm(self, provider: Literal["anthropic", "openai", "gemini"]) -> Llm:
        """Language models of Anthropic, of OpenAI or the compatible server in its place, or of Gemini."""
        models = self.connections.pool(provider, lambda s: open_models(provider, _kind(provider, s), s.base_url, s.key))
        return models.asked_by(self.attempt)

    @property
    def mailer(self) -> Mailer:
        """Mail."""
        return Mailer(self.connections.relay, self.attempt)

    @property
    def scrapfly(self) -> Scrapfly:
        """Pages that do not let us in."""
        pool = self.connections.pool("scrapfly", lambda s: scrapfly.open_http(s.base_url, s.key))
        return Scrapfly(pool, self.attempt)

    @property
    def news(self) -> News:
        """News feeds."""
        return News(self.fetcher, self.attempt)

    def google_feed(self, query: str) -> Feed:
        """The feed of Google News for a query."""
        return google_search(query, base=self._news_base(GOOGLE))

    def yahoo_feed(self, *symbols: str) -> Feed:
        """The headlines of Yahoo Finance for some symbols."""
        return yahoo_headlines(symbols, base=self._news_base(YAHOO))

    @property
    def google_links(self) -> GoogleLinks:
        """Where the links of Google News lead."""
        contact = self.connections.contact
        pool = self.connections.pool("news", lambda s: google_links.open_http(s.base_url, contact=contact), "links")
        return GoogleLinks(pool, self.attempt)

    @property
    def fetcher(self) -> Fetcher:
        """Addresses from outside, through the one guarded door."""
        return self.connections.fetcher

    @property
    def pages(self) -> Pages:
        """Pages of publishers, for nothing."""
        return Pages(self.fetcher, self.reader, self.attempt)

    @property
    def reader(self) -> Reader:
        """What finds the article in a page."""
        return self.connections.pool("news", lambda _: Reader(), "reader")

    @property
    def edgar(self) -> Edgar:
        """Filings of the SEC."""
        contact = self.connections.contact
        return Edgar(
            self.connections.pool("edgar", lambda s: edgar.open_http(contact, None if s.at_home else s.base_url)),
            self.attempt,
        )

    @property
    def pageviews(self) -> Pageviews:
        """How often pages of Wikipedia are read."""
        contact = self.connections.contact
        pool = self.connections.pool("wikimedia", lambda s: pageviews.open_http(contact, s.base_url))
        return Pageviews(pool, self.attempt)

    @property
    def wikipedia(self) -> Wikipedia:
        """What a term names in the English Wikipedia."""
        contact, source = self.connections.contact, self.connections.source("wikimedia")
        base = "https://en.wikipedia.org" if source.at_home else f"{source.base_url.rstrip('/')}/en.wikipedia"
        pool = self.connections.pool("wikimedia", lambda _: wikipedia.open_http(contact, base), "pages")
        return Wikipedia(pool, self.attempt)

    def _news_base(self, home: str) -> str:
        source = self.connections.source("news")
        return home if source.at_home else source.base_url


def _kind(provider: str, source: Source) -> Kind:
    if provider == "anthropic":
        return "anthropic"
    return "openai" if provider == "openai" and source.at_home else "compatible"
