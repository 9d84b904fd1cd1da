"""For operators: is everything fresh, what is late and why, what does today cost, what is stuck; how has it gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from openbell.engine.alarms import look
from openbell.engine.artifacts import read_many
from openbell.engine.books import column, dollars
from openbell.engine.registry import CLASSES
from openbell.engine.schedules import ScheduleView, list_schedules
from openbell.engine.trends import STEPS, Step, trends
from openbell.mail import KINDS
from openbell.mail.control import read_switch
from openbell.web.api import database
from openbell.web.console import charts
from openbell.web.console.frame import SQL, console_page
from openbell.web.console.freshness import PAGE as FRESHNESS
from openbell.web.console.freshness import Standing, address, per_cent, standings
from openbell.web.health import LATE_S
from openbell.web.protection import safe
from openbell.web.sign_in import Admin
from openbell.web.words import DASH, duration

router = APIRouter(dependencies=[safe("admin")], include_in_schema=False)

LATE_SHOWN = 8
ONLY_ALERTS = ["success_rate", "depth", "no_progress", "no_job", "backup_old", "flag_expired", "forecast_drift"]
"""Alerts about what the overview does not look at itself."""
NAMES = {"hour": "Hour", "day": "Day", "week": "Week"}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that does not go on by itself: what it is in a word, a sentence, and where its rows are."""

    what: str
    sentence: str
    href: str
    level: str = "stale"


@router.get("/console")
async def console(request: Request, _admin: Admin) -> Response:
    """The four answers first, then what is late, what is stuck, what cost how much, and how it went over time."""
    asked = request.query_params.get("over", "day")
    over: Any = asked if asked in STEPS else "day"
    job_class = request.query_params.get("class", "")
    job_class = job_class if job_class in CLASSES else ""
    table = request.query_params.get("as") == "table"
    async with database(request).use() as db:
        products = await standings(db)
        late = [one for one in products if one.first is not None and (one.late or one.missing)][:LATE_SHOWN]
        readings = await read_many(db, [one.first for one in late if one.first])
        row = await db.fetchrow(SQL.get("read_standing"), list(KINDS), ONLY_ALERTS)
        assert row is not None
        switch = await read_switch(db)
        troubles = stuck(dict(row), switch, (await look(db)).alarms, await list_schedules(db))
        paid = await db.fetch(SQL.get("list_costs_today"))
        steps = await trends(db, over, job_class=job_class or None)
    total = sum(one["cost_micro"] for one in paid)
    request.app.state.today = (monotonic(), dollars(total))
    request.scope["state"]["operator"] = dollars(total)
    wanted, late_count = sum(one.wanted for one in products), sum(one.late for one in products)
    house = {"firing": row["alerts"], "stopped": switch.stopped, "wanted": wanted, "late": late_count}
    request.app.state.house = (monotonic(), house | {name: row[name] for name in ("workers", "now")})
    return await console_page(
        request,
        "console/overview.html",
        wanted=wanted,
        fresh=sum(one.fresh for one in products),
        late=late_count,
        share=per_cent(sum(one.fresh for one in products), wanted),
        reasons=[_reason(one, reading.reason) for one, reading in zip(late, readings, strict=True)],
        troubles=troubles,
        work=row,
        waits=duration((row["now"] - row["oldest_at"]).total_seconds()) if row["oldest_at"] else "",
        cost=cents(total),
        calls=sum(one["calls"] for one in paid),
        paid=_paid([dict(one) for one in paid]),
        over=over,
        overs=NAMES,
        job_class=job_class,
        classes=tuple(CLASSES),
        drawn=[] if table else draw_all(steps, job_class),
        table=table,
        rows=[_line(one, job_class) for one in reversed(steps if table else ()) if known(one)],
        address=lambda **more: _address({"over": over, "class": job_class, "as": "table" if table else ""} | more),
    )


