"""The web process outlives its database."""

from __future__ import annotations

from pathlib import Path

from openbell.postgres.embedded import EmbeddedServer
from openbell.postgres.migrate import migrate
from openbell.postgres.pool import open_pool
from openbell.products import registry
from tests.support import eventually
from tests.web.conftest import QUOTE, Site, serve


async def test_the_database_goes_and_comes_back(tmp_path: Path) -> None:
    """Bad input: pages say so, /readyz is 503, and everything resumes by itself when the database is back."""
    server = EmbeddedServer(tmp_path)
    dsn = await server.start()
    await migrate(dsn)
    pool = await open_pool(dsn, name="test")
    await registry().seed(pool)
    async with serve(dsn, pool) as site:
        await site.ready()
        assert (await site.http.get("/readyz")).status_code == 200
        await server.stop()
        await _is_away(site)
        await server.start()
        await eventually(lambda: _ready(site))
        await site.publish("quote", "AAPL", QUOTE)
        assert "562.95" in (await site.http.get("/")).text
        async with site.watch("quote:AAPL") as stream:
            await eventually(lambda: stream.events)
    pool.terminate()
    await server.stop()


async def test_a_process_may_start_before_its_database(tmp_path: Path) -> None:
    """A web process without a database lives, says so, and finds it when it comes."""
    server = EmbeddedServer(tmp_path)
    dsn = await server.start()
    pool = await open_pool(dsn, name="test")
    await server.stop()
    async with serve(dsn, pool) as site:
        await _is_away(site)
        await server.start()
        await eventually(lambda: _code(site, "database_not_migrated"))
        await migrate(dsn)
        await eventually(lambda: _ready(site))
    pool.terminate()
    await server.stop()


async def test_not_being_migrated_is_said(empty_dsn: str) -> None:
    """A database without our tables is no reason to crash: the page names the command."""
    pool = await open_pool(empty_dsn, name="test")
    async with serve(empty_dsn, pool) as site:
        await eventually(lambda: _code(site, "database_not_migrated"))
        page = await site.http.get("/")
        assert page.status_code == 503
        assert "openbell migrate" in page.text
    pool.terminate()


async def test_health_answers_are_honest(site: Site) -> None:
    """Platform F: /livez touches nothing, /readyz asks the database, /health names what is late."""
    assert (await site.http.get("/readyz")).json() == {"status": "ready"}
    assert (await site.http.get("/livez")).json() == {"status": "live"}
    health = (await site.http.get("/health")).json()
    assert health["status"] == "pass"
    async with site.watch("quote:AAPL") as stream:
        await eventually(lambda: stream.events)
        health = (await site.http.get("/health")).json()
    assert health["status"] == "warn"
    assert "no worker is alive" in health["output"]
    (quote,) = [one for one in health["checks"]["freshness"] if one["componentId"] == "quote"]
    assert (quote["wanted"], quote["missing"]) == (1, 1)


async def _is_away(site: Site) -> None:
    answer = await site.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "database_unavailable"
    assert (await site.http.get("/livez")).status_code == 200
    assert (await site.http.get("/health")).json()["status"] == "fail"
    page = await site.http.get("/")
    assert page.status_code == 503
    assert "The database does not answer" in page.text
    assert page.headers["retry-after"] == "5"
    stream = await site.http.get("/api/v1/stream?watch=quote:AAPL")
    assert stream.json()["error"]["code"] == "database_unavailable"
    wish = {"items": [{"product": "quote", "key": "AAPL"}]}
    assert (await site.http.post("/api/v1/demand", json=wish)).status_code == 503


async def _ready(site: Site) -> bool:
    return (await site.http.get("/readyz")).status_code == 200


async def _code(site: Site, code: str) -> bool:
    answer = await site.http.get("/readyz")
    return answer.status_code == 503 and answer.json()["error"]["code"] == code
