"""Which exchange keeps which hours."""

from __future__ import annotations

import pytest

from openbell.products import registry
from openbell.products.market.exchanges import CALENDARS, EXCHANGES, calendar_of, calendar_of_symbol


def test_every_calendar_can_be_computed() -> None:
    """MD-17: each calendar in the table is one that exchange_calendars knows by that very name."""
    from exchange_calendars import get_calendar_names

    assert set(CALENDARS) <= set(get_calendar_names(include_aliases=False))


def test_no_code_and_no_suffix_is_there_twice() -> None:
    """MD-17: a code means one exchange; a suffix one calendar, or American shares would keep to another's hours."""
    assert len({code for code, _, _ in EXCHANGES}) == len(EXCHANGES)
    assert len({(suffix, calendar) for _, calendar, suffix in EXCHANGES}) == len({suffix for _, _, suffix in EXCHANGES})


@pytest.mark.parametrize(
    ("exchange", "calendar"),
    [
        ("NASDAQ", "XNYS"),
        ("nyse", "XNYS"),
        ("LSE", "XLON"),
        ("JPX", "XTKS"),
        ("CRYPTO", None),
        ("", None),
        (None, None),
    ],
)
def test_the_calendar_of_an_exchange(exchange: str | None, calendar: str | None) -> None:
    """MD-16: an exchange that is not in the table is unknown, and unknown counts as open."""
    assert calendar_of(exchange) == calendar


@pytest.mark.parametrize(
    ("symbol", "calendar"),
    [
        ("AAPL", "XNYS"),
        ("BRK-B", "XNYS"),
        ("GOOGL", "XNYS"),
        ("VOD.L", "XLON"),
        ("TECK-B.TO", "XTSE"),
        ("7203.T", "XTKS"),
        ("BTCUSD", None),
        ("EURUSD", None),
        ("X.NOWHERE", None),
    ],
)
def test_the_calendar_of_a_symbol(symbol: str, calendar: str | None) -> None:
    """MD-16: where the answer names no exchange, the suffix of the symbol does; coins and currencies have no hours."""
    assert calendar_of_symbol(symbol) == calendar


@pytest.mark.parametrize("product", ["quote", "intraday-prices"])
def test_what_moves_with_the_market_keeps_to_its_hours(product: str) -> None:
    """MD-16: quotes and bars of the day name their calendar."""
    assert registry().get(product).calendar == "calendar"
