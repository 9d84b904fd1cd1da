"""The engine on hostile and on made-up series; accuracy on real ones is `openbell bench forecast`."""

from __future__ import annotations

import hashlib
import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.forecasting import ENGINE_VERSION, compare, forecast, paths, predict
from openbell.forecasting.bands import pool, widths

FIELDS = ("mean", "lo80", "hi80", "lo95", "hi95")
STEPS = [("D", 7), ("W", 52), ("M", 12), ("Q", 4), ("D", 1)]

numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(0, 100),
    st.integers(0, 5).map(float),
    st.none(),
)
histories = st.one_of(
    st.lists(numbers, max_size=60),
    st.lists(st.floats(-1e6, 1e6), min_size=24, max_size=70),
    st.tuples(st.floats(-100, 100), st.integers(0, 200)).map(lambda v: [v[0]] * v[1]),
)


def wave(n: int = 260, seed: int = 3, noise: float = 4.0, season: int = 52) -> np.ndarray:
    """A synthetic series of interest with a yearly season."""
    chance = np.random.default_rng(seed)
    return 50 + 20 * np.sin(2 * np.pi * np.arange(n) / season) + chance.normal(0, noise, n)


@settings(max_examples=120, deadline=None)
@given(histories, st.integers(1, 30), st.sampled_from(STEPS), st.sampled_from(["interest", "price"]))
def test_no_series_raises_or_brings_a_nan(history, h, step, kind):
    """FC-19: constant, zero, gap-filled, NaN, infinite, negative and tiny input never raises, and never gives a NaN."""
    made = forecast(history, h, freq=step[0], season=step[1], kind=kind)
    for name in FIELDS:
        assert len(made[name]) == h
        assert all(math.isfinite(v) for v in made[name])
    for low95, low80, high80, high95 in zip(made["lo95"], made["lo80"], made["hi80"], made["hi95"], strict=True):
        assert low95 <= low80 + 1e-9 * abs(low80) <= high80 + 2e-9 * abs(high80) + 1e-300
        assert high80 <= high95 + 1e-9 * abs(high95)


def hostile(kind: str, n: int) -> list[float]:
    """A series of a shape that breaks forecasts, of n steps."""
    t, chance = np.arange(n), np.random.default_rng(n)
    noise = chance.random(n)
    made = {
        "constant": np.full(n, 5.0),
        "zero": np.zeros(n),
        "tiny": noise * 1e-300,
        "smallest": np.full(n, 5e-324),
        "huge": 1e307 * (1 + noise),
        "negative": -50 * noise,
        "spikes": np.where(noise < 0.02, 1e6, noise),
        "break": np.where(t < n // 2, 10.0, 1_000.0) + noise,
        "last shift": np.where(t < n - 3, 1.0, 500.0),
        "explosive": np.exp(t / max(1, n) * 40),
        "gappy": np.where(noise < 0.6, np.nan, 100 * noise),
        "one known": np.where(t == n - 1, 7.0, np.nan),
        "nothing known": np.full(n, np.nan),
        "infinite": np.where(noise < 0.1, np.inf, noise),
        "mostly zero": np.where(noise < 0.9, 0.0, noise),
        "to and fro": np.where(t % 2 == 0, 0.0, 100.0),
        "season": 50 + 40 * np.sin(t / 7 * 2 * np.pi) + noise,
    }
    return [float(v) for v in made[kind]]


KINDS = (
    "constant", "zero", "tiny", "smallest", "huge", "negative", "spikes", "break", "last shift", "explosive", "gappy",
    "one known", "nothing known", "infinite", "mostly zero", "to and fro", "season",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_shapes_of_every_length_step_and_horizon(kind):
    """FC-15, FC-19: from nothing to 3,000 days, 1 to 104 steps ahead: finite, in order, never below zero unasked."""
    steps = [*STEPS, ("W", 1), ("M", 1), ("D", 52), ("W", 7)]
    for place, n in enumerate((0, 1, 2, 5, 13, 20, 23, 24, 25, 60, 104, 156, 260, 3_000)):
        history = hostile(kind, n)
        freq, season = steps[place % len(steps)]
        h = (1, 13, 104)[place % 3]
        made = {name: np.array(values) for name, values in forecast(history, h, freq=freq, season=season).items()}
        slack = 1e-9 * np.abs(made["mean"]).max()
        assert all(len(values) == h and np.isfinite(values).all() for values in made.values()), (n, freq, season)
        for low, high in itertools.pairwise(("lo95", "lo80", "mean", "hi80", "hi95")):
            assert (made[low] <= made[high] + slack).all(), (n, freq, season, low)
        known = [v for v in history if math.isfinite(v)]
        assert (made["lo95"] >= 0).all() or (known and min(known) < 0), (n, freq, season)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=120), st.integers(1, 20), st.sampled_from(STEPS))
