"""SEC's EDGAR: three hosts as three folders (spec domain.md B6).

    www/files/company_tickers.json, company_tickers_exchange.json
    www/Archives/edgar/data/CIK/ACCESSION/DOCUMENT
    data/submissions/CIK##########.json, ...-submissions-001.json
    data/api/xbrl/companyfacts/CIK##########.json, companyconcept/CIK.../us-gaap/TAG.json
    efts/LATEST/search-index?q=&forms=&startdt=&enddt=&from=

A caller who does not say who it is gets a 403 page, and so does everybody for ten minutes after more than ten requests
within a second: DELETE /_control/edgar/block ends that. Faults: undeclared, rate (one call each), html503, empty.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from openbell.sandbox.edgar import documents
from openbell.sandbox.edgar.filings import BY_CIK, FILERS, TAGS, Filer, Filing, filed_until
from openbell.sandbox.house import House
from openbell.sandbox.simulator import Answer, Call, Refused, Simulator

REQUESTS_PER_SECOND = 10
BLOCK_SECONDS = 600.0
RECENT_FILINGS = 40
HITS_PER_PAGE = 100
_CONTACT = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_PAGE = (
    "<!DOCTYPE html><html><head><title>SEC.gov | {title}</title></head><body><h1>{title}</h1><p>{words}</p>"
    "<p>Reference ID: synthetic</p></body></html>"
)


class Edgar(Simulator):
    """Everything below /edgar. Time is real: what is not due yet has not been filed."""

    name = "edgar"
    mount = "/edgar"
    data_class = "synthetic; invented filings"
    kinds = frozenset(("undeclared", "rate", "html503", "empty"))

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._arrivals: deque[float] = deque(maxlen=REQUESTS_PER_SECOND)
        self._blocked_until = 0.0
        self.on("GET", "www/files/company_tickers.json", self.tickers)
        self.on("GET", "www/files/company_tickers_exchange.json", self.exchanges)
        self.on("GET", "www/Archives/edgar/data/{cik}/{accession}/{document}", self.document)
        self.on("GET", "data/submissions/CIK{cik}-submissions-001.json", self.older)
        self.on("GET", "data/submissions/CIK{cik}.json", self.submissions)
        self.on("GET", "data/api/xbrl/companyfacts/CIK{cik}.json", self.facts)
        self.on("GET", "data/api/xbrl/companyconcept/CIK{cik}/{taxonomy}/{tag}.json", self.concept)
        self.on("GET", "efts/LATEST/search-index", self.search)

    def admit(self, call: Call) -> None:
        """Refuse who does not say who it is, and who comes too often."""
        if not _CONTACT.search(call.headers.get("user-agent", "")):
            raise Refused(_undeclared())
        now = self.house.wall()
        if len(self._arrivals) == REQUESTS_PER_SECOND and now - self._arrivals[0] < 1.0:
            self._blocked_until = now + BLOCK_SECONDS
        self._arrivals.append(now)
        if now < self._blocked_until:
            raise Refused(_too_often())

    def subjects(self, call: Call) -> list[str]:
        """The company asked for."""
        filer = BY_CIK.get(_number(call.arguments.get("cik", "")))
        return [filer.company.symbol] if filer else []

    def unknown(self, call: Call) -> Answer:  # noqa: ARG002 - the same for all
        """A path that does not exist is an HTML page."""
        return _not_found()

    def control(self) -> Sequence[BaseRoute]:
        """End the ten minutes."""

        async def block(request: Request) -> Response:
            if request.method == "DELETE":
                self._blocked_until = 0.0
                self._arrivals.clear()
            return JSONResponse({"blocked_s": max(0.0, self._blocked_until - self.house.wall())})

        return [Route("/block", block, methods=["GET", "DELETE"])]

    async def tickers(self, call: Call) -> Answer:
        """Symbols by number."""
        rows = [
            {"cik_str": int(filer.cik), "ticker": filer.company.symbol, "title": filer.company.name} for filer in FILERS
        ]
        return self._answer(call, {str(number): row for number, row in enumerate(rows)}, {})

    async def exchanges(self, call: Call) -> Answer:
        """Symbols with their exchanges, as a table."""
        fields = ["cik", "name", "ticker", "exchange"]
        data = [[int(f.cik), f.company.name, f.company.symbol, f.exchange] for f in FILERS]
        return self._answer(call, {"fields": fields, "data": data}, {"fields": fields, "data": []})

    async def submissions(self, call: Call) -> Answer:
        """A company and its newest filings in parallel arrays; older ones are in a file of their own."""
        filer = _filer(call)
        filings = filed_until(filer, self._now())
        older = filings[RECENT_FILINGS:]
        files = [
            {
                "name": f"CIK{filer.cik}-submissions-001.json",
                "filingCount": len(older),
                "filingFrom": older[-1].filed.isoformat(),
                "filingTo": older[0].filed.isoformat(),
            }
        ]
        head = _head(filer)
        found = {"recent": _arrays(filer, filings[:RECENT_FILINGS]), "files": files if older else []}
        return self._answer(
            call, {**head, "filings": found}, {**head, "filings": {"recent": _arrays(filer, []), "files": []}}
        )

    async def older(self, call: Call) -> Answer:
        """The older filings."""
        filer = _filer(call)
        return self._answer(call, _arrays(filer, filed_until(filer, self._now())[RECENT_FILINGS:]), _arrays(filer, []))

    async def facts(self, call: Call) -> Answer:
        """Every figure that a company has reported."""
        filer = _filer(call)
        filings = filed_until(filer, self._now())
        facts: dict[str, dict[str, Any]] = {}
        for tag, (taxonomy, label, unit) in TAGS.items():
            facts.setdefault(taxonomy, {})[tag] = {
                "label": label,
                "description": f"{label}, invented.",
                "units": {unit: _values(tag, filings)},
            }
        head = {"cik": int(filer.cik), "entityName": filer.company.name}
        return self._answer(call, {**head, "facts": facts}, {**head, "facts": {}})

    async def concept(self, call: Call) -> Answer:
        """One figure over time."""
        filer, tag = _filer(call), call.arguments["tag"]
        taxonomy, label, unit = TAGS.get(tag, ("", "", ""))
        if taxonomy != call.arguments["taxonomy"]:
            raise Refused(_not_found())
        head = {
            "cik": int(filer.cik),
            "taxonomy": taxonomy,
            "tag": tag,
            "label": label,
            "entityName": filer.company.name,
        }
        units = {unit: _values(tag, filed_until(filer, self._now()))}
        return self._answer(call, {**head, "units": units}, {**head, "units": {}})

    async def document(self, call: Call) -> Answer:
        """The primary document of a filing, or the press release beside a current report."""
        filer = _filer(call)
        for filing in filed_until(filer, self._now()):
            if filing.accession.replace("-", "") == call.arguments["accession"]:
                if call.arguments["document"] == filing.document:
                    draw = documents.html
                elif call.arguments["document"] == documents.EXHIBIT and filing.form == "8-K":
                    draw = documents.release
                else:
                    break
                self._check_fault(call)
                return Answer(200, draw(filer, filing).encode(), "text/html", self.labelled())
        raise Refused(_not_found())

    async def search(self, call: Call) -> Answer:
        """Words in filings: all of them must be in one. Newest first."""
        words = re.findall(r"[\w-]+", call.params.get("q", "").lower())
        forms = {form for form in call.params.get("forms", "").split(",") if form}
        first, last = _day(call, "startdt", date.min), _day(call, "enddt", date.max)
        now = self._now()
        found = [
            (filer, filing)
            for filer in FILERS
            for filing in filed_until(filer, now)
            if first <= filing.filed <= last and (not forms or filing.form in forms)
            if all(word in documents.text(filer, filing) for word in words)
        ]
        found.sort(key=lambda pair: pair[1].accepted, reverse=True)
        skip = _number(call.params.get("from", "0"))
        hits = [_hit(filer, filing) for filer, filing in found[skip : skip + HITS_PER_PAGE]]
        return self._answer(call, _result(len(found), hits), _result(0, []))

    def _answer(self, call: Call, value: Any, nothing: Any) -> Answer:
        self._check_fault(call)
        return self.answer(nothing if call.meets("empty") else value)

    def _check_fault(self, call: Call) -> None:
        for kind, refusal in (("undeclared", _undeclared), ("rate", _too_often), ("html503", _away)):
            if call.meets(kind):
                raise Refused(refusal())

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.house.wall(), UTC)


def _filer(call: Call) -> Filer:
    filer = BY_CIK.get(_number(call.arguments["cik"]))
    if filer is None:
        raise Refused(_not_found())
    return filer


def _head(filer: Filer) -> dict[str, Any]:
    sic, description = filer.sic
    return {
        "cik": filer.cik,
        "entityType": "operating",
        "sic": sic,
        "sicDescription": description,
        "name": filer.company.name,
        "tickers": [filer.company.symbol],
        "exchanges": [filer.exchange],
        "fiscalYearEnd": {6: "0630", 9: "0930"}.get(filer.fiscal_end_month, "1231"),
        "stateOfIncorporation": filer.company.state,
        "formerNames": [],
    }


def _arrays(filer: Filer, filings: Sequence[Filing]) -> dict[str, list[Any]]:
    """Filings as parallel arrays."""
    return {
        "accessionNumber": [f.accession for f in filings],
        "filingDate": [f.filed.isoformat() for f in filings],
        "reportDate": [f.period.isoformat() for f in filings],
        "acceptanceDateTime": [f"{f.accepted:%Y-%m-%dT%H:%M:%S}.000Z" for f in filings],
        "act": ["34" for _ in filings],
        "form": [f.form for f in filings],
        "fileNumber": [f"000-{int(filer.cik) % 100_000:05d}" for _ in filings],
        "items": [f.items for f in filings],
        "size": [len(documents.html(filer, f)) for f in filings],
        "isXBRL": [int(f.figures is not None) for f in filings],
        "isInlineXBRL": [int(f.figures is not None) for f in filings],
        "primaryDocument": [f.document for f in filings],
        "primaryDocDescription": [f.form for f in filings],
    }


def _values(tag: str, filings: Iterable[Filing]) -> list[dict[str, Any]]:
    """The reported values of a tag, oldest first. A stock has an end only, a flow has a start too."""
    values = []
    for filing in reversed(list(filings)):
        if filing.figures is None:
            continue
        value = filing.figures[tag]
        flow = tag not in ("Assets", "EntityCommonStockSharesOutstanding")
        start = {"start": str(filing.period_start)} if flow else {}
        values.append(
            {
                **start,
                "end": filing.period.isoformat(),
                "val": value / 100 if tag == "EarningsPerShareDiluted" else value,
                "accn": filing.accession,
                "fy": filing.fiscal_year,
                "fp": filing.fiscal_period,
                "form": filing.form,
                "filed": filing.filed.isoformat(),
            }
        )
    return values


def _hit(filer: Filer, filing: Filing) -> dict[str, Any]:
    source = {
        "ciks": [filer.cik],
        "display_names": [f"{filer.company.name}  ({filer.company.symbol})  (CIK {filer.cik})"],
        "adsh": filing.accession,
        "form": filing.form,
        "root_forms": [filing.form],
        "file_date": filing.filed.isoformat(),
        "period_ending": filing.period.isoformat(),
        "items": filing.items.split(",") if filing.items else [],
        "file_type": filing.form,
    }
    return {"_index": "edgar_file", "_id": f"{filing.accession}:{filing.document}", "_score": 1.0, "_source": source}


def _result(total: int, hits: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "took": 1,
        "timed_out": False,
        "hits": {"total": {"value": total, "relation": "eq"}, "max_score": 1.0 if hits else None, "hits": hits},
    }


def _day(call: Call, name: str, default: date) -> date:
    try:
        return date.fromisoformat(call.params[name]) if name in call.params else default
    except ValueError:
        raise Refused(Answer.of_json({"error": f"{name} must be a date like 2026-01-31"}, 400)) from None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) <= 10 else 0


def _page(status: int, title: str, words: str) -> Answer:
    return Answer(status, _PAGE.format(title=title, words=words).encode(), "text/html")


def _undeclared() -> Answer:
    words = "Please declare your traffic by a user agent with company and contact address."
    return _page(403, "Your Request Originates from an Undeclared Automated Tool", words)


def _too_often() -> Answer:
    return _page(403, "Request Rate Threshold Exceeded", "Access is limited for ten minutes. Please slow down.")


def _away() -> Answer:
    return _page(503, "Service Unavailable", "Please try again later.")


def _not_found() -> Answer:
    return _page(404, "Page not found", "There is nothing at this address.")
