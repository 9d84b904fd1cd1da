"""Whom a worker process may ask: the sources that it was given, the limits that hold for them, and its connections."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from openbell.engine.errors import Permanent
from openbell.engine.ledger import Limit, by_key
from openbell.mail.rules import Rules
from openbell.products.forecast.note_rules import NoteRules
from openbell.products.picks.config import PicksConfig
from openbell.providers import edgar, fmp, google_links, llm, mail, news, pages, pageviews, perplexity, scrapfly
from openbell.providers.outbound import Fetcher


@dataclass(frozen=True, slots=True)
class Source:
    """One provider as the operator has it: where it answers, the key, the plan, and what it may cost."""

    base_url: str
    key: str = field(default="", repr=False)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By name, k1, k2, …, where the operator has several; each keeps limits of its own."""
    plan: str = ""
    calls_per_minute: int | None = None
    calls_at_once: int | None = None
    budget: int = 0
    """Micro-dollars that may be spent in a calendar month."""
    at_home: bool = False


SETTINGS: Mapping[str, str] = {
    "fmp": "FMP_API_KEY",
    "perplexity": "PPLX_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "openai": "OPENAI_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "scrapfly": "SCRAPFLY_API_KEY",
    "news": "NEWS_BASE_URL",
    "edgar": "EDGAR_BASE_URL",
    "wikimedia": "WIKIMEDIA_BASE_URL",
}
"""By provider, what an operator sets to have it."""

Sources = Mapping[str, Source]
"""By provider, as :data:`SETTINGS` names them."""

_LIMITS: Mapping[str, Callable[[Source], list[Limit]]] = {
    "fmp": lambda source: fmp.limits(source.plan or "basic", calls_per_minute=source.calls_per_minute),
    "perplexity": lambda source: perplexity.limits(
        int(source.plan or 0), usd_micro_per_month=source.budget, calls_per_minute=source.calls_per_minute
    ),
    "anthropic": lambda source: _of_models("anthropic", source),
    "openai": lambda source: _of_models("openai", source),
    "gemini": lambda source: _of_models("gemini", source),
    "scrapfly": lambda source: scrapfly.limits(
        source.plan or "free", calls_per_minute=source.calls_per_minute, at_once=source.calls_at_once
    ),
    "news": lambda source: _of_news(source.calls_per_minute),
    "edgar": lambda _: edgar.limits(),
    "wikimedia": lambda _: pageviews.limits(),
}


def _of_models(provider: str, source: Source) -> list[Limit]:
    return llm.limits(provider, usd_micro_per_month=source.budget, calls_per_minute=source.calls_per_minute)


def _of_news(calls_per_minute: int | None) -> list[Limit]:
    feeds = news.limits(calls_per_minute) if calls_per_minute else news.limits()
    return [*feeds, *google_links.limits(), *pages.limits()]


def limits_of(sources: Sources) -> list[Limit]:
    """Every limit that a worker with these sources keeps. Without a budget no money may be spent: the limit is 0."""
    found: list[Limit] = []
    for name, source in sources.items():
        if name in _LIMITS:
            limits = _LIMITS[name](source)
            found += by_key(limits, list(source.keys)) if source.keys else limits
    return found


MAILS_AT_ONCE = 8
"""Conversations with the mail server, as many as a worker has slots: 20 mails a second instead of 9 with 4."""


class _Pool(Protocol):
    async def aclose(self) -> None: ...


Pool = TypeVar("Pool", bound=_Pool)


class Connections:
    """The connection pools of a worker process to its sources, each opened when it is first asked for."""

    def __init__(
        self,
        sources: Sources,
        *,
        contact: str | None = None,
        relay: mail.Relay | None = None,
        mail_rules: Rules | None = None,
        picks: PicksConfig | None = None,
        digest_models: str = "auto",
        digest_cap_micro: int = 2_000_000,
        displays: frozenset[str] = frozenset(),
        notes: NoteRules | None = None,
    ) -> None:
        self.sources, self.contact, self._relay = sources, contact, relay
        self.mail = mail_rules or Rules()
        self.digest_models, self.digest_cap_micro = digest_models, digest_cap_micro
        self.displays = displays  # the providers whose data may be shown to others than the operator (DC-10)
        self.picks = picks or PicksConfig()
        self.notes = notes or NoteRules()
        self._pools: dict[str, Any] = {}
        self._fetcher: Fetcher | None = None

    def source(self, name: str) -> Source:
        """A source that must be there. Raises :class:`Permanent` `not_configured`."""
        if name not in self.sources:
            raise Permanent(f"{name} is not configured: set {SETTINGS[name]}.", code="not_configured")
        return self.sources[name]

    @property
    def fetcher(self) -> Fetcher:
        """The one door for addresses from outside; the operator's own news address is let through."""
        if self._fetcher is None:
            source = self.source("news")
            parts = urlsplit(source.base_url)
            own = (str(parts.hostname), parts.port or {"http": 80, "https": 443}[parts.scheme])
            self._fetcher = Fetcher(contact=self.contact, allowed=() if source.at_home else (own,))
        return self._fetcher

    @property
    def has_relay(self) -> bool:
        """Whether there is a mail server."""
        return self._relay is not None

    @property
    def relay(self) -> mail.Relay:
        """The mail server. Raises :class:`Permanent` `not_configured`."""
        if self._relay is None:
            raise Permanent("no mail server is configured: set SMTP_HOST.", code="not_configured")
        return self._relay

    @property
    def limits(self) -> list[Limit]:
        """Every limit that a worker with these sources keeps."""
        pace = mail.limits(self.mail.per_minute, MAILS_AT_ONCE, self.mail.per_day) if self._relay else []
        return limits_of(self.sources) + pace

    def pool(self, name: str, open_pool: Callable[[Source], Pool], part: str = "") -> Pool:
        """The pool to a source, opened by ``open_pool`` at first; ``part`` tells several of one source apart."""
        if name + part not in self._pools:
            self._pools[name + part] = open_pool(self.source(name))
        pool: Pool = self._pools[name + part]
        return pool

    async def warm_up(self, providers: Iterable[str]) -> None:
        """Load in a thread what takes more than a second to import, where the ``providers`` of products need it."""
        if {"anthropic", "openai", "gemini"} & self.sources.keys() & set(providers):
            await asyncio.to_thread(importlib.import_module, "openbell.providers.llm.client")

    async def close(self) -> None:
        """Close them all."""
        for pool in self._pools.values():
            await pool.aclose()