def test_bounds_hold_for_forecasts_and_bands(history, h, step):
    """FC-15: a series from 0 to 100 stays there in the centre and in both bands, and a gap within -100 to 100."""
    a = predict(history, h, freq=step[0], season=step[1], bounds=(0, 100))
    b = predict(history[::-1], h, freq=step[0], season=step[1], bounds=(0, 100))
    for name in FIELDS:
        assert np.all((getattr(a, name) >= 0) & (getattr(a, name) <= 100 + 1e-9))
    gap = compare(a, b)
    for name in FIELDS:
        assert np.all(np.abs(getattr(gap, name)) <= 100 + 1e-9)


@pytest.mark.parametrize(
    ("history", "flag"),
    [
        ([0.0] * 100, "constant"),
        ([7.5] * 100, "constant"),
        ([1.0, 2.0, 3.0], "short"),
        ([], "empty"),
        ([float("nan")] * 50, "empty"),
        ([None, 5.0, None, 6.0] * 30, "gaps"),
        ([-3.0, 4.0, -5.0, 2.0] * 30, "negative"),
        ([10.0, 11.0, 9.0, 10.5] * 20 + [900.0] + [10.0, 11.0, 9.0] * 10, "spikes"),
    ],
)
def test_what_is_odd_about_a_series_is_told(history, flag):
    """FC-20: quality flags say what is odd about the input."""
    assert flag in predict(history, 8, freq="W", season=52).flags


def test_few_points_give_the_last_value_and_are_not_shown():
    """FC-19: below 24 points the naive model, low confidence, and "do not show"; from 24 on it is shown."""
    few = predict(list(wave(23)), 8, freq="W", season=52)
    assert few.models == ("naive",)
    assert not few.show
    assert (few.label, few.quality) == ("low", "low")
    assert np.allclose(few.mean, wave(23)[-1])
    assert np.all(few.hi95 > few.lo95)
    assert predict(list(wave(24)), 8, freq="W", season=52).show


@pytest.mark.parametrize("value", [1e-300, 1e300, -1e300, 1e-12])
def test_the_size_of_the_numbers_does_not_matter(value):
    """FC-19: very small and very large figures give finite forecasts."""
    made = forecast([value * (1 + 0.1 * (i % 5)) for i in range(80)], 10, freq="W", season=52)
    assert all(math.isfinite(v) for name in FIELDS for v in made[name])


def test_one_spike_and_a_broken_trend_do_not_run_away():
    """FC-14: a spike, or a level that shifts in the last week, stays within the range seen and its reach."""
    spiky = wave()
    spiky[100] = 5_000
    made = predict(list(spiky), 13, freq="W", season=52)
    assert np.abs(made.mean - 50).max() < 100
    shifted = wave(noise=1.0)
    shifted[-1] = 300
    made = predict(list(shifted), 13, freq="W", season=52)
    assert made.mean.max() <= 300 + np.ptp(shifted)


def test_a_yearly_season_is_found_from_three_years_of_weeks_and_not_before():
    """Five years are worth fetching: the season of 52 weeks is used from 156 points, and said to be missing below."""
    known = predict(list(wave(209)), 13, freq="W", season=52)
    truth = 50 + 20 * np.sin(2 * np.pi * np.arange(209, 222) / 52)
    assert np.abs(known.mean - truth).mean() < 4
    assert "no season" not in known.flags
    assert "no season" in predict(list(wave(150)), 13, freq="W", season=52).flags


def test_the_choice_is_by_rolling_origins_among_naive_damped_and_theta():
    """FC-14: the candidates include naive, damped Holt and theta; a walk gets its last value, a line its slope."""
    from openbell.forecasting.engine import POOL

    assert all({"naive", "damped", "theta"} <= set(names) for names in POOL.values())
    walk = 100 + np.cumsum(np.random.default_rng(5).normal(0, 1, 300))
    assert predict(list(walk), 14, freq="D", season=1).models == ("naive",)
    line = predict([10 + 2.0 * i for i in range(100)], 6, freq="M", season=12)
    assert np.all(np.diff(line.mean) > 0)
    assert "naive" not in line.models


