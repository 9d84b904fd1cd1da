"""What counts as the same value, field by field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.engine.compare import LONGEST, MOST_KEPT, Compare, compare

EXACT = Compare()
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

leaves = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9) | st.text(max_size=5)
values: Any = st.recursive(
    leaves, lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=3), below, max_size=4)
)


@given(
    st.dictionaries(st.text(max_size=3), values, max_size=4), st.dictionaries(st.text(max_size=3), values, max_size=4)
)
@settings(max_examples=300, database=None, deadline=None)
def test_a_value_equals_itself_and_sides_only_swap(one: Any, other: Any) -> None:
    """PF-28: nothing differs from itself; from the other side the same leaves differ, missing turned into extra."""
    assert compare(one, one, EXACT).verdict == "equal"
    turned = {"missing": "extra", "extra": "missing", "different": "different"}
    there, back = compare(one, other, EXACT), compare(other, one, EXACT)
    assert there.verdict == back.verdict
    assert {(d.place, turned[d.side]) for d in there.differences} == {(d.place, d.side) for d in back.differences}


@pytest.mark.parametrize(
    ("live", "new", "by", "paths"),
    [
        ({"a": 1}, {"a": 1.0}, EXACT, []),
        ({"a": 0.1 + 0.2}, {"a": 0.3}, EXACT, []),
        ({"a": 0}, {"a": None}, EXACT, ["a"]),
        ({"a": True}, {"a": 1}, EXACT, ["a"]),
        ({"a": "1"}, {"a": 1}, EXACT, ["a"]),
        ({"a": None}, {}, EXACT, []),
        ({"a": []}, {}, EXACT, []),
        ({"p": 100.0}, {"p": 100.9}, Compare(within={"p": 0.01}), []),
        ({"p": 100.0}, {"p": 102.0}, Compare(within={"p": 0.01}), ["p"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 2, "c": 3}}, Compare(ignore=["a.b"]), ["a.c"]),
        ({"a": {"b": 1}, "ab": 1}, {"a": {"b": 2}, "ab": 2}, Compare(ignore=["a"]), ["ab"]),
        ({"a": [1, 2]}, {"a": [2, 1]}, EXACT, ["a", "a"]),
    ],
)  # fmt: skip
def test_what_counts_as_equal(live: Any, new: Any, by: Compare, paths: list[str]) -> None:
    """PF-28: rounding is no difference, zero is not nothing, a tolerance and an exception hold for their path only."""
    said = compare(live, new, by)
    assert [one.path for one in said.differences] == paths
    assert said.verdict == ("different" if paths else "equal")


def test_rows_are_matched_by_their_natural_key() -> None:
    """PF-28: one row more at the front is one row more, not a shift of all that follows; also where rows are lists."""
    live = {"rows": [{"day": "2", "close": 2.0}, {"day": "3", "close": 3.0}]}
    new = {"rows": [{"day": "1", "close": 1.0}, {"day": "2", "close": 2.0}, {"day": "3", "close": 3.5}]}
    said = compare(live, new, Compare(rows={"rows": ["day"]}))
    assert {(one.place, one.side) for one in said.differences} == {
        ("rows[3].close", "different"),
        ("rows[1].day", "extra"),
        ("rows[1].close", "extra"),
    }
    listed = compare({"rows": [["2", 2.0]]}, {"rows": [["1", 1.0], ["2", 2.1]]}, Compare(rows={"rows": [0]}))
    assert {(one.path, one.side) for one in listed.differences} == {
        ("rows.1", "different"),
        ("rows.0", "extra"),
        ("rows.1", "extra"),
    }
    near = Compare(rows={"rows": [0]}, within={"rows.1": 0.1})
    assert compare({"rows": [["2", 2.0]]}, {"rows": [["2", 2.1]]}, near).verdict == "equal"
    twice = {"rows": [{"day": "2", "n": 1}, {"day": "2", "n": 2}]}
    assert compare(twice, twice, Compare(rows={"rows": ["day"]})).fields == 4


def test_a_market_that_has_moved_is_no_difference() -> None:
    """PF-28: values of another time of the source say nothing about the producer; equal ones are equal all the same."""
    later = NOON + timedelta(seconds=1)
    assert compare({"p": 1}, {"p": 2}, EXACT, live_time=NOON, new_time=later).verdict == "moved"
    assert compare({"p": 1}, {"p": 2}, EXACT, live_time=NOON, new_time=NOON).verdict == "different"
    assert compare({"p": 1}, {"p": 2}, EXACT, live_time=NOON).verdict == "different"
    assert compare({"p": 1}, {"p": 1}, EXACT, live_time=NOON, new_time=later).verdict == "equal"


def test_what_is_kept_of_a_comparison_is_bounded() -> None:
    """PF-28: of many differences the first are kept, and of long texts the beginning."""
    said = compare({str(n): "x" * 999 for n in range(200)}, {}, EXACT)
    assert len(said.differences) == 200
    assert len(said.as_json()) == MOST_KEPT
    assert all(len(one["live"]) <= LONGEST + 1 for one in said.as_json())
