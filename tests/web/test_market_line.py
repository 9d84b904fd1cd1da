"""The line about the markets in the top bar."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from openbell.engine.artifacts import Reading
from openbell.engine.freshness import Hours
from openbell.web.market_line import market_line, market_parts

NOW = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
READING = Reading(
    product="quote", key="AAPL", version=1, state="fresh", value={}, checked_at=NOW, changed_at=NOW,
    source_time=NOW, fresh_until=NOW, stale_until=NOW, provenance={}, licence=None, cost_micro=0, job=None,
    setback=None, blockage=None, hours=None, enabled=True, demanded=True, now=NOW,
)  # fmt: skip


def hours(calendar: str, closes: str, opens: str | None) -> Hours:
    """Hours around NOW."""
    closes_at = datetime.fromisoformat(closes)
    return Hours(calendar, closes_at > NOW, closes_at, closes_at, (opens and datetime.fromisoformat(opens)) or None)


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (hours("XNYS", "2026-11-20T21:00Z", "2026-11-23T14:30Z"), "New York open until 16:00 ET"),
        (hours("XLON", "2026-11-20T16:30Z", "2026-11-23T08:00Z"), "London closed until Mon 08:00 GMT"),
        (hours("XTKS", "2026-11-20T06:30Z", "2026-11-30T00:00Z"), "Tokyo closed until Mon 30 Nov 2026, 09:00 JST"),
        (hours("XICE", "2026-11-20T16:30Z", None), "XICE closed"),
    ],
)
def test_hours_are_told_in_the_markets_own_time(known: Hours, words: str) -> None:
    """Issue 5, item 8: open or closed, until when, per exchange of the page's symbols, with a zone."""
    assert market_line([replace(READING, hours=known)]) == words


def test_each_market_is_told_once() -> None:
    """Two listings of one market are one part; an attribute keeps the parts apart for the script."""
    york = hours("XNYS", "2026-11-20T21:00Z", "2026-11-23T14:30Z")
    london = hours("XLON", "2026-11-20T16:30Z", "2026-11-23T08:00Z")
    readings = [replace(READING, hours=one) for one in (york, london, york)]
    assert market_line(readings) == "New York open until 16:00 ET \u00b7 London closed until Mon 08:00 GMT"
    day = {"synthetic": "synthetic; replay of real daily prices, market day 2012-06-01"}
    replayed = replace(READING, hours=york, provenance=day)
    assert market_parts(replayed) == "Replayed market day 1 Jun 2012|New York open until 16:00 ET"


def test_without_hours_the_newest_trade_is_told() -> None:
    """Where no hours are known nothing is claimed about them."""
    assert market_line([READING]) == "Newest trade Fri 20 Nov 2026, 15:00 ET"
    assert market_line([]) == ""
