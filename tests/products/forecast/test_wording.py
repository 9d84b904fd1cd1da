"""How comparisons are told: in names, days and chances that people read."""

from __future__ import annotations

import pytest

from openbell.products.forecast.premium import sentences
from openbell.products.forecast.wording import chance_words, day_words, name_of, names_of, together_words
from tests.web.comparisons import comparison


@pytest.mark.parametrize(
    ("correlation", "words"),
    [
        (-0.01, "Their changes do not go together (correlation \u22120.01)."),
        (-0.001, "Their changes do not go together (correlation 0.00)."),
        (0.29, "Their changes do not go together (correlation 0.29)."),
        (0.62, "Their changes go together (correlation 0.62)."),
        (-0.62, "Their changes go in opposite directions (correlation \u22120.62)."),
    ],
)
def test_a_correlation_says_what_it_is(correlation: float, words: str) -> None:
    """FC-20: no figure contradicts its sentence."""
    assert together_words(correlation) == words


@pytest.mark.parametrize(
    ("chance", "error", "words"),
    [
        (0.0, 0.01, "under 1 %"),
        (0.995, None, "over 99 %"),
        (0.3, 0.04, "30 %, give or take 4"),
        (0.3, None, "30 %"),
    ],
)
def test_a_chance_is_never_nothing(chance: float, error: float | None, words: str) -> None:
    """FC-20: a chance that was counted from paths is not told as zero."""
    assert chance_words(chance, error) == words


def test_names_are_those_of_the_pages_and_stay_apart() -> None:
    """FC-20: people read the names that were found, without what only tells pages apart; never one name for both."""
    assert name_of("amazon", "Amazon (company)") == "Amazon"
    assert name_of("$aapl", None) == "$AAPL"
    titles = {"amazon": "Amazon (company)", "amazonia": "Amazon (river)"}
    assert names_of({"a": "amazon", "b": "amazonia", "titles": titles}) == {"amazon": "amazon", "amazonia": "amazonia"}


def test_sentences_use_names_and_days_as_people_write_them() -> None:
    """FC-20: who leads, since when, in the words of the page."""
    value = comparison()
    assert day_words("2025-11-07") == "7 Nov 2025"
    leading = sentences(value)[0]
    assert leading.startswith(("Amazon leads by", "Costco leads by"))
    assert leading.endswith(f"since {day_words(value['leader']['since'])}.")
