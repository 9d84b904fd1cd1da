"""One call from arrival to answer: ledger, key, scripted fault, plan, rows."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from openbell.sandbox import refusals, rows
from openbell.sandbox.clock import Anchor, Moment, moment
from openbell.sandbox.companies import COMPANIES
from openbell.sandbox.faults import REFUSALS, Fault, FaultBook
from openbell.sandbox.ledger import Entry, Ledger
from openbell.sandbox.plans import SMALL_LIMIT_MAX, Meter, Plan
from openbell.sandbox.refusals import Refusal
from openbell.sandbox.replay import Market
from openbell.sandbox.rows import Row

BATCH_SYMBOLS_MAX = 1_000
SEARCH_LIMIT_DEFAULT = 50
PREFIX = "/stable/"

SNAPSHOTS: dict[str, Callable[[Market, str, Moment], Row | None]] = {
    "quote": rows.quote,
    "quote-short": rows.short_quote,
    "profile": rows.profile,
    "stock-price-change": rows.price_change,
}
BATCHES = {"batch-quote": rows.quote, "batch-quote-short": rows.short_quote}
SEARCHES = {"search-symbol": rows.search_symbol, "search-name": rows.search_name}
HISTORY_FORMS = ("full", "light", "non-split-adjusted", "dividend-adjusted")
HISTORIES = {f"historical-price-eod/{form}": form for form in HISTORY_FORMS}
PATHS = frozenset((*SNAPSHOTS, *BATCHES, *SEARCHES, *HISTORIES))


class Refused(Exception):
    """The call ends with a refusal instead of rows."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.body.decode())
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class Call:
    """A parsed request. `path` is what follows /stable/."""

    path: str
    params: dict[str, str]
    symbols: list[str]


