"""The forecast of a pair: both terms and their gap, from the very data that its key names.

The producer gathers the data, refuses to publish under another hash than the key's (the new key is asked for instead,
and this one ends "superseded"), looks once more after computing, and stores every point with the run, for its
evaluation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal

import numpy as np
from pydantic import BaseModel, Field

from openbell.engine.demand import want
from openbell.engine.errors import Permanent
from openbell.engine.registry import Calls, class_name, days, hours, minutes, product, seconds
from openbell.forecasting import ENGINE_VERSION, Engine, compare, predict
from openbell.forecasting import Forecast as Made
from openbell.forecasting import Gap as MadeGap
from openbell.products.context import Context
from openbell.products.forecast.database import SQL
from openbell.products.forecast.gather import gather
from openbell.products.forecast.keys import ForecastKey, Pair, forecast_key, hash_of
from openbell.products.forecast.sources import Gathered

DIGITS = 3


class Point(BaseModel):
    """One step ahead: the centre, and the ends of the 80 and 95 % bands, on the 0-100 score (the gap: -100 to 100)."""

    day: date
    mean: float
    lo80: float
    hi80: float
    lo95: float
    hi95: float


class TermForecast(BaseModel):
    """What is expected of one term. `held80` is the share of past outcomes that such bands held."""

    term: str
    points: list[Point]
    models: list[str]
    mae: float | None = Field(description="mean absolute error of past forecasts, in points of the score")
    mase: float | None = Field(description="the same as a share of that of the last value")
    held80: float | None
    held95: float | None
    confidence: int = Field(ge=0, le=100)
    label: Literal["low", "medium", "high"]
    quality: Literal["low", "fair", "good"]
    show: bool
    flags: list[str]


class GapForecast(BaseModel):
    """A minus B: its path, the mean of it, and how likely the lead changes, with the standard error of that."""

    points: list[Point]
    expected_margin: float
    lead_change_risk: float | None
    any_change_risk: float | None
    risk_error: float | None
    correlation: float | None


class PairForecast(BaseModel):
    """Both terms, or nothing (FC-10)."""

    pair: str
    data_hash: str
    engine: str
    step: Literal["D", "W"]
    kind: Literal["interest", "price"]
    last_day: date
    scale: dict[str, float]
    missing: list[str]
    a: TermForecast
    b: TermForecast
    gap: GapForecast


class Superseded(Permanent):
    """The data has changed since this key was made; the new key is on its way."""

    code = "superseded"


@product(
    "forecast",
    key=ForecastKey,
    version=1,
    ttl=hours(24),
    stale=days(7),
    empty=hours(1),
    retry=minutes(5),
    keep=days(7),
    timeout=seconds(60),
    spends={"openbell": Calls(0)},
    licence="display",
    max_attempts=4,
)
async def forecast(key: ForecastKey, ctx: Context) -> PairForecast:
    """Compute what the key says, or hand over to the key that is right now."""
    pair = key.pair
    gathered, _ = await gather(ctx.attempt, pair)
    await same(ctx, key, gathered)
    made = await asyncio.to_thread(compute, gathered, key.horizon)
    again, _ = await gather(ctx.attempt, pair)
    await same(ctx, key, again)
    await ctx.attempt.pool.execute(SQL.get("save_run"), *run_columns(key, pair, made))
    return made


async def same(ctx: Context, key: ForecastKey, gathered: Gathered) -> None:
    """Raises :class:`Superseded` when the data or the engine is not the key's; the right key is then demanded."""
    right = forecast_key(gathered.pair, hash_of(gathered.pair, gathered.series), key.horizon)
    if key == right:
        return
    job_class = class_name(ctx.attempt.claim.job_class)
    await want(
        ctx.attempt.pool, [("forecast", right)], source=f"job:{ctx.attempt.claim.id}", seconds=120, job_class=job_class
    )
    raise Superseded("The data has changed since this forecast was asked for; one of the new data is on its way.")


def compute(gathered: Gathered, horizon: int, *, by: Engine = predict, engine: str = ENGINE_VERSION) -> PairForecast:
    """The forecast of gathered data by an engine. Pure, and always the same for the same data."""
    pair, frame, scale = gathered.pair, gathered.pair.frame, gathered.scale
    scores = gathered.scores(scale)
    made = {
        term: by(values, horizon, freq=frame.step, season=frame.season, kind=gathered.kind, bounds=(0.0, 100.0))
        for term, values in scores.items()
    }
    last = gathered.days[-1]
    ahead = [last + timedelta(days=(n + 1) * (1 if frame.step == "D" else 7)) for n in range(horizon)]
    gap = compare(made[pair.a], made[pair.b])
    missing = [one.source for one in gathered.missing]
    a, b = (_term(term, made[term], ahead, gathered) for term in (pair.a, pair.b))
    return PairForecast(
        pair=pair.key,
        data_hash=hash_of(pair, gathered.series),
        engine=engine,
        step="D" if frame.step == "D" else "W",
        kind="price" if gathered.kind == "price" else "interest",
        last_day=last,
        scale=scale,
        missing=missing,
        a=a,
        b=b,
        gap=GapForecast(
            points=_points(gap, ahead),
            expected_margin=round(gap.expected_margin, DIGITS),
            lead_change_risk=_round(gap.lead_change_risk),
            any_change_risk=_round(gap.any_change_risk),
            risk_error=_round(gap.risk_error),
            correlation=_round(gap.correlation),
        ),
    )


def _term(term: str, made: Made, ahead: Sequence[date], gathered: Gathered) -> TermForecast:
    confidence = int(made.confidence * (0.7 + 0.3 * gathered.weight))  # what is missing is worth less, never made up
    label: Literal["low", "medium", "high"] = "high" if confidence >= 70 else "medium" if confidence >= 50 else "low"
    return TermForecast(
        term=term,
        points=_points(made, ahead),
        models=list(made.models),
        mae=_round(made.mae),
        mase=_round(made.mase),
        held80=_round(made.coverage80),
        held95=_round(made.coverage95),
        confidence=confidence,
        label=label,
        quality="good" if made.quality == "good" else "fair" if made.quality == "fair" else "low",
        show=made.show,
        flags=list(made.flags),
    )


def _points(made: Made | MadeGap, ahead: Sequence[date]) -> list[Point]:
    columns = (made.mean, made.lo80, made.hi80, made.lo95, made.hi95)
    rows = np.round(np.stack(columns, axis=1), DIGITS) + 0.0
    return [
        Point(day=day, mean=row[0], lo80=row[1], hi80=row[2], lo95=row[3], hi95=row[4])
        for day, row in zip(ahead, rows.tolist(), strict=True)
    ]


def _round(value: float | None) -> float | None:
    return None if value is None else round(float(value), DIGITS)


def run_columns(key: str, pair: Pair, made: PairForecast, *, challenger: bool = False) -> tuple[object, ...]:
    """What `save_run` takes."""
    parts = (made.a.points, made.b.points, made.gap.points)
    lists = [(n, point) for n, points in enumerate(parts) for point in points]
    days_ahead = [point.day for point in made.gap.points]
    leader = int(np.sign(made.gap.expected_margin))
    columns = [[getattr(point, name) for _, point in lists] for name in ("day", "mean", "lo80", "hi80", "lo95", "hi95")]
    return (
        key, pair.key, made.engine, challenger, made.step, min(days_ahead), max(days_ahead), made.scale, leader,
        [n for n, _ in lists], *columns,
    )  # fmt: skip
