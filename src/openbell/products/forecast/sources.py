"""Where series come from: each source says which artifact holds the series of a term, and how it is read.

Wikipedia's page views and search interest (a slot, see `gather.SLOT`; until it is filled the source is listed as
missing and confidence is lower for it, FC-25) make the score of words. A term that begins with `$` is a symbol and has
its prices; one of the form `csv name` is a series that somebody brought.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

from openbell.products.forecast.keys import Frame, Pair, Points

WEEK_DAYS_MIN = 4
Kind = Literal["wikipedia", "search", "price", "upload"]

WEIGHTS: Mapping[str, float] = {"wikipedia": 0.6, "search": 0.4, "price": 1.0, "upload": 1.0}


@dataclass(frozen=True, slots=True)
class Missing:
    """A source that has nothing for this pair, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a comparison is made from: by source and term the points of each step, and what is missing."""

    pair: Pair
    series: Mapping[str, Mapping[str, Points]]
    missing: Sequence[Missing]
    titles: Mapping[str, str] = field(default_factory=dict)
    """By term, the page that it names."""

    @property
    def days(self) -> list[date]:
        """Every step from the first to the last that any series has, without holes."""
        every = [day for terms in self.series.values() for points in terms.values() for day in points]
        if not every:
            return []
        span = timedelta(days=1 if self.pair.frame.step == "D" else 7)
        days, last = [min(every)], max(every)
        while days[-1] < last:
            days.append(days[-1] + span)
        return days[-self.pair.frame.history :]

    def scores(self, scale: Mapping[str, float]) -> dict[str, list[float | None]]:
        """The 0-100 score of each term by step: sources by weight, where both terms have a figure of that source."""
        weights = {source: WEIGHTS[source] for source in self.series}
        made: dict[str, list[float | None]] = {term: [] for term in (self.pair.a, self.pair.b)}
        for day in self.days:
            known = [
                source
                for source, terms in self.series.items()
                if all(terms[term].get(day) is not None for term in made)
            ]
            total = sum(weights[source] for source in known)
            for term, values in made.items():
                figures = [weights[s] * float(self.series[s][term][day] or 0) * scale[s] for s in known]
                values.append(min(100.0, round(sum(figures) / total, 4)) if total else None)
        return made

    @property
    def scale(self) -> dict[str, float]:
        """By source, what makes the highest figure of both terms in the history 100."""
        days = set(self.days)
        top = {
            source: max(
                (float(v) for points in terms.values() for day, v in points.items() if v and day in days), default=0
            )
            for source, terms in self.series.items()
        }
        return {source: 100 / high if high else 0.0 for source, high in top.items()}

    @property
    def kind(self) -> str:
        """`price` when both are prices, which are forecast as such; else `interest`."""
        return "price" if list(self.series) == ["price"] else "interest"

    @property
    def weight(self) -> float:
        """The share of the weights of interest that is there (1.0 for prices and uploads)."""
        return min(1.0, sum(WEIGHTS[source] for source in self.series))


def by_step(daily: Mapping[date, float | None], frame: Frame) -> dict[date, float | None]:
    """Days as they are, or whole weeks from Monday to Sunday as the mean of their days; too few days are a gap."""
    if frame.step == "D" or not daily:
        return dict(sorted(daily.items())[-frame.history :])
    first, last = min(daily).toordinal(), max(daily).toordinal()
    values: list[float | None] = [None] * (last - first + 1)
    for day, value in daily.items():
        values[day.toordinal() - first] = value
    weeks: dict[date, float | None] = {}
    whole = range((1 - first) % 7, len(values) - 6, 7)  # ordinal 1 is a Monday
    for start in whole[-frame.history :]:
        known = [v for v in values[start : start + 7] if v is not None]
        monday = date.fromordinal(first + start)
        weeks[monday] = round(sum(known) / len(known), 6) if len(known) >= WEEK_DAYS_MIN else None
    return weeks


def of_interest(value: Mapping[str, Any]) -> dict[date, float | None]:
    """The days of a stored `interest`."""
    first = date.fromisoformat(value["first"]).toordinal()
    return {date.fromordinal(first + n): views for n, views in enumerate(value["views"])}


def of_prices(value: Mapping[str, Any]) -> dict[date, float | None]:
    """Closes on days of trade; other days carry the last close, since a closed market is no gap."""
    closes = {date.fromisoformat(row[0]): float(row[4]) for row in value["rows"]}
    days: dict[date, float | None] = {}
    day, last, close = min(closes), max(closes), None
    while day <= last:
        close = closes.get(day, close)
        days[day] = close
        day += timedelta(days=1)
    return days
