"""Page views as a client meets them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from statistics import mean
from typing import Any
from urllib.parse import quote

import httpx

from tests.sandbox.harness import Running

AGENT = "Openbell tests (admin@openbell.example)"


async def get(sandbox: Running, title: str, *, agent: str = AGENT, **parts: str) -> httpx.Response:
    parts = {
        "project": "en.wikipedia",
        "access": "all-access",
        "agent": "user",
        "by": "daily",
        "start": "20240101",
        "end": "20241231",
        **parts,
    }
    end = f"{parts['by']}/{parts['start']}/{parts['end']}"
    head = f"{parts['project']}/{parts['access']}/{parts.get('agents', parts['agent'])}"
    path = f"/wikimedia/api/rest_v1/metrics/pageviews/per-article/{head}/{quote(title, safe='')}/{end}"
    return await sandbox.client.get(path, headers={"user-agent": agent})


async def items(sandbox: Running, title: str, **parts: str) -> list[dict[str, Any]]:
    answer = await get(sandbox, title, **parts)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def views(sandbox: Running, title: str, **parts: str) -> list[int]:
    return [item["views"] for item in await items(sandbox, title, **parts)]


async def test_daily(sandbox: Running) -> None:
    """B7: one item a day with the documented fields, whole numbers, the same whenever it is asked for."""
    answer = await get(sandbox, "Bitcoin", end="2024123100")
    found = answer.json()["items"]
    assert answer.headers["x-data-class"] == "synthetic; invented page views"
    assert len(found) == 366
    assert set(found[0]) == {"project", "article", "granularity", "timestamp", "access", "agent", "views"}
    assert (found[0]["project"], found[0]["article"], found[0]["agent"]) == ("en.wikipedia", "Bitcoin", "user")
    assert (found[0]["timestamp"], found[-1]["timestamp"]) == ("2024010100", "2024123100")
    assert all(isinstance(item["views"], int) for item in found)
    assert await items(sandbox, "Bitcoin", project="en.wikipedia.org") == found


async def test_series_has_week_trend_and_noise(sandbox: Running) -> None:
    """B7: a series has a weekly season and a trend to be found, and is not smooth."""
    old = await views(sandbox, "Python_(programming_language)", start="20160101", end="20161230")
    new = await views(sandbox, "Python_(programming_language)", start="20240101", end="20241229")
    weekdays = [v for n, v in enumerate(new) if n % 7 < 5]
    weekends = [v for n, v in enumerate(new) if n % 7 > 4]
    assert mean(weekends) < 0.75 * mean(weekdays)
    assert mean(new) > 1.2 * mean(old)
    assert len(set(new)) > 200


async def test_history_begins_and_ends(sandbox: Running) -> None:
    """B7: the series begins in July 2015, or with the page, and ends yesterday."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    found = await items(sandbox, "Coffee", start="20100101", end="20991231")
    assert (found[0]["timestamp"], found[-1]["timestamp"]) == ("2015070100", f"{yesterday:%Y%m%d}00")
    assert (await items(sandbox, "Meta_Platforms", start="20150101"))[0]["timestamp"] == "2021102800"
    assert (await get(sandbox, "Meta_Platforms", start="20160101", end="20161231")).status_code == 404
    assert (
        await get(sandbox, "Coffee", start=f"{yesterday + timedelta(days=1):%Y%m%d}", end="20991231")
    ).status_code == 404


async def test_monthly(sandbox: Running) -> None:
    """B7: months are sums of days, and only whole ones are given."""
    months = await items(sandbox, "Tea", by="monthly", start="20240115", end="20240420")
    assert [item["timestamp"] for item in months] == ["2024020100", "2024030100"]
    assert months[0]["views"] == sum(await views(sandbox, "Tea", start="20240201", end="20240229"))
    last = (await items(sandbox, "Tea", by="monthly", end="20991231"))[-1]["timestamp"]
    assert last < f"{datetime.now(UTC) - timedelta(days=27):%Y%m%d}00"


async def test_parts_add_up(sandbox: Running) -> None:
    """The views of all accesses and agents are the sums of their parts."""
    week = {"start": "20240301", "end": "20240307"}
    whole = await views(sandbox, "Gold", agents="all-agents", **week)
    by_access = [
        await views(sandbox, "Gold", access=a, agents="all-agents", **week)
        for a in (
            "desktop",
            "mobile-app",
            "mobile-web",
        )
    ]
    by_agent = [await views(sandbox, "Gold", agents=a, **week) for a in ("user", "spider", "automated")]
    assert (
        whole == [sum(day) for day in zip(*by_access, strict=True)] == [sum(day) for day in zip(*by_agent, strict=True)]
    )
    assert min(map(min, by_access + by_agent)) > 0


async def test_titles(sandbox: Running) -> None:
    """B7: titles are case-sensitive, redirects are pages of their own, words have several meanings."""
    assert mean(await views(sandbox, "Apple_Inc.")) > 20 * mean(await views(sandbox, "Apple_Computer"))
    assert mean(await views(sandbox, "Amazon_(company)")) > 2 * mean(await views(sandbox, "Amazon"))
    assert mean(await views(sandbox, "Amazon_(company)")) > 2 * mean(await views(sandbox, "Amazon.com"))
    for title in ("AC/DC", "Électricité_de_France", "Synthetic_Company_007"):
        assert (await items(sandbox, title))[0]["article"] == title
    for title in ("bitcoin", "BITCOIN", "Apple Inc.", "Nobody_knows_this"):
        answer = await get(sandbox, title)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_projects(sandbox: Running) -> None:
    """Other languages have fewer views; an unknown project is a 404."""
    assert mean(await views(sandbox, "Gold", project="de.wikipedia")) < 0.5 * mean(await views(sandbox, "Gold"))
    for project in ("xx.wikipedia", "en.wiktionary"):
        assert (await get(sandbox, "Gold", project=project)).status_code == 404


async def test_who_does_not_say_who_it_is(sandbox: Running) -> None:
    """B7: a descriptive User-Agent is required."""
    for agent in ("", "python-httpx/0.28.1", "curl/8.0"):
        assert (await get(sandbox, "Gold", agent=agent)).status_code == 403


async def test_rate_limit_and_senseless_requests(sandbox: Running) -> None:
    """B7: 429 names the seconds to wait; dates, parts and granularities that are none are a 400 with a reason."""
    await sandbox.fault("rate_limited", provider="wikimedia", times=1)
    await sandbox.fault("rate_limited", provider="wikimedia", symbol="gold", retry_after_s=61, times=1)
    waits = [
        (answer.status_code, answer.headers["retry-after"]) for answer in [await get(sandbox, "Gold") for _ in "12"]
    ]
    assert waits == [(429, "5"), (429, "61")]
    senseless: list[dict[str, str]] = [
        {"start": "2024"},
        {"end": "20240230"},
        {"start": "20250101"},
        {"by": "hourly"},
        {"access": "x"},
        {"agents": "x"},
    ]
    for parts in senseless:
        answer = await get(sandbox, "Gold", **parts)
        assert (answer.status_code, bool(answer.json()["detail"])) == (400, True)
    await sandbox.fault("not_found", provider="wikimedia", times=1)
    assert (await get(sandbox, "Gold")).status_code == 404
    await sandbox.fault("html503", provider="wikimedia", times=1)
    assert (await get(sandbox, "Gold")).status_code == 503
