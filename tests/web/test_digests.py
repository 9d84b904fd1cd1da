"""Ordering digests at the doors of a real web process: credits, joins, batches, pages."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe

from openbell.engine.database import SQL
from openbell.people import Person, add_person
from openbell.people.doors import make_link, make_token
from openbell.products.digest import batches
from openbell.products.digest.reference import import_rows
from openbell.products.digest.requests import key_for
from tests.web.conftest import Browser, Site, shot

HEAD = "ticker,name,cik,aliases,industry,competitors,upstream,downstream\n"
URL = "/api/user/run-adhoc-report"


@pytest.fixture
async def known(site: Site) -> Site:
    """A site that knows some companies."""
    rows = "".join(f"{ticker},Company {ticker},,,,,,\n" for ticker in ("AAPL", "MSFT", "IBM", "GOOG", "ORCL", "INTC"))
    async with site.pool.acquire() as conn:
        done = await import_rows(conn, HEAD + rows, source="tests", actor="tests")
    assert done.added == 6
    return site


async def somebody(site: Site, name: str = "jane", **other: Any) -> tuple[Person, dict[str, str]]:
    """A person, and the header that proves it."""
    person = await add_person(site.pool, f"{name}@example.com", state="active", actor="test", **other)
    scope: Any = "operator" if person.is_admin else "person"
    return person, {"authorization": f"Bearer {await make_token(site.pool, person, 'tests', scope)}"}


async def job_of(site: Site, key: str) -> int | None:
    """The live job of a digest."""
    found: int | None = await site.pool.fetchval(
        "select id from openbell.job where product = 'digest' and key = $1", key
    )
    return found


async def test_one_credit_for_one_digest(known: Site) -> None:
    """DG-27, DC-3: a request takes one credit with its job; again, or by another person, it joins and costs nothing."""
    site = known
    _, jane = await somebody(site)
    _, bob = await somebody(site, "bob")
    first = await site.http.post(URL, json={"ticker": "aapl"}, headers=jane)
    assert (first.status_code, first.json()["free"], first.json()["credits_remaining"]) == (202, None, 4)
    again = await site.http.post(URL, json={"ticker": "AAPL"}, headers=jane)
    joined = await site.http.post(URL, json={"ticker": "AAPL"}, headers=bob)
    assert (again.json()["free"], again.json()["credits_remaining"]) == ("joined", 4)
    assert (joined.json()["free"], joined.json()["credits_remaining"]) == ("joined", 5)
    assert first.json()["job_id"] == again.json()["job_id"] == joined.json()["job_id"]
    row = await site.pool.fetchrow("select * from openbell.job where product = 'digest'")
    assert (row["job_class"], row["id"]) == (50, first.json()["job_id"])


async def test_a_fresh_digest_costs_nothing(known: Site) -> None:
    """DG-27: what is there already is read, not made."""
    site = known
    _, jane = await somebody(site)
    key = await key_for(site.pool, "AAPL")
    await site.publish("digest", key, {"n": 1}, hint=False)
    answer = await site.http.post(URL, json={"ticker": "AAPL"}, headers=jane)
    assert (answer.json()["free"], answer.json()["job_id"], answer.json()["credits_remaining"]) == ("fresh", None, 5)


async def test_no_credit_no_job(known: Site) -> None:
    """DG-27, DG-28: with the month's credits used up it is 429 with the date of new ones, and nothing is queued."""
    site = known
    _, jane = await somebody(site)
    for ticker in ("AAPL", "MSFT", "IBM", "GOOG", "ORCL"):
        assert (await site.http.post(URL, json={"ticker": ticker}, headers=jane)).status_code == 202
    refused = await site.http.post(URL, json={"ticker": "INTC"}, headers=jane)
    assert refused.status_code == 429
    error = refused.json()["error"]
    assert (error["code"], int(refused.headers["retry-after"]) > 0) == ("no_credits", True)
    assert error["resets_at"]
    assert await job_of(site, await key_for(site.pool, "INTC")) is None


async def test_a_credit_comes_back(known: Site) -> None:
    """DG-27: a job that is cancelled gives its credit back."""
    site = known
    _, jane = await somebody(site)
    job = (await site.http.post(URL, json={"ticker": "AAPL"}, headers=jane)).json()["job_id"]
    await site.pool.fetchval(SQL.get("cancel_job"), job, "tests")
    purse = (await site.http.get("/api/v1/account", headers=jane)).json()["credits"]
    assert purse["free"] == 5


async def test_who_may_order(known: Site) -> None:
    """DG-27: only who has signed in and is active; unknown tickers and nonsense are told apart."""
    site = known
    assert (await site.http.post(URL, json={"ticker": "AAPL"})).status_code == 401
    paused = await add_person(site.pool, "p@example.com", state="active", actor="test")
    token = await make_token(site.pool, paused, "tests")
    await site.pool.execute("update openbell.person set state = 'paused' where id = $1", paused.id)
    header = {"authorization": f"Bearer {token}"}
    assert (await site.http.post(URL, json={"ticker": "AAPL"}, headers=header)).status_code in (401, 403)
    _, jane = await somebody(site)
    unknown = await site.http.post(URL, json={"ticker": "ZZZZ"}, headers=jane)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_ticker")
    for body in ({"ticker": "A B"}, {"ticker": ""}, {}, {"ticker": "AAPL", "edition": "hourly"}):
        assert (await site.http.post(URL, json=body, headers=jane)).status_code == 400


