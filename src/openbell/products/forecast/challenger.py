"""Another engine for forecasts, tried in the shadow: the richer mean of the extra `ensemble`.

`openbell flags set forecast-ensemble shadow:10%` has a tenth of what is forecast made by it too, in the background. Its
runs are stored as a challenger's and scored like the champion's when their time is over: `openbell compare accuracy`
shows both. Bands of the gap and the risk of a new leader stay those of the light engine's errors, around the richer
centre.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np

from openbell.engine.challenger import Rule, challenger
from openbell.engine.compare import Compare
from openbell.engine.errors import Permanent
from openbell.engine.registry import Calls, minutes
from openbell.forecasting import Forecast, predict
from openbell.forecasting.ensemble import MEMBERS, EnsembleMissing, ensemble
from openbell.products.context import Context
from openbell.products.forecast.database import SQL
from openbell.products.forecast.forecast import PairForecast, compute, forecast, run_columns, same
from openbell.products.forecast.gather import gather
from openbell.products.forecast.keys import ForecastKey, join, split

ENGINE = "ensemble-1"


def richer(
    y: Sequence[float | None], h: int, *, freq: str, season: int, kind: str, bounds: tuple[float, float]
) -> Forecast:
    """The light forecast with centre and bands of the ensemble. Raises EnsembleMissing without the extra."""
    light = predict(y, h, freq=freq, season=season, kind=kind, bounds=bounds)
    if kind == "price" or not light.show:
        return light
    known = np.array([np.nan if v is None else v for v in y], dtype=np.float64)
    places = np.arange(len(known))
    filled = np.interp(places, places[np.isfinite(known)], known[np.isfinite(known)])
    return light.by(MEMBERS, ensemble(filled.tolist(), h, freq=freq, season=season))


@challenger(
    "forecast-ensemble",
    of=forecast,
    version=2,
    timeout=minutes(2),
    spends={"openbell": Calls(0)},
    budget={"calls": 1},
    by=Compare(ignore=["engine", "a", "b", "gap"]),
    rule=Rule(at_least=200, most_different=0.0, most_failed=0.02),
)
async def forecast_ensemble(key: ForecastKey, ctx: Context) -> PairForecast:
    """The same data by the richer mean. What it is compared by is what came, not what the champion said."""
    gathered, _ = await gather(ctx.attempt, key.pair)
    await same(ctx, key, gathered)
    try:
        made = await asyncio.to_thread(compute, gathered, key.horizon, by=richer, engine=ENGINE)
    except EnsembleMissing as error:
        raise Permanent(str(error), code="not_configured") from None
    own = join([*split(key)[:-1], ENGINE])
    await ctx.attempt.pool.execute(SQL.get("save_run"), *run_columns(own, key.pair, made, challenger=True))
    return made
