"""From days to steps to scores: weeks, gaps, weights, and what is missing."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest

from openbell.products.forecast.forecast import compute
from openbell.products.forecast.insight import correlation_of, leader_of, peaks_of, rhythm_of
from openbell.products.forecast.keys import FRAMES, pair_of
from openbell.products.forecast.sources import Gathered, Missing, by_step, of_interest, of_prices
from tests.web.comparisons import gathered

MONDAY = date(2026, 1, 5)


def test_weeks_are_whole_and_gaps_stay_gaps() -> None:
    """Gaps are kept: a week of less than four known days is a gap; parts of weeks at both ends are left out."""
    days: dict[date, float | None] = {MONDAY + timedelta(days=n): float(n) for n in range(-3, 30)}
    for n in range(7, 11):
        days[MONDAY + timedelta(days=n)] = None
    weeks = by_step(days, FRAMES["12m"])
    assert weeks == {
        MONDAY: 3.0,
        MONDAY + timedelta(weeks=1): None,
        MONDAY + timedelta(weeks=2): 17.0,
        MONDAY + timedelta(weeks=3): 24.0,
    }
    assert all(day.weekday() == 0 for day in weeks)
    assert len(by_step({MONDAY + timedelta(days=n): 1.0 for n in range(900)}, FRAMES["3m"])) == 365


def test_stored_values_are_read_as_they_are() -> None:
    """Views keep their gaps; a closed market carries its last close."""
    views = of_interest({"first": "2026-01-01", "views": [5, None, 7]})
    assert list(views.values()) == [5, None, 7]
    prices = of_prices({"rows": [["2026-01-02", 1, 1, 1, 10.5, 9], ["2026-01-05", 1, 1, 1, 11, 9]]})
    assert list(prices.values()) == [10.5, 10.5, 10.5, 11.0]


@pytest.mark.parametrize(("tf", "days"), [("3m", 1), ("12m", 7), ("5y", 7)])
def test_forecast_days_go_on_in_the_step_of_the_series(tf: str, days: int) -> None:
    """FC-18: the first day ahead is one step after the last of the series, in days or weeks, and so on."""
    pair = pair_of("amazon", "costco", tf)
    data = gathered(pair)
    made = compute(data, pair.frame.horizon)
    ahead = [point.day for point in made.a.points]
    assert ahead[0] - data.days[-1] == timedelta(days=days)
    assert {b - a for a, b in pairwise(ahead)} == {timedelta(days=days)}
    assert [point.day for point in made.gap.points] == ahead


def test_scores_are_one_scale_and_blend_by_weight() -> None:
    """The highest of both is 100; sources count by weight where both terms have them, and only there."""
    pair = pair_of("a", "b")
    wiki = {
        "a": {MONDAY: 50.0, MONDAY + timedelta(weeks=1): 25.0},
        "b": {MONDAY: 10.0, MONDAY + timedelta(weeks=1): 5.0},
    }
    search = {"a": {MONDAY: 100.0}, "b": {MONDAY: 100.0, MONDAY + timedelta(weeks=1): 7.0}}
    one = Gathered(pair, {"wikipedia": wiki}, [])
    assert one.scores(one.scale) == {"a": [100.0, 50.0], "b": [20.0, 10.0]}
    both = Gathered(pair, {"wikipedia": wiki, "search": search}, [])
    assert both.scores(both.scale) == {"a": [100.0, 50.0], "b": [pytest.approx(52.0), 10.0]}
    zero = Gathered(pair, {"wikipedia": {"a": {MONDAY: 0.0}, "b": {MONDAY: 0.0}}}, [])
    assert zero.scores(zero.scale) == {"a": [0.0], "b": [0.0]}
    gap = Gathered(pair, {"wikipedia": {"a": {MONDAY: None}, "b": {MONDAY: 5.0}}}, [])
    assert gap.scores(gap.scale) == {"a": [None], "b": [None]}


def test_a_missing_source_lowers_confidence_and_is_listed() -> None:
    """FC-25: without the source of search interest confidence is lower than with it, and the source is named."""
    pair = pair_of("amazon", "costco")
    alone = gathered(pair)
    whole = Gathered(pair, {**alone.series, "search": alone.series["wikipedia"]}, [])
    poorer, richer = compute(alone, 8), compute(whole, 8)
    assert poorer.a.confidence < richer.a.confidence
    assert (poorer.missing, richer.missing) == (["search"], [])
    assert isinstance(alone.missing[0], Missing)


def test_the_same_data_gives_the_same_forecast() -> None:
    """FC-17: computing twice gives the same value, to the byte."""
    pair = pair_of("amazon", "costco")
    assert compute(gathered(pair), 8).model_dump_json() == compute(gathered(pair), 8).model_dump_json()


def test_who_leads_and_since_when() -> None:
    """Insight: the lead runs back to the last change; a gap does not end it, and level is nobody."""
    days = [MONDAY + timedelta(weeks=n) for n in range(5)]
    lead = leader_of("a", "b", days, [1, 9, 9, None, 9], [5, 5, 5, 5, 5])
    assert (lead.term, lead.steps, lead.since, lead.margin) == ("a", 3, days[1], 4.0)
    assert leader_of("a", "b", days, [5] * 5, [5] * 5).term is None
    assert leader_of("a", "b", days, [None] * 5, [5] * 5).since is None


def test_peaks_and_rhythm_are_told_only_where_they_are() -> None:
    """Insight: one spike is one peak; noise is none; a season needs three of them; constants correlate with nothing."""
    days = [MONDAY + timedelta(weeks=n) for n in range(260)]
    flat = [50.0 + n % 3 for n in range(260)]
    spike = [*flat[:100], 95.0, *flat[101:]]
    assert [peak.day for peak in peaks_of("a", days, spike)] == [days[100]]
    assert peaks_of("a", days, flat) == []
    assert peaks_of("a", days[:5], [1.0] * 5) == []
    yearly = [50.0 + 20.0 * (n % 52 < 6) for n in range(260)]
    assert rhythm_of("a", days, yearly, 52).words == "a strong pattern by year"
    assert rhythm_of("a", days[:100], yearly[:100], 52).strength is None
    assert correlation_of(flat, flat) == 1.0
    assert correlation_of([5.0] * 50, flat[:50]) is None
