"""The five pillars of the leaderboard: value, growth, profitability, income, health. Pure: figures in, scores out.

Each pillar is the mean of a few measures, each measure the percentile of a company among all that have the figure: 0 is
the worst, 100 the best, equal figures get equal percentiles. Prices to something are turned over into yields first, so
that a loss is the worst of all and no cheap share. What is unknown is left out and never counted as bad or good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

PILLARS = ("value", "growth", "profitability", "income", "health")

MEASURES: Mapping[str, tuple[str, ...]] = {
    "value": ("earnings_yield", "book_yield", "free_cash_flow_yield", "ebitda_yield"),
    "growth": ("revenue_growth", "operating_income_growth", "eps_growth"),
    "profitability": ("operating_margin", "net_margin", "return_on_equity"),
    "income": ("dividend_yield", "dividend_cover"),
    "health": ("current_ratio", "equity_to_debt", "interest_coverage"),
}
"""The measures of each pillar; more is better for every one of them."""

PRESETS: Mapping[str, tuple[int, int, int, int, int]] = {
    "balanced": (20, 20, 20, 20, 20),
    "value": (50, 5, 20, 10, 15),
    "growth": (5, 55, 25, 0, 15),
    "fair-growth": (35, 35, 20, 0, 10),
    "quality": (10, 10, 50, 5, 25),
    "income": (15, 5, 15, 50, 15),
    "cautious": (15, 5, 20, 20, 40),
}
"""Weights of the pillars in per cent, in the order of :data:`PILLARS`."""

LEAST_WEIGHT = 0.6
"""Of the weights: a company of which less is known is listed without a rank."""

LEAST_MEASURES = 0.5
"""Of the measures of a pillar: with less of them it is unknown."""


@dataclass(frozen=True, slots=True)
class Score:
    """One company. Pillars from 0 to 100, None where too little is known; ``total`` None where there is no rank."""

    symbol: str
    rank: int | None
    total: float | None
    pillars: Mapping[str, float | None]


def measures(ratios: Mapping[str, Any], periods: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """The measures of a company from its ratios of twelve months and its last two years, oldest first."""
    equity, gain = _number(ratios.get("book_value_per_share")), _number(ratios.get("net_income_per_share"))
    owed = _number(ratios.get("debt_to_equity_ratio"))
    paid = _number(ratios.get("dividend_yield"))
    return {
        "earnings_yield": _turned(ratios.get("price_to_earnings_ratio")),
        "book_yield": _turned(ratios.get("price_to_book_ratio")),
        "free_cash_flow_yield": _turned(ratios.get("price_to_free_cash_flow_ratio")),
        "ebitda_yield": _turned(ratios.get("enterprise_value_multiple")),
        "revenue_growth": _growth(periods, "revenue"),
        "operating_income_growth": _growth(periods, "operating_income"),
        "eps_growth": _growth(periods, "eps_diluted"),
        "operating_margin": _number(ratios.get("operating_profit_margin")),
        "net_margin": _number(ratios.get("net_profit_margin")),
        "return_on_equity": gain / equity if gain is not None and equity is not None and equity > 0 else None,
        "dividend_yield": paid,
        "dividend_cover": _turned(ratios.get("dividend_payout_ratio")) if paid else None,
        "current_ratio": _number(ratios.get("current_ratio")),
        "equity_to_debt": _equity_to_debt(owed),
        "interest_coverage": _number(ratios.get("interest_coverage_ratio")),
    }


def _number(value: Any) -> float | None:
    """A finite figure."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    return float(value) if known else None


def _turned(value: Any) -> float | None:
    """One over the figure: the price of a loss is negative, and stays the worst."""
    figure = _number(value)
    return 1 / figure if figure else None


def _equity_to_debt(owed: float | None) -> float | None:
    """Without debt the best of all; with less than no equity the worst."""
    if owed is None:
        return None
    if owed == 0:
        return inf
    return 1 / owed if owed > 0 else -inf


def _growth(periods: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """From the year before to the last one, in one currency; None where there was nothing above zero to grow from."""
    if len(periods) < 2:
        return None
    before, after = periods[-2], periods[-1]
    was, is_now = (_number((period.get("income") or {}).get(name)) for period in (before, after))
    year, past = after.get("fiscal_year"), before.get("fiscal_year")
    one_year = year is None or past is None or year - past == 1
    if was is None or is_now is None or was <= 0 or not one_year or before.get("currency") != after.get("currency"):
        return None
    return is_now / was - 1


def percentiles(figures: Mapping[str, float | None]) -> dict[str, float]:
    """From 0 for the lowest to 100 for the highest of what is known; equal figures share the middle of their places."""
    known = sorted(value for value in figures.values() if value is not None)
    if len(known) < 2:
        return {symbol: 50.0 for symbol, value in figures.items() if value is not None}
    first: dict[float, int] = {}
    count: dict[float, int] = {}
    for place, value in enumerate(known):
        first.setdefault(value, place)
        count[value] = count.get(value, 0) + 1
    return {
        symbol: 100 * (first[value] + (count[value] - 1) / 2) / (len(known) - 1)
        for symbol, value in figures.items()
        if value is not None
    }


def board(companies: Mapping[str, Mapping[str, float | None]], preset: str) -> list[Score]:
    """Every company by its total, the best first, then those without a rank by symbol. Equal totals share a rank.

    Raises ``KeyError`` for an unknown preset.
    """
    weights = dict(zip(PILLARS, PRESETS[preset], strict=True))
    names = [name for group in MEASURES.values() for name in group]
    placed = {name: percentiles({symbol: own[name] for symbol, own in companies.items()}) for name in names}
    scores = []
    for symbol in companies:
        pillars = {pillar: _pillar(pillar, symbol, placed) for pillar in PILLARS}
        scores.append((symbol, _total(pillars, weights), pillars))
    ranked = sorted((s for s in scores if s[1] is not None), key=lambda s: (-(s[1] or 0.0), s[0]))
    found: list[Score] = []
    for place, (symbol, total, pillars) in enumerate(ranked, 1):
        tie = found and found[-1].total == total
        found.append(Score(symbol, found[-1].rank if tie else place, total, pillars))
    found += [
        Score(symbol, None, None, pillars)
        for symbol, total, pillars in sorted(scores, key=lambda s: s[0])
        if total is None
    ]
    return found


def _pillar(pillar: str, symbol: str, placed: Mapping[str, Mapping[str, float]]) -> float | None:
    known = [placed[name][symbol] for name in MEASURES[pillar] if symbol in placed[name]]
    return sum(known) / len(known) if len(known) >= LEAST_MEASURES * len(MEASURES[pillar]) else None


def _total(pillars: Mapping[str, float | None], weights: Mapping[str, int]) -> float | None:
    """The weighted mean of what is known; one digit, so that no rank rests on noise."""
    known = {name: value for name, value in pillars.items() if value is not None and weights[name]}
    weight = sum(weights[name] for name in known)
    if weight < LEAST_WEIGHT * sum(weights.values()):
        return None
    return round(sum(value * weights[name] for name, value in known.items()) / weight, 1)
