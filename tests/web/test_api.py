"""The JSON door."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from openbell.engine.artifacts import Reading, read_many
from openbell.products import registry
from openbell.web.errors import DatabaseUnavailable
from tests.web.conftest import PRICES, QUOTE, Site

TABLES = ("demand", "job", "artifact", "version", "audit")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("DELETE", "/api/v1/products", 405, "method_not_allowed"),
        ("GET", "/api/v1/artifacts/quot/AAPL", 400, "unknown_product"),
        ("GET", "/api/v1/artifacts/quote/%24%24", 400, "malformed_key"),
        ("GET", "/api/v1/artifacts/quote/AAPL", 404, "artifact_missing"),
        ("GET", "/api/v1/jobs/one", 400, "invalid_request"),
        ("GET", "/api/v1/jobs/1", 404, "unknown_job"),
        ("GET", f"/api/v1/jobs/{2**70}", 404, "unknown_job"),
        ("GET", "/api/v1/stream", 400, "invalid_request"),
        ("GET", "/api/v1/stream?watch=AAPL", 400, "malformed_watch"),
        ("GET", "/api/v1/stream?watch=quote:$", 400, "malformed_key"),
        ("GET", "/api/v1/stream?watch=quote:AAPL&as=xml", 400, "invalid_request"),
    ],
)
async def test_every_error_has_a_code_and_a_sentence(
    site: Site, method: str, path: str, status: int, code: str
) -> None:
    """Bad input: an answer in JSON with a stable code and a sentence, and never a trace."""
    answer = await site.http.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["message"].endswith(".")


async def test_a_read_is_answered_from_the_database_with_its_age_and_source(site: Site) -> None:
    """Issue 2: value, state, age, source and cost come with every read."""
    await site.publish("quote", "AAPL", QUOTE)
    body = (await site.http.get("/api/v1/artifacts/quote/aapl")).json()
    assert (body["key"], body["state"], body["value"]["price"]) == ("AAPL", "fresh", 562.95)
    assert body["age_s"] >= 0
    assert body["source"]["provider"] == "fmp"
    assert body["cost_micro"] == 0


async def test_an_unchanged_read_is_a_304_and_a_changed_one_is_not(site: Site) -> None:
    """DESIGN 5: ETag on reads."""
    await site.publish("quote", "AAPL", QUOTE)
    first = await site.http.get("/api/v1/artifacts/quote/AAPL")
    tag = {"If-None-Match": first.headers["etag"]}
    again = await site.http.get("/api/v1/artifacts/quote/AAPL", headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    for named in ("*", f'"older", {first.headers["etag"]}', first.headers["etag"].removeprefix("W/")):
        same = await site.http.get("/api/v1/artifacts/quote/AAPL", headers={"If-None-Match": named})
        assert same.status_code == 304, named
    assert "max-age=" in again.headers["cache-control"]
    await site.publish("quote", "AAPL", QUOTE | {"price": 563.0}, version=2)
    assert (await site.http.get("/api/v1/artifacts/quote/AAPL", headers=tag)).status_code == 200


async def test_a_stale_value_may_be_kept_but_not_reused(site: Site) -> None:
    """The two times of an artifact become its caching headers."""
    await site.publish("quote", "AAPL", QUOTE, fresh="-1 minute")
    answer = await site.http.get("/api/v1/artifacts/quote/AAPL")
    assert answer.json()["state"] == "stale"
    assert answer.headers["cache-control"].startswith("private, no-cache, stale-if-error=")


async def test_a_get_never_creates(site: Site) -> None:
    """DESIGN 5, PF-47: reads, pages and listings leave every table as it was."""
    await site.publish("quote", "AAPL", QUOTE)
    await site.publish("eod-prices", "AAPL", PRICES)
    before = [await site.count(table) for table in TABLES]
    for path in (
        "/",
        "/symbol/AAPL",
        "/symbol/ORCL",
        "/symbol/AAPL/prices",
        "/search?q=oracle",
        "/api/v1/products",
        "/api/v1/artifacts/quote/AAPL",
        "/api/v1/artifacts/quote/ORCL",
        "/health",
        "/readyz",
    ):
        await site.http.get(path)
    assert [await site.count(table) for table in TABLES] == before


async def test_demand_queues_each_key_once(site: Site) -> None:
    """PF-3, MD-9: what is not fresh is queued at once, and asked for twice it is queued once."""
    wish = {"items": [{"product": "quote", "key": "aapl"}, {"product": "quote", "key": "MSFT"}], "seconds": 30}
    first = await site.http.post("/api/v1/demand", json=wish)
    assert first.status_code == 202
    jobs = [item["job"] for item in first.json()["items"]]
    assert None not in jobs
    assert [item["key"] for item in first.json()["items"]] == ["AAPL", "MSFT"]
    again = await site.http.post("/api/v1/demand", json=wish)
    assert [item["job"] for item in again.json()["items"]] == jobs
    assert await site.count("job") == 2
    shown = await site.http.get(f"/api/v1/jobs/{jobs[0]}")
    assert shown.json()["key"] == "AAPL"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid_request"),
        ({"items": []}, 400, "invalid_request"),
        ({"items": [{"product": "quote", "key": "AAPL"}], "seconds": 0}, 400, "invalid_request"),
        ({"items": [{"product": "quote", "key": "AAPL"}], "seconds": 10**9}, 400, "invalid_request"),
        ({"items": [{"product": "quote", "key": "AAPL"}] * 201}, 400, "invalid_request"),
        ({"items": [{"product": "quote", "key": "A" * 300}]}, 400, "invalid_request"),
        ({"items": [{"product": "quote", "key": "!"}]}, 400, "malformed_key"),
        ({"items": [{"product": "weather", "key": "AAPL"}]}, 400, "unknown_product"),
        ({"items": [{"product": "quote", "key": "AAPL", "urgent": True}]}, 400, "invalid_request"),
        ({"items": [{"product": "x", "key": "y" * 190}] * 2_000}, 413, "too_large"),
    ],
)
async def test_demand_is_bounded(site: Site, body: object, status: int, code: str) -> None:
    """Bad input: counts, sizes and times have limits, and what is refused leaves nothing behind."""
    answer = await site.http.post("/api/v1/demand", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert await site.count("demand") == 0


async def test_a_body_without_a_length_is_bounded_too(site: Site) -> None:
    """A chunked body cannot pass the limit."""

    async def endless() -> object:
        for _ in range(200):
            yield b" " * 1_000

    answer = await site.http.post("/api/v1/demand", content=endless())
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


async def test_the_openapi_document_is_true(site: Site) -> None:
    """DESIGN 5: OpenAPI served and true: every documented GET without parameters answers as documented."""
    document = (await site.http.get("/openapi.json")).json()
    assert set(document["paths"]) == {
        "/livez",
        "/readyz",
        "/health",
        "/metrics",
        "/api/v1/products",
        "/api/v1/accounts",
        "/api/v1/costs",
        "/api/v1/spends",
        "/api/v1/artifacts/{product}/{key}",
        "/api/v1/artifacts/{product}/{key}/why",
        "/api/v1/demand",
        "/api/v1/stream",
        "/api/v1/jobs/{job_id}",
        "/api/v1/jobs/{job_id}/cancel",
        "/api/v1/jobs/{job_id}/retry",
        "/api/v1/account",
        "/api/v1/people",
        "/api/v1/deliveries",
        "/api/weekly-picks",
        "/api/weekly-picks/generate",
        "/api/cron/weekly-picks",
        "/api/comparison/premium",
        "/api/jobs/run-warmup",
        "/api/user/run-adhoc-report",
        "/admin/wipe-database",
        "/admin/force-regenerate-all",
        "/admin/clean-feeds",
        "/admin/init",
        "/api/commit-ticker-csv",
        "/api/clear-all-reports",
        "/api/generate-user-reports",
        "/api/send-all-ready",
        "/api/reference.csv",
        "/jobs/submit",
        "/jobs/batch/{batch}",
        "/jobs/batch/{batch}/cancel",
        "/jobs/stats",
        "/jobs/{job_id}",
    }
    for path, methods in document["paths"].items():
        if "{" not in path and "get" in methods and path != "/api/v1/stream":
            answer = await site.http.get(path)
            assert str(answer.status_code) in methods["get"]["responses"], path


async def test_a_waiting_job_can_be_cancelled(site: Site) -> None:
    """DESIGN 5: cancel ends a waiting job at once; it is then history."""
    wish = {"items": [{"product": "quote", "key": "AAPL"}]}
    job = (await site.http.post("/api/v1/demand", json=wish)).json()["items"][0]["job"]
    answer = await site.http.post(f"/api/v1/jobs/{job}/cancel")
    assert answer.status_code == 200
    assert await site.count("job") == 0
    assert (await site.http.get(f"/api/v1/jobs/{job}")).status_code == 200
    assert (await site.http.post(f"/api/v1/jobs/{job + 1000}/cancel")).status_code == 404


async def test_an_ended_job_can_be_retried(site: Site) -> None:
    """DESIGN 5: retry queues the key of an ended job again; the answer names the live job."""
    wish = {"items": [{"product": "quote", "key": "AAPL"}]}
    job = (await site.http.post("/api/v1/demand", json=wish)).json()["items"][0]["job"]
    await site.http.post(f"/api/v1/jobs/{job}/cancel")
    answer = await site.http.post(f"/api/v1/jobs/{job}/retry")
    assert answer.status_code == 202
    live = (await site.http.get(f"/api/v1/jobs/{answer.json()['live']}")).json()
    assert (live["live"], live["key"]) == (True, "AAPL")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
    ],
)
async def test_foreign_pages_change_nothing(site: Site, headers: dict[str, str], status: int) -> None:
    """DESIGN 7: a POST from a page of another origin is refused; programs send no origin and pass."""
    wish = {"items": [{"product": "quote", "key": "AAPL"}]}
    answer = await site.http.post("/api/v1/demand", json=wish, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["error"]["code"] == "origin_refused"
        assert await site.count("demand") == 0


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}],
)
async def test_foreign_pages_watch_nothing(site: Site, headers: dict[str, str]) -> None:
    """DESIGN 7: an open stream is demand, which costs calls, so a page of another origin is refused it; it may read."""
    answer = await site.http.get("/api/v1/stream?watch=quote:AAPL", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin_refused")
    assert await site.count("demand") == 0
    assert (await site.http.get("/api/v1/products", headers=headers)).status_code == 200


async def test_those_who_read_at_the_same_time_share_a_statement(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """PF-47: a crowd that reads costs the database a few statements, and each gets its own key's state."""
    symbols = ("AAPL", "MSFT", "GE")
    for symbol in symbols:
        await site.publish("quote", symbol, QUOTE | {"symbol": symbol})
    statements: list[int] = []

    async def counted(db: Any, keys: Any) -> list[Reading]:
        statements.append(len(keys))
        return await read_many(db, keys)

    monkeypatch.setattr("openbell.web.backend.read_many", counted)
    asked = [symbols[n % 3] for n in range(60)]
    answers = await asyncio.gather(*(site.app.state.database.read("quote", symbol) for symbol in asked))
    assert [answer.key for answer in answers] == asked
    assert statements == [3]


