"""The Perplexity client: from what is on the wire to what is done about it, and what is paid (domain notes B2)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from openbell.engine.artifacts import Reading, read
from openbell.engine.costs import SUCCEEDED
from openbell.engine.errors import Permanent, ProducerError, ProviderStopped, RateLimited, Transient, Waiting
from openbell.engine.registry import Calls
from openbell.providers import perplexity
from openbell.providers.perplexity import Ask, Handle, Perplexity, Run
from openbell.providers.perplexity.answers import read_answer, read_run, refusal
from openbell.providers.wire import Answer
from tests.engine.conftest import Employ
from tests.engine.hand import Number, declare, ended, job, queue, wake
from tests.providers.conftest import KEY
from tests.providers.perplexity_desk import ASK, PLENTY, Desk, sit
from tests.sandbox.harness import Running, Start
from tests.support import Clock, eventually


class Picks(BaseModel):
    """What a structured question is to be answered with."""

    tickers: list[str]


@pytest.fixture
async def desk(pool: asyncpg.Pool, sandbox: Running) -> AsyncIterator[Desk]:
    """A seat at the service."""
    async with sit(pool, sandbox) as taken:
        yield taken


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    """What came over the wire, written by hand."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, httpx.Headers(headers), raw)


# --- one run, to its end and its cent --------------------------------------------------------------------------------


async def test_a_run_is_one_spend_and_costs_what_was_billed(desk: Desk) -> None:
    """PF-21, DC-1: from submission to end a run is one spend, held all the while, settled to the micro-dollar."""
    with pytest.raises(Waiting) as caught:
        await desk.service.research(ASK, key="picks:1")
    assert caught.value.retry_after == timedelta(seconds=5)
    await desk.seat.go_on()
    assert await desk.seat.money() == (500_000, 0)
    run = await desk.finished()
    await desk.seat.go_on()
    [spend] = await desk.seat.spends()
    assert (run.status, run.effort, spend["word"], spend["provider_ref"]) == (
        "completed",
        "low@2026-10-16.0",
        "settled",
        run.id,
    )
    assert run.text
    assert run.cost_micro == spend["cost_micro"] == await desk.billed() > 0
    assert await desk.seat.money() == (0, run.cost_micro)
    assert await desk.created() == 1
    # PF-9: the finished run is in the memo; a later attempt neither asks nor pays, and cites its source.
    asked = len(await desk.sandbox.entries("perplexity"))
    assert await desk.service.research(ASK, key="picks:1") == run
    assert len(await desk.sandbox.entries("perplexity")) == asked
    source = desk.seat.attempt.provenance
    assert (source["provider"], source["effort"]) == ("perplexity", "low@2026-10-16.0")
    assert source["synthetic"]


async def test_what_comes_with_a_run(desk: Desk) -> None:
    """DC-10, B2: sources with id, address, title; JSON where a schema was sent; what is new or absent is legal."""
    ask = Ask("What happened to IBM?", effort="low", tools=[{"type": "web_search"}], hold_micro=10**6)
    run = await desk.finished(ask, key="sources")
    assert run.sources
    assert all(source.id and source.url.startswith("http") and source.title for source in run.sources)
    assert run.usage is not None
    assert run.usage.output_tokens > 0
    for fault in ("no_results", "unknown_item"):
        await desk.sandbox.fault(fault, provider="perplexity", times=1)
        run = await desk.finished(ask, key=fault)
        assert run.text
        assert (run.sources == []) == (fault == "no_results")
    run = await desk.finished(Ask("Pick two.", effort="low", schema=Picks, hold_micro=10**6), key="structured")
    assert Picks.model_validate(run.data).tickers is not None


