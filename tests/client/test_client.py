"""The async client, against a real web process."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import aclosing
from datetime import date
from pathlib import Path

import pytest

import openbell
from openbell.client import (
    ApiError,
    Client,
    ClientError,
    InvalidKey,
    InvalidRequest,
    Missing,
    NotOpenbell,
    Unavailable,
    UnknownProduct,
    Unreachable,
)
from openbell.client.errors import BY_CODE
from openbell.products import registry
from tests.client.conftest import Wire, socket_port
from tests.support import eventually
from tests.web.conftest import QUOTE, Site, serve

QUOTED = [("quote", "AAPL")]


async def test_products_tell_their_policy_and_their_columns(bell: Client) -> None:
    """Issue 5, item 9: the registry for programs, typed."""
    found = {one.name: one for one in await bell.products()}
    assert found.keys() == registry().products.keys()
    assert (found["quote"].ttl_s, found["quote"].table) == (60.0, None)
    table = found["eod-prices"].table
    assert table is not None
    assert (table.field, [one.name for one in table.columns]) == (
        "rows",
        ["day", "open", "high", "low", "close", "volume"],
    )


async def test_a_read_gives_value_state_age_source_and_cost(site: Site, bell: Client) -> None:
    """Issue 5, item 9: what the API knows of a key arrives typed, and asks for nothing."""
    await site.publish("quote", "AAPL", QUOTE)
    found = await bell.read("quote", "aapl")
    assert (found.key, found.state, found.value["price"], found.version) == ("AAPL", "fresh", 562.95, 1)
    assert found.age_s is not None
    assert (found.source["provider"], found.cost, found.settled) == ("fmp", 0.0, True)
    assert found.synthetic
    assert found.source_time is not None
    assert found.source_time.utcoffset() is not None
    assert await site.count("demand") == 0


async def test_errors_have_the_class_of_their_code(site: Site, bell: Client) -> None:
    """Issue 5, item 9: a program tells errors apart by class, and reads the API's own sentence and next step."""
    with pytest.raises(Missing, match="There is no quote of AAPL yet") as missing:
        await bell.read("quote", "AAPL")
    assert (missing.value.status, missing.value.next is not None) == (404, True)
    with pytest.raises(UnknownProduct, match="no product 'quot'"):
        await bell.read("quot", "AAPL")
    with pytest.raises(InvalidKey):
        await bell.why("quote", "$")
    with pytest.raises(InvalidKey):
        await bell.demand([("quote", "A/B")])
    with pytest.raises(InvalidRequest, match="seconds"):
        await bell.demand(QUOTED, seconds=-1)
    (task, *_) = (one.name for one in registry() if one.is_task)
    with pytest.raises(InvalidRequest, match="keeps no result"):
        await bell.read(task, "AAPL")
    with pytest.raises(UnknownProduct):
        await anext(bell.watch([("quot", "AAPL")]))
    with pytest.raises(ApiError) as other:
        await bell.read("", "nothing/at/all")
    assert other.value.code in ("not_found", "unknown_product")


def test_the_codes_are_those_of_the_api() -> None:
    """Codes are stable: a code of the client's table that the server's sources do not name is one that nobody sends."""
    package = Path(openbell.__file__).parent
    told = "".join(path.read_text() for path in [*package.glob("web/*.py"), package / "engine" / "errors.py"])
    assert [code for code in BY_CODE if f'"{code}"' not in told] == []


async def test_an_address_where_nobody_answers_is_named(site: Site) -> None:
    """Bad input: a port where nobody listens, and a server that is none of ours, are two different errors."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    async with Client(f"http://127.0.0.1:{port}") as nobody:
        with pytest.raises(Unreachable, match=str(port)):
            await nobody.products()
        with pytest.raises(Unreachable, match=str(port)):
            await anext(nobody.watch(QUOTED))
    async with Client(f"{site.address}/static") as other:
        with pytest.raises(NotOpenbell):
            await other.products()


@pytest.mark.parametrize("url", ["", "localhost:8000", "http://", "http://[::1", "ftp://example.com"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    """Bad input: an address that cannot be one is named before anything is asked."""
    with pytest.raises(ClientError, match=r"is no address: write one such as http://"):
        Client(url)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (502, "<html>", Unreachable),
        (301, "", NotOpenbell),
        (200, "<html>", NotOpenbell),
        (200, '{"product": "quote"}', NotOpenbell),
        (500, '{"error": {"code": "new_code", "message": "New."}}', ApiError),
        (500, '{"error": "broken"}', NotOpenbell),
    ],
)
async def test_what_a_proxy_answers_is_not_taken_for_a_result(status: int, body: str, kind: type[ClientError]) -> None:
    """Bad input: pages of proxies and answers of strangers are errors of their own; a restart behind a proxy passes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode())
        writer.close()

    proxy = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with proxy, Client(f"http://127.0.0.1:{socket_port(proxy)}") as bell:
        with pytest.raises(kind) as told:
            await bell.read("quote", "AAPL")
    assert type(told.value) is kind


async def test_a_database_that_is_away_says_when_to_try_again(pool: object, dsn: str) -> None:
    """PF-46: the API's 503 is an error of its own, with the pause it asks for."""
    door = socket.create_server(("127.0.0.1", 0))
    closed = f"postgresql://127.0.0.1:{door.getsockname()[1]}/none"
    door.close()
    async with serve(closed, None) as away, Client(away.address) as bell:  # type: ignore[arg-type]
        with pytest.raises(Unavailable) as told:
            await bell.read("quote", "AAPL")
        assert (told.value.code, told.value.retry_after_s) == ("database_unavailable", 5.0)


