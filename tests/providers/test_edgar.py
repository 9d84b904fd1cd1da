"""EDGAR: from what is on the wire to what is done about it (table B6 of the domain notes)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.engine.attempt import Attempt
from openbell.engine.errors import NothingKnown, Permanent, ProducerError, ProviderStopped, RateLimited, Transient
from openbell.providers import edgar
from openbell.providers.edgar import (
    Company,
    Edgar,
    Filing,
    Hosts,
    read_filings,
    read_submissions,
    read_tickers,
    refusal,
)
from openbell.providers.wire import Answer
from tests.engine.conftest import Employ
from tests.providers.attempts import an_attempt, became, only
from tests.providers.scripted import http, serving
from tests.sandbox.harness import Running

CONTACT = "Synthetic Tests ops@example.org"

UNDECLARED = (
    b"<!DOCTYPE html><html><head><title>SEC.gov | Your Request Originates from an Undeclared Automated Tool</title>"
)
TOO_FAST = b"<html><body><h1>Request Rate Threshold Exceeded</h1></body></html>"

ARRAYS: dict[str, list[Any]] = {
    "accessionNumber": ["0000320193-26-000001", "0000320193-25-000079"],
    "filingDate": ["2026-01-30", "2025-10-31"],
    "reportDate": ["2025-12-27", ""],
    "acceptanceDateTime": ["2026-01-30T06:01:36.000Z", ""],
    "act": ["34", ""],
    "form": ["10-Q", "8-K"],
    "fileNumber": ["001-36743", ""],
    "items": ["", "2.02,9.01"],
    "size": [6_500_000, 310_000],
    "isXBRL": [1, 0],
    "isInlineXBRL": [1, 0],
    "primaryDocument": ["synthetic-20251227.htm", ""],
    "primaryDocDescription": ["10-Q", ""],
}


@pytest.fixture
async def attempt(pool: asyncpg.Pool) -> Attempt:
    return await an_attempt(pool, edgar.limits())


@pytest.fixture
async def hosts(sandbox: Running) -> AsyncIterator[Hosts]:
    made = edgar.open_http(CONTACT, f"{sandbox.url}/edgar")
    yield made
    await made.aclose()


async def caught(work: Any) -> ProducerError:
    with pytest.raises(ProducerError) as seen:
        await work
    return seen.value


# --- reading ---------------------------------------------------------------------------------------------------------


def test_parallel_arrays_become_rows() -> None:
    """B6: each place of the arrays is one filing; what is empty is none, not an empty text."""
    first, second = read_filings(ARRAYS)
    assert first == Filing(
        accession="0000320193-26-000001",
        form="10-Q",
        filed=date(2026, 1, 30),
        period=date(2025, 12, 27),
        accepted=datetime(2026, 1, 30, 6, 1, 36, tzinfo=UTC),
        document="synthetic-20251227.htm",
        description="10-Q",
        items=[],
        bytes=6_500_000,
        is_xbrl=True,
    )
    assert (second.period, second.accepted, second.document, second.items) == (None, None, None, ["2.02", "9.01"])


@pytest.mark.parametrize("field", sorted(ARRAYS))
def test_arrays_of_different_length_are_refused(field: str) -> None:
    """B6: one value too few in any column, and every row after it would be of another filing."""
    with pytest.raises(ValueError, match="columns of 1 to 2 rows"):
        read_filings(ARRAYS | {field: ARRAYS[field][:1]})


@pytest.mark.parametrize(
    ("field", "value"),
    [("accessionNumber", "../../etc"), ("filingDate", ""), ("filingDate", "30.01.2026"), ("size", -1), ("size", "5")],
)
def test_a_row_that_cannot_be_is_refused(field: str, value: Any) -> None:
    """B6: what a row cannot be without is checked."""
    with pytest.raises(ValueError):
        read_filings(ARRAYS | {field: [value, ARRAYS[field][1]]})


def test_a_company_without_filings() -> None:
    """B6: empty arrays are no filings."""
    assert read_filings({name: [] for name in ARRAYS}) == []


def test_the_list_of_companies_is_read_by_its_column_names() -> None:
    """B6: the columns are named once, in any order; an exchange may be unknown."""
    said = {"fields": ["ticker", "cik", "exchange", "name"], "data": [["SYN", 12, None, "Synthetic Inc"]]}
    assert read_tickers(said) == [Company(12, "SYN", "Synthetic Inc", None)]


NAMES = [*ARRAYS, "fields", "data", "cik", "name", "filings", "recent", "tickers", "exchanges"]
ANYTHING = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
)


@given(ANYTHING)
def test_any_json_is_rows_or_a_typed_error(said: Any) -> None:
    """MD-7: no answer, however strange, is an untyped failure."""
    answer = Answer(200, httpx.Headers(), json.dumps(said).encode())
    for read in (read_tickers, read_submissions, read_filings):
        with suppress(Transient):
            edgar._read(read, answer)


# --- over the wire ---------------------------------------------------------------------------------------------------


async def test_company_filings_and_a_document(hosts: Hosts, attempt: Attempt) -> None:
    """B6: from the list of companies to what one has filed to the words of it; each source is cited."""
    sec = Edgar(hosts, attempt)
    companies = await sec.tickers()
    apple = next(company for company in companies if company.ticker == "AAPL")
    assert apple.exchange
    filed = await sec.submissions(apple.cik)
    assert (filed.cik, "AAPL" in filed.tickers) == (apple.cik, True)
    assert [filing.filed for filing in filed.filings] == sorted((f.filed for f in filed.filings), reverse=True)
    latest = next(filing for filing in filed.filings if filing.document)
    assert latest.document
    document = await sec.document(apple.cik, latest.accession, latest.document)
    assert document.media_type == "text/html"
    assert b"<html" in document.body[:2_000].lower()
    if filed.older:
        assert (await sec.older(filed.older[0]))[0].filed <= filed.filings[-1].filed
    assert [(s["provider"], s["operation"]) for s in attempt.sources[:3]] == [
        ("edgar", "tickers"),
        ("edgar", "submissions"),
        ("edgar", "document"),
    ]
    assert attempt.provenance["synthetic"]
    assert {settlement.state for settlement in attempt.take_ended()} == {"settled"}


async def test_nothing_is_known_of_a_company_that_is_not_there(hosts: Hosts, attempt: Attempt) -> None:
    """B6: an unknown company or document is an answer."""
    assert isinstance(await caught(Edgar(hosts, attempt).submissions(999_999_998)), NothingKnown)
    assert isinstance(await caught(Edgar(hosts, attempt).document(1, "0000000001-26-000001", "x.htm")), NothingKnown)


async def test_every_fault_has_its_meaning(sandbox: Running, hosts: Hosts, attempt: Attempt) -> None:
    """B6, PF-24: each refusal of EDGAR, as it comes over the wire, is told apart."""
    expected: list[tuple[str, type[ProducerError], str, timedelta | None]] = [
        ("undeclared", ProviderStopped, "undeclared_tool", timedelta(hours=1)),
        ("rate", RateLimited, "rate_limited", timedelta(minutes=10)),
        ("html503", Transient, "outage", None),
        ("drop", Transient, "broken", None),
        ("cut", Transient, "broken", None),
    ]
    for fault, kind, code, pause in expected:
        await sandbox.fault(fault, provider="edgar", times=1)
        error = await caught(Edgar(hosts, attempt).submissions(320_193))
        assert (type(error), error.code, error.retry_after) == (kind, code, pause), fault
        assert error.provider == "edgar"
        troubled = {"html503": "outage", "drop": "broken", "cut": "broken"}
        assert only(attempt).trouble == troubled.get(fault)


async def test_a_company_with_empty_pages(sandbox: Running, hosts: Hosts, attempt: Attempt) -> None:
    """B6: empty arrays are no filings, an empty list no companies."""
    await sandbox.fault("empty", provider="edgar", path="data/submissions/*")
    assert (await Edgar(hosts, attempt).submissions(320_193)).filings == []


async def test_the_sandbox_wants_to_know_who_we_are(sandbox: Running, attempt: Attempt) -> None:
    """B6: without our own check, EDGAR's answer would be the page about undeclared tools; so the two agree."""
    hosts = edgar.open_http(CONTACT, f"{sandbox.url}/edgar")
    hosts.data.headers["user-agent"] = "python"
    assert (await caught(Edgar(hosts, attempt).submissions(320_193))).code == "undeclared_tool"
    await hosts.aclose()


