"""`openbell bench digest`: what could not have been shorter."""

from __future__ import annotations

from openbell.bench.digest import Made, chain, longest


def test_the_longest_chain() -> None:
    """Issue 6: calls side by side count once, one after the other add up, and a pause between them is not theirs."""
    feeds = [Made("a", "news", 0.0, 5.0), Made("a", "news", 0.1, 5.0)]
    pages = [Made("a", "pages", 7.0, 20.0), Made("a", "pages", 7.0, 10.0)]
    assert chain(feeds) == 5.0
    assert chain([*feeds, *pages, Made("a", "anthropic", 30.0, 10.0)]) == 35.0
    assert chain([*feeds, Made("a", "pages", 4.0, 20.0)]) == 20.0, "it did not wait for the feeds"


def test_seats_and_minutes_bound_it() -> None:
    """DG-25: four at a time, so that six of 10 s take 20 s; and 25 links at 10 a minute wait for two minutes."""
    six = [Made(str(n), "pages", float(n), 10.0) for n in range(6)]
    assert longest(six, links_per_s=0) == 20.0
    assert longest(six[:4], links_per_s=0) == 10.0
    links = [Made("a", "google_links", float(n), 0.0) for n in range(25)]
    assert longest(links, links_per_s=10 / 60) == 120.0
