"""What somebody tells about themselves, normalised before it is stored and before it enters a prompt. Pure.

Everything is a word of a list or a number within bounds, but for the first name and the symbols of the holdings: those
are stripped to the letters of names and of symbols, so that there is no text in which somebody could give orders.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from openbell.products.keys import Symbol

Goal = Literal[
    "retirement", "home", "education", "income", "growth", "preservation", "reserve", "independence", "legacy"
]
Risk = Literal["conservative", "moderate", "aggressive"]
Horizon = Literal["under-1-year", "1-3-years", "3-5-years", "5-10-years", "over-10-years"]
Experience = Literal["none", "beginner", "intermediate", "advanced"]
Interest = Literal[
    "technology", "healthcare", "finance", "energy", "consumer", "staples", "industry", "real-estate", "utilities",
    "materials", "communication", "dividends",
]  # fmt: skip

GOALS: tuple[str, ...] = get_args(Goal)
RISKS: tuple[str, ...] = get_args(Risk)
HORIZONS: tuple[str, ...] = get_args(Horizon)
EXPERIENCES: tuple[str, ...] = get_args(Experience)
INTERESTS: tuple[str, ...] = get_args(Interest)

SECTORS: Mapping[str, str] = {
    "technology": "Technology",
    "healthcare": "Healthcare",
    "finance": "Financial Services",
    "energy": "Energy",
    "consumer": "Consumer Cyclical",
    "staples": "Consumer Defensive",
    "industry": "Industrials",
    "real-estate": "Real Estate",
    "utilities": "Utilities",
    "materials": "Basic Materials",
    "communication": "Communication Services",
}
"""By interest, the sector of the stored profile that it means. Dividends are told by the yield instead."""

LEAST_YIELD = 0.02
"""From this dividend yield on a company is one for those interested in dividends."""

NAME_MOST = 50
HOLDINGS_MOST = 30
AMOUNT_DEFAULT = 500
AMOUNT_MOST = 1_000_000


class Profile(BaseModel):
    """A profile; ``monthly_amount`` in US dollars. Unknown words are refused, too much is cut."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    first_name: str = Field("", max_length=NAME_MOST)
    goals: tuple[Goal, ...] = ()
    risk: Risk = "moderate"
    horizon: Horizon = "5-10-years"
    experience: Experience = "beginner"
    monthly_amount: int = Field(AMOUNT_DEFAULT, ge=0, le=AMOUNT_MOST)
    interests: tuple[Interest, ...] = ()
    holdings: tuple[str, ...] = ()

    @field_validator("first_name", mode="before")
    @classmethod
    def _name(cls, given: object) -> str:
        return plain_name(given if isinstance(given, str) else "")

    @field_validator("goals", "interests", mode="before")
    @classmethod
    def _once(cls, given: Any) -> Any:
        return tuple(dict.fromkeys(given)) if isinstance(given, list | tuple) else given

    @field_validator("holdings", mode="before")
    @classmethod
    def _symbols(cls, given: object) -> tuple[str, ...]:
        words = re.split(r"[\s,;]+", given) if isinstance(given, str) else given
        return symbols(words if isinstance(words, Iterable) else ())

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Self:
        """The profile as it was stored; the default where there is none."""
        return cls.model_validate(stored or {})

    def for_prompt(self) -> dict[str, Any]:
        """What a prompt says of it: words of our lists, numbers, symbols, and the name."""
        return self.model_dump(mode="json")


def plain_name(text: str) -> str:
    """The first name: letters, blanks, apostrophes and hyphens, at most 50 characters."""
    letters = unicodedata.normalize("NFKC", text)
    kept = "".join(c if c.isalpha() or c in "'-" else " " for c in letters.replace("\u2019", "'"))
    return " ".join(kept.split())[:NAME_MOST].strip()


def symbols(words: Iterable[object]) -> tuple[str, ...]:
    """What can be a symbol, each once."""
    found: dict[str, None] = {}
    for word in words:
        try:
            found[Symbol.parse(str(word).upper())] = None
        except ValueError:
            continue
    return tuple(found)[:HOLDINGS_MOST]
