"""Questions to models: what is held, what is paid, what each refusal means (domain notes B3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from pydantic import BaseModel, Field
from pydantic_ai import exceptions as ai

from openbell.engine.errors import (
    Fenced,
    NotInPlan,
    Permanent,
    ProducerError,
    ProviderStopped,
    RateLimited,
    Transient,
)
from openbell.providers.llm import Kind, limits, open_models
from openbell.providers.llm.client import Models, Reply
from openbell.providers.llm.errors import meaning_of
from openbell.providers.llm.prices import most_micro, most_tokens
from tests.providers.conftest import KEY
from tests.providers.seat import Seat
from tests.sandbox.harness import Running, Start

HAIKU, LUNA = "claude-haiku-5-5", "gpt-6-luna"
BUDGET = 100_000_000
PATHS: dict[Kind, str] = {"anthropic": "/anthropic", "openai": "/openai/v1", "compatible": "/openai/v1"}
MODELS: dict[Kind, str] = {"anthropic": HAIKU, "openai": LUNA, "compatible": LUNA}


class Summary(BaseModel):
    """A summary of a few sentences."""

    headline: str
    sentences: list[str] = Field(min_length=1)


@dataclass
class Desk:
    """A provider, and the seat from which it is asked."""

    models: Models
    seat: Seat
    sandbox: Running

    async def ask(self, model: str | None = None, **other: Any) -> Reply[Summary]:
        """A question that may be asked again."""
        options = {"output": Summary, "max_tokens": 1_000, "effect": "repeat", **other}
        llm = self.models.asked_by(self.seat.attempt)
        return await llm.ask(model or MODELS[self.models.kind], "What happened to IBM?", **options)

    async def last(self) -> asyncpg.Record:
        """The spend of the last call, as it is written."""
        await self.seat.go_on()
        return (await self.seat.spends())[-1]

    async def billed(self) -> int:
        return await self.sandbox.billed_usd_micro(_house(self.models.kind))

    async def calls(self) -> int:
        return len(await self.sandbox.entries(_house(self.models.kind)))

    async def fault(self, kind: str, **spec: Any) -> None:
        await self.sandbox.fault(kind, provider=_house(self.models.kind), **{"times": 1, **spec})


def _house(kind: Kind) -> str:
    return "anthropic" if kind == "anthropic" else "openai"


async def sit(pool: asyncpg.Pool, sandbox: Running, kind: Kind, key: str = "sandbox", **options: Any) -> Desk:
    provider = _house(kind)
    granted = limits(provider, usd_micro_per_month=BUDGET, calls_per_minute=1_000)
    seat = await Seat.take(pool, provider, granted, product=f"asking-{kind}")
    return Desk(open_models(provider, kind, sandbox.url + PATHS[kind], key, **options), seat, sandbox)


@pytest.fixture
async def desks(pool: asyncpg.Pool, sandbox: Running) -> AsyncIterator[list[Desk]]:
    """A desk for each protocol."""
    made = [await sit(pool, sandbox, kind) for kind in PATHS]
    yield made
    for desk in made:
        await desk.models.aclose()


@pytest.fixture
async def anthropic(pool: asyncpg.Pool, sandbox: Running) -> AsyncIterator[Desk]:
    """Anthropic alone, where the protocol makes no difference."""
    made = await sit(pool, sandbox, "anthropic")
    yield made
    await made.models.aclose()


async def test_an_answer_costs_what_was_billed(desks: list[Desk]) -> None:
    """PF-21, B3: the answer has the declared form; the ledger and the provider's agree to the micro-dollar."""
    for desk in desks:
        before = await desk.billed()
        reply = await desk.ask(instructions="Be brief.")
        source = desk.seat.attempt.provenance
        assert (source["provider"], source["operation"]) == (desk.models.provider, desk.models.kind)
        assert source["synthetic"]
        assert reply.value.headline is not None
        spend = await desk.last()
        assert (spend["word"], spend["outcome"]) == ("settled", "ok")
        assert reply.cost_micro == spend["cost_micro"] == await desk.billed() - before > 0
        assert spend["took"]["tokens"] == reply.input_tokens + reply.output_tokens > 0
        assert spend["held"]["usd_micro"] >= spend["cost_micro"]
        assert spend["held"]["tokens"] >= spend["took"]["tokens"]
        assert spend["provider_ref"]
        assert KEY not in repr(desk.models)


# --- refusals --------------------------------------------------------------------------------------------------------

