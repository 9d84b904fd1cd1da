"""How often one asker may come."""

from __future__ import annotations

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from openbell.products import registry
from openbell.web.rates import MINUTE_S, OF_AN_ADDRESS, Buckets, address_of
from tests.web.conftest import serve

MANY = 5
FAR, OTHER = {"X-Forwarded-For": "203.0.113.9"}, {"X-Forwarded-For": "203.0.113.10"}


@given(st.lists(st.floats(0, 30), max_size=200), st.integers(1, 50))
def test_a_bucket_gives_what_a_minute_allows(pauses: list[float], a_minute: int) -> None:
    """Issue 9: whatever the pauses, no minute sees more than two fillings, and who waits as told is let in."""
    buckets, now, taken = Buckets(), 0.0, list[float]()
    for pause in pauses:
        now += pause
        wait_s = buckets.take("a", a_minute, now)
        if wait_s:
            assert wait_s <= MINUTE_S / a_minute + 1e-6
            now += wait_s + 1e-3
            assert buckets.take("a", a_minute, now) == 0
        taken.append(now)
        assert sum(at > now - MINUTE_S for at in taken) <= 2 * a_minute + 1


def test_buckets_are_bounded() -> None:
    """Issue 9: who comes under ever new names takes no more memory than there is for all."""
    buckets = Buckets(most=10)
    assert not buckets.take("regular", 1, 0.0)
    for n in range(1_000):
        buckets.take(f"new {n}", 1, 0.0)
        assert len(buckets) <= 10
    assert buckets.take("new 999", 1, 0.0) > 0


def test_whom_an_address_stands_for() -> None:
    """Issue 9: IPv4 clients of whoever speaks IPv6 are counted one by one, lines of IPv6 by their /64."""
    given = (
        "::ffff:203.0.113.9",
        "::ffff:203.0.113.10",
        "203.0.113.9",
        "2001:db8::1",
        "2001:db8::2",
        "2001:db8:0:1::1",
    )
    found = [address_of(Request({"type": "http", "client": (one, 1), "headers": []})) for one in given]
    assert found[:3] == ["203.0.113.9", "203.0.113.10", "203.0.113.9"]
    assert found[3] == found[4] != found[5]


async def test_who_comes_too_often_is_told_when_to_come_again(web_dsn: str, pool: asyncpg.Pool) -> None:
    """PF-48, issue 9: a token has its own limit, an address a wider one that new tokens do not help around; others
    and whoever sits at this machine are served; probes and files are free.
    """
    await registry().seed(pool)
    async with serve(web_dsn, pool, requests_a_minute=MANY) as site:
        await site.ready()

        async def ask(path: str = "/api/v1/products", **headers: str) -> int:
            return (await site.http.get(path, headers=headers)).status_code

        mine = FAR | {"authorization": "Bearer ob_mine"}
        assert [await ask(**mine) for _ in range(MANY + 1)].count(429) == 1
        refused = await site.http.get("/api/v1/products", headers=mine)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert "content-security-policy" in refused.headers
        page = await site.http.get("/market", headers=mine)
        assert (page.status_code, "Too many" in page.text) == (429, True)
        assert await ask("/livez", **mine) == 200
        assert await ask("/static/openbell.css", **mine) == 200
        assert await ask(**FAR) != 429
        everybody = [await ask(**FAR, authorization=f"Bearer ob_{n}") for n in range(OF_AN_ADDRESS * MANY)]
        assert everybody[-1] == 429
        assert await ask(**OTHER) != 429
        assert {await ask() for _ in range(3 * MANY)} == {200}


@pytest.mark.parametrize("path", ["/api/v1/products", "/api/v1/stream"])
async def test_it_is_documented(web_dsn: str, pool: asyncpg.Pool, path: str) -> None:
    """PF-48: the document of the API tells of the refusal at every route."""
    async with serve(web_dsn, pool) as site:
        found = (await site.http.get("/openapi.json")).json()
    assert "429" in found["paths"][path]["get"]["responses"]
