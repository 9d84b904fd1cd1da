"""EDGAR as a client meets it."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import httpx

from openbell.sandbox.companies import COMPANIES
from openbell.sandbox.edgar import filings
from openbell.sandbox.edgar.filings import BY_CIK, FILERS, filed_until
from tests.sandbox.harness import Running

AGENT = "Openbell tests admin@openbell.example"
APPLE = "CIK0000320193"
ARRAYS = {
    *("accessionNumber", "filingDate", "reportDate", "acceptanceDateTime", "act", "form", "fileNumber", "items"),
    *("size", "isXBRL", "isInlineXBRL", "primaryDocument", "primaryDocDescription"),
}


async def get(sandbox: Running, path: str, agent: str = AGENT, **params: str) -> httpx.Response:
    return await sandbox.client.get(f"/edgar/{path}", params=params, headers={"user-agent": agent})


async def rows(sandbox: Running, path: str, **params: str) -> Any:
    answer = await get(sandbox, path, **params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-data-class"] == "synthetic; invented filings"
    return answer.json()


async def test_tickers(sandbox: Running) -> None:
    """B6: both lists know every company of the sandbox; invented ones have a number and no exchange."""
    by_number = await rows(sandbox, "www/files/company_tickers.json")
    assert by_number["0"] == {"cik_str": 320193, "ticker": "AAPL", "title": "Apple Inc."}
    table = await rows(sandbox, "www/files/company_tickers_exchange.json")
    assert table["fields"] == ["cik", "name", "ticker", "exchange"]
    assert table["data"][0] == [320193, "Apple Inc.", "AAPL", "Nasdaq"]
    assert table["data"][-1][3] is None
    assert len(table["data"]) == len(by_number) == len(COMPANIES) == len({row[0] for row in table["data"]})


async def test_submissions_are_parallel_arrays(sandbox: Running) -> None:
    """B6: head fields, arrays of one length, newest first; what is older is in a file of its own."""
    found = await rows(sandbox, f"data/submissions/{APPLE}.json")
    assert (found["cik"], found["name"], found["tickers"]) == ("0000320193", "Apple Inc.", ["AAPL"])
    assert (found["exchanges"], found["fiscalYearEnd"], found["sic"]) == (["Nasdaq"], "0930", "3571")
    recent = found["filings"]["recent"]
    assert set(recent) == ARRAYS
    assert {len(values) for values in recent.values()} == {40}
    assert recent["filingDate"] == sorted(recent["filingDate"], reverse=True)
    assert set(recent["form"]) == {"10-K", "10-Q", "8-K"}
    assert recent["filingDate"][0] <= f"{datetime.now(UTC):%Y-%m-%d}"
    [file] = found["filings"]["files"]
    older = await rows(sandbox, f"data/submissions/{file['name']}")
    assert set(older) == ARRAYS
    assert len(older["form"]) == file["filingCount"]
    assert (older["filingDate"][0], older["filingDate"][-1]) == (file["filingTo"], file["filingFrom"])
    assert file["filingTo"] <= recent["filingDate"][-1]
    assert not set(older["accessionNumber"]) & set(recent["accessionNumber"])


async def test_documents(sandbox: Running) -> None:
    """B6: each filing's document is at its address, of the size that was told, and says that it is synthetic."""
    recent = (await rows(sandbox, f"data/submissions/{APPLE}.json"))["filings"]["recent"]
    for form in ("10-K", "8-K"):
        n = recent["form"].index(form)
        folder = recent["accessionNumber"][n].replace("-", "")
        answer = await get(sandbox, f"www/Archives/edgar/data/320193/{folder}/{recent['primaryDocument'][n]}")
        assert answer.status_code == 200
        assert len(answer.content) == recent["size"][n]
        assert f"FORM {form}" in answer.text
        assert "Synthetic filing" in answer.text
    assert (await get(sandbox, f"www/Archives/edgar/data/320193/{folder}/other.htm")).status_code == 404


async def test_facts_agree_with_the_filings(sandbox: Running) -> None:
    """B6: the reported values name their filing, and the newest stands in its document."""
    facts = (await rows(sandbox, f"data/api/xbrl/companyfacts/{APPLE}.json"))["facts"]
    assert set(facts) == {"us-gaap", "dei"}
    revenue = facts["us-gaap"]["Revenues"]["units"]["USD"]
    assert all(isinstance(value["val"], int) for value in revenue)
    assert {value["form"] for value in revenue} == {"10-K", "10-Q"}
    assert "start" not in facts["us-gaap"]["Assets"]["units"]["USD"][0]
    filing = next(f for f in filed_until(BY_CIK[320193], datetime.now(UTC)) if f.accession == revenue[-1]["accn"])
    page = await get(sandbox, f"www/Archives/edgar/data/320193/{filing.accession.replace('-', '')}/{filing.document}")
    assert f"Revenue was ${revenue[-1]['val']:,}" in page.text
    concept = await rows(sandbox, f"data/api/xbrl/companyconcept/{APPLE}/us-gaap/Revenues.json")
    assert concept["units"]["USD"] == revenue
    assert (await get(sandbox, f"data/api/xbrl/companyconcept/{APPLE}/us-gaap/Nothing.json")).status_code == 404


