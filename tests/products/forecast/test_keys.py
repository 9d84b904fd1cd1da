"""The one builder of keys, and the hash of the data (FC-2 to FC-4)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from openbell.forecasting import ENGINE_VERSION
from openbell.products.forecast.keys import (
    FRAMES,
    ForecastKey,
    Pair,
    PairKey,
    forecast_key,
    hash_of,
    join,
    pair_of,
    pair_of_slug,
    split,
    term_of,
)

PAIR = pair_of("amazon", "costco")
words = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=25)
frames = st.sampled_from(list(FRAMES))
regions = st.sampled_from(["", "US", "GB", "US-CA"])


def made(a: str, b: str, tf: str, geo: str) -> Pair | None:
    """The pair, where the terms allow one."""
    try:
        return pair_of(a, b, tf, geo)
    except ValueError:
        return None


@given(st.lists(st.text(max_size=20), min_size=1, max_size=8))
def test_parts_come_back_whatever_they_contain(parts: list[str]) -> None:
    """FC-2: parts are escaped, so that no part can be taken for two."""
    assert split(join(parts)) == parts


@given(words, words, frames, regions)
def test_the_order_of_the_terms_does_not_matter(a: str, b: str, tf: str, geo: str) -> None:
    """FC-3: A versus B and B versus A are one key, in every spelling."""
    pair = made(a, b, tf, geo)
    assume(pair is not None)
    assert pair is not None
    assert made(b, a, tf, geo) == pair
    assert PairKey.parse(pair.key) == pair.key
    assert PairKey(pair.key).pair == pair


@given(words, words, words, words, frames, regions)
def test_different_wishes_have_different_keys(a: str, b: str, c: str, d: str, tf: str, geo: str) -> None:
    """FC-2: keys are equal only where pair, frame, region, hash, horizon and engine are."""
    one, other = made(a, b, tf, geo), made(c, d, tf, geo)
    assume(one is not None)
    assume(other is not None)
    assert one is not None
    assert other is not None
    assert (one.key == other.key) == (one == other)
    keys = {
        forecast_key(one, "0" * 16), forecast_key(one, "1" * 16), forecast_key(one, "0" * 16, 99),
        forecast_key(one, "0" * 16, engine="0"),
    }  # fmt: skip
    assert len(keys) == 4
    for key in keys:
        assert ForecastKey.parse(key) == key
        assert ForecastKey(key).pair == one


def test_a_forecast_key_says_what_it_is_of() -> None:
    """FC-2: pair, frame, region, data hash, horizon and engine version; the empty region is legal."""
    key = ForecastKey.parse(forecast_key(PAIR, "0123456789abcdef"))
    assert key == f"amazon|costco|12m||0123456789abcdef|8|{ENGINE_VERSION}"
    assert (key.pair.geo, key.data_hash, key.horizon, key.engine) == ("", "0123456789abcdef", 8, ENGINE_VERSION)


@pytest.mark.parametrize(
    "text", ["", "amazon", "a|b", "a|a|12m|", "a|b|9m|", "a|b|12m|x1", "a vs b vs c", "\x00-vs-b", "a|" * 200]
)
def test_what_is_no_pair_is_refused(text: str) -> None:
    """Hostile and malformed keys are refused by the key itself."""
    with pytest.raises(ValueError, match="it must be"):
        PairKey.parse(text)


@pytest.mark.parametrize(
    "text", ["a|b|12m||xyz|8|1", "a|b|12m||0123456789abcdef|x|1", "a|b|12m||0123456789abcdef|8", "x"]
)
def test_what_is_no_forecast_is_refused(text: str) -> None:
    """FC-2: nothing but what the builder makes is a key."""
    with pytest.raises(ValueError, match="it must be"):
        ForecastKey.parse(text)


def test_terms_are_folded_and_slugs_read() -> None:
    """Hyphens, case and width do not tell terms apart; "vs" stands between terms only."""
    assert term_of("  Coca-Cola ") == term_of("coca  cola") == term_of("ＣＯＣＡ＿cola") == "coca cola"
    assert pair_of_slug("Pepsi-vs-Coca-Cola").slug == "coca-cola-vs-pepsi"
    for wrong in ("", "x" * 61, "a vs b", "a\u200bb"):
        with pytest.raises(ValueError, match="term"):
            term_of(wrong)


days = st.dates(date(2024, 1, 1), date(2026, 1, 1))
series = st.dictionaries(days, st.none() | st.integers(0, 10**6) | st.floats(0, 1e6), min_size=1, max_size=30)


@given(series, series)
def test_the_hash_knows_no_order_and_no_spelling(a: dict[date, float | None], b: dict[date, float | None]) -> None:
    """FC-4: the order of keys and the form of numbers do not matter."""
    turned = {day: None if a[day] is None else float(a[day]) for day in reversed(list(a))}  # type: ignore[arg-type]
    first = hash_of(PAIR, {"wikipedia": {"amazon": a, "costco": b}})
    assert first == hash_of(PAIR, {"wikipedia": {"costco": b, "amazon": turned}})
    assert len(first) == 16


@given(series, st.data())
def test_the_hash_changes_with_any_point(a: dict[date, float | None], data: st.DataObject) -> None:
    """FC-4: another figure, a gap, a day more or less, another region or frame: another hash."""
    first = hash_of(PAIR, {"wikipedia": {"amazon": a, "costco": a}})
    day = data.draw(st.sampled_from(sorted(a)))
    value = a[day]
    changed = [{**a, day: 1.0 if value is None else value + 1 + value / 2}, {k: v for k, v in a.items() if k != day}]
    changed += [{**a, max(a) + timedelta(days=1): 3}, *([] if value is None else [{**a, day: None}])]
    hashes = {hash_of(PAIR, {"wikipedia": {"amazon": other, "costco": a}}) for other in changed}
    hashes |= {hash_of(pair_of("amazon", "costco", "5y"), {"wikipedia": {"amazon": a, "costco": a}})}
    hashes |= {hash_of(pair_of("amazon", "costco", geo="US"), {"wikipedia": {"amazon": a, "costco": a}})}
    assert first not in hashes
