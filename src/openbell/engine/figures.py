"""The figures of the queue for operators: by class and over time, as histograms, and the fleet that works on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from openbell.engine.database import SQL, Db
from openbell.engine.explain import plain
from openbell.engine.jobs import Stats, stats
from openbell.engine.registry import CLASSES, class_name
from openbell.engine.trends import EDGES_S
from openbell.engine.upkeep import Depth, depth

POINTS = 48
"""How many steps the depth over time has."""

OLDEST = 5


@dataclass(frozen=True, slots=True)
class Figures:
    """The queue at a glance (``stats``), and what is behind it.

    ``depth`` has for each class one point a ``step`` (None where no worker was there to look), ``histograms`` for each
    product how many jobs fell between the edges: ``{"quote": {"wait": [...], "run": [...]}}``.
    """

    stats: Stats
    classes: Sequence[Mapping[str, Any]]
    oldest: Sequence[Mapping[str, Any]]
    fleet: Sequence[Mapping[str, Any]]
    step: timedelta
    depth: Mapping[str, Sequence[Depth | None]]
    histograms: Mapping[str, Mapping[str, Sequence[int]]]

    def as_json(self) -> dict[str, Any]:
        """For programs; ages and times in seconds."""
        return {
            **self.stats.as_json(),
            "classes": [plain(row) for row in self.classes],
            "oldest": [plain(row) for row in self.oldest],
            "fleet": [plain(row) for row in self.fleet],
            "depth": {
                "step_s": self.step.total_seconds(),
                "classes": {
                    name: [point and point.as_json() for point in points] for name, points in self.depth.items()
                },
            },
            "histograms": {"edges_s": list(EDGES_S), "products": plain(self.histograms)},
        }


async def figures(db: Db, span: timedelta = timedelta(hours=24)) -> Figures:
    """The queue now, and what came out of it within the last ``span``."""
    now = await stats(db, span)
    step = span / POINTS
    return Figures(
        stats=now,
        classes=[_classed(dict(row), "oldest_wait") for row in await db.fetch(SQL.get("count_classes"))],
        oldest=[_classed(dict(row), "waited") for row in await db.fetch(SQL.get("find_oldest"), OLDEST)],
        fleet=[_worker(dict(row), now.now) for row in await db.fetch(SQL.get("list_workers"))],
        step=step,
        depth={name: _series(await depth(db, span, step=step, job_class=name), now.now, step) for name in CLASSES},
        histograms=await _histograms(db, span),
    )


def _classed(row: Mapping[str, Any], span: str) -> dict[str, Any]:
    """The row with the word for its class, and a span in seconds."""
    took: timedelta | None = row[span]
    rest = {name: value for name, value in row.items() if name not in ("job_class", span)}
    return {"class": class_name(row["job_class"]), **rest, f"{span}_s": took and took.total_seconds()}


def _worker(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "state": "lost" if not row["alive"] else "draining" if row["draining"] else "running",
        "slots": row["slots"],
        "classes": None if row["classes"] is None else [class_name(number) for number in row["classes"]],
        "started_at": row["started_at"],
        "counters": row["counters"],
        "last_beat_s": max(0.0, (now - row["beat_at"]).total_seconds()),
    }


def _series(points: Sequence[Depth], now: datetime, step: timedelta) -> list[Depth | None]:
    """The points on an even scale of :data:`POINTS` steps that ends now."""
    series: list[Depth | None] = [None] * POINTS
    for point in points:
        place = POINTS - 1 - int((now - point.at) / step)
        series[min(max(place, 0), POINTS - 1)] = point
    return series


async def _histograms(db: Db, span: timedelta) -> dict[str, dict[str, list[int]]]:
    found: dict[str, dict[str, list[int]]] = {}
    for row in await db.fetch(SQL.get("count_durations"), span, list(EDGES_S)):
        both = found.setdefault(row["product"], {what: [0] * (len(EDGES_S) + 1) for what in ("wait", "run")})
        both[row["what"]][row["bucket"]] = row["jobs"]
    return found
