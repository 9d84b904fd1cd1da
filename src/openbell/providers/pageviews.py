"""Wikimedia pageviews: how often a page of a Wikipedia was looked at, per day or month (doc.wikimedia.org, "AQS").

Free and without a key; the data is CC0. Callers give a User-Agent that tells who they are, make at most three calls at
a time, and do what `Retry-After` says. Figures begin in July 2015 and are about a day late; a day without views is left
out, and a page without any is a 404.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal
from urllib.parse import quote

import httpx

from openbell.engine.attempt import Attempt
from openbell.engine.errors import NothingKnown, Permanent, ProducerError, ProviderStopped, RateLimited, Transient
from openbell.engine.ledger import Limit
from openbell.providers import wire
from openbell.providers.pauses import asked_pause

HOME = "https://wikimedia.org"
TIMEOUT_S = 15.0
RATE_PAUSE = timedelta(minutes=1)
FIRST_DAY = date(2015, 7, 1)

Step = Literal["daily", "monthly"]


def limits(calls_per_second: int = 5, calls_at_once: int = 3) -> list[Limit]:
    """Wikimedia asks for at most three calls at a time; its figures of 2026 per second are not published."""
    return [
        Limit("wikimedia", "calls", "second", calls_per_second, span=timedelta(seconds=1)),
        Limit("wikimedia", "calls", "at once", calls_at_once, closes="release"),
    ]


def open_http(contact: str | None = None, base_url: str = HOME) -> httpx.AsyncClient:
    """The connection pool. ``contact``, a mail or web address, is what Wikimedia writes to before it blocks."""
    agent = f"openbell/0.1 (+{contact})" if contact else "openbell/0.1"
    return wire.open_http(f"{base_url.rstrip('/')}/", timeout_s=TIMEOUT_S, headers={"user-agent": agent})


@dataclass(frozen=True, slots=True)
class Views:
    """How often a page was looked at on a day, or in the month that begins on it."""

    day: date
    views: int


class Pageviews:
    """The service as one attempt may use it."""

    def __init__(self, http: httpx.AsyncClient, attempt: Attempt) -> None:
        self._http, self._attempt = http, attempt

    async def daily(self, title: str, since: date, until: date, *, project: str = "en.wikipedia") -> list[Views]:
        """Views by people per day, both days included, oldest first; days without any are left out."""
        return await self._series(title, since, until, project, "daily")

    async def monthly(self, title: str, since: date, until: date, *, project: str = "en.wikipedia") -> list[Views]:
        """Views by people per whole month within the days, oldest first."""
        return await self._series(title, since, until, project, "monthly")

    async def _series(self, title: str, since: date, until: date, project: str, step: Step) -> list[Views]:
        """Raises :class:`NothingKnown` for a page without views, and what :func:`refusal` makes of a refusal."""
        name = title.strip().replace(" ", "_")
        if not name or not re.fullmatch(r"[a-z0-9.-]+", project) or since > until:
            raise ValueError(f"{title!r} of {project!r} from {since} to {until} is no series")
        if until < FIRST_DAY:
            raise NothingKnown(f"Wikimedia has no views before {FIRST_DAY}")
        path = (
            f"api/rest_v1/metrics/pageviews/per-article/{project}/all-access/user/{quote(name, safe='')}/{step}"
            f"/{max(since, FIRST_DAY):%Y%m%d}00/{until:%Y%m%d}00"
        )
        timeout = wire.call_time(TIMEOUT_S)
        async with self._attempt.spends("wikimedia").call(step, timeout=timeout, bytes=100_000) as call:
            answer = await wire.exchange(self._http, call, "GET", path, name="Wikimedia")
            if answer.status not in (200, 404):
                raise refusal(answer)
        self._attempt.cite(
            provider="wikimedia", operation=step, host=wire.host_of(self._http), synthetic=answer.synthetic
        )
        if answer.status == 404:
            raise NothingKnown(f"Wikimedia knows of no views of {title}")
        try:
            return read_series(answer.json(), name, since, until)
        except (ValueError, KeyError, TypeError) as error:
            raise Transient(
                f"Wikimedia answered with something else than views of {title}: {error}", code="unexpected_answer"
            ) from error


def refusal(answer: wire.Answer) -> ProducerError:
    """What Wikimedia means by a refusal: 429 everybody pauses, 403 we do not say who we are."""
    status = answer.status
    if status == 429:
        pause = asked_pause(answer.headers) or RATE_PAUSE
        return RateLimited("Wikimedia says that we ask too often.", code="rate_limited", retry_after=pause)
    if status == 403:
        sentence = "Wikimedia refuses us; set ADMIN_EMAIL, so that it can see who asks."
        return ProviderStopped(sentence, code="access_denied", retry_after=timedelta(hours=1))
    if status >= 500:
        pause_or_none = asked_pause(answer.headers)
        return Transient(f"Wikimedia is out of order (HTTP {status})", code="outage", retry_after=pause_or_none)
    return Permanent(f"Wikimedia refused the call (HTTP {status})", code=f"http_{status}")


def read_series(said: Any, name: str, since: date, until: date) -> list[Views]:
    """The series, by day, each day once. Raises ``ValueError`` and its like when it is not one of this page."""
    series: dict[date, int] = {}
    for item in said["items"]:
        day, views = _day(item["timestamp"]), item["views"]
        if item["article"] != name:
            raise ValueError(f"a row of {str(item['article'])[:50]!r}")
        if type(views) is not int or views < 0:
            raise ValueError(f"{str(views)[:20]!r} views")
        if not since <= day <= until or day in series:
            raise ValueError(f"a row for {day} that was not asked for, or a second one")
        series[day] = views
    return [Views(day, series[day]) for day in sorted(series)]


def _day(stamp: str) -> date:
    if not re.fullmatch(r"\d{8}00", stamp):
        raise ValueError(f"the time {stamp[:20]!r}")
    return date(int(stamp[:4]), int(stamp[4:6]), int(stamp[6:8]))
