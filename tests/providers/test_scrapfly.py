"""The ScrapFly client: what a page costs, what a refusal means, and where the key is not (domain notes B4)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.engine.errors import Permanent, ProducerError, ProviderStopped, RateLimited, Transient
from openbell.providers import scrapfly
from openbell.providers.scrapfly import Page, Pool, Scrapfly, limits, most_credits, read_page
from openbell.providers.wire import Answer
from openbell.sandbox.news import articles
from openbell.sandbox.news.subjects import BY_SYMBOL
from tests.providers.conftest import KEY
from tests.providers.seat import Seat
from tests.sandbox.harness import Running, Start

MINUTE = timedelta(minutes=1)


@dataclass
class Desk:
    """The service, the seat from which it is asked, and a page that it can fetch."""

    http: httpx.AsyncClient
    seat: Seat
    sandbox: Running
    url: str

    @property
    def service(self) -> Scrapfly:
        return Scrapfly(self.http, self.seat.attempt)

    async def last(self) -> asyncpg.Record:
        """The spend of the last call, as it is written."""
        await self.seat.go_on()
        return (await self.seat.spends())[-1]

    async def billed(self) -> int:
        """Credits, as the service counts them."""
        return sum(entry["billed_credits"] for entry in await self.sandbox.entries("scrapfly"))


def an_address(*, guarded: bool = False) -> str:
    """The address of an article, of a paper that lets everybody in or only residential addresses."""
    now = datetime.now(UTC)
    found = articles.between([BY_SYMBOL["IBM"]], now - timedelta(days=7), now)
    article = next(one for one in found if one.publisher.paywall is guarded)
    return f"https://www.{article.publisher.domain}/{article.path}"


@pytest.fixture
async def desk(pool: asyncpg.Pool, sandbox: Running) -> AsyncIterator[Desk]:
    """An account with the credits of the `discovery` plan."""
    seat = await Seat.take(pool, "scrapfly", limits("discovery", calls_per_minute=1_000))
    async with scrapfly.open_http(f"{sandbox.url}/scrapfly", "sandbox") as http:
        yield Desk(http, seat, sandbox, an_address())


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    """What came over the wire, written by hand; underscores in names of headers are hyphens."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()}), raw)


# --- pages and what they cost ----------------------------------------------------------------------------------------


async def test_a_page_costs_what_the_service_says(desk: Desk) -> None:
    """PF-21: the most that a page may cost is held, what the header says is settled; the ledgers agree."""
    ways: list[tuple[dict[str, Any], int, int]] = [
        ({}, 1, 1),
        ({"render_js": True}, 6, 6),
        ({"asp": True}, 30, 1),
        ({"pool": "public_residential_pool"}, 25, 25),
        ({"asp": True, "budget": 10}, 10, 1),
    ]
    for options, held, cost in ways:
        page = await desk.service.scrape(desk.url, **options)
        assert (page.status, page.credits) == (200, cost)
        assert len(page.content) > 200
        spend = await desk.last()
        assert (spend["held"]["credits"], spend["took"]["credits"], spend["word"]) == (held, cost, "settled")
    assert await desk.billed() == sum(cost for _, _, cost in ways)


async def test_protection_raises_the_price_afterwards(desk: Desk) -> None:
    """B4: with protection the service may change to the dearest network; the hold has covered that."""
    page = await desk.service.scrape(an_address(guarded=True), asp=True)
    assert page.credits == 25
    spend = await desk.last()
    assert spend["took"]["credits"] == await desk.billed() == 25


async def test_the_hold_is_the_budget(desk: Desk) -> None:
    """B4, PF-19: what may not be spent is told to the service, which stops there and takes nothing."""
    with pytest.raises(Permanent) as caught:
        await desk.service.scrape(an_address(guarded=True), asp=True, budget=3)
    assert caught.value.code in ("cost_budget", "page_forbidden")
    spend = await desk.last()
    assert spend["took"]["credits"] == await desk.billed() <= 3


async def test_the_source_is_cited(desk: Desk) -> None:
    """DC-10: provider, operation and host, and that the page is invented; no key."""
    page = await desk.service.scrape(desk.url, format="text")
    source = desk.seat.attempt.provenance
    assert (source["provider"], source["operation"]) == ("scrapfly", "scrape")
    assert source["synthetic"] == page.synthetic
    assert page.synthetic
    assert set(source) == {"provider", "operation", "host", "synthetic", "calls"}


async def test_no_credits_no_page(pool: asyncpg.Pool, sandbox: Running) -> None:
    """PF-19: when the month's credits do not cover the page, nothing is sent."""
    seat = await Seat.take(pool, "scrapfly", limits("free", margin=0.02))
    async with scrapfly.open_http(f"{sandbox.url}/scrapfly", "sandbox") as http:
        with pytest.raises(Permanent) as caught:
            await Scrapfly(http, seat.attempt).scrape("https://example.org/", asp=True)
    assert caught.value.code == "limit_too_small"
    assert await sandbox.entries("scrapfly") == []


