"""What an edition holds, as the provider is asked for it and as it is stored. Pure."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

PICKS, THEMES = 6, 4
Risk = Literal["low", "medium", "high"]
Category = Literal["growth", "value", "income", "defensive", "innovation", "macro", "other"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)


class Pick(_Part):
    """One company."""

    ticker: str = Field(min_length=1, max_length=15)
    company_name: str = Field(min_length=1, max_length=120)
    exchange: str = Field(min_length=1, max_length=40)
    rationale: str = Field(min_length=20, max_length=1_500)
    risk_level: Risk


class Theme(_Part):
    """One line of thought, and companies that it touches."""

    title: str = Field(min_length=3, max_length=120)
    summary: str = Field(min_length=20, max_length=600)
    report: str = Field(min_length=20, max_length=4_000)
    tickers: list[str] = Field(min_length=3, max_length=5)
    category: Category


class Analysis(_Part):
    """The market as it is."""

    current_environment: str = Field(min_length=20, max_length=2_000)
    risk_factors: str = Field(min_length=20, max_length=2_000)
    opportunities: str = Field(min_length=20, max_length=2_000)


class Content(_Part):
    """Exactly six picks, four themes and the analysis."""

    picks: list[Pick] = Field(min_length=PICKS, max_length=PICKS)
    themes: list[Theme] = Field(min_length=THEMES, max_length=THEMES)
    market_analysis: Analysis


class Citation(_Part):
    """A source that the text refers to as [number]."""

    number: int
    url: str
    title: str = ""
    date: str | None = None


class Backing(_Part):
    """A figure of a company, with the formula by which and the date of which it is computed; None is unknown."""

    name: Literal["momentum", "value", "quality", "risk"]
    value: float | None
    unit: Literal["ratio", "score"]
    formula: str
    as_of: date | None


class Stored(_Part):
    """An edition as it is stored: what was written, the sources, and the figures behind each pick by ticker."""

    content: Content
    citations: list[Citation] = []
    backing: dict[str, list[Backing]] = {}
    base: dict[str, tuple[date, float]] = {}
    """By ticker the last close before the edition was made: from there on it is looked at how the pick has done."""
    synthetic: str | None = None


class Made(_Part):
    """How an edition was made."""

    provider: str
    model: str | None = None
    effort: str | None = None
    prompt: str | None = None
    answer: int | None = None
    at: datetime | None = None
    repairs: list[str] = []

    def as_json(self) -> dict[str, Any]:
        """For the database."""
        return self.model_dump(mode="json")