def test_prices_are_the_last_price_with_a_band():
    """Nothing beats the last price on days: the centre is that price, and the band is honest."""
    chance = np.random.default_rng(11)
    inside80 = inside95 = total = 0
    for _ in range(60):
        prices = 100 * np.exp(np.cumsum(chance.normal(0, 0.012, 274)))
        made = predict(list(prices[:260]), 14, freq="D", season=1, kind="price")
        assert np.allclose(made.mean, prices[259])
        inside80 += int(((prices[260:] >= made.lo80) & (prices[260:] <= made.hi80)).sum())
        inside95 += int(((prices[260:] >= made.lo95) & (prices[260:] <= made.hi95)).sum())
        total += 14
    assert 0.74 <= inside80 / total <= 0.88
    assert 0.90 <= inside95 / total <= 0.98


@pytest.mark.parametrize(("freq", "season", "n", "h"), [("W", 52, 260, 13), ("D", 7, 90, 14), ("M", 12, 100, 18)])
def test_bands_reach_their_nominal_coverage_on_synthetic_data(freq, season, n, h):
    """FC-16: on data of a known kind, 80 and 95 % bands hold about 80 and 95 % of what comes, and more of what repeats
    itself year by year as no interest does.
    """
    inside = np.zeros(2)
    for seed in range(60):
        series = wave(n + h, seed=seed, noise=6.0, season=season)
        made = predict(list(series[:n]), h, freq=freq, season=season)
        future = series[n:]
        inside += [
            np.mean((future >= made.lo80) & (future <= made.hi80)),
            np.mean((future >= made.lo95) & (future <= made.hi95)),
        ]
    assert 0.75 <= inside[0] / 60 <= 0.95
    assert 0.90 <= inside[1] / 60 <= 0.998


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.floats(-50, 50), min_size=6, max_size=6), min_size=1, max_size=40))
def test_widths_never_shrink_with_the_step(errors):
    """FC-16: half-widths widen or stay equal with the step, at both levels, and 95 % is never inside 80 %."""
    rows = np.array(errors)
    narrow, wide = widths(rows, 0.8), widths(rows, 0.95)
    assert np.all(np.diff(narrow) >= 0)
    assert np.all(np.diff(wide) >= 0)


def test_unbounded_bands_widen_with_the_step():
    """FC-16: away from the bounds the bands of a whole forecast widen or stay equal with the step."""
    for seed in range(10):
        made = predict(list(wave(seed=seed) + 1_000), 13, freq="W", season=52)
        for low, high in ((made.lo80, made.hi80), (made.lo95, made.hi95)):
            assert np.all(np.diff(high - low) >= -1e-9)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_pooling_keeps_the_mean_and_orders(values):
    """FC-16: the isotonic fit is in order and has the mean of what went in, so it has no bias upwards."""
    pooled = pool(np.array(values))
    assert np.all(np.diff(pooled) >= -1e-6)
    assert np.isclose(pooled.mean(), np.mean(values))


def test_whole_paths_hang_together_and_agree_with_the_band():
    """FC-16: simulated paths are errors of whole origins, so neighbouring steps are off together, and fill the band."""
    walk = 50 + np.cumsum(np.random.default_rng(8).normal(0, 1, 260))
    made = predict(list(walk + 200), 13, freq="W", season=1)
    drawn = paths(made, seed=1) - made.mean
    assert np.corrcoef(drawn[:, 5], drawn[:, 6])[0, 1] > 0.7
    inside = np.mean(np.abs(drawn) <= (made.hi80 - made.mean))
    assert 0.7 <= inside <= 0.92


