"""Choosing, cleaning, sorting out: what needs no database."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.products.digest.addresses import title_key
from openbell.products.digest.clean import clean, is_walled
from openbell.products.digest.ingest import Standing
from openbell.products.digest.scoring import CAPS, Scored, choose, merge, names_in, rank, score_title, sort_out
from openbell.products.digest.spam import spam_reason
from openbell.products.digest.summaries import extract, sentences

NOW = datetime(2026, 11, 24, 7, tzinfo=UTC)


def article(number: int, title: str = "", **other: Any) -> Standing:
    """An article that stands."""
    named = title or f"Story {number} about Apple and {number * 7919} things"
    fields: dict[str, Any] = {
        "id": number, "address": f"https://paper.example/{number}", "google_id": None, "title": named,
        "title_key": title_key(named), "publisher": "Paper", "domain": "paper.example", "summary": "",
        "published_at": NOW - timedelta(hours=number % 20), "spam": None, "category": "company", "direction": None,
        "subject": "Apple", "told": None, "synthetic": "invented",
    }  # fmt: skip
    return Standing(**(fields | other))


def test_caps_by_category() -> None:
    """DG-12: 20 of the company, 8 of a keyword, 5 of a competitor, 5 up and 5 down the chain; the rest says why not."""
    stood = [article(n) for n in range(1, 31)]
    stood += [article(100 + n, category="industry", subject=f"word {n % 2}") for n in range(30)]
    stood += [article(200 + n, category="competitor", subject=f"rival {n % 3}") for n in range(30)]
    stood += [
        article(300 + n, category="value_chain", direction=("upstream", "downstream")[n % 2], subject=f"firm {n % 4}")
        for n in range(30)
    ]
    scored = sort_out(stood)
    for one in scored:
        one.scores["titles"] = 9.0
    chosen = choose(scored)
    counts = Counter((one.article.category, one.article.direction or "") for one in chosen)
    assert counts == {
        ("company", ""): 20, ("industry", ""): 16, ("competitor", ""): 15,
        ("value_chain", "upstream"): 5, ("value_chain", "downstream"): 5,
    }  # fmt: skip
    others = [one for one in scored if one not in chosen]
    assert all(one.outcome == "filtered" and one.reason.startswith("beyond the") for one in others)
    assert sum(CAPS.values()) == 43


@given(st.lists(st.tuples(st.floats(0, 10), st.one_of(st.none(), st.floats(0, 10))), max_size=60), st.randoms())
def test_the_same_scores_choose_the_same(scores: list[tuple[float, float | None]], random: Any) -> None:
    """DG-12: the choice depends on the scores alone, not on the order of the articles; one scorer may be missing."""

    def scored(order: list[int]) -> list[Scored]:
        made = []
        for n in order:
            titles, model = scores[n]
            one = Scored(article(n + 1), {"titles": titles} if model is None else {"titles": titles, "model": model})
            made.append(one)
        return made

    order = list(range(len(scores)))
    first = [one.article.id for one in choose(scored(order))]
    random.shuffle(order)
    again = scored(order)
    assert [one.article.id for one in choose(again)] == first
    assert all(one.outcome is not None or one.article.id in first for one in again)


def test_either_scorer_will_do() -> None:
    """DG-12: with one scorer missing its weight is the other's; with none nothing is chosen."""
    assert merge({"titles": 8.0}) == merge({"model": 8.0}) == merge({"titles": 8.0, "model": 8.0}) == 8.0
    assert merge({}) == 0.0
    assert merge({"titles": 2.0, "model": 9.0}) == 6.2
    equal = [Scored(article(n, published_at=NOW), {"titles": 5.0}, 5.0) for n in (3, 1, 2)]
    assert [one.article.id for one in rank(equal)] == [1, 2, 3], "of equals the one that was stored first"


def test_near_duplicates_are_one_story() -> None:
    """DG-4, DG-11: a copy of a chosen story is its duplicate and says of which."""
    titles = (
        "Apple delays laptop by 7 weeks",
        "UPDATE 1-Apple delays laptop by 7 weeks",
        "Apple delays laptop by 9 weeks",
    )
    scored = sort_out([article(n, title) for n, title in enumerate(titles, 1)])
    for one in scored:
        one.scores["titles"] = 9.0 - one.article.id
    chosen = choose(scored)
    assert [one.article.id for one in chosen] == [1, 3]
    assert (scored[1].outcome, scored[1].reason) == ("duplicate", "says what article 1 says")


def test_what_was_told_and_spam_stand_no_more() -> None:
    """DG-11: both end with their outcome before anybody scores them."""
    told, spam = sort_out([article(1, told="2026-11-23"), article(2, spam="law firm")])
    assert (told.outcome, told.reason) == ("duplicate", "told on 2026-11-23")
    assert (spam.outcome, spam.reason) == ("filtered", "spam: law firm")


