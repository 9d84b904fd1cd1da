"""The chart of a comparison as a PNG, for those who put it elsewhere: the same lines and fans, on paper."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from openbell.web import compare_charts as charts

SIZE = charts.Size("wide", 1200, 630, 60, 30, 90, 60)
PAPER, INK, SOFT, RULE = (251, 248, 241), (29, 26, 21), (98, 91, 79), (216, 208, 191)
COLOURS = {"a": (128, 89, 12), "b": (10, 104, 100)}


def picture(value: Mapping[str, Any]) -> bytes:
    """The bytes of the image, 1200 by 630."""
    chart = charts.scores_chart(value, SIZE)
    image = Image.new("RGB", (SIZE.width, SIZE.height), PAPER)
    pen = ImageDraw.Draw(image, "RGBA")
    small, large = ImageFont.load_default(18), ImageFont.load_default(30)
    for y, words in chart.across:
        pen.line([(SIZE.left, y), (SIZE.width - SIZE.right, y)], fill=RULE)
        pen.text((SIZE.left - 10, y), words, fill=SOFT, font=small, anchor="rm")
    for x, words in chart.down:
        pen.text((x, SIZE.height - 34), words, fill=SOFT, font=small, anchor="mm")
    for line in chart.lines:
        _fans(pen, line)
    for line in chart.lines:
        _strokes(pen, line)
    pen.text((SIZE.left, 24), f"{value['a']} versus {value['b']}", fill=INK, font=large)
    place = SIZE.left
    for side in ("a", "b"):
        pen.line([(place, 74), (place + 28, 74)], fill=COLOURS[side], width=4)
        pen.text((place + 36, 74), value[side], fill=SOFT, font=small, anchor="lm")
        place += 60 + int(pen.textlength(value[side], font=small))
    pen.text(
        (SIZE.width - SIZE.right, 74),
        "bands: 80 and 95 %. Information, not advice.",
        fill=SOFT,
        font=small,
        anchor="rm",
    )
    kept = io.BytesIO()
    image.save(kept, "PNG", optimize=True)
    return kept.getvalue()


def _fans(pen: ImageDraw.ImageDraw, line: charts.Line) -> None:
    for fan, depth in ((line.fan95, 30), (line.fan80, 55)):
        if fan:
            pen.polygon(_spots(fan.replace(",", " ").split()), fill=(*COLOURS[line.style], depth))


def _strokes(pen: ImageDraw.ImageDraw, line: charts.Line) -> None:
    for stretch in line.past.split("M"):
        spots = _spots(stretch.replace("L", " ").split())
        if len(spots) > 1:
            pen.line(spots, fill=COLOURS[line.style], width=3, joint="curve")
    ahead = _spots(line.ahead.replace("M", " ").replace("L", " ").split())
    for one, other in zip(ahead[::2], ahead[1::2], strict=False):
        pen.line([one, other], fill=COLOURS[line.style], width=2)


def _spots(numbers: list[str]) -> list[tuple[float, float]]:
    figures = [float(number) for number in numbers]
    return list(zip(figures[::2], figures[1::2], strict=True))
