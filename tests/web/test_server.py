"""How the server itself treats what comes over a connection."""

from __future__ import annotations

import asyncio
import socket

import httpx
import pytest

from openbell.web.guards import BODY_S
from openbell.web.server import HEAD_BYTES_MAX
from openbell.web.turns import AT_ONCE
from tests.support import eventually
from tests.web.conftest import QUOTE, Site

ASK = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"


async def test_a_head_without_an_end_is_broken_off(site: Site) -> None:
    """A head is collected up to a limit only, be it in one header or in many."""
    for line in (b"X-Long: " + b"x" * 1_000, b"x" * 1_000):
        reader, writer = await asyncio.open_connection(*_door(site))
        writer.write(ASK + line)
        for _ in range(HEAD_BYTES_MAX // 1_000 + 1):
            writer.write(b"\r\nX-More: " + b"x" * 990 if line.startswith(b"X-Long") else line)
        async with asyncio.timeout(10):
            said = await reader.read()
        assert said.startswith(b"HTTP/1.1 400 ")
        writer.close()
        await eventually(lambda: not site.server.server_state.connections)


async def test_a_connection_is_used_again_for_as_long_as_it_likes(site: Site) -> None:
    """What counts against the limit is one head: many small ones and a body between them do not."""
    reader, writer = await asyncio.open_connection(*_door(site))
    heads = [ASK + b"X-Long: " + b"x" * (HEAD_BYTES_MAX // 2) + b"\r\n\r\n"] * 3
    bodies = [b"POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000]
    for ask in [*heads, *bodies, *heads]:
        writer.write(ask)
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 405"))
    writer.close()


async def test_a_body_does_not_wait_for_its_head_to_be_confirmed(site: Site) -> None:
    """LOOK: each line sends at once, as asyncio would not have it; else all answers but the first took 40 ms more."""
    assert (await site.http.get("/livez")).status_code == 200
    lines = [one.transport.get_extra_info("socket") for one in site.server.server_state.connections]
    assert lines
    assert all(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in lines)


async def test_a_stream_keeps_its_connection_and_nothing_comes_behind_it(site: Site) -> None:
    """A stream that has ended leaves its connection for the next request; one behind an open stream ends it."""
    await site.publish("quote", "AAPL", QUOTE)
    ask = b"GET /api/v1/stream?watch=quote:AAPL HTTP/1.1\r\nHost: localhost\r\n\r\n"
    hub = site.app.state.hub
    async with asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(*_door(site))
        for _ in range(2):
            writer.write(ask)
            await reader.readuntil(b"event: artifact\n")
            hub.end_all()
            await reader.readuntil(b"\r\n0\r\n\r\n")
            await eventually(lambda: not hub.subscribers)
        writer.write(ASK + b"\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await reader.readexactly(1)
        writer.close()
        reader, writer = await asyncio.open_connection(*_door(site))
        writer.write(ask)
        await reader.readuntil(b"event: artifact\n")
        writer.write(ask)
        await reader.read()
        await eventually(lambda: not hub.subscribers)
        writer.close()


async def test_a_request_that_drips_is_broken_off_and_others_are_served(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 9, bad input: a head or a body that comes a byte at a time holds its connection for so long only; whoever
    asks meanwhile is answered at once, and a body that did not come whole changes nothing.
    """
    monkeypatch.setattr("openbell.web.server.HEAD_S", 0.5)
    monkeypatch.setattr("openbell.web.guards.BODY_S", 0.5)
    head = ["POST /api/v1/demand HTTP/1.1", "Host: localhost", "Content-Type: application/json", "Content-Length: 900"]
    body = "\r\n".join([*head, "", ""]).encode()
    doors = []
    for start in (b"", b"GET /liv", body):
        for _ in range(20):
            reader, writer = await asyncio.open_connection(*_door(site))
            writer.write(start)
            doors.append((start, reader, writer))
    assert (await site.http.get("/livez")).status_code == 200
    async with asyncio.timeout(30):
        for start, reader, writer in doors:
            said = await reader.readline()
            assert said.split()[1:2] == {b"": [], body: [b"408"]}.get(start, [b"400"])
            writer.close()
    assert await site.count("demand") == 0
    assert (await site.http.get("/livez")).status_code == 200


async def test_bodies_that_do_not_come_keep_no_turn(site: Site) -> None:
    """Issue 9, bad input: as many demands as have a turn at once, without their bodies, do not keep another waiting."""
    head = b"POST /api/v1/demand HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n"
    writers = []
    for _ in range(AT_ONCE):
        _, writer = await asyncio.open_connection(*_door(site))
        writer.write(head)
        writers.append(writer)
    await eventually(lambda: len(site.server.server_state.tasks) >= AT_ONCE)
    wish = {"items": [{"product": "quote", "key": "AAPL"}], "seconds": 60}
    async with asyncio.timeout(0.75 * BODY_S):
        assert (await site.http.post("/api/v1/demand", json=wish)).status_code == 202
    for writer in writers:
        writer.close()
    await eventually(lambda: not site.server.server_state.tasks)


async def test_every_answer_has_strict_headers(site: Site) -> None:
    """DESIGN 7: pages, answers of the API and refusals alike carry a policy without inline scripts or styles."""
    for path in ("/", "/budgets", "/api/v1/products", "/nothing-here", "/static/openbell.css"):
        headers = (await site.http.get(path)).headers
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


def _door(site: Site) -> tuple[str, int]:
    url = httpx.URL(site.address)
    assert url.port is not None
    return url.host, url.port
