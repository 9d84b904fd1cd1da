"""What became of forecasts: actuals, one score a run, public accuracy, drift, and alerts of saved comparisons."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from openbell.engine.alerts import evaluate, list_alerts
from openbell.engine.registry import Calls
from openbell.forecasting import ENGINE_VERSION
from openbell.mail.alerting import tell_by_mail
from openbell.people import add_person
from openbell.products.context import Context
from openbell.products.forecast import saved
from openbell.products.forecast.evaluate import accuracy, actuals, score
from openbell.products.forecast.gather import SLOT
from openbell.products.forecast.keys import pair_of
from openbell.products.forecast.premium import pack
from openbell.products.forecast.uploads import BadUpload, parse_csv
from openbell.products.sources import Connections
from tests.engine.hand import Hand, declare, queue
from tests.products.forecast.conftest import PAIR, Desk
from tests.products.kitchen import PRODUCTS

FIRST = date(2026, 3, 2)


def point(term: int, week: int, mean: float, half: float = 5.0) -> dict[str, Any]:
    """A stored point."""
    day = FIRST + timedelta(weeks=week)
    ends = {"lo80": mean - half, "hi80": mean + half, "lo95": mean - 2 * half, "hi95": mean + 2 * half}
    return {"term": term, "day": day, "mean": mean, **ends}


def test_a_run_is_scored_by_hand() -> None:
    """FC-21: errors, bands and winner against what came; naive is the last value before; gaps are left out."""
    points = [point(0, n, 50.0) for n in range(3)] + [point(1, n, 40.0) for n in range(3)]
    points += [point(2, n, 10.0) for n in range(3)]
    days = [FIRST + timedelta(weeks=n) for n in range(-1, 3)]
    actual = {
        "a": dict(zip(days, (60.0, 52.0, 58.0, None), strict=True)),
        "b": dict(zip(days, (41.0, 40.0, 39.0, 41.0), strict=True)),
    }
    found = score(points, actual, FIRST)
    assert found is not None
    first, second, gap = found
    assert (first.points, first.mae, first.naive_mae) == (2, 5.0, 5.0)
    assert (first.inside80, first.inside95) == (1, 2)
    assert (second.points, second.inside80) == (3, 3)
    assert (gap.points, gap.winner) == (2, True)
    assert first.winner is None
    early = {name: {day: v for day, v in one.items() if day < days[-1]} for name, one in actual.items()}
    assert score(points, early, FIRST) is None
    assert score(points, {}, FIRST) is None


async def test_a_filled_slot_of_search_interest_is_mixed_and_scored(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FC-21, FC-25: with a provider of search interest its series is mixed in, and what came is mixed so."""
    monkeypatch.setitem(SLOT, "search", "interest")
    for term, level in (("amazon", 400.0), ("costco", 900.0)):
        await desk.publish_interest(f"{term}|", level)
    value = await desk.warm()
    assert {one["source"]: (one["weight"], one["missing"]) for one in value["sources"]} == {
        "wikipedia": (0.6, None),
        "search": (0.4, None),
    }
    scale = await desk.pool.fetchval("select scale from openbell.forecast_run")
    assert set(scale) == {"wikipedia", "search"}
    came = await actuals(desk.pool, pair_of("amazon", "costco"), scale)
    for side in ("a", "b"):
        last = [(day, v) for day, v in zip(value["days"], value[f"scores_{side}"], strict=True) if v is not None][-5:]
        for day, score_then in last:
            assert came[value[side]][date.fromisoformat(day)] == pytest.approx(score_then, abs=0.01)
    monkeypatch.delitem(SLOT, "search")
    assert await actuals(desk.pool, pair_of("amazon", "costco"), scale) == {}


