"""The edition without a model: the six best by the mean of four percentiles, in sentences of figures only. Pure.

At most two companies of a sector, so that it is not one bet; equal scores by symbol, so that the same facts always make
the same edition.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from statistics import median

from openbell.products.picks.content import PICKS, Analysis, Category, Content, Pick, Stored, Theme
from openbell.products.picks.figures import FORMULAS, Fact, risk_level, scores

MOST_OF_A_SECTOR = 2
LEAST_COMPANIES = 12
"""With fewer a percentile says too little."""

_THEMES: tuple[tuple[str, str, Category, bool], ...] = (
    ("momentum", "What has risen over the year", "growth", True),
    ("value", "What earns most for its price", "value", True),
    ("quality", "What earns most on its capital", "income", True),
    ("risk", "What has moved least", "defensive", False),
)


class TooLittle(ValueError):
    """Too few companies are known."""


def edition(facts: Mapping[str, Fact]) -> Stored:
    """The edition. Raises :class:`TooLittle`."""
    ranked = sorted(scores(facts).items(), key=lambda one: (-one[1], one[0]))
    if len(ranked) < LEAST_COMPANIES:
        raise TooLittle(f"figures of {len(ranked)} companies are known, and {LEAST_COMPANIES} are needed")
    chosen = _chosen(ranked, facts)
    picks = [_pick(facts[ticker], score, len(ranked)) for ticker, score in chosen]
    content = Content(picks=picks, themes=[_theme(facts, *one) for one in _THEMES], market_analysis=_analysis(facts))
    return stored(content, facts)


def stored(content: Content, facts: Mapping[str, Fact]) -> Stored:
    """An edition with the figures behind its picks."""
    own = [facts[pick.ticker] for pick in content.picks if pick.ticker in facts]
    return Stored(
        content=content,
        backing={one.ticker: one.backing() for one in own},
        base={one.ticker: (one.day, one.close) for one in own if one.day and one.close},
        synthetic=next((one.synthetic for one in own if one.synthetic), None),
    )


def _chosen(ranked: list[tuple[str, float]], facts: Mapping[str, Fact]) -> list[tuple[str, float]]:
    taken: Counter[str] = Counter()
    first, rest = [], []
    for ticker, score in ranked:
        sector = facts[ticker].sector or ticker
        if taken[sector] < MOST_OF_A_SECTOR:
            taken[sector] += 1
            first.append((ticker, score))
        else:
            rest.append((ticker, score))
    return [*first, *rest][:PICKS]


def _pick(fact: Fact, score: float, count: int) -> Pick:
    parts = [
        ("its earnings yield is", fact.value),
        ("its return on equity", fact.quality),
        ("its yearly deviation", fact.risk),
    ]
    year = [f"over the year without its last month it {moved(fact.momentum)}"] if fact.momentum is not None else []
    all_of_it = "; ".join([*year, *(f"{words} {percent(value)}" for words, value in parts if value is not None)])
    said = all_of_it[:1].upper() + all_of_it[1:]
    return Pick(
        ticker=fact.ticker,
        company_name=fact.name[:120],
        exchange=(fact.exchange or "unknown")[:40],
        rationale=f"Mean of four percentiles among {count} companies: {score:.1f} of 100. {said}.",
        risk_level=risk_level(fact),
    )


def _theme(facts: Mapping[str, Fact], name: str, title: str, category: Category, most_first: bool) -> Theme:
    known = sorted(
        ((getattr(one, name), ticker) for ticker, one in facts.items() if getattr(one, name) is not None),
        key=lambda one: (-one[0] if most_first else one[0], one[1]),
    )[:5]
    listed = "; ".join(f"{ticker} {percent(value)}" for value, ticker in known)
    formula = FORMULAS[name]  # type: ignore[index]
    tickers = [ticker for _, ticker in known] or sorted(facts)[:3]
    return Theme(
        title=title,
        summary=f"By {name}: {formula}.",
        report=f"The first five by {name} among {len(facts)} companies: {listed}. Computed as: {formula}.",
        tickers=tickers if len(tickers) >= 3 else sorted(facts)[:3],
        category=category,
    )


def _analysis(facts: Mapping[str, Fact]) -> Analysis:
    middle = {
        name: median(known)
        if (known := [v for one in facts.values() if (v := getattr(one, name)) is not None])
        else None
        for name in FORMULAS
    }
    day = max((one.day for one in facts.values() if one.day), default=None)
    return Analysis(
        current_environment=(
            f"Of {len(facts)} companies{f', as of {day:%-d %b %Y}' if day else ''}: the median "
            f"{moved(middle['momentum'])} over the year without its last month, at an earnings yield of "
            f"{percent(middle['value'])}."
        ),
        risk_factors=(
            f"The median yearly deviation is {percent(middle['risk'])}. Past figures say nothing certain about later "
            "ones; what is not known of a company is left out."
        ),
        opportunities=(
            f"The median return on equity is {percent(middle['quality'])}. This edition only sorts figures; "
            "it knows no news and nobody's circumstances."
        ),
    )


def moved(value: float | None) -> str:
    """What a price did, in words."""
    if value is None:
        return "is not known"
    return f"{'fell' if value < 0 else 'rose'} {percent(abs(value))}"


def percent(value: float | None) -> str:
    """A ratio in per cent, with a true minus; an en dash for what is unknown."""
    if value is None:
        return "\u2013"
    sign = "\u2212" if round(value, 3) < 0 else ""
    return f"{sign}{abs(value) * 100:,.1f}\u202f%"


def signed(value: float | None) -> str:
    """A change in per cent: its sign is always written, and a zero has none."""
    return f"{'+' if value is not None and round(value, 3) > 0 else ''}{percent(value)}"