@pytest.mark.parametrize(
    ("asp", "render_js", "pool", "most"),
    [
        (False, False, "public_datacenter_pool", 1),
        (False, True, "public_datacenter_pool", 6),
        (False, False, "public_residential_pool", 25),
        (False, True, "public_residential_pool", 30),
        (True, False, "public_datacenter_pool", 30),
    ],
)
def test_the_most_a_page_may_cost(asp: bool, render_js: bool, pool: Pool, most: int) -> None:
    """B4: network and browser add up; protection may choose the dearest of both by itself."""
    assert most_credits(asp=asp, render_js=render_js, pool=pool) == most


def test_plans_become_limits() -> None:
    """PF-19: the credits of the plan with a margin, and the throttles of the project."""
    by_name = {(one.resource, one.period): one.granted for one in limits("pro", calls_per_minute=90, at_once=5)}
    assert by_name == {("credits", "31 days"): 950_000, ("calls", "minute"): 90, ("calls", "at once"): 5}
    assert {one.resource for one in limits("free")} == {"credits", "calls"}
    with pytest.raises(KeyError):
        limits("free lunch")


# --- refusals --------------------------------------------------------------------------------------------------------

WIRE: list[tuple[str, type[ProducerError], str, timedelta | None]] = [
    ("rate", RateLimited, "rate_limited", MINUTE),
    ("concurrency", RateLimited, "too_many_at_once", timedelta(seconds=5)),
    ("budget", RateLimited, "credit_budget", timedelta(hours=1)),
    ("quota", ProviderStopped, "account_exhausted", None),
    ("cost_budget", Permanent, "cost_budget", None),
    ("shield", Transient, "asp_shield_protection_failed", None),
    ("proxy_timeout", Transient, "proxy_timeout", None),
    ("proxy_pool", Permanent, "proxy_pool_not_available_for_target", None),
    ("upstream_timeout", Permanent, "scrape_upstream_timeout", None),
    ("dns", Permanent, "scrape_dns_name_not_resolved", None),
    ("config", Permanent, "scrape_config_error", None),
    ("upstream_403", Permanent, "page_forbidden", None),
    ("upstream_404", Permanent, "page_gone", None),
    ("upstream_500", Permanent, "page_unavailable", None),
    ("html502", Transient, "outage", None),
    ("reset", Transient, "broken", None),
    ("drop", Transient, "broken", None),
    ("cut", Transient, "broken", None),
]


async def test_every_refusal_has_its_meaning(desk: Desk) -> None:
    """PF-8: each error of the service is told apart as it comes over the wire; the flag `retryable` is trusted."""
    for fault, kind, code, pause in WIRE:
        before = await desk.billed()
        await desk.sandbox.fault(fault, provider="scrapfly", times=1)
        with pytest.raises(ProducerError) as caught:
            await desk.service.scrape(desk.url)
        assert (fault, type(caught.value), caught.value.code) == (fault, kind, code)
        assert caught.value.retry_after == pause
        spend = await desk.last()
        assert spend["word"] == "settled"
        told = fault not in ("reset", "drop", "cut", "html502")
        assert spend["took"].get("credits", spend["held"]["credits"]) >= await desk.billed() - before
        if told:
            assert spend["took"]["credits"] == await desk.billed() - before


async def test_a_wrong_key_stops_the_service(desk: Desk) -> None:
    """PF-8, PF-41: the refusal of a key names the setting and not the key, and takes no credits."""
    async with scrapfly.open_http(f"{desk.sandbox.url}/scrapfly", KEY) as http:
        with pytest.raises(ProviderStopped) as caught:
            await Scrapfly(http, desk.seat.attempt).scrape(desk.url)
    assert caught.value.code == "bad_key"
    assert "SCRAPFLY_API_KEY" in str(caught.value)
    assert (await desk.last())["took"]["credits"] == 0


CODES: list[tuple[str, bool | None, type[ProducerError], str]] = [
    ("ERR::ACCOUNT::PAYMENT_REQUIRED", False, ProviderStopped, "account_exhausted"),
    ("ERR::ACCOUNT::SUSPENDED", False, ProviderStopped, "account_suspended"),
    ("ERR::SCRAPE::PROJECT_QUOTA_LIMIT_REACHED", True, ProviderStopped, "account_exhausted"),
    ("ERR::SCRAPE::TOO_MANY_CONCURRENT_REQUEST", True, RateLimited, "too_many_at_once"),
    ("ERR::NEW::KIND", True, Transient, "new_kind"),
    ("ERR::NEW::KIND", False, Permanent, "new_kind"),
    ("ERR::NEW::KIND", None, Permanent, "new_kind"),
]