def known(one: Step) -> bool:
    """Whether there is anything to tell of a step."""
    return one.running is not None or bool(one.good or one.bad or one.calls)


def _address(kept: Mapping[str, str]) -> str:
    given = {name: value for name, value in kept.items() if value and (name, value) != ("over", "day")}
    return f"/console{'?' + urlencode(given) if given else ''}#trends"


def _reason(one: Standing, sentence: str) -> dict[str, Any]:
    """A product with something late, and why its key that is longest due is."""
    assert one.first is not None
    query = {"product": one.product, "state": "late" if one.late else "missing"}
    return {
        "product": one.product, "late": one.late, "missing": one.missing, "wanted": one.wanted, "oldest": one.oldest,
        "href": f"{FRESHNESS}?{urlencode(query)}", "key": one.first[1], "key_href": address(*one.first),
        "why": sentence,
    }  # fmt: skip


def stuck(
    row: Mapping[str, Any], switch: Any, alarms: Sequence[Any], schedules: Sequence[ScheduleView]
) -> list[Trouble]:
    """All that waits for somebody, the worst first. Pure."""
    found = []
    if not row["workers"]:
        told = "No worker is alive: nothing is made, and nothing is sent. Start one: openbell worker."
        found.append(Trouble("workers", told, "/console/jobs", "expired"))
    if switch.stopped:
        found.append(Trouble("mail", f"All mail is stopped: {switch.reason}.", "/console/mail", "expired"))
    found += [
        Trouble(one["code"].replace("_", " "), one["message"], "/console/alerts", "expired")
        for one in row["firing"] or ()
    ]
    oldest = (row["now"] - row["oldest_at"]).total_seconds() if row["oldest_at"] else 0.0
    if oldest > LATE_S:
        told = f"{row['waiting']:,} wait, the oldest for {duration(oldest)}."
        found.append(Trouble("jobs", told, "/console/jobs?state=waiting", "expired"))
    counted = (
        ("jobs", "overrun", "held beyond the time allowed.", "/console/jobs?state=running"),
        ("keys", "left_alone", "left alone after a failure until somebody says what became of the call.",
         "/console/spends?state=unknown"),
        ("mails", "mail_trouble", "failed or in doubt since the day before yesterday.", "/console/mail?state=failed"),
        ("mails", "mail_held", "held until somebody releases them.", "/console/mail?state=held"),
        ("people", "asking", "waiting for approval.", "/console/people?state=pending"),
    )  # fmt: skip
    found += [Trouble(what, f"{row[name]:,} {said}", href) for what, name, said, href in counted if row[name]]
    places = {"unknown_spends": "/console/spends?state=unknown", "breaker": "/console/providers"}
    found += [
        Trouble(one.about, one.message, places.get(one.code, "/console/accounts"), "expired")
        for one in alarms
        if one.level == "warn"
    ]
    found += [
        Trouble("schedule", f"{one.name} is overdue{f': {one.problem}' if one.problem else ''}.",
                "/console/schedules", "expired")
        for one in schedules if one.overdue
    ]  # fmt: skip
    return sorted(found, key=lambda one: one.level != "expired")


