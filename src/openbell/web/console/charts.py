"""Lines and bars over time, as plain numbers for an SVG drawn by the server; the page has the same as a table. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from openbell.web.words import NARROW

WIDTH, HEIGHT = 360, 148
LEFT, RIGHT, TOP, BOTTOM = 2, 358, 18, 126
DECADES = ((0.001, "1 ms"), (0.01, "10 ms"), (0.1, "0.1 s"), (1, "1 s"), (10, "10 s"), (60, "1 min"), (600, "10 min"),
           (3_600, "1 h"), (14_400, "4 h"))  # fmt: skip
"""The marks of a scale of spans."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line: a value for each step, None where nothing is known. ``now`` is its last value in words."""

    name: str
    kind: str
    values: Sequence[float | None]
    now: str


@dataclass(frozen=True, slots=True)
class Hit:
    """The strip of a step: where it is, the rows behind it, and what it says."""

    x: float
    width: float
    href: str
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing in a box of WIDTH by HEIGHT: paths by kind, dots, bars (x, y, width, height), marks (place, words)."""

    title: str
    about: str
    series: Sequence[Series]
    paths: Sequence[tuple[str, str]]
    dots: Sequence[tuple[str, float, float]]
    bars: Sequence[tuple[float, float, float, float]]
    marks_y: Sequence[tuple[float, str]]
    marks_x: Sequence[tuple[float, str, str]]
    hits: Sequence[Hit]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.paths and not self.bars


@dataclass(frozen=True, slots=True)
class Scale:
    """From a value to its height, and the marks at the side."""

    place: Callable[[float], float]
    marks: Sequence[tuple[float, str]]


def linear(most: float, name: Callable[[float], str]) -> Scale:
    """From nothing to a round number that is not below ``most``."""
    top = nice(most)
    return Scale(lambda value: value / top, [(0.0, name(0)), (top / 2, name(top / 2)), (top, name(top))])


def spans(values: Sequence[float]) -> Scale:
    """Seconds, each mark several times the one before: what waits for a moment and for an hour are both seen."""
    low = max((n for n, (edge, _) in enumerate(DECADES) if edge <= min(values, default=0.01)), default=0)
    high = min((n for n, (edge, _) in enumerate(DECADES) if edge >= max(values, default=1)), default=len(DECADES) - 1)
    low, high = min(low, high - 1), max(high, low + 1)
    bottom, top = math.log(DECADES[max(low, 0)][0]), math.log(DECADES[min(high, len(DECADES) - 1)][0])
    every = max(1, math.ceil((high - low) / 3))
    marks = [mark for n, mark in enumerate(DECADES[max(low, 0) : high + 1]) if n % every == 0]
    return Scale(lambda value: (math.log(max(value, 1e-9)) - bottom) / (top - bottom), marks)


def nice(most: float) -> float:
    """The next of 1, 2, 4, 6, 8, 10, 20, … that is not below it."""
    if most <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(most))
    return next(times * unit for times in (1, 2, 4, 6, 8, 10) if times * unit >= most * 0.999)


def draw(
    title: str,
    about: str,
    series: Sequence[Series],
    scale: Scale,
    times: Sequence[datetime],
    hits: Sequence[tuple[str, str]],
    *,
    bars: bool = False,
) -> Chart:
    """``hits`` are address and words of each step; with ``bars`` the first of the series stands as bars."""
    count = max(len(times), 1)
    width = (RIGHT - LEFT) / count

    def spot(n: int, value: float) -> tuple[float, float]:
        height = min(max(scale.place(value), 0.0), 1.0)
        return round(LEFT + width * (n + 0.5), 1), round(BOTTOM - height * (BOTTOM - TOP), 1)

    paths, dots, columns = [], [], []
    for one in series:
        known = [(n, value) for n, value in enumerate(one.values) if value is not None]
        if bars and one is series[0]:
            columns = [
                (round(LEFT + width * n + width * 0.1, 1), y, round(width * 0.8, 1), round(BOTTOM - y, 1))
                for n, value in known
                if value > 0
                for _, y in [spot(n, value)]
            ]
            continue
        if known:
            paths.append((one.kind, _path([(n, *spot(n, value)) for n, value in known])))
            dots.append((one.kind, *spot(*known[-1])))
    return Chart(
        title,
        about,
        series,
        paths,
        dots,
        columns,
        [(round(BOTTOM - min(scale.place(value), 1.0) * (BOTTOM - TOP), 1), name) for value, name in scale.marks],
        _times(times),
        [Hit(round(LEFT + width * n, 1), round(width, 2), *hit) for n, hit in enumerate(hits)],
    )


def _path(spots: Sequence[tuple[int, float, float]]) -> str:
    """A line that is broken where steps are missing; one that stands alone is a stroke as wide as a step."""
    parts, before = [], None
    for n, x, y in spots:
        parts.append(f"{'L' if before == n - 1 else 'M'}{x} {y}")
        before = n
    text = "".join(parts)
    return text if "L" in text else text + "h.1"


def _times(times: Sequence[datetime]) -> list[tuple[float, str, str]]:
    """The first, the middle and the last step in words; the place, the words, and how they stand to it."""
    if not times:
        return []
    long = times[-1] - times[0] > timedelta(days=2)

    def said(at: datetime) -> str:
        return f"{at.day}{NARROW}{at:%b}" if long else f"{at:%H:%M}"

    return [
        (LEFT, said(times[0]), "start"),
        ((LEFT + RIGHT) / 2, said(times[len(times) // 2]), "middle"),
        (RIGHT, "now, UTC", "end"),
    ]