@pytest.mark.parametrize(("code", "retryable", "kind", "ours"), CODES)
def test_codes_in_body_or_header(code: str, retryable: bool | None, kind: type[ProducerError], ours: str) -> None:
    """B4: a code is found in the header, in the result and in the bare form; what is new follows its flag."""
    error = {"code": code, "message": "…", **({} if retryable is None else {"retryable": retryable})}
    flag = {} if retryable is None else {"x_scrapfly_reject_retryable": str(retryable).lower()}
    told = [
        answer({"result": {"error": error}}, 422),
        answer({"status": "error", "http_code": 422, **error}, 422),
        answer(b"<html>", 422, x_scrapfly_reject_code=code, **flag),
    ]
    for one in told:
        refused = read_page(one)
        assert isinstance(refused, ProducerError)
        assert (type(refused), refused.code) == (kind, ours)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, Permanent, "http_400"),
        (401, ProviderStopped, "bad_key"),
        (402, ProviderStopped, "account_exhausted"),
        (422, Permanent, "http_422"),
        (429, RateLimited, "rate_limited"),
        (500, Transient, "outage"),
    ],
)
def test_a_bare_status_decides_without_words(status: int, kind: type[ProducerError], code: str) -> None:
    """PF-8: when there is no code, the status says what it is."""
    error = read_page(answer(b"", status))
    assert isinstance(error, ProducerError)
    assert (type(error), error.code) == (kind, code)


@pytest.mark.parametrize(("status", "retryable", "kind"), [(503, True, Transient), (503, False, Permanent)])
def test_the_flag_decides_about_pages_too(status: int, retryable: bool, kind: type[ProducerError]) -> None:
    """B4: a page whose server is out of order is tried again if the service says that it may be."""
    error = {"code": "ERR::SCRAPE::BAD_UPSTREAM_RESPONSE", "retryable": retryable}
    refused = read_page(answer({"result": {"status_code": status, "success": False, "error": error}}))
    assert type(refused) is kind


def test_without_an_error_the_page_decides() -> None:
    """B4: a page that its server refuses is no page, also where the service adds no error."""
    refused = read_page(answer({"result": {"status_code": 404, "content": "gone", "success": True}}))
    assert isinstance(refused, Permanent)
    assert refused.code == "page_gone"
    assert isinstance(read_page(answer({"result": {"status_code": 200, "success": True}})), Transient)


@given(status=st.integers(100, 599), body=st.binary(max_size=200))
def test_any_answer_is_a_page_or_a_typed_error(status: int, body: bytes) -> None:
    """PF-8: no answer of the service, however strange, is an untyped failure."""
    assert isinstance(read_page(answer(body, status)), (Page, ProducerError))


# --- the key ---------------------------------------------------------------------------------------------------------


async def test_the_key_is_nowhere(pool: asyncpg.Pool, start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """PF-41: the key travels in the address, and is in no log at the finest level, no error, no repr and no row."""
    caplog.set_level("DEBUG")
    sandbox = await start(key=KEY)
    seat = await Seat.take(pool, "scrapfly", limits("discovery"))
    errors: list[BaseException | None] = []
    async with scrapfly.open_http(f"{sandbox.url}/scrapfly", KEY) as http:
        service = Scrapfly(http, seat.attempt)
        await service.scrape(an_address())
        for fault in ("drop", "html502", "shield", "quota"):
            await sandbox.fault(fault, provider="scrapfly", times=1)
            with pytest.raises(ProducerError) as caught:
                await service.scrape(an_address())
            errors += [caught.value, caught.value.__cause__]
        shown = [repr(http), repr(http._transport)]
    for error in errors:
        request = getattr(error, "request", None) if isinstance(error, httpx.HTTPError) else None
        shown += [repr(error), repr(request), str(request.url) if request else ""]
    await seat.go_on()
    shown += [record.getMessage() + str(record.exc_text) + str(record.args) for record in caplog.records]
    shown += [str(dict(spend)) for spend in await seat.spends()] + [str(seat.attempt.sources)]
    assert len(await sandbox.entries("scrapfly")) == 5
    assert len(caplog.records) > 20
    assert not [text for text in shown if KEY in text]


async def test_the_key_follows_no_redirect(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """PF-41: a redirect of the service is an error; the key is not carried to wherever it points."""
    left: list[str] = []

    async def redirect(transport: Any, request: httpx.Request) -> httpx.Response:
        left.append(str(request.url))
        return httpx.Response(302, headers={"location": "https://example.org/"})

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", redirect)
    async with scrapfly.open_http(desk.sandbox.url, KEY) as http:
        with pytest.raises(Permanent):
            await Scrapfly(http, desk.seat.attempt).scrape(desk.url)
    assert len(left) == 1
    assert KEY in left[0]
