"""One call from arrival to answer: ledger, key, scripted fault, plan, rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from openbell.sandbox.companies import COMPANIES
from openbell.sandbox.fmp import refusals
from openbell.sandbox.fmp.ask import Ask, refused
from openbell.sandbox.fmp.bulk import as_csv
from openbell.sandbox.fmp.plans import PLANS, SMALL_LIMIT_MAX, Meter, Plan
from openbell.sandbox.fmp.refusals import Refusal
from openbell.sandbox.fmp.rows import Row
from openbell.sandbox.fmp.table import TABLE
from openbell.sandbox.house import House
from openbell.sandbox.ledger import symbols_of
from openbell.sandbox.simulator import LABEL, Answer, Call, Simulator

BATCH_SYMBOLS_MAX = 1_000
RANKS = {name: rank for rank, name in enumerate(PLANS)}  # each plan reaches what those before it reach
_FURTHER = re.compile(r"-([2-9]|1\d|20)$")
PERIODS_OF_ALL = frozenset(("", "annual", "FY"))

REFUSALS: Mapping[str, Refusal] = {
    "unauthorized": refusals.UNAUTHORIZED,
    "restricted_endpoint": refusals.RESTRICTED_ENDPOINT,
    "premium_symbol": refusals.PREMIUM_SYMBOL,
    "premium_limit": refusals.PREMIUM_LIMIT,
    "exclusive": refusals.EXCLUSIVE,
    "legacy": refusals.LEGACY,
    "suspended": refusals.SUSPENDED,
    "limit": refusals.LIMIT,
    "bandwidth": refusals.BANDWIDTH,
    "limit_in_200": refusals.LIMIT_IN_200,
}
ROW_KINDS = frozenset(("empty", "truncate", "nulls", "older"))


class Fmp(Simulator):
    """Everything below /stable/, and the 404 for what is nobody's.

    Beside the sandbox's key there are more: with `-2`, `-3` and so on behind it. The plan counts for each key by
    itself, and a key can be revoked:

        GET  /_control/fmp/keys                               the calls of each key that was used, and whether it holds
        POST /_control/fmp/keys {"revoke": KEY}               or {"restore": KEY}
    """

    name = "fmp"
    mount = "/stable"
    kinds = ROW_KINDS | frozenset((*REFUSALS, "html502"))

    def __init__(self, house: House, plan: Plan) -> None:
        super().__init__(house)
        self.market = house.market
        self.plan = plan
        self._meters: dict[str, Meter] = {}
        self._used: dict[str, Counter[str]] = {}
        self._revoked: set[str] = set()
        for path in TABLE:
            self.on("GET", path, self.ask)

    def admit(self, call: Call) -> None:
        """Refuse legacy paths, what is not below /stable/, and a wrong key."""
        if call.entry.path.startswith("/api/"):
            raise refused(refusals.LEGACY)
        if call.method != "GET" or not call.entry.path.startswith(f"{self.mount}/"):
            raise refused(refusals.NOT_FOUND)
        key = _key_of(call)
        if not self.house.knows(_FURTHER.sub("", key)) or key in self._revoked:
            raise refused(refusals.UNAUTHORIZED)

    def subjects(self, call: Call) -> list[str]:
        """The symbols asked for."""
        return symbols_of((call.params.get("symbols") or call.params.get("symbol") or "").split(","))

    def unknown(self, call: Call) -> Answer:  # noqa: ARG002 - the same for all
        """A path that does not exist is an HTML page."""
        return refused(refusals.NOT_FOUND).answer

    def answered(self, call: Call, answer: Answer) -> None:
        """The plan counts the bytes of what it is charged for."""
        super().answered(call, answer)
        if call.entry.billed:
            self._meter(call).add_bytes(self.house.wall(), answer.length)

    def control(self) -> Sequence[BaseRoute]:
        """The keys."""
        return [Route("/keys", self._keys, methods=["GET", "POST"])]

    async def _keys(self, request: Request) -> Response:
        if request.method == "POST":
            said = await request.json()
            self._revoked |= {said["revoke"]} if "revoke" in said else set()
            self._revoked -= {said["restore"]} if "restore" in said else set()
        keys = {
            key: {"calls": used["calls"], "refused": used["refused"], "revoked": key in self._revoked}
            for key, used in self._used.items()
        }
        return JSONResponse({"keys": keys})

    def _meter(self, call: Call) -> Meter:
        return self._meters.setdefault(_key_of(call), Meter(self.plan))

    async def ask(self, call: Call) -> Answer:
        """Rows, or a refusal."""
        refusal = REFUSALS.get(call.fault.kind) if call.fault else None
        if refusal is None or refusal.counts:
            self._charge(call)
        if refusal is not None:
            raise refused(refusal)
        self._check_plan(call)
        return self._data(call)

    def _charge(self, call: Call) -> None:
        used = self._used.setdefault(_key_of(call), Counter())
        refusal = self._meter(call).admit(self.house.wall())
        used["calls" if refusal is None else "refused"] += 1
        if refusal is not None:
            raise refused(refusal)
        call.bill(calls=1)

    def _check_plan(self, call: Call) -> None:
        plan, params = self.plan, call.params
        rank = RANKS[plan.name]
        if rank < RANKS[TABLE[call.path].plan]:
            raise refused(refusals.RESTRICTED_ENDPOINT)
        if params.get("extended", "").lower() == "true" and rank < RANKS["premium"]:
            raise refused(refusals.premium_parameter("extended"))
        if plan.small_limits and self._ask(call).number("limit", 0) > SMALL_LIMIT_MAX:
            raise refused(refusals.PREMIUM_LIMIT)
        if plan.small_limits and params.get("period", "") not in PERIODS_OF_ALL:
            raise refused(refusals.premium_parameter("period"))
        if "," in params.get("symbol", "") and not plan.batch:
            raise refused(refusals.PREMIUM_SYMBOL)
        if not plan.every_symbol and any(COMPANIES[s].invented for s in call.entry.symbols if s in COMPANIES):
            raise refused(refusals.PREMIUM_SYMBOL)

    def _data(self, call: Call) -> Answer:
        endpoint, now = TABLE[call.path], self.house.moment()
        what = endpoint.data
        if any(COMPANIES[s].invented for s in call.entry.symbols if s in COMPANIES):
            what = "invented company, prices derived from real daily prices"
        headers = self.labelled({LABEL: f"synthetic; {what}, market day {now.day}"})
        rows = self._rows(call)
        if endpoint.csv:
            return Answer(200, as_csv(rows), "text/csv", headers)
        return self.answer(rows, headers=headers)

    def _rows(self, call: Call) -> list[Row]:
        rows = [row for ask in self._asks(call) for row in self._touched(call, ask)]
        fault = call.fault
        return rows[: fault.spec.rows] if fault is not None and fault.kind == "truncate" else rows

    def _asks(self, call: Call) -> Iterator[Ask]:
        """The questions that a call consists of."""
        about = TABLE[call.path].about
        symbols = [""]
        if about == "symbols":
            symbols = call.entry.symbols[:BATCH_SYMBOLS_MAX]
        elif about == "symbol":
            symbols = [call.params.get("symbol", "").strip().upper()]  # a comma list is one unknown symbol here
        return (self._ask(call, symbol) for symbol in symbols)

    def _ask(self, call: Call, symbol: str = "") -> Ask:
        return Ask(
            market=self.market,
            moment=self.house.moment(),
            wall=datetime.fromtimestamp(self.house.wall(), UTC),
            path=call.path,
            symbol=symbol,
            params=call.params,
            years=self.plan.history_years,
        )

    def _touched(self, call: Call, ask: Ask) -> Iterable[Row]:
        """The rows of a question, and what the fault leaves of those that it touches."""
        fault, make = call.fault, TABLE[call.path].rows
        if fault is None:
            return make(ask)
        if fault.kind == "older" and (not ask.symbol or fault.touches(ask.symbol)):
            ask = replace(ask, moment=self.house.moment(fault.spec.days))
        rows = make(ask)
        if fault.kind not in ("empty", "nulls"):
            return rows
        marked = [(row, fault.touches(ask.symbol or row.get("symbol") or "")) for row in rows]
        if fault.kind == "empty":
            return [row for row, hit in marked if not hit]
        return [_blank(row) if hit else row for row, hit in marked]


def _key_of(call: Call) -> str:
    return call.headers.get("apikey") or call.params.get("apikey", "")


def _blank(row: Row) -> Row:
    """The row as the provider sends it on a bad day: numbers null, texts empty; symbol and date stay."""
    return {name: value if name in ("symbol", "date") else _nothing(value) for name, value in row.items()}


def _nothing(value: Any) -> Any:
    return "" if isinstance(value, str) else dict.fromkeys(value) if isinstance(value, dict) else None
