"""EDGAR, the filings of the US Securities and Exchange Commission (sec.gov/search-filings, "EDGAR APIs").

Free and without a key, but every caller must say who it is: name and mail address in the User-Agent. Who does not, and
who asks more than ten times a second, gets a web page with status 403; the two are told apart by its words. Without a
contact no call is begun. Two hosts are asked: www.sec.gov for the list of companies and the documents, data.sec.gov for
what a company has filed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import httpx

from openbell.engine.attempt import Attempt
from openbell.engine.errors import NothingKnown, Permanent, ProducerError, ProviderStopped, RateLimited, Transient
from openbell.engine.ledger import Limit
from openbell.providers import wire
from openbell.providers.pauses import asked_pause

WWW, DATA = "https://www.sec.gov", "https://data.sec.gov"
TIMEOUT_S = 20.0
RATE_PAUSE = timedelta(minutes=10)
CONTACT_PAUSE = timedelta(hours=1)

Rows = TypeVar("Rows")

_CONTACT = re.compile(r"[ -~]*[^\s@]+@[^\s@]+\.[^\s@]+[ -~]*")
_ACCESSION = re.compile(r"\d{10}-\d{2}-\d{6}")
_DOCUMENT = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,100}/){0,2}[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}")
_OLDER = re.compile(r"CIK\d{10}-submissions-\d{3}\.json")


def limits(calls_per_second: int = 9) -> list[Limit]:
    """SEC allows ten requests a second, from all processes of a caller together."""
    return [Limit("edgar", "calls", "second", calls_per_second, span=timedelta(seconds=1))]


@dataclass(frozen=True, slots=True)
class Hosts:
    """The connection pools to the two hosts, and whether we say who we are."""

    www: httpx.AsyncClient
    data: httpx.AsyncClient
    is_declared: bool

    async def aclose(self) -> None:
        """Close both."""
        await self.www.aclose()
        await self.data.aclose()


def open_http(contact: str | None, base_url: str | None = None) -> Hosts:
    """The pools. ``contact`` is a name and a mail address; below a ``base_url`` the hosts are `/www` and `/data`."""
    declared = contact is not None and _CONTACT.fullmatch(contact) is not None
    headers = {"user-agent": f"openbell/0.1 {contact}"} if declared else {}
    www, data = (WWW, DATA) if base_url is None else (f"{base_url.rstrip('/')}/{host}" for host in ("www", "data"))
    return Hosts(
        wire.open_http(f"{www}/", timeout_s=TIMEOUT_S, headers=headers),
        wire.open_http(f"{data}/", timeout_s=TIMEOUT_S, headers=headers),
        declared,
    )


@dataclass(frozen=True, slots=True)
class Company:
    """A line of SEC's list: central index key, ticker, name, and the exchange where it is known."""

    cik: int
    ticker: str
    name: str
    exchange: str | None


@dataclass(frozen=True, slots=True)
class Filing:
    """One filing. ``period`` is the day that it reports on, ``document`` its main one for :meth:`Edgar.document`."""

    accession: str
    form: str
    filed: date
    period: date | None
    accepted: datetime | None
    document: str | None
    description: str | None
    items: list[str]
    bytes: int
    is_xbrl: bool


@dataclass(frozen=True, slots=True)
class Submissions:
    """What a company is and has filed, newest first; ``older`` names further pages, for :meth:`Edgar.older`."""

    cik: int
    name: str
    tickers: list[str]
    exchanges: list[str | None]
    sic: str | None
    fiscal_year_end: str | None
    filings: list[Filing]
    older: list[str]


