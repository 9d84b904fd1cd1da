"""What a digest is made of, pinned: the same inputs give the same digest, today and when it is made again (DG-2).

Texts stand apart, by the hash of what they say (:mod:`openbell.products.digest.texts`), so that the inputs stay small
and an article that serves five digests is stored once.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from openbell.products.digest.editions import Edition

Category = Literal["company", "industry", "competitor", "value_chain"]
Direction = Literal["upstream", "downstream"]
Outcome = Literal["used", "filtered", "low_relevance", "duplicate", "unreachable", "model_error"]
"""What became of an article in a digest: exactly one of these (DG-11)."""
Summary = Literal["model", "extractive"]
"""Who wrote a summary: a model, or code that took sentences of the text."""


class _Pinned(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class ArticleInput(_Pinned):
    """An article that a digest may cite. ``id`` is the same in every digest.

    Category, direction and subject belong to the article's relation to this ticker, not to the article (DG-5).
    """

    id: int
    url: str = Field(max_length=4_000, description="where it is to be read: the canonical address where it is known")
    publisher: str = Field(description="name, or the domain where no name is known")
    domain: str | None = None
    title: str
    published_at: datetime | None = Field(description="UTC; None where the feed does not say")
    category: Category
    direction: Direction | None = Field(None, description="of the category value_chain only")
    subject: str = Field(description="whom or what the feed was about: a company's name, or a keyword")
    text_ref: str | None = Field(description="hash of the stored text; None where only the feed's words are known")
    summary: str = Field(description="facts of the article for this ticker; words of the source where extractive")
    summary_by: Summary
    quality: float | None = Field(None, ge=0, le=10, description="how good a source it is, 0 to 10")
    relevance: float | None = Field(None, ge=0, le=10, description="of industry articles: what the gate said")
    paywalled: bool = False
    score: float = Field(0, ge=0, description="of the selection; higher first")
    added: int = Field(1, ge=1, description="the revision of the inputs that brought it: above 1, a top-up")
    synthetic: str | None = Field(None, description="what it is where it is not real")


class FilingInput(_Pinned):
    """A filing, or a press release (an exhibit 99 of an 8-K: ``form`` is ``8-K EX-99``)."""

    accession: str
    form: str
    filed: date
    period: date | None = None
    title: str
    url: str
    items: list[str] = []
    text_ref: str | None = Field(description="hash of the stored text; None where it could not be had")
    is_new: bool = Field(description="filed within the digest's window, and not known before")
    synthetic: str | None = None


class Company(_Pinned):
    """A company that a digest may speak of: those that stand in the reference data beside the ticker."""

    name: str
    ticker: str | None = None


class Candidate(_Pinned):
    """An article that stood for selection, for mail 1. ``scores`` are 0 to 10 by scorer: `titles`, `model`."""

    id: int
    title: str
    url: str
    publisher: str
    published_at: datetime | None
    category: Category
    direction: Direction | None = None
    subject: str
    scores: dict[str, float]
    chosen: bool
    outcome: Outcome
    reason: str = Field("", description="why, in a few words")


class PriceFacts(_Pinned):
    """What is known of the price, pinned for the price card and for numbers in texts. Closes are oldest first."""

    currency: str | None = None
    price: float
    change: float | None = None
    change_percent: float | None = None
    as_of: datetime
    closes: list[tuple[date, float]] = []
    synthetic: str | None = None


class DigestInputs(_Pinned):
    """Everything that a digest is written from. ``ticker``, ``edition`` and ``day`` are its key."""

    ticker: str
    name: str = Field(description="of the company")
    edition: Edition
    day: date = Field(description="of the calendar in ``zone``")
    zone: str
    begins: datetime = Field(description="of the window in which articles were published, UTC")
    ends: datetime
    revision: int = Field(1, ge=1, description="1, and one more with every top-up or when new inputs were asked for")
    aliases: list[str] = Field([], description="other names under which the company is known")
    industry: list[str] = Field([], description="keywords")
    competitors: list[Company] = []
    upstream: list[Company] = []
    downstream: list[Company] = []
    articles: list[ArticleInput] = Field(description="those used, best first")
    filings: list[FilingInput] = Field([], description="10-K and 10-Q in force, and new 8-K, newest first")
    candidates: list[Candidate] = Field([], description="all that stood for selection, with what became of each")
    price: PriceFacts | None = None
    cap_micro: int | None = Field(None, description="what the digest may cost, in millionths of a dollar (DG-36)")
    outcomes: dict[str, int] = Field({}, description="articles seen by what became of them, counted by code (DG-14)")
    scorers: list[str] = Field([], description="who took part in the selection: titles, model")
    feeds: int = 0
    feeds_failed: int = 0
    prompts: dict[str, str] = Field({}, description="by step: name and version of the prompt it is made with")
    models: dict[str, str] = Field({}, description="by step: the model, or `none`")

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to report (DG-18)."""
        return not self.articles and not any(one.is_new for one in self.filings)

    @property
    def synthetic(self) -> str | None:
        """What its sources are, where any of them is not real."""
        of_articles = (one.synthetic for one in self.articles if one.synthetic)
        return next(of_articles, None) or next((one.synthetic for one in self.filings if one.synthetic), None)

    @property
    def digest(self) -> str:
        """A hash of all of it, for outputs that depend on all of it."""
        return hash_of(self.model_dump_json(exclude={"revision", "cap_micro", "candidates", "outcomes"}))


def hash_of(*parts: object) -> str:
    """A hash of some inputs, in their order; for :func:`openbell.products.digest.memo.once`."""
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode("utf-8", "replace")).hexdigest()
