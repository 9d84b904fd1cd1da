"""The closes of a year as a line that is drawn without a script. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from openbell.web import words

WIDTH, HEIGHT, PAD = 640, 160, 8


@dataclass(frozen=True, slots=True)
class Chart:
    """``points`` of an SVG line in a box of WIDTH by HEIGHT; (x, y) is the last close, ``base_x`` the pick's day."""

    points: str
    x: float
    y: float
    base_x: float | None
    words: str
    first: str
    last: str
    low: str
    high: str
    rows: list[tuple[str, str]]
    """The last close of each month, for whoever reads a table rather than a line."""


def chart(bars: Sequence[tuple[date, float]], base: date | None) -> Chart | None:
    """None where there are fewer than two closes."""
    if len(bars) < 2:
        return None
    values = [close for _, close in bars]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = (WIDTH - 2 * PAD) / (len(values) - 1)
    spots = [(PAD + n * step, PAD + (high - one) / span * (HEIGHT - 2 * PAD)) for n, one in enumerate(values)]
    at = [spot[0] for (day, _), spot in zip(bars, spots, strict=True) if base is not None and day >= base]
    first, last = words.day(bars[0][0]), words.day(bars[-1][0])
    said = (
        f"Daily closes from {first} to {last}, between {words.number(low, 2)} and {words.number(high, 2)}, "
        f"the last {words.number(values[-1], 2)}"
    )
    months = {(day.year, day.month): (words.day(day), words.number(close, 2)) for day, close in bars}
    return Chart(
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in spots),
        x=round(spots[-1][0], 1),
        y=round(spots[-1][1], 1),
        base_x=round(at[0], 1) if at and base is not None and base >= bars[0][0] else None,
        words=said,
        first=first,
        last=last,
        low=words.number(low, 2),
        high=words.number(high, 2),
        rows=list(months.values()),
    )