@dataclass(frozen=True, slots=True)
class Fact:
    """One reported value of a figure as of ``end``; several filings may report the same day."""

    end: date
    value: float
    accession: str
    form: str
    filed: date


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a filing, as it was filed."""

    media_type: str
    body: bytes


class Edgar:
    """The service as one attempt may use it. A company or document that there is not raises :class:`NothingKnown`."""

    def __init__(self, hosts: Hosts, attempt: Attempt) -> None:
        self._hosts, self._attempt = hosts, attempt

    async def tickers(self) -> list[Company]:
        """All companies with a ticker, about ten thousand."""
        path = "files/company_tickers_exchange.json"
        return _read(read_tickers, await self._get(self._hosts.www, path, "tickers", about=1_000_000))

    async def submissions(self, cik: int) -> Submissions:
        """What a company has filed: its last thousand filings or last year, whichever is more."""
        path = f"submissions/CIK{cik:010d}.json"
        found = _read(read_submissions, await self._get(self._hosts.data, path, "submissions", about=300_000))
        if found.cik != cik:
            raise Permanent(f"EDGAR answered with company {found.cik} when asked for {cik}", code="wrong_company")
        return found

    async def older(self, name: str) -> list[Filing]:
        """A further page of filings, by the name that :class:`Submissions` gives."""
        if not _OLDER.fullmatch(name):
            raise ValueError(f"{name!r} is no page of filings")
        return _read(
            read_filings, await self._get(self._hosts.data, f"submissions/{name}", "submissions", about=300_000)
        )

    async def facts(self, cik: int, taxonomy: str, tag: str, unit: str) -> list[Fact]:
        """Every value of one figure that a company has reported, such as `dei`, `EntityCommonStockSharesOutstanding`.

        Only what is reported for the company as a whole: a figure that it reports by class of share is not there.
        """
        path = f"api/xbrl/companyconcept/CIK{cik:010d}/{taxonomy}/{tag}.json"
        said = await self._get(self._hosts.data, path, "companyconcept", about=100_000)
        return _read(partial(read_facts, cik=cik, unit=unit), said)

    async def document(self, cik: int, accession: str, name: str) -> Document:
        """One document of a filing, at most 32 MiB. ``accession`` is written with its dashes."""
        if not _ACCESSION.fullmatch(accession) or not _DOCUMENT.fullmatch(name):
            raise ValueError(f"{accession!r}, {name!r} is no document of a filing")
        path = f"Archives/edgar/data/{cik}/{accession.replace('-', '')}/{name}"
        answer = await self._get(self._hosts.www, path, "document", about=2_000_000)
        return Document(answer.headers.get("content-type", "").partition(";")[0].strip().lower(), answer.body)

    async def _get(self, http: httpx.AsyncClient, path: str, operation: str, *, about: int) -> wire.Answer:
        if not self._hosts.is_declared:
            error = ProviderStopped(
                "EDGAR is not asked without a contact; set ADMIN_EMAIL.",
                code="contact_missing",
                retry_after=CONTACT_PAUSE,
            )
            error.provider = "edgar"
            raise error
        timeout = wire.call_time(TIMEOUT_S)
        async with self._attempt.spends("edgar").call(operation, timeout=timeout, bytes=about) as call:
            answer = await wire.exchange(http, call, "GET", path, name="EDGAR")
            if answer.status not in (200, 404):
                raise refusal(answer, path)
        host = wire.host_of(http)
        self._attempt.cite(provider="edgar", operation=operation, host=host, synthetic=answer.synthetic)
        if answer.status == 404:
            raise NothingKnown(f"EDGAR has no {path}")
        return answer


def refusal(answer: wire.Answer, path: str) -> ProducerError:
    """What EDGAR means by a refusal; 404 is none.

    * a web page about an undeclared tool: nobody asks until an operator has set a contact
    * a web page about the request rate, or 429: everybody pauses for ten minutes
    * any other web page with 403: everybody pauses and an operator must look; a 403 of another kind is about this path
    """
    said, status = answer.text[:20_000].lower(), answer.status
    if status == 403 and "undeclared automated tool" in said:
        sentence = "EDGAR does not accept how we say who we are; set ADMIN_EMAIL to a real address."
        return ProviderStopped(sentence, code="undeclared_tool", retry_after=CONTACT_PAUSE)
    if status == 429 or (status == 403 and "request rate threshold exceeded" in said):
        pause = asked_pause(answer.headers) or RATE_PAUSE
        return RateLimited("EDGAR says that we ask too often.", code="rate_limited", retry_after=max(pause, RATE_PAUSE))
    if status == 403 and "<html" in said:
        sentence = "EDGAR refuses us with a page of unknown words; open it in a browser from this address."
        return ProviderStopped(sentence, code="access_denied", retry_after=RATE_PAUSE)
    if status >= 500:
        return Transient(
            f"EDGAR is out of order (HTTP {status})", code="outage", retry_after=asked_pause(answer.headers)
        )
    return Permanent(f"EDGAR refused {path} (HTTP {status})", code=f"http_{status}")


def _read(read: Callable[[Any], Rows], answer: wire.Answer) -> Rows:
    try:
        return read(answer.json())
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Transient(f"EDGAR answered with something unexpected: {error}", code="unexpected_answer") from error


def read_tickers(said: Any) -> list[Company]:
    """Rows of `company_tickers_exchange.json`, whose columns are named once. Raises ``ValueError`` and its like."""
    column = {name: place for place, name in enumerate(said["fields"])}
    cik, ticker, name, exchange = (column[field] for field in ("cik", "ticker", "name", "exchange"))
    return [Company(_whole(row[cik]), str(row[ticker]), str(row[name]), row[exchange] or None) for row in said["data"]]


def read_submissions(said: Any) -> Submissions:
    """The head of a company and its filings. Raises ``ValueError`` and its like."""
    return Submissions(
        cik=int(said["cik"]),
        name=str(said["name"]),
        tickers=[str(ticker) for ticker in said["tickers"]],
        exchanges=list(said["exchanges"]),
        sic=said.get("sic") or None,
        fiscal_year_end=said.get("fiscalYearEnd") or None,
        filings=read_filings(said["filings"]["recent"]),
        older=[str(page["name"]) for page in said["filings"].get("files", [])],
    )


def read_filings(arrays: Mapping[str, Any]) -> list[Filing]:
    """Rows from parallel arrays, newest first as they come. Raises ``ValueError`` when they differ in length."""
    lengths = {len(array) for array in arrays.values()}
    if len(lengths) > 1:
        raise ValueError(f"columns of {min(lengths)} to {max(lengths)} rows")
    return [
        Filing(
            accession=_accession(arrays["accessionNumber"][n]),
            form=str(arrays["form"][n]),
            filed=date.fromisoformat(arrays["filingDate"][n]),
            period=_day(arrays["reportDate"][n]),
            accepted=_moment(arrays["acceptanceDateTime"][n]),
            document=arrays["primaryDocument"][n] or None,
            description=arrays["primaryDocDescription"][n] or None,
            items=[item for item in (arrays["items"][n] or "").split(",") if item],
            bytes=_whole(arrays["size"][n]),
            is_xbrl=bool(arrays["isXBRL"][n]),
        )
        for n in range(lengths.pop() if lengths else 0)
    ]


def read_facts(said: Any, *, cik: int, unit: str) -> list[Fact]:
    """The values of one figure in one unit, in the order in which they come. Raises ``ValueError`` and its like."""
    if int(said["cik"]) != cik:
        raise ValueError(f"company {said['cik']} when asked for {cik}")
    return [
        Fact(
            end=date.fromisoformat(one["end"]),
            value=_number(one["val"]),
            accession=_accession(one["accn"]),
            form=str(one["form"]),
            filed=date.fromisoformat(one["filed"]),
        )
        for one in said["units"].get(unit, [])
    ]


def _number(said: Any) -> float:
    if type(said) not in (int, float) or not math.isfinite(said):
        raise ValueError(f"{said!r} is not a number")
    return float(said)


def _accession(said: str) -> str:
    if not _ACCESSION.fullmatch(said):
        raise ValueError(f"{said!r} is no accession number")
    return said


def _whole(said: Any) -> int:
    if type(said) is not int or said < 0:
        raise ValueError(f"{said!r} is not a whole number")
    return said


def _day(said: str | None) -> date | None:
    return date.fromisoformat(said) if said else None


def _moment(said: str | None) -> datetime | None:
    if not said:
        return None
    moment = datetime.fromisoformat(said)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
