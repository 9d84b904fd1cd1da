"""Alerts: each is caused as it comes about in life, seen to fire, told of once, and seen to be over."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from openbell.engine.alert_rules import HOLD_S
from openbell.engine.alerts import AlertError, acknowledge, evaluate, list_alerts, read_limits, set_limits, silence
from openbell.engine.books import grant
from openbell.engine.costs import resolve
from openbell.engine.database import SQL
from openbell.engine.errors import AccountBlocked, Permanent
from openbell.engine.flags import add_flag, drop_flag
from openbell.engine.ledger import Limit
from openbell.engine.registry import hours
from openbell.engine.rollout import FlagSetting, set_flag
from openbell.engine.sweep import sweep
from openbell.mail.alerting import Alerter, Webhook, tell_by_mail, tell_by_webhook
from openbell.people import add_person
from tests.engine.conftest import Employ
from tests.engine.hand import Hand, Number, declare, per_minute, queue, rescue
from tests.engine.purse import BUDGET, buy
from tests.engine.test_schedules import chore, every, set_up
from tests.providers.scripted import Scripted, http, serving
from tests.support import Clock, eventually
from tests.web.conftest import Site

SECRET = "a-secret-of-the-test-9f3c"
QUIET = timedelta(minutes=2)


async def look(pool: asyncpg.Pool) -> set[tuple[str, str]]:
    """Evaluate the rules once; what fires now, by code and what it is about."""
    await evaluate(pool, ["mail"])
    return {(one.code, one.about) for one in await list_alerts(pool, state="firing")}


async def held(pool: asyncpg.Pool, clock: Clock) -> set[tuple[str, str]]:
    """What fires once it has been seen for as long as it must: what passes by itself is told to nobody."""
    await evaluate(pool, ["mail"])
    await clock.advance(seconds=HOLD_S)
    return await look(pool)


async def over(pool: asyncpg.Pool, clock: Clock) -> set[tuple[str, str]]:
    """The same when what was just seen to be gone has been gone for its time."""
    await evaluate(pool, ["mail"])
    await clock.advance(QUIET)
    return await look(pool)


async def test_failures_fire_the_success_rate(pool: asyncpg.Pool, clock: Clock, employ: Employ) -> None:
    """PF-34: below 90 % of a product's jobs within an hour fires; when the hour has passed well it is over."""

    async def make(key: Any, _ctx: Any) -> Number:
        if key.startswith("bad"):
            raise Permanent("it is broken")
        return Number(n=1)

    await employ(declare(make=make))
    await queue(pool, *(f"bad{n}" for n in range(2)), *(f"good{n}" for n in range(18)))

    async def done(jobs: int) -> bool:
        return bool(await pool.fetchval("select count(*) >= $1 from openbell.job_history", jobs))

    await eventually(lambda: done(20))
    assert await look(pool) == set(), "90 % is enough"
    await queue(pool, "bad2")
    await eventually(lambda: done(21))
    assert await look(pool) == {("success_rate", "number")}
    await clock.advance(hours=1, seconds=1)
    assert ("success_rate", "number") not in await over(pool, clock)


async def test_a_queue_that_nobody_works_on(pool: asyncpg.Pool, clock: Clock, employ: Employ) -> None:
    """PF-34: depth, age of the oldest job and "nothing completed while work waits" fire; a worker ends them."""
    await Hand.hire(pool, declare())
    await set_limits(pool, {"depth": 3}, actor="test")
    await queue(pool, "a", "b", "c", "d")
    assert await look(pool) == set(), "depth must hold for a minute before anybody is told"
    await clock.advance(minutes=6)
    assert await held(pool, clock) == {("depth", ""), ("no_progress", "")}
    await clock.advance(minutes=10)
    assert await held(pool, clock) == {("depth", ""), ("no_progress", ""), ("oldest_job", "")}
    await queue(pool, "a", "b", "c", "d")  # the interest that had run out
    await employ(declare())

    async def empty() -> bool:
        return not await pool.fetchval("select count(*) from openbell.job")

    await eventually(empty)
    left = {code for code, _ in await over(pool, clock)}
    assert not left & {"depth", "no_progress", "oldest_job"}