class Wall:
    """Epoch seconds that never go back while the process lives, even if somebody sets the machine's clock."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def __call__(self) -> float:
        """Epoch seconds now."""
        return self._offset + time.monotonic()


class Provider:
    """The ASGI application below everything but /_control, and the state that /_control changes."""

    def __init__(self, market: Market, *, plan: Plan, key: str, anchor: Anchor, wall: Callable[[], float]) -> None:
        self.market = market
        self.meter = Meter(plan)
        self.anchor = anchor
        self.wall = wall
        self.faults = FaultBook()
        self.ledger = Ledger()
        self.closing = asyncio.Event()
        self._key = key.encode()

    def moment(self, days_ago: float = 0.0) -> Moment:
        """The market moment now, or so many market days ago."""
        return moment(self.market.calendar, self.anchor.position_at(self.wall()) - days_ago)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP call, or leave it unanswered if a fault says so."""
        params = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        call = Call(scope["path"].removeprefix(PREFIX), params, _symbols(params))
        entry = self.ledger.open(self.wall(), scope["path"], call.symbols)
        response = await self._respond(scope, receive, call, entry)
        if response is None:
            await _hang_up(scope, receive)
            return
        self.ledger.close(entry, response.status_code, len(response.body))
        if entry.billed:
            self.meter.add_bytes(self.wall(), len(response.body))
        await response(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive, call: Call, entry: Entry) -> Response | None:
        """The answer, or None if there shall be none."""
        try:
            self._check_request(scope, call)
            fault = self.faults.take(call.path, call.symbols)
            refusal = REFUSALS.get(fault.spec.kind) if fault else None
            if refusal is None or refusal.counts:
                self._charge(entry)
            if fault is not None and not await self._wait(fault, receive):
                return None
            if refusal is not None:
                raise Refused(refusal)
            self._check_plan(call)
            return self._data_response(call, fault)
        except Refused as refused:
            return _refusal_response(refused.refusal)

    def _check_request(self, scope: Scope, call: Call) -> None:
        if scope["path"].startswith("/api/"):
            raise Refused(refusals.LEGACY)
        if scope["method"] != "GET" or not scope["path"].startswith(PREFIX):
            raise Refused(refusals.NOT_FOUND)
        given = Headers(scope=scope).get("apikey") or call.params.get("apikey", "")
        if not hmac.compare_digest(given.encode(), self._key):
            raise Refused(refusals.UNAUTHORIZED)
        if call.path not in PATHS:
            raise Refused(refusals.NOT_FOUND)

    def _charge(self, entry: Entry) -> None:
        refusal = self.meter.admit(self.wall())
        if refusal is not None:
            raise Refused(refusal)
        self.ledger.bill(entry)

    def _check_plan(self, call: Call) -> None:
        plan = self.meter.plan
        if call.path in BATCHES and not plan.batch:
            raise Refused(refusals.RESTRICTED_ENDPOINT)
        if plan.small_limits and _whole_number(call.params, "limit", 0) > SMALL_LIMIT_MAX:
            raise Refused(refusals.PREMIUM_LIMIT)
        if "," in call.params.get("symbol", "") and not plan.batch:
            raise Refused(refusals.PREMIUM_SYMBOL)
        if not plan.every_symbol and any(COMPANIES[s].invented for s in call.symbols if s in COMPANIES):
            raise Refused(refusals.PREMIUM_SYMBOL)

    async def _wait(self, fault: Fault, receive: Receive) -> bool:
        """Sit out the fault's delay. False if the call shall stay without an answer."""
        kind = fault.spec.kind
        if kind == "hang" or fault.spec.seconds > 0:
            ends = [asyncio.ensure_future(wait) for wait in (_gone(receive), self.closing.wait(), fault.cleared.wait())]
            timeout = None if kind == "hang" else fault.spec.seconds
            await asyncio.wait(ends, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            unanswerable = ends[0].done() or ends[1].done()
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            if unanswerable:
                return False
        return kind != "drop"

    def _data_response(self, call: Call, fault: Fault | None) -> Response:
        now = self.moment()
        body = json.dumps(self._rows(call, fault, now), separators=(",", ":")).encode()
        invented = any(COMPANIES[s].invented for s in call.symbols if s in COMPANIES)
        what = "invented company, prices derived from real daily prices" if invented else "replay of real daily prices"
        label = f"synthetic; {what}, market day {now.day}"
        return Response(body, media_type="application/json", headers={"X-Data-Class": label})

    def _rows(self, call: Call, fault: Fault | None, now: Moment) -> list[Row]:
        kind = fault.spec.kind if fault else None
        if call.path in SEARCHES:
            limit = _whole_number(call.params, "limit", SEARCH_LIMIT_DEFAULT)
            found = SEARCHES[call.path](self.market, call.params.get("query", ""), limit, now)
            found = [] if kind == "empty" else found
            found = [_blank(row) for row in found] if kind == "nulls" else found
        else:
            found = []
            for symbol in self._symbols_asked(call):
                touched = kind if fault is not None and fault.touches(symbol) else None
                if touched == "empty":
                    continue
                then = self.moment(fault.spec.days) if fault is not None and touched == "older" else now
                made = self._symbol_rows(call, symbol, then)
                found += [_blank(row) for row in made] if touched == "nulls" else made
        return found[: fault.spec.rows] if fault is not None and kind == "truncate" else found

    def _symbols_asked(self, call: Call) -> list[str]:
        if call.path in BATCHES:
            return call.symbols[:BATCH_SYMBOLS_MAX]
        return [call.params.get("symbol", "").strip().upper()]  # a comma list is one unknown symbol here

    def _symbol_rows(self, call: Call, symbol: str, now: Moment) -> Iterable[Row]:
        if call.path in HISTORIES:
            return self._history(call, symbol, now)
        row = (SNAPSHOTS.get(call.path) or BATCHES[call.path])(self.market, symbol, now)
        return [] if row is None else [row]

    def _history(self, call: Call, symbol: str, now: Moment) -> Iterable[Row]:
        reach = _years_before(now.day, self.meter.plan.history_years)
        first = max(reach, _day(call.params, "from") or reach)
        form, last = HISTORIES[call.path], _day(call.params, "to")
        return rows.history(self.market, symbol, now, form=form, first_day=first, last_day=last)


def _symbols(params: dict[str, str]) -> list[str]:
    text = params.get("symbols") or params.get("symbol") or ""
    return list(dict.fromkeys(part.strip().upper() for part in text.split(",") if part.strip()))


def _years_before(day: date, years: int) -> date:
    return day.replace(year=day.year - years, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _day(params: dict[str, str], name: str) -> date | None:
    text = params.get(name)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Refused(refusals.bad_parameter(name, "a date like 2012-06-01")) from None


def _whole_number(params: dict[str, str], name: str, default: int) -> int:
    text = params.get(name)
    if not text:
        return default
    if not text.isdecimal() or len(text) > 9:
        raise Refused(refusals.bad_parameter(name, "a whole number"))
    return int(text)


def _blank(row: Row) -> Row:
    """The row as the provider sends it on a bad day: numbers null, texts empty; symbol and date stay."""
    return {
        name: value if name in ("symbol", "date") else "" if isinstance(value, str) else None
        for name, value in row.items()
    }


def _refusal_response(refusal: Refusal) -> Response:
    return Response(refusal.body, refusal.status, media_type=refusal.media_type)


async def _gone(receive: Receive) -> None:
    """Wait until the client has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _hang_up(scope: Scope, receive: Receive) -> None:
    """Close the connection without an answer."""
    scope["state"]["transport"].close()
    await _gone(receive)
