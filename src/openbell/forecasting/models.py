"""The candidates: each forecasts from every origin at once, with parameters that were fitted once.

A candidate is a function `(series, horizon, sharpness) -> forecasts` of shape (origins, horizon), where row t uses only
what was known at t (its parameters saw the whole series). Sources: simple smoothing and damped trend as in Gardner
(1985), Theta as in Hyndman and Billah (2003: smoothing with half the slope as drift), autoregressions by ridge
regression.

`sharpness` says how parameters are chosen from a grid: infinity takes the best in squared one-step error, a number
averages the grid with weights `sse ** (-sharpness * n / 2)`, which costs nothing and loses less on short noisy series.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Candidate = Callable[[Array, int, float], Array]

ALPHAS = np.array([0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
DAMPED_GRID = np.array(
    list(product((0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 0.95), (0.0, 0.03, 0.1, 0.2, 0.4), (0.8, 0.9, 0.95, 0.98)))
)
DIFFERENCE_LAGS = 4
LEVEL_LAGS = 3
RIDGE = 0.05
TINY = 1e-12


def naive(y: Array, horizon: int, _sharpness: float) -> Array:
    """The last value."""
    return np.repeat(y[:, None], horizon, axis=1)


def ses(y: Array, horizon: int, sharpness: float) -> Array:
    """Simple exponential smoothing: a level without a trend."""
    levels = _levels(y)
    weights = _weigh(y[1:, None] - levels[:-1], sharpness)
    return np.repeat((levels @ weights)[:, None], horizon, axis=1)


def theta(y: Array, horizon: int, sharpness: float) -> Array:
    """Theta: smoothing plus half the slope of the line through all that was known at the origin."""
    n = len(y)
    t = np.arange(n)
    count = t + 1.0
    spread = np.maximum((count**2 - 1) / 12, TINY)
    slopes = (np.cumsum(t * y) / count - t / 2 * np.cumsum(y) / count) / spread
    drift = np.where(t > 1, slopes / 2, 0.0)
    reach = (1 - (1 - ALPHAS[None, :]) ** count[:, None]) / ALPHAS[None, :]
    ahead = _levels(y) + drift[:, None] * reach
    weights = _weigh(y[1:, None] - ahead[:-1], sharpness)
    return np.asarray((ahead @ weights)[:, None] + drift[:, None] * np.arange(horizon))


def damped(y: Array, horizon: int, sharpness: float) -> Array:
    """Holt's linear trend that fades: level, slope and the factor by which the slope shrinks each step."""
    alpha, beta, phi = DAMPED_GRID.T
    n = len(y)
    head = min(n, max(4, n // 10))
    slope = float(np.polyfit(np.arange(head), y[:head], 1)[0])
    level = np.full(len(alpha), y[:head].mean() - slope * head / 2)
    trend = np.full(len(alpha), slope / 2)
    levels, trends = np.empty((n, len(alpha))), np.empty((n, len(alpha)))
    for t in range(n):
        fading = phi * trend
        ahead = level + fading
        error = y[t] - ahead
        level = ahead + alpha * error
        trend = fading + alpha * beta * error
        levels[t], trends[t] = level, trend
    weights = _weigh(y[1:, None] - (levels + phi * trends)[:-1], sharpness)
    growth = np.cumsum(phi[:, None] ** np.arange(1, horizon + 1), axis=1)
    return np.asarray((levels @ weights)[:, None] + (trends * weights) @ growth)


def changes(y: Array, horizon: int, _sharpness: float) -> Array:
    """An autoregression on differences: momentum and its reversal."""
    n = len(y)
    steps = np.diff(y)
    lags = min(DIFFERENCE_LAGS, max(1, len(steps) // 8))
    past = np.stack([steps[lags - 1 - i : len(steps) - 1 - i] for i in range(lags)], axis=1)
    ridge = RIDGE * float(np.sum(past**2)) / lags + TINY
    beta = np.linalg.solve(past.T @ past + ridge * np.eye(lags), past.T @ steps[lags:])
    window = np.zeros((n, lags))
    for i in range(lags):
        window[i + 1 :, i] = steps[: n - 1 - i]
    forecasts = np.empty((n, horizon))
    current = y.copy()
    for k in range(horizon):
        change = window @ beta
        current = current + change
        forecasts[:, k] = current
        window = np.column_stack([change, window[:, :-1]])
    return forecasts


def returning(y: Array, horizon: int, _sharpness: float) -> Array:
    """An autoregression on levels around the mean so far: attention that returns to its usual height."""
    n = len(y)
    lags = min(LEVEL_LAGS, max(1, n // 10))
    centred = y - y.mean()
    past = np.stack([centred[lags - 1 - i : n - 1 - i] for i in range(lags)], axis=1)
    ridge = RIDGE / 10 * float(np.sum(past**2)) / lags + TINY
    beta = np.linalg.solve(past.T @ past + ridge * np.eye(lags), past.T @ centred[lags:])
    usual = np.cumsum(y) / np.arange(1, n + 1)
    window = np.zeros((n, lags))
    for i in range(lags):
        window[i:, i] = y[: n - i] - usual[i:]
    forecasts = np.empty((n, horizon))
    for k in range(horizon):
        distance = window @ beta
        forecasts[:, k] = usual + distance
        window = np.column_stack([distance, window[:, :-1]])
    return forecasts


CANDIDATES: dict[str, Candidate] = {
    "naive": naive,
    "ses": ses,
    "damped": damped,
    "theta": theta,
    "changes": changes,
    "returning": returning,
}


def _levels(y: Array) -> Array:
    level = np.full(len(ALPHAS), y[: max(3, len(y) // 10)].mean())
    levels = np.empty((len(y), len(ALPHAS)))
    for t, value in enumerate(y):
        level = level + ALPHAS * (value - level)
        levels[t] = level
    return levels


def _weigh(errors: Array, sharpness: float) -> Array:
    """Weights of a grid of parameters by their one-step errors, of shape (origins, grid)."""
    counted = errors[max(1, len(errors) // 6) :]
    sse = np.log(np.mean(counted**2, axis=0) + TINY)
    if math.isinf(sharpness):
        weights = np.zeros(len(sse))
        weights[int(np.argmin(sse))] = 1.0
        return weights
    weights = np.exp(-0.5 * sharpness * len(counted) * (sse - sse.min()))
    return np.asarray(weights / weights.sum())