async def test_accuracy_is_null_without_any_and_counts_its_sample(desk: Desk) -> None:
    """FC-21, FC-22: after the horizon each run is scored once, and the public figures have their sample size."""
    assert await accuracy(desk.pool, "W") is None
    value = await desk.warm()
    assert pack(pair_of("amazon", "costco"), await desk.read(), value, None)["accuracy"] is None
    for title, factor in (("Amazon (company)", 1.0), ("Costco", 1.0)):
        stored = (await desk.read(title, "interest")).value
        views = stored["views"]
        later = [int(factor * views[-364 + n]) if views[-364 + n] is not None else None for n in range(80)]
        last = (date.fromisoformat(stored["last"]) + timedelta(days=80)).isoformat()
        await desk.store("interest", title, {**stored, "last": last, "views": views + later})
    await desk.clock.advance(days=80)
    for _ in range(2):
        await desk.run("forecast-evaluation")
    found = await accuracy(desk.pool, "W")
    assert found is not None
    assert (found["runs"], found["points"]) == (1, 16)
    assert 0 <= found["held80"] <= found["held95"] <= 1
    assert await desk.pool.fetchval("select count(*) from openbell.forecast_score") == 3
    assert await desk.pool.fetchval("select count(*) from openbell.forecast_point where actual is null") == 0
    assert await accuracy(desk.pool, "D") is None


async def test_bands_that_are_not_honest_are_an_alert(desk: Desk) -> None:
    """Build 6, drift: bands that hold far less than they say are one alert, told once, and once when it is over."""
    await add_person(desk.pool, "admin@example.com", role="admin", state="active", actor="test")
    await desk.warm()

    async def night(held: int) -> list[str]:
        await desk.pool.execute("delete from openbell.forecast_score")
        await desk.pool.execute(
            """insert into openbell.forecast_score (run_id, term, points, mae, naive_mae, inside80, inside95)
               select id, 0, 400, 5, 6, $1, 380 from openbell.forecast_run""",
            held,
        )
        await desk.run("forecast-evaluation")
        for _ in range(2):  # what is gone is over when it has been away for two minutes
            await evaluate(desk.pool, ["mail"])
            await tell_by_mail(desk.pool)
            await desk.clock.advance(minutes=2)
        rows = await desk.pool.fetch(
            "select l.subject from openbell.delivery d join openbell.letter l on l.hash = d.letter order by d.id"
        )
        return [row["subject"] for row in rows]

    assert await night(320) == []
    fired = "Openbell: alert: forecast drift (weeks)"
    assert await night(200) == [fired]
    [alert] = await list_alerts(desk.pool, state="firing")
    assert (alert.code, alert.about, alert.figure) == ("forecast_drift", "weeks", 50.0)
    assert "80 % bands of weeks held 50 % of 400 points" in alert.message
    assert await night(190) == [fired], "it is the same drift, one night on"
    over = "Openbell: over: forecast drift (weeks)"
    assert await night(320) == [fired, over]
    assert await night(390) == [fired, over, fired], "bands that hold far too much are no more honest"


BEFORE = {"leader": "a", "risk": 0.1, "scores": [50.0, 40.0]}


@pytest.mark.parametrize(
    ("alert", "now", "words"),
    [
        ("leader", {**BEFORE, "leader": "b"}, "b leads now"),
        ("leader", BEFORE, ""),
        ("leader", {**BEFORE, "leader": None}, ""),
        ("risk", {**BEFORE, "risk": 0.3}, "rose from 10 to 30 %"),
        ("risk", {**BEFORE, "risk": 0.15}, ""),
        ("risk", {**BEFORE, "risk": None}, ""),
        ("score", {**BEFORE, "scores": [50.0, 51.0]}, "b went from 40.0 to 51.0 points"),
        ("score", {**BEFORE, "scores": [None, 41.0]}, ""),
        ("none", {**BEFORE, "leader": "b"}, ""),
    ],
)
def test_alerts_tell_changes_and_nothing_else(alert: str, now: dict[str, Any], words: str) -> None:
    """Alerts: a new leader, a risk or a score that moved by the threshold; what is absent changes nothing."""
    said = saved.news_of(alert, 10, BEFORE, now, ("a", "b"))
    assert (words in said) if words else said == ""