Row = tuple[str, type[ProducerError], str]
BOTH: list[Row] = [
    ("unauthorized", ProviderStopped, "bad_key"),
    ("rate_limited", RateLimited, "rate_limited"),
    ("context_length", Permanent, "prompt_too_long"),
    ("model_not_found", Permanent, "unknown_model"),
    ("overloaded", Transient, "overloaded"),
]
OF_OPENAI: list[Row] = [
    ("forbidden", NotInPlan, "model_not_in_plan"),
    ("insufficient_quota", ProviderStopped, "account_exhausted"),
    ("billing_hard_limit_reached", ProviderStopped, "account_exhausted"),
    ("credit_balance_exhausted", ProviderStopped, "account_exhausted"),
    ("organization_spend_limit_exceeded", ProviderStopped, "account_exhausted"),
    ("project_spend_limit_exceeded", ProviderStopped, "account_exhausted"),
]
OF_ANTHROPIC: list[Row] = [
    ("permission_denied", NotInPlan, "model_not_in_plan"),
    ("credit_too_low", ProviderStopped, "account_exhausted"),
    ("billing_error", ProviderStopped, "account_exhausted"),
    ("spend_limit", ProviderStopped, "account_exhausted"),
]


async def test_every_refusal_has_its_meaning_and_costs_nothing(desks: list[Desk]) -> None:
    """PF-8, B3: each refusal is told apart as it comes over the wire; one request each, and the money is given back."""
    for desk in desks:
        rows = BOTH + (OF_ANTHROPIC if desk.models.kind == "anthropic" else OF_OPENAI)
        for effect in ("repeat", "never"):
            for fault, kind, code in rows:
                before = await desk.calls()
                await desk.fault(fault)
                with pytest.raises(ProducerError) as caught:
                    await desk.ask(effect=effect)
                assert (fault, type(caught.value), caught.value.code) == (fault, kind, code)
                assert caught.value.retry_after is None
                assert [one.state for one in desk.seat.ended] == ["refused"]
                spend = await desk.last()
                assert (spend["word"], spend["cost_micro"], await desk.calls() - before) == ("released", 0, 1)
        assert (await desk.billed(), await desk.seat.money()) == (0, (0, 0))


async def test_the_pause_that_is_asked_for(desks: list[Desk]) -> None:
    """PF-8: a rate limit with a time is obeyed, in seconds and in milliseconds; so is one of an overload."""
    for desk in desks:
        for fault in ("rate_limited", "rate_limited_ms", "overloaded"):
            await desk.fault(fault, retry_after_s=7)
            with pytest.raises(ProducerError) as caught:
                await desk.ask()
            assert caught.value.retry_after == timedelta(seconds=7)


async def test_a_wrong_key_is_not_shown(pool: asyncpg.Pool, sandbox: Running) -> None:
    """PF-41: the refusal of a key names the setting and not the key."""
    desk = await sit(pool, sandbox, "openai", KEY)
    with pytest.raises(ProviderStopped) as caught:
        await desk.ask()
    assert "OPENAI_API_KEY" in str(caught.value)
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
    await desk.models.aclose()


# --- when nobody knows -----------------------------------------------------------------------------------------------


async def test_a_lost_answer_counts_as_paid(desks: list[Desk]) -> None:
    """DC-1, PF-21: a question that may be repeated is, and what was lost is booked as held."""
    for desk in desks[:2]:  # a third would open the breaker of the second
        for fault, code in (("drop", "broken"), ("cut", "broken"), ("reset", "broken"), ("html502", "outage")):
            await desk.fault(fault)
            with pytest.raises(Transient) as caught:
                await desk.ask()
            assert caught.value.code == code
            spend = await desk.last()
            assert (spend["word"], spend["cost_micro"]) == ("settled", spend["held"]["usd_micro"])


async def test_a_lost_answer_is_not_asked_for_again(pool: asyncpg.Pool, anthropic: Desk) -> None:
    """DC-1: with the effect `never` the job ends with the doubtful question, its money held, for an operator."""
    await anthropic.fault("drop")
    with pytest.raises(Transient):
        await anthropic.ask(effect="never", key="digest:IBM:1")
    [settlement] = anthropic.seat.attempt.take_ended()
    assert settlement.state == "unknown"
    ended = await anthropic.seat.hand.end(anthropic.seat.attempt.claim, "retry", settle=[settlement])
    assert ended is not None
    assert ended["state"] == "failed"
    assert await pool.fetchval("select code from openbell.job_history") == "outcome_unknown"
    held = (await anthropic.seat.spends())[0]["held"]["usd_micro"]
    assert await anthropic.seat.money() == (held, 0)


