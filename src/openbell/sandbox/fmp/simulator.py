"""One call from arrival to answer: ledger, key, scripted fault, plan, rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date

from openbell.sandbox.clock import Moment
from openbell.sandbox.companies import COMPANIES
from openbell.sandbox.fmp import refusals, rows
from openbell.sandbox.fmp.plans import SMALL_LIMIT_MAX, Meter, Plan
from openbell.sandbox.fmp.refusals import Refusal
from openbell.sandbox.fmp.rows import Row
from openbell.sandbox.house import House
from openbell.sandbox.ledger import symbols_of
from openbell.sandbox.replay import Market
from openbell.sandbox.simulator import LABEL, Answer, Call, Refused, Simulator

BATCH_SYMBOLS_MAX = 1_000
SEARCH_LIMIT_DEFAULT = 50

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
    "html502": refusals.HTML_502,
}
ROW_KINDS = frozenset(("empty", "truncate", "nulls", "older"))


class Fmp(Simulator):
    """Everything below /stable/, and the 404 for what is nobody's."""

    name = "fmp"
    mount = "/stable"
    kinds = ROW_KINDS | frozenset(REFUSALS)

    def __init__(self, house: House, plan: Plan) -> None:
        super().__init__(house)
        self.market = house.market
        self.meter = Meter(plan)
        for path in PATHS:
            self.on("GET", path, self.ask)

    def admit(self, call: Call) -> None:
        """Refuse legacy paths, what is not below /stable/, and a wrong key."""
        if call.entry.path.startswith("/api/"):
            raise _refused(refusals.LEGACY)
        if call.method != "GET" or not call.entry.path.startswith(f"{self.mount}/"):
            raise _refused(refusals.NOT_FOUND)
        if not self.house.knows(call.headers.get("apikey") or call.params.get("apikey", "")):
            raise _refused(refusals.UNAUTHORIZED)

    def subjects(self, call: Call) -> list[str]:
        """The symbols asked for."""
        return symbols_of((call.params.get("symbols") or call.params.get("symbol") or "").split(","))

    def unknown(self, call: Call) -> Answer:  # noqa: ARG002 - the same for all
        """A path that does not exist is an HTML page."""
        return _refused(refusals.NOT_FOUND).answer

    def answered(self, call: Call, answer: Answer) -> None:
        """The plan counts the bytes of what it is charged for."""
        super().answered(call, answer)
        if call.entry.billed:
            self.meter.add_bytes(self.house.wall(), answer.length)

    async def ask(self, call: Call) -> Answer:
        """Rows, or a refusal."""
        refusal = REFUSALS.get(call.fault.kind) if call.fault else None
        if refusal is None or refusal.counts:
            self._charge(call)
        if refusal is not None:
            raise _refused(refusal)
        self._check_plan(call)
        return self._data(call)

    def _charge(self, call: Call) -> None:
        refusal = self.meter.admit(self.house.wall())
        if refusal is not None:
            raise _refused(refusal)
        call.bill(calls=1)

    def _check_plan(self, call: Call) -> None:
        plan = self.meter.plan
        if call.path in BATCHES and not plan.batch:
            raise _refused(refusals.RESTRICTED_ENDPOINT)
        if plan.small_limits and _whole_number(call.params, "limit", 0) > SMALL_LIMIT_MAX:
            raise _refused(refusals.PREMIUM_LIMIT)
        if "," in call.params.get("symbol", "") and not plan.batch:
            raise _refused(refusals.PREMIUM_SYMBOL)
        if not plan.every_symbol and any(COMPANIES[s].invented for s in call.entry.symbols if s in COMPANIES):
            raise _refused(refusals.PREMIUM_SYMBOL)

    def _data(self, call: Call) -> Answer:
        now = self.house.moment()
        invented = any(COMPANIES[s].invented for s in call.entry.symbols if s in COMPANIES)
        what = "invented company, prices derived from real daily prices" if invented else "replay of real daily prices"
        label = f"synthetic; {what}, market day {now.day}"
        return self.answer(self._rows(call, now), headers={LABEL: label})

    def _rows(self, call: Call, now: Moment) -> list[Row]:
        fault = call.fault
        kind = fault.kind if fault else None
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
                then = self.house.moment(fault.spec.days) if fault is not None and touched == "older" else now
                made = self._symbol_rows(call, symbol, then)
                found += [_blank(row) for row in made] if touched == "nulls" else made
        return found[: fault.spec.rows] if fault is not None and kind == "truncate" else found

    def _symbols_asked(self, call: Call) -> list[str]:
        if call.path in BATCHES:
            return call.entry.symbols[:BATCH_SYMBOLS_MAX]
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


def _years_before(day: date, years: int) -> date:
    return day.replace(year=day.year - years, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _day(params: dict[str, str], name: str) -> date | None:
    text = params.get(name)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _refused(refusals.bad_parameter(name, "a date like 2012-06-01")) from None


def _whole_number(params: dict[str, str], name: str, default: int) -> int:
    text = params.get(name)
    if not text:
        return default
    if not text.isdecimal() or len(text) > 9:
        raise _refused(refusals.bad_parameter(name, "a whole number"))
    return int(text)


def _blank(row: Row) -> Row:
    """The row as the provider sends it on a bad day: numbers null, texts empty; symbol and date stay."""
    return {
        name: value if name in ("symbol", "date") else "" if isinstance(value, str) else None
        for name, value in row.items()
    }


def _refused(refusal: Refusal) -> Refused:
    return Refused(Answer(refusal.status, refusal.body, refusal.media_type))