async def test_an_alert_is_one_mail_to_its_owner(desk: Desk) -> None:
    """Alerts: the first look remembers, a change queues one mail, a second look at the same queues none."""
    person = await add_person(desk.pool, "reader@example.com", name="Reader", state="active", actor="test")
    pair = pair_of("amazon", "costco")
    await saved.save(desk.pool, person.id, pair, alert="leader", threshold=10)
    assert [one.pair for one in await saved.list_saved(desk.pool, person.id)] == [pair]
    value = await desk.warm()

    await desk.run("comparison-alerts")
    assert await desk.pool.fetchval("select count(*) from openbell.delivery") == 0
    turned = "costco" if value["leader"]["term"] == "amazon" else "amazon"
    await desk.store("comparison", PAIR, {**value, "leader": {**value["leader"], "term": turned}})
    await desk.run("comparison-alerts")
    await desk.run("comparison-alerts")
    assert await desk.pool.fetchval("select count(*) from openbell.delivery") == 1
    await saved.forget(desk.pool, person.id, pair)
    assert await saved.list_saved(desk.pool, person.id) == []


@pytest.mark.parametrize(
    "text",
    ["", "day,views\n", "2026-01-01", "2026-01-01,x", "2026-01-01,-5", "2026-01-01,nan", "2026-01-01,1\n2026-01-01,2",
     "2026-01-01,\n", "2026-01-01,1\nhello,2", "2026-01-01,inf", "9999-12-31,1\n0001-01-01,2", "1899-12-31,1",
     "2026-01-01,1e308", "2026-01-01,1_000", "2026-01-01,\u0661", "x" * 200_000, '"' + "y" * 200_000 + '",1',
     '"unclosed,5\n2026-01-01,1', "2026-01-01,=1+1", "\x00"],
    ids=lambda text: ascii(text)[:24],
)  # fmt: skip
def test_what_is_no_series_is_refused(text: str) -> None:
    """Uploads: an empty, doubled, negative or unreadable line is told, with its number; nothing is kept."""
    with pytest.raises(BadUpload):
        parse_csv(text)


def test_an_upload_keeps_gaps() -> None:
    """Uploads: a heading and blank lines are allowed, an empty figure is a gap, days come into order."""
    day = date(2026, 1, 1)
    assert parse_csv("Day,Value\n2026-01-02,\n\n2026-01-01,2.5\n") == [(day, 2.5), (day + timedelta(days=1), None)]
    both = [(day, 5.0), (day + timedelta(days=1), 0.0)]
    assert parse_csv("\ufeff2026-01-01,5\r2026-01-02,-0.0") == parse_csv("2026-01-01,5\r\n2026-01-02,0\r\n") == both


async def test_a_challenger_is_scored_beside_the_champion(desk: Desk) -> None:
    """Champion and challenger: the ensemble makes the same key from the same data, and its runs are told apart."""
    value = await desk.warm()
    made = await make_by_hand(desk, "forecast-ensemble", value["forecast_key"])
    assert made["data_hash"] == value["data_hash"]
    assert (made["engine"], made["a"]["models"]) == ("ensemble-1", ["ets", "theta", "arima"])
    for part in ("a", "b", "gap"):
        assert all(p["lo95"] <= p["lo80"] <= p["hi80"] <= p["hi95"] for p in made[part]["points"])
    rows = await desk.pool.fetch("select engine, challenger from openbell.forecast_run order by id")
    assert [tuple(row) for row in rows] == [(ENGINE_VERSION, False), ("ensemble-1", True)]
    await desk.pool.execute("update openbell.forecast_run set scored_at = openbell.now() where challenger")
    await desk.pool.execute(
        """insert into openbell.forecast_score (run_id, term, points, mae, naive_mae, inside80, inside95)
           select id, 0, 10, 3, 6, 8, 9 from openbell.forecast_run where challenger"""
    )
    assert await accuracy(desk.pool, "W") is None
    found = await accuracy(desk.pool, "W", engine="ensemble-1")
    assert found is not None
    assert found["shareOfNaiveError"] == 0.5


async def make_by_hand(desk: Desk, product: str, key: str) -> Any:
    """What a producer makes of a key, within an attempt of its own."""
    hand = await Hand.hire(desk.pool, declare("asking", spends={"openbell": Calls(0)}))
    await queue(desk.pool, "by hand", name="asking")
    [claim] = await hand.claim()
    one = PRODUCTS.get(product)
    made = await one.producer(one.key.parse(key), Context(hand.attempt(claim), Connections({})))
    return made.model_dump(mode="json")