async def test_a_provider_that_is_silent(anthropic: Desk) -> None:
    """PF-24: an answer that does not come is a failure of its own, and nobody waits longer than was said."""
    await anthropic.fault("hang")
    with pytest.raises(Transient) as caught:
        await anthropic.ask(timeout_s=0.5)
    assert caught.value.code == "timeout"
    assert [one.trouble for one in anthropic.seat.ended] == ["timeout"]
    spend = await anthropic.last()
    assert (spend["word"], spend["cost_micro"]) == ("settled", spend["held"]["usd_micro"])


async def test_a_provider_that_is_not_there_took_nothing(pool: asyncpg.Pool, sandbox: Running) -> None:
    """PF-21: only where no connection came about the hold is given back."""
    kinds: list[Kind] = ["anthropic", "openai"]
    for kind in kinds:
        seat = await Seat.take(pool, kind, limits(kind, usd_micro_per_month=BUDGET), product=f"asking-{kind}")
        desk = Desk(open_models(kind, kind, "http://127.0.0.1:1", "sandbox"), seat, sandbox)
        with pytest.raises(Transient) as caught:
            await desk.ask(effect="never")
        assert caught.value.code == "unreachable"
        spend = await desk.last()
        assert (spend["word"], spend["cost_micro"]) == ("released", 0)
        assert await seat.money("calls") == (0, 0)
        await desk.models.aclose()


