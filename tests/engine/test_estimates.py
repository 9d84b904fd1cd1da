"""Estimates follow actuals: learnt once from every call, and an alert where a call took far more than expected."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.engine.database import SQL
from openbell.engine.estimates import Ended, Estimate, Estimator, learn, list_estimates
from openbell.engine.ledger import Limit, ensure_accounts
from openbell.engine.spends import Intent, Ledger, Settlement
from openbell.engine.upkeep import Upkeep
from tests.support import Clock

BUDGET = Limit("shop", "usd_micro", "ever", 10**12, closes="charge")
NOW = datetime(2026, 8, 4, tzinfo=UTC)
NOT_YET = timedelta(0)


def ended(took: int, held: int | None = 100, *, resource: str = "usd_micro", outcome: str = "ok") -> Ended:
    """A call that took so much."""
    hold = {} if held is None else {resource: held}
    return Ended(1, NOW, "p", "shop", "buy", happened=True, outcome=outcome, held=hold, took={resource: took})


async def spend(
    pool: asyncpg.Pool, *amounts: int, outcome: str = "ok", held: int = 1_000, operation: str = "buy"
) -> None:
    """Calls through the ledger that took these amounts, one after the other."""
    ledger, (account,) = Ledger(pool), (await ensure_accounts(pool, [BUDGET]))["shop"]
    for amount in amounts:
        wish = Intent(
            None, None, "report", "a", "shop", operation, None, "never", None, None, timedelta(seconds=10),
            {"calls": 1, "usd_micro": held}, [(account.id, held)],
        )  # fmt: skip
        verdict = await ledger.reserve(wish)
        assert verdict.spend_id is not None
        await ledger.settle([Settlement(verdict.spend_id, "settled", outcome, {"usd_micro": amount})])


async def learnt(pool: asyncpg.Pool) -> dict[str, tuple[int, int]]:
    """Average and samples of each operation."""
    return {one.operation: (round(one.average), one.samples) for one in await list_estimates(pool)}


@given(st.lists(st.integers(0, 2**53 - 1), min_size=1, max_size=60))
def test_the_average_lies_among_what_was_taken(amounts: list[int]) -> None:
    """PF-22: whatever calls took, the estimate lies between the least and the most of it."""
    estimate = Estimate("p", "shop", "buy", "usd_micro")
    for amount in amounts:
        learn(estimate, ended(amount))
    assert min(amounts) * 0.999999 <= estimate.average <= max(amounts) * 1.000001
    assert estimate.samples == len(amounts)


def test_the_average_follows_a_change() -> None:
    """PF-22: the plain mean of the first calls, then the newest count most: a new price takes over."""
    estimate = Estimate("p", "shop", "buy", "usd_micro")
    learn(estimate, ended(10))
    learn(estimate, ended(30))
    assert estimate.average == 20
    for _ in range(40):
        learn(estimate, ended(200))
    assert 190 < estimate.average <= 200


def test_more_than_twice_the_estimate_is_an_alert() -> None:
    """PF-22: the estimate is the hold while there are few calls, then the average; more than twice is told."""
    estimate = Estimate("p", "shop", "buy", "usd_micro")
    assert not learn(estimate, ended(200, held=100))
    assert learn(estimate, ended(201, held=100))
    calm = Estimate("p", "shop", "buy", "usd_micro", average=50.0, samples=10)
    assert not learn(calm, ended(100, held=1_000))
    calm.average = 50.0
    assert learn(calm, ended(101, held=1_000))
    assert (calm.alerts, calm.alert_took, calm.alert_expected, calm.alert_spend) == (1, 101, 50, 1)


def test_what_is_free_must_exceed_its_hold() -> None:
    """PF-22: the size of an answer follows from the key: bytes within what was held are no alert, credits are."""
    for resource, expected in (("bytes", False), ("credits", True)):
        estimate = Estimate("p", "shop", "buy", resource, average=50.0, samples=10)
        assert learn(estimate, ended(500, held=500, resource=resource)) is expected
    assert learn(
        Estimate("p", "shop", "buy", "bytes", average=50.0, samples=10), ended(501, held=500, resource="bytes")
    )
    assert not learn(Estimate("p", "shop", "buy", "bytes"), ended(500, held=None, resource="bytes"))


def test_a_failure_teaches_nothing() -> None:
    """PF-22: an error page of 80 bytes does not become the estimate; a dear failure is an alert all the same."""
    estimate = Estimate("p", "shop", "buy", "usd_micro", average=50.0, samples=10)
    assert not learn(estimate, ended(1, outcome="http_429"))
    assert learn(estimate, ended(500, outcome="failed"))
    assert (estimate.average, estimate.samples) == (50.0, 10)


async def test_every_call_teaches_once(pool: asyncpg.Pool, another_pool: asyncpg.Pool) -> None:
    """PF-22: however many processes learn at once, in batches of any size, each call counts once and in its order."""
    await spend(pool, 10, 20, 30, 40)
    await spend(pool, 5, 5, 5, operation="ask")
    both = [Estimator(one, lag=NOT_YET, most=2) for one in (pool, another_pool, pool)]
    await asyncio.gather(*(one.beat() for one in both))
    for one in both:
        await one.beat()
    assert await learnt(pool) == {"ask": (5, 3), "buy": (25, 4)}
    await spend(pool, 100)
    await both[0].beat()
    assert (await learnt(pool))["buy"] == (40, 5)


async def test_a_crash_in_between_teaches_nothing_and_loses_nothing(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PF-22: what was learnt and how far are one transaction: after a crash the same calls teach again, once."""
    await spend(pool, 10, 20)
    real = SQL.get
    monkeypatch.setattr(
        SQL, "get", lambda name: "select $1::timestamptz, $2::bigint / 0" if name == "move_estimated" else real(name)
    )
    with pytest.raises(asyncpg.DataError):
        await Estimator(pool, lag=NOT_YET).beat()
    assert await learnt(pool) == {}
    monkeypatch.undo()
    await Estimator(pool, lag=NOT_YET).beat()
    assert await learnt(pool) == {"buy": (15, 2)}