async def test_a_batch(known: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """DG-38: tickers are submitted, counted and cancelled; what was joined goes on; a full queue refuses all."""
    site = known
    _, boss = await somebody(site, "boss", role="admin")
    _, jane = await somebody(site)
    mine = (await site.http.post(URL, json={"ticker": "AAPL"}, headers=jane)).json()["job_id"]
    made = await site.http.post("/jobs/submit", json={"tickers": ["AAPL", "msft", "MSFT", "IBM"]}, headers=boss)
    assert made.status_code == 202, made.text
    assert (made.json()["total"], mine in made.json()["job_ids"], len(made.json()["job_ids"])) == (3, True, 3)
    where = f"/jobs/batch/{made.json()['batch_id']}"
    told = (await site.http.get(where, headers=boss)).json()
    assert (told["counts"]["queued"], told["progress"], told["mode"]) == (3, 0, "test")
    assert (await site.http.get(f"/jobs/{mine}", headers=boss)).json()["key"].startswith("AAPL|")
    gone = (await site.http.post(f"{where}/cancel", headers=boss)).json()
    assert gone["counts"] == {"queued": 1, "processing": 0, "completed": 0, "failed": 0, "cancelled": 2, "timeout": 0}
    assert (await site.http.post(f"{where}/cancel", headers=boss)).json()["counts"] == gone["counts"]
    assert (await site.http.get("/jobs/stats", headers=boss)).json()["waiting"] == 1
    monkeypatch.setattr(batches, "MOST_WAITING", 2)
    full = await site.http.post("/jobs/submit", json={"tickers": ["ORCL", "INTC"]}, headers=boss)
    assert (full.status_code, full.json()["error"]["code"]) == (429, "queue_full")
    assert (await site.http.get("/jobs/stats", headers=boss)).json()["waiting"] == 1
    for ask in (
        site.http.post("/jobs/submit", json={"tickers": ["IBM"]}, headers=jane),
        site.http.get("/jobs/stats", headers=jane),
        site.http.get(where, headers=jane),
    ):
        assert (await ask).status_code == 403
    assert (await site.http.get("/jobs/batch/999", headers=boss)).status_code == 404
    assert (await site.http.post("/jobs/submit", json={"tickers": ["ZZZZ"]}, headers=boss)).status_code == 404


async def test_the_edition_of_a_batch(known: Site) -> None:
    """DG-38: the type is given, or follows from how far back to look."""
    site = known
    _, boss = await somebody(site, "boss", role="admin")
    for wish, edition in (
        ({"minutes": 1440}, "daily"),
        ({"minutes": 10080}, "weekly"),
        ({"report_type": "daily"}, "daily"),
    ):
        made = await site.http.post("/jobs/submit", json={"tickers": ["AAPL"], **wish}, headers=boss)
        told = (await site.http.get(f"/jobs/batch/{made.json()['batch_id']}", headers=boss)).json()
        assert (told["report_type"], told["jobs"][0]["key"].split("|")[1]) == (edition, edition)


async def test_price_and_credits_before_the_click(known: Site) -> None:
    """DG-27, issue 6: the page says what it would take before anything is queued; the button queues it once."""
    site = known
    _, jane = await somebody(site)
    shown = await site.http.get("/digests?ticker=AAPL", headers=jane)
    assert "1 credit" in shown.text
    assert "5 of 5" in shown.text
    key = await key_for(site.pool, "AAPL")
    assert await job_of(site, key) is None, "looking orders nothing"
    ordered = await site.http.post("/digests", data={"ticker": "AAPL", "edition": ""}, headers=jane)
    assert ordered.status_code == 303
    progress = await site.http.get(ordered.headers["location"], headers=jane)
    assert "is being made" in progress.text
    assert 'http-equiv="refresh"' in progress.text
    assert "takes no credit" in (await site.http.get("/digests?ticker=AAPL", headers=jane)).text


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_to_order(known: Site, browser: Browser, scheme: str) -> None:
    """LOOK: with an offer, under way and refused: nothing that axe finds, nothing to scroll sideways on a phone."""
    site = known
    person, _ = await somebody(site)
    content = {"content": {"bullets": [1, 2, 3]}, "inputs": {"revision": 1, "outcomes": {"used": 11}}}
    for ticker in ("MSFT", "ORCL"):
        await site.publish("digest", await key_for(site.pool, ticker), content, hint=False)
    token = await make_link(site.pool, person.id, "sign-in")
    found: dict[str, object] = {}
    async with browser(color_scheme=scheme) as (_, page, complaints):
        await page.goto(f"{site.address}/sign-in/{token}")
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url("**/account**")
        for name, place in (("empty", ""), ("offer", "?ticker=AAPL"), ("refused", "?ticker=ZZZZ")):
            await page.set_viewport_size({"width": 1280, "height": 860})
            await page.goto(f"{site.address}/digests{place}")
            result = await Axe().run(page, options={"iframes": False})
            if result.violations_count:
                found[name] = [one["id"] for one in result.response["violations"]]
            await shot(page, f"digests-{name}-{scheme}")
            await page.set_viewport_size({"width": 390, "height": 844})
            if await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                found[f"{name} on a phone"] = "scrolls sideways"
            await shot(page, f"digests-{name}-{scheme}-phone")
        await page.goto(f"{site.address}/digests?ticker=AAPL")
        await page.get_by_role("button", name="Make it for 1 credit").click()
        await page.wait_for_url("**/digest/AAPL/**")
    assert found == {}
    assert [one for one in complaints if "404" not in one] == []
