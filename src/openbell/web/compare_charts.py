"""Charts of a comparison as plain numbers for inline SVG: lines with their gaps, fans of bands, few labels. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from openbell.products.forecast.wording import names_of

Value = float | None
SIGN_WIDTH = 9
"""Of a letter of a label, at most, in units of the drawing."""
LABELS_MAX = {"wide": 8, "narrow": 4}


@dataclass(frozen=True, slots=True)
class Size:
    """A drawing: its box, and the room for labels at the sides."""

    name: str
    width: int
    height: int
    left: int
    right: int
    top: int = 12
    bottom: int = 28


WIDE, NARROW = Size("wide", 1100, 340, 40, 150), Size("narrow", 360, 260, 34, 12)


@dataclass(frozen=True, slots=True)
class Line:
    """One series: the path of what was, the fans of what may come, the path of their centre, the place of its label."""

    name: str
    style: str
    past: str
    ahead: str
    fan80: str
    fan95: str
    end: tuple[float, float] | None
    label_y: float


@dataclass(frozen=True, slots=True)
class Chart:
    """All that the template draws."""

    size: Size
    lines: list[Line]
    across: list[tuple[float, str]]
    down: list[tuple[float, str]]
    now_x: float | None
    zero_y: float | None
    words: str


def scores_chart(value: Mapping[str, Any], size: Size) -> Chart:
    """Both terms with their fans, from 0 to 100."""
    names = names_of(value)
    parts = [
        (names[value["a"]], "a", value["scores_a"], value["forecast"]["a"]),
        (names[value["b"]], "b", value["scores_b"], value["forecast"]["b"]),
    ]
    series = [
        (name, style, scores, forecast["points"] if forecast["show"] else []) for name, style, scores, forecast in parts
    ]
    both = f"{names[value['a']]} and {names[value['b']]}"
    words = f"Scores of {both} from 0 to 100, with 80 and 95 % bands for what may come"
    return _chart(value["days"], series, (0.0, 100.0), _fitted(size, list(names.values())), words)


def gap_chart(value: Mapping[str, Any], size: Size) -> Chart:
    """A minus B with its fan, around zero."""
    names = names_of(value)
    pairs = zip(value["scores_a"], value["scores_b"], strict=True)
    gaps = [None if x is None or y is None else x - y for x, y in pairs]
    points = value["forecast"]["gap"]["points"] if value["forecast"]["a"]["show"] else []
    reach = [abs(v) for v in gaps if v is not None] + [abs(p[k]) for p in points for k in ("lo95", "hi95")]
    top = min(100.0, 10.0 * (int(max(reach, default=10.0) / 10) + 1))
    words = f"The gap: {names[value['a']]} minus {names[value['b']]}, with 80 and 95 % bands for what may come"
    return _chart(value["days"], [("gap", "gap", gaps, points)], (-top, top), _fitted(size, [""]), words)


def _fitted(size: Size, labels: Sequence[str]) -> Size:
    """No more room at the right than the labels of the ends need; where there is hardly any, they stand above."""
    return replace(size, right=min(size.right, 24 + SIGN_WIDTH * max(map(len, labels))))


def _chart(
    days: Sequence[Any],
    series: Sequence[tuple[str, str, Sequence[Value], Sequence[Mapping[str, Any]]]],
    reach: tuple[float, float],
    size: Size,
    words: str,
) -> Chart:
    shown = [_day(day) for day in days]
    ahead = [_day(point["day"]) for point in next((points for *_, points in series if points), [])]
    first, last = shown[0], (ahead or shown)[-1]
    span = max(1, (last - first).days)
    low, high = reach

    def x(day: date) -> float:
        return round(size.left + (day - first).days / span * (size.width - size.left - size.right), 1)

    def y(value: float) -> float:
        kept = min(high, max(low, value))
        return round(size.top + (high - kept) / (high - low) * (size.height - size.top - size.bottom), 1)

    lines = [_line(name, style, shown, scores, points, x, y) for name, style, scores, points in series]
    ticks = [low + (high - low) * n / 4 for n in range(5)]
    return Chart(
        size=size,
        lines=_apart(lines),
        across=[(y(tick), _figure(tick)) for tick in ticks],
        down=[(x(day), words_) for day, words_ in _marks(shown[0], last, LABELS_MAX[size.name])],
        now_x=x(shown[-1]) if ahead else None,
        zero_y=y(0.0) if low < 0 < high else None,
        words=words,
    )


def _line(
    name: str,
    style: str,
    days: Sequence[date],
    scores: Sequence[Value],
    points: Sequence[Mapping[str, Any]],
    x: Any,
    y: Any,
) -> Line:
    spots = [(x(day), y(v)) if v is not None else None for day, v in zip(days, scores, strict=True)]
    known = [spot for spot in spots if spot]
    last = known[-1] if known else None
    steps = [(x(_day(p["day"])), p) for p in points]
    begin = [last] if last else []
    fans = []
    for level in ("80", "95"):
        upper = begin + [(at, y(p["hi" + level])) for at, p in steps]
        lower = begin + [(at, y(p["lo" + level])) for at, p in steps]
        fans.append(_polygon(upper + lower[::-1]) if steps else "")
    centre = begin + [(at, y(p["mean"])) for at, p in steps]
    end = centre[-1] if centre else None
    return Line(
        name=name,
        style=style,
        past=_path(spots),
        ahead=_path(list(centre)) if steps else "",
        fan80=fans[0],
        fan95=fans[1],
        end=end,
        label_y=end[1] if end else 0.0,
    )


def _path(spots: Sequence[tuple[float, float] | None]) -> str:
    """A path that is broken where a figure is missing."""
    parts, drawing = [], False
    for spot in spots:
        if spot is None:
            drawing = False
            continue
        parts.append(f"{'L' if drawing else 'M'}{spot[0]:g} {spot[1]:g}")
        drawing = True
    return "".join(parts)


def _polygon(spots: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{a:g},{b:g}" for a, b in spots)


def _apart(lines: list[Line], least: float = 18.0) -> list[Line]:
    """Labels that would lie on each other are moved apart."""
    if len(lines) != 2 or abs(lines[0].label_y - lines[1].label_y) >= least:
        return lines
    middle = (lines[0].label_y + lines[1].label_y) / 2
    upper = 0 if lines[0].label_y <= lines[1].label_y else 1
    places = {upper: middle - least / 2, 1 - upper: middle + least / 2}
    return [
        Line(one.name, one.style, one.past, one.ahead, one.fan80, one.fan95, one.end, round(places[n], 1))
        for n, one in enumerate(lines)
    ]


def _marks(first: date, last: date, most: int) -> list[tuple[date, str]]:
    """Beginnings of months or years for the axis, at most so many."""
    months = (last.year - first.year) * 12 + last.month - first.month
    step = next((s for s in (1, 2, 3, 6, 12, 24) if months / s <= most), 24)
    found = []
    year, month = first.year, first.month
    for _ in range(months):
        month += 1
        if month > 12:
            year, month = year + 1, 1
        if (month - 1) % step == 0 and (step < 24 or year % 2 == 0):
            day = date(year, month, 1)
            found.append((day, str(year) if month == 1 else day.strftime("%b")))
    return found[-most:]


def _day(day: Any) -> date:
    return day if isinstance(day, date) else date.fromisoformat(day)


def _figure(value: float) -> str:
    return f"{value:+.0f}".replace("-", "\u2212").replace("+0", "0") if value < 0 else f"{value:.0f}"
