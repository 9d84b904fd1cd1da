"""Forecasts of short market and interest series on numpy alone: honest bands, about two milliseconds a series.

`forecast(y, h, freq=, season=)` is the plain door; `predict` gives the same with everything that is known about it;
`compare` puts two forecasts side by side. Nothing else of Openbell is needed, or imported.
"""

from __future__ import annotations

from collections.abc import Sequence

from openbell.forecasting.engine import BANDS, ENGINE_VERSION, Engine, Forecast, predict
from openbell.forecasting.gap import Gap, compare, paths, seed_of

__all__ = ["BANDS", "ENGINE_VERSION", "Engine", "Forecast", "Gap", "compare", "forecast", "paths", "predict", "seed_of"]


def forecast(
    y: Sequence[float | None],
    h: int,
    *,
    freq: str,
    season: int,
    kind: str = "interest",
    bounds: tuple[float, float] | None = None,
) -> dict[str, list[float]]:
    """The forecast of `h` steps as lists of h numbers: mean, lo80, hi80, lo95, hi95.

    y: history, oldest first, None or NaN for a gap; freq: "D", "W", "M" or "Q"; season: its steps (7, 52, 12, 4; 1 for
    none); kind: "interest" or "price". Give five years of weeks where they exist: below 156 weeks there is no yearly
    season.
    """
    made = predict(y, h, freq=freq, season=season, kind=kind, bounds=bounds)
    return {name: [float(v) for v in getattr(made, name)] for name in BANDS}
