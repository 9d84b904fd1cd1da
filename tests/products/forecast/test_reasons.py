"""Peaks with the stored news of their days: what is named as a word is told, and nothing else."""

from __future__ import annotations

from datetime import date, timedelta

import asyncpg
import pytest

from openbell.products.forecast.comparison import NEWS_MAX
from openbell.products.forecast.database import SQL
from tests.products.forecast.conftest import Desk

LAST = date(2026, 11, 20)
PEAK = date(2026, 9, 14)
"""A Monday, with which a week of the series begins."""


async def keep(
    pool: asyncpg.Pool, title: str, day: date, *, spam: str | None = None, same_as: int | None = None
) -> int:
    """Store an article of ours, as the digest does; its id."""
    kept: int = await pool.fetchval(
        """insert into openbell.digest_article (address, title, title_key, publisher, published_at, spam, same_as)
           values ($1, $2, $2, 'The Synthetic Times', $3, $4, $5) returning id""",
        f"https://example.com/{day}/{title}", title, day, spam, same_as,
    )  # fmt: skip
    return kept


async def test_a_peak_is_told_with_the_stored_news_of_its_days(bare_desk: Desk) -> None:
    """Build 5: a peak has the first stored articles of its days that name its term, and nothing is fetched for them."""
    desk = bare_desk
    for term, title in (("amazon", "Amazon (company)"), ("costco", "Costco")):
        await desk.store("entity", term, {"term": term, "kind": "page", "title": title, "choices": []})
    first = LAST - timedelta(days=1_849)
    days = [first + timedelta(days=n) for n in range(1_850)]
    busy = {PEAK + timedelta(days=n) for n in range(7)}
    views = {"Amazon (company)": [9_000 if day in busy else 900 + day.day for day in days],
             "Costco": [500 + day.day for day in days]}  # fmt: skip
    for title, seen in views.items():
        value = {"title": title, "project": "en.wikipedia", "first": first.isoformat(), "last": LAST.isoformat()}
        await desk.store("interest", title, value | {"views": seen})
    told = await keep(desk.pool, "Synthetic: AMAZON opens a warehouse", PEAK + timedelta(days=1))
    await keep(desk.pool, "Synthetic: what Amazon's customers say", PEAK + timedelta(days=8))
    await keep(desk.pool, "Synthetic: rain over Amazonia", PEAK)
    await keep(desk.pool, "Synthetic: Amazon before", PEAK - timedelta(days=3))
    await keep(desk.pool, "Synthetic: Amazon afterwards", PEAK + timedelta(days=9))
    await keep(desk.pool, "Synthetic: Amazon prize draw", PEAK, spam="promotion")
    await keep(desk.pool, "Synthetic: AMAZON opens a warehouse (copy)", PEAK, same_as=told)
    await keep(desk.pool, "Synthetic: Costco opens a warehouse", PEAK)
    await desk.hire()
    peaks = (await desk.warm())["peaks"]
    [peak] = [one for one in peaks if one["term"] == "amazon" and one["day"] == PEAK.isoformat()]
    assert [(one["title"], one["day"]) for one in peak["news"]] == [
        ("Synthetic: AMAZON opens a warehouse", (PEAK + timedelta(days=1)).isoformat()),
        ("Synthetic: what Amazon's customers say", (PEAK + timedelta(days=8)).isoformat()),
    ]
    assert {one["publisher"] for one in peak["news"]} == {"The Synthetic Times"}
    assert all(one["address"].startswith("https://example.com/") for one in peak["news"])


@pytest.mark.parametrize(
    ("term", "named", "other"),
    [
        ("Java", ["Java is thirty", "JavaScript and java"], ["JavaScript is thirty", "Java2 is out", "Ajava"]),
        ("Apple", ["(apple) falls", "Apple", "Apple's day"], ["Pineapple prices", "Apples", "Snapple"]),
        ("c++", ["Why C++?", "C++"], ["c", "ccc", "objc++"]),
        ("AT&T", ["at&t's network", "AT&T"], ["AT&TX", "AT and T", "at"]),
        ("3M", ["3m pays"], ["13M pays", "3Mx"]),
        ("a.b", ["A.B wins"], ["axb wins"]),
        ("x*", ["x* wins"], ["xx wins", "wins"]),
        ("[ab]", ["[AB] wins"], ["a wins", "ab"]),
        (r"a\d", [r"A\D wins"], ["a1 wins"]),
        ("Café de Flore", ["Im Café de Flore"], ["Cafe de Flore", "Café de Florence"]),
        ("Citroën", ["citroën sells"], ["citroens sell", "citroënen"]),
    ],
)
async def test_a_term_is_named_as_a_word(pool: asyncpg.Pool, term: str, named: list[str], other: list[str]) -> None:
    """Build 5: case does not matter, letters and digits around it do, and signs of a term mean themselves."""
    for n, title in enumerate([*other, *named]):
        await keep(pool, title, PEAK + timedelta(days=n))
    rows = await pool.fetch(SQL.get("find_reasons"), term, PEAK, PEAK + timedelta(days=9), NEWS_MAX)
    assert [row["title"] for row in rows] == named