async def test_two_jobs_share_one_run(desk: Desk) -> None:
    """DC-1: a job that ends while its run goes on leaves it to the next job of the same key; nobody pays twice."""
    with pytest.raises(Waiting):
        await desk.service.research(ASK, key="picks:1")
    hand, claim = desk.seat.hand, desk.seat.attempt.claim
    assert await hand.end(claim, "permanent", settle=desk.seat.attempt.take_ended()) is not None
    await desk.seat.pool.execute("delete from openbell.cooldown")
    await queue(desk.seat.pool, "a", name="asking", source="later")
    [again] = await hand.claim()
    assert again.id != claim.id
    desk.seat.attempt = hand.attempt(again)
    run = await desk.finished()
    await desk.seat.go_on()
    assert (await desk.created(), len(await desk.seat.spends())) == (1, 1)
    assert await desk.billed() == run.cost_micro == (await desk.seat.money())[1]


async def test_the_next_job_asks_anew_where_the_run_has_failed(desk: Desk) -> None:
    """PF-8: a failed run fails its job and is not paid for again by it; a later job submits a run of its own."""
    await desk.sandbox.fault("failed", provider="perplexity", times=1)
    with pytest.raises(Permanent) as caught:
        await desk.finished()
    assert caught.value.code == "run_failed"
    hand = desk.seat.hand
    assert await hand.end(desk.seat.attempt.claim, "permanent", settle=desk.seat.attempt.take_ended()) is not None
    await desk.seat.pool.execute("delete from openbell.cooldown")
    await queue(desk.seat.pool, "a", name="asking", source="later")
    desk.seat.attempt = hand.attempt((await hand.claim())[0])
    run = await desk.finished()
    await desk.seat.go_on()
    assert [spend["idempotency_key"] for spend in await desk.seat.spends()] == ["picks:1", "picks:1 #2"]
    assert (await desk.seat.spends())[1]["cost_micro"] == run.cost_micro


# --- what is lost, and what is not -----------------------------------------------------------------------------------


async def test_killed_after_the_submission(desk: Desk) -> None:
    """PF-9, PF-10: a worker that dies after it has stored the id is followed by one that asks for that run."""
    with pytest.raises(Waiting):
        await desk.service.research(ASK, key="picks:1")
    await desk.seat.be_killed()
    run = await desk.finished()
    await desk.seat.go_on()
    assert await desk.created() == 1
    assert await desk.billed() == run.cost_micro == (await desk.seat.money())[1]


async def test_killed_with_the_answer_in_hand(desk: Desk, clock: Clock) -> None:
    """DC-1, PF-10: a worker that dies before it could store the id leaves a run that nobody can ask about.

    It is not submitted again, its money stays held, and it is visible as unknown.
    """
    await desk.service.submit(ASK, key="picks:1")
    await clock.advance(minutes=1)
    await desk.seat.be_killed()
    with pytest.raises(Permanent) as caught:
        await desk.service.research(ASK, key="picks:1")
    assert caught.value.code == "outcome_unknown"
    await desk.seat.go_on()
    [spend] = await desk.seat.spends()
    assert (spend["word"], spend["provider_ref"], await desk.created()) == ("unknown", None, 1)
    assert await desk.seat.money() == (500_000, 0)


async def test_a_lost_answer_to_a_submission_is_never_sent_again(desk: Desk, clock: Clock) -> None:
    """DC-1: accepted or not, nobody can tell; the money stays held and no second run is made."""
    for number, fault in enumerate(("drop", "cut", "reset", "server_error", "html502", "overloaded"), 1):
        await desk.sandbox.fault(fault, provider="perplexity", path="v1/agent", times=1)
        with pytest.raises(Transient):
            await desk.service.submit(ASK, key=fault)
        assert [one.state for one in desk.seat.ended] == ["unknown"]
        await desk.seat.go_on()
        with pytest.raises(Waiting):  # it may still be on its way
            await desk.service.submit(ASK, key=fault)
        await clock.advance(minutes=1)
        with pytest.raises(Permanent) as caught:
            await desk.service.submit(ASK, key=fault)
        assert caught.value.code == "outcome_unknown"
        spend = await desk.spend(fault)
        assert (spend["word"], spend["provider_ref"]) == ("unknown", None)
        assert await desk.created() == number
        assert await desk.seat.money() == (500_000 * number, 0)