async def test_stuck_jobs(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-34: a job whose worker is gone and that nobody takes back fires; the rescue ends it."""
    hand = await Hand.hire(pool, declare())
    await queue(pool, "a")
    await hand.claim()
    await hand.expire()
    assert await look(pool) == set(), "others take it back within seconds"
    await clock.advance(minutes=1, seconds=1)
    assert await look(pool) == set(), "a machine that has slept takes it back within seconds"
    assert await held(pool, clock) == {("stuck", "")}
    await rescue(pool)
    assert ("stuck", "") not in await over(pool, clock)


async def test_a_flag_that_has_outlived_its_end(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-27, PF-34: the day after its last one a flag fires, on whichever side it is; a new end clears it, and so does
    dropping it.
    """
    today = (await pool.fetchval("select openbell.now()")).date()
    for name in ("old-one", "other-one", "young-one"):
        end = today + timedelta(days=30 if name == "young-one" else 0)
        await add_flag(pool, name, about="a test", owner="ann", remove_by=end, actor="test")
    assert await look(pool) == set(), "its last day is not over"
    await clock.advance(days=1)
    assert await look(pool) == {("flag_expired", "old-one"), ("flag_expired", "other-one")}
    (first, *_) = await list_alerts(pool, state="firing")
    assert "ann" in first.message
    assert "openbell flags drop" in first.mend
    later = today + timedelta(days=60)
    assert not (await set_flag(pool, "old-one", FlagSetting(remove_by=later), actor="ann")).expired
    await drop_flag(pool, "other-one", actor="ann")
    assert await over(pool, clock) == set()


async def test_budgets_breakers_and_unknown_spends(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-34: a budget at 75 and at 90 %, an open breaker and a call in doubt each fire and end by what mends them."""
    limits = [Limit("shop", "usd_micro", "month", 1_000, closes="charge"), per_minute(100)]
    hand = await Hand.hire(pool, declare(timeout=hours(10)), limits=limits)
    await queue(pool, "a")
    (claim,) = await hand.claim()
    spends = hand.attempt(claim).spends("shop")
    await buy(spends, usd_micro=740, took=740)
    assert await look(pool) == set()
    await buy(spends, usd_micro=20, took=20)
    [(code, budget)] = await look(pool)
    assert code == "budget_75"
    await buy(spends, usd_micro=150, took=150)
    assert await look(pool) == {("budget_75", budget), ("budget_90", budget)}
    await grant(pool, "shop", "usd_micro", 2_000, actor="test", reason="more")
    assert await over(pool, clock) == set()

    doubtful = await buy(spends, "unknown")
    assert await look(pool) == {("unknown_spends", "doubtful calls")}
    await resolve(pool, doubtful, happened=True, cost_micro=100, reason="seen there", actor="test")
    assert await over(pool, clock) == set()

    for _ in range(8):
        async with spends.call("buy", usd_micro=1) as call:
            call.trouble("away")
        await spends.ledger.settle(spends.ended)
        spends.ended.clear()
        if await pool.fetchval("select count(*) from openbell.breaker"):
            break
    assert ("breaker", "shop") in await look(pool)
    with pytest.raises(AccountBlocked):
        await buy(spends, usd_micro=1)
    await clock.advance(minutes=10)
    await buy(spends, effect="repeat", usd_micro=1, took=1)  # the probe
    assert ("breaker", "shop") not in await over(pool, clock)


async def test_an_overdue_schedule(pool: asyncpg.Pool, clock: Clock, employ: Employ) -> None:
    """PF-34, PF-31: a schedule that nobody serves fires when its time has passed by its limit; a success ends it."""
    await set_up(pool, chore(), schedules=[every(cron="* * * * *", max_late=timedelta(minutes=5))])
    assert await look(pool) == set()
    await pool.execute("update openbell.schedule set next_at = openbell.now()")
    await clock.advance(minutes=5, seconds=1)
    assert await held(pool, clock) == {("schedule_overdue", "nightly")}
    await employ(chore())

    async def succeeded() -> bool:
        return bool(await pool.fetchval("select last_success_at is not null from openbell.schedule"))

    await eventually(succeeded)
    assert ("schedule_overdue", "nightly") not in await over(pool, clock)


async def test_wanted_keys_without_a_job(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-34: a key that is wanted, due and has no job for a minute fires; the sweep ends it."""
    await Hand.hire(pool, declare())
    await pool.execute(SQL.get("want_keys"), "test", ["number"], ["a"], [1], 0, timedelta(hours=1))
    assert await look(pool) == set()
    await clock.advance(seconds=61)
    assert await look(pool) == {("no_job", "number")}
    await sweep(pool, [("number", "a")])
    assert ("no_job", "number") not in await over(pool, clock)


async def test_old_backups(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-34: a backup that is older than 26 hours fires, in production also that there is none."""
    made = (
        "insert into openbell.backup (act, file, bytes, checksum, took_s, actor) values ('backup', 'f', 1, 'c', 1, 't')"
    )
    await clock.advance(hours=27)
    assert await look(pool) == set(), "nobody has to make backups while developing"
    await pool.execute("insert into openbell.meta values ('environment', '\"production\"')")
    assert await look(pool) == {("backup_old", "")}
    await pool.execute(made)
    assert await over(pool, clock) == set()
    await clock.advance(hours=27)
    assert await look(pool) == {("backup_old", "")}


async def test_what_comes_and_goes_is_told_of_once(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-34: a figure that swings around its threshold is one alert, acknowledged once, and silenced on request."""
    hand = await Hand.hire(pool, declare(timeout=hours(10)), limits=[BUDGET, per_minute(100)])
    await queue(pool, "a")
    (claim,) = await hand.claim()
    spends = hand.attempt(claim).spends("shop")
    for _ in range(5):  # a call in doubt, resolved, another one
        doubtful = await buy(spends, "unknown", usd_micro=1)
        await look(pool)
        await resolve(pool, doubtful, happened=False, cost_micro=None, reason="not there", actor="test")
        await look(pool)
        await clock.advance(seconds=20)
    [alert] = await list_alerts(pool)
    assert (alert.state, len(alert.notices)) == ("firing", 1)
    await acknowledge(pool, alert.id, actor="test")
    with pytest.raises(AlertError, match="acknowledged before"):
        await acknowledge(pool, alert.id, actor="test")
    await silence(pool, "unknown_spends", "", timedelta(hours=1), actor="test", reason="known")
    assert await over(pool, clock) == set()
    await buy(spends, "unknown", usd_micro=1)
    assert await look(pool) == {("unknown_spends", "doubtful calls")}
    latest = (await list_alerts(pool))[0]
    assert latest.silenced_until
    assert [one["state"] for one in latest.notices] == ["silenced"]
    await clock.advance(hours=1, seconds=1)
    await look(pool)
    assert [one["state"] for one in (await list_alerts(pool))[0].notices] == ["ready"], "it still fires: told after all"
    written = {row["action"] for row in await pool.fetch("select action from openbell.audit where actor = 'test'")}
    assert {"alert.acknowledge", "alert.silence"} <= written


@pytest.fixture
async def ear() -> AsyncIterator[Scripted]:
    """Somebody who takes webhooks, but not the first one."""
    answers = [http(503)]

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(answers.pop() if answers else http(204))
        await writer.drain()

    async with serving({"*": answer}) as made:
        yield made


async def test_telling_by_mail_and_webhook(pool: asyncpg.Pool, clock: Clock, ear: Scripted) -> None:
    """PF-34: admins get one letter through the gate and one when it is over; the webhook is signed, and retried."""
    await add_person(pool, "admin@openbell.example", role="admin", state="active", actor="test")
    hand = await Hand.hire(pool, declare(timeout=hours(10)), limits=[BUDGET, per_minute(100)])
    await queue(pool, "a")
    (claim,) = await hand.claim()
    doubtful = await buy(hand.attempt(claim).spends("shop"), "unknown")
    webhook = Webhook(f"{ear.url}/alerts", SECRET)
    alerter = Alerter(pool, webhook=webhook)
    await asyncio.gather(alerter.beat(), Alerter(pool, webhook=webhook).beat())  # two processes at once
    await alerter.beat()
    assert len(ear.asked) == 1, "what failed is tried again later, not at once"
    assert await pool.fetchval("select count(*) from openbell.delivery") == 1
    await clock.advance(seconds=11)
    await resolve(pool, doubtful, happened=True, cost_micro=1, reason="seen there", actor="test")
    await evaluate(pool, alerter.channels)
    await alerter.beat()
    assert len(ear.asked) == 2
    await clock.advance(QUIET)
    await evaluate(pool, alerter.channels)
    assert await tell_by_mail(pool) == 1
    assert await tell_by_webhook(pool, webhook) == 1
    assert (await tell_by_mail(pool), await tell_by_webhook(pool, webhook)) == (0, 0), "once each"

    told = [json.loads(one.body) for one in ear.asked]
    assert [(one["event"], one["code"]) for one in told] == [
        ("fired", "unknown_spends"), ("fired", "unknown_spends"), ("cleared", "unknown_spends"),
    ]  # fmt: skip
    assert told[0]["delivery"] == told[1]["delivery"] != told[2]["delivery"]
    for one in ear.asked:
        at, _, mark = one.headers["x-openbell-signature"].partition(",v1=")
        expected = hmac.new(SECRET.encode(), at.removeprefix("t=").encode() + b"." + one.body, hashlib.sha256)
        assert hmac.compare_digest(mark, expected.hexdigest())
    letters = await pool.fetch(
        "select l.subject, d.kind from openbell.delivery d join openbell.letter l on l.hash = d.letter order by d.id"
    )
    assert [tuple(row) for row in letters] == [
        ("Openbell: alert: unknown spends (doubtful calls)", "alert"),
        ("Openbell: over: unknown spends (doubtful calls)", "alert"),
    ]
    assert SECRET not in repr(webhook)


async def test_a_limit_of_newer_code_silences_nobody(pool: asyncpg.Pool) -> None:
    """PF-34, PF-43: what version N stores is passed over by N-1, which goes on to look; nobody sets what is unknown."""
    await pool.execute("""insert into openbell.meta values ('alerts', '{"depth": 7, "of_tomorrow": 1}')""")
    assert await look(pool) == set()
    assert (await read_limits(pool)).depth == 7
    for wrong in ({"of_tomorrow": 1.0}, {"depth": 0.0}, {"depth": float("nan")}):
        with pytest.raises(AlertError):
            await set_limits(pool, wrong, actor="test")


async def test_over_is_told_only_where_it_was_told_to_fire(pool: asyncpg.Pool, clock: Clock) -> None:
    """PF-34: a webhook that was set up while an alert fired already hears nothing of its end."""
    hand = await Hand.hire(pool, declare(timeout=hours(10)), limits=[BUDGET, per_minute(100)])
    await queue(pool, "a")
    (claim,) = await hand.claim()
    doubtful = await buy(hand.attempt(claim).spends("shop"), "unknown")
    await evaluate(pool, ["mail"])
    await resolve(pool, doubtful, happened=True, cost_micro=1, reason="seen there", actor="test")
    await clock.advance(QUIET)
    await evaluate(pool, ["mail", "webhook"])
    [alert] = await list_alerts(pool, state="cleared")
    told = {(one["event"], one["channel"]): one["state"] for one in alert.notices}
    assert told == {("fired", "mail"): "ready", ("cleared", "mail"): "ready", ("cleared", "webhook"): "silenced"}


async def test_the_page_of_alerts(site: Site, clock: Clock) -> None:
    """PF-34: admins see what fires with its mend, say that they are at it, and see what is over."""
    assert "Nothing fires." in (await site.http.get("/console/alerts")).text
    hand = await Hand.hire(site.pool, declare(timeout=hours(10)), limits=[BUDGET, per_minute(100)])
    await queue(site.pool, "a")
    (claim,) = await hand.claim()
    doubtful = await buy(hand.attempt(claim).spends("shop"), "unknown")
    await look(site.pool)
    page = (await site.http.get("/console/alerts")).text
    assert "1 call whose outcome nobody knows" in page
    assert "openbell spends resolve ID" in page
    [alert] = await list_alerts(site.pool)
    answer = await site.http.post("/console/alerts", data={"id": str(alert.id)})
    assert answer.status_code == 303
    assert "is at it" in (await site.http.get("/console/alerts")).text
    assert (await site.http.post("/console/alerts", data={"id": str(alert.id)})).status_code == 400
    await resolve(site.pool, doubtful, happened=True, cost_micro=1, reason="seen there", actor="test")
    await over(site.pool, clock)
    page = (await site.http.get("/console/alerts")).text
    assert "Nothing fires." in page
    assert "1 call whose outcome nobody knows" in page
