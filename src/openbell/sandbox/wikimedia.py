"""Wikimedia's pageviews per article (spec domain.md B7), with invented numbers.

    GET /wikimedia/api/rest_v1/metrics/pageviews/per-article/PROJECT/ACCESS/AGENT/TITLE/daily or monthly/START/END
    GET /wikimedia/PROJECT/w/api.php?action=query                      titles, redirects, pages of several meanings

A series is a pure function of title and day: level, slow trend, a weekly and a yearly season, noise, some days with a
peak. It begins in July 2015 or when the page was made, and ends yesterday. Titles are case-sensitive, have underscores
for blanks, and a redirect is a page of its own with few views. Parts add up: all-access and all-agents are the sums.

A caller needs a User-Agent that tells who it is. Faults: rate_limited (429 with Retry-After), not_found, html503.
"""

from __future__ import annotations

import hashlib
import math
import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from openbell.sandbox.companies import COMPANIES
from openbell.sandbox.house import House
from openbell.sandbox.simulator import Answer, Call, Refused, Simulator

FIRST_DAY = date(2015, 7, 1)
PEAK_DAYS_OF_256 = 2
# Shares in thousandths; the last part is what is left of the sum.
ACCESSES: Mapping[str, int] = {"desktop": 430, "mobile-app": 20, "mobile-web": 550}
AGENTS: Mapping[str, int] = {"automated": 60, "spider": 90, "user": 850}
_PROJECTS: Mapping[str, float] = {"en": 1.0, "de": 0.11, "fr": 0.09, "es": 0.1}
_PATH = "api/rest_v1/metrics/pageviews/per-article/{project}/{access}/{agent}/{title:path}/{granularity}/{start}/{end}"
_LIBRARIES = re.compile(r"^(python-|curl/|aiohttp|java/|go-http|okhttp|node|axios|wget)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """A page's character. `level`: views a day in 2015; `trend`: growth a year; `weekend`: its share of a weekday."""

    level: float
    trend: float = 0.0
    weekend: float = 0.8
    since: date = FIRST_DAY


# Our own selection with invented levels: companies, things people compare, redirects, words with several meanings.
_KNOWN: Mapping[str, Page] = {
    "Apple_Inc.": Page(12_000, 0.02),
    "Apple": Page(4_500, 0.0, 0.95),
    "Apple_Computer": Page(60, -0.05),
    "Apple_inc": Page(9, -0.05),
    "Facebook": Page(21_000, -0.06, 0.9),
    "Meta_Platforms": Page(9_000, 0.04, 0.85, date(2021, 10, 28)),
    "Google": Page(24_000, -0.01, 0.9),
    "Alphabet_Inc.": Page(5_500, 0.03, 0.75, date(2015, 8, 10)),
    "IBM": Page(5_200, -0.03, 0.65),
    "Microsoft": Page(8_800, 0.03, 0.75),
    "Amazon_(company)": Page(9_500, 0.03, 0.85),
    "Amazon.com": Page(700, -0.3),
    "Amazon": Page(1_900, 0.0, 0.95),
    "Amazon_rainforest": Page(4_200, 0.01, 0.9),
    "Bitcoin": Page(7_000, 0.12, 0.9),
    "Ethereum": Page(1_500, 0.3, 0.9, date(2015, 8, 1)),
    "Gold": Page(3_600, 0.01, 0.9),
    "Tesla,_Inc.": Page(9_000, 0.05, 0.9),
    "Tesla_Motors": Page(150, -0.2),
    "Python_(programming_language)": Page(7_400, 0.04, 0.6),
    "Rust_(programming_language)": Page(1_200, 0.2, 0.6),
    "Costco": Page(2_600, 0.06, 0.9),
    "Walmart": Page(4_100, 0.02, 0.85),
    "Netflix": Page(9_900, 0.04, 1.1),
    "Spotify": Page(3_300, 0.05, 0.9),
    "Coffee": Page(4_000, 0.0, 0.9),
    "Tea": Page(3_500, 0.0, 0.9),
    "AC/DC": Page(6_500, -0.01, 1.1),
    "iPhone": Page(6_000, -0.02, 0.95),
    "Électricité_de_France": Page(500, 0.02, 0.7),
}
PAGES: Mapping[str, Page] = {
    **_KNOWN,
    **{c.name.replace(" ", "_"): Page(90 + 7 * n, 0.01) for n, c in enumerate(COMPANIES.values()) if c.invented},
}


REDIRECTS: Mapping[str, str] = {
    "Apple_Computer": "Apple_Inc.",
    "Apple_inc": "Apple_Inc.",
    "Amazon.com": "Amazon_(company)",
    "Tesla_Motors": "Tesla,_Inc.",
    "Alphabet": "Alphabet_Inc.",
    "Costco_Wholesale": "Costco",
}
SEVERAL_MEANINGS = frozenset({"Amazon", "Apple"})


def _redirects(titles: list[str]) -> list[dict[str, str]]:
    """Which of these are redirects, and where they lead."""
    return [
        {"from": title.replace("_", " "), "to": REDIRECTS[title].replace("_", " ")}
        for title in titles
        if title in REDIRECTS
    ]


def _page(title: str, index: int) -> dict[str, object]:
    """One page as `formatversion=2` tells it."""
    page: dict[str, object] = {"pageid": 1 + list(PAGES).index(title), "ns": 0, "title": title.replace("_", " ")}
    if index:
        page["index"] = index
    if title in SEVERAL_MEANINGS:
        return page | {"pageprops": {"disambiguation": ""}, "description": "Topics referred to by the same term"}
    return page | {"description": "a page with invented views"}


class Wikimedia(Simulator):
    """Everything below /wikimedia."""

    name = "wikimedia"
    mount = "/wikimedia"
    data_class = "synthetic; invented page views"
    kinds = frozenset(("rate_limited", "not_found", "html503"))

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.on("GET", _PATH, self.per_article)
        self.on("GET", "{project}/w/api.php", self.query)

    def admit(self, call: Call) -> None:
        """Refuse who does not say who it is: no name at all, or only that of a library."""
        agent = call.headers.get("user-agent", "")
        if not agent.strip() or _LIBRARIES.match(agent):
            raise Refused(Answer(403, b"Please set a user-agent and respect our robot policy.\n", "text/plain"))

    def subjects(self, call: Call) -> list[str]:
        """The title, in capitals as all subjects are."""
        if "title" in call.arguments:
            return [str(call.arguments["title"]).upper()]
        asked = call.params.get("titles") or call.params.get("gpssearch")
        return [asked.replace(" ", "_").upper()] if asked else []

    def unknown(self, call: Call) -> Answer:
        """A path that does not exist is a problem too."""
        return _problem(call, 404, "Not found.", "There is no such path.")

    async def query(self, call: Call) -> Answer:
        """The action API as far as titles go: one title with its redirect, or titles that begin like a text."""
        if call.meets("rate_limited"):
            raise Refused(Answer(429, b"", "text/plain", {"retry-after": call.retry_after("5")}))
        if call.meets("html503"):
            raise Refused(Answer(503, b"<html><body><h1>Service Unavailable</h1></body></html>", "text/html"))
        given = call.params
        if given.get("generator") == "prefixsearch":
            begun = given.get("gpssearch", "").casefold()
            found = [title for title in PAGES if title.replace("_", " ").casefold().startswith(begun)]
            names = list(dict.fromkeys(REDIRECTS.get(title, title) for title in found))
            most = int(given.get("gpslimit", "10"))
            pages = [_page(name, n) for n, name in enumerate(names[:most], 1)]
            return self.answer({"query": {"redirects": _redirects(found), "pages": pages}})
        asked = given.get("titles", "").replace(" ", "_")
        asked = asked[:1].upper() + asked[1:]
        title = REDIRECTS.get(asked, asked)
        if title not in PAGES or call.meets("not_found"):
            return self.answer({"query": {"pages": [{"ns": 0, "title": title.replace("_", " "), "missing": True}]}})
        return self.answer({"query": {"redirects": _redirects([asked]), "pages": [_page(title, 0)]}})

    async def per_article(self, call: Call) -> Answer:
        """The views of a page, by day or month."""
        if call.meets("rate_limited"):
            refusal = _problem(call, 429, "Too many requests.", "Slow down, and come back later.")
            raise Refused(replace(refusal, headers={"retry-after": call.retry_after("5")}))
        if call.meets("html503"):
            raise Refused(Answer(503, b"<html><body><h1>Service Unavailable</h1></body></html>", "text/html"))
        project, title = str(call.arguments["project"]), str(call.arguments["title"])
        scale = (
            _PROJECTS.get(project.removesuffix(".org").removesuffix(".wikipedia")) if "wikipedia" in project else None
        )
        cells = _cells(call)
        first, last = _bounds(call)
        page = PAGES.get(title)
        if page is None or scale is None or call.meets("not_found"):
            raise Refused(_nothing(call))
        last = min(last, datetime.fromtimestamp(self.house.wall(), UTC).date() - timedelta(days=1))
        days = [(day, _views(title, page, day, scale, cells)) for day in _days(max(first, page.since), last)]
        if call.arguments["granularity"] == "monthly":
            days = _months(days)
        items = [_item(call, day, views) for day, views in days if views > 0]
        if not items:
            raise Refused(_nothing(call))
        return self.answer({"items": items})


def _cells(call: Call) -> list[tuple[str, str]]:
    """The parts that are summed up: pairs of access and agent."""
    access, agent = call.arguments["access"], call.arguments["agent"]
    accesses = list(ACCESSES) if access == "all-access" else [access]
    agents = list(AGENTS) if agent == "all-agents" else [agent]
    if not set(accesses) <= set(ACCESSES) or not set(agents) <= set(AGENTS):
        raise Refused(_problem(call, 400, "Invalid parameters", "access or agent is not one of the known ones."))
    return [(one, other) for one in accesses for other in agents]


def _bounds(call: Call) -> tuple[date, date]:
    """First and last day asked for; of months only whole ones."""
    try:
        first, last = (datetime.strptime(call.arguments[name][:8], "%Y%m%d").date() for name in ("start", "end"))  # noqa: DTZ007
    except ValueError:
        raise Refused(
            _problem(call, 400, "Invalid parameters", "start and end must be YYYYMMDD or YYYYMMDDHH.")
        ) from None
    if first > last or call.arguments["granularity"] not in ("daily", "monthly"):
        raise Refused(_problem(call, 400, "Invalid parameters", "start must not be after end, granularity is unknown."))
    return first, last


def _days(first: date, last: date) -> Iterator[date]:
    """Every day from first to last."""
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _months(days: list[tuple[date, int]]) -> list[tuple[date, int]]:
    """Sums of the months that are there from their first day to their last."""
    sums: dict[date, tuple[int, int]] = {}
    for day, views in days:
        count, total = sums.get(day.replace(day=1), (0, 0))
        sums[day.replace(day=1)] = count + 1, total + views
    return [(month, total) for month, (count, total) in sums.items() if count == monthrange(month.year, month.month)[1]]


def _views(title: str, page: Page, day: date, scale: float, cells: list[tuple[str, str]]) -> int:
    """Views of one day: level, trend, week, year, noise, peak; then the share of the parts asked for."""
    chance = hashlib.blake2b(f"{title} {day}".encode(), digest_size=8).digest()
    noise = 1 + 0.12 * (sum(chance[:4]) / 510 - 1)
    peak = 2 + chance[5] / 80 if chance[4] < PEAK_DAYS_OF_256 else 1
    years = (day - FIRST_DAY).days / 365.25
    season = 1 + 0.08 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 30) / 365.25)
    week = page.weekend if day.weekday() > 4 else 1.04 - 0.02 * day.weekday()
    total = round(page.level * scale * math.exp(page.trend * years) * week * season * noise * peak)
    return sum(_part(_part(total, ACCESSES, access), AGENTS, agent) for access, agent in cells)


def _part(total: int, shares: Mapping[str, int], name: str) -> int:
    """A part of a sum in whole views; the last part takes what rounding leaves, so that the parts add up."""
    *others, last = shares
    if name != last:
        return total * shares[name] // 1000
    return total - sum(total * shares[other] // 1000 for other in others)


def _item(call: Call, day: date, views: int) -> dict[str, str | int]:
    given = call.arguments
    return {
        "project": str(given["project"]).removesuffix(".org"),
        "article": given["title"],
        "granularity": given["granularity"],
        "timestamp": f"{day:%Y%m%d}00",
        "access": given["access"],
        "agent": given["agent"],
        "views": views,
    }


def _nothing(call: Call) -> Answer:
    words = "There is no data for these dates, or there is no such page or project."
    return _problem(call, 404, "Not found.", words)


def _problem(call: Call, status: int, title: str, words: str) -> Answer:
    """A problem as JSON (RFC 7807)."""
    body = {
        "type": "about:blank",
        "title": title,
        "method": call.method.lower(),
        "detail": words,
        "uri": f"/{call.path}",
    }
    return replace(Answer.of_json(body, status), media_type="application/problem+json")