async def test_without_a_contact_no_call_is_begun(attempt: Attempt) -> None:
    """B6: EDGAR is not even asked, nothing is spent, and the operator is told what to set."""
    async with serving({}) as server:
        for contact in (None, "", "nobody", "no@host", "two@@example.org", "ops@example.org\r\nx: y", "@."):
            hosts = edgar.open_http(contact, server.url)
            error = await caught(Edgar(hosts, attempt).tickers())
            await hosts.aclose()
            seen = (type(error), error.code, error.provider)
            assert seen == (ProviderStopped, "contact_missing", "edgar"), contact
        assert server.asked == []
    assert attempt.take_ended() == []


async def test_the_contact_goes_with_every_request(attempt: Attempt) -> None:
    """B6: SEC reads name and mail address from the User-Agent."""
    async with serving({"*": http(200, b'{"fields": ["cik", "ticker", "name", "exchange"], "data": []}')}) as server:
        hosts = edgar.open_http(CONTACT, server.url)
        assert await Edgar(hosts, attempt).tickers() == []
        await hosts.aclose()
        assert server.asked[0].headers["user-agent"] == f"openbell/0.1 {CONTACT}".lower()
        assert "gzip" in server.asked[0].headers["accept-encoding"]


async def test_the_wrong_company_is_refused(attempt: Attempt) -> None:
    """A3: figures of another company are worse than none."""
    head = {"cik": "2", "name": "Other", "tickers": [], "exchanges": [], "filings": {"recent": {}, "files": []}}
    async with serving({"*": http(200, json.dumps(head).encode())}) as server:
        hosts = edgar.open_http(CONTACT, server.url)
        error = await caught(Edgar(hosts, attempt).submissions(1))
        assert (type(error), error.code) == (Permanent, "wrong_company")
        assert server.targets == ["/data/submissions/CIK0000000001.json"]
        await hosts.aclose()


