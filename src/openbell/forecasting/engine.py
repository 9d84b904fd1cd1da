"""The engine: season out, candidates from every origin, the best three averaged, season back, bands from what was off.

    choose    every candidate is scored by its absolute error over rolling origins, inside the series' bounds; the
              forecast is the mean of the best three (a lone best is luckier than better)
    band      conformal, from the same origins' errors of that mean; relative to its height when the series is positive
    guard     fewer than 24 points, constant or empty series, anything not finite: the last value, marked, with low
              confidence
    prices    the last price (nothing beats it on days), and the band is what is worth having

Same input, same bytes: nothing here is random. `ENGINE_VERSION` is part of every forecast's key; a test holds the two
together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from openbell.forecasting.bands import LEVELS, widths
from openbell.forecasting.models import CANDIDATES, naive
from openbell.forecasting.season import find_season, no_season

Array = npt.NDArray[np.float64]

ENGINE_VERSION = "2"
BANDS = ("lo95", "lo80", "mean", "hi80", "hi95")
"""What an engine says of each step, from the lowest to the highest."""
POINTS_MIN = 24
SEASON_WEEKS_MIN = 156
HISTORY_MAX = {"W": 260, "D": 365, "M": 240, "Q": 100}  # older years hurt: 208 to 312 weeks are best
ORIGINS_MAX = {"interest": 180, "price": 250}  # prices need the longer memory of quiet and of storm
HORIZON_MAX = 400
CHOSEN = 3
WORST = 1.5  # times the error of the best: what is worse takes no part
LOG_MIN = 0.02  # of the median: below it logarithms would be ruled by the smallest values
SLOW = ("naive", "ses", "damped", "theta")
POOL = {"M": SLOW, "Q": SLOW, "W": tuple(CANDIDATES), "D": tuple(CANDIDATES)}
SEASON_FAINT = 0.05
CROSSED = 1e-9  # of the largest figure: rounding may cross bands by that
NAIVE_MARGIN = 0.02  # a model must beat the last value by this much on days without a season


@dataclass(frozen=True)
class Forecast:
    """A forecast of h steps: five arrays of length h, and what is known about how good it is.

    `errors` has the shape (origins, h), oldest origin first: actual minus forecast, brought to the height of this
    forecast; NaN where the outcome is not known. `mae` is the mean absolute error over them in the series' units,
    `mase` the same over that of the last value (None for a constant). `coverage80`, `coverage95`: the share of later
    outcomes that bands from the earlier origins held.
    """

    mean: Array
    lo80: Array
    hi80: Array
    lo95: Array
    hi95: Array
    models: tuple[str, ...]
    quality: str
    confidence: int
    show: bool
    flags: tuple[str, ...]
    mae: float | None = None
    mase: float | None = None
    coverage80: float | None = None
    coverage95: float | None = None
    errors: Array = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    last: float = 0.0
    bounds: tuple[float, float] = (-np.inf, np.inf)

    @property
    def label(self) -> str:
        """The confidence in a word: high from 70, medium from 50, else low."""
        return "high" if self.confidence >= 70 else "medium" if self.confidence >= 50 else "low"

    def by(self, models: Sequence[str], said: Mapping[str, Sequence[float]]) -> Forecast:
        """The same series with the centre and bands that another engine says, within the bounds.

        ``said`` has a list of h numbers under each name of `BANDS`. Raises ValueError for another length, for what is
        not finite, and for bands that cross: what comes from outside is not taken on trust.
        """
        made = np.array([said[name] for name in BANDS], dtype=np.float64)
        if made.shape != (len(BANDS), len(self.mean)):
            raise ValueError(f"each of {', '.join(BANDS)} needs {len(self.mean)} numbers")
        if not np.isfinite(made).all() or (np.diff(made, axis=0) < -CROSSED * np.abs(made).max()).any():
            raise ValueError("the bands are not finite, or they cross")
        arrays = dict(zip(BANDS, np.clip(made, *self.bounds), strict=True))
        return replace(self, models=tuple(models), **arrays)


class Engine(Protocol):
    """What forecasts a series: `predict`, or a model of one's own, local or hosted, in the same place.

    Another engine begins with `predict`, for quality, past errors and the gap, and puts its own centre and bands there
    with `Forecast.by`.
    """

    def __call__(
        self, y: Sequence[float | None], h: int, *, freq: str, season: int, kind: str, bounds: tuple[float, float]
    ) -> Forecast:
        """Forecast `h` steps of `y`, oldest first, None for a gap; as `predict`."""


@dataclass(frozen=True)
class _Cleaned:
    y: Array
    known: npt.NDArray[np.bool_]
    scale: float
    bounds: tuple[float, float]
    flags: tuple[str, ...]


def predict(
    y: Sequence[float | None] | Array,
    h: int,
    *,
    freq: str,
    season: int,
    kind: str = "interest",
    bounds: tuple[float, float] | None = None,
) -> Forecast:
    """Forecast `h` steps of the history `y` (oldest first, NaN or None for a gap).

    freq: "D", "W", "M" or "Q"; season: steps of a full season (7, 52, 12, 4; 1 for none); kind: "interest" or "price";
    bounds: what values can be (default: not below zero when none was). Raises ValueError for a horizon below 1 or above
    400 and an unknown freq or kind; for no series whatever.
    """
    if not 1 <= h <= HORIZON_MAX:
        raise ValueError(f"the horizon is {h}, not 1 to {HORIZON_MAX}")
    if freq not in HISTORY_MAX or kind not in ORIGINS_MAX:
        raise ValueError(f"freq {freq!r} or kind {kind!r} is unknown; freq is D, W, M or Q, kind is interest or price")
    cleaned = _clean(y, freq, bounds)
    with np.errstate(all="ignore"):
        if len(cleaned.y) < POINTS_MIN or "constant" in cleaned.flags:
            return _finish(cleaned, h, kind, *_last_value(cleaned, h), last_value=True)
        try:
            made = _last_value(cleaned, h) if kind == "price" else _choose(cleaned, h, freq, season)
            result = _finish(cleaned, h, kind, *made, last_value=False)
        except (ValueError, ArithmeticError, np.linalg.LinAlgError):
            result = None
        if result is None or not all(np.isfinite(part).all() for part in (result.mean, result.lo95, result.hi95)):
            return _finish(cleaned, h, kind, *_last_value(cleaned, h), last_value=True)
        return result


def _clean(y: Sequence[float | None] | Array, freq: str, bounds: tuple[float, float] | None) -> _Cleaned:
    values = np.array([np.nan if v is None else v for v in y], dtype=np.float64)
    known = np.isfinite(values)
    first = int(np.argmax(known)) if known.any() else len(values)
    values, known = values[first:][-HISTORY_MAX[freq] :], known[first:][-HISTORY_MAX[freq] :]
    flags: list[str] = []
    if not known.any():
        low, high = bounds or (0.0, np.inf)
        return _Cleaned(np.zeros(1), np.ones(1, dtype=bool), 1.0, (low, high), ("empty", "short"))
    if not known.all():
        flags.append("gaps")
        places = np.arange(len(values))
        values = np.interp(places, places[known], values[known])
    scale = float(np.abs(values).max())
    scale = scale if scale > 1e-290 else 1.0
    values = values / scale
    if len(values) < POINTS_MIN:
        flags.append("short")
    if np.ptp(values) <= 1e-12:
        flags.append("constant")
    if values.min() < 0:
        flags.append("negative")
    spread = np.median(np.abs(values - np.median(values)))
    if np.abs(values - np.median(values)).max() > 12 * max(spread, 0.01 * np.abs(values).max()):
        flags.append("spikes")
    low, high = bounds or (0.0 if values.min() >= 0 else -np.inf, np.inf)
    return _Cleaned(values, known, scale, (low / scale, high / scale), tuple(flags))


def _last_value(cleaned: _Cleaned, h: int) -> tuple[Array, tuple[str, ...], float, float]:
    return naive(cleaned.y, h, 0.0), ("naive",), 0.0, 0.0


def _choose(cleaned: _Cleaned, h: int, freq: str, period: int) -> tuple[Array, tuple[str, ...], float, float]:
    """Forecasts from every origin (origins, h), the models in them, the doubt and strength of the season."""
    y, n = cleaned.y, len(cleaned.y)
    seasonal = period > 1 and not (freq == "W" and n < SEASON_WEEKS_MIN)
    season = find_season(y, period, h) if seasonal else no_season(n + h, multiplicative=bool(y.min() > 0))
    adjusted = season.remove(y)
    logs = season.multiplicative and (season.sought or freq in "MQ") and adjusted.min() > LOG_MIN * np.median(adjusted)
    level = np.log(adjusted) if logs else adjusted
    steps = np.minimum(np.arange(n)[:, None] + np.arange(1, h + 1), n + h - 1)
    low, high = _guard(cleaned)
    sharpness = np.inf if freq in "MQ" else 0.5
    made: dict[str, Array] = {}
    for name in POOL[freq]:
        forecasts = CANDIDATES[name](level, h, sharpness)
        made[name] = np.clip(season.put_back(np.exp(forecasts) if logs else forecasts, steps), low, high)
    actual = _actuals(cleaned, h)
    start, floor = n // 6, 0.1 * float(np.median(y))
    scores = {}
    for name, forecasts in made.items():  # in the terms that the models work in: shares when they see logarithms
        sizes = np.abs(actual[start:-1] - forecasts[start:-1])
        scores[name] = float(np.nanmean(sizes / np.maximum(forecasts[start:-1], floor) if logs else sizes))
    ordered = sorted(scores, key=lambda name: (scores[name], name))
    chosen = tuple(name for name in ordered[:CHOSEN] if scores[name] <= WORST * scores[ordered[0]])
    if freq == "D" and season.strength < SEASON_FAINT and scores["naive"] <= (1 + NAIVE_MARGIN) * scores[ordered[0]]:
        chosen = ("naive",)
    mean = np.mean([made[name] for name in chosen], axis=0)
    return mean, chosen, season.doubt, season.strength


def _guard(cleaned: _Cleaned) -> tuple[float, float]:
    """No forecast leaves the range of what was seen by more than that range, nor the bounds."""
    lowest, highest = float(cleaned.y.min()), float(cleaned.y.max())
    reach = highest - lowest
    return max(cleaned.bounds[0], lowest - reach), min(cleaned.bounds[1], highest + reach)


def _actuals(cleaned: _Cleaned, h: int) -> Array:
    """What came after each origin (origins, h); NaN past the end and in gaps."""
    padded = np.concatenate([np.where(cleaned.known, cleaned.y, np.nan), np.full(h, np.nan)])
    return np.lib.stride_tricks.sliding_window_view(padded[1:], h)


def _finish(
    cleaned: _Cleaned,
    h: int,
    kind: str,
    made: Array,
    models: tuple[str, ...],
    doubt: float,
    strength: float,
    *,
    last_value: bool,
) -> Forecast:
    y, n = cleaned.y, len(cleaned.y)
    low, high = cleaned.bounds
    mean = np.clip(made[-1], *_guard(cleaned))
    kept = ORIGINS_MAX["price" if models == ("naive",) else kind]
    start = max(min(3, n - 1), n // 4, n - 1 - kept)
    raw = _actuals(cleaned, h)[start:-1] - made[start:-1]
    relative = bool(y.min() > 0)
    floor = 0.1 * float(np.median(y))
    errors = raw / np.maximum(made[start:-1], floor) * np.maximum(mean, floor) if relative else raw
    half = {level: widths(errors, level, doubt=doubt) for level in LEVELS}
    if (
        last_value and len(errors) < POINTS_MIN // 2
    ):  # too little to learn a band from: the whole range that was seen, growing
        spread = float(np.ptp(y)) * np.sqrt(np.arange(1, h + 1))
        half = {0.8: np.maximum(half[0.8], 0.64 * spread / 2), 0.95: np.maximum(half[0.95], spread / 2)}
    half[0.95] = np.maximum(half[0.8], half[0.95])
    held = _held(errors, doubt)
    mae = _mean(np.abs(raw))
    flags = cleaned.flags if strength > SEASON_FAINT or kind == "price" else (*cleaned.flags, "no season")
    confidence = _confidence(n, mae, float(np.mean(np.abs(y))), held[0], last_value=last_value)
    scale = cleaned.scale
    naive_mae = _mean(np.abs(_actuals(cleaned, h)[start:-1] - y[start:-1, None]))
    return Forecast(
        mean=mean * scale,
        lo80=np.clip(mean - half[0.8], low, high) * scale,
        hi80=np.clip(mean + half[0.8], low, high) * scale,
        lo95=np.clip(mean - half[0.95], low, high) * scale,
        hi95=np.clip(mean + half[0.95], low, high) * scale,
        models=models,
        quality="low" if last_value or confidence < 50 else "good" if confidence >= 70 else "fair",
        confidence=confidence,
        show=not last_value,
        flags=flags,
        mae=None if mae is None else mae * scale,
        mase=mae / naive_mae if mae is not None and naive_mae else None,
        coverage80=held[0],
        coverage95=held[1],
        errors=errors * scale,
        last=float(y[-1]) * scale,
        bounds=(low * scale, high * scale),
    )


def _held(errors: Array, doubt: float) -> tuple[float | None, float | None]:
    """The shares of the later half's outcomes inside bands that the earlier half alone would have given."""
    middle = len(errors) // 2
    steps = errors.shape[1]
    early, late = errors[: max(0, middle - steps)] if middle > 2 * steps else errors[:middle], errors[middle:]
    if len(early) < POINTS_MIN // 2 or not np.isfinite(late).any():
        return None, None
    known = np.isfinite(late)
    inside = [np.abs(late) <= widths(early, level, doubt=doubt) for level in LEVELS]
    return float(inside[0][known].mean()), float(inside[1][known].mean())


def _mean(sizes: Array) -> float | None:
    known = sizes[np.isfinite(sizes)]
    return float(known.mean()) if len(known) else None


def _confidence(n: int, mae: float | None, height: float, held: float | None, *, last_value: bool) -> int:
    """0 to 100: half for errors small against the series' height, 30 for honest bands, 20 for enough points."""
    precision = np.exp(-2 * mae / height) if mae is not None and height > 0 else 0.0
    honesty = 1 - min(1.0, abs(held - 0.8) / 0.4) if held is not None else 0.5
    points = 100 * (0.5 * precision + 0.3 * honesty + 0.2 * min(1.0, n / 104))
    return min(30, int(points)) if last_value else int(points)