async def test_years_are_the_sums_of_their_quarters() -> None:
    """The revenue of a fiscal year is that of its four quarters, the last of which only the 10-K covers."""
    reports = [f for f in filed_until(FILERS[0], datetime(2026, 1, 1, tzinfo=UTC)) if f.figures]
    by_year = {year: [f for f in reports if f.fiscal_year == year] for year in (2023, 2024, 2025)}
    for year, made in by_year.items():
        assert sorted(f.fiscal_period for f in made) == ["FY", "Q1", "Q2", "Q3"]
        parts = {f.fiscal_period: f.figures["Revenues"] for f in made if f.figures}
        assert parts["FY"] == sum(parts[q] for q in ("Q1", "Q2", "Q3")) + filings._quarter_revenue(FILERS[0], year, 9)


def test_filings_never_change() -> None:
    """Time adds filings and changes none; numbers are unique; nothing is filed on a weekend."""
    early, late = (filed_until(FILERS[7], datetime(2026, month, 15, tzinfo=UTC)) for month in (2, 11))
    assert len(late) > len(early) > 100
    assert late[-len(early) :] == early
    assert len({f.accession for f in late}) == len(late)
    assert all(f.filed.weekday() < 5 and f.period <= f.filed <= date(2026, 11, 15) for f in late)


async def test_full_text_search(sandbox: Running) -> None:
    """B6: words, forms and dates narrow the search; there are at most 100 hits a page."""
    params = {
        "q": "Microsoft risk",
        "forms": "10-K",
        "dateRange": "custom",
        "startdt": "2024-01-01",
        "enddt": "2025-12-31",
    }
    found = (await rows(sandbox, "efts/LATEST/search-index", **params))["hits"]
    assert found["total"] == {"value": 2, "relation": "eq"}
    for hit in found["hits"]:
        assert hit["_source"]["display_names"] == ["Microsoft Corporation  (MSFT)  (CIK 0000789019)"]
        assert hit["_source"]["form"] == "10-K"
        assert "2024-01-01" <= hit["_source"]["file_date"] <= "2025-12-31"
        assert hit["_id"].startswith(hit["_source"]["adsh"] + ":")
    many = (await rows(sandbox, "efts/LATEST/search-index", q="synthetic", forms="10-Q"))["hits"]
    assert many["total"]["value"] > 200
    assert len(many["hits"]) == 100
    more = (await rows(sandbox, "efts/LATEST/search-index", q="synthetic", forms="10-Q", **{"from": "100"}))["hits"]
    assert not {hit["_id"] for hit in more["hits"]} & {hit["_id"] for hit in many["hits"]}
    assert (await get(sandbox, "efts/LATEST/search-index", q="x", startdt="yesterday")).status_code == 400


async def test_undeclared_tools_are_refused(sandbox: Running) -> None:
    """B6: without a contact in the User-Agent the answer is a 403 page, not JSON."""
    for agent in ("", "python-httpx/0.28", "Openbell"):
        answer = await get(sandbox, f"data/submissions/{APPLE}.json", agent=agent)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html")
        assert "Undeclared Automated Tool" in answer.text


async def test_more_than_ten_a_second(sandbox: Running) -> None:
    """B6: the eleventh request within a second is a 403 page, and so is every one for ten minutes after."""
    path = "data/submissions/CIK0000051143-submissions-001.json"
    answers = await asyncio.gather(*(get(sandbox, path) for _ in range(30)))
    assert Counter(answer.status_code for answer in answers) == {200: 10, 403: 20}
    answers.append(await get(sandbox, path))
    assert answers[-1].status_code == 403
    assert "Request Rate Threshold Exceeded" in answers[-1].text
    assert "retry-after" not in answers[-1].headers
    assert 500 < (await sandbox.client.get("/_control/edgar/block")).json()["blocked_s"] <= 600
    assert (await sandbox.client.delete("/_control/edgar/block")).json() == {"blocked_s": 0.0}
    assert (await get(sandbox, path)).status_code == 200


async def test_faults_and_unknown_companies(sandbox: Running) -> None:
    """Scripted refusals are as the real ones; an unknown company is a 404 page, an empty one has no filings."""
    path = f"data/submissions/{APPLE}.json"
    for kind, status in (("undeclared", 403), ("rate", 403), ("html503", 503)):
        await sandbox.fault(kind, provider="edgar", symbol="AAPL", times=1)
        answer = await get(sandbox, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html")
    await sandbox.fault("empty", provider="edgar", times=1)
    assert (await rows(sandbox, path))["filings"]["recent"]["form"] == []
    for unknown in ("data/submissions/CIK0000000001.json", "data/submissions/CIKx.json", "www/nothing"):
        assert (await get(sandbox, unknown)).status_code == 404
