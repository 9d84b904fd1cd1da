"""Why is this not fresh? One plain sentence for every state."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.engine.artifacts import Blockage, JobGlance, Reading, Setback, read
from openbell.engine.explain import clock, words
from openbell.engine.registry import set_product
from tests.engine.hand import Hand, declare, queue

NOW = datetime(2026, 8, 7, 10, 42, 5, tzinfo=UTC)
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
JOB = JobGlance(1, "waiting", NOW - 12 * SECOND, None, 0, None, None)
SETBACK = Setback("outage", "FMP is out of order.", NOW - MINUTE, NOW + MINUTE)


@pytest.fixture
async def reading(pool: asyncpg.Pool) -> Reading:
    """A stale value of five minutes ago, that nobody wants."""
    await Hand.hire(pool, declare())
    blank = await read(pool, "number", "a")
    times = {"checked_at": NOW - 5 * MINUTE, "fresh_until": NOW - 4 * MINUTE, "stale_until": NOW + DAY}
    return replace(blank, state="stale", version=1, value={"n": 1}, now=NOW, **times)


async def test_every_state_has_a_sentence(reading: Reading) -> None:
    """MD-12, PF-49: what holds now and what happens next, in plain words, for every state."""
    nobody = "Nobody is asking for it at the moment; it is refreshed when somebody does."
    said = [
        (replace(reading, state="fresh", fresh_until=NOW + MINUTE), "Fresh until 10:43:05 UTC."),
        (reading, f"Stale: last checked 5 min ago. {nobody}"),
        (replace(reading, state="expired"), f"Too old to be served as current: last checked 5 min ago. {nobody}"),
        (replace(reading, state="missing", checked_at=None), f"Nothing is known yet. {nobody}"),
        (
            replace(reading, state="empty", fresh_until=NOW + DAY),
            ("The source has nothing under this key. It is asked again after 8 Aug 2026, 10:42 UTC."),
        ),
        (replace(reading, state="fallback"), "This is a stand-in until the real result is there."),
        (replace(reading, enabled=False), "Stale: last checked 5 min ago. This product is switched off."),
    ]
    for one, sentence in said:
        assert one.reason == sentence


async def test_the_work_is_told(reading: Reading) -> None:
    """PF-11, PF-49: waiting, parked, running, blocked and failed are told apart, with the time of the next step."""
    stale = "Stale: last checked 5 min ago. "
    parked = replace(JOB, state="parked", run_at=NOW + MINUTE, attempt=1, reason="FMP is out of order.")
    blocked = replace(
        reading, job=JOB, blockage=Blockage(NOW + MINUTE, "the limit of FMP calls in any minute is used up")
    )
    said = [
        (replace(reading, job=JOB), "Queued 12 s ago."),
        (replace(reading, job=replace(JOB, state="running")), "It is being fetched now."),
        (replace(reading, job=replace(JOB, state="running", progress="page 2")), "It is being fetched now (page 2)."),
        (replace(reading, job=parked), "Waiting until 10:43:05 UTC for attempt 2: FMP is out of order."),
        (blocked, "Waiting until 10:43:05 UTC: the limit of FMP calls in any minute is used up."),
        (
            replace(reading, setback=SETBACK),
            ("The last attempt failed: FMP is out of order. It is tried again after 10:43:05 UTC."),
        ),
    ]
    for one, sentence in said:
        assert one.reason == stale + sentence


async def test_a_switched_off_product_says_so(pool: asyncpg.Pool, reading: Reading) -> None:
    """MD-2: what an operator has switched off is told as that."""
    await set_product(pool, "number", {"enabled": False}, actor="ann")
    assert "switched off" in (await read(pool, "number", "a")).reason


async def test_as_json_says_all(pool: asyncpg.Pool, reading: Reading) -> None:
    """PF-49: programs get state, reason, times with zone and the job, as plain JSON."""
    await queue(pool, "a")
    plain = json.loads(json.dumps((await read(pool, "number", "a")).as_json()))
    assert (plain["state"], plain["version"], plain["job"]["state"]) == ("missing", 0, "waiting")
    assert datetime.fromisoformat(plain["now"]).tzinfo is not None
    assert plain["reason"].startswith("Nothing is known yet. Queued")


@given(seconds=st.floats(-10, 10**9))
def test_a_span_is_one_number_and_a_unit(seconds: float) -> None:
    """PF-46: ages are told with one number and its unit, never negative, never a huge count of a small unit."""
    number, unit = words(timedelta(seconds=seconds)).split()
    assert unit in ("s", "min", "h", "days")
    assert int(number) >= 0
    assert unit == "days" or int(number) < 60


@given(offset=st.integers(-400, 400))
def test_times_have_a_zone(offset: int) -> None:
    """PF-46: a time of day names its zone, and its day where that could be mistaken."""
    told = clock(NOW + timedelta(hours=offset), NOW)
    assert told.endswith(" UTC")
    assert ("2026" in told) == (abs(offset) >= 20)
