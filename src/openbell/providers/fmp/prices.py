"""Prices: quotes, daily prices, bars within a day, and what a company is."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Literal

from openbell.providers.fmp.client import Client, days, how_many
from openbell.providers.fmp.rows import Row, Rows, between, of

Interval = Literal["1min", "5min", "15min", "30min", "1hour", "4hour"]
Adjustment = Literal["full", "light", "non-split-adjusted", "dividend-adjusted"]

DAY_BYTES = 300
"""What the price of one day is at most on the wire."""


class Prices(Client):
    """What trades, and for how much."""

    async def quote(self, symbol: str) -> Row:
        """The current quote of one symbol; ``timestamp`` in epoch seconds."""
        return await self._one("quote", symbol, about=2_000)

    async def quote_short(self, symbol: str) -> Row:
        """Price, change and volume of one symbol."""
        return await self._one("quote-short", symbol, about=1_000)

    async def batch_quote(self, symbols: Collection[str]) -> Rows:
        """Current quotes of up to 1,000 symbols in one call, without those that it does not know. Needs a paid plan.

        Before the open these are quotes of the previous close.
        """
        return await self._batch("batch-quote", symbols, row_bytes=700)

    async def batch_quote_short(self, symbols: Collection[str]) -> Rows:
        """Price, change and volume of up to 1,000 symbols, without those that it does not know."""
        return await self._batch("batch-quote-short", symbols, row_bytes=200)

    async def aftermarket_quote(self, symbol: str) -> Row:
        """Bid and ask outside trading hours; for ``timestamp`` see :func:`instant`."""
        return await self._one("aftermarket-quote", symbol, about=1_000)

    async def aftermarket_trade(self, symbol: str) -> Row:
        """The last trade outside trading hours; for ``timestamp`` see :func:`instant`."""
        return await self._one("aftermarket-trade", symbol, about=1_000)

    async def price_change(self, symbol: str) -> Row:
        """Changes in per cent over spans from one day (``1D``) to everything (``max``)."""
        return await self._one("stock-price-change", symbol, about=1_000)

    async def profile(self, symbol: str) -> Row:
        """What the company is."""
        return await self._one("profile", symbol, about=5_000)

    async def end_of_day(self, symbol: str, *, since: date | None = None, until: date | None = None) -> Rows:
        """Daily prices, adjusted for splits, newest first."""
        return await self._daily("full", symbol, since, until)

    async def end_of_day_light(self, symbol: str, *, since: date | None = None, until: date | None = None) -> Rows:
        """Daily closes (``price``) and volumes, adjusted for splits, newest first."""
        return await self._daily("light", symbol, since, until)

    async def end_of_day_unadjusted(self, symbol: str, *, since: date | None = None, until: date | None = None) -> Rows:
        """Daily prices as they were traded (``adjOpen`` … ``adjClose`` hold them), newest first."""
        return await self._daily("non-split-adjusted", symbol, since, until)

    async def end_of_day_dividend_adjusted(
        self, symbol: str, *, since: date | None = None, until: date | None = None
    ) -> Rows:
        """Daily prices, adjusted for splits and dividends (``adjOpen`` … ``adjClose``), newest first."""
        return await self._daily("dividend-adjusted", symbol, since, until)

    async def _daily(self, form: Adjustment, symbol: str, since: date | None, until: date | None) -> Rows:
        params = {"symbol": symbol, **days(since, until)}
        about = 600_000 if since is None else DAY_BYTES * how_many(since, until) + 2_000
        rows = await self.get(f"historical-price-eod/{form}", params, about=about)
        return between(of(symbol, rows), since)

    async def intraday(
        self,
        symbol: str,
        interval: Interval,
        *,
        since: date | None = None,
        until: date | None = None,
        extended: bool = False,
        nonadjusted: bool = False,
    ) -> Rows:
        """Bars within the day, newest first; ``date`` is in the time of the exchange (see :func:`local_time`).

        ``extended`` with those outside trading hours. About half of the newest bars are revised within minutes.
        """
        params = {"symbol": symbol, **days(since, until)}
        params |= {name: "true" for name, wanted in (("extended", extended), ("nonadjusted", nonadjusted)) if wanted}
        rows = await self.get(f"historical-chart/{interval}", params, about=1_000_000)
        return between(of(symbol, rows, named=False), since)

    async def search(self, query: str, *, limit: int = 10) -> Rows:
        """Symbols that match ``query``."""
        return await self._list("search-symbol", {"query": query}, limit=limit, row_bytes=100)

    async def search_name(self, query: str, *, limit: int = 10) -> Rows:
        """Symbols of companies whose name matches ``query``."""
        return await self._list("search-name", {"query": query}, limit=limit, row_bytes=100)