async def test_trouble_with_a_look_loses_nothing(desk: Desk) -> None:
    """PF-21: whatever goes wrong when a run is asked about, the run goes on, and so does its spend."""
    handle = await desk.service.submit(ASK, key="picks:1")
    await desk.seat.go_on()
    for fault in ("drop", "cut", "server_error", "rate_limited", "unauthorized"):
        await desk.sandbox.fault(fault, provider="perplexity", path="v1/responses/*", times=1)
        with pytest.raises(ProducerError):
            await desk.service.poll(handle)
        assert [one.state for one in desk.seat.ended] == ["under_way"]
        await desk.seat.go_on()
    run = await desk.finished()
    await desk.seat.go_on()
    assert (await desk.created(), await desk.billed()) == (1, run.cost_micro)
    assert await desk.seat.money() == (0, run.cost_micro)


async def test_a_run_that_is_gone(desk: Desk) -> None:
    """PF-10: a run that was accepted and is not known afterwards stays on the books as paid for."""
    await desk.sandbox.fault("lost", provider="perplexity", times=1)
    handle = await desk.service.submit(ASK, key="picks:1")
    with pytest.raises(Waiting):  # the same call is open in this attempt until the submission is written
        await desk.service.poll(handle)
    await desk.seat.go_on()
    with pytest.raises(Permanent) as caught:
        await desk.service.poll(handle)
    assert caught.value.code == "not_found"
    await desk.seat.go_on()
    assert await desk.seat.money() == (500_000, 0)


async def test_nothing_is_paid_to_a_service_that_is_not_there(desk: Desk) -> None:
    """PF-21: only where no connection came about the hold is given back, and the same key may be used again."""
    async with perplexity.open_http("http://127.0.0.1:1", "sandbox") as nowhere:
        with pytest.raises(Transient) as caught:
            await Perplexity(nowhere, desk.seat.attempt).submit(ASK, key="picks:1")
    assert caught.value.code == "unreachable"
    await desk.seat.go_on()
    assert await desk.seat.money() == (0, 0)
    assert (await desk.finished()).status == "completed"


# --- refusals --------------------------------------------------------------------------------------------------------


class Wordy(Ask):
    """A question with a field that the service does not know."""

    def body(self) -> dict[str, Any]:
        return {**super().body(), "metadata": {}}


REFUSALS: list[tuple[str, type[ProducerError], str]] = [
    ("unauthorized", ProviderStopped, "bad_key"),
    ("organisation_key", ProviderStopped, "organisation_key"),
    ("insufficient_quota", ProviderStopped, "account_exhausted"),
    ("migration_required", Permanent, "retired_path"),
    ("rate_limited", RateLimited, "rate_limited"),
]


async def test_a_refusal_has_its_meaning_and_costs_nothing(desk: Desk) -> None:
    """PF-8: each refusal is told apart as it comes over the wire; the money is given back, and the key is like new."""
    for fault, kind, code in REFUSALS:
        await desk.sandbox.fault(fault, provider="perplexity", times=1)
        with pytest.raises(ProducerError) as caught:
            await desk.service.submit(ASK, key="picks:1")
        assert (type(caught.value), caught.value.code, caught.value.retry_after) == (kind, code, None)
        assert [one.state for one in desk.seat.ended] == ["refused"]
        await desk.seat.go_on()
    await desk.sandbox.fault("rate_limited", provider="perplexity", retry_after_s=7, times=1)
    with pytest.raises(RateLimited) as limited:
        await desk.service.submit(ASK, key="picks:1")
    assert limited.value.retry_after == timedelta(seconds=7)
    await desk.seat.go_on()
    with pytest.raises(Permanent) as unknown:
        await desk.service.submit(Wordy("x", effort="fast", hold_micro=1), key="picks:1")
    assert unknown.value.code == "invalid_request"
    assert "metadata" in str(unknown.value)
    await desk.seat.go_on()
    assert (await desk.billed(), await desk.seat.money()) == (0, (0, 0))
    assert (await desk.finished()).status == "completed"


