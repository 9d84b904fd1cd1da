"""One call to the service: held, sent, read, cited. What to ask for is in the modules beside this one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import httpx

from openbell.engine.attempt import Attempt
from openbell.engine.errors import NothingKnown, NotInPlan, ProducerError
from openbell.providers import wire
from openbell.providers.fmp.plans import MOST_LIMIT
from openbell.providers.fmp.refusals import read_answer, read_csv
from openbell.providers.fmp.rows import MOST_ROWS, Row, Rows, limited, of

TIMEOUT_S = 10.0
BULK_TIMEOUT = timedelta(seconds=120)
MOST_BYTES = 32 * 1024 * 1024
MOST_BULK_BYTES = 128 * 1024 * 1024
MOST_SYMBOLS = 1_000

AT_ONCE = 1_000_000
"""Bytes up to which an answer is read in the event loop: that takes a few milliseconds."""

Period = Literal["annual", "quarter", "FY", "Q1", "Q2", "Q3", "Q4"]

_Read = Callable[[int, bytes], list[Row] | ProducerError]


def open_http(base_url: str, key: str) -> httpx.AsyncClient:
    """The connection pool to the service."""
    return wire.open_http(f"{base_url.rstrip('/')}/stable/", timeout_s=TIMEOUT_S, headers={"apikey": key})


class Client:
    """The service as one attempt may use it: each call is a spend, and its source is cited on the result.

    ``plan`` is what the operator pays for: a ``limit`` beyond it is lowered, and the rows say so (``cut``). Where no
    plan is given nothing is lowered, and the service refuses with `parameter_not_in_plan`. ``keys`` are those of an
    operator who has several, by name; the ledger says with which of them a call is made.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        attempt: Attempt,
        *,
        plan: str | None = None,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        self._http, self._attempt, self._plan = http, attempt, plan
        self._keys = keys or {}

    async def get(self, path: str, params: Mapping[str, str], *, about: int) -> Rows:
        """The rows of one GET, at least one. ``about`` is how many bytes to hold for it.

        Raises :class:`NothingKnown` for an empty array, and what :func:`refusal` makes of anything else.
        """
        return await self._ask(path, params, about, read_answer, MOST_BYTES, wire.call_time(TIMEOUT_S))

    async def bulk(self, path: str, params: Mapping[str, str], *, about: int) -> Rows:
        """The rows of one bulk answer, which is CSV: every value is a string, "" where there is none.

        Only the largest plan has these, and the service was seen to want them a minute apart. Raises as :meth:`get`.
        """
        return await self._ask(path, params, about, read_csv, MOST_BULK_BYTES, BULK_TIMEOUT)

    async def _ask(
        self, path: str, params: Mapping[str, str], about: int, read: _Read, most_bytes: int, timeout: timedelta
    ) -> Rows:
        async with self._attempt.spends("fmp").call(path, bytes=about, timeout=timeout) as call:
            headers = {"apikey": self._keys[call.credential]} if call.credential is not None else None
            answer = await wire.exchange(
                self._http, call, "GET", path, name="FMP", params=params, headers=headers, most_bytes=most_bytes
            )
            if len(answer.body) > AT_ONCE:
                rows = await asyncio.to_thread(read, answer.status, answer.body)
            else:
                rows = read(answer.status, answer.body)
            if isinstance(rows, NotInPlan) and rows.code == "endpoint_not_in_plan":
                rows.operation = path
            if isinstance(rows, ProducerError):
                raise rows
        self._attempt.cite(provider="fmp", operation=path, host=wire.host_of(self._http), synthetic=answer.synthetic)
        if not rows:
            raise NothingKnown(f"FMP has nothing for {', '.join(params.values()) or path}")
        return Rows(rows)

    async def _one(self, path: str, symbol: str, *, about: int) -> Row:
        """The one row of a symbol."""
        return of(symbol, await self.get(path, {"symbol": symbol}, about=about))[0]

    async def _batch(self, path: str, symbols: Collection[str], *, row_bytes: int) -> Rows:
        """Rows of many symbols in one call, without those that the service does not know."""
        if not 0 < len(symbols) <= MOST_SYMBOLS:
            raise ValueError(f"{len(symbols)} symbols do not fit into one call; ask for 1 to {MOST_SYMBOLS:,}")
        rows = await self.get(path, {"symbols": ",".join(symbols)}, about=row_bytes * len(symbols))
        return of(symbols, rows)

    async def _list(
        self, path: str, params: Mapping[str, str], *, row_bytes: int, limit: int | None = None, page: int | None = None
    ) -> Rows:
        """At most ``limit`` rows, of the ``page`` (from 0) where the endpoint has pages, and whether that is all."""
        if page is not None:
            if page < 0:
                raise ValueError(f"there is no page {page}; pages count from 0")
            params = {**params, "page": str(page)}
        sent = self._allowed(limit, paged=page is not None)
        if sent is not None:
            params = {**params, "limit": str(sent)}
        rows = await self.get(path, params, about=row_bytes * (sent or 2 * MOST_ROWS) + 1_000)
        return limited(rows, limit, sent)

    def _allowed(self, limit: int | None, *, paged: bool) -> int | None:
        """The limit to say: within the plan, and with pages no more than one holds, so that pages adjoin."""
        if limit is None:
            return None
        if limit < 1:
            raise ValueError(f"{limit} rows cannot be asked for; ask for at least 1")
        most = MOST_LIMIT.get(self._plan or "", limit)
        return min(limit, most, MOST_ROWS) if paged else min(limit, most)


def days(since: date | None, until: date | None) -> dict[str, str]:
    """The parameters of a range of days, both included. Raises ``ValueError`` for one that ends before it begins."""
    if since is not None and until is not None and since > until:
        raise ValueError(f"the range from {since} to {until} ends before it begins")
    return {name: day.isoformat() for name, day in (("from", since), ("to", until)) if day is not None}


def how_many(since: date, until: date | None) -> int:
    """The days of a range; without an end it ends today."""
    return max(((until or datetime.now(UTC).date()) - since).days, 0) + 1
