"""`openbell bench forecast`: the accuracy of forecasts on series whose future is known, beside others.

A folder holds sets as `NAME.jsonl.gz`: one object a line with `id`, `freq` (D, W, M), `season`, `m` (the lag of the
scores), `train` and `test`. Nothing of it is kept.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from openbell.bench.errors import BenchError
from openbell.forecasting import forecast
from openbell.forecasting.ensemble import ensemble
from openbell.forecasting.scores import Row, Table, naive2, score, table

Method = Callable[..., Mapping[str, Sequence[float]]]
SUFFIX = ".jsonl.gz"


@dataclass(frozen=True, slots=True)
class Line:
    """One method on one set. Times in milliseconds a series; `failures` were scored as the last value."""

    set: str
    method: str
    scores: Table
    median_ms: float
    p95_ms: float
    failures: int

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        names = ("series", "smape", "mase", "owa", "cover80", "cover95", "msis")
        scores = {name: getattr(self.scores, name) for name in names}
        rounded = {name: value if value is None else round(value, 4) for name, value in scores.items()}
        times = {"median_ms": round(self.median_ms, 2), "p95_ms": round(self.p95_ms, 2), "failures": self.failures}
        return {"set": self.set, "method": self.method, **rounded, **times}


def methods(*, every: bool) -> dict[str, Method]:
    """Ours, Naive2, and with the extra the models of statsforecast; all of them only where they are asked for."""
    found: dict[str, Method] = {"openbell": forecast, "Naive2": _naive2}
    if every and find_spec("statsforecast"):
        found["ETS"] = partial(ensemble, members=("ets",))
        found["Theta"] = partial(ensemble, members=("theta",))
        found["ETS, Theta"] = partial(ensemble, members=("ets", "theta"))
        found["ETS, Theta, ARIMA"] = ensemble
    return found


def _naive2(y: Sequence[float], h: int, *, freq: str, season: int) -> dict[str, list[float]]:
    del freq
    return {"mean": naive2(np.asarray(y, dtype=np.float64), h, season).tolist()}


def run(folder: Path, *, step: int, every: bool, say: Callable[[str], None]) -> list[Line]:
    """Every set of the folder by every method; of each set every `step`-th series. Raises :class:`BenchError`."""
    places = sorted(folder.glob(f"*{SUFFIX}")) or sorted((folder / "data").glob(f"*{SUFFIX}"))
    if not places:
        raise BenchError(f"There is no set in that folder; a set is a file whose name ends in {SUFFIX}.")
    lines = []
    for place in places:
        name = place.name.removesuffix(SUFFIX)
        series = load(place)[::step]
        for method, function in methods(every=every).items():
            say(f"{name}: {method}")
            lines.append(measure(name, method, function, series))
    return lines


def load(place: Path) -> list[dict[str, Any]]:
    """The series of a set. Raises :class:`BenchError` for a file that is none."""
    try:
        with gzip.open(place, "rt", encoding="utf-8") as lines:
            series = [json.loads(line) for line in lines]
        for one in series:
            one["train"], one["test"] = (np.array(one[part], dtype=np.float64) for part in ("train", "test"))
            one["freq"], one["season"], one["m"] = str(one["freq"]), int(one["season"]), int(one["m"])
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{place.name} is no set of series: {error}") from error
    if not series:
        raise BenchError(f"{place.name} holds no series.")
    return series


def measure(name: str, method: str, function: Method, series: Sequence[Mapping[str, Any]]) -> Line:
    """One method on one set."""
    rows: list[Row] = []
    times: list[float] = []
    failures = 0
    for one in series:
        history, future = one["train"], one["test"]
        begun = time.perf_counter()
        try:
            made = function(history.tolist(), len(future), freq=one["freq"], season=one["season"])
        except Exception:  # noqa: BLE001 - whatever a method raises is its score, not the end of the run
            made, failures = {"mean": [history[-1]] * len(future)}, failures + 1
        times.append(1_000 * (time.perf_counter() - begun))
        rows.append(score(history, future, made, one["m"]))
    ranked = sorted(times)
    middle, late = ranked[len(ranked) // 2], ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))]
    return Line(name, method, table(rows), middle, late, failures)