def test_the_same_input_gives_the_same_bytes():
    """FC-17: forecasts, paths and risks are equal in every bit, also in another process."""
    program = (
        "import numpy as np, hashlib; from openbell.forecasting import compare, predict\n"
        "t = np.arange(200)\n"
        "a = 40 + 9 * np.sin(t / 8) + np.sin(t * 1.7); b = 42 + 7 * np.cos(t / 8) + np.sin(t * 2.1)\n"
        "p, q = (predict(list(v), 13, freq='W', season=52) for v in (a, b)); g = compare(p, q)\n"
        "print(hashlib.sha256(p.mean.tobytes() + g.hi95.tobytes() + repr(g.lead_change_risk).encode()).hexdigest())"
    )
    said = {subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(said) == 1


def test_the_gap_of_a_and_b_is_the_mirrored_gap_of_b_and_a():
    """FC-3: A versus B and B versus A say the same with the sign turned, and the same risk."""
    a = predict(list(wave(seed=1)), 13, freq="W", season=52, bounds=(0, 100))
    b = predict(list(wave(seed=2) - 3), 13, freq="W", season=52, bounds=(0, 100))
    ours, theirs = compare(a, b), compare(b, a)
    assert np.allclose(ours.mean, -theirs.mean)
    assert np.allclose(ours.lo95, -theirs.hi95)
    assert ours.lead_change_risk == pytest.approx(theirs.lead_change_risk)
    assert ours.expected_margin == pytest.approx(-theirs.expected_margin)


def test_a_wide_lead_is_safe_and_a_narrow_one_is_not():
    """FC-20: expected margin and lead-change risk with its uncertainty; absent when too little is known."""
    high = predict(list(wave(seed=1) + 30), 8, freq="W", season=52)
    low = predict(list(wave(seed=2) - 25), 8, freq="W", season=52)
    close = predict(list(wave(seed=3) + 29.5), 8, freq="W", season=52)
    safe, tight = compare(high, low), compare(high, close)
    assert safe.lead_change_risk == 0
    assert 0.1 < tight.lead_change_risk < 0.95
    assert 0 < tight.risk_error <= 0.5
    assert safe.expected_margin > 40
    few = predict([1.0, 2.0, 3.0], 8, freq="W", season=52)
    assert compare(few, few).lead_change_risk is None


def test_equal_terms_have_no_gap():
    """Two equal series differ by nothing, and that raises nothing."""
    a = predict(list(wave()), 8, freq="W", season=52)
    gap = compare(a, a)
    assert np.all(gap.mean == 0)
    assert np.all(gap.hi95 == 0)


def test_output_has_what_readers_need():
    """FC-20: points with bounds, models, backtest error, confidence with label, flags and measured coverage."""
    made = predict(list(wave()), 13, freq="W", season=52)
    assert len(made.models) == 3
    assert made.mae is not None
    assert made.mae > 0
    assert 0 <= made.confidence <= 100
    assert made.label in ("high", "medium", "low")
    assert made.coverage80 is not None
    assert 0.5 <= made.coverage80 <= 1
    assert made.mase is not None
    assert made.mase < 1


def test_wrong_questions_are_refused():
    """A horizon below 1 or above 400, and an unknown step or kind, are refused with a sentence."""
    for h in (0, -1, 401):
        with pytest.raises(ValueError, match="horizon"):
            predict([1.0] * 30, h, freq="W", season=52)
    with pytest.raises(ValueError, match="freq"):
        predict([1.0] * 30, 3, freq="H", season=24)


def test_the_base_install_stays_light():
    """`openbell.forecast` costs at most 0.2 CPU seconds and 30 MB over numpy, and brings nothing else of the house."""
    program = (
        "import numpy, resource, sys, time\n"
        "m, t = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()\n"
        "import openbell; openbell.forecast\n"
        "used = time.process_time() - t, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - m) / 1024\n"
        "assert used[0] <= 0.2 and used[1] <= 30, used\n"
        "assert not {'pydantic', 'asyncpg', 'openbell.engine', 'openbell.products'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


GOLDEN = {"1": "756e7b867f91bdbf", "2": "32354ea5e63fae51"}
"""By engine version, the hash of its forecasts of fixed series. A new engine gets a new version and a new line."""


def test_a_changed_engine_has_a_new_version():
    """FC-23: when forecasts of fixed series change and ENGINE_VERSION does not, this fails."""
    digest = hashlib.sha256()
    t = np.arange(300)
    base = 50 + 15 * np.sin(2 * np.pi * t / 52) + 6 * np.sin(t * 2.3) + 4 * np.cos(t * 0.71) + 0.02 * t
    cases = [
        (base[:260], "W", 52, 13, "interest"),
        (base[:52], "W", 52, 8, "interest"),
        (base[:90] - 50, "D", 7, 14, "interest"),
        (base[:100] * 30, "M", 12, 18, "interest"),
        (base[:260], "D", 1, 14, "price"),
        (base[:20], "W", 52, 8, "interest"),
        (np.full(60, 3.0), "W", 52, 8, "interest"),
    ]
    made = [predict(list(y), h, freq=freq, season=season, kind=kind) for y, freq, season, h, kind in cases]
    for one in made:
        for name in FIELDS:
            digest.update(" ".join(f"{v:.6e}" for v in getattr(one, name) + 0.0).encode())
        digest.update(repr((one.models, one.flags, one.confidence)).encode())
    gap = compare(made[0], predict(list(base[40:300]), 13, freq="W", season=52))
    digest.update(f"{gap.expected_margin:.6e} {gap.lead_change_risk} {gap.hi95[-1]:.6e}".encode())
    assert digest.hexdigest()[:16] == GOLDEN[ENGINE_VERSION]