async def test_a_wrong_key_is_not_shown(desk: Desk) -> None:
    """PF-41: the refusal of a key names the setting and not the key."""
    async with perplexity.open_http(f"{desk.sandbox.url}/perplexity", KEY) as http:
        with pytest.raises(ProviderStopped) as caught:
            await Perplexity(http, desk.seat.attempt).submit(ASK, key="picks:1")
        assert KEY not in repr(http)
    assert "PPLX_API_KEY" in str(caught.value)
    assert KEY not in str(caught.value)


async def test_the_retired_path_is_what_it_is() -> None:
    """B2: both ways in which the old path says that it is gone mean that openbell must be updated."""
    for error in (
        {"message": "Sonar is now the Agent API.", "type": "chat_completions_not_available", "code": 403},
        {"message": "Sonar is now the Agent API.", "type": "forbidden", "code": "agent_api_migration_required"},
    ):
        assert refusal(403, json.dumps({"error": error}).encode(), {}).code == "retired_path"


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, Permanent, "invalid_request"),
        (401, ProviderStopped, "bad_key"),
        (402, ProviderStopped, "account_exhausted"),
        (403, ProviderStopped, "forbidden"),
        (404, Permanent, "not_found"),
        (418, Permanent, "http_418"),
        (429, RateLimited, "rate_limited"),
        (500, Transient, "outage"),
        (503, Transient, "outage"),
    ],
)
def test_a_bare_status_decides_without_words(status: int, kind: type[ProducerError], code: str) -> None:
    """PF-8: when there are no words, the status says what it is."""
    error = refusal(status, b"", {})
    assert (type(error), error.code) == (kind, code)


@given(status=st.integers(100, 599), body=st.binary(max_size=300))
def test_any_answer_is_an_object_or_a_typed_error(status: int, body: bytes) -> None:
    """PF-8: no answer of the provider, however strange, is an untyped failure."""
    assert isinstance(read_answer(answer(body, status)), (dict, ProducerError))


@pytest.mark.parametrize("body", [b"", b"null", b"[1]", b'{"a": NaN}', b"[" * 100_000, b"\xff"], ids=repr)
def test_what_is_no_object_is_an_error(body: bytes) -> None:
    """PF-8: a 200 with anything but a JSON object is never taken for a run."""
    assert isinstance(read_answer(answer(body)), Transient)


# --- how runs end ----------------------------------------------------------------------------------------------------

ENDS: list[tuple[str, str]] = [
    ("failed", "run_failed"),
    ("failed_billed", "run_failed"),
    ("incomplete", "run_incomplete"),
    ("requires_action", "run_ended"),
    ("bad_json", "invalid_output"),
]


async def test_a_run_without_an_answer_is_typed(desk: Desk) -> None:
    """B2: a failure comes with status 200 and is a failure all the same; what it has cost is booked."""
    ask = Ask("Pick two.", effort="low", schema=Picks, hold_micro=500_000)
    for fault, code in ENDS:
        before = await desk.billed()
        await desk.sandbox.fault(fault, provider="perplexity", times=1)
        with pytest.raises(Permanent) as caught:
            await desk.finished(ask, key=fault)
        assert caught.value.code == code
        spend = await desk.spend(fault)
        assert spend["word"] == "settled"
        billed = await desk.billed() - before
        assert spend["cost_micro"] == (500_000 if spend["outcome"].endswith("price unknown") else billed)
        assert (spend["outcome"] in SUCCEEDED) == (code == "invalid_output")


