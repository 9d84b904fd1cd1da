"""The leaderboard's policy: measures, percentiles, pillars, ranks."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.products.market.pillars import LEAST_WEIGHT, MEASURES, PILLARS, PRESETS, board, measures, percentiles

FIGURES = st.dictionaries(st.text("ABCDEF", min_size=1, max_size=3), st.none() | st.floats(-1e6, 1e6), max_size=12)


def company(**figures: float) -> dict[str, float | None]:
    """A company of which only these measures are known."""
    return {name: figures.get(name) for group in MEASURES.values() for name in group}


def year(fiscal_year: int, currency: str = "USD", **income: float | None) -> dict[str, Any]:
    """A year of statements."""
    return {"fiscal_year": fiscal_year, "currency": currency, "income": income}


@given(FIGURES)
def test_percentiles_keep_the_order(figures: dict[str, float | None]) -> None:
    """0 to 100 in the order of the figures, equal figures equal; what is unknown has none."""
    placed = percentiles(figures)
    assert placed.keys() == {symbol for symbol, value in figures.items() if value is not None}
    assert all(0 <= place <= 100 for place in placed.values())
    for one, a in placed.items():
        for two, b in placed.items():
            assert (figures[one] < figures[two]) == (a < b)  # type: ignore[operator]


@given(FIGURES.filter(lambda f: any(v is not None for v in f.values())))
def test_percentiles_have_their_mean_in_the_middle(figures: dict[str, float | None]) -> None:
    """However many are equal, the mean of a universe is 50: no measure lifts or lowers everybody."""
    placed = percentiles(figures)
    assert sum(placed.values()) / len(placed) == pytest.approx(50)


def test_a_loss_is_no_cheap_share() -> None:
    """A negative price to earnings stands below every positive one, and a blank counts neither way."""
    cheap, dear, losing, blank = (
        measures({"price_to_earnings_ratio": ratio}, [])["earnings_yield"] for ratio in (8.0, 80.0, -3.0, None)
    )
    assert losing is not None
    assert cheap is not None
    assert dear is not None
    assert losing < dear < cheap
    assert blank is None


def test_debt_is_judged_by_its_sign() -> None:
    """Without debt is best, more debt is worse, debt without equity is worst."""
    found = [measures({"debt_to_equity_ratio": ratio}, [])["equity_to_debt"] for ratio in (0.0, 0.5, 2.0, -4.0, None)]
    assert found == [inf, 2.0, 0.5, -inf, None]


def test_growth_needs_a_year_before_above_zero() -> None:
    """No growth from a loss, across a currency, or over a gap of years."""
    for before, after, expected in (
        (year(2010, revenue=100.0), year(2011, revenue=150.0), 0.5),
        (year(2010, revenue=-100.0), year(2011, revenue=150.0), None),
        (year(2010, revenue=0.0), year(2011, revenue=150.0), None),
        (year(2009, revenue=100.0), year(2011, revenue=150.0), None),
        (year(2010, "EUR", revenue=100.0), year(2011, revenue=150.0), None),
        (year(2010, revenue=100.0), year(2011, revenue=None), None),
    ):
        assert measures({}, [before, after])["revenue_growth"] == expected
    assert measures({}, [year(2011, revenue=1.0)])["revenue_growth"] is None


def test_who_pays_no_dividend_has_no_cover() -> None:
    """A yield of zero is a figure; how well nothing is earned is none."""
    found = measures({"dividend_yield": 0.0, "dividend_payout_ratio": 0.0}, [])
    assert (found["dividend_yield"], found["dividend_cover"]) == (0.0, None)


def test_the_board_ranks_by_weights_and_leaves_the_unknown_unranked() -> None:
    """Issue 5: percentiles and weight presets; too little known is no rank, equal totals share one."""
    sound = company(**dict.fromkeys((name for group in MEASURES.values() for name in group), 1.0))
    better = dict.fromkeys(sound, 2.0)
    thin = company(current_ratio=9.0, equity_to_debt=9.0)
    scores = board({"B": sound, "A": sound, "BEST": better, "THIN": thin}, "balanced")
    assert [(score.symbol, score.rank) for score in scores] == [("BEST", 1), ("A", 2), ("B", 2), ("THIN", None)]
    assert scores[-1].pillars["health"] is not None
    assert scores[-1].pillars["value"] is None
    fast = company(revenue_growth=1.0, operating_income_growth=1.0, operating_margin=0.0, net_margin=0.0)
    rich = company(revenue_growth=0.0, operating_income_growth=0.0, operating_margin=1.0, net_margin=1.0)
    shares = {"FAST": fast, "RICH": rich}
    assert [score.symbol for score in board(shares, "growth")] == ["FAST", "RICH"]
    assert [score.symbol for score in board(shares, "quality")] == ["RICH", "FAST"]


def test_presets_are_whole() -> None:
    """Each preset spreads 100 per cent over the five pillars."""
    assert all(sum(weights) == 100 and len(weights) == len(PILLARS) for weights in PRESETS.values())
    assert 0 < LEAST_WEIGHT <= 1
    assert board({}, "balanced") == []
