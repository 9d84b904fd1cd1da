"""A comparison from the first demand to the published forecast, and what happens on the way."""

from __future__ import annotations

import asyncio
import threading
from datetime import date, timedelta
from typing import Any

import pytest

from openbell.engine.artifacts import read
from openbell.engine.enqueue import enqueue
from openbell.engine.registry import CLASSES
from openbell.forecasting import predict
from openbell.people import add_person
from openbell.people.records import erase
from openbell.postgres.pool import connect, open_pool
from openbell.products.forecast import forecast as forecast_module
from openbell.products.forecast.keys import ForecastKey, pair_of
from openbell.products.forecast.premium import available, status_of
from openbell.products.forecast.uploads import parse_csv, save_upload
from tests.engine.hand import Hand
from tests.operate.test_personal_data import found_in
from tests.products.forecast.conftest import PAIR, Desk
from tests.products.kitchen import PRODUCTS
from tests.support import eventually


async def test_the_default_request_is_warmed_end_to_end(desk: Desk) -> None:
    """FC-1, FC-10, FC-20: one demand for amazon versus costco, worldwide, brings both forecasts and the gap, once."""
    value = await desk.warm()
    assert (value["a"], value["b"], value["geo"]) == ("amazon", "costco", "")
    assert value["titles"] == {"amazon": "Amazon (company)", "costco": "Costco"}
    forecast = (await desk.read(value["forecast_key"], "forecast")).value
    assert forecast["data_hash"] == value["data_hash"] == ForecastKey(value["forecast_key"]).data_hash
    for part in ("a", "b", "gap"):
        points = forecast[part]["points"]
        assert len(points) == 8
        assert all(p["lo95"] <= p["lo80"] <= p["mean"] <= p["hi80"] <= p["hi95"] for p in points)
    assert await desk.outcomes("forecast") == ["done"]
    stored = await desk.pool.fetchval("select count(*) from openbell.forecast_point")
    assert stored == 3 * 8
    calls = [e for e in await desk.sandbox.entries("wikimedia") if "per-article" in e["path"]]
    assert len(calls) == 2


