"""Financial Modeling Prep, "stable" API (site.financialmodelingprep.com/developer/docs/stable).

GET only; the key travels in the header ``apikey``, never in the address. Every answer is a JSON array of rows. What the
service means by its errors is told apart here, because each wants another action: see :func:`refusal`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import httpx
from pydantic_core import from_json

from openbell.engine.attempt import Attempt
from openbell.engine.errors import (
    NothingKnown,
    NotInPlan,
    Permanent,
    ProducerError,
    ProviderStopped,
    RateLimited,
    Transient,
)
from openbell.engine.ledger import Limit
from openbell.providers import wire

TIMEOUT_S = 10.0
MOST_BYTES = 32 * 1024 * 1024

Row = dict[str, Any]

PLANS: Mapping[str, tuple[int | None, int | None, int]] = {
    "basic": (None, 250, 500_000_000),
    "starter": (300, None, 20_000_000_000),
    "premium": (750, None, 50_000_000_000),
    "ultimate": (3_000, None, 150_000_000_000),
}
"""By plan: calls per minute, calls per day, bytes per trailing 30 days; None where the plan sets no limit."""


def limits(plan: str, *, calls_per_minute: int | None = None, margin: float = 0.95) -> list[Limit]:
    """The limits of a plan as accounts, kept at ``margin`` of what the provider allows.

    ``calls_per_minute`` replaces the plan's figure and is kept exactly. Raises ``KeyError`` for an unknown plan.
    """
    per_minute, per_day, per_month = PLANS[plan]
    minute = (
        calls_per_minute if calls_per_minute is not None else int((per_minute or 60) * (margin if per_minute else 1))
    )
    accounts = [
        Limit("fmp", "calls", "minute", minute, span=timedelta(minutes=1)),
        Limit("fmp", "bytes", "30 days", int(per_month * margin), span=timedelta(days=30), grain=timedelta(hours=1)),
    ]
    if per_day is not None:
        accounts.append(
            Limit("fmp", "calls", "day", int(per_day * margin), span=timedelta(days=1), grain=timedelta(minutes=1))
        )
    return accounts


def open_http(base_url: str, key: str) -> httpx.AsyncClient:
    """The connection pool to the service."""
    return wire.open_http(f"{base_url.rstrip('/')}/stable/", timeout_s=TIMEOUT_S, headers={"apikey": key})


class Fmp:
    """The service as one attempt may use it: each call is a spend, and its source is cited on the result."""

    def __init__(self, http: httpx.AsyncClient, attempt: Attempt) -> None:
        self._http, self._attempt = http, attempt

    async def quote(self, symbol: str) -> Row:
        """The current quote of one symbol."""
        return _of(symbol, await self.get("quote", {"symbol": symbol}, about=2_000))[0]

    async def batch_quote(self, symbols: list[str]) -> list[Row]:
        """Current quotes of many symbols in one call, without those that it does not know. Needs a paid plan."""
        return await self.get("batch-quote", {"symbols": ",".join(symbols)}, about=700 * len(symbols))

    async def profile(self, symbol: str) -> Row:
        """What the company is."""
        return _of(symbol, await self.get("profile", {"symbol": symbol}, about=5_000))[0]

    async def end_of_day(self, symbol: str, *, since: date | None = None) -> list[Row]:
        """Daily prices, adjusted for splits, newest first."""
        params = {"symbol": symbol} | ({"from": since.isoformat()} if since else {})
        return _of(symbol, await self.get("historical-price-eod/full", params, about=600_000))

    async def search(self, query: str, *, limit: int = 10) -> list[Row]:
        """Symbols that match ``query``."""
        return await self.get("search-symbol", {"query": query, "limit": str(limit)}, about=2_000)

    async def search_name(self, query: str, *, limit: int = 10) -> list[Row]:
        """Symbols of companies whose name matches ``query``."""
        return await self.get("search-name", {"query": query, "limit": str(limit)}, about=2_000)

    async def get(self, path: str, params: Mapping[str, str], *, about: int) -> list[Row]:
        """The rows of one GET, at least one. ``about`` is how many bytes to hold for it.

        Raises :class:`NothingKnown` for an empty array, and what :func:`refusal` makes of anything else.
        """
        timeout = timedelta(seconds=TIMEOUT_S + 5)
        async with self._attempt.spends("fmp").call(path, bytes=about, timeout=timeout) as call:
            answer = await wire.exchange(
                self._http, call, "GET", path, name="FMP", params=params, most_bytes=MOST_BYTES
            )
            rows = read_answer(answer.status, answer.body)
            if isinstance(rows, NotInPlan) and rows.code == "endpoint_not_in_plan":
                rows.operation = path
            if isinstance(rows, ProducerError):
                raise rows
        self._attempt.cite(provider="fmp", operation=path, host=wire.host_of(self._http), synthetic=answer.synthetic)
        if not rows:
            raise NothingKnown(f"FMP has nothing for {', '.join(params.values())}")
        return rows


def _of(symbol: str, rows: list[Row]) -> list[Row]:
    """The rows, if they are all of ``symbol``: figures of the wrong company are worse than none."""
    for row in rows:
        if row.get("symbol") != symbol:
            other = str(row.get("symbol"))[:20]
            raise Permanent(f"FMP answered with {other!r} when asked for {symbol}", code="wrong_symbol")
    return rows


def read_answer(status: int, body: bytes) -> list[Row] | ProducerError:
    """The rows of an answer, or the error that it stands for."""
    if status == 200:
        try:
            rows = from_json(body)
        except ValueError:
            return Transient("FMP answered with something that is not JSON", code="not_json")
        if isinstance(rows, list) and all(isinstance(row, dict) for row in rows):
            return rows
    return refusal(status, body.decode("utf-8", "replace"))


_PAUSE = {"minute": timedelta(minutes=1), "day": timedelta(days=1)}
_REPROBE = timedelta(days=7)

_REFUSALS: tuple[tuple[str, int | None, type[ProducerError], str, timedelta | None, str], ...] = (
    ("invalid api key", 401, ProviderStopped, "bad_key", None, "FMP refuses the key; set FMP_API_KEY to a valid one"),
    ("suspended", None, ProviderStopped, "account_suspended", None, "FMP has suspended the account; ask FMP"),
    (
        "bandwidth limit",
        None,
        RateLimited,
        "bandwidth_used_up",
        _PAUSE["day"],
        "the bandwidth of 30 days at FMP is used up",
    ),
    ("limit reach", 429, RateLimited, "rate_limited", _PAUSE["minute"], "FMP says that its call limit is reached"),
    ("legacy endpoint", None, Permanent, "legacy_endpoint", None, "FMP has retired this endpoint; update openbell"),
    (
        "restricted endpoint",
        None,
        NotInPlan,
        "endpoint_not_in_plan",
        _REPROBE,
        "the FMP plan does not include this endpoint",
    ),
    (
        "exclusive endpoint",
        None,
        NotInPlan,
        "endpoint_not_in_plan",
        _REPROBE,
        "the FMP plan does not include this endpoint",
    ),
    (
        "special parameters",
        None,
        NotInPlan,
        "parameter_not_in_plan",
        _REPROBE,
        "the FMP plan does not allow this parameter",
    ),
    (
        "premium query parameter",
        402,
        NotInPlan,
        "symbol_not_in_plan",
        _REPROBE,
        "the FMP plan does not include this symbol",
    ),
)
"""What the service writes (in any case), or the bare status that means it; the error; how long to leave it alone."""


def refusal(status: int, text: str) -> ProducerError:
    """What the service means by a refusal. Its words decide before the status, since limits also come with status 200.

    * bad key, suspended account: the provider stops until an operator acts
    * endpoint, symbol or parameter outside the plan: this key is left alone, others go on
    * calls or bandwidth used up: everybody pauses, nothing is lost
    * anything of 500 and above, or not JSON: try again later
    """
    said = text.lower()
    for words, _, error, code, retry_after, sentence in _REFUSALS:
        if words in said:
            return error(sentence, code=code, retry_after=retry_after)
    for _, bare_status, error, code, retry_after, sentence in _REFUSALS:
        if status == bare_status:
            return error(sentence, code=code, retry_after=retry_after)
    if status >= 500:
        return Transient(f"FMP is out of order (HTTP {status})", code="outage")
    if status == 200:
        return Transient("FMP answered with an object where rows were expected", code="unexpected_answer")
    return Permanent(f"FMP refused the call (HTTP {status})", code=f"http_{status}")
