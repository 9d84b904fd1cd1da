"""Issue 4: each documented error form of the providers, from the wire to what a worker does about it (B1 to B8)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import date, time, timedelta
from email.message import EmailMessage
from typing import Any, Literal
from zoneinfo import ZoneInfo

import asyncpg
import httpx
import pytest
from pydantic import BaseModel

from openbell.engine.attempt import Attempt
from openbell.engine.runner import RATE_PAUSE, STOPPED_PAUSE
from openbell.products import registry
from openbell.products.context import contexts
from openbell.products.sources import Connections, Source
from openbell.providers import edgar, fmp, llm, mail, news, pageviews, perplexity, scrapfly
from openbell.providers.edgar import Edgar
from openbell.providers.fmp import Fmp
from openbell.providers.mail import Mailer, Relay
from openbell.providers.news import Feed, News
from openbell.providers.outbound import Fetcher
from openbell.providers.pageviews import Pageviews
from openbell.providers.perplexity import Ask, Perplexity
from openbell.providers.scrapfly import Scrapfly
from tests.engine.conftest import Employ
from tests.engine.hand import ended, queue
from tests.providers.attempts import Became, Trial
from tests.providers.scripted import http, serving
from tests.sandbox.harness import Running
from tests.support import Clock, eventually

BUDGET = 100_000_000
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)

Action = tuple[str, Any]
"""What becomes of a job, with a code or a time: it `fails` or is `empty`; it `waits` while everybody pauses; or it
`retries`, or `rests` without using an attempt, while others go on."""


def action(seen: Became, provider: str) -> Action:
    """What was done, in the words of the tables below."""
    if seen.state in ("failed", "empty"):
        assert seen.paused == {}
        return {"failed": "fails", "empty": "empty"}[seen.state], seen.code
    if seen.state == "waiting":
        assert (seen.attempts, list(seen.paused)) == (0, [provider])
        return "waits", seen.paused[provider]
    assert (seen.state, seen.paused) == ("parked", {})
    return "retries" if seen.attempts else "rests", seen.delay


def agrees(seen: Action, wanted: Action, took: timedelta) -> bool:
    """Whether it is what was wanted; a pause may be as much shorter as it took to see it, and jitter is nobody's
    business.
    """
    if seen[0] == wanted[0] and isinstance(wanted[1], timedelta):
        return seen[1] is not None and wanted[1] - took <= seen[1] <= wanted[1]
    return seen[0] == wanted[0] and wanted[1] in (None, seen[1])


async def judged(
    trial: Trial, provider: str, forms: dict[str, Action], arrange: Callable[[str], Awaitable[Any]]
) -> dict[str, Action]:
    """The forms of which a worker made something else than is written down, and what it made of them."""
    wrong = {}
    for form, wanted in forms.items():
        await arrange(form)
        end = await trial.of(form)
        seen = action(end, provider)
        await trial.forget()
        if not agrees(seen, wanted, end.took):
            wrong[form] = seen
    return wrong


# --- B1: FMP ---------------------------------------------------------------------------------------------------------


def said(text: str) -> str:
    return json.dumps({"Error Message": text})


LIMIT = "Limit Reach . Please upgrade your plan or visit our documentation for more details"
EXCLUSIVE = said("Exclusive Endpoint : This endpoint is not available under your current subscription agreement")
SPECIAL = "Premium Query Parameter: 'Special {} is not available under your current subscription"
OUTAGE = "<html><head><title>502 Bad Gateway</title></head></html>"

FMP: list[tuple[int, str, Action]] = [
    (401, said("Invalid API KEY. Please retry or visit our documentation"), ("waits", STOPPED_PAUSE)),
    (402, "Restricted Endpoint: This endpoint is not available", ("fails", "endpoint_not_in_plan")),
    (402, SPECIAL.format("Endpoint : This value set for 'symbol'"), ("fails", "symbol_not_in_plan")),
    (402, SPECIAL.format("Endpoint : This value set for 'period'"), ("fails", "parameter_not_in_plan")),
    (402, SPECIAL.format("Parameters : The values for 'limit'"), ("fails", "parameter_not_in_plan")),
    (402, EXCLUSIVE, ("fails", "endpoint_not_in_plan")),
    (403, EXCLUSIVE, ("fails", "endpoint_not_in_plan")),
    (403, said("Legacy Endpoint : Due to Legacy endpoints being no longer supported"), ("fails", "legacy_endpoint")),
    (403, said("Account suspended. Please contact us"), ("waits", STOPPED_PAUSE)),
    (429, said(LIMIT), ("waits", MINUTE)),
    (429, said(f"Bandwidth {LIMIT}"), ("waits", DAY)),
    (200, said(LIMIT), ("waits", MINUTE)),
    (200, said(f"Bandwidth {LIMIT}"), ("waits", DAY)),
    (200, said("Invalid API KEY."), ("waits", STOPPED_PAUSE)),
    (200, said("Account suspended."), ("waits", STOPPED_PAUSE)),
    (200, EXCLUSIVE, ("fails", "endpoint_not_in_plan")),
    (404, "<html><head><title>404 Not Found</title></head></html>", ("fails", "http_404")),
    (404, "[]", ("fails", "http_404")),
    (500, OUTAGE, ("retries", None)),
    (502, OUTAGE, ("retries", None)),
    (503, OUTAGE, ("retries", None)),
]


async def test_what_a_worker_does_about_fmp(pool: asyncpg.Pool, employ: Employ) -> None:
    """B1, MD-21: each row of the table, as it was captured; what the plan does not include is left alone for a week."""
    answers: dict[str, Any] = {}
    forms = {f"{status} {text[:60]} {number}": (status, text) for number, (status, text, _) in enumerate(FMP)}

    async def arrange(form: str) -> None:
        status, text = forms[form]
        answers["*"] = http(status, text.encode())

    async with serving(answers) as server, fmp.open_http(server.url, "key") as wire:
        trial = await Trial.begin(
            pool, employ, fmp.limits("ultimate"), lambda attempt: Fmp(wire, attempt).quote("AAPL")
        )
        wanted = dict(zip(forms, (row[2] for row in FMP), strict=True))
        assert await judged(trial, "fmp", wanted, arrange) == {}
        rests = {form: await trial.rests(form) for form, what in wanted.items() if "not_in_plan" in str(what[1])}
    assert {7 * DAY - MINUTE < (one or MINUTE) <= 7 * DAY for one in rests.values()} == {True}


@pytest.mark.parametrize("fault", ["restricted_endpoint", "exclusive"])
async def test_an_endpoint_outside_the_plan_is_asked_for_once_a_week(
    pool: asyncpg.Pool, sandbox: Running, employ: Employ, clock: Clock, fault: str
) -> None:
    """B1: no symbol asks for the endpoint any more, other endpoints go on, and in a week it is looked at again."""
    number = await sandbox.fault(fault, path="quote")
    connections = Connections({"fmp": Source(sandbox.url, "sandbox")})
    await employ(*registry(), limits=fmp.limits("premium"), context=contexts(connections))
    for symbol in ("AAPL", "MSFT"):
        await queue(pool, symbol, name="quote")
        (row,) = await eventually(lambda symbol=symbol: ended(pool, symbol, "quote"))
        assert row["code"] == "endpoint_not_in_plan"
    await queue(pool, "AAPL", name="profile")
    assert (await eventually(lambda: ended(pool, "AAPL", "profile")))[0]["word"] == "done"
    assert [entry["operation"] for entry in await sandbox.entries("fmp")] == ["GET quote", "GET profile"]
    await sandbox.client.delete("/_control/faults", params={"id": number})
    await clock.advance(days=7, minutes=1)
    await queue(pool, "IBM", name="quote")
    assert (await eventually(lambda: ended(pool, "IBM", "quote")))[0]["word"] == "done"
    await connections.close()


# --- B2: Perplexity --------------------------------------------------------------------------------------------------

PERPLEXITY: dict[str, Action] = {
    "unauthorized": ("waits", STOPPED_PAUSE),
    "organisation_key": ("waits", STOPPED_PAUSE),
    "insufficient_quota": ("waits", STOPPED_PAUSE),
    "rate_limited": ("waits", timedelta(seconds=40)),
    "migration_required": ("fails", "retired_path"),
}
LOST = ("server_error", "overloaded", "html502", "drop", "cut")


async def submitting(pool: asyncpg.Pool, employ: Employ, wire: httpx.AsyncClient) -> Trial:
    """A worker whose jobs submit a run each."""

    async def submit(attempt: Attempt) -> None:
        ask = Ask("Is IBM a buy?", effort="low@2026-10-16.0", hold_micro=1_000)
        await Perplexity(wire, attempt).submit(ask, key=f"run {attempt.claim.key}")

    return await Trial.begin(pool, employ, perplexity.limits(1_000, usd_micro_per_month=BUDGET), submit)


async def test_what_a_worker_does_about_perplexity(pool: asyncpg.Pool, employ: Employ, sandbox: Running) -> None:
    """B2: what concerns the account pauses everybody, a retired path ends the job; nothing is paid."""

    async def arrange(fault: str) -> None:
        await sandbox.fault(fault, provider="perplexity", path="v1/agent", times=1, retry_after_s=40)

    async with perplexity.open_http(f"{sandbox.url}/perplexity", "sandbox") as wire:
        trial = await submitting(pool, employ, wire)
        assert await judged(trial, "perplexity", PERPLEXITY, arrange) == {}
    assert len(await sandbox.entries("perplexity")) == len(PERPLEXITY)
    assert await sandbox.billed_usd_micro("perplexity") == 0


async def test_a_worker_submits_no_second_run(
    pool: asyncpg.Pool, employ: Employ, sandbox: Running, clock: Clock
) -> None:
    """B2, DC-1: where a run may have been made the job is looked at again, and ends in doubt, its money held."""
    async with perplexity.open_http(f"{sandbox.url}/perplexity", "sandbox") as wire:
        trial = await submitting(pool, employ, wire)
        for fault in LOST:
            await sandbox.fault(fault, provider="perplexity", path="v1/agent", times=1)
            assert action(await trial.of(fault), "perplexity")[0] == "retries"
            for table in ("breaker", "trouble"):
                await pool.execute(f"delete from openbell.{table}")
            await clock.advance(minutes=2)
            (row,) = await eventually(lambda fault=fault: ended(pool, fault, "asking"))
            assert (row["word"], row["code"]) == ("failed", "outcome_unknown"), fault
    assert len(await sandbox.entries("perplexity")) == len(LOST)
    assert await pool.fetchval("select array_agg(distinct state::text) from openbell.spend") == ["unknown"]


# --- B3: models ------------------------------------------------------------------------------------------------------

BOTH: dict[str, Action] = {
    "unauthorized": ("waits", STOPPED_PAUSE),
    "rate_limited": ("waits", timedelta(seconds=40)),
    "rate_limited_ms": ("waits", timedelta(seconds=40)),
    "overloaded": ("retries", timedelta(seconds=40)),
    "server_error": ("retries", None),
    "html502": ("retries", None),
    "drop": ("retries", None),
    "context_length": ("fails", "prompt_too_long"),
    "model_not_found": ("fails", "unknown_model"),
    "bad_json": ("fails", "invalid_output"),
    "length": ("fails", "output_cut_off"),
}
MODELS: dict[Literal["anthropic", "openai"], tuple[str, dict[str, Action]]] = {
    "anthropic": (
        "claude-haiku-5-5",
        {
            "permission_denied": ("fails", "model_not_in_plan"),
            "credit_too_low": ("waits", STOPPED_PAUSE),
            "billing_error": ("waits", STOPPED_PAUSE),
            "spend_limit": ("waits", STOPPED_PAUSE),
        },
    ),
    "openai": (
        "gpt-6-luna",
        {
            "forbidden": ("fails", "model_not_in_plan"),
            "insufficient_quota": ("waits", STOPPED_PAUSE),
            "billing_hard_limit_reached": ("waits", STOPPED_PAUSE),
            "credit_balance_exhausted": ("waits", STOPPED_PAUSE),
            "organization_spend_limit_exceeded": ("waits", STOPPED_PAUSE),
            "project_spend_limit_exceeded": ("waits", STOPPED_PAUSE),
        },
    ),
}


class Note(BaseModel):
    """What the models are asked for."""

    text: str


@pytest.mark.parametrize("kind", ["anthropic", "openai", "compatible"])
async def test_what_a_worker_does_about_models(
    pool: asyncpg.Pool, employ: Employ, sandbox: Running, kind: llm.Kind
) -> None:
    """B3: no money or a wrong key pauses the provider for everybody, an overload one question; the rest is final."""
    provider: Literal["anthropic", "openai"] = "anthropic" if kind == "anthropic" else "openai"
    model, own = MODELS[provider]
    base = f"{sandbox.url}/{provider}" + ("" if kind == "anthropic" else "/v1")
    models = llm.open_models(provider, kind, base, "sandbox")

    async def arrange(fault: str) -> None:
        await sandbox.fault(fault, provider=provider, times=1, retry_after_s=40)

    async def ask(attempt: Attempt) -> None:
        await models.asked_by(attempt).ask(model, "What is new?", output=Note, max_tokens=500, effect="repeat")

    trial = await Trial.begin(pool, employ, llm.limits(provider, usd_micro_per_month=BUDGET), ask)
    assert await judged(trial, provider, BOTH | own, arrange) == {}
    await models.aclose()


# --- B4: ScrapFly ----------------------------------------------------------------------------------------------------

SCRAPFLY: dict[str, Action] = {
    "rate": ("waits", MINUTE),
    "concurrency": ("waits", timedelta(seconds=5)),
    "budget": ("waits", timedelta(hours=1)),
    "quota": ("waits", STOPPED_PAUSE),
    "shield": ("retries", None),
    "proxy_timeout": ("retries", None),
    "html502": ("retries", None),
    "drop": ("retries", None),
    "cost_budget": ("fails", "cost_budget"),
    "proxy_pool": ("fails", "proxy_pool_not_available_for_target"),
    "upstream_timeout": ("fails", "scrape_upstream_timeout"),
    "dns": ("fails", "scrape_dns_name_not_resolved"),
    "config": ("fails", "scrape_config_error"),
    "upstream_403": ("fails", "page_forbidden"),
    "upstream_404": ("fails", "page_gone"),
    "upstream_500": ("fails", "page_unavailable"),
}


async def test_what_a_worker_does_about_scrapfly(pool: asyncpg.Pool, employ: Employ, sandbox: Running) -> None:
    """B4: throttles and used-up credits pause everybody, what is `retryable` is tried again, the rest ends the job."""

    async def arrange(fault: str) -> None:
        await sandbox.fault(fault, provider="scrapfly", times=1)

    async with scrapfly.open_http(f"{sandbox.url}/scrapfly", "sandbox") as wire:

        async def scrape(attempt: Attempt) -> None:
            await Scrapfly(wire, attempt).scrape("https://www.example.org/page")

        trial = await Trial.begin(pool, employ, scrapfly.limits("discovery"), scrape)
        assert await judged(trial, "scrapfly", SCRAPFLY, arrange) == {}


# --- B5: feeds -------------------------------------------------------------------------------------------------------

FEEDS: dict[str, tuple[bytes, Action]] = {
    "429 with a time": (http(429, b"no", retry_after="90"), ("rests", timedelta(seconds=90))),
    "429 without": (http(429, b"no"), ("rests", timedelta(minutes=10))),
    "503": (http(503, b"no", retry_after="120"), ("retries", timedelta(seconds=120))),
    "a web page": (http(200, b"<!doctype html><html><body>Before you continue</body></html>"), ("retries", None)),
    "half a feed": (http(200, b'<rss version="2.0"><channel><item>'), ("retries", None)),
    "nothing": (http(200), ("retries", None)),
    "403": (http(403, b"no"), ("fails", "feed_http_403")),
    "404": (http(404, b"no"), ("fails", "feed_http_404")),
    "410": (http(410, b"no"), ("fails", "feed_gone")),
    "inwards": (http(302, location="http://169.254.169.254/latest"), ("fails", "refused_address")),
}


async def test_what_a_worker_does_about_feeds(pool: asyncpg.Pool, employ: Employ) -> None:
    """B5, PF-23: a feed that fails concerns itself only, whatever it says."""
    answers: dict[str, Any] = {}

    async def arrange(form: str) -> None:
        answers["*"] = FEEDS[form][0]

    async with serving(answers) as server:
        fetcher, feed = Fetcher(allowed={("127.0.0.1", server.port)}), Feed("some", f"{server.url}/")
        trial = await Trial.begin(pool, employ, news.limits(), lambda attempt: News(fetcher, attempt).poll(feed))
        assert await judged(trial, "news", {form: row[1] for form, row in FEEDS.items()}, arrange) == {}


# --- B6 and B7: EDGAR and Wikimedia ----------------------------------------------------------------------------------

EDGAR: dict[str, Action] = {
    "undeclared": ("waits", timedelta(hours=1)),
    "rate": ("waits", timedelta(minutes=10)),
    "html503": ("retries", None),
    "drop": ("retries", None),
}
WIKIMEDIA: dict[str, Action] = {
    "not_found": ("empty", None),
    "rate_limited": ("waits", timedelta(seconds=40)),
    "html503": ("retries", None),
    "drop": ("retries", None),
}


async def test_what_a_worker_does_about_edgar(pool: asyncpg.Pool, employ: Employ, sandbox: Running) -> None:
    """B6: two pages with the same status pause everybody, each for its own time; an outage is tried again."""
    hosts = edgar.open_http("Synthetic Tests ops@example.org", f"{sandbox.url}/edgar")
    trial = await Trial.begin(pool, employ, edgar.limits(), lambda attempt: Edgar(hosts, attempt).submissions(320_193))
    assert await judged(trial, "edgar", EDGAR, lambda fault: sandbox.fault(fault, provider="edgar", times=1)) == {}
    await hosts.aclose()


async def test_what_a_worker_does_about_wikimedia(pool: asyncpg.Pool, employ: Employ, sandbox: Running) -> None:
    """B7: a page without views is a stored answer, a 429 pauses everybody for as long as it says."""

    async def arrange(fault: str) -> None:
        await sandbox.fault(fault, provider="wikimedia", times=1, retry_after_s=40)

    async with pageviews.open_http("ops@example.org", f"{sandbox.url}/wikimedia") as wire:
        days = date(2026, 1, 1), date(2026, 1, 31)
        trial = await Trial.begin(
            pool, employ, pageviews.limits(), lambda attempt: Pageviews(wire, attempt).daily("Apple Inc.", *days)
        )
        assert await judged(trial, "wikimedia", WIKIMEDIA, arrange) == {}


# --- B8: mail --------------------------------------------------------------------------------------------------------

MAIL: dict[str, Action] = {
    "no_such_user": ("fails", "address_refused"),
    "mailbox_full": ("retries", timedelta(minutes=30)),
    "mailbox_busy": ("retries", timedelta(minutes=30)),
    "content_refused": ("fails", "content_refused"),
    "slow_down": ("waits", timedelta(minutes=15)),
    "slow_down_late": ("waits", timedelta(minutes=15)),
    "unauthenticated": ("waits", timedelta(hours=1)),
    "unauthenticated_microsoft": ("waits", timedelta(hours=1)),
    "reset": ("retries", None),
    "lost": ("fails", "outcome_unknown"),
    "drop": ("fails", "outcome_unknown"),
    "cut": ("fails", "outcome_unknown"),
}


async def test_what_a_worker_does_about_mail(pool: asyncpg.Pool, employ: Employ, sandbox: Running) -> None:
    """B8, DC-1: the address, the campaign or the doubt end one mail; what concerns the server pauses all of them."""
    port = int((await sandbox.client.get("/_control/ports")).json()["smtp"])
    relay = Relay("127.0.0.1", port, tls="none")

    async def send(attempt: Attempt) -> None:
        message = EmailMessage()
        message["From"], message["Message-ID"] = "digest@openbell.example", f"<{attempt.claim.key}@openbell.example>"
        await Mailer(relay, attempt).send(message, to="ann@reader.example", sender="bounce@openbell.example")

    trial = await Trial.begin(pool, employ, mail.limits(), send)
    assert await judged(trial, "smtp", MAIL, lambda fault: sandbox.fault(fault, provider="smtp", times=1)) == {}
    assert len((await sandbox.client.get("/_control/smtp/mails")).json()["mails"]) == 2
    books = dict(await pool.fetch("select idempotency_key, state::text from openbell.spend"))
    doubtful = {f"<{fault}@openbell.example>" for fault, what in MAIL.items() if what[1] == "outcome_unknown"}
    assert {key for key, state in books.items() if state == "unknown"} == doubtful
    assert set(books.values()) == {"unknown", "released"}


def test_how_long_a_pause_is_that_nobody_has_named() -> None:
    """PF-8: without a time of their own, a rate limit pauses for a minute and a refused account for five."""
    assert timedelta(minutes=1) == RATE_PAUSE
    assert timedelta(minutes=5) == STOPPED_PAUSE


async def test_a_limit_that_is_said_again_after_its_minute_is_the_day_s(
    pool: asyncpg.Pool, sandbox: Running, employ: Employ, clock: Clock
) -> None:
    """B1: FMP does not say which limit is reached: first a minute's pause; said again right after, until midnight in
    New York; said again another day, a minute's pause again. No attempt is used.
    """
    await sandbox.fault("limit", path="quote")
    connections = Connections({"fmp": Source(sandbox.url, "sandbox")})
    await employ(*registry(), limits=fmp.limits("premium"), context=contexts(connections))
    await queue(pool, "AAPL", name="quote")

    async def pause() -> timedelta | None:
        """How much longer everybody waits, when that is for longer than before."""
        until = await pool.fetchval(
            "select max(blocked_until) from openbell.account where subject = 'fmp' and blocked_until > openbell.now()"
        )
        return until and until - await clock.now()

    first = await eventually(pause)
    assert timedelta(0) < first <= MINUTE
    await clock.advance(minutes=1, seconds=1)
    await queue(pool, "AAPL", name="quote")
    second = await eventually(pause)
    now = await clock.now()
    midnight = (now + second).astimezone(ZoneInfo("America/New_York")).time()
    assert (midnight.hour, midnight.minute) == (0, 0) or midnight >= time(23, 59, 58)
    await clock.advance(second + timedelta(minutes=10))
    await queue(pool, "AAPL", name="quote")
    third = await eventually(pause)
    assert timedelta(0) < third <= MINUTE
    await eventually(lambda: pool.fetchval("select max(attempt) = 0 from openbell.job"))
    await connections.close()
