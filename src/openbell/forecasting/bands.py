"""Conformal intervals: what was off by how much, from overlapping origins, said of the steps to come.

The band of a step is the finite-sample quantile of the absolute errors at that step (Vovk; Lei and others 2018). Widths
never shrink with the step: where they would, neighbours are pooled (isotonic regression), which has no bias upwards,
unlike a running maximum; half of the weight is on a power curve through all steps, as one step's 95 % quantile rests on
a handful of errors.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

ORIGINS_MIN = 5
LEVELS = (0.8, 0.95)
BLEND = 0.5


def widths(errors: Array, level: float, *, doubt: float = 0.0) -> Array:
    """Half-widths per step, from signed errors of shape (origins, steps) with NaN where nothing is known.

    `doubt` is the share of one observation's variance by which seasonal indices are unsure: errors inside the sample
    were too small by it and errors to come are larger by it, so half-widths grow by the root of (1 + doubt) / (1 -
    doubt).
    """
    steps = errors.shape[1]
    raw = np.zeros(steps)
    for k in range(steps):
        known = errors[:, k][np.isfinite(errors[:, k])]
        if len(known) < ORIGINS_MIN and k:
            raw[k] = raw[k - 1] * np.sqrt((k + 1) / k)
        elif len(known):
            raw[k] = quantile(np.abs(known), level)
    pooled = pool(raw)
    doubt = min(doubt, 0.5)
    blended = (1 - BLEND) * pooled + BLEND * _power_curve(pooled)
    return np.maximum.accumulate(blended * np.sqrt((1 + doubt) / (1 - doubt)))


def quantile(sizes: Array, level: float) -> float:
    """The finite-sample quantile: the value at rank level * (n + 1), the largest when that is past the end."""
    ordered = np.sort(sizes)
    rank = min(level * (len(ordered) + 1) - 1, len(ordered) - 1)
    low = max(0, int(rank))
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + max(0.0, rank - low) * (ordered[high] - ordered[low]))


def pool(values: Array) -> Array:
    """The nearest non-decreasing sequence (pool adjacent violators)."""
    heights: list[float] = []
    counts: list[int] = []
    for value in values:
        heights.append(float(value))
        counts.append(1)
        while len(heights) > 1 and heights[-2] > heights[-1]:
            total = counts[-2] + counts[-1]
            height = (heights[-2] * counts[-2] + heights[-1] * counts[-1]) / total
            heights[-2:], counts[-2:] = [height], [total]
    return np.repeat(heights, counts)


def _power_curve(values: Array) -> Array:
    steps = np.arange(1, len(values) + 1)
    if len(values) > 3 and values.min() > 0:
        x, z = np.log(steps), np.log(values)
        power = float(np.clip(np.polyfit(x, z, 1)[0], 0, 1))
        return np.asarray(np.exp(np.mean(z - power * x)) * steps**power)
    return np.asarray(np.mean(values / np.sqrt(steps)) * np.sqrt(steps))
