"""Two forecasts side by side: the gap A minus B, and how likely the lead changes.

The errors of both are taken at the same origins, because they belong together: what lifts one term in a week often
lifts the other. Whole paths are drawn, an origin's errors from the first step to the last, so that a path keeps how
errors grow and hang together. The draw is seeded from the data, so the same input gives the same risk.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from openbell.forecasting.bands import widths
from openbell.forecasting.engine import ENGINE_VERSION, Forecast

Array = npt.NDArray[np.float64]

PATHS = 1_000
WHOLE_ORIGINS_MIN = 12


@dataclass(frozen=True)
class Gap:
    """The forecast of A minus B, arrays of length h, within the bounds that follow from those of both.

    `expected_margin` is the mean gap over the horizon; `lead_change_risk` the share of paths (0 to 1) on which whoever
    leads now does not lead at the last step, `any_change_risk` at any step; `risk_error` the standard error of the
    first from the number of paths and of origins; all three None when there are too few errors to say.
    """

    mean: Array
    lo80: Array
    hi80: Array
    lo95: Array
    hi95: Array
    expected_margin: float
    lead_change_risk: float | None
    any_change_risk: float | None
    risk_error: float | None
    correlation: float | None


def compare(a: Forecast, b: Forecast) -> Gap:
    """The gap of two forecasts of the same horizon. Raises ValueError when the horizons differ."""
    h = len(a.mean)
    if len(b.mean) != h:
        raise ValueError(f"the horizons differ: {h} and {len(b.mean)}")
    shared = min(len(a.errors), len(b.errors))
    errors_a, errors_b = a.errors[len(a.errors) - shared :], b.errors[len(b.errors) - shared :]
    low, high = a.bounds[0] - b.bounds[1], a.bounds[1] - b.bounds[0]
    mean = np.clip(a.mean - b.mean, low, high)
    difference = errors_a - errors_b
    half = [widths(difference, level) if difference.size else np.zeros(h) for level in (0.8, 0.95)]
    half[1] = np.maximum(half[0], half[1])
    origins = int(_whole(difference).sum())
    risk = any_risk = unsure = None
    if origins >= WHOLE_ORIGINS_MIN:
        together = np.isfinite(errors_a).all(axis=1) & np.isfinite(errors_b).all(axis=1)
        seed = seed_of(a.mean, b.mean) if tuple(a.mean) <= tuple(b.mean) else seed_of(b.mean, a.mean)
        gaps = np.clip(paths(a, seed, errors_a[together]) - paths(b, seed, errors_b[together]), low, high)
        risk, any_risk, unsure = _risks(gaps, a.last - b.last, origins, h)
    return Gap(
        mean=mean,
        lo80=np.clip(mean - half[0], low, high),
        hi80=np.clip(mean + half[0], low, high),
        lo95=np.clip(mean - half[1], low, high),
        hi95=np.clip(mean + half[1], low, high),
        expected_margin=float(mean.mean()),
        lead_change_risk=risk,
        any_change_risk=any_risk,
        risk_error=unsure,
        correlation=_correlation(errors_a, errors_b),
    )


def paths(forecast: Forecast, seed: int, errors: Array | None = None, count: int = PATHS) -> Array:
    """Whole simulated paths (count, h) inside the bounds: the forecast plus the errors of an origin drawn by chance.

    The sign of an origin's errors is drawn too, as the bands are symmetric. Paths stay at the mean when nothing is
    known of errors.
    """
    known = forecast.errors if errors is None else errors
    known = known[_whole(known)]
    if not len(known):
        return np.tile(forecast.mean, (count, 1))
    chance = np.random.default_rng(seed)
    drawn = known[chance.integers(0, len(known), count)] * chance.choice((-1.0, 1.0), (count, 1))
    return np.asarray(np.clip(forecast.mean + drawn, *forecast.bounds))


def seed_of(*arrays: Array) -> int:
    """A seed that follows from the data and the engine's version."""
    digest = hashlib.sha256(ENGINE_VERSION.encode())
    for array in arrays:
        digest.update(np.round(array, 9).tobytes())
    return int.from_bytes(digest.digest()[:8], "big")


def _whole(errors: Array) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(errors).all(axis=1)) if errors.size else np.zeros(len(errors), dtype=bool)


def _risks(paths: Array, now: float, origins: int, h: int) -> tuple[float, float, float]:
    leader = np.sign(now)
    turned = np.sign(paths) != leader
    risk = float(turned[:, -1].mean())
    independent = max(1.0, origins / h)  # overlapping origins repeat each other
    unsure = float(np.sqrt(max(risk * (1 - risk), 0.25 / (origins + 1)) * (1 / PATHS + 1 / independent)))
    return risk, float(turned.any(axis=1).mean()), min(0.5, unsure)


def _correlation(a: Array, b: Array) -> float | None:
    if not a.size:
        return None
    both = np.isfinite(a[:, 0]) & np.isfinite(b[:, 0])
    if both.sum() < WHOLE_ORIGINS_MIN or np.ptp(a[both, 0]) == 0 or np.ptp(b[both, 0]) == 0:
        return None
    return float(np.corrcoef(a[both, 0], b[both, 0])[0, 1])