def test_titles_are_scored_by_what_they_say() -> None:
    """DG-12: its own news, fresh, from a known paper, above an old mention in passing."""
    names = ["Apple", "AAPL", "Apple Inc."]
    known: dict[str, Any] = {"told": [], "reliability": {}}
    best = article(1, "Apple raises revenue forecast by 4%", domain="reuters.com", published_at=NOW)
    old = article(
        2, "Apple raises revenue forecast by 4%", domain="marketbeat.com", published_at=NOW - timedelta(days=6)
    )
    other = article(3, "Oil ends the week lower", published_at=NOW)
    scores = [score_title(one, names, NOW, **known) for one in (best, old, other)]
    assert scores[0] > 9 > scores[1] > scores[2]
    again = score_title(best, names, NOW, told=[best.title_key], reliability={})
    assert again < scores[0], "what has been told is no news"
    assert score_title(best, names, NOW, told=[], reliability={"reuters.com": 0.0}) < scores[0]


NAMES = (
    ("Best apple pie in Ashford", ["Apple", "AAPL"], False),
    ("Apple delays laptop", ["Apple", "AAPL"], True),
    ("Pineapple exports rise", ["Apple"], False),
    ("ALL the news of today", ["ALL"], False),
    ("Allstate (ALL) raises premiums", ["ALL"], True),
    ("NYSE: NET rises", ["NET"], True),
    ("A wide net of suppliers", ["NET"], False),
    ("Smartphones sell well", ["smartphones"], True),
    ("AT&T cuts prices", ["AT&T"], True),
)


@pytest.mark.parametrize(("text", "names", "found"), NAMES)
def test_names(text: str, names: list[str], found: bool) -> None:
    """DG-12: companies whose names and symbols are words are not found in every sentence."""
    assert names_in(text, names) is found


FIGURES = """Advertisement
Apple Inc. (NASDAQ: AAPL) filed its 10-K for fiscal 2026 on Nov. 3; the 10K405 of 1998 is archived.
Revenue was $12345678 thousand, or 12,345,678.90 in all; EPS rose 3.5% to $1.25 (Form 8-K, item 2.02).
BRK.B and BF-B are in S&P 500; ISIN US0378331005, CUSIP 037833100.
Read more: what to expect
Read more than 10-Q filings and you will see 20251231 as a date.
Advertisement
We use cookies
Apple Inc. (NASDAQ: AAPL) filed its 10-K for fiscal 2026 on Nov. 3; the 10K405 of 1998 is archived.
"""


def test_cleaning_keeps_every_figure() -> None:
    """DG-10: eight-digit numbers, tickers, form names and dates survive; notices and repeated lines go."""
    text = clean(FIGURES)
    for kept in (
        "10-K", "10K405", "$12345678", "12,345,678.90", "3.5%", "$1.25", "8-K", "2.02", "BRK.B", "BF-B", "S&P 500",
        "US0378331005", "037833100", "AAPL",
    ):  # fmt: skip
        assert kept in text, kept
    assert "Advertisement" not in text
    assert "cookies" not in text
    assert text.count("10K405") == 1


@given(st.text(max_size=500))
def test_cleaning_survives_any_text(text: str) -> None:
    """DG-10: what is left is plain lines; cleaning it again changes nothing."""
    once = clean(text)
    assert clean(once) == once
    assert "\x00" not in once


def test_walls() -> None:
    """Issue 6: a page that keeps its rest for subscribers says so."""
    assert is_walled("<p>To continue reading, subscribe now.</p>")
    assert not is_walled("<p>The company has 4 million subscribers.</p>")


SPAM = (
    ("SHAREHOLDER ALERT: Firm reminds investors of deadline in Apple case", "law firm"),
    ("3 stocks to buy now that could soar 500%", "tip"),
    ("Best Black Friday deals on tablets", "shopping"),
    ("APPLE STOCK IS GOING TO THE MOON RIGHT NOW EVERYBODY", "shouted"),
    ("", "no headline"),
    ("Apple raises dividend after strong quarter", None),
    ("IBM, AMD and HPE win NASA order", None),
)


@pytest.mark.parametrize(("title", "reason"), SPAM)
def test_spam(title: str, reason: str | None) -> None:
    """DG-11: what is no news is sorted out with a reason that is stored."""
    assert spam_reason(title, "Paper", "paper.example") == reason


def test_extracts_are_the_source_s_own_sentences() -> None:
    """Issue 6: without a model a summary is sentences as they stand, in their order; abbreviations end none."""
    text = (
        "Apple Inc. said on Nov. 3 that revenue rose 4%. The weather was fine. Mr. Cook of the U.S. firm was pleased.\n"
        "Shares of Apple gained 2.5% to $310."
    )
    found = sentences(text)
    assert found[0] == "Apple Inc. said on Nov. 3 that revenue rose 4%."
    assert len(found) == 4
    summary = extract(text * 1, ["Apple"])
    assert all(part in text for part in sentences(summary))
