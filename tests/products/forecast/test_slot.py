"""The place of an engine, filled by a model that is hosted elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from openbell.forecasting import BANDS, Engine, Forecast, predict
from openbell.products.forecast.forecast import compute
from openbell.products.forecast.keys import pair_of
from tests.web.comparisons import gathered


@contextmanager
def hosted(answer: dict[str, Any]) -> Iterator[Engine]:
    """A model behind a socket that always says the same, and the engine that asks it."""
    asked: list[dict[str, Any]] = []

    class Model(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Model)
    Thread(target=server.serve_forever, daemon=True).start()

    def engine(
        y: Sequence[float | None], h: int, *, freq: str, season: int, kind: str, bounds: tuple[float, float]
    ) -> Forecast:
        light = predict(y, h, freq=freq, season=season, kind=kind, bounds=bounds)
        said = httpx.post(f"http://127.0.0.1:{server.server_port}", json={"y": list(y), "h": h}).json()
        return light.by(("hosted-1",), said)

    try:
        yield engine
        assert all(one["h"] == 8 and one["y"] for one in asked)
        assert len(asked) >= 1
    finally:
        server.shutdown()
        server.server_close()


def bands(steps: int = 8, **other: list[float]) -> dict[str, list[float]]:
    """Bands of a model that is sure of fifty."""
    levels = dict(zip(BANDS, (30.0, 40.0, 50.0, 60.0, 130.0), strict=True))
    return {name: [level] * steps for name, level in levels.items()} | other


def test_a_hosted_model_takes_the_place_of_the_engine() -> None:
    """Issue 8, build 2: an engine that is asked over a socket gives centre and bands, within the scale of the score."""
    data = gathered(pair_of("amazon", "costco", "12m"))
    with hosted(bands()) as engine:
        made = compute(data, 8, by=engine, engine="hosted-1")
    usual = compute(data, 8)
    assert (made.engine, made.a.models, made.b.models) == ("hosted-1", ["hosted-1"], ["hosted-1"])
    for point in made.a.points:
        assert (point.lo95, point.lo80, point.mean, point.hi80, point.hi95) == (30, 40, 50, 60, 100)
    assert (made.a.mae, made.data_hash) == (usual.a.mae, usual.data_hash)
    assert made.gap.expected_margin == 0


@pytest.mark.parametrize(
    "said",
    [bands(7), bands(mean=[50.0] * 7), bands(mean=[float("nan")] * 8), bands(mean=[70.0] * 8), bands(lo95=[None] * 8)],
)  # fmt: skip
def test_an_answer_of_no_use_is_no_forecast(said: dict[str, Any]) -> None:
    """Bad input: another length, what is not finite and bands that cross are refused before they are drawn."""
    data = gathered(pair_of("amazon", "costco", "12m"))
    with hosted(said) as engine, pytest.raises(ValueError, match=r"needs 8 numbers|not finite|inhomogeneous"):
        compute(data, 8, by=engine, engine="hosted-1")
