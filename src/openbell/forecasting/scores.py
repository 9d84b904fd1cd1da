"""The scores of M4's competition (Makridakis, Spiliotis, Assimakopoulos 2020), and its reference, Naive2.

sMAPE is 200 |y - f| / (|y| + |f|), a mean over steps; MASE divides the mean absolute error by that of the naive
forecast with a lag inside the history; OWA is the mean of both as shares of Naive2's; MSIS the interval score of the 95
% band over the scale of MASE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
ALPHA = 0.05


@dataclass(frozen=True)
class Row:
    """One series: errors of the forecast and of Naive2, what its bands held, and the interval score (None unscaled)."""

    smape: float
    smape_naive2: float
    mase: float | None
    mase_naive2: float | None
    inside80: float | None
    inside95: float | None
    msis: float | None


@dataclass(frozen=True)
class Table:
    """Means over the series of a set."""

    series: int
    smape: float
    mase: float
    owa: float
    cover80: float | None
    cover95: float | None
    msis: float | None


def naive2(y: Array, h: int, season: int) -> Array:
    """The last value without its season, with that of each step put back, where a season shows in the history."""
    if y.min() <= 0 or not _tests_seasonal(y, season):
        return np.full(h, y[-1])
    n = len(y)
    kernel = np.full(season, 1 / season) if season % 2 else np.r_[0.5, np.ones(season - 1), 0.5] / season
    trend = np.convolve(y, kernel, "valid")
    offset = (len(kernel) - 1) // 2
    position = np.arange(offset, offset + len(trend)) % season
    ratios = y[offset : offset + len(trend)] / trend
    indices = np.bincount(position, ratios, season) / np.maximum(np.bincount(position, minlength=season), 1)
    indices = indices / indices.mean()
    if indices.min() <= 0:
        return np.full(h, y[-1])
    return np.asarray(y[-1] / indices[(n - 1) % season] * indices[np.arange(n, n + h) % season])


def _tests_seasonal(y: Array, season: int) -> bool:
    """M4's test: whether the autocorrelation at the season is beyond chance at 90 %."""
    n = len(y)
    centred = y - y.mean()
    variance = float(centred @ centred)
    if season < 2 or n < 3 * season or variance <= 0:
        return False
    acf = np.array([centred[lag:] @ centred[:-lag] for lag in range(1, season + 1)]) / variance
    return bool(abs(acf[-1]) > 1.645 / np.sqrt(n) * np.sqrt(1 + 2 * np.sum(acf[:-1] ** 2)))


def score(history: Array, future: Array, made: Mapping[str, Sequence[float]], lag: int) -> Row:
    """How good one forecast was. `made` has "mean", and the four ends of the bands where there are any."""
    reference = naive2(history, len(future), lag)
    mean = np.asarray(made["mean"], dtype=np.float64)
    step = lag if len(history) > lag else 1
    scale = float(np.abs(history[step:] - history[:-step]).mean())
    ends = {name: np.asarray(made[name]) for name in ("lo80", "hi80", "lo95", "hi95") if name in made}
    banded = len(ends) == 4
    msis = None
    if banded and scale:
        low, high = ends["lo95"], ends["hi95"]
        missed = np.maximum(low - future, 0) + np.maximum(future - high, 0)
        msis = float((high - low + 2 / ALPHA * missed).mean()) / scale
    return Row(
        smape=_smape(future, mean),
        smape_naive2=_smape(future, reference),
        mase=float(np.abs(future - mean).mean()) / scale if scale else None,
        mase_naive2=float(np.abs(future - reference).mean()) / scale if scale else None,
        inside80=float(((future >= ends["lo80"]) & (future <= ends["hi80"])).mean()) if banded else None,
        inside95=float(((future >= ends["lo95"]) & (future <= ends["hi95"])).mean()) if banded else None,
        msis=msis,
    )


def _smape(y: Array, f: Array) -> float:
    size = np.abs(y) + np.abs(f)
    return float(np.where(size > 0, 200 * np.abs(y - f) / np.where(size > 0, size, 1), 0).mean())


def table(rows: Sequence[Row]) -> Table:
    """The scores of a set. Raises ValueError for none."""
    if not rows:
        raise ValueError("there are no series to score")
    smape, smape_reference = _mean([r.smape for r in rows]), _mean([r.smape_naive2 for r in rows])
    mase, mase_reference = _mean([r.mase for r in rows]), _mean([r.mase_naive2 for r in rows])
    assert smape is not None
    shares = [a / b for a, b in ((smape, smape_reference), (mase, mase_reference)) if a is not None and b]
    return Table(
        series=len(rows),
        smape=smape,
        mase=mase if mase is not None else float("nan"),
        owa=float(np.mean(shares)) if shares else float("nan"),
        cover80=_mean([r.inside80 for r in rows]),
        cover95=_mean([r.inside95 for r in rows]),
        msis=_mean([r.msis for r in rows]),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return float(np.mean(known)) if known else None