async def test_what_the_service_says_is_what_is_booked(desk: Desk) -> None:
    """PF-21, PF-19: also beyond the hold; a run whose cost it does not tell is booked as held, and the books say so."""
    await desk.sandbox.fault("cost", provider="perplexity", amount=700_001, times=1)
    run = await desk.finished(key="dear")
    assert run.cost_micro == (await desk.spend("dear"))["cost_micro"] == await desk.billed() == 700_001
    for fault in ("no_cost", "no_usage"):
        await desk.sandbox.fault(fault, provider="perplexity", times=1)
        run = await desk.finished(key=fault)
        spend = await desk.spend(fault)
        assert (run.cost_micro, spend["cost_micro"], spend["outcome"]) == (None, 500_000, "price unknown")


async def test_a_run_can_be_cancelled(desk: Desk) -> None:
    """PF-50: a run under way is ended on request, once; what it has cost is what is booked."""
    await desk.sandbox.fault("slow_run", provider="perplexity", seconds=30)
    handle = await desk.service.submit(ASK, key="picks:1")
    await desk.seat.go_on()
    assert await desk.service.cancel(handle)

    async def stopped() -> Run | None:
        run = await desk.service.poll(handle)
        await desk.seat.go_on()
        return None if run.running else run

    run = await eventually(stopped)
    assert run is not None
    error = run.error()
    assert error is not None
    assert error.code == "run_cancelled"
    assert not await desk.service.cancel(handle)
    spend = (await desk.seat.spends())[0]
    assert spend["word"] == "settled"
    assert spend["cost_micro"] == (await desk.billed() if run.cost_micro is not None else 500_000)


async def test_models_are_listed(desk: Desk) -> None:
    """B2: which models there are is asked for free."""
    assert "perplexity/sonar" in await desk.service.models()
    assert await desk.billed() == 0


@pytest.mark.parametrize(
    ("total", "micro"),
    [
        ("0", 0),
        ("0.01", 10_000),
        ("0.0000001", 1),
        ("0.123456", 123_456),
        ("0.1234560000001", 123_457),
        ("1e-7", 1),
        ("3", 3_000_000),
        ("-1", None),
        ("1e30", None),
        ("1e999999999", None),
        ('"0.01"', None),
        ("true", None),
        ("null", None),
    ],
)
def test_costs_are_exact_and_rounded_up(total: str, micro: int | None) -> None:
    """PF-21: the reported cost is taken digit for digit, rounded up to a micro-dollar; nonsense is no cost."""
    body = (
        f'{{"id": "resp_1", "status": "completed", "usage": {{"cost": {{"currency": "USD", "total_cost": {total}}}}}}}'
    )
    value = read_answer(answer(body.encode()))
    assert isinstance(value, dict)
    run = read_run(value)
    assert isinstance(run, Run)
    assert run.cost_micro == micro


@pytest.mark.parametrize("value", [{}, {"id": 1, "status": "completed"}, {"id": "resp_1"}], ids=str)
def test_a_run_without_id_or_status_is_none(value: dict[str, Any]) -> None:
    """PF-8: what cannot be asked about again is not taken for a run."""
    assert isinstance(read_run(value), Transient)


@given(
    st.fixed_dictionaries(
        {"id": st.just("resp_1"), "status": st.sampled_from(["queued", "completed", "failed", "new"])},
        optional={
            name: st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(
                        st.sampled_from(["type", "content", "results", "url", "cost", "text"]), inner, max_size=3
                    )
                ),
                max_leaves=8,
            )
            for name in ("output", "usage", "error", "model")
        },
    )
)
def test_a_run_is_read_whatever_is_in_it(value: dict[str, Any]) -> None:
    """B2: unknown kinds of output, and fields of another type than expected, are passed over."""
    run = read_run(value)
    assert isinstance(run, Run)
    assert (run.error() is None) == (value["status"] in ("queued", "completed"))


# --- a real worker ---------------------------------------------------------------------------------------------------


