"""What a digest says, as it is stored. Pages and mails are drawn from it alone (DG-19).

A bullet is written once, by phase 1; later phases put their findings beside it and replace nothing (DG-16): what is
known already (phase 1.5), what the filings say (phase 2), what repeats another one (phase 3). What the articles say and
what the filings say stay in different fields (DG-17). All merging is by ``bullet_id`` (DG-15).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from openbell.products.digest.editions import Edition

SectionName = Literal["developments", "performance", "risks", "street", "industry", "catalysts", "variables"]
SECTIONS: dict[SectionName, str] = {
    "developments": "Major developments",
    "performance": "Results and operations",
    "risks": "Risks",
    "street": "Analysts and market",
    "industry": "Industry and competitors",
    "catalysts": "What is coming up",
    "variables": "What will decide",
}
"""In the order of a digest, which also decides which of two duplicates stays."""
WEEKLY_ONLY: frozenset[str] = frozenset(("catalysts", "variables"))
"""With upside and downside, what a daily edition does not show."""

Way = Literal["model", "extractive", "rules", "skipped", "stopped", "failed"]
"""Who did a phase: a model; code that takes sentences of the sources; rules; nobody, as it is switched off or had
nothing to do; nobody, as the digest had reached its cap of cost; nobody, as no model gave a usable answer."""
Impact = Literal["high", "medium", "low"]
Sentiment = Literal["positive", "negative", "mixed", "neutral"]
Relevance = Literal["direct", "indirect", "none"]
MarkKind = Literal[
    "number", "name", "link", "markup", "script", "instruction", "uncited", "direction", "claim", "source"
]
NO_MODEL = "extractive, no model"


class Stored(BaseModel):
    """A part of a stored result: nothing changes it."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Failure(Stored):
    """An answer that was of no use, or could not be had: whom we asked, and the code of what went wrong."""

    provider: str
    model: str
    code: str


class PhaseRun(Stored):
    """How a phase was done, and what it cost: of an answer that was paid for before, ``cached``, nothing."""

    phase: str
    way: Way
    provider: str | None = None
    model: str | None = None
    prompt: str | None = Field(None, description="name@version")
    prompt_hash: str | None = None
    input_hash: str | None = None
    cost_micro: int | None = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached: bool = False
    failures: list[Failure] = []
    note: str = ""


class Known(Stored):
    """Phase 1.5: how much of a bullet the company's filings have said already."""

    action: Literal["keep", "rewrite", "remove"]
    new_text: str | None = Field(None, description="the new part alone; the bullet's own words stay beside it")
    filings: list[str] = []


class Background(Stored):
    """Phase 2: what a bullet means, out of the filings; ``text`` holds their facts, never the articles'."""

    impact: Impact
    sentiment: Sentiment
    relevance: Relevance
    reason: str = ""
    text: str = ""
    filings: list[str] = []
    entity: str | None = None


class Twin(Stored):
    """Phase 3: whether other bullets tell the same."""

    role: Literal["unique", "primary", "duplicate"] = "unique"
    absorbs: list[str] = []
    absorbed_by: str | None = None
    why: str = ""


class Bullet(Stored):
    """One development. ``content`` is phase 1's; dates are those of the sources, taken by code."""

    bullet_id: str
    section: SectionName
    topic: str
    content: str
    sources: list[int] = Field(min_length=1, description="ids of the articles that say it")
    first_day: date | None = None
    last_day: date | None = None
    hints: dict[str, str] = {}
    keywords: list[str] = []
    known: Known | None = None
    background: Background | None = None
    twin: Twin = Twin()

    @property
    def text(self) -> str:
        """What readers get: the new part, where the rest is known from filings."""
        if self.known is not None and self.known.action == "rewrite" and self.known.new_text:
            return self.known.new_text
        return self.content

    @property
    def dropped(self) -> str | None:
        """Why readers do not get it; None where they do."""
        if self.twin.role == "duplicate":
            return f"repeats {self.twin.absorbed_by}"
        if self.known is not None and self.known.action == "remove":
            return "known from filings"
        if self.background is not None and self.background.relevance == "none":
            return "not about this company"
        if self.background is not None and (self.background.relevance, self.background.impact) == ("indirect", "low"):
            return "indirect, and of low impact"
        return None