async def test_what_may_not_be_committed_yet_waits(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-22: calls end in one order and are committed in another; what ended a moment ago is left for the next beat."""
    await spend(pool, 10)
    await Estimator(pool).beat()
    assert await learnt(pool) == {}
    await clock.advance(minutes=2)
    await Estimator(pool).beat()
    assert await learnt(pool) == {"buy": (10, 1)}


async def test_a_long_way_is_gone_in_one_beat(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-22: after hours in which nobody learnt, one beat has caught up, over quiet times as well."""
    await spend(pool, 10)
    await clock.advance(hours=5)
    await spend(pool, 20)
    await clock.advance(minutes=2)
    await Estimator(pool).beat()
    assert await learnt(pool) == {"buy": (15, 2)}


async def test_what_never_happened_teaches_nothing(pool: asyncpg.Pool) -> None:
    """PF-22: released, refused and doubtful calls are passed by; what was not told is not learnt."""
    ledger, (account,) = Ledger(pool), (await ensure_accounts(pool, [BUDGET]))["shop"]
    for state in ("released", "refused", "unknown", "unanswered"):
        legs = [(account.id, 50)]
        wish = Intent(
            None, None, "report", "a", "shop", state, None, "never", None, None, NOT_YET, {"usd_micro": 50}, legs
        )
        verdict = await ledger.reserve(wish)
        assert verdict.spend_id is not None
        await ledger.settle([Settlement(verdict.spend_id, state, "timeout")])  # type: ignore[arg-type]
    await Estimator(pool, lag=NOT_YET).beat()
    assert await learnt(pool) == {}
    await spend(pool, 10)
    await Estimator(pool, lag=NOT_YET).beat()
    assert await learnt(pool) == {"buy": (10, 1)}


async def test_upkeep_learns_and_tells(pool: asyncpg.Pool, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """PF-22, PF-34: upkeep runs the estimator; an alert is a warning in the log and stays on the estimate."""
    await spend(pool, *[100] * 12, 900)
    await clock.advance(minutes=2)
    await Upkeep(pool).beat()
    (estimate,) = await list_estimates(pool, exceeded_within=timedelta(days=1))
    assert (estimate.samples, estimate.alerts, estimate.alert_took, estimate.alert_expected) == (13, 1, 900, 100)
    assert f"spend={estimate.alert_spend} took=900 expected=100" in caplog.text
    await clock.advance(days=2)
    assert await list_estimates(pool, exceeded_within=timedelta(days=1)) == []
