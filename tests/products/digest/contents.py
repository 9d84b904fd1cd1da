"""Stored digests for tests of what is drawn from them; all of it synthetic, by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

from openbell.products.digest.content import (
    Background,
    Bullet,
    Counts,
    DigestContent,
    Failure,
    FilingRef,
    Known,
    Mark,
    Paragraph,
    PhaseRun,
    Price,
    SourceRef,
    Summary,
    Twin,
)
from tests.products.digest.writing import ACCESSION, DAY, NOON, ZONE, inputs


def bullet(name: str, section: Any, content: str, sources: list[int], **other: Any) -> Bullet:
    given: dict[str, Any] = {"topic": f"Topic of {name}", "first_day": DAY, "last_day": DAY}
    return Bullet(bullet_id=name, section=section, content=content, sources=sources, **(given | other))


def bullets() -> list[Bullet]:
    """One of each fate: shown, rewritten, repeated, indirect, dropped, and one of a section for Mondays."""
    high = Background(
        impact="high",
        sentiment="positive",
        relevance="direct",
        reason="The largest market grows.",
        filings=[ACCESSION],
        text="The Atlas product line brought 41% of revenue in fiscal 2025.",
    )
    low = Background(impact="low", sentiment="neutral", relevance="indirect")
    bad = Background(impact="medium", sentiment="negative", relevance="direct")
    revenue = """Revenue rose 12.4% to $3.42 billion in the third quarter, and Acme Robotics raised its guidance \
for the year to between $13.1 billion and $13.4 billion."""
    probe = "The Federal Trade Commission investigates 1,250 warehouse systems sold since 2024."
    part = Known(action="rewrite", new_text="The probe concerns 1,250 warehouse systems.", filings=[ACCESSION])
    first = Twin(role="primary", absorbs=["str-1"])
    again = Twin(role="duplicate", absorbed_by="per-1", why="shares 2 of 3 facts")
    cuts = "Borealis Machines cut prices of welding robots by 8% in China."
    return [
        bullet(
            "per-1",
            "performance",
            revenue,
            [1, 3],
            topic="Record quarter",
            background=high,
            twin=first,
            keywords=["Europe"],
        ),
        bullet("ris-1", "risks", probe, [2], topic="Federal probe of warehouse systems", background=bad, known=part),
        bullet("str-1", "street", "Revenue beat estimates.", [3], twin=again),
        bullet(
            "ind-1",
            "industry",
            cuts,
            [4],
            topic="Price cuts",
            background=bad.model_copy(update={"relevance": "indirect"}),
        ),
        bullet("ind-2", "industry", "An unrelated firm moved.", [5], background=low),
        bullet("cat-1", "catalysts", "Acme Robotics reports on Jan. 28.", [1], topic="Next report"),
    ]


def sources() -> list[SourceRef]:
    """The articles as they are cited, with every mark, and one that nobody cites any more."""
    found = [
        SourceRef(
            id=one.id,
            title=one.title,
            url=one.url,
            publisher=one.publisher,
            published_at=one.published_at,
            quality=7.0,
            paywalled=one.id == 3,
            is_new=one.id == 2,
            category=one.category,
        )
        for one in inputs().articles
    ]
    found.append(SourceRef(id=5, title="Unseen", url="https://news.example.com/a/5", publisher="P", published_at=None))
    return found


def runs() -> list[PhaseRun]:
    """A model with a failure, nobody, and a kept answer."""
    return [
        PhaseRun(
            phase="bullets",
            way="model",
            provider="anthropic",
            model="claude-haiku-5-5",
            prompt="bullets@1",
            prompt_hash="0" * 16,
            cost_micro=4_210,
            input_tokens=9_000,
            output_tokens=800,
            failures=[Failure(provider="anthropic", model="claude-haiku-5-5", code="output_cut_off")],
        ),
        PhaseRun(phase="known", way="skipped", note="no model compares"),
        PhaseRun(
            phase="summary",
            way="model",
            provider="openai",
            model="gpt-6-luna",
            prompt="summary@1",
            cached=True,
            cost_micro=0,
        ),
    ]


def content(edition: Any = "weekly", **other: Any) -> DigestContent:
    """A digest in which every part is there."""
    given = inputs()
    price = given.price
    assert price is not None
    closes = [close for _, close in price.closes]
    parts: dict[str, Any] = {
        "ticker": "ACME",
        "name": "Acme Robotics",
        "edition": edition,
        "day": DAY,
        "zone": ZONE,
        "begins": given.begins,
        "ends": NOON,
        "quiet": False,
        "bullets": bullets(),
        "summary": Summary(
            bottom_line=Paragraph(text="A record quarter meets a federal probe.", bullets=["per-1", "ris-1"]),
            upside=[Paragraph(text="Revenue rose 12.4%, and guidance went up.", bullets=["per-1"])],
            downside=[Paragraph(text="A probe of 1,250 systems has begun.", bullets=["ris-1"])],
        ),
        "sources": sources(),
        "filings": [
            FilingRef(
                accession=ACCESSION,
                form="10-K",
                filed=date(2026, 2, 12),
                title="Annual report",
                is_new=True,
                url="https://filings.example.com/acme-10k",
            )
        ],
        "price": Price(
            day=DAY,
            close=181.25,
            change=8.8,
            percent=5.1,
            currency="USD",
            closes=price.closes,
            low=min(closes),
            high=max(closes),
            synthetic="synthetic, by hand",
        ),
        "counts": Counts(articles=5, publishers=3, bullets=6, shown=4, duplicates=1, marks=1, filings=1),
        "marks": [
            Mark(
                where="per-1",
                kind="number",
                text="Profit was $999 million.",
                detail="'$999 million' stands in no source",
                action="dropped",
            )
        ],
        "runs": runs(),
        "synthetic": "synthetic, by hand",
    }
    return DigestContent(**(parts | other))