class Paragraph(Stored):
    """A part of the top, and the bullets that carry it."""

    text: str
    bullets: list[str]


class Summary(Stored):
    """Phase 4."""

    bottom_line: Paragraph | None = None
    upside: list[Paragraph] = []
    downside: list[Paragraph] = []


class SourceRef(Stored):
    """An article that is cited; links lead only here (DG-15)."""

    id: int
    title: str
    url: str
    publisher: str
    published_at: datetime | None
    quality: float | None = None
    paywalled: bool = False
    is_new: bool = False
    category: str = "company"


class FilingRef(Stored):
    """A filing that background is from."""

    accession: str
    form: str
    filed: date
    title: str
    url: str
    is_new: bool = False


class Price(Stored):
    """The price card: the latest closes, as they were stored when the digest was written."""

    day: date
    close: float
    change: float | None
    percent: float | None
    currency: str | None
    closes: list[tuple[date, float]] = Field(description="oldest first")
    low: float
    high: float
    synthetic: str | None = None


class Mark(Stored):
    """Something in generated text that was not let through, or is shown with a mark, and why."""

    where: str = Field(description="a bullet_id, or a part of the top")
    kind: MarkKind
    text: str
    detail: str
    action: Literal["dropped", "marked"]


class Counts(Stored):
    """Counted by code (DG-14)."""

    articles: int
    publishers: int
    bullets: int
    shown: int
    duplicates: int
    marks: int
    filings: int


class DigestContent(Stored):
    """A digest. ``quiet`` when there was nothing to report (DG-18)."""

    ticker: str
    name: str
    edition: Edition
    day: date
    zone: str
    begins: datetime
    ends: datetime
    quiet: bool
    bullets: list[Bullet]
    summary: Summary
    sources: list[SourceRef]
    filings: list[FilingRef]
    price: Price | None
    counts: Counts
    marks: list[Mark]
    runs: list[PhaseRun]
    synthetic: str | None = None

    @property
    def models(self) -> list[str]:
        """The models that wrote any of it, in the order of the phases."""
        return list(dict.fromkeys(run.model for run in self.runs if run.way == "model" and run.model))

    @property
    def made_by(self) -> str:
        """The AI mark: which models have written it, or that none has."""
        return f"written with {' and '.join(self.models)}" if self.models else NO_MODEL

    @property
    def cost_micro(self) -> int:
        """Of all phases, in micro-dollars; answers that were paid for before cost nothing."""
        return sum(run.cost_micro or 0 for run in self.runs)

    def shown(self, edition: Edition | None = None) -> list[tuple[SectionName, list[Bullet]]]:
        """The sections that readers of an edition get, each with its bullets.

        A daily one shows what is for Mondays only where it would be empty otherwise.
        """
        of_each = (
            (name, [one for one in self.bullets if one.section == name and one.dropped is None]) for name in SECTIONS
        )
        found = [(name, bullets) for name, bullets in of_each if bullets]
        if (edition or self.edition) == "weekly":
            return found
        return [one for one in found if one[0] not in WEEKLY_ONLY] or found

    def cited(self, bullets: Iterable[Bullet]) -> list[SourceRef]:
        """The sources that some bullets cite, and those that they absorb, newest first."""
        chosen = list(bullets)
        ids = {one for bullet in chosen for one in bullet.sources}
        absorbed = {one for bullet in chosen for one in bullet.twin.absorbs}
        ids |= {one for bullet in self.bullets if bullet.bullet_id in absorbed for one in bullet.sources}
        known = [source for source in self.sources if source.id in ids]
        return sorted(known, key=lambda s: (s.published_at is not None, s.published_at, -s.id), reverse=True)
