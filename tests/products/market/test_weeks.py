"""The calendars of the whole market: a week as key, caps filled by days, one broken company among many."""

from __future__ import annotations

import asyncio
import json
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from openbell.products.keys import Week
from tests.products.kitchen import Kitchen
from tests.providers.scripted import Scripted, http
from tests.sandbox.harness import Running

CAP = 250
WEEK = "2012-W23"
MONDAY = date(2012, 6, 4)


def entries(count: int, day: date) -> list[dict[str, Any]]:
    """So many companies that report on a day."""
    figures = dict.fromkeys(("epsActual", "epsEstimated", "revenueActual", "revenueEstimated"), 1.5)
    return [{"symbol": f"S{number:04d}", "date": day.isoformat(), **figures} for number in range(count)]


async def test_a_week_is_what_was_asked_for(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-27: a week has the companies of its days by day and symbol; what is not out yet is None and not 0."""
    value = await kitchen.make("earnings-calendar", "2012-06-07")
    assert (value["week"], value["complete"], value["left_out"]) == (WEEK, True, 0)
    keys = [(row["date"], row["symbol"]) for row in value["rows"]]
    assert keys == sorted(set(keys))
    assert {"2012-06-04" <= day <= "2012-06-10" for day, _ in keys} == {True}
    assert {(row["eps_actual"], row["revenue_actual"]) for row in value["rows"]} == {(None, None)}
    assert all(row["eps_estimated"] for row in value["rows"])
    assert len(keys) == len(await sandbox.rows("earnings-calendar", **{"from": "2012-06-04", "to": "2012-06-10"}))


@pytest.mark.parametrize("turns_pages", [True, False])
async def test_a_busy_week_is_filled(kitchen: Kitchen, turns_pages: bool) -> None:
    """MD-27: 1,100 companies come whole, by pages, or by days where the provider answers every page with the first."""
    market = [row for number in range(5) for row in entries(220, MONDAY + timedelta(days=number))]
    servers: list[Scripted] = []

    async def answer(writer: asyncio.StreamWriter) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(servers[0].targets[-1]).query).items()}
        found = [row for row in market if asked["from"] <= row["date"] <= asked["to"]]
        start = CAP * int(asked["page"]) if turns_pages else 0
        writer.write(http(200, json.dumps(found[start : start + CAP]).encode()))
        await writer.drain()

    async with kitchen.answered({"earnings-calendar": answer}) as (other, server):
        servers.append(server)
        value = await other.make("earnings-calendar", WEEK)
    assert (len(value["rows"]), value["complete"]) == (1_100, True)
    assert len(server.targets) == (5 if turns_pages else 2 + 7)


async def test_what_cannot_be_filled_is_said(kitchen: Kitchen) -> None:
    """MD-7: a day that alone ends at the cap of a provider without pages is not said to be whole."""
    async with kitchen.answered({"earnings-calendar": entries(CAP, MONDAY)}) as (other, _):
        value = await other.make("earnings-calendar", WEEK)
    assert (len(value["rows"]), value["complete"]) == (CAP, False)


async def test_one_broken_company_among_many(kitchen: Kitchen) -> None:
    """MD-12: a company whose row is out of shape is left out and counted; many of them are another format, refused."""
    rows = entries(100, MONDAY)
    rows[3]["epsActual"], rows[7]["symbol"] = "dear", None
    async with kitchen.answered({"earnings-calendar": rows}) as (other, _):
        value = await other.make("earnings-calendar", WEEK)
    assert (len(value["rows"]), value["left_out"]) == (98, 2)
    for row in rows[:20]:
        row["epsActual"] = "dear"
    async with kitchen.answered({"earnings-calendar": rows}) as (other, _):
        with pytest.raises(ValidationError):
            await other.make("earnings-calendar", WEEK)


async def test_days_of_another_week_are_left_alone(kitchen: Kitchen) -> None:
    """MD-27: rows of days that were not asked for are not stored under this week."""
    rows = entries(3, MONDAY) + entries(2, MONDAY + timedelta(days=7))
    async with kitchen.answered({"dividends-calendar": rows, "earnings-calendar": rows}) as (other, _):
        value = await other.make("earnings-calendar", WEEK)
    assert len(value["rows"]) == 3


async def test_dividends_of_a_week(sandbox: Running, kitchen: Kitchen) -> None:
    """MD-27: dividends of a week are those of their companies."""
    value = await kitchen.make("dividends-calendar", "2012-W19")
    row = next(row for row in value["rows"] if row["symbol"] == "IBM")
    history = await kitchen.make("dividend-history", "IBM")
    assert {name: row[name] for name in row if name != "symbol"} in history["rows"]


@given(day=st.dates(date(1900, 1, 1), date(2199, 12, 25)))
def test_every_day_has_its_week(day: date) -> None:
    """PF-1: a day lies in the week that it stands for, and the week's days all stand for it."""
    week = Week.parse(day.isoformat())
    since, until = week.days
    assert since <= day <= until
    assert (since.weekday(), (until - since).days) == (0, 6)
    assert {Week.parse(f"{since + timedelta(days=n)}") for n in range(7)} == {week}
    assert Week.parse(f" {week.lower()} ") == week


@pytest.mark.parametrize("text", ["", "2012", "2012-W00", "2012-W53", "2012-W1", "2012-13-01", "next", "2012-W23\n-1"])
def test_a_malformed_week_is_refused(text: str) -> None:
    """PF-48: what is no week is refused before anything is asked; a year of 52 weeks has no 53rd."""
    with pytest.raises(ValueError, match="it must be a week"):
        Week.parse(text)
