"""Publishing: a new version only for something new, never anything less than what was known, all or nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine.artifacts import Reading, history, read, read_heads, read_many
from openbell.engine.spends import Settlement
from tests.engine.hand import Hand, account, declare, ended, job, per_minute, queue
from tests.support import Clock

AT = datetime(2026, 8, 7, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Desk:
    """Publishes answers to one key, one after the other."""

    def __init__(self, pool: asyncpg.Pool, hand: Hand, clock: Clock) -> None:
        self.pool, self.hand, self.clock = pool, hand, clock

    async def publish(self, value: dict[str, Any] | None, at: datetime | None = None) -> tuple[str, int | None]:
        """Let the key become stale, claim it, publish."""
        await self.clock.advance(hours=3)
        assert await queue(self.pool, "a")
        (claim,) = await self.hand.claim()
        answer = await self.hand.publish(claim, value, at=at)
        assert answer is not None
        return answer["outcome"], answer["version"]

    async def fail(self) -> None:
        await self.clock.advance(hours=3)
        assert await queue(self.pool, "a")
        await self.hand.end((await self.hand.claim())[0], "permanent", code="invalid_answer")

    async def read(self) -> Reading:
        return await read(self.pool, "number", "a")


@pytest.fixture
async def desk(pool: asyncpg.Pool, clock: Clock) -> Desk:
    """A key of which nothing is known yet."""
    return Desk(pool, await Hand.hire(pool, declare(), limits=[per_minute(10)]), clock)


async def test_a_value_is_a_version(desk: Desk) -> None:
    """PF-13: each new value is a version of its own, with source, licence and cost; the old ones stay as they were."""
    assert await desk.publish({"n": 1}, AT) == ("done", 1)
    assert await desk.publish({"n": 2}, AT + SECOND) == ("done", 2)
    reading = await desk.read()
    assert (reading.version, reading.value, reading.state, reading.licence) == (2, {"n": 2}, "fresh", "cc0")
    assert reading.source_time == AT + SECOND
    assert [(one.version, one.value) for one in await history(desk.pool, "number", "a")] == [
        (2, {"n": 2}),
        (1, {"n": 1}),
    ]


async def test_an_equal_source_time_is_unchanged(desk: Desk) -> None:
    """DC-2, MD-4: an equal source time moves checked_at and the full time to live, and nothing else."""
    await desk.publish({"n": 1}, AT)
    before = await desk.read()
    assert await desk.publish({"n": 2}, AT) == ("unchanged", 1)
    after = await desk.read()
    assert (after.version, after.value, after.changed_at) == (1, {"n": 1}, before.changed_at)
    assert after.checked_at is not None
    assert before.checked_at is not None
    assert after.checked_at > before.checked_at
    assert after.fresh_until == after.checked_at + timedelta(minutes=1)


async def test_an_equal_value_is_unchanged(desk: Desk) -> None:
    """MD-4: without a source time an equal value, in whatever order of fields, is unchanged."""
    await desk.publish({"n": 1, "text": "x"})
    assert await desk.publish({"text": "x", "n": 1.0}) == ("unchanged", 1)
    assert await desk.publish({"text": "y", "n": 1}) == ("done", 2)


async def test_an_older_answer_is_discarded(desk: Desk) -> None:
    """MD-5: an older source time is discarded and counted, and holds back the next question only for the retry time."""
    await desk.publish({"n": 1}, AT)
    before = await desk.read()
    assert await desk.publish({"n": 0}, AT - SECOND) == ("outdated", 1)
    after = await desk.read()
    assert (after.value, after.source_time, after.checked_at) == ({"n": 1}, AT, before.checked_at)
    assert after.fresh_until is not None
    assert timedelta(0) < after.fresh_until - after.now <= timedelta(seconds=30)
    assert [row["word"] for row in await ended(desk.pool, "a")] == ["done", "outdated"]


async def test_an_empty_answer_keeps_the_value(desk: Desk) -> None:
    """MD-6: "nothing available" has its own state and time, and the earlier value stays readable."""
    await desk.publish({"n": 1}, AT)
    assert await desk.publish(None) == ("empty", 1)
    reading = await desk.read()
    assert (reading.state, reading.version, reading.value, reading.source_time) == ("empty", 1, {"n": 1}, AT)
    assert reading.fresh_until is not None
    assert reading.checked_at is not None
    assert reading.fresh_until - reading.checked_at == timedelta(hours=2)
    assert await desk.publish({"n": 1}, AT) == ("unchanged", 1)
    assert (await desk.read()).state == "fresh"


async def test_nothing_known_is_a_result(desk: Desk) -> None:
    """MD-6: a key of which the source has nothing is stored as such and not asked again before its time."""
    assert await desk.publish(None) == ("empty", 0)
    reading = await desk.read()
    assert (reading.state, reading.version, reading.value, reading.setback) == ("empty", 0, None, None)
    await desk.clock.advance(minutes=119)
    assert await queue(desk.pool, "a") == []


async def test_failure_never_replaces_the_last_good_value(desk: Desk) -> None:
    """PF-13: a failure leaves value, version and times as they were and says why beside them."""
    await desk.publish({"n": 1}, AT)
    before = await desk.read()
    await desk.fail()
    after = await desk.read()
    assert (after.version, after.value, after.checked_at, after.stale_until) == (
        before.version,
        before.value,
        before.checked_at,
        before.stale_until,
    )
    assert after.setback is not None
    assert after.setback.code == "invalid_answer"
    assert "it broke" in after.reason


async def test_a_success_clears_the_setback(desk: Desk) -> None:
    """PF-8: after a success nothing is held against the key."""
    await desk.fail()
    await desk.publish({"n": 1}, AT)
    assert (await desk.read()).setback is None


async def test_versions_cannot_be_changed(desk: Desk) -> None:
    """PF-13: the database itself refuses to change a version."""
    await desk.publish({"n": 1}, AT)
    with pytest.raises(asyncpg.PostgresError, match="immutable"):
        await desk.pool.execute("""update openbell.version set value = '{"n": 2}'""")
    assert (await desk.read()).value == {"n": 1}


@pytest.mark.parametrize("table", ["job_history", "version", "artifact", "aging"])
async def test_all_or_nothing(desk: Desk, table: str) -> None:
    """PF-12: an error anywhere inside publishing leaves no trace: version, spend, account, job and history together."""
    await desk.pool.execute(
        f"create function boom() returns trigger language plpgsql as $$ begin raise exception 'boom'; end $$;"
        f"create trigger boom before insert or update on openbell.{table} for each row execute function boom()"
    )
    await queue(desk.pool, "a")
    (claim,) = await desk.hand.claim()
    spends = desk.hand.attempt(claim).spends("shop")
    async with spends.call("buy"):
        pass
    with pytest.raises(asyncpg.PostgresError, match="boom"):
        await desk.hand.publish(claim, {"n": 1}, at=AT, settle=spends.ended)
    running = await job(desk.pool, "a")
    assert running is not None
    assert (running["state"], running["token"]) == ("running", claim.token)
    assert await desk.pool.fetchval("select count(*) from openbell.hold") == 1
    assert (await desk.read()).version == 0
    await desk.pool.execute(f"drop trigger boom on openbell.{table}")
    answer = await desk.hand.publish(claim, {"n": 1}, at=AT, settle=spends.ended)
    assert answer is not None
    assert answer["outcome"] == "done"
    assert (await account(desk.pool))["held"] == 1


async def test_the_history_tells_the_job(desk: Desk) -> None:
    """PF-36, PF-37: the finished job is one row with outcome, attempts, cost, version and times."""
    await desk.clock.advance(hours=3)
    (job_id,) = await queue(desk.pool, "a")
    await desk.hand.end((await desk.hand.claim())[0], "retry")
    (claim,) = await desk.hand.claim()
    spends = desk.hand.attempt(claim).spends("shop")
    async with spends.call("buy") as call:
        call.took(usd_micro=1_500)
    await desk.hand.publish(claim, {"n": 1}, at=AT, settle=spends.ended)
    (row,) = await ended(desk.pool, "a")
    assert (row["id"], row["word"], row["attempts"], row["cost_micro"], row["version"]) == (job_id, "done", 2, 1_500, 1)
    assert row["queued_at"] <= row["started_at"] <= row["finished_at"]
    assert (await desk.read()).cost_micro == 1_500
    assert await job(desk.pool, "a") is None
    assert await desk.pool.fetchval("select count(*) from openbell.step") == 0


async def test_settling_twice_takes_once(desk: Desk) -> None:
    """PF-21: a spend that has ended stays as it is, whoever reports it again."""
    await queue(desk.pool, "a")
    (claim,) = await desk.hand.claim()
    spends = desk.hand.attempt(claim).spends("shop")
    async with spends.call("buy"):
        pass
    await desk.hand.ledger.settle(spends.ended)
    again = [Settlement(spends.ended[0].spend_id, "released", "never happened")]
    await desk.hand.ledger.settle(again)
    await desk.hand.publish(claim, {"n": 1}, at=AT, settle=spends.ended)
    assert (await account(desk.pool))["held"] == 1
    assert await desk.pool.fetchval("select state::text from openbell.spend") == "settled"


async def test_reading_creates_nothing(desk: Desk) -> None:
    """PF-47: reading a key of which nothing is known answers, and writes no row."""
    readings = await read_many(desk.pool, [("number", "x"), ("nonsense", "y")])
    assert [(r.product, r.key, r.state, r.version) for r in readings] == [
        ("number", "x", "missing", 0),
        ("nonsense", "y", "missing", 0),
    ]
    counts = "select (select count(*) from openbell.artifact) + (select count(*) from openbell.job)"
    assert await desk.pool.fetchval(counts + " + (select count(*) from openbell.demand)") == 0


async def test_the_mark_changes_when_a_reader_would_see_something_else(desk: Desk) -> None:
    """PF-49, MD-24: etag and head change with the value and the state of the work, and not by themselves."""
    first = await desk.read()
    assert (await desk.read()).etag == first.etag
    head = await read_heads(desk.pool, [("number", "a")])
    await queue(desk.pool, "a")
    queued = await desk.read()
    assert queued.etag != first.etag
    (claim,) = await desk.hand.claim()
    running = await desk.read()
    assert running.etag != queued.etag
    await desk.hand.publish(claim, {"n": 1}, at=AT)
    done = await desk.read()
    assert len({first.etag, queued.etag, running.etag, done.etag}) == 4
    assert await read_heads(desk.pool, [("number", "a")]) != head