@pytest.mark.parametrize(
    ("accession", "name"),
    [
        ("0000320193-26-000001", "../../../etc/passwd"),
        ("0000320193-26-000001", "/etc/passwd"),
        ("0000320193-26-000001", "a/./b"),
        ("0000320193-26-000001", "x.htm?y=1"),
        ("0000320193-26-000001", ""),
        ("000032019326000001", "x.htm"),
    ],
)
async def test_a_document_cannot_lead_elsewhere(accession: str, name: str) -> None:
    """DG-9: what stands in an answer becomes a path only when it is the name of a document."""
    nobody: Any = None
    with pytest.raises(ValueError, match="is no document of a filing"):
        await Edgar(nobody, nobody).document(320_193, accession, name)


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (403, UNDECLARED, ProviderStopped, "undeclared_tool"),
        (403, TOO_FAST, RateLimited, "rate_limited"),
        (429, b"", RateLimited, "rate_limited"),
        (403, b"<html>something new</html>", ProviderStopped, "access_denied"),
        (403, b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", Permanent, "http_403"),
        (400, b"", Permanent, "http_400"),
        (503, b"", Transient, "outage"),
    ],
)
def test_words_and_status_decide(status: int, body: bytes, kind: type[ProducerError], code: str) -> None:
    """B6: two refusals share a status and are told apart by their words."""
    error = refusal(Answer(status, httpx.Headers(), body), "x")
    assert (type(error), error.code) == (kind, code)


# --- what the worker does about it -----------------------------------------------------------------------------------


async def test_without_a_contact_everybody_waits(pool: asyncpg.Pool, employ: Employ) -> None:
    """B6, MD-19: an operator who has not said who asks is a reason to pause, and uses no attempt."""
    async with serving({}) as server:
        hosts = edgar.open_http(None, server.url)
        seen = await became(pool, employ, edgar.limits(), lambda attempt: Edgar(hosts, attempt).tickers())
        await hosts.aclose()
        assert server.asked == []
    assert (seen.state, seen.attempts) == ("waiting", 0)
    assert timedelta(minutes=59) < seen.paused["edgar"] <= timedelta(hours=1)


async def test_no_more_than_nine_calls_a_second(attempt: Attempt) -> None:
    """B6: what SEC counts is kept for all processes together, a little below what it allows."""
    async with serving({"*": http(200, b'{"fields": ["cik", "ticker", "name", "exchange"], "data": []}')}) as server:
        hosts = edgar.open_http(CONTACT, server.url)
        for _ in range(9):
            await Edgar(hosts, attempt).tickers()
        assert (await caught(Edgar(hosts, attempt).tickers())).code == "account_full"
        assert len(server.asked) == 9
        await hosts.aclose()
