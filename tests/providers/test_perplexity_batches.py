"""Perplexity in batches, and what a run or a batch may cost (domain notes B2)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest

from openbell.engine.errors import Permanent, ProducerError, Transient
from openbell.providers import perplexity
from openbell.providers.perplexity import Ask, Perplexity, estimate, limits
from tests.providers.perplexity_desk import ASK, Desk, sit
from tests.providers.seat import Seat
from tests.sandbox.harness import Running
from tests.support import Clock, eventually

BATCH = {f"user-{n}": Ask(f"Picks for user {n}", effort="low", hold_micro=300_000) for n in range(3)}


@pytest.fixture
async def desk(pool: asyncpg.Pool, sandbox: Running) -> AsyncIterator[Desk]:
    """A seat at the service."""
    async with sit(pool, sandbox) as taken:
        yield taken


async def results(desk: Desk, handle: perplexity.BatchHandle) -> perplexity.Batch:
    async def look() -> perplexity.Batch | None:
        batch = await desk.service.read_batch(handle)
        await desk.seat.go_on()
        return None if batch.running else batch

    batch = await eventually(look)
    assert batch is not None
    return batch


async def created_batches(desk: Desk) -> int:
    entries = await desk.sandbox.entries("perplexity")
    return sum(entry["operation"] == "POST v1/batches" for entry in entries)


async def test_a_batch_is_one_spend(desk: Desk) -> None:
    """PF-21: a batch is held as a whole, and settled with the sum of what its runs cost, to the micro-dollar."""
    file = await desk.service.upload(BATCH)
    handle = await desk.service.create_batch(file, BATCH, key="week 12")
    await desk.seat.go_on()
    assert await desk.seat.money() == (900_000, 0)
    batch = await results(desk, handle)
    assert set(batch.runs) == set(BATCH)
    assert all(run.text and run.effort == "low" and run.synthetic for run in batch.runs.values())
    billed = await desk.billed()
    assert billed == sum(run.cost_micro or 0 for run in batch.runs.values()) > 0
    assert await desk.seat.money() == (0, billed)


async def test_a_lost_batch_is_found(desk: Desk) -> None:
    """DC-1: a batch whose answer was lost is found by its mark, or sent again under its key: there is one."""
    file = await desk.service.upload(BATCH)
    for fault, posts in (("drop", 1), ("cut", 1), ("server_error", 2), ("reset", 2)):
        billed, posted = await desk.billed(), await created_batches(desk)
        await desk.sandbox.fault(fault, provider="perplexity", path="v1/batches", times=1)
        with pytest.raises(Transient):
            await desk.service.create_batch(file, BATCH, key=fault)
        await desk.seat.go_on()
        handle = await desk.service.create_batch(file, BATCH, key=fault)
        await desk.seat.go_on()
        batch = await results(desk, handle)
        billed = await desk.billed() - billed
        assert billed == sum(run.cost_micro or 0 for run in batch.runs.values()) > 0
        assert (await desk.spend(fault))["cost_micro"] == billed
        assert await created_batches(desk) - posted == posts
    assert await desk.seat.money() == (0, await desk.billed())


async def test_a_batch_survives_its_worker(desk: Desk) -> None:
    """DC-1: killed with the answer in hand: the next attempt finds the batch, also where its key was forgotten."""
    await desk.sandbox.fault("forgotten_key", provider="perplexity", path="v1/batches")
    file = await desk.service.upload(BATCH)
    first = await desk.service.create_batch(file, BATCH, key="week 12")
    await desk.seat.be_killed()
    assert await desk.service.create_batch(file, BATCH, key="week 12") == first
    assert await created_batches(desk) == 1


async def test_a_batch_is_not_sent_again_after_its_window(desk: Desk, clock: Clock) -> None:
    """DC-1: when the service may have forgotten the key, a doubtful batch is left to an operator."""
    await desk.sandbox.fault("drop", provider="perplexity", path="v1/batches", times=1)
    file = await desk.service.upload(BATCH)
    with pytest.raises(Transient):
        await desk.service.create_batch(file, BATCH, key="week 12", window=timedelta(hours=1))
    await desk.seat.go_on()
    await clock.advance(hours=2)
    with pytest.raises(Permanent) as caught:
        await desk.service.create_batch(file, BATCH, key="week 12", window=timedelta(hours=1))
    assert caught.value.code == "outcome_unknown"
    assert await created_batches(desk) == 1


async def test_a_refused_batch_costs_nothing(desk: Desk) -> None:
    """PF-21: a refusal proves that there is no batch; the key may be used again."""
    file = await desk.service.upload(BATCH)
    for fault in ("rate_limited", "unauthorized"):
        await desk.sandbox.fault(fault, provider="perplexity", path="v1/batches", times=1)
        with pytest.raises(ProducerError):
            await desk.service.create_batch(file, BATCH, key="week 12")
        await desk.seat.go_on()
        assert await desk.seat.money() == (0, 0)
    assert (await desk.service.create_batch(file, BATCH, key="week 12")).id


async def test_a_batch_that_did_not_finish(desk: Desk) -> None:
    """PF-21: what a failed or expired batch has finished is booked, and nothing else."""
    file = await desk.service.upload(BATCH)
    for status in ("failed", "expired"):
        await desk.sandbox.fault(f"batch_{status}", provider="perplexity", path="v1/batches", times=1)
        handle = await desk.service.create_batch(file, BATCH, key=status)
        await desk.seat.go_on()
        assert (await results(desk, handle)).status == status
        assert await desk.seat.money() == (0, await desk.billed())
    # A line that is refused or fails does not spoil the others.
    await desk.sandbox.fault("rate_limited", provider="perplexity", path="v1/batches/line", match="user 0")
    await desk.sandbox.fault("failed_billed", provider="perplexity", path="v1/batches/line", match="user 1")
    handle = await desk.service.create_batch(file, BATCH, key="lines")
    await desk.seat.go_on()
    batch = await results(desk, handle)
    assert set(batch.refused) == {"user-0"}
    assert {name: run.status for name, run in batch.runs.items()} == {"user-1": "failed", "user-2": "completed"}
    assert await desk.seat.money() == (0, await desk.billed())


async def test_a_batch_that_was_cancelled_elsewhere(desk: Desk) -> None:
    """B2, PF-21: a batch that somebody stops at the service ends as cancelled; what was done until then is booked."""
    file = await desk.service.upload(BATCH)
    await desk.sandbox.fault("slow_run", provider="perplexity", path="v1/batches", seconds=60, times=1)
    handle = await desk.service.create_batch(file, BATCH, key="stopped")
    await desk.seat.go_on()
    assert (await desk.http.post(f"v1/batches/{handle.id}/cancel")).status_code == 200
    batch = await results(desk, handle)
    assert (batch.status, batch.running) == ("cancelled", False)
    assert await desk.seat.money() == (0, await desk.billed())


def acting(desk: Desk, *bodies: Any) -> Perplexity:
    """A service that answers in this order, whatever it is asked; the last answer stays."""
    left = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]

    def act(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=left.pop(0) if len(left) > 1 else left[0])

    http = httpx.AsyncClient(base_url="http://perplexity.test/", transport=httpx.MockTransport(act))
    return Perplexity(http, desk.seat.attempt)


async def test_strange_answers_settle_nothing(desk: Desk) -> None:
    """PF-8, PF-21: an answer without what is needed is an error, and what was made stays on the books as it was."""
    with pytest.raises(Transient):
        await acting(desk, {"status": "queued"}).submit(ASK, key="no id")
    with pytest.raises(Transient):
        await acting(desk, {"id": 5}).upload(BATCH)
    with pytest.raises(Transient):
        await acting(desk, {"object": "batch"}).create_batch("file", BATCH, key="no id of a batch")
    assert (await desk.spend("no id"))["word"] == (await desk.spend("no id of a batch"))["word"] == "unknown"
    handle = await acting(desk, {"id": "resp_1", "status": "queued"}).submit(ASK, key="a run")
    await desk.seat.go_on()
    for body in ({}, b"<html>", {"id": "resp_1"}):
        with pytest.raises(Transient):
            await acting(desk, body).poll(handle)
        assert (await desk.spend("a run"))["word"] == "sent"


async def test_a_listing_that_cannot_be_read_proves_nothing(desk: Desk) -> None:
    """DC-1: without a whole list of the batches none is made again."""
    row = {"id": "batch_1", "metadata": {"openbell_key": "another"}}
    endless, wrong = {"data": [row], "has_more": True}, {"data": 5}
    with pytest.raises(Transient):
        await acting(desk, {}).create_batch("file", BATCH, key="lost")
    for body, kind in ((wrong, Transient), (endless, Permanent)):
        await desk.seat.go_on()
        with pytest.raises(kind):
            await acting(desk, body).create_batch("file", BATCH, key="lost")
        assert [one.state for one in desk.seat.ended] == ["unknown"]


async def test_results_that_cannot_be_read_are_taken_as_paid(desk: Desk) -> None:
    """PF-21: a line that is answered and not understood costs what was held for it; one that is refused, nothing."""
    handle = await acting(desk, {"id": "batch_1"}).create_batch("file", BATCH, key="week 12")
    await desk.seat.go_on()
    ended = {"id": "batch_1", "status": "completed", "output_file_id": "out"}
    with pytest.raises(Transient):
        await acting(desk, ended, b"not a line").read_batch(handle)
    await desk.seat.go_on()
    lines = [
        {"custom_id": "user-0", "response": {"status_code": 200, "body": {"id": 7}}},
        {"custom_id": "user-1", "response": {"status_code": 429, "body": {"error": {}}}},
        {"custom_id": "user-2", "error": {"message": "expired"}},
        ["of another form"],
    ]
    batch = await acting(desk, ended, "\n".join(map(json.dumps, lines)).encode()).read_batch(handle)
    assert (batch.unread, sorted(batch.refused)) == (["user-0"], ["user-1", "user-2"])
    assert (await desk.spend("week 12"))["cost_micro"] == 300_000


# --- what it may cost ------------------------------------------------------------------------------------------------


def test_the_estimate_is_caps_times_prices() -> None:
    """PF-19: tokens that may be read and written, at their prices, and every tool in every step."""
    plain = Ask("x" * 1_000, model="perplexity/sonar", max_output_tokens=1_000, max_steps=1)
    said, at_most = 1_000 * Decimal("2.50"), (1_000 + 200 + 1_000) * Decimal("0.25")
    assert said < estimate(plain) <= said + at_most
    searching = Ask("x", model="perplexity/sonar", max_steps=2, tools=[{"type": "web_search", "max_tokens": 0}])
    without = Ask("x", model="perplexity/sonar", max_steps=2)
    assert estimate(searching) - estimate(without) >= 6 * 2_500
    assert estimate(Ask("x", model="anthropic/claude-haiku-5-5", max_steps=1, max_output_tokens=1_000)) >= 500
    assert estimate(plain, prices={"perplexity/sonar": (Decimal(0), Decimal(1_000))}) == 1_000_000


async def test_an_unknown_price_is_refused_before_the_call(desk: Desk) -> None:
    """PF-20: what nobody can price is not sent, and the error says what to do."""
    tools = [{"type": "mcp"}]
    for ask in (
        Ask("x", effort="high"),
        Ask("x", model="nobody/knows"),
        Ask("x", model="perplexity/sonar", tools=tools),
    ):
        with pytest.raises(Permanent) as caught:
            await desk.service.submit(ask, key="picks:1")
        assert caught.value.code == "price_unknown"
    assert (await desk.seat.spends(), await desk.created()) == ([], 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"effort": "extreme"},
        {"effort": "low@latest"},
        {"effort": "low", "max_steps": 0},
        {"model": "m", "max_output_tokens": 0},
    ],
    ids=str,
)
def test_an_impossible_question_is_refused(wrong: dict[str, Any]) -> None:
    """PF-1: a question that the service would refuse is an error of the program."""
    with pytest.raises(ValueError, match=r"Perplexity|effort|max_"):
        Ask("x", **wrong)


async def test_no_money_no_run(pool: asyncpg.Pool, sandbox: Running) -> None:
    """PF-19: a run that the budget does not cover is not submitted."""
    seat = await Seat.take(pool, "perplexity", limits(0, usd_micro_per_month=400_000))
    async with perplexity.open_http(f"{sandbox.url}/perplexity", "sandbox") as http:
        with pytest.raises(Permanent) as caught:
            await Perplexity(http, seat.attempt).submit(ASK, key="picks:1")
    assert caught.value.code == "limit_too_small"
    assert await sandbox.entries("perplexity") == []


def test_tiers_become_limits() -> None:
    """PF-19: calls per second and minute of the tier, and the money of a month."""
    by_name = {(one.resource, one.period): one.granted for one in limits(250, usd_micro_per_month=5)}
    assert by_name == {("calls", "second"): 8, ("calls", "minute"): 500, ("usd_micro", "month"): 5}
    with pytest.raises(KeyError):
        limits(7, usd_micro_per_month=5)