async def test_nothing_leaves_a_fenced_attempt(anthropic: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """PF-5: the mark is committed before the request leaves; without it nothing does, and the reason is kept."""

    async def not_ours(*_: Any) -> bool:
        return False

    async def away(*_: Any) -> bool:
        raise asyncpg.CannotConnectNowError("starting up")

    ledger = anthropic.seat.attempt.ledger
    for mark, error in ((not_ours, Fenced), (away, asyncpg.CannotConnectNowError)):
        monkeypatch.setattr(ledger, "mark_sent", mark)
        with pytest.raises(error):
            await anthropic.ask(effect="never")
        assert [one.state for one in anthropic.seat.attempt.take_ended()] == ["released"]
    assert await anthropic.calls() == 0


async def test_questions_side_by_side_mark_their_own(anthropic: Desk) -> None:
    """DC-1: questions that share the pool are marked and settled each for itself."""
    replies = await asyncio.gather(*(anthropic.ask(effect="never", max_tokens=900 + n) for n in range(8)))
    ended = anthropic.seat.ended
    assert [one.state for one in ended] == ["settled"] * 8
    assert sum(one.took["usd_micro"] for one in ended) == sum(reply.cost_micro or 0 for reply in replies)
    assert await anthropic.billed() == sum(reply.cost_micro or 0 for reply in replies)
    assert await anthropic.seat.pool.fetchval("select count(*) from openbell.spend where sent_at is not null") == 8


# --- answers of no use -----------------------------------------------------------------------------------------------

BAD: list[tuple[str, str]] = [
    ("bad_json", "invalid_output"),
    ("wrong_schema", "invalid_output"),
    ("prose", "invalid_output"),
    ("empty", "invalid_output"),
    ("length", "output_cut_off"),
]


async def test_an_answer_of_no_use_is_paid_once(desks: list[Desk]) -> None:
    """B3: an answer of another form than asked for is an error, one request, and booked with what it cost."""
    for desk in desks:
        for fault, code in BAD:
            calls, billed = await desk.calls(), await desk.billed()
            await desk.fault(fault)
            with pytest.raises(Permanent) as caught:
                await desk.ask()
            assert (fault, caught.value.code) == (fault, code)
            spend = await desk.last()
            assert (spend["word"], spend["outcome"]) == ("settled", code)
            assert (await desk.calls() - calls, spend["cost_micro"]) == (1, await desk.billed() - billed)
            assert spend["cost_micro"] > 0


async def test_a_second_try_is_a_choice_and_is_paid(desks: list[Desk]) -> None:
    """B3: with two tries a useless answer is asked for again, within the same hold; both are booked."""
    for desk in desks:
        calls, billed = await desk.calls(), await desk.billed()
        await desk.fault("wrong_schema")
        reply = await desk.ask(tries=2)
        spend = await desk.last()
        assert await desk.calls() - calls == 2
        assert reply.cost_micro == spend["cost_micro"] == await desk.billed() - billed
        assert spend["held"]["calls"] == 2
        await desk.fault("wrong_schema", times=2)
        with pytest.raises(Permanent) as caught:
            await desk.ask(tries=2)
        assert caught.value.code == "invalid_output"
        await desk.last()
        assert await desk.calls() - calls == 4
        assert (await desk.seat.money())[1] == await desk.billed()


async def test_what_was_paid_before_a_refusal_is_booked(anthropic: Desk) -> None:
    """PF-21: when the second try is refused, the first one is still paid."""
    await anthropic.fault("wrong_schema")
    await anthropic.fault("rate_limited")
    with pytest.raises(RateLimited):
        await anthropic.ask(tries=2)
    spend = await anthropic.last()
    assert (spend["word"], spend["cost_micro"]) == ("settled", await anthropic.billed())
    assert spend["cost_micro"] > 0


async def test_the_provider_s_own_means_to_ask_for_the_form(desks: list[Desk]) -> None:
    """B3: a form can be asked for by the provider's own means instead of a tool."""
    for desk in desks:
        before = await desk.billed()
        reply = await desk.ask(way="native")
        assert reply.value.sentences
        assert (await desk.last())["cost_micro"] == await desk.billed() - before


async def test_long_answers_are_streamed(anthropic: Desk) -> None:
    """B3: above the length that the library asks for in one piece it streams; what it costs is booked all the same."""
    reply = await anthropic.ask(max_tokens=30_000)
    assert reply.cost_micro == (await anthropic.last())["cost_micro"] == await anthropic.billed()
    await anthropic.fault("error_in_stream")
    with pytest.raises(Transient):
        await anthropic.ask(max_tokens=30_000, effect="never")
    assert [one.state for one in anthropic.seat.attempt.take_ended()] == ["unknown"]


# --- prices ----------------------------------------------------------------------------------------------------------


async def test_without_a_price_nothing_is_asked(pool: asyncpg.Pool, sandbox: Running) -> None:
    """PF-20: a model that nobody can price is asked only when somebody says how much to hold; that is then booked."""
    seat = await Seat.take(pool, "cellar", limits("cellar", usd_micro_per_month=BUDGET))
    desk = Desk(open_models("cellar", "compatible", sandbox.url + "/openai/v1", "sandbox"), seat, sandbox)
    with pytest.raises(Permanent) as caught:
        await desk.ask()
    assert (caught.value.code, await desk.calls(), await seat.spends()) == ("price_unknown", 0, [])
    reply = await desk.ask(hold_micro=70_000)
    spend = await desk.last()
    assert (reply.cost_micro, spend["cost_micro"], spend["outcome"]) == (None, 70_000, "price unknown")
    assert spend["took"]["tokens"] > 0
    await desk.fault("prose")
    with pytest.raises(Permanent):
        await desk.ask(hold_micro=70_000)
    assert (await desk.last())["outcome"] == "invalid_output, price unknown"
    await desk.models.aclose()


async def test_our_own_price_goes_first(pool: asyncpg.Pool, sandbox: Running) -> None:
    """B3: a price is data: for a server of one's own, or where the list is wrong, it is what is held and booked."""
    prices = {LUNA: (Decimal(1), Decimal(10))}
    desk = await sit(pool, sandbox, "compatible", prices=prices)
    reply = await desk.ask()
    assert reply.cost_micro == reply.input_tokens + 10 * reply.output_tokens
    spend = await desk.last()
    read, said = spend["held"]["tokens"] - 1_000, 1_000
    assert spend["held"]["usd_micro"] == read + 10 * said
    await desk.models.aclose()


async def test_cached_tokens_cost_what_they_cost(anthropic: Desk) -> None:
    """B3: what a provider sells cheaper because it has read it before is booked at that price."""
    await anthropic.fault("cached", amount=200)
    reply = await anthropic.ask()
    assert reply.cost_micro == (await anthropic.last())["cost_micro"] == await anthropic.billed()


async def test_no_money_no_question(pool: asyncpg.Pool, sandbox: Running) -> None:
    """PF-19: a question that the budget does not cover is not asked."""
    seat = await Seat.take(pool, "anthropic", limits("anthropic", usd_micro_per_month=100))
    desk = Desk(open_models("anthropic", "anthropic", sandbox.url + "/anthropic", "sandbox"), seat, sandbox)
    with pytest.raises(Permanent) as caught:
        await desk.ask()
    assert (caught.value.code, await desk.calls()) == ("limit_too_small", 0)
    await desk.models.aclose()


def test_what_is_held_is_the_worst() -> None:
    """PF-19: every byte a token, the whole answer at full length, and a second try reads the first."""
    assert most_tokens(100, 50, 1) == (1_100, 50)
    assert most_tokens(100, 50, 2) == (1_100 + 1_100 + 1_050, 100)
    assert most_micro("anthropic", HAIKU, 1_000_000, 1_000_000, {}) == most_micro(
        "cellar", "m", 1_000_000, 1_000_000, {"m": (Decimal("0.50"), Decimal("2.50"))}
    )
    assert most_micro("cellar", "m", 1, 0, {"m": (Decimal("0.1"), Decimal(0))}) == 1
    with pytest.raises(Permanent):
        most_micro("cellar", "m", 1, 1, {})


def test_accounts_of_a_provider() -> None:
    """PF-19: money always, calls always, tokens where the account has a limit of them."""
    few = {(one.resource, one.granted) for one in limits("openai", usd_micro_per_month=7)}
    assert few == {("usd_micro", 7), ("calls", 50)}
    more = limits("openai", usd_micro_per_month=7, calls_per_minute=9, tokens_per_minute=11)
    assert {one.resource: one.granted for one in more} == {"usd_micro": 7, "calls": 9, "tokens": 11}


@pytest.mark.parametrize(
    ("error", "code", "proof"),
    [
        (ai.ContentFilterError("no"), "content_refused", "answered"),
        (ai.UsageLimitExceeded("no"), "usage_limit", "answered"),
        (ai.UnexpectedModelBehavior("no", "quoting the prompt"), "invalid_output", "answered"),
        (ai.ModelRequestTimeout("m", 5), "timeout", "open"),
        (ai.ModelTimeoutError("m", "slow", phase="read"), "timeout", "open"),
        (ai.ModelTimeoutError("m", "slow", phase="connect"), "unreachable", "never_sent"),
        (ai.ModelConnectionError("m", "full", phase="pool"), "unreachable", "never_sent"),
        (ai.ModelConnectionError("m", "reset"), "broken", "open"),
        (ai.ModelHTTPError(409, "m"), "unexpected_answer", "open"),
        (ai.ModelHTTPError(418, "m"), "invalid_request", "refused"),
        (ai.ModelHTTPError(302, "m"), "unexpected_answer", "open"),
        (ai.ModelAPIError("m", "quoting the prompt"), "unexpected_answer", "open"),
        (ai.AgentRunError("quoting the prompt"), "not_asked", "open"),
        (
            ai.ModelHTTPError.for_category(ai.ModelRateLimitError, status_code=429, model_name="m", in_stream=True),
            "rate_limited",
            "open",
        ),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else str(one),
)
def test_what_an_error_of_the_library_proves(error: ai.AgentRunError, code: str, proof: str) -> None:
    """PF-8, PF-21: each error has an action and says whether anything was paid; its own words are not repeated."""
    meaning = meaning_of(error, "cellar", "m")
    assert (meaning.error.code, meaning.proof) == (code, proof)
    assert "prompt" not in str(meaning.error)


# --- the key ---------------------------------------------------------------------------------------------------------


async def test_the_key_is_nowhere(pool: asyncpg.Pool, start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """PF-41: the key is in no log at the finest level, no error, no repr and no row; only in the header."""
    caplog.set_level("DEBUG")
    sandbox = await start(key=KEY)
    shown: list[str] = []
    for kind in PATHS:
        desk = await sit(pool, sandbox, kind, KEY)
        shown += [repr(desk.models), repr(desk.models.http)]
        await desk.ask()
        for fault in ("drop", "unauthorized", "server_error", "bad_json"):
            await desk.fault(fault)
            with pytest.raises(ProducerError) as caught:
                await desk.ask()
            shown += [repr(caught.value), str(caught.value), str(desk.seat.attempt.sources)]
            await desk.seat.go_on()
        shown += [str(dict(spend)) for spend in await desk.seat.spends()]
        assert await desk.calls() >= 5
        await desk.models.aclose()
    shown += [record.getMessage() + str(record.exc_text) + str(record.args) for record in caplog.records]
    assert len(caplog.records) > 60
    assert not [text for text in shown if KEY in text]


async def test_the_key_follows_no_redirect(pool: asyncpg.Pool, sandbox: Running) -> None:
    """PF-41: a redirect is an error; the key is not carried to wherever it points."""
    asked: list[str] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(b"HTTP/1.1 307 Elsewhere\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    seat = await Seat.take(pool, "anthropic", limits("anthropic", usd_micro_per_month=BUDGET))
    desk = Desk(open_models("anthropic", "anthropic", f"http://127.0.0.1:{port}", KEY), seat, sandbox)
    with pytest.raises(ProducerError):
        await desk.ask()
    server.close()
    await server.wait_closed()
    assert len(asked) == 1
    assert KEY in asked[0]
    await desk.models.aclose()