async def test_a_task_cannot_be_read_or_wanted(site: Site) -> None:
    """Bad input: what leaves no result is refused at every door for readers, and no lease or job of it comes to be."""
    name = next(one.name for one in registry() if one.is_task)
    wish = {"items": [{"product": name, "key": "GLOBAL"}], "seconds": 60}
    for answer in (
        await site.http.get(f"/api/v1/artifacts/{name}/GLOBAL"),
        await site.http.get(f"/api/v1/stream?watch={name}:GLOBAL"),
        await site.http.post("/api/v1/demand", json=wish),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "keeps_no_result")
    assert (await site.count("demand"), await site.count("job")) == (0, 0)


async def test_a_reader_waits_for_his_own_time_only(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 2: when the database hangs a reader is told after his own time, though another's statement still hangs."""
    first = asyncio.Event()

    async def hang(db: Any, keys: Any) -> list[Reading]:
        first.set()
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr("openbell.web.backend.read_many", hang)
    monkeypatch.setattr("openbell.web.backend.ANSWER_S", 0.4)
    database = site.app.state.database
    before = asyncio.create_task(database.read("quote", "AAPL"))
    await first.wait()
    with pytest.raises(DatabaseUnavailable):
        await database.read("quote", "MSFT")
    assert len(database._reads._under_way) == 1
    with pytest.raises(DatabaseUnavailable):
        await before


async def test_a_crowd_that_demands_leaves_readers_alone(site: Site) -> None:
    """FC-27: sixty demands that wait for the database take neither connections nor turns from those who read."""
    await site.publish("quote", "AAPL", QUOTE)
    wish = {"items": [{"product": "quote", "key": "IBM"}], "seconds": 60}
    assert (await site.http.post("/api/v1/demand", json=wish)).status_code == 202
    async with site.pool.acquire() as other, other.transaction():
        await other.execute("select 1 from openbell.demand for update")
        crowd = [asyncio.create_task(site.http.post("/api/v1/demand", json=wish)) for _ in range(60)]
        await asyncio.wait(crowd, timeout=0.2)
        read = [site.http.get("/api/v1/artifacts/quote/AAPL") for _ in range(20)]
        assert {answer.status_code for answer in await asyncio.gather(*read)} == {200}
        assert not any(one.done() for one in crowd)
    assert {answer.status_code for answer in await asyncio.gather(*crowd)} == {202}
