"""The scraping service as a client meets it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from openbell.sandbox.news import articles
from openbell.sandbox.news.articles import Article
from openbell.sandbox.news.subjects import BY_SYMBOL
from tests.sandbox.harness import Running, Start


def an_article(*, guarded: bool) -> Article:
    """An article of a paper that lets everybody in, or only residential addresses."""
    now = datetime.now(UTC)
    found = articles.between([BY_SYMBOL["IBM"]], now - timedelta(days=7), now)
    return next(article for article in found if article.publisher.paywall is guarded)


def address(article: Article) -> str:
    return f"https://www.{article.publisher.domain}/{article.path}?utm_source=x"


async def scrape(sandbox: Running, url: str, **params: Any) -> httpx.Response:
    return await sandbox.client.get("/scrapfly/scrape", params={"key": "sandbox", "url": url, **params})


async def left(sandbox: Running) -> int:
    return int((await sandbox.client.get("/_control/scrapfly/credits")).json()["left"])


PRICES: list[tuple[dict[str, str], int]] = [
    ({}, 1),
    ({"render_js": "true"}, 6),
    ({"proxy_pool": "public_residential_pool"}, 25),
    ({"proxy_pool": "public_residential_pool", "render_js": "true"}, 30),
    ({"asp": "true"}, 1),
    ({"cost_budget": "1"}, 1),
]


async def test_page_and_price(sandbox: Running) -> None:
    """B4: a page comes as 200 with its content, its price in header, body and ledger, and what is left."""
    article, credits_left = an_article(guarded=False), 200_000
    for params, price in PRICES:
        answer = await scrape(sandbox, address(article), **params)
        body, credits_left = answer.json(), credits_left - price
        assert answer.status_code == 200
        assert answer.headers["x-data-class"] == "synthetic; scrape of an invented page"
        assert answer.headers["x-scrapfly-api-cost"] == str(price) == str(body["context"]["cost"]["total"])
        assert answer.headers["x-scrapfly-remaining-api-credit"] == str(credits_left)
        assert answer.headers["x-scrapfly-upstream-http-code"] == "200"
        result = body["result"]
        assert (result["success"], result["status_code"], result["error"]) == (True, 200, None)
        assert article.paragraphs[-1].replace("&", "&amp;") in result["content"]
        assert "key" not in body["config"]
        entry = (await sandbox.entries("scrapfly"))[-1]
        assert (entry["billed_credits"], entry["symbols"]) == (price, ["IBM"])
        assert entry["reference"] == body["uuid"]


async def test_the_sandbox_own_addresses(sandbox: Running) -> None:
    """An address from the feeds, redirects included, can be scraped as it is."""
    article = an_article(guarded=False)
    for path in (f"sites/{article.publisher.domain}/{article.path}", f"m/{article.uuid}/{article.slug}.html"):
        answer = await scrape(sandbox, f"{sandbox.url}/news/{path}?.tsrc=rss")
        assert article.headline.split("'")[0] in answer.json()["result"]["content"]


async def test_formats(sandbox: Running) -> None:
    """The formats text and markdown hold the words, clean_html leaves scripts, head and foot of the page out."""
    article = an_article(guarded=False)
    words = "\n\n".join((article.headline, *article.paragraphs))
    contents = [
        (await scrape(sandbox, address(article), format=form)).json()["result"]["content"]
        for form in (
            "text",
            "markdown",
            "clean_html",
        )
    ]
    assert contents[0] == words
    assert contents[1] == f"# {words}"
    assert "<script" not in contents[2]
    assert "<article>" in contents[2]


async def test_guarded_site(sandbox: Running) -> None:
    """The pool is raised by asp where a site needs it: the price is known afterwards; cost_budget stops it."""
    url = address(an_article(guarded=True))
    refused = await scrape(sandbox, url)
    assert (refused.status_code, refused.json()["result"]["status_code"]) == (200, 403)
    passed = await scrape(sandbox, url, asp="true")
    assert (passed.json()["result"]["success"], passed.headers["x-scrapfly-api-cost"]) == (True, "25")
    stopped = await scrape(sandbox, url, asp="true", cost_budget="10")
    assert (stopped.status_code, stopped.headers["x-scrapfly-reject-code"]) == (422, "ERR::SCRAPE::COST_BUDGET_LIMIT")
    assert stopped.headers["x-scrapfly-api-cost"] == "0"
    assert [entry["billed_credits"] for entry in await sandbox.entries("scrapfly")] == [1, 25, 0]
    assert await left(sandbox) == 200_000 - 26


REJECTS = [
    ("rate", 429, "ERR::THROTTLE::MAX_REQUEST_RATE_EXCEEDED", True, 0),
    ("concurrency", 429, "ERR::THROTTLE::MAX_CONCURRENT_REQUEST_EXCEEDED", True, 0),
    ("budget", 429, "ERR::THROTTLE::MAX_API_CREDIT_BUDGET_EXCEEDED", True, 0),
    ("quota", 429, "ERR::SCRAPE::QUOTA_LIMIT_REACHED", False, 0),
    ("shield", 422, "ERR::ASP::SHIELD_PROTECTION_FAILED", True, 0),
    ("proxy_timeout", 422, "ERR::PROXY::TIMEOUT", True, 0),
    ("proxy_pool", 422, "ERR::PROXY::POOL_NOT_AVAILABLE_FOR_TARGET", False, 0),
    ("upstream_timeout", 422, "ERR::SCRAPE::UPSTREAM_TIMEOUT", False, 1),
    ("dns", 422, "ERR::SCRAPE::DNS_NAME_NOT_RESOLVED", False, 1),
]


async def test_rejects(sandbox: Running) -> None:
    """B4: each code has its status, its retryable flag in headers and body, and costs what its definition says."""
    url = address(an_article(guarded=False))
    for kind, status, code, retryable, billed in REJECTS:
        await sandbox.fault(kind, provider="scrapfly", times=1)
        answer = await scrape(sandbox, url)
        error = answer.json()["result"]["error"]
        assert (answer.status_code, error["code"], error["retryable"]) == (status, code, retryable)
        assert answer.headers["x-scrapfly-reject-code"] == code
        assert answer.headers["x-scrapfly-reject-retryable"] == str(retryable).lower()
        assert answer.headers["x-scrapfly-reject-http-code"] == str(status)
        assert answer.headers["x-scrapfly-api-cost"] == str(billed)
        assert answer.json()["result"]["content"] is None
        assert error["doc_url"].endswith(code)
        assert "retry-after" not in answer.headers
    billed_credits = [entry["billed_credits"] for entry in await sandbox.entries("scrapfly")]
    assert billed_credits == [billed for *_, billed in REJECTS]


async def test_upstream_errors(sandbox: Running) -> None:
    """B4: a site's own error is a 200 of the service with the site's status, billed, not to be retried."""
    url = address(an_article(guarded=False))
    for kind, status in (("upstream_403", 403), ("upstream_404", 404), ("upstream_500", 500)):
        await sandbox.fault(kind, provider="scrapfly", times=1)
        answer = await scrape(sandbox, url)
        result = answer.json()["result"]
        assert (answer.status_code, result["success"], result["status_code"]) == (200, False, status)
        assert (result["error"]["code"], result["error"]["http_code"]) == ("ERR::SCRAPE::BAD_UPSTREAM_RESPONSE", status)
        assert answer.headers["x-scrapfly-upstream-http-code"] == str(status)
        assert answer.headers["x-scrapfly-api-cost"] == "1"
    unknown = await scrape(sandbox, "https://elsewhere.example/page")
    assert unknown.json()["result"]["status_code"] == 404


async def test_refused_without_a_bill(sandbox: Running) -> None:
    """A wrong key is a 401 without reject headers; a senseless call is a 400, another protocol a 422."""
    wrong = await sandbox.client.get("/scrapfly/scrape", params={"key": "wrong", "url": "https://a.example"})
    assert (wrong.status_code, wrong.json()["http_code"]) == (401, 401)
    assert "x-scrapfly-reject-code" not in wrong.headers
    for params in (
        {"url": ""},
        {"url": "https://a.example", "proxy_pool": "x"},
        {"url": "https://a.example", "format": "x"},
    ):
        assert (await scrape(sandbox, **params)).status_code == 400
    assert (await scrape(sandbox, "ftp://a.example/x")).status_code == 422
    assert (await sandbox.ledger())["totals"]["billed"] == 0


async def test_credits_run_out(sandbox: Running) -> None:
    """When the month's credits are used up, the next call is refused, not to be retried, and costs nothing."""
    url = address(an_article(guarded=False))
    assert (await sandbox.client.post("/_control/scrapfly/credits", json={"left": 7})).json()["left"] == 7
    assert (await scrape(sandbox, url, render_js="true")).headers["x-scrapfly-remaining-api-credit"] == "1"
    spent = await scrape(sandbox, url, render_js="true")
    assert (spent.status_code, spent.headers["x-scrapfly-reject-code"]) == (429, "ERR::SCRAPE::QUOTA_LIMIT_REACHED")
    assert (await scrape(sandbox, url)).status_code == 200
    assert await left(sandbox) == 0
    for senseless in ({"left": -1}, {"left": "x"}, {}, []):
        assert (await sandbox.client.post("/_control/scrapfly/credits", json=senseless)).status_code == 400


