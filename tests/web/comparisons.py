"""A comparison as its producer makes it, from synthetic series, without a source to ask."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

from openbell.products.forecast.comparison import Comparison, SourceUsed
from openbell.products.forecast.forecast import compute
from openbell.products.forecast.insight import correlation_of, leader_of, peaks_of, rhythm_of
from openbell.products.forecast.keys import Pair, forecast_key, hash_of, pair_of
from openbell.products.forecast.sources import Gathered, Missing, by_step

LAST = date(2026, 11, 21)


def days_of(level: float, *, days: int = 1_840, wave: float = 0.3, seed: int = 1) -> dict[date, float | None]:
    """A synthetic series by day with a yearly wave, some noise and a gap of a month."""
    made: dict[date, float | None] = {}
    for n in range(days):
        day = LAST - timedelta(days=days - 1 - n)
        noise = 0.08 * math.sin(n * 12.9898 * seed) + 0.05 * math.sin(n * 78.233 + seed)
        made[day] = round(level * (1 + wave * math.sin(2 * math.pi * n / 365.25) + noise), 3)
    for n in range(40):
        made[LAST - timedelta(days=120 + n)] = None
    made[LAST - timedelta(days=60)] = 9 * level
    return made


def gathered(pair: Pair, a: float = 100.0, b: float = 70.0) -> Gathered:
    """Both series of a pair."""
    series = {
        pair.a: by_step(days_of(a, seed=1), pair.frame),
        pair.b: by_step(days_of(b, wave=-0.3, seed=2), pair.frame),
    }
    return Gathered(pair, {"wikipedia": series}, [Missing("search", "no provider of search interest is set up")])


def comparison(pair: Pair | None = None, a: float = 100.0, b: float = 70.0) -> dict[str, Any]:
    """The stored value."""
    pair = pair or pair_of("amazon", "costco")
    data = gathered(pair, a, b)
    frame, scores, every = pair.frame, data.scores(data.scale), data.days
    shown, first, second = every[-frame.shown :], scores[pair.a][-frame.shown :], scores[pair.b][-frame.shown :]
    made, data_hash = compute(data, frame.horizon), hash_of(pair, data.series)
    value = Comparison(
        pair=pair.key, slug=pair.slug, a=pair.a, b=pair.b, tf=pair.tf, geo=pair.geo,
        step="D" if frame.step == "D" else "W", kind="interest", days=shown, scores_a=first, scores_b=second,
        titles={pair.a: "Amazon (company)", pair.b: "Costco"},
        sources=[
            SourceUsed(source="wikipedia", weight=1.0),
            SourceUsed(source="search", weight=0.0, missing="no provider of search interest is set up"),
        ],
        data_hash=data_hash, forecast_key=forecast_key(pair, data_hash),
        gaps=sum(v is None for v in (*first, *second)),
        leader=leader_of(pair.a, pair.b, shown, first, second),
        peaks=peaks_of(pair.a, shown, first) + peaks_of(pair.b, shown, second),
        rhythms=[rhythm_of(term, every, scores[term], frame.season) for term in (pair.a, pair.b)],
        correlation=correlation_of(first, second),
        expected_margin=made.gap.expected_margin, lead_change_risk=made.gap.lead_change_risk,
        risk_error=made.gap.risk_error, forecast=made,
    )  # fmt: skip
    return value.model_dump(mode="json")
