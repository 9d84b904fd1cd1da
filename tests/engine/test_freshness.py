"""Policy without a database: when a value is fresh, and how long to wait after a failure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.engine.backoff import exponential
from openbell.engine.freshness import Policy, state_of

NOW = datetime(2026, 8, 7, 10, 42, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("fresh_in", "stale_in", "state"),
    [
        (MOMENT, MOMENT, "fresh"),
        (timedelta(0), MOMENT, "stale"),
        (-MOMENT, MOMENT, "stale"),
        (-MOMENT, timedelta(0), "expired"),
        (-timedelta(days=9), -MOMENT, "expired"),
    ],
)
def test_the_bounds_of_freshness(fresh_in: timedelta, stale_in: timedelta, state: str) -> None:
    """MD-3: a value is fresh until its time and no longer at it; then stale; from the end of that, expired."""
    assert state_of("value", NOW + fresh_in, NOW + stale_in, NOW) == state


def test_what_was_never_checked_is_missing() -> None:
    """MD-3: a key that was never checked is not fresh."""
    assert state_of(None, None, None, NOW) == "missing"


@pytest.mark.parametrize("stored", ["empty", "fallback"])
def test_known_empty_and_stand_in_are_states(stored: Literal["empty", "fallback"]) -> None:
    """MD-6: "the source has nothing" is a state of its own, not a value that grows old."""
    assert state_of(stored, NOW - timedelta(days=1), NOW - timedelta(hours=1), NOW) == stored


def test_an_empty_answer_has_its_own_time() -> None:
    """MD-6: "nothing available" holds for its own time."""
    policy = Policy(timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(seconds=5))
    assert policy.fresh_for(empty=True) == timedelta(days=1)
    assert policy.fresh_for(empty=False) == timedelta(minutes=1)


chances = st.floats(0, 1, exclude_max=True)


@given(attempt=st.integers(1, 10_000), chance=chances)
def test_backoff_is_bounded(attempt: int, chance: float) -> None:
    """PF-8: a retry waits at least half the first and at most the longest time, whatever the attempt."""
    assert timedelta(seconds=1) <= exponential(attempt, chance) <= timedelta(minutes=10)


@given(attempt=st.integers(1, 50), chance=chances)
def test_backoff_grows(attempt: int, chance: float) -> None:
    """PF-8: with the same luck a later attempt never waits less."""
    assert exponential(attempt, chance) <= exponential(attempt + 1, chance)


@given(attempt=st.integers(1, 50), low=chances, high=chances)
def test_jitter_only_shortens(attempt: int, low: float, high: float) -> None:
    """PF-8: jitter spreads the retries over the second half of the wait."""
    low, high = sorted((low, high))
    assert (
        exponential(attempt, 0)
        >= exponential(attempt, low)
        >= exponential(attempt, high)
        >= exponential(attempt, 0) / 2
    )