def _paid(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What each provider has cost today, the dearest first, with the spends behind it."""
    costs = column([row["cost_micro"] for row in rows])
    return [
        {
            "provider": row["provider"], "calls": f"{row['calls']:,}", "cost": cost,
            "href": f"/console/spends?{urlencode({'provider': row['provider'], 'from': iso(row['since'])}, safe=':')}",
        }
        for row, cost in zip(rows, costs, strict=True)
    ]  # fmt: skip


def iso(at: datetime) -> str:
    """A time of UTC as an address tells it, to the minute."""
    return f"{at:%Y-%m-%dT%H:%MZ}"


def behind(place: str, one: Step, job_class: str = "") -> str:
    """The rows that ended in a step."""
    given = {"from": iso(one.at), "to": iso(one.until)}
    more = {"class": job_class} if job_class else {}
    return f"/console/{place}?{urlencode(given | more, safe=':')}"


def draw_all(steps: Sequence[Step], job_class: str) -> list[charts.Chart]:
    """Depth, wait and cost. Pure."""
    times = [one.at for one in steps]
    jobs = [(behind("jobs", one, job_class), _said(one)) for one in steps]
    deepest = max((max(one.waiting, one.parked or 0) for one in steps if one.waiting is not None), default=0)
    waits = [value for one in steps for value in (one.half_s, one.most_s) if value is not None]
    costs: list[float | None] = [one.cost_micro / 1e6 if known(one) else None for one in steps]
    unsure = "Nothing is known of this time yet: a worker writes it down, minute by minute."
    return [
        charts.draw(
            "Depth",
            unsure,
            [
                charts.Series("waiting", "one", [one.waiting for one in steps], _last([one.waiting for one in steps])),
                charts.Series("parked", "two", [one.parked for one in steps], _last([one.parked for one in steps])),
            ],
            charts.linear(max(deepest, 4), lambda value: f"{value:,.0f}"),
            times,
            jobs,
        ),
        charts.draw(
            "Wait before work begins",
            "No job has begun in this time.",
            [
                charts.Series("99 of 100 below", "one", [one.most_s for one in steps], _last_span(steps, "most_s")),
                charts.Series("half below", "two", [one.half_s for one in steps], _last_span(steps, "half_s")),
            ],
            charts.spans(waits),
            times,
            jobs,
        ),
        charts.draw(
            "Cost",
            "No call has cost anything in this time." if any(known(one) for one in steps) else unsure,
            [charts.Series("all of it", "one", costs, cents(sum(one.cost_micro for one in steps)))],
            charts.linear(max((value for value in costs if value), default=0.0), lambda value: f"${value:,.4g}"),
            times,
            [(behind("spends", one), f"{_from(one.at)}: {dollars(one.cost_micro)}") for one in steps],
            bars=True,
        ),
    ]  # fmt: skip


def cents(micro: int) -> str:
    """A sum of money as it is meant at a glance: `$0.28`; what is less than a cent keeps its digits."""
    return f"${micro / 1e6:,.2f}" if micro >= 10_000 else dollars(micro)


def _last(values: Sequence[int | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{known[-1]:,}" if known else DASH


def _last_span(steps: Sequence[Step], name: str) -> str:
    return span(next((value for one in reversed(steps) if (value := getattr(one, name)) is not None), None))


def span(seconds: float | None) -> str:
    """A short time as it is meant: `12 ms`, `0.4 s`, `3 min`."""
    if seconds is None:
        return DASH
    if seconds < 1:
        return f"{seconds * 1_000:.0f}\u202fms"
    return f"{seconds:.1f}\u202fs" if seconds < 10 else duration(seconds)


def _said(one: Step) -> str:
    depth = "nobody looked" if one.waiting is None else f"{one.waiting:,} waiting, {one.running:,} running"
    began = f", 99 of 100 began within {span(one.most_s)}" if one.most_s is not None else ""
    return f"{_from(one.at)}: {depth}, {one.good:,} done, {one.bad:,} failed{began}"


def _from(at: datetime) -> str:
    return f"{at.day} {at:%b, %H:%M} UTC"


def _line(one: Step, job_class: str) -> dict[str, Any]:
    """A step as a row of the table."""
    return {
        "at": _from(one.at),
        "jobs": behind("jobs", one, job_class),
        "spends": behind("spends", one),
        "cells": [
            f"{value:,}" if value is not None else DASH
            for value in (one.waiting, one.parked, one.running, one.good, one.bad)
        ],
        "waits": [span(one.oldest_wait_s), span(one.half_s), span(one.most_s)],
        "calls": f"{one.calls:,}",
        "cost": dollars(one.cost_micro),
    }
