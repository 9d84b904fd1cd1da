"""A sparkline as plain numbers for an inline SVG: one line, no axes, the last value marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, PAD = 120, 32, 4


@dataclass(frozen=True, slots=True)
class Sparkline:
    """`points` is an SVG points list in a box of WIDTH by HEIGHT; (x, y) is the last value."""

    points: str
    x: float
    y: float
    words: str  # the text alternative


def sparkline(closes: Sequence[float], live: float | None = None) -> Sparkline | None:
    """None for fewer than two values: a line needs two ends."""
    values = [*closes, live] if live is not None else list(closes)
    if len(values) < 2:
        return None
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = (WIDTH - 2 * PAD) / (len(values) - 1)
    spots = [(PAD + i * step, PAD + (high - v) / span * (HEIGHT - 2 * PAD)) for i, v in enumerate(values)]
    x, y = spots[-1]
    words = f"last {len(closes)} closes, between {low:,.2f} and {high:,.2f}, now {values[-1]:,.2f}"
    return Sparkline(" ".join(f"{a:.1f},{b:.1f}" for a, b in spots), round(x, 1), round(y, 1), words)
