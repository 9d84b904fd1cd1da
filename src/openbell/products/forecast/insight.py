"""What can be read from two series of scores: who leads and since when, peaks, season, how they move together. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import date

import numpy as np
from pydantic import BaseModel

from openbell.forecasting import season as seasons

PEAKS_MAX = 3
PEAK_TIMES = 6.0  # spreads above the usual: what is rarer than chance by far
PEAK_SHARE = 1.25  # and so many times the usual, or nobody would call it a peak
POINTS_MIN = 12
SEASON_STRONG, SEASON_SOME = 0.6, 0.2

Scores = Sequence[float | None]


class Leader(BaseModel):
    """Who is ahead on the last step that both have, by how much, and since which step without a break."""

    term: str | None
    margin: float
    since: date | None
    steps: int
    share_of_time: float


class News(BaseModel):
    """A stored article of those days; a likely reason, not a proven one."""

    title: str
    publisher: str
    address: str
    day: date


class Peak(BaseModel):
    """A step far above the usual of its neighbours. `times` is the score as a multiple of that."""

    term: str
    day: date
    score: float
    times: float
    news: list[News] = []


class Rhythm(BaseModel):
    """How much of a term's ups and downs comes back every year (weeks) or week (days): 0 to 1; None when unknown."""

    term: str
    strength: float | None
    words: str
    high: date | None = None


def leader_of(a: str, b: str, days: Sequence[date], first: Scores, second: Scores) -> Leader:
    """The lead, from the shown part of both series."""
    both = [(day, x - y) for day, x, y in zip(days, first, second, strict=True) if x is not None and y is not None]
    if not both:
        return Leader(term=None, margin=0.0, since=None, steps=0, share_of_time=0.0)
    _, gap = both[-1]
    side = (gap > 0) - (gap < 0)
    steps = 0
    for _, earlier in reversed(both):
        if (earlier > 0) - (earlier < 0) != side:
            break
        steps += 1
    ahead = sum(1 for _, g in both if (g > 0) - (g < 0) == side) / len(both)
    return Leader(
        term=a if side > 0 else b if side < 0 else None,
        margin=round(abs(gap), 2),
        since=both[-steps][0],
        steps=steps,
        share_of_time=round(ahead, 3),
    )


def peaks_of(term: str, days: Sequence[date], scores: Scores) -> list[Peak]:
    """The highest few steps that stand out from the median around them, oldest first."""
    known = [v for v in scores if v is not None]
    if len(known) < POINTS_MIN:
        return []
    usual = [_around(scores, n) for n in range(len(scores))]
    off = [v - u for v, u in zip(scores, usual, strict=True) if v is not None and u is not None]
    spread = statistics.median(abs(one) for one in off) or 0.02 * max(known)
    found = [
        Peak(term=term, day=day, score=round(v, 2), times=round(v / u, 2) if u else 0.0)
        for day, v, u in zip(days, scores, usual, strict=True)
        if v is not None and u is not None and spread > 0 and v - u > PEAK_TIMES * spread and v > PEAK_SHARE * u
    ]
    highest = sorted(found, key=lambda peak: (-peak.score, peak.day))[:PEAKS_MAX]
    return sorted(highest, key=lambda peak: peak.day)


def _around(scores: Scores, n: int) -> float | None:
    near = [v for v in scores[max(0, n - 6) : n + 7] if v is not None]
    return statistics.median(near) if near else None


def rhythm_of(term: str, days: Sequence[date], scores: Scores, period: int) -> Rhythm:
    """The season of a term, from all of its history."""
    places = np.arange(len(scores))
    known = np.array([v is not None for v in scores])
    if period < 2 or len(scores) < seasons.SEASONS_MIN * period or known.sum() < POINTS_MIN:
        return Rhythm(term=term, strength=None, words="too little history to tell a season")
    y = np.interp(places, places[known], np.array([v for v in scores if v is not None], dtype=np.float64))
    found = seasons.find_season(y + (1e-9 if y.min() >= 0 else 0), period, 0)
    part = "year" if period == 52 else "week"
    if found.strength < SEASON_SOME:
        return Rhythm(term=term, strength=round(found.strength, 3), words=f"hardly any pattern by {part}")
    much = "a strong" if found.strength >= SEASON_STRONG else "some"
    last = found.values[-period:]
    return Rhythm(
        term=term,
        strength=round(found.strength, 3),
        words=f"{much} pattern by {part}",
        high=days[len(days) - period + int(np.argmax(last))],
    )


def correlation_of(first: Scores, second: Scores) -> float | None:
    """How the changes from step to step go together, -1 to 1; None below a dozen of them, or when one never changes."""
    both = [(x, y) for x, y in zip(first, second, strict=True) if x is not None and y is not None]
    if len(both) <= POINTS_MIN:
        return None
    changes = np.diff(np.array(both), axis=0)
    if np.ptp(changes[:, 0]) == 0 or np.ptp(changes[:, 1]) == 0:
        return None
    return round(float(np.corrcoef(changes.T)[0, 1]), 3)