async def test_half_a_forecast_is_never_shown(bare_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """FC-10: when the second term fails after the first is made, nothing is stored; when it succeeds, both are."""
    desk, real, calls = bare_desk, forecast_module.compute, 0

    def broken(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls % 2 == 0:
            raise ValueError("the second term breaks")
        return predict(*arguments, **named)

    monkeypatch.setattr(forecast_module, "compute", lambda *arguments: real(*arguments, by=broken))
    await desk.hire()
    await desk.want(seconds=36_000)

    async def tried_again() -> bool:
        await desk.clock.advance(seconds=5)
        return calls >= 3  # so that the first attempt is over

    await eventually(tried_again)
    for table in ("forecast_run", "forecast_point"):
        assert await desk.pool.fetchval(f"select count(*) from openbell.{table}") == 0
    made = await desk.pool.fetch("select product from openbell.version where product in ('forecast', 'comparison')")
    assert made == []
    assert not available(await desk.read())
    monkeypatch.setattr(forecast_module, "compute", real)

    async def fresh() -> bool:
        await desk.clock.advance(seconds=5)
        return (await desk.read()).state == "fresh"

    await eventually(fresh)
    value = (await desk.read()).value
    assert [value["forecast"][side]["term"] for side in ("a", "b")] == ["amazon", "costco"]
    assert all(value["forecast"][side]["points"] for side in ("a", "b", "gap"))


async def test_fresh_for_a_day_stale_for_a_week(desk: Desk) -> None:
    """FC-7: below 24 h fresh, from 24 h on stale and still served, from 7 days on not served."""
    await desk.warm()
    await desk.pool.execute("delete from openbell.demand")
    checked = (await desk.read()).checked_at
    assert checked is not None
    for age, state in (
        (timedelta(hours=24) - timedelta(seconds=20), "fresh"),
        (timedelta(hours=24), "stale"),
        (timedelta(days=7) - timedelta(seconds=20), "stale"),
        (timedelta(days=7), "expired"),
    ):
        await desk.clock.advance(checked + age - await desk.clock.now())
        reading = await desk.read()
        assert reading.state == state
        assert available(reading) is (state != "expired")


async def test_a_stale_one_is_refreshed_once_by_demand(desk: Desk) -> None:
    """FC-7, DC-8: after a day the next demand queues one job, and the same data gives no new forecast run."""
    await desk.warm()
    await desk.clock.advance(hours=25)
    assert (await desk.read()).state == "stale"
    assert (await desk.read()).job is None or (await desk.read()).demanded
    await desk.want()
    await desk.want()
    await desk.until(PAIR, "fresh")
    assert len(await desk.outcomes("comparison")) == 2
    assert await desk.pool.fetchval("select count(*) from openbell.forecast_run") == 1


async def test_data_that_changed_on_the_way_supersedes_the_key(
    bare_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FC-5: a refresh between computing and publishing ends the old key as superseded; the new key is made instead."""
    desk, real, changed = bare_desk, forecast_module.compute, threading.Event()
    for term, title, level in (("amazon", "Amazon (company)", 900.0), ("costco", "Costco", 500.0)):
        await desk.store("entity", term, {"term": term, "kind": "page", "title": title, "choices": []})
        await desk.publish_interest(title, level)
    loop = asyncio.get_running_loop()

    def slow(*arguments: Any) -> Any:
        made = real(*arguments)
        if not changed.is_set():
            changed.set()
            asyncio.run_coroutine_threadsafe(desk.publish_interest("Costco", 650.0), loop).result(30)
        return made

    monkeypatch.setattr(forecast_module, "compute", slow)
    await desk.hire()
    value = await desk.warm()
    rows = await desk.pool.fetch("select key, outcome::text, code from openbell.job_history where product = 'forecast'")
    assert sorted(row["code"] or row["outcome"] for row in rows) == ["done", "superseded"]
    [old] = [row["key"] for row in rows if row["code"] == "superseded"]
    assert (await desk.read(old, "forecast")).version == 0
    assert old != value["forecast_key"]
    assert await desk.pool.fetch("select key from openbell.forecast_run") == [(value["forecast_key"],)]


async def test_a_new_version_of_an_input_makes_the_comparison_stale(desk: Desk) -> None:
    """FC-24: when a series is refreshed with other data, what rests on it is stale at once, and made anew on demand."""
    first = await desk.warm()
    await desk.pool.execute("delete from openbell.demand")
    await desk.publish_interest("Costco", 9_000.0)
    assert (await desk.read()).state == "fresh"
    await enqueue(desk.pool, PRODUCTS.get("forecast-ageing"), [("GLOBAL", None)])
    await desk.until(PAIR, "stale")
    second = await desk.warm()
    assert second["data_hash"] != first["data_hash"]


async def test_the_work_of_a_dead_worker_is_taken_up(bare_desk: Desk) -> None:
    """FC-8: a job whose worker died is recovered within five minutes, without a visit, by another worker."""
    desk = bare_desk
    dead = await Hand.hire(desk.pool, PRODUCTS.get("comparison"))
    await desk.want(seconds=3_600)
    [claim] = await dead.claim()
    assert (await desk.read()).job is not None
    assert status_of(await desk.read()) == "running"
    await desk.pool.execute("update openbell.worker set expires_at = openbell.now() + interval '5 minutes'")
    await desk.hire()
    await desk.clock.advance(minutes=5)
    await desk.until(PAIR, "fresh")
    assert claim.attempt == 1


async def test_a_source_that_fails_is_told_and_tried_again_after_a_pause(desk: Desk) -> None:
    """FC-6, FC-9: failed with a reason and a time; after the cool-down the same demand brings it."""
    await desk.sandbox.fault("html503", provider="wikimedia")
    await desk.want(seconds=36_000)

    async def failed() -> bool:
        # To the end of the next pause and no further: the sweep beats in real time, and must not find two at once.
        pause = await desk.pool.fetchval(
            "select min(parked_until) - openbell.now() from openbell.job where parked_until < 'infinity'"
        )
        if pause is not None and pause > timedelta(0):
            await desk.clock.advance(pause)
        return status_of(await desk.read()) == "failed"

    await eventually(failed)
    setback = (await desk.read()).setback
    assert setback is not None
    assert setback.message
    assert not available(await desk.read())
    await desk.sandbox.release()
    await desk.clock.advance(setback.retry_at - await desk.clock.now() + timedelta(seconds=1))

    async def fresh() -> bool:
        await desk.clock.advance(seconds=30)
        return (await desk.read()).state == "fresh"

    await eventually(fresh)


@pytest.mark.parametrize(
    ("a", "b", "code"),
    [
        ("zzgrmpf", "costco", "unknown_term"),
        ("$aapl", "costco", "unknown_term"),
        ("csv nothing", "csv here", "unknown_term"),
        ("tesla", "tesla motors", "unknown_term"),
    ],
)
async def test_terms_that_nobody_knows_end_with_a_reason(desk: Desk, a: str, b: str, code: str) -> None:
    """FC-25: an unknown term, or two of different kinds, ends with a sentence; no neutral numbers stand in."""
    pair = pair_of(a, b)
    await desk.want(pair.key)

    async def failed() -> bool:
        return status_of(await desk.read(pair.key)) == "failed"

    await eventually(failed)
    setback = (await desk.read(pair.key)).setback
    assert setback is not None
    assert setback.code == code
    assert await desk.pool.fetchval("select count(*) from openbell.forecast_run") == 0


async def test_a_redirect_is_followed_and_several_meanings_are_asked(desk: Desk) -> None:
    """Terms become entities: redirects lead to their page, several meanings are never guessed."""
    for term, kind, title, how in (
        ("tesla motors", "page", "Tesla, Inc.", "redirect"),
        ("apple", "page", "Apple Inc.", "company"),
        ("coffee", "page", "Coffee", "title"),
        ("python (programming language)", "page", "Python (programming language)", "title"),
        ("iphone", "page", "iPhone", "spelling"),
        ("zzgrmpf", "unknown", None, "none"),
    ):
        await desk.want(term, product="entity")
        value = await desk.until(term, "fresh", "entity")
        assert (value["kind"], value["title"], value["how"]) == (kind, title, how)
    await desk.want("amazon (company)", product="entity")
    chosen = await desk.until("amazon (company)", "fresh", "entity")
    assert chosen["title"] == "Amazon (company)"


async def test_prices_come_from_our_own_store(desk: Desk) -> None:
    """Prices of two symbols: the centre is the last price, the band is what is said; no season is claimed."""
    pair = pair_of("$aapl", "$msft", "3m")
    value = await desk.warm(pair.key)
    forecast = value["forecast"]
    assert value["kind"] == "price"
    assert forecast["a"]["models"] == ["naive"]
    assert len({point["mean"] for point in forecast["a"]["points"]}) == 1
    assert value["sources"] == [{"source": "price", "weight": 1.0, "missing": None}]


async def test_a_series_of_ones_own(desk: Desk) -> None:
    """CSV: two uploaded series are compared as they are; gaps stay gaps; too little history is not shown (FC-19)."""
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(150)]
    await save_upload(desk.pool, "one", parse_csv("\n".join(f"{day},{n % 7 + 3}" for n, day in enumerate(days))))
    await save_upload(desk.pool, "two", parse_csv("\n".join(f"{day},{5}" for day in days if day.day != 9)))
    pair = pair_of("csv one", "csv two", "3m")
    value = await desk.warm(pair.key)
    assert value["gaps"] > 0
    assert value["forecast"]["b"]["flags"][:1] == ["gaps"]
    weeks = await desk.warm(pair_of("csv one", "csv two", "12m").key)
    assert weeks["forecast"]["a"]["show"] is False
    assert weeks["forecast"]["a"]["label"] == "low"


async def test_nothing_made_of_a_series_outlives_who_brought_it(desk: Desk, web_dsn: str) -> None:
    """Platform F: whoever is erased takes along what was made of their series, by the role of a web process."""
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(150)]
    lines = parse_csv("\n".join(f"{day},{n % 7 + 3}" for n, day in enumerate(days)))
    mine, other = [await add_person(desk.pool, f"{name}@example.com", state="active") for name in ("mine", "other")]
    for person in (mine, other):
        for n in ("one", "two"):
            await save_upload(desk.pool, f"{n} of {person.id}", lines, person_id=person.id)
    gone, kept = [pair_of(f"csv one of {p.id}", f"csv two of {p.id}", "3m").key for p in (mine, other)]
    for key in (gone, kept):
        await desk.warm(key)
    before = await found_in(desk.pool, f"two of {mine.id}")
    assert before.keys() >= {"openbell.version", "openbell.artifact", "openbell.forecast_run"}
    conn = await connect(web_dsn, name="test")
    await erase(conn, mine.id, actor=mine.subject)
    await conn.close()
    assert await found_in(desk.pool, f"two of {mine.id}") == {}
    assert (await desk.read(gone)).value is None
    assert (await desk.read(kept)).value is not None
    assert await desk.pool.fetchval("select count(*) from openbell.forecast_run") == 1


async def test_regions_are_legal_and_told_to_be_missing(desk: Desk) -> None:
    """FC-2, FC-25: a region is part of the key; where no source tells regions, that is the answer."""
    pair = pair_of("amazon", "costco", geo="us")
    assert pair.key.endswith("|US")
    await desk.want(pair.key)

    async def failed() -> bool:
        return status_of(await desk.read(pair.key)) == "failed"

    await eventually(failed)
    setback = (await desk.read(pair.key)).setback
    assert setback is not None
    assert "not told by region" in setback.message


async def test_the_night_warms_what_people_ask_for(desk: Desk) -> None:
    """FC-13: popular pairs of the last week are warmed in the background class, and nothing else is."""
    await desk.warm()
    await desk.pool.execute("delete from openbell.demand")
    await desk.clock.advance(hours=30)
    await enqueue(desk.pool, PRODUCTS.get("forecast-warmup"), [("GLOBAL", None)])

    async def warm() -> bool:
        await desk.clock.advance(seconds=5)
        return (await desk.read()).state == "fresh"

    await eventually(warm)
    ended = await desk.pool.fetch(
        "select job_class from openbell.job_history"  # a week that is not over brings no new data: unchanged
        " where product = 'comparison' and outcome in ('done', 'unchanged') order by finished_at"
    )
    assert [row["job_class"] for row in ended] == [CLASSES["interactive"], CLASSES["background"]]


async def test_the_night_ends_when_its_money_is_spent(desk: Desk) -> None:
    """FC-13: the warm-up demands nothing more once the background class has spent a dollar since it began."""
    await desk.warm()
    await desk.pool.execute("delete from openbell.demand")
    await desk.clock.advance(hours=30)
    await desk.pool.execute(
        """insert into openbell.job_history (id, product, key, job_class, outcome, attempts,
               queued_at, finished_at, cost_micro)
           values (-1, 'quote', 'X', $1, 'done', 1, openbell.now(), openbell.now() + interval '1 hour', 0)""",
        CLASSES["background"],
    )
    await desk.pool.execute(
        """insert into openbell.spend (job_id, product, key, provider, operation, effect, state, intended_at, tried_at,
               ended_at, timeout, held, cost_micro)
           values (-1, 'quote', 'X', 'fmp', 'quote', 'never', 'settled', openbell.now() + interval '1 hour',
               openbell.now(), openbell.now(), interval '1 s', '{"usd_micro": 1000000}', 1000000)"""
    )
    await enqueue(desk.pool, PRODUCTS.get("forecast-warmup"), [("GLOBAL", None)])

    async def ended() -> bool:
        return "done" in await desk.outcomes("forecast-warmup")

    await eventually(ended)
    assert (await desk.read()).state == "stale"
    assert await desk.pool.fetchval("select count(*) from openbell.demand") == 0


async def test_losing_every_cache_changes_latency_only(desk: Desk, dsn: str) -> None:
    """FC-11: results live in the database; another process with nothing in memory reads the same."""
    await desk.warm()
    other = await open_pool(dsn, name="other")
    try:
        assert (await read(other, "comparison", PAIR)).value == (await desk.read()).value
    finally:
        await other.close()
