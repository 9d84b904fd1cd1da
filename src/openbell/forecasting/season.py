"""Seasonal indices: one factor (or summand) per position of the season, shrunk by how well it is known.

The decomposition is the classical one of M4's benchmarks (Makridakis, Spiliotis, Assimakopoulos 2020): ratios to a
centred moving average. Indices of a long season are averaged with their neighbours, and all are shrunk towards "no
season" by the share of their spread that the scatter within a position explains (James and Stein's estimate), which
stands in for a yes-or-no test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

INDEX_MIN = 0.05  # a factor of nearly nothing would blow up what is divided by it
SMOOTHING = {52: (1.0, 2.0, 3.0, 2.0, 1.0), 12: (1.0, 2.0, 1.0)}  # weights over neighbouring positions
SEASONS_MIN = 3
MOVES = {52: 3.0, 7: 2.0}
"""How much more an index is unsure than its scatter says: holidays move between weeks, habits between years."""


@dataclass(frozen=True)
class Season:
    """The season of a series: `values[t]` for every past and future step, and how unsure they are.

    `doubt` is the variance of an index as a share of the variance of one observation, `strength` the share of the
    indices that was believed, both 0 for no season; `sought` is whether there was enough to look for one.
    """

    values: Array
    multiplicative: bool
    doubt: float
    strength: float
    sought: bool

    def remove(self, y: Array) -> Array:
        """The series without its season."""
        past = self.values[: len(y)]
        return y / past if self.multiplicative else y - past

    def put_back(self, forecasts: Array, steps: npt.NDArray[np.intp]) -> Array:
        """Forecasts with the season of their steps (same shape)."""
        season = self.values[steps]
        return forecasts * season if self.multiplicative else forecasts + season


def no_season(length: int, *, multiplicative: bool) -> Season:
    """A season that changes nothing, for `length` steps."""
    return Season(np.ones(length) if multiplicative else np.zeros(length), multiplicative, 0.0, 0.0, sought=False)


def find_season(y: Array, period: int, horizon: int) -> Season:
    """The season of `y` with its continuation; none when three seasons have not been seen."""
    n = len(y)
    multiplicative = bool(y.min() > 0)
    if period < 2 or n < SEASONS_MIN * period:
        return no_season(n + horizon, multiplicative=multiplicative)
    kernel = np.full(period, 1 / period) if period % 2 else np.r_[0.5, np.ones(period - 1), 0.5] / period
    trend = np.convolve(y, kernel, "valid")
    offset = (len(kernel) - 1) // 2
    middle = y[offset : offset + len(trend)]
    ratios = middle / trend if multiplicative else middle - trend
    position = np.arange(offset, offset + len(trend)) % period
    counts = np.maximum(np.bincount(position, minlength=period), 1)
    indices = np.bincount(position, weights=ratios, minlength=period) / counts
    weights = np.array(SMOOTHING.get(period, (1.0,)))
    weights /= weights.sum()
    half = len(weights) // 2
    indices = sum((w * np.roll(indices, i - half) for i, w in enumerate(weights)), np.zeros(period))
    scatter = float(np.sum((ratios - indices[position]) ** 2)) / max(1, len(ratios) - period)
    scatter *= float(np.sum(weights**2) / counts.mean())
    spread = float(indices.var())
    strength = max(0.0, 1 - scatter / spread) if spread > 0 else 0.0
    doubt = MOVES.get(period, 1.0) * strength**2 * float(np.sum(weights**2)) * period / n
    if multiplicative:
        indices = np.maximum(1 + strength * (indices / indices.mean() - 1), INDEX_MIN)
    else:
        indices = strength * (indices - indices.mean())
    return Season(indices[np.arange(n + horizon) % period], multiplicative, doubt, strength, sought=True)
