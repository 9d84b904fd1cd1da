"""Wikimedia pageviews: from what is on the wire to what is done about it (table B7 of the domain notes)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from openbell.engine.attempt import Attempt
from openbell.engine.books import list_books
from openbell.engine.errors import NothingKnown, Permanent, ProducerError, ProviderStopped, RateLimited, Transient
from openbell.providers import pageviews
from openbell.providers.pageviews import Pageviews, Views, read_series, refusal
from openbell.providers.wire import Answer
from tests.providers.attempts import an_attempt, only
from tests.providers.scripted import http, serving
from tests.sandbox.harness import Running
from tests.support import Clock

CONTACT = "ops@example.org"
FIRST, LAST = date(2026, 1, 1), date(2026, 3, 31)


@pytest.fixture
async def attempt(pool: asyncpg.Pool) -> Attempt:
    """One that is not held up by the limits, which have a test of their own."""
    return await an_attempt(pool, pageviews.limits(1_000, 1_000))


@pytest.fixture
async def wiki(sandbox: Running, attempt: Attempt) -> AsyncIterator[Pageviews]:
    async with pageviews.open_http(CONTACT, f"{sandbox.url}/wikimedia") as pool:
        yield Pageviews(pool, attempt)


def item(day: str = "20260101", views: Any = 5, article: str = "Some_page") -> dict[str, Any]:
    return {"article": article, "timestamp": f"{day}00", "views": views, "granularity": "daily"}


async def caught(work: Any) -> ProducerError:
    with pytest.raises(ProducerError) as seen:
        await work
    return seen.value


# --- reading ---------------------------------------------------------------------------------------------------------


def test_rows_are_sorted_by_day() -> None:
    """B7: equal data is equal, whatever order it comes in."""
    said = {"items": [item("20260103", 7), item("20260101", 5), item("20260102", 0)]}
    assert read_series(said, "Some_page", FIRST, LAST) == [
        Views(date(2026, 1, 1), 5),
        Views(date(2026, 1, 2), 0),
        Views(date(2026, 1, 3), 7),
    ]


@pytest.mark.parametrize(
    "items",
    [
        [item(article="Other_page")],
        [item(), item()],
        [item("20251231")],
        [item("20260401")],
        [item("20260230")],
        [item("2026010")],
        [item(views=-1)],
        [item(views="5")],
        [item(views=1.5)],
        [item(views=True)],
        [item(views=None)],
        [{}],
        "items",
        None,
    ],
)
def test_a_row_that_cannot_be_is_refused(items: Any) -> None:
    """B7: another page, a day twice or outside, or figures that are none: such a series is not used."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        read_series({"items": items}, "Some_page", FIRST, LAST)


# --- over the wire ---------------------------------------------------------------------------------------------------


async def test_a_series_of_days_and_of_months(wiki: Pageviews, attempt: Attempt) -> None:
    """B7: absolute views, oldest first; the days of a month add up to it."""
    days = await wiki.daily("Apple Inc.", FIRST, LAST)
    months = await wiki.monthly("Apple Inc.", FIRST, LAST)
    assert [one.day for one in days] == [FIRST + timedelta(days=n) for n in range(90)]
    assert [one.day for one in months] == [date(2026, 1, 1), date(2026, 2, 1), date(2026, 3, 1)]
    assert sum(one.views for one in days if one.day.month == 2) == months[1].views
    assert attempt.provenance["provider"] == "wikimedia"
    assert attempt.provenance["synthetic"]


async def test_the_series_ends_with_the_last_day_there_is(wiki: Pageviews) -> None:
    """B7: what is not counted yet is missing, not zero; before July 2015 there is nothing."""
    today = datetime.now(UTC).date()
    days = await wiki.daily("Apple Inc.", today - timedelta(days=7), today)
    assert days[-1].day < today
    first = (await wiki.monthly("Apple Inc.", date(2014, 1, 1), date(2015, 12, 31)))[0]
    assert first.day == date(2015, 7, 1)
    with pytest.raises(NothingKnown):
        await wiki.daily("Apple Inc.", date(2014, 1, 1), date(2014, 12, 31))


async def test_every_fault_has_its_meaning(sandbox: Running, wiki: Pageviews, attempt: Attempt) -> None:
    """B7, PF-24: each refusal of Wikimedia, as it comes over the wire, is told apart."""
    expected: list[tuple[str, dict[str, Any], type[ProducerError], str, timedelta | None]] = [
        ("not_found", {}, NothingKnown, "nothing_known", None),
        ("rate_limited", {"retry_after_s": 17}, RateLimited, "rate_limited", timedelta(seconds=17)),
        ("html503", {}, Transient, "outage", None),
        ("drop", {}, Transient, "broken", None),
        ("cut", {}, Transient, "broken", None),
    ]
    for fault, spec, kind, code, pause in expected:
        await sandbox.fault(fault, provider="wikimedia", times=1, **spec)
        error = await caught(wiki.daily("Apple Inc.", FIRST, LAST))
        assert (type(error), error.code, error.retry_after) == (kind, code, pause), fault
        assert error.provider == (None if kind is NothingKnown else "wikimedia")
        assert only(attempt).state == ("unanswered" if fault == "drop" else "settled")


