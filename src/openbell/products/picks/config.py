"""What an operator decides about picks; nothing of it holds a key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from openbell.engine.ledger import Limit

Provider = Literal["perplexity", "anthropic", "openai"]


@dataclass(frozen=True, slots=True)
class PicksConfig:
    """``enabled`` is the one switch of all paid generation; ``budget`` micro-dollars that a week may cost.

    ``effort`` is pinned: a bare name changes model and price without notice. ``hold`` is what is held for one edition,
    ``members`` how many editions a batch of the weekly run has.
    """

    enabled: bool = False
    budget: int = 0
    provider: Provider = "perplexity"
    model: str | None = None
    effort: str = "medium@2026-10-16.0"
    hold: int = 5_000_000
    members: int = 100

    @property
    def limit(self) -> Limit:
        """The weekly account. Without a budget there is no room for anything."""
        zone = "America/New_York"
        return Limit("picks", "usd_micro", "week", self.budget, closes="charge", calendar="week", zone=zone)


MOST_ATTEMPTS = 3
BACKOFF = timedelta(minutes=2)


def backoff(failures: int) -> timedelta:
    """How long to wait after so many failures: two minutes, four, eight."""
    return BACKOFF * (1 << (failures - 1))
