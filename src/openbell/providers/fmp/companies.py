"""What companies report, what they pay, and what is thought of them."""

from __future__ import annotations

from openbell.providers.fmp.client import Client, Period
from openbell.providers.fmp.rows import Row, Rows, of

STATEMENT_BYTES = 3_000


class Companies(Client):
    """Reported and estimated figures of one company. Lists are newest first.

    What is ``annual`` or a ``quarter`` gives several periods, ``FY`` and ``Q1`` to ``Q4`` those of all years.
    """

    async def income_statement(self, symbol: str, *, period: Period = "annual", limit: int = 5) -> Rows:
        """Income statements."""
        return await self._periods("income-statement", symbol, period, limit)

    async def income_statement_ttm(self, symbol: str, *, limit: int = 1) -> Rows:
        """Income statements over the trailing twelve months."""
        return await self._periods("income-statement-ttm", symbol, None, limit)

    async def balance_sheet(self, symbol: str, *, period: Period = "annual", limit: int = 5) -> Rows:
        """Balance sheets."""
        return await self._periods("balance-sheet-statement", symbol, period, limit)

    async def balance_sheet_ttm(self, symbol: str, *, limit: int = 1) -> Rows:
        """Balance sheets at the end of the trailing twelve months."""
        return await self._periods("balance-sheet-statement-ttm", symbol, None, limit)

    async def cash_flow(self, symbol: str, *, period: Period = "annual", limit: int = 5) -> Rows:
        """Cash flow statements."""
        return await self._periods("cash-flow-statement", symbol, period, limit)

    async def cash_flow_ttm(self, symbol: str, *, limit: int = 1) -> Rows:
        """Cash flow statements over the trailing twelve months."""
        return await self._periods("cash-flow-statement-ttm", symbol, None, limit)

    async def ratios(self, symbol: str, *, period: Period = "annual", limit: int = 5) -> Rows:
        """Ratios of figures and prices."""
        return await self._periods("ratios", symbol, period, limit)

    async def ratios_ttm(self, symbol: str) -> Row:
        """Ratios over the trailing twelve months; the names end in ``TTM``."""
        return await self._one("ratios-ttm", symbol, about=6_000)

    async def key_metrics(self, symbol: str, *, period: Period = "annual", limit: int = 5) -> Rows:
        """Key metrics."""
        return await self._periods("key-metrics", symbol, period, limit)

    async def key_metrics_ttm(self, symbol: str) -> Row:
        """Key metrics over the trailing twelve months; the names end in ``TTM``."""
        return await self._one("key-metrics-ttm", symbol, about=6_000)

    async def revenue_by_product(self, symbol: str, *, period: Period = "annual") -> Rows:
        """Revenue by product; ``data`` is value by segment."""
        return await self._segments("revenue-product-segmentation", symbol, period)

    async def revenue_by_geography(self, symbol: str, *, period: Period = "annual") -> Rows:
        """Revenue by part of the world; ``data`` is value by segment."""
        return await self._segments("revenue-geographic-segmentation", symbol, period)

    async def price_target_summary(self, symbol: str) -> Row:
        """How many price targets of what average there were; ``publishers`` is JSON within a string."""
        return await self._one("price-target-summary", symbol, about=4_000)

    async def price_target_consensus(self, symbol: str) -> Row:
        """The highest, lowest, median and consensus price target."""
        return await self._one("price-target-consensus", symbol, about=1_000)

    async def grades(self, symbol: str, *, page: int = 0, limit: int | None = None) -> Rows:
        """Grades that analysts gave, by page."""
        return of(symbol, await self._list("grades", {"symbol": symbol}, page=page, limit=limit, row_bytes=300))

    async def grades_historical(self, symbol: str, *, limit: int = 100) -> Rows:
        """How many analysts recommended what, by month."""
        return of(symbol, await self._list("grades-historical", {"symbol": symbol}, limit=limit, row_bytes=400))

    async def grades_consensus(self, symbol: str) -> Row:
        """How many analysts recommend what, and their consensus."""
        return await self._one("grades-consensus", symbol, about=1_000)

    async def analyst_estimates(
        self, symbol: str, *, period: Period = "annual", page: int = 0, limit: int = 10
    ) -> Rows:
        """What analysts expect of periods to come, by page."""
        params = {"symbol": symbol, "period": period}
        return of(symbol, await self._list("analyst-estimates", params, page=page, limit=limit, row_bytes=1_500))

    async def ratings_snapshot(self, symbol: str) -> Row:
        """The service's own rating, with its scores."""
        return await self._one("ratings-snapshot", symbol, about=1_000)

    async def ratings_historical(self, symbol: str, *, limit: int = 100) -> Rows:
        """The service's own ratings, by day."""
        return of(symbol, await self._list("ratings-historical", {"symbol": symbol}, limit=limit, row_bytes=500))

    async def dividends(self, symbol: str, *, limit: int | None = None) -> Rows:
        """Dividends, paid and declared."""
        return of(symbol, await self._list("dividends", {"symbol": symbol}, limit=limit, row_bytes=400))

    async def earnings(self, symbol: str, *, limit: int | None = None) -> Rows:
        """Earnings, reported and expected; the figures of days to come are null."""
        return of(symbol, await self._list("earnings", {"symbol": symbol}, limit=limit, row_bytes=400))

    async def splits(self, symbol: str, *, limit: int | None = None) -> Rows:
        """Splits: ``numerator`` new shares for ``denominator`` old ones."""
        return of(symbol, await self._list("splits", {"symbol": symbol}, limit=limit, row_bytes=200))

    async def insider_trades(self, symbol: str, *, page: int = 0, limit: int = 100) -> Rows:
        """What insiders have reported to have bought, sold or been given, newest filing first, by page."""
        params = {"symbol": symbol}
        rows = await self._list("insider-trading/search", params, page=page, limit=limit, row_bytes=700)
        return of(symbol, rows)

    async def insider_statistics(self, symbol: str) -> Rows:
        """How many transactions of insiders there were, and of how many shares, by quarter."""
        rows = await self._list("insider-trading/statistics", {"symbol": symbol}, row_bytes=400)
        return of(symbol, rows)

    async def discounted_cash_flow(self, symbol: str) -> Row:
        """What a share is worth by its discounted cash flow (``dcf``), beside its price (``Stock Price``)."""
        return await self._one("discounted-cash-flow", symbol, about=1_000)

    async def exchange_variants(self, symbol: str) -> Rows:
        """The listings of the same company on all exchanges: each row has a symbol of its own."""
        return await self._list("search-exchange-variants", {"symbol": symbol}, row_bytes=4_000)

    async def _periods(self, path: str, symbol: str, period: Period | None, limit: int) -> Rows:
        params = {"symbol": symbol} | ({"period": period} if period else {})
        return of(symbol, await self._list(path, params, limit=limit, row_bytes=STATEMENT_BYTES))

    async def _segments(self, path: str, symbol: str, period: Period) -> Rows:
        params = {"symbol": symbol, "period": period, "structure": "flat"}
        return of(symbol, await self.get(path, params, about=100_000))
