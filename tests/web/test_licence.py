"""What a provider licenses for the operator's own use is shown to nobody else, at any door (DC-10)."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from openbell.client import ApiError, Client, ClientError
from openbell.people import add_person
from openbell.people.doors import make_token, open_session
from openbell.products.digest.digest import Digest
from tests.products.digest.contents import content
from tests.products.digest.writing import inputs
from tests.support import eventually
from tests.web.conftest import PRICES, PROFILE, QUOTE, Site

FAR = {"X-Forwarded-For": "203.0.113.9"}
KEY = "ACME|daily|2026-11-24"
STREAM = "/api/v1/stream?as=json&watch=quote:AAPL"
SECRETS = ("562.95", "569.16", "577.73", "Makes", "Acme Robotics", "4.4444", "zz-secret")
"""What stands in the values, and in nothing else."""
DOORS = (
    "/api/v1/artifacts/quote/AAPL", "/api/v1/artifacts/eod-prices/AAPL", f"/api/v1/artifacts/digest/{KEY}",
    "/symbol/AAPL", "/symbol/AAPL/prices", "/symbol/AAPL?open=ratios-ttm", "/leaderboard", "/market", "/search?q=AAPL",
    "/",
    "/openbb/products/quote?symbol=AAPL", "/openbb/products/eod-prices?symbol=AAPL",
    "/openbb/charts/eod-prices?symbol=AAPL", "/digest/ACME/2026-11-24", "/digest/ACME", "/digests",
    f"/api/v1/artifacts/digest/{KEY}/why", "/api/v1/artifacts/quote/AAPL/why",
)  # fmt: skip


async def fill(site: Site, **source: Any) -> None:
    """Values of which those of the market have this source; the database keeps them as a worker leaves them."""
    made = Digest(inputs=inputs(edition="daily"), content=content("daily"))
    found = (
        ("quote", "AAPL", QUOTE), ("eod-prices", "AAPL", PRICES), ("profile", "AAPL", PROFILE),
        ("ratios-ttm", "AAPL", {"symbol": "AAPL", "pe": 4.4444}),
        ("treasury-rates", "GLOBAL", {"rows": [["zz-secret"]]}),
        ("digest", KEY, made.model_dump(mode="json")),
    )  # fmt: skip
    for product, key, value in found:
        await site.publish(product, key, value, hint=False, source=source)


async def token_of(site: Site, name: str, scope: Any = "person", **other: Any) -> dict[str, str]:
    one = await add_person(site.pool, f"{name}@example.com", state="active", actor="test", **other)
    return {"authorization": f"Bearer {await make_token(site.pool, one, 'tests', scope)}"} | FAR


def told(text: str) -> list[str]:
    return [one for one in SECRETS if one in text]


async def test_no_door_shows_it_to_others(site: Site) -> None:
    """DC-10: strangers and people who have signed in get no value at any door; the operator does, also from afar."""
    await fill(site, provider="fmp", operation="quote")
    jane = await token_of(site, "jane")
    for door in DOORS:
        for who in (FAR, jane):
            answer = await site.http.get(door, headers=who, follow_redirects=False)
            may_read = who is jane and door.startswith("/digest/")
            assert answer.status_code < 500, (door, answer.text[:300])
            assert not told(answer.text) or may_read, (door, told(answer.text))
    refused = await site.http.get(DOORS[0], headers=FAR | {"If-None-Match": "*"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "personal_licence")
    boss = await token_of(site, "boss", "operator", role="admin")
    for door in (DOORS[0], DOORS[2], DOORS[3], DOORS[4], DOORS[10]):
        for ours in ({}, boss):
            answer = await site.http.get(door, headers=ours)
            assert (answer.status_code, bool(told(answer.text))) == (200, True), (door, answer.text[:300])


async def test_no_stream_shows_it_to_others(site: Site) -> None:
    """DC-10: a stranger's stream has no value, in each form, while the operator's beside it has."""
    await fill(site, provider="fmp", operation="quote")
    await site.ready()
    for form in ("json", "row", "card"):
        query = [("as", form), ("watch", "quote:AAPL")]
        async with (
            site.watch("quote:AAPL", form=form) as mine,
            site.http.stream("GET", "/api/v1/stream", params=query, headers=FAR, timeout=60) as theirs,
        ):
            lines = theirs.aiter_lines()
            heard = ""
            while "data:" not in heard or "AAPL" not in heard:
                heard += await anext(lines)
            assert not told(heard), form
            await eventually(lambda: mine.events)
            if form != "card":
                assert told(json.dumps(mine.events)), form


@pytest.mark.parametrize("how", ["revoked", "blocked", "demoted", "signed out"])
async def test_a_stream_ends_with_the_rights_of_its_reader(site: Site, how: str) -> None:
    """DC-10: who is no operator any more has an open stream ended within seconds, and comes again as a stranger."""
    await fill(site, provider="fmp", operation="quote")
    await site.ready()
    boss = await add_person(site.pool, "boss@example.com", state="active", actor="test", role="admin")
    if how == "signed out":
        mine = {"cookie": f"openbell={await open_session(site.pool, boss.id)}"} | FAR
    else:
        mine = {"authorization": f"Bearer {await make_token(site.pool, boss, 'tests', 'operator')}"} | FAR
    async with site.http.stream("GET", STREAM, headers=mine, timeout=60) as answer:
        lines = answer.aiter_lines()
        while not told(await anext(lines)):
            pass
        await site.pool.execute(
            {
                "revoked": "update openbell.api_token set revoked_at = openbell.now()",
                "blocked": "update openbell.person set state = 'blocked'",
                "demoted": "update openbell.person set role = 'subscriber'",
                "signed out": "delete from openbell.visit",
            }[how]
        )
        async with asyncio.timeout(30):
            async for _ in lines:
                pass
    async with site.http.stream("GET", STREAM, headers=mine, timeout=60) as again:
        heard = ""
        async for line in again.aiter_lines():
            heard += line
            if "AAPL" in heard:
                break
    assert not told(heard)


async def test_a_stale_cookie_ends_no_stream_at_the_machine_itself(site: Site) -> None:
    """DC-10: who sits at the machine is the operator by that, and no visit that is over takes it away."""
    await fill(site, provider="fmp", operation="quote")
    await site.ready()
    stale = {"cookie": "openbell=left-from-another-day"}
    async with site.http.stream("GET", STREAM, headers=stale, timeout=60) as answer:
        lines = answer.aiter_lines()
        while not told(await anext(lines)):
            pass
        assert site.app.state.hub.subscribers
        assert not site.app.state.hub.operators, "nobody whose rights are asked about again"


async def test_the_client_of_the_operator(site: Site) -> None:
    """DC-10, Build 7: the Python client with a token is whoever made it; in production one without is a stranger."""
    await fill(site, provider="fmp", operation="quote")
    site.app.state.config = replace(site.app.state.config, environment="production")
    boss = await token_of(site, "boss", "operator", role="admin")
    token = boss["authorization"].removeprefix("Bearer ")
    async with Client(site.address, token=token) as mine, Client(site.address) as theirs:
        assert (await mine.read("quote", "AAPL")).value["price"] == QUOTE["price"]
        with pytest.raises(ApiError) as refused:
            await theirs.read("quote", "AAPL")
        assert (refused.value.code, refused.value.status) == ("personal_licence", 403)
        assert token not in repr(mine) + str(refused.value)
    with pytest.raises(ClientError):
        Client(site.address, token="ob_ab\r\nX-Evil: 1")


async def test_people_who_left_read_no_digest(site: Site) -> None:
    """DC-10, DG-32: a digest is for subscribers who are active; one who is paused is told so."""
    await fill(site, provider="news")
    jane = await token_of(site, "jane")
    assert told((await site.http.get("/digest/ACME/2026-11-24", headers=jane)).text)
    await site.pool.execute("update openbell.person set state = 'paused'")
    refused = await site.http.get("/digest/ACME/2026-11-24", headers=jane)
    assert (refused.status_code, told(refused.text)) == (403, [])


@pytest.mark.parametrize("source", [{"provider": "fmp", "synthetic": "synthetic; a replay"}, {"provider": "held"}])
async def test_what_everybody_may_see(site: Site, source: dict[str, str]) -> None:
    """DC-10: what is invented belongs to nobody; what the operator holds a display licence for is shown."""
    config = site.app.state.config
    site.app.state.config = replace(config, display_licences=frozenset({"held"}))
    await fill(site, **source)
    answer = await site.http.get("/symbol/AAPL", headers=FAR)
    assert (answer.status_code, "562.95" in answer.text) == (200, True)
    assert (await site.http.get("/openbb/products/quote?symbol=AAPL", headers=FAR)).status_code == 200
