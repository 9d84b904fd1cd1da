"""What concerns the whole market: news, calendars, indices, exchanges, and everything at once.

The calendars ignore ``symbol`` without a word, so it is not offered: for one company there are the lists of its own.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Literal

from openbell.providers.fmp.client import MOST_SYMBOLS, Client, days
from openbell.providers.fmp.rows import Row, Rows, of

Index = Literal["sp500", "nasdaq", "dowjones"]

NEWS_BYTES = 3_000


class Markets(Client):
    """Lists of the whole market. Those with pages have :func:`every_page`."""

    async def stock_news(
        self,
        symbols: Collection[str],
        *,
        since: date | None = None,
        until: date | None = None,
        page: int = 0,
        limit: int = 20,
    ) -> Rows:
        """News about some companies, newest first; ``publishedDate`` has no zone (see :func:`local_time`)."""
        return await self._about("news/stock", symbols, since, until, page, limit)

    async def press_releases(
        self,
        symbols: Collection[str],
        *,
        since: date | None = None,
        until: date | None = None,
        page: int = 0,
        limit: int = 20,
    ) -> Rows:
        """Press releases of some companies, newest first."""
        return await self._about("news/press-releases", symbols, since, until, page, limit)

    async def latest_stock_news(
        self, *, since: date | None = None, until: date | None = None, page: int = 0, limit: int = 20
    ) -> Rows:
        """News about any company, newest first."""
        params = days(since, until)
        return await self._list("news/stock-latest", params, page=page, limit=limit, row_bytes=NEWS_BYTES)

    async def latest_general_news(
        self, *, since: date | None = None, until: date | None = None, page: int = 0, limit: int = 20
    ) -> Rows:
        """News about the economy and the markets, newest first; ``symbol`` is null."""
        params = days(since, until)
        return await self._list("news/general-latest", params, page=page, limit=limit, row_bytes=NEWS_BYTES)

    async def dividends_calendar(self, since: date, until: date, *, page: int = 0) -> Rows:
        """The dividends of all companies in these days, both included."""
        return await self._list("dividends-calendar", days(since, until), page=page, row_bytes=400)

    async def earnings_calendar(self, since: date, until: date, *, page: int = 0) -> Rows:
        """The earnings of all companies in these days, both included."""
        return await self._list("earnings-calendar", days(since, until), page=page, row_bytes=400)

    async def splits_calendar(self, since: date, until: date, *, page: int = 0) -> Rows:
        """The splits of all companies in these days, both included."""
        return await self._list("splits-calendar", days(since, until), page=page, row_bytes=200)

    async def treasury_rates(self, *, since: date | None = None, until: date | None = None) -> Rows:
        """Yields of US treasury bills and bonds by day, in per cent a year, newest first; at most 90 days."""
        return await self._list("treasury-rates", days(since, until), row_bytes=300)

    async def market_risk_premium(self) -> Rows:
        """What shares must earn above bonds, by country, in per cent."""
        return await self._list("market-risk-premium", {}, row_bytes=200)

    async def constituents(self, index: Index) -> Rows:
        """The companies of an index."""
        return await self._list(f"{index}-constituent", {}, row_bytes=400)

    async def historical_constituents(self, index: Index) -> Rows:
        """Which companies came into an index and left it, and when."""
        return await self._list(f"historical-{index}-constituent", {}, row_bytes=2_000)

    async def market_hours(self, exchange: str) -> Row:
        """When an exchange opens and closes, in which zone, and whether it is open."""
        rows = await self.get("exchange-market-hours", {"exchange": exchange}, about=1_000)
        return of(exchange, rows, field="exchange")[0]

    async def holidays(self, exchange: str, *, since: date | None = None, until: date | None = None) -> Rows:
        """The days on which an exchange is closed, or closes early."""
        rows = await self._list("holidays-by-exchange", {"exchange": exchange, **days(since, until)}, row_bytes=200)
        return of(exchange, rows, field="exchange")

    async def bulk_end_of_day(self, day: date) -> Rows:
        """The prices of all symbols on one day, from CSV."""
        return await self.bulk("eod-bulk", {"date": day.isoformat()}, about=20_000_000)

    async def bulk_profiles(self, part: int) -> Rows:
        """One part, from 0, of the profiles of all companies, from CSV. Raises :class:`NothingKnown` after the last."""
        if part < 0:
            raise ValueError(f"there is no part {part}; parts count from 0")
        return await self.bulk("profile-bulk", {"part": str(part)}, about=60_000_000)

    async def bulk_ratios_ttm(self) -> Rows:
        """The ratios of all companies over the trailing twelve months, from CSV."""
        return await self.bulk("ratios-ttm-bulk", {}, about=100_000_000)

    async def bulk_key_metrics_ttm(self) -> Rows:
        """The key metrics of all companies over the trailing twelve months, from CSV."""
        return await self.bulk("key-metrics-ttm-bulk", {}, about=100_000_000)

    async def _about(
        self,
        path: str,
        symbols: Collection[str],
        since: date | None,
        until: date | None,
        page: int,
        limit: int,
    ) -> Rows:
        if not 0 < len(symbols) <= MOST_SYMBOLS:
            raise ValueError(f"{len(symbols)} symbols do not fit into one call; ask for 1 to {MOST_SYMBOLS:,}")
        params = {"symbols": ",".join(symbols), **days(since, until)}
        return of(symbols, await self._list(path, params, page=page, limit=limit, row_bytes=NEWS_BYTES))
