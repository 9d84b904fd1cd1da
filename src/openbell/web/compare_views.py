"""A comparison as its page needs it: from one reading, without asking anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openbell.engine.artifacts import Reading
from openbell.products.forecast.keys import Pair, PairKey, pair_of
from openbell.products.forecast.premium import available, sentences, status_of
from openbell.products.forecast.wording import day_words, names_of
from openbell.web import compare_charts as charts
from openbell.web.marks import mark

FRAMES = {"3m": "3 months", "12m": "12 months", "5y": "5 years"}
STATUS = {
    "none": "Nobody has asked for this yet.",
    "queued": "Waiting for a free place to be worked on.",
    "running": "Being worked on now.",
    "ready": "Ready.",
    "failed": "This did not work.",
}
SOURCES = {
    "wikipedia": "Wikipedia page views",
    "search": "Search interest",
    "price": "Daily closes",
    "upload": "A series that was brought",
}
ROWS_MAX = 400


def view(reading: Reading, accuracy: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the template draws; `value` is None where nothing may be shown."""
    pair = PairKey(reading.key).pair
    value = reading.value if available(reading) else None
    status = status_of(reading)
    shown: dict[str, Any] = {
        "key": f"comparison:{reading.key}",
        "pair": pair,
        "mark": mark(reading),
        "status": status,
        "status_words": STATUS[status],
        "progress": reading.job.progress if reading.job else None,
        "setback": reading.setback,
        "state": reading.state,
        "reason": reading.reason,
        "value": value,
        "names": names_of(value) if value else {pair.a: pair.a, pair.b: pair.b},
        "day": day_words,
        "accuracy": accuracy,
        "version": reading.version,
    }
    return shown | (drawn(value) if value else {})


def drawn(value: Mapping[str, Any]) -> dict[str, Any]:
    """Charts, words and rows of a comparison that is shown."""
    sizes = (charts.WIDE, charts.NARROW)
    forecast = value["forecast"]
    return {
        "scores": [charts.scores_chart(value, size) for size in sizes],
        "gaps": [charts.gap_chart(value, size) for size in sizes],
        "sentences": sentences(value),
        "heads": [head(value, forecast, side) for side in ("a", "b")],
        "rows": list(zip(value["days"], value["scores_a"], value["scores_b"], strict=True))[-ROWS_MAX:],
        "ahead": [
            {"day": a["day"], "a": a, "b": b, "gap": gap}
            for a, b, gap in zip(
                forecast["a"]["points"], forecast["b"]["points"], forecast["gap"]["points"], strict=True
            )
        ],
        "missing": [(SOURCES.get(s["source"], s["source"]), s["missing"]) for s in value["sources"] if s["missing"]],
        "used": [(SOURCES.get(s["source"], s["source"]), s["weight"]) for s in value["sources"] if not s["missing"]],
        "step": "day" if value["step"] == "D" else "week",
        "shown": forecast["a"]["show"] and forecast["b"]["show"],
    }


def head(value: Mapping[str, Any], forecast: Mapping[str, Any], side: str) -> dict[str, Any]:
    """One of the two columns of the head to head."""
    scores = [v for v in value[f"scores_{side}"] if v is not None]
    one, term = forecast[side], value[side]
    return {
        "term": names_of(value)[term],
        "title": value["titles"].get(term),
        "side": side,
        "last": scores[-1] if scores else None,
        "average": sum(scores) / len(scores) if scores else None,
        "high": max(scores) if scores else None,
        "expected": sum(p["mean"] for p in one["points"]) / len(one["points"]) if one["show"] else None,
        "low80": one["points"][-1]["lo80"] if one["show"] else None,
        "high80": one["points"][-1]["hi80"] if one["show"] else None,
        "confidence": one["confidence"],
        "label": one["label"],
        "held80": one["held80"],
        "models": one["models"],
        "flags": one["flags"],
    }


def choices(pair: Pair, readings: Sequence[Reading]) -> list[dict[str, Any]]:
    """For each term of several meanings, what it may mean, each with the comparison that it would make."""
    found = []
    for term, other, reading in ((pair.a, pair.b, readings[0]), (pair.b, pair.a, readings[1])):
        entity = reading.value or {}
        if entity.get("kind") != "ambiguous":
            continue
        options = []
        for choice in entity["choices"]:
            try:
                chosen = pair_of(choice["title"], other, pair.tf, pair.geo)
            except ValueError:
                continue
            options.append({"title": choice["title"], "description": choice["description"], "pair": chosen})
        found.append({"term": term, "options": options})
    return found
