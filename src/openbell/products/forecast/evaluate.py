"""What became of forecasts: actuals are filled in after the horizon, each run is scored once, and the sums are public.

    forecast_run (horizon over) ──▶ the stored series ──▶ actual by step ──▶ score ──▶ accuracy with its sample size

Nothing is fetched for this: a run waits until somebody's demand, or the nightly warm-up, has brought the series up to
its last day. The scale of the run is kept with it, so that a later, higher peak does not move what was promised.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from openbell.engine.artifacts import read
from openbell.engine.database import Db
from openbell.engine.keys import Global
from openbell.engine.registry import minutes, task
from openbell.engine.schedules import schedule
from openbell.forecasting import ENGINE_VERSION
from openbell.products.context import Context
from openbell.products.forecast.database import SQL
from openbell.products.forecast.gather import SLOT, SYMBOL, UPLOAD
from openbell.products.forecast.keys import Pair, Points, join, split
from openbell.products.forecast.sources import WEIGHTS, by_step, of_interest, of_prices

log = logging.getLogger(__name__)

RUNS_AT_ONCE = 500
DRIFT_POINTS_MIN = 200
DRIFT_COVER = (0.70, 0.92)
"""80 % bands that hold less or more than this share of what came are not honest any more."""


@dataclass(frozen=True, slots=True)
class Score:
    """How far off a run was for one term (0, 1) or the gap (2), in points of the score."""

    term: int
    points: int
    mae: float
    naive_mae: float
    inside80: int
    inside95: int
    winner: bool | None


@task("forecast-evaluation", version=1, key=Global, timeout=minutes(5), retry=minutes(10))
async def forecast_evaluation(_key: Global, ctx: Context) -> None:
    """Score every run whose horizon is over and whose actuals are known; tell when bands are not honest any more.

    What is noted fires the alert `forecast_drift`, by :mod:`openbell.engine.alert_rules`, until it is found gone.
    """
    db = ctx.attempt.pool
    done = 0
    for run in await db.fetch(SQL.get("list_due_runs"), ctx.attempt.claim.now.date(), RUNS_AT_ONCE):
        pair = Pair(*split(run["pair"]))
        actual = await actuals(db, pair, run["scale"])
        points = await db.fetch(SQL.get("read_points"), run["id"])
        if (scored := score(points, actual, run["first_day"])) is not None:
            await db.execute(SQL.get("score_run"), run["id"], *_columns(points, actual, scored))
            done += 1
    drifts = await drifting(db)
    await db.execute(SQL.get("note_drift"), drifts)
    for one in drifts:
        log.warning("forecast.drift %s", one["message"])
    log.info("forecast.scored runs=%d", done)


evaluation_nightly = schedule(
    "forecast-evaluation",
    forecast_evaluation,
    "GLOBAL",
    cron="40 3 * * *",
    zone="UTC",
    missed="late",
    max_late=timedelta(hours=20),
)


async def actuals(db: Db, pair: Pair, scale: Mapping[str, float]) -> dict[str, Points]:
    """The scores of both terms as they are stored now, on the scale and from the sources of a run.

    They are mixed as the comparison mixes them, and not held to 100. Nothing where a source has no series any more.
    """
    terms = (pair.a, pair.b)
    series: dict[str, dict[str, Points]] = {}
    for source in scale:
        daily = {term: await _stored(db, source, term, pair.geo) for term in terms}
        if not all(daily.values()):
            return {}
        series[source] = {term: by_step(points, pair.frame) for term, points in daily.items()}
    days = sorted({day for source in series.values() for points in source.values() for day in points})
    made: dict[str, dict[date, float | None]] = {term: {} for term in terms}
    for day in days:
        known = [s for s, points in series.items() if all(points[term].get(day) is not None for term in terms)]
        total = sum(WEIGHTS[source] for source in known)
        for term in terms:
            figures = [WEIGHTS[s] * float(series[s][term][day] or 0) * scale[s] for s in known]
            made[term][day] = sum(figures) / total if total else None
    return dict(made)


async def _stored(db: Db, source: str, term: str, geo: str) -> Points:
    if source == "upload":
        points = await db.fetchval(SQL.get("read_upload"), term.removeprefix(UPLOAD))
        return {date.fromisoformat(day): value for day, value in points or ()}
    if source == "price":
        prices = (await read(db, "eod-prices", term.removeprefix(SYMBOL).upper().replace(" ", "-"))).value
        return of_prices(prices) if prices else {}
    if source == "search":
        found = (await read(db, SLOT[source], join((term, geo)))).value if source in SLOT else None
        return of_interest(found) if found else {}
    entity = (await read(db, "entity", term)).value
    value = (await read(db, "interest", entity["title"])).value if entity and entity["title"] else None
    return of_interest(value) if value else {}


def score(points: Sequence[Any], actual: Mapping[str, Points], first_day: date) -> list[Score] | None:
    """The scores of a run; None while its last day is not known. A gap in what came is left out of the count."""
    terms = list(actual)
    if len(terms) != 2:
        return None
    last = max(point["day"] for point in points)
    if any(not series or max(series) < last for series in actual.values()):
        return None
    known = _known(points, actual)
    before = [_before(actual[term], first_day) for term in terms]
    base = (before[0], before[1], None if None in before else (before[0] or 0) - (before[1] or 0))
    found: list[Score] = []
    for term in range(3):
        mine = [(p, known[term, p["day"]]) for p in points if p["term"] == term and (term, p["day"]) in known]
        if not mine:
            continue
        start = base[term]
        real = sum(came for _, came in mine)
        expected = sum(p["mean"] for p, _ in mine)
        found.append(
            Score(
                term=term,
                points=len(mine),
                mae=sum(abs(p["mean"] - came) for p, came in mine) / len(mine),
                naive_mae=sum(abs((start or 0.0) - came) for _, came in mine) / len(mine),
                inside80=sum(p["lo80"] <= came <= p["hi80"] for p, came in mine),
                inside95=sum(p["lo95"] <= came <= p["hi95"] for p, came in mine),
                winner=(real > 0) == (expected > 0) if term == 2 and real and expected else None,
            )
        )
    return found or None


def _known(points: Sequence[Any], actual: Mapping[str, Points]) -> dict[tuple[int, date], float]:
    first, second = actual.values()
    known: dict[tuple[int, date], float] = {}
    for point in points:
        x, y = first.get(point["day"]), second.get(point["day"])
        came = (x, y, x - y if x is not None and y is not None else None)[point["term"]]
        if came is not None:
            known[point["term"], point["day"]] = came
    return known


def _before(series: Points, day: date) -> float | None:
    """The last figure before a day: what the naive forecast would have said."""
    return next((series[one] for one in sorted(series, reverse=True) if one < day and series[one] is not None), None)


def _columns(points: Sequence[Any], actual: Mapping[str, Points], scores: Sequence[Score]) -> list[list[Any]]:
    known = sorted(_known(points, actual).items())
    columns: list[list[Any]] = [[t for (t, _), _ in known], [day for (_, day), _ in known], [v for _, v in known]]
    names = ("term", "points", "mae", "naive_mae", "inside80", "inside95", "winner")
    return columns + [[getattr(one, name) for one in scores] for name in names]


async def accuracy(
    db: Db, step: str, *, pair: str | None = None, engine: str = ENGINE_VERSION
) -> dict[str, Any] | None:
    """Public figures on forecasts of days (`D`) or weeks (`W`), with their sample; None without any (FC-22)."""
    row = await db.fetchrow(SQL.get("read_accuracy"), step, engine, pair)
    if row is None:
        return None
    return {
        "runs": row["runs"] // 2 or 1,
        "points": row["points"],
        "meanAbsoluteError": round(row["mae"], 3),
        "shareOfNaiveError": round(row["mae"] / row["naive_mae"], 3) if row["naive_mae"] else None,
        "held80": round(row["inside80"], 3),
        "held95": round(row["inside95"], 3),
        "leaderPicks": row["picks"],
        "leaderRight": None if row["winners"] is None else round(row["winners"], 3),
        "engine": engine,
    }


async def drifting(db: Db) -> list[dict[str, Any]]:
    """Whether 80 % bands of the running engine, of days and of weeks, do not hold about 80 % of what comes."""
    found: list[dict[str, Any]] = []
    for step, about in (("D", "days"), ("W", "weeks")):
        known = await accuracy(db, step)
        if known and known["points"] >= DRIFT_POINTS_MIN and not DRIFT_COVER[0] <= known["held80"] <= DRIFT_COVER[1]:
            held = round(100 * known["held80"], 1)
            message = (
                f"80 % bands of {about} held {held:.0f} % of {known['points']:,} points (engine {known['engine']})."
            )
            found.append({"about": about, "message": message, "figure": held})
    return found
