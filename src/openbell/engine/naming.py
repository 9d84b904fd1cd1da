"""One name for an account in people's words, wherever it is told: ``Perplexity dollars, November 2026``.

Programs get its parts (``perplexity``, ``usd_micro``, ``2026-11``); commands take them, with ``usd`` for money.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

SUBJECTS: Mapping[str, str] = {
    "fmp": "FMP",
    "perplexity": "Perplexity",
    "anthropic": "Anthropic",
    "openai": "OpenAI",
    "gemini": "Gemini",
    "scrapfly": "ScrapFly",
    "edgar": "SEC EDGAR",
    "wikimedia": "Wikimedia",
    "news": "News feeds",
    "google_links": "Google News links",
    "smtp": "Mail",
}
TRIALS = "shadow:"
"""What the subject of a challenger's own accounts begins with."""
RESOURCES: Mapping[str, str] = {"usd_micro": "dollars"}
TYPED: Mapping[str, str] = {"usd_micro": "usd"}
"""Resources as commands take them, where that is another word."""


def subject_name(subject: str) -> str:
    """Whose account it is: ``FMP``, ``FMP key k2``; who has no name of their own is called as they are."""
    provider, dot, key = subject.rpartition(".")
    if dot and provider in SUBJECTS:
        return f"{SUBJECTS[provider]} key {key}"
    if subject.startswith(TRIALS):
        return f"Trials of {subject.removeprefix(TRIALS)}"
    return SUBJECTS.get(subject, subject)


def resource_name(resource: str) -> str:
    """What is counted: ``dollars``, ``calls``."""
    return RESOURCES.get(resource, resource)


def account_title(resource: str, period: str, closes: str) -> str:
    """The account without its subject: ``dollars, November 2026``, ``bytes in any 30 days``, ``calls at once``."""
    named = resource_name(resource)
    if closes == "age":
        return f"{named} in any {period}"
    return f"{named} {period}" if closes == "release" else f"{named}, {period_words(period)}"


def account_name(subject: str, resource: str, period: str, closes: str) -> str:
    """The whole name."""
    return f"{subject_name(subject)} {account_title(resource, period, closes)}"


def account_arguments(subject: str, resource: str, period: str) -> str:
    """How commands name it: ``perplexity usd --period 2026-11``."""
    quoted = f"'{period}'" if " " in period else period
    return f"{subject} {TYPED.get(resource, resource)} --period {quoted}"


def period_words(period: str) -> str:
    """A calendar period as people say it; any other name as it is."""
    if found := re.fullmatch(r"(\d{4})-W(\d\d)", period):
        return f"week of {_day(date.fromisocalendar(int(found[1]), int(found[2]), 1))}"
    try:
        if re.fullmatch(r"\d{4}-\d\d", period):
            return f"{date.fromisoformat(period + '-01'):%B %Y}"
        return _day(date.fromisoformat(period))
    except ValueError:
        return period


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
