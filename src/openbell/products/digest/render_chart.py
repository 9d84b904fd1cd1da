"""The chart of the price card as a picture: one line of closes, the last one marked. Pure: same closes, same bytes.

It has no background and no letters, and its tones stand out on paper and on ink alike: what is to be read stands beside
it as text, which a reader without images has as well.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from PIL import Image, ImageDraw

WIDTH, HEIGHT = 1_104, 240
"""Twice the size at which it is shown, for screens of two dots a pixel."""
FINER = 2
MARGIN = 16
LINE = (176, 127, 30, 255)
SHADE = (176, 127, 30, 40)
RULE = (133, 124, 108, 110)
FEWEST = 2


def chart(closes: Sequence[tuple[date, float]]) -> bytes | None:
    """A PNG of some closes, oldest first, each session as wide as any other; None for fewer than two."""
    return _drawn(tuple(close for _, close in closes)) if len(closes) >= FEWEST else None


@lru_cache(maxsize=64)
def _drawn(closes: tuple[float, ...]) -> bytes:
    """The picture, drawn once for a digest and all who get it."""
    width, height = WIDTH * FINER, HEIGHT * FINER
    picture = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    pen = ImageDraw.Draw(picture)
    points = _points(closes, width, height, MARGIN * FINER)
    base = height - FINER
    pen.polygon([(points[0][0], base), *points, (points[-1][0], base)], fill=SHADE)
    pen.line([(points[0][0], base), (points[-1][0], base)], fill=RULE, width=FINER * 2)
    pen.line(points, fill=LINE, width=FINER * 4, joint="curve")
    x, y = points[-1]
    radius = FINER * 8
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=LINE)
    small = picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    small.quantize(64, method=Image.Quantize.FASTOCTREE).save(file, "PNG", optimize=True)
    return file.getvalue()


def _points(closes: Sequence[float], width: int, height: int, margin: int) -> list[tuple[float, float]]:
    low, high = min(closes), max(closes)
    span = (high - low) or 1.0
    step = (width - 2 * margin) / (len(closes) - 1)
    room = height - 2 * margin
    return [(margin + step * place, margin + room * (high - close) / span) for place, close in enumerate(closes)]
