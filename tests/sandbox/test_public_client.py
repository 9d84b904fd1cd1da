"""A public client of the real provider, fmp-data, against the sandbox: it must speak the real dialect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

import pytest
from fmp_data import ClientConfig, FMPDataClient
from fmp_data.config import RateLimitConfig
from fmp_data.exceptions import AuthenticationError, FMPError, RateLimitError

from tests.sandbox.harness import Running

Result = TypeVar("Result")


async def ask(sandbox: Running, question: Callable[[FMPDataClient], Result], key: str = "sandbox") -> Result:
    """Ask through fmp-data in a thread, with its own limits and retries out of the way."""

    def blocking() -> Result:
        limits = RateLimitConfig(daily_limit=1_000_000, requests_per_second=1_000, requests_per_minute=100_000)
        config = ClientConfig(
            api_key=key, base_url=sandbox.url, max_retries=1, max_rate_limit_retries=0, timeout=30, rate_limit=limits
        )
        with FMPDataClient(config=config) as client:
            return question(client)

    return await asyncio.to_thread(blocking)


async def test_quote_and_profile(sandbox: Running) -> None:
    """fmp-data reads our quote and profile into its own models."""
    quote = await ask(sandbox, lambda client: client.company.get_quote("AAPL"))
    assert (quote.symbol, quote.price, quote.previous_close) == ("AAPL", 569.16, 577.73)
    assert quote.timestamp.date() == date(2012, 6, 1)
    profile = await ask(sandbox, lambda client: client.company.get_profile("MSFT"))
    assert (profile.company_name, profile.cik) == ("Microsoft Corporation", "0000789019")


async def test_every_profile(sandbox: Running) -> None:
    """Empty texts in a profile are ones the public client can live with."""
    for symbol in ("FB", "GOOG", "IBM", "SYN001"):
        profile = await ask(sandbox, lambda client, s=symbol: client.company.get_profile(s))  # type: ignore[misc]
        assert profile.symbol == symbol


async def test_history(sandbox: Running) -> None:
    """fmp-data reads all four forms of the daily history."""
    first, last = date(2005, 2, 25), date(2005, 2, 28)
    full = await ask(sandbox, lambda client: client.company.get_historical_prices("AAPL", first, last))
    assert [row.close for row in full.historical] == [44.86, 44.495]
    light = await ask(sandbox, lambda client: client.company.get_historical_prices_light("AAPL", first, last))
    assert [row.price for row in light.historical] == [44.86, 44.495]
    printed = await ask(
        sandbox, lambda client: client.company.get_historical_prices_non_split_adjusted("AAPL", first, last)
    )
    assert [row.adj_close for row in printed.historical] == [44.86, 88.99]
    adjusted = await ask(
        sandbox, lambda client: client.company.get_historical_prices_dividend_adjusted("IBM", first, last)
    )
    assert len(adjusted.historical) == 2


async def test_search(sandbox: Running) -> None:
    """fmp-data finds a company by symbol and by name."""
    by_symbol = await ask(sandbox, lambda client: client.market.search_symbol("GOOG", limit=5))
    by_name = await ask(sandbox, lambda client: client.market.search_company("facebook", limit=5))
    assert [(row.symbol, row.name) for row in by_symbol] == [("GOOG", "Google Inc.")]
    assert [row.symbol for row in by_name] == ["FB"]


async def test_empty_history_and_quote(sandbox: Running) -> None:
    """[] for a quote is a ValueError in fmp-data, [] for a history an empty object."""
    with pytest.raises(ValueError, match=r".+"):
        await ask(sandbox, lambda client: client.company.get_quote("NOPE"))
    history = await ask(sandbox, lambda client: client.company.get_historical_prices("NOPE"))
    assert history.historical == []


@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        ("unauthorized", AuthenticationError, 401),
        ("restricted_endpoint", FMPError, 402),
        ("premium_symbol", FMPError, 402),
        ("limit", RateLimitError, 429),
        ("limit_in_200", FMPError, None),
    ],
)
async def test_refusals(sandbox: Running, kind: str, error: type[FMPError], status: Any) -> None:
    """fmp-data recognises our refusals as it does the provider's."""
    await sandbox.fault(kind)
    with pytest.raises(error) as caught:
        await ask(sandbox, lambda client: client.company.get_quote("AAPL"))
    assert caught.value.status_code == status


async def test_wrong_key(sandbox: Running) -> None:
    """A wrong key is an AuthenticationError that does not show the key."""
    with pytest.raises(AuthenticationError) as caught:
        await ask(sandbox, lambda client: client.company.get_quote("AAPL"), key="not-the-right-key")
    assert "not-the-right-key" not in str(caught.value)