async def test_get_demands_waits_and_returns_what_was_made(site: Site, bell: Client) -> None:
    """Issue 5, item 9: `get` asks for a key that nobody has, and has it as soon as it is published."""
    asking = asyncio.create_task(bell.get("quote", "aapl", wait=10))
    await eventually(lambda: len(site.app.state.hub.subscribers) == 1)
    assert await site.count("job") == 1
    await site.publish("quote", "AAPL", QUOTE)
    found = await asyncio.wait_for(asking, 30)
    assert (found.state, found.value["price"]) == ("fresh", 562.95)
    await eventually(lambda: not site.app.state.hub.subscribers)


async def test_many_may_be_asked_for_at_the_same_time(site: Site, bell: Client) -> None:
    """PF-3: a program that gathers more keys than a pool usually has connections gets them all, and one job is made."""
    asking = [asyncio.create_task(bell.get("quote", "AAPL", wait=20)) for _ in range(150)]
    await eventually(lambda: len(site.app.state.hub.subscribers) == 150)
    await site.publish("quote", "AAPL", QUOTE)
    found = await asyncio.wait_for(asyncio.gather(*asking), 30)
    assert {one.state for one in found} == {"fresh"}
    assert await site.count("job") == 1


async def test_get_gives_an_older_value_when_the_time_is_over(site: Site, bell: Client) -> None:
    """An old value with its reason is better than none; nothing at all is an error that says why."""
    await site.publish("quote", "AAPL", QUOTE, fresh="-1 minute")
    found = await bell.get("quote", "AAPL", wait=0.3)
    assert (found.state, found.value["price"]) == ("stale", 562.95)
    assert found.reason
    with pytest.raises(Missing, match=r"no quote of MSFT after 5 s"):
        await bell.get("quote", "MSFT", wait=5)
    with pytest.raises(Missing):
        await bell.get("quote", "MSFT", wait=0)
    await site.publish("quote", "NONE", None, version=0, state="empty")
    assert (await bell.get("quote", "NONE")).state == "empty"


async def test_a_watch_tells_the_state_and_then_each_change_once(site: Site, bell: Client) -> None:
    """Issue 5, item 9: the open watch is the demand; it ends, the demand ends."""
    text = QUOTE | {"name": "Line\u2028separators\x85and \N{SNOWMAN} are text\r\n"}
    async with aclosing(bell.watch([*QUOTED, ("quote", "MSFT")])) as changes:
        first = [await anext(changes), await anext(changes)]
        assert {(one.key, one.state) for one in first} == {("AAPL", "missing"), ("MSFT", "missing")}
        assert await site.count("demand") == 2
        await site.publish("quote", "AAPL", text)
        found = await anext(changes)
        assert (found.key, found.value) == ("AAPL", text)
    await eventually(lambda: not site.app.state.hub.subscribers)


async def test_a_watch_connects_again_and_tells_what_it_missed(site: Site, wire: Wire) -> None:
    """PF-22: after a broken connection the state is read again; what did not change is not told twice."""
    await site.publish("quote", "AAPL", QUOTE)
    async with Client(wire.address, pause_max_s=0.02) as bell, aclosing(bell.watch(QUOTED)) as changes:
        assert (await anext(changes)).version == 1
        wire.cut(stay=True)
        waiting = asyncio.create_task(anext(changes))
        await eventually(lambda: wire.opened >= 4)
        wire.broken = False
        await eventually(lambda: len(site.app.state.hub.subscribers) == 1)
        await site.publish("quote", "AAPL", QUOTE | {"price": 563.0}, version=2)
        found = await asyncio.wait_for(waiting, 30)
        assert (found.version, found.value["price"]) == (2, 563.0)


async def test_a_watch_outlives_the_goodbye_of_the_process(site: Site, bell: Client) -> None:
    """A process that ends its streams is left politely: the watch comes back after the pause it was asked for."""
    await site.publish("quote", "AAPL", QUOTE)
    async with aclosing(bell.watch(QUOTED)) as changes:
        await anext(changes)
        waiting = asyncio.create_task(anext(changes))
        site.app.state.hub.end_all()
        await site.publish("quote", "AAPL", QUOTE, version=2)
        assert (await asyncio.wait_for(waiting, 30)).version == 2


async def test_why_and_costs_are_typed(site: Site, bell: Client) -> None:
    """Issue 5, item 9: why a key is not fresh, and where the money went."""
    await bell.demand(QUOTED)
    told = await bell.why("quote", "AAPL")
    assert (told.product, told.state) == ("quote", "missing")
    assert {"workers", "demand"} <= {gate.name for gate in told.gates}
    spent = await bell.costs("week", since=date(2026, 1, 1))
    assert (spent.by, spent.since, spent.total.cost_micro) == ("week", date(2026, 1, 1), 0)
    with pytest.raises(InvalidRequest):
        await bell.costs("colour")


async def test_what_a_newer_server_adds_is_ignored(site: Site, bell: Client) -> None:
    """A client of today works beside a server of tomorrow."""
    await site.publish("quote", "AAPL", QUOTE)
    told = (await site.http.get("/api/v1/artifacts/quote/AAPL")).json()
    parsed = type(await bell.read("quote", "AAPL")).model_validate_json(json.dumps(told | {"new": {"thing": 1}}))
    assert parsed.key == "AAPL"
