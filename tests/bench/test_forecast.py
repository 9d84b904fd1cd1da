"""`openbell bench forecast`: its scores, its folder of sets, and the others beside ours."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from openbell.bench.errors import BenchError
from openbell.bench.forecast import load, measure, methods, run
from openbell.cli.bench import bench
from openbell.forecasting.ensemble import ensemble
from openbell.forecasting.scores import naive2, score, table


def write_set(folder: Path, name: str = "weekly", series: int = 3) -> None:
    """A set of synthetic weeks with a yearly season."""
    lines = []
    for number in range(series):
        chance = np.random.default_rng(number)
        y = 50 + 20 * np.sin(2 * np.pi * np.arange(273) / 52) + chance.normal(0, 3, 273)
        one = {
            "id": str(number),
            "freq": "W",
            "season": 52,
            "m": 52,
            "train": y[:260].tolist(),
            "test": y[260:].tolist(),
        }
        lines.append(json.dumps(one))
    with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines))


def test_scores_are_those_of_the_competition() -> None:
    """sMAPE, MASE, coverage and MSIS by hand on four steps; Naive2 against itself is 1."""
    history = np.array([10.0, 12.0, 11.0, 13.0])
    future = np.array([10.0, 20.0])
    made = {"mean": [10.0, 10.0], "lo80": [9, 9], "hi80": [11, 11], "lo95": [8, 8], "hi95": [12, 12]}
    row = score(history, future, made, 1)
    scale = (2 + 1 + 2) / 3
    assert row.smape == pytest.approx((0 + 200 * 10 / 30) / 2)
    assert row.mase == pytest.approx(5 / scale)
    assert (row.inside80, row.inside95) == (0.5, 0.5)
    assert row.msis == pytest.approx((4 + 4 + 40 * 8) / 2 / scale)
    alone = score(history, future, {"mean": naive2(history, 2, 1).tolist()}, 1)
    assert table([alone]).owa == pytest.approx(1.0)
    assert table([alone]).cover80 is None


def test_the_table_has_every_set_and_method(tmp_path: Path) -> None:
    """The command prints OWA, coverage and time beside Naive2, as a table and as JSON."""
    write_set(tmp_path)
    said = CliRunner().invoke(bench, ["forecast", "--data", str(tmp_path), "--json"])
    assert said.exit_code == 0, said.output
    ours, reference = json.loads(said.output.splitlines()[-1])
    assert (ours["method"], reference["method"]) == ("openbell", "Naive2")
    assert reference["owa"] == pytest.approx(1.0)
    assert ours["owa"] < 1
    assert 0.5 <= ours["cover80"] <= ours["cover95"] <= 1
    assert "openbell" in CliRunner().invoke(bench, ["forecast", "--data", str(tmp_path)]).output


def test_with_the_extra_the_automatic_models_stand_beside(tmp_path: Path) -> None:
    """The combination of statsforecast's models gives the same fields, and is better than Naive2 here."""
    write_set(tmp_path, series=2)
    assert set(methods(every=True)) == {"openbell", "Naive2", "ETS", "Theta", "ETS, Theta", "ETS, Theta, ARIMA"}
    lines = run(tmp_path, step=1, every=True, say=lambda _: None)
    assert all(line.failures == 0 for line in lines)
    assert {line.method: line.scores.owa < 1 for line in lines}["ETS, Theta"]


def test_a_member_that_fails_leaves_the_light_engine() -> None:
    """The richer mean never raises for a constant or short series, and never leaves what was seen by far."""
    for y in ([5.0] * 60, [1.0, 2.0, 3.0], [0.0, 1.0] * 20):
        made = ensemble(y, 5, freq="W", season=52, members=("ets", "theta"))
        assert all(np.isfinite(made[name]).all() for name in made)


def test_what_is_no_set_is_refused(tmp_path: Path) -> None:
    """An empty folder, a file that is none, and a method that raises: told, not crashed."""
    with pytest.raises(BenchError, match="no set"):
        run(tmp_path, step=1, every=False, say=lambda _: None)
    (tmp_path / "bad.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(BenchError, match="no set of series"):
        load(tmp_path / "bad.jsonl.gz")
    write_set(tmp_path, "good")

    def broken(*_: object, **__: object) -> dict[str, list[float]]:
        raise RuntimeError("no")

    line = measure("good", "broken", broken, load(tmp_path / "good.jsonl.gz"))
    assert line.failures == 3