async def test_a_dropped_answer_is_paid(sandbox: Running) -> None:
    """A scrape whose answer is lost has been paid: its outcome is unknown to the client only."""
    await sandbox.fault("drop", provider="scrapfly", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        await scrape(sandbox, address(an_article(guarded=False)))
    [entry] = await sandbox.entries("scrapfly")
    assert (entry["status"], entry["billed_credits"]) == (None, 1)


async def test_retry_after_and_html(sandbox: Running) -> None:
    """Retry-After comes when scripted; an outage is HTML."""
    await sandbox.fault("rate", provider="scrapfly", times=1, retry_after_s=20)
    await sandbox.fault("html502", provider="scrapfly", times=1)
    url = address(an_article(guarded=False))
    assert (await scrape(sandbox, url)).headers["retry-after"] == "20"
    outage = await scrape(sandbox, url)
    assert (outage.status_code, outage.headers["content-type"]) == (502, "text/html")


async def test_credits_survive_a_restart(start: Start, tmp_path: Path) -> None:
    """With a state file what is left stays left."""
    url = address(an_article(guarded=False))
    for used in (1, 2):
        sandbox = await start(state=tmp_path / "clock.json")
        await scrape(sandbox, url)
        assert await left(sandbox) == 200_000 - used
        sandbox.stop.set()
        await sandbox.task