async def fresh(pool: asyncpg.Pool, holds: Any) -> Reading:
    async def look() -> Reading | None:
        reading = await read(pool, "picks", "a")
        return reading if holds(reading) else None

    found = await eventually(look)
    assert found is not None
    return found


async def test_a_worker_holds_nothing_while_the_run_goes_on(
    pool: asyncpg.Pool, start: Start, employ: Employ, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """PF-9, PF-41: the job is parked between looks and uses no attempt; the key is in no log, row or error."""
    caplog.set_level("DEBUG")
    sandbox = await start(key=KEY)
    await sandbox.fault("slow_run", provider="perplexity", seconds=0.3, times=1)
    http = perplexity.open_http(f"{sandbox.url}/perplexity", KEY)

    async def make(key: Any, ctx: Any) -> Number:
        run = await Perplexity(http, ctx).research(ASK, key=f"picks:{key}:1")
        return Number(n=len(run.text), text=run.id)

    product = declare("picks", make, spends={"perplexity": Calls(1)})
    await employ(product, limits=PLENTY, slots=1)
    await queue(pool, "a", name="picks")

    async def parked() -> bool:
        waiting = await job(pool, "a", "picks")
        return waiting is not None and waiting["parked_until"] is not None

    await eventually(parked)
    assert await pool.fetchval("select count(*) from openbell.job where token is not null") == 0
    assert await pool.fetchval("select held - spent from openbell.account where resource = 'usd_micro'") == 500_000

    async def hurry() -> bool:
        if await parked():
            await clock.advance(seconds=6)
            await wake(pool)
            await queue(pool, "a", name="picks", source="impatient")
        return (await read(pool, "picks", "a")).version == 1

    await eventually(hurry)
    [history] = await ended(pool, "a", "picks")
    assert history["attempts"] == 1
    [spend] = await pool.fetch("select *, state::text as word from openbell.spend")
    assert (spend["word"], spend["cost_micro"]) == ("settled", await sandbox.billed_usd_micro("perplexity"))
    reading = await fresh(pool, lambda one: one.version == 1)
    assert reading.value["text"] == spend["provider_ref"]
    tables = ("job_history", "artifact", "version", "spend", "account", "step")
    rows = [str(await pool.fetch(f"select to_jsonb(t) as row from openbell.{table} t")) for table in tables]
    shown = [record.getMessage() + str(record.exc_text) + str(record.args) for record in caplog.records]
    assert not [text for text in (*rows, *shown) if KEY in text]
    await http.aclose()


async def test_a_worker_pauses_the_service_for_everybody(pool: asyncpg.Pool, sandbox: Running, employ: Employ) -> None:
    """PF-8: an account without money stops the service for all jobs, with the mend shown, and uses no attempt."""
    await sandbox.fault("insufficient_quota", provider="perplexity")
    http = perplexity.open_http(f"{sandbox.url}/perplexity", "sandbox")

    async def make(key: Any, ctx: Any) -> Number:
        run = await Perplexity(http, ctx).research(ASK, key=f"picks:{key}:1")
        return Number(n=len(run.text))

    await employ(declare("picks", make, spends={"perplexity": Calls(1)}), limits=PLENTY)
    await queue(pool, "a", name="picks")
    reading = await fresh(pool, lambda one: one.blockage and one.job and one.job.state == "waiting")
    assert "add credit" in reading.reason
    await queue(pool, "b", name="picks")
    waiting = await job(pool, "b", "picks")
    assert waiting is not None
    assert waiting["attempt"] == 0
    assert len(await sandbox.entries("perplexity")) == 1
    await http.aclose()


def test_a_handle_survives_as_json() -> None:
    """PF-9: what is stored of a submission is enough to ask about it, in another process."""
    handle = Handle(id="resp_1", key="picks:1", held_micro=5, effort="low", structured=True)
    assert Handle(**json.loads(handle.model_dump_json())) == handle