async def test_a_page_that_is_not_there(wiki: Pageviews) -> None:
    """B7: titles are case-sensitive; a page that nobody has made has no views."""
    assert isinstance(await caught(wiki.daily("No such page at all 4711", FIRST, LAST)), NothingKnown)


async def test_who_does_not_say_who_asks_is_refused(sandbox: Running, attempt: Attempt) -> None:
    """B7: a User-Agent that tells nothing is refused; that stops the provider until an operator acts."""
    async with pageviews.open_http(CONTACT, f"{sandbox.url}/wikimedia") as pool:
        pool.headers["user-agent"] = "python-httpx"
        error = await caught(Pageviews(pool, attempt).daily("Apple Inc.", FIRST, LAST))
    assert (type(error), error.code) == (ProviderStopped, "access_denied")


TITLES = {
    "Apple Inc.": "Apple_Inc.",
    "AC/DC": "AC%2FDC",
    "Caf\u00e9": "Caf%C3%A9",
    "50% rule?": "50%25_rule%3F",
    "C++ & C#": "C%2B%2B_%26_C%23",
    "%2F": "%252F",
    "../../x": "..%2F..%2Fx",
    " Some_page ": "Some_page",
}


async def test_titles_are_written_as_wikimedia_wants_them(attempt: Attempt) -> None:
    """B7: blanks become underscores, everything else that has a meaning in an address is escaped, once."""
    async with serving({"*": http(404)}) as server, pageviews.open_http(CONTACT, server.url) as pool:
        for title in TITLES:
            assert isinstance(await caught(Pageviews(pool, attempt).daily(title, FIRST, LAST)), NothingKnown)
    head = "/api/rest_v1/metrics/pageviews/per-article/en.wikipedia/all-access/user/"
    assert server.targets == [f"{head}{written}/daily/2026010100/2026033100" for written in TITLES.values()]
    assert server.asked[0].headers["user-agent"] == "openbell/0.1 (+ops@example.org)"


async def test_what_is_no_series_is_not_asked_for(attempt: Attempt) -> None:
    """B7: a title without letters, a strange project or an end before the beginning is a mistake of ours."""
    async with pageviews.open_http(CONTACT, "http://127.0.0.1:1") as pool:
        for title, since, until, project in (
            (" ", FIRST, LAST, "en.wikipedia"),
            ("A", LAST, FIRST, "en.wikipedia"),
            ("A", FIRST, LAST, "en.wikipedia/../x"),
        ):
            with pytest.raises(ValueError):
                await Pageviews(pool, attempt).daily(title, since, until, project=project)
    assert attempt.take_ended() == []


async def test_whatever_is_no_series_is_an_error(attempt: Attempt) -> None:
    """MD-7: a 200 with anything but a series is never taken for one."""
    bodies = [b"", b"[]", b"{}", b'{"items": [{}]}', b"<html>", b'{"items": 5}']
    answers: dict[str, Any] = {}
    async with serving(answers) as server, pageviews.open_http(CONTACT, server.url) as pool:
        for body in bodies:
            answers["*"] = http(200, body)
            error = await caught(Pageviews(pool, attempt).daily("A", FIRST, LAST))
            assert (type(error), error.code) == (Transient, "unexpected_answer"), body


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (429, RateLimited, "rate_limited"),
        (403, ProviderStopped, "access_denied"),
        (400, Permanent, "http_400"),
        (500, Transient, "outage"),
    ],
)
def test_the_status_decides(status: int, kind: type[ProducerError], code: str) -> None:
    """B7: each status has its action."""
    error = refusal(Answer(status, httpx.Headers(), b""))
    assert (type(error), error.code) == (kind, code)


# --- limits ----------------------------------------------------------------------------------------------------------


async def test_at_most_three_at_a_time(pool: asyncpg.Pool, clock: Clock) -> None:
    """B7: the fourth call at once waits; a place is free again when a call has ended."""
    attempt = await an_attempt(pool, pageviews.limits())
    spends = attempt.spends("wikimedia")
    async with spends.call("daily"), spends.call("daily"), spends.call("daily"):
        with pytest.raises(ProducerError) as seen:
            async with spends.call("daily"):
                raise AssertionError("a fourth call")
        assert seen.value.code == "account_full"
    await clock.advance(minutes=1)
    async with spends.call("daily"):
        held = {view.period: view.held for view in await list_books(pool)}
        assert held["at once"] == 1


async def test_at_most_five_a_second(pool: asyncpg.Pool) -> None:
    """B7: one after the other, five within a second and no more."""
    attempt = await an_attempt(pool, pageviews.limits())
    spends = attempt.spends("wikimedia")
    for _ in range(5):
        async with spends.call("daily"):
            pass
        await attempt.ledger.settle(attempt.take_ended())
    with pytest.raises(ProducerError) as seen:
        async with spends.call("daily"):
            raise AssertionError("a sixth call")
    assert seen.value.code == "account_full"
