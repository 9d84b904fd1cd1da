"""Comparisons at their doors: the premium answer for programs, and the pages for people."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import date
from urllib.parse import quote

import asyncpg
import httpx
import pytest

from openbell.people import add_person
from openbell.people.doors import open_session
from openbell.products import registry
from openbell.products.forecast.keys import Pair, pair_of
from openbell.products.forecast.uploads import save_upload
from tests.support import Clock
from tests.web.comparisons import comparison
from tests.web.conftest import Site, serve

PAIR = pair_of("amazon", "costco")
PREMIUM = "/api/comparison/premium"
SLUG = {"slug": "amazon-vs-costco"}
SECRET = "a-synthetic-secret-of-tests"


@pytest.fixture
async def open_site(dsn: str, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    """A web process with a secret, debug fields, and a small allowance."""
    await registry().seed(pool)
    async with serve(dsn, pool, warmup_secret=SECRET, debug_api_headers=True, premium_per_minute=3) as running:
        await running.ready()
        yield running


async def test_a_read_of_nothing_says_so_and_creates_nothing(site: Site) -> None:
    """FC-1, DC-8: a read neither computes nor queues; it says what to do."""
    answer = await site.http.get(PREMIUM, params=SLUG)
    body = answer.json()
    assert answer.status_code == 200
    assert (body["warmupStatus"], body["forecastAvailable"], body["needsWarmup"]) == ("none", False, True)
    assert body["insightsPack"] is None
    assert "debug" not in body
    assert await site.count("job") == await site.count("demand") == 0
    asked = await site.http.post(body["demand"]["path"], json=body["demand"]["body"])
    assert asked.status_code == 202
    body = (await site.http.get(PREMIUM, params=SLUG)).json()
    assert (body["warmupStatus"], body["needsWarmup"]) == ("queued", False)


async def test_a_ready_comparison_has_both_terms(site: Site) -> None:
    """FC-3, FC-10, FC-20, FC-25: both forecasts with hashes and freshness; absent is null; either order is one."""
    await site.publish("comparison", PAIR.key, comparison())
    body = (await site.http.get(PREMIUM, params=SLUG)).json()
    assert (body["warmupStatus"], body["forecastAvailable"], body["needsWarmup"]) == ("ready", True, False)
    pack = body["insightsPack"]
    for term in ("termA", "termB"):
        assert len(pack["forecasts"][term]["points"]) == 8
        assert 0 <= pack["forecasts"][term]["confidence"] <= 100
    assert pack["hashes"]["forecastKey"].split("|")[4] == pack["hashes"]["data"]
    assert pack["dataFreshness"]["state"] == "fresh"
    assert (pack["aiInsights"], pack["accuracy"], pack["decisionGuidance"]) == (None, None, None)
    assert [s["source"] for s in pack["sources"] if s["missing"]] == ["search"]
    turned = (await site.http.get(PREMIUM, params={"termA": "Costco", "termB": "AMAZON"})).json()
    assert turned["insightsPack"]["hashes"] == pack["hashes"]
    assert turned["insightsPack"]["terms"] == ["amazon", "costco"]


async def test_reads_carry_tag_and_freshness(site: Site) -> None:
    """FC-27: ETag with 304, Cache-Control, Age and state."""
    await site.publish("comparison", PAIR.key, comparison())
    first = await site.http.get(PREMIUM, params=SLUG)
    assert first.headers["x-data-state"] == "fresh"
    assert "max-age" in first.headers["cache-control"]
    assert "age" in first.headers
    again = await site.http.get(PREMIUM, params=SLUG, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_stale_is_served_for_seven_days_and_not_longer(site: Site, clock: Clock) -> None:
    """FC-7, DC-8: stale is served and said to be; past its time nothing is served and the answer says so."""
    await site.publish("comparison", PAIR.key, comparison())
    await clock.advance(hours=2)
    body = (await site.http.get(PREMIUM, params=SLUG)).json()
    assert (body["forecastAvailable"], body["needsWarmup"], body["warmupStatus"]) == (True, True, "ready")
    assert body["insightsPack"]["dataFreshness"]["state"] == "stale"
    await clock.advance(days=2)
    body = (await site.http.get(PREMIUM, params=SLUG)).json()
    assert (body["forecastAvailable"], body["needsWarmup"], body["insightsPack"]) == (False, True, None)
    page = await site.http.get("/compare/amazon-vs-costco?tf=12m")
    assert "older than seven days" in page.text
    assert "<polygon" not in page.text


@pytest.mark.parametrize(
    "query",
    [
        {"slug": "amazon"},
        {"slug": "a-vs-a"},
        {"slug": "a-vs-b-vs-c"},
        {"slug": "a-vs-"},
        {"slug": f"{'x' * 61}-vs-b"},
        {"slug": "a-vs-b", "tf": "2y"},
        {"slug": "a-vs-b", "geo": "<script>"},
        {"slug": "a\x00-vs-b"},
        {},
        {"termA": "a", "termB": ""},
    ],
)
async def test_hostile_questions_are_refused_in_json(site: Site, query: dict[str, str]) -> None:
    """FC-27: unknown, equal, empty, too long and hostile terms give a JSON error with a code, and create nothing."""
    answer = await site.http.get(PREMIUM, params=query)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "malformed_pair"
    assert await site.count("demand") == 0


async def test_the_limit_is_shared_by_all_processes(open_site: Site, dsn: str, pool: asyncpg.Pool) -> None:
    """FC-27: what one process has counted holds in the other, and a new minute begins anew."""
    async with serve(dsn, pool, premium_per_minute=3) as other:
        await other.ready()
        answers = [await (open_site, other)[n % 2].http.get(PREMIUM, params=SLUG) for n in range(10)]
    assert [a.status_code for a in answers] == [200] * 9 + [429]
    assert answers[-1].json()["error"]["code"] == "too_many_requests"
    await Clock(pool).advance(minutes=1)
    assert (await open_site.http.get(PREMIUM, params=SLUG)).status_code == 200


async def test_debug_fields_appear_only_when_switched_on(open_site: Site, pool: asyncpg.Pool) -> None:
    """FC-6: debug id, last error, attempts and keys, with DEBUG_API_HEADERS only."""
    await pool.execute(
        """insert into openbell.cooldown (product, key, code, message, at, retry_at, job_id)
           values ('comparison', $1, 'need_failed', 'the source is away', openbell.now(),
               openbell.now() + interval '5 minutes', 7)""",
        PAIR.key,
    )
    body = (await open_site.http.get(PREMIUM, params=SLUG)).json()
    assert body["warmupStatus"] == "failed"
    assert body["debug"]["lastWarmupError"] == {"code": "need_failed", "message": "the source is away"}
    assert body["debug"]["warmupDebugId"]
    assert body["debug"]["forecastCacheKeysUsed"]["comparison"] == PAIR.key


async def test_the_warm_up_door_needs_its_secret(site: Site, open_site: Site) -> None:
    """FC-12: closed with 503 where no secret is set, 401 with a wrong one, POST only; then it demands the pair."""
    door = "/api/jobs/run-warmup"
    assert (await site.http.post(door, json=SLUG)).status_code == 503
    for wrong in ({}, {"X-Warmup-Secret": "wrong"}, {"X-Warmup-Secret": SECRET + "\u00e9"}):
        sent = [(name.encode(), value.encode()) for name, value in wrong.items()]
        assert (await open_site.http.post(door, json=SLUG, headers=sent)).status_code == 401
    assert await open_site.count("job") == 0
    assert (await open_site.http.get(door, headers={"X-Warmup-Secret": SECRET})).status_code == 405
    taken = await open_site.http.post(door, json=SLUG, headers={"X-Warmup-Secret": SECRET})
    assert (taken.status_code, taken.json()["warmupStatus"]) == (202, "queued")
    popular = await open_site.http.post(door, headers={"X-Warmup-Secret": SECRET})
    assert popular.json()["warmed"] == "popular"
    kinds = await open_site.pool.fetch("select product from openbell.job order by product")
    assert [row["product"] for row in kinds] == ["comparison", "forecast-warmup"]


async def test_the_page_shows_fans_figures_and_what_is_missing(site: Site) -> None:
    """LOOK: the forecast is a fan and never a bare line; the same data as a table; missing sources are named."""
    await site.publish("comparison", PAIR.key, comparison())
    page = (await site.http.get("/compare/amazon-vs-costco?tf=12m")).text
    assert page.count('class="fan95') == 6  # two terms and the gap, wide and narrow
    assert page.count('class="ahead') == page.count('class="fan80') == 6
    for text in (
        "What may come, with 95 % bands",
        "Missing: Search interest",
        "Not checked yet",
        "have no figure",
        "cc0",
    ):
        assert text in page or text == "cc0"
    assert "data-stream=" in page
    assert "comparison:amazon" in page
    assert await site.count("demand") == 0


async def test_a_page_in_the_other_order_leads_to_the_one_page(site: Site) -> None:
    """FC-3: one pair, one address."""
    answer = await site.http.get("/compare/Costco-vs-Amazon")
    assert (answer.status_code, answer.headers["location"]) == (308, "/compare/amazon-vs-costco?tf=12m")
    answer = await site.http.get("/compare", params={"a": "Tea", "b": "coffee", "tf": "5y"})
    assert answer.headers["location"] == "/compare/coffee-vs-tea?tf=5y"
    answer = await site.http.get("/compare", params={"a": "tea", "b": "Tea"})
    assert answer.status_code == 400
    assert "the two terms are the same" in answer.text


async def test_several_meanings_are_asked(site: Site) -> None:
    """Disambiguation is asked, not guessed: each meaning is a link to the comparison that it would make."""
    pair = pair_of("mercury", "tea")
    entity = {
        "term": "mercury", "kind": "ambiguous", "title": None, "description": "", "how": "none",
        "choices": [{"title": "Mercury (planet)", "description": "a planet"}, {"title": "Mercury (element)",
        "description": ""}],
    }  # fmt: skip
    await site.publish("entity", "mercury", entity)
    page = (await site.http.get(f"/compare/{pair.slug}")).text
    assert "has several meanings" in page
    assert 'href="/compare/mercury-%28planet%29-vs-tea?tf=12m"' in page


async def test_exports_hold_what_the_page_shows(site: Site) -> None:
    """Export: CSV without formulas, JSON with provenance, a PNG of the chart; 404 while there is nothing."""
    pair = pair_of("=1+1", "tea")
    assert (await site.http.get("/compare/amazon-vs-costco/data.csv")).status_code == 404
    await site.publish("comparison", pair.key, comparison(pair))
    base = f"/compare/{pair.slug}"
    rows = list(csv.reader(io.StringIO((await site.http.get(f"{base}/data.csv")).text)))
    assert rows[0][2] == "'=1+1"
    assert [row[0] for row in rows[1:]].count("forecast") == 8
    assert [row[0] for row in rows[1:]].count("history") == 52
    assert (await site.http.get(f"{base}/data.json")).json()["value"]["pair"] == pair.key
    picture = await site.http.get(f"{base}/chart.png")
    assert picture.content.startswith(b"\x89PNG")
    assert picture.headers["content-type"] == "image/png"


async def test_saving_needs_somebody(site: Site) -> None:
    """Saved comparisons belong to who has signed in; others are sent to the sign-in page."""
    answer = await site.http.post("/compare/amazon-vs-costco/save", data={"alert": "leader"})
    assert answer.status_code in (303, 307)
    assert answer.headers["location"].startswith("/sign-in")
    assert await site.count("saved_comparison") == 0


async def test_somebody_saves_a_pair_and_brings_a_series(site: Site) -> None:
    """Saved pairs and CSV: who has signed in keeps a pair with its alert, removes it, brings a series."""
    person = await add_person(site.pool, "reader@example.com", name="Reader", state="active", actor="test")
    secret = await open_session(site.pool, person.id)
    cookies = {"cookie": f"openbell={secret}"}
    await site.publish("comparison", PAIR.key, comparison())
    form = {"alert": "risk", "threshold": "250"}
    answer = await site.http.post("/compare/amazon-vs-costco/save?tf=12m", data=form, headers=cookies)
    assert answer.headers["location"] == "/compare/amazon-vs-costco?tf=12m"
    [row] = await site.pool.fetch("select pair, alert, threshold from openbell.saved_comparison")
    assert tuple(row) == (PAIR.key, "risk", 100)
    assert "told by mail" in (await site.http.get("/compare", headers=cookies)).text
    assert "Remove" in (await site.http.get("/compare/amazon-vs-costco?tf=12m", headers=cookies)).text
    await site.http.post("/compare/amazon-vs-costco/save?tf=12m", data={"remove": "yes"}, headers=cookies)
    assert await site.count("saved_comparison") == 0
    lines = {"name": "My  Shop", "lines": "day,sales\n2026-01-01,5\n2026-01-02,6"}
    kept = await site.http.post("/compare/series", data=lines, headers=cookies)
    assert "csv my shop" in kept.text
    assert await site.pool.fetchval("select name from openbell.forecast_upload") == "my shop"
    refused = await site.http.post("/compare/series", data={"name": "x", "lines": "hello"}, headers=cookies)
    assert refused.status_code == 400
    assert "was not kept" in refused.text
    assert (await site.http.post("/compare/series", data=lines)).headers["location"].startswith("/sign-in")


async def test_suggestions_come_from_what_is_stored_and_keep_nothing(site: Site) -> None:
    """Build 7: typing asks nobody and stores nothing; meanings of an ambiguous word are told apart, not guessed."""
    java = [
        {"title": "Java (programming language)", "description": "language"},
        {"title": "Java", "description": "isle"},
    ]
    await site.publish("entity", "java", {"term": "java", "kind": "ambiguous", "title": None, "choices": java})
    page = {"term": "jam", "kind": "page", "title": "Fruit preserves", "description": "food", "choices": []}
    await site.publish("entity", "jam", page)
    await site.publish("entity", "jaxx", {"term": "jaxx", "kind": "unknown", "title": None, "choices": []})
    before = await site.count("artifact")
    text = (await site.http.post("/compare/suggest", data={"q": "JA"})).text
    assert 'data-symbol="jam"' in text
    assert 'data-symbol="java (programming language)"' in text
    assert "jaxx" not in text
    assert 'data-symbol="amazon"' in (await site.http.post("/compare/suggest", data={"q": "ama"})).text
    for hostile in ("", "x" * 5_000, "%", "_", "<script>", "a vs b", "\x00", "ja' or 1=1 --"):
        answer = await site.http.post("/compare/suggest", data={"q": hostile})
        assert answer.status_code == 200
        assert "<li" not in answer.text
    assert await site.count("artifact") == before
    assert await site.count("job") == await site.count("demand") == 0


async def test_what_is_made_of_a_series_is_for_its_owner_and_the_operator(site: Site) -> None:
    """Platform F: every door tells others that there is no such series, whether there is or not; none is queued."""
    pair, others = pair_of("csv my shop", "csv my stall"), pair_of("csv my shop", "csv hers")
    mine, hers = [
        await add_person(site.pool, f"{name}@example.com", state="active", actor="test") for name in ("mine", "hers")
    ]
    for name, person in (("my shop", mine), ("my stall", mine), ("hers", hers)):
        await save_upload(site.pool, name, [(date(2026, 1, 1), 5.0)], person_id=person.id)
    for one in (pair, others):
        await site.publish("comparison", one.key, comparison(one))
    readers = {
        person.id: {"cookie": f"openbell={await open_session(site.pool, person.id)}", "x-forwarded-for": "192.0.2.1"}
        for person in (mine, hers)
    }
    guest = {"x-forwarded-for": "192.0.2.1"}
    unknown = pair_of("csv no such", "csv series")

    def doors(key: str, slug: str) -> list[httpx.Request]:
        asked = ["/api/v1/artifacts/comparison/" + quote(key), f"/api/v1/artifacts/comparison/{quote(key)}/why"]
        asked += [f"/compare/{slug}{rest}" for rest in ("", "/data.csv", "/data.json", "/chart.png")]
        asked += [f"{PREMIUM}?slug={slug}"]
        wish = {"items": [{"product": "comparison", "key": key}], "seconds": 60}
        made = [site.http.build_request("GET", path) for path in asked]
        made.append(site.http.build_request("POST", f"/compare/{slug}/ask"))
        made.append(site.http.build_request("POST", "/api/v1/demand", json=wish))
        return made

    async def codes(one: Pair, headers: dict[str, str]) -> set[int]:
        found = set()
        for request in doors(one.key, one.slug):
            request.headers.update(headers)
            found.add((await site.http.send(request)).status_code)
        return found

    for one in (pair, others, unknown):
        for headers in (guest, readers[hers.id]):
            assert await codes(one, headers) == {404}, (one.key, headers)
        watch = f"/api/v1/stream?watch={quote(f'comparison:{one.key}')}"
        assert (await site.http.get(watch, headers=guest)).status_code == 404
    assert await codes(others, readers[mine.id]) == {404}
    assert await site.count("job") == await site.count("demand") == 0
    assert await codes(pair, readers[mine.id]) <= {200, 202, 303}
    assert await codes(others, {}) <= {200, 202, 303}, "who sits at the machine itself is the operator"
