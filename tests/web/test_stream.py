"""The stream: presence, publication, and its end."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.types import Message

from openbell.products import registry
from openbell.web.stream import PING, Hub, Pinger, Subscriber
from tests.support import eventually
from tests.web.conftest import PRICES, PROFILE, QUOTE, Site, serve


async def test_an_open_stream_is_the_demand_and_its_end_ends_it(site: Site) -> None:
    """MD-9, MD-10: a view of a stale key queues it without waiting for any beat; the stream ends, the demand ends."""
    async with site.watch("quote:AAPL", "quote:AAPL", "profile:AAPL"):
        await eventually(lambda: _is(site.count("job"), 2))
        assert await site.count("demand") == 2
    await eventually(lambda: _is(site.count("demand"), 0))


async def test_interest_comes_before_the_first_state(site: Site) -> None:
    """A stream registers interest first: the state that it sends first already shows the queued job."""
    async with site.watch("quote:AAPL") as stream:
        await eventually(lambda: stream.events)
        assert stream.events[0]["state"] == "missing"
        assert stream.events[0]["job"] is not None


async def test_ten_viewers_are_one_lease(site: Site) -> None:
    """MD-13: viewers of one process share a row and a job, and the first to leave takes nothing from the others."""
    async with site.watch("quote:AAPL") as first, site.watch("quote:AAPL"):
        async with site.watch("quote:AAPL"):
            await eventually(lambda: first.events)
            assert (await site.count("demand"), await site.count("job")) == (1, 1)
        assert await site.count("demand") == 1


async def test_a_change_reaches_the_stream_at_once(site: Site) -> None:
    """MD-24: a stored change reaches viewers by its hint, long before the next poll."""
    site.app.state.hub.poll_s = 60
    await site.publish("quote", "AAPL", QUOTE)
    async with site.watch("quote:AAPL") as stream:
        await eventually(lambda: stream.events)
        await site.publish("quote", "AAPL", QUOTE | {"price": 563.5}, version=2)
        await eventually(lambda: stream.events[-1]["version"] == 2)
        assert stream.events[-1]["value"]["price"] == 563.5


async def test_a_lost_hint_costs_a_poll_and_nothing_else(dsn: str, pool: object) -> None:
    """Publication is level-triggered: with no hint at all, a change arrives by polling."""
    await registry().seed(pool)  # type: ignore[arg-type]
    async with serve(dsn, pool, direct_dsn=None, poll_s=0.2) as site:  # type: ignore[arg-type]
        await eventually(lambda: site.app.state.database.pool is not None)
        await site.publish("quote", "AAPL", QUOTE, hint=False)
        async with site.watch("quote:AAPL") as stream:
            await eventually(lambda: stream.events)
            await site.publish("quote", "AAPL", QUOTE | {"price": 563.5}, version=2, hint=False)
            await eventually(lambda: stream.events[-1]["version"] == 2)


async def test_time_alone_changes_a_state(site: Site) -> None:
    """What turns stale is shown as stale, although nothing was written."""
    await site.publish("quote", "AAPL", QUOTE, fresh="1 second")
    async with site.watch("quote:AAPL") as stream:
        await eventually(lambda: stream.events and stream.events[-1]["state"] == "stale")


async def test_one_change_is_read_once_for_all(site: Site) -> None:
    """A process reads a change once and shares the bytes: a hundred streams cost what one costs."""
    site.app.state.hub.poll_s = 60
    await site.publish("quote", "AAPL", QUOTE)
    streams = [site.watch("quote:AAPL") for _ in range(100)]
    opened = await asyncio.gather(*(stream.__aenter__() for stream in streams))
    await eventually(lambda: all(stream.events for stream in opened))
    reads = site.app.state.hub.reads
    await site.publish("quote", "AAPL", QUOTE | {"price": 563.5}, version=2)
    await eventually(lambda: all(stream.events[-1]["version"] == 2 for stream in opened))
    assert site.app.state.hub.reads == reads + 1
    await asyncio.gather(*(stream.__aexit__(None, None, None) for stream in streams))
    await eventually(lambda: not site.app.state.hub.topics)


async def test_a_late_viewer_is_told_the_true_age(site: Site) -> None:
    """Freshness is part of every figure: bytes made for an earlier viewer do not make a value look young."""
    await site.publish("quote", "AAPL", QUOTE)
    async with site.watch("quote:AAPL") as first:
        await eventually(lambda: first.events)
        await site.pool.execute("update openbell.clock set shift = interval '5 minutes'")
        site.app.state.hub.topics["quote", "AAPL"].framed_at -= 60
        async with site.watch("quote:AAPL") as late:
            await eventually(lambda: late.events)
            assert late.events[0]["age_s"] >= 300


async def test_a_fragment_is_what_the_page_draws(site: Site) -> None:
    """One template for the first page and every later change, sparkline and currency included."""
    await site.publish("quote", "AAPL", QUOTE)
    await site.publish("eod-prices", "AAPL", PRICES)
    await site.publish("profile", "AAPL", PROFILE)
    async with site.watch("quote:AAPL", "eod-prices:AAPL", "profile:AAPL", form="row") as stream:
        await eventually(lambda: stream.events and "<polyline" in stream.events[-1]["html"])
        html = stream.events[-1]["html"]
    page = (await site.http.get("/", headers={"Cookie": "openbell_watchlist=AAPL"})).text
    assert _settle(html) in _settle(page)


async def test_a_slow_reader_misses_states_but_never_the_last(site: Site) -> None:
    """Only the newest state of each key waits for a reader; memory does not grow with events."""
    subscriber, got, ready = Subscriber([("quote", "AAPL")], "json"), list[bytes](), asyncio.Event()

    async def send(message: Message) -> None:
        got.append(message["body"])
        await ready.wait()

    subscriber.open(send)
    subscriber.offer(("quote", "AAPL"), b"first;")
    await eventually(lambda: got)
    for n in range(1_000):
        subscriber.offer(("quote", "AAPL"), b"%d;" % n)
    assert len(subscriber.pending) == 1
    ready.set()
    await eventually(lambda: len(got) == 2)
    assert got == [b"first;", b"999;"]


async def test_silence_is_a_ping(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment keeps the connection through proxies and finds readers that are gone."""
    monkeypatch.setattr("openbell.web.stream.PING_S", 0.05)
    monkeypatch.setattr("openbell.web.stream.PING_BEAT_S", 0.05)
    async with site.watch("quote:AAPL") as stream:
        await eventually(lambda: stream.lines.count(": ping") > 1)
        assert stream.lines[0] == ": watching"


async def test_readers_that_take_nothing_cost_others_no_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many hang, with something waiting for them already, each silence of the others is broken."""
    monkeypatch.setattr("openbell.web.stream.PINGS_AT_ONCE", 2)
    everybody = [Subscriber([("quote", str(n))], "json") for n in range(5)]
    got, never = list[bytes](), asyncio.Event()

    async def hang(_message: Message) -> None:
        await never.wait()

    async def send(message: Message) -> None:
        got.append(message["body"])

    *hanging, reader = everybody
    for one in hanging:
        one.open(hang)
        one.offer(("quote", "A"), b"first;")
    await eventually(lambda: not any(one.pending for one in hanging))
    reader.open(send)
    for one in everybody:
        one.spoke_at -= 60
    pinger = Pinger(everybody)
    for _ in range(5):
        await pinger.beat()
    await eventually(lambda: got == [PING])
    for one in everybody:
        one.close()


async def test_a_reader_that_stops_reading_costs_one_state_a_key(site: Site) -> None:
    """At a real socket: while nobody reads, a buffer and the newest states wait, no more; then they come, in order."""
    await site.publish("quote", "AAPL", QUOTE)
    url = httpx.URL(str(site.http.base_url))
    reader, writer = await asyncio.open_connection(url.host, url.port, limit=1_024)
    writer.write(b"GET /api/v1/stream?watch=quote:AAPL HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n")
    hub = site.app.state.hub
    await eventually(lambda: len(hub.subscribers) == 1)
    (one,) = hub.subscribers
    await eventually(lambda: one._line is not None)
    for n in range(400):
        one.offer(("quote", "AAPL"), b"data: %d%s\n\n" % (n, b"." * 50_000))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert one._line is not None
    assert one._line.transport.get_write_buffer_size() < 300_000
    assert len(one.pending) <= 1
    read = b""
    async with asyncio.timeout(10):
        while b"data: 399" not in read:
            read += await reader.read(65_536)
        while not read.endswith(b"\n\n\r\n"):
            read += await reader.read(65_536)
    head, _, rest = read.partition(b"\r\n\r\n")
    assert b"content-encoding" not in head.lower()
    said = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        chunk, rest = rest[: int(size, 16)], rest[int(size, 16) :]
        assert rest.startswith(b"\r\n")
        said, rest = said + chunk, rest[2:]
    numbers = [int(part.split(b".")[0]) for part in said.split(b"data: ")[1:] if part[:1].isdigit()]
    assert numbers == sorted(numbers)
    assert numbers[-1] == 399
    assert len(numbers) < 400
    writer.close()
    await eventually(lambda: not hub.subscribers)
    await eventually(lambda: _is(site.count("demand"), 0))


async def test_open_streams_end_at_once_when_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM with open streams: each gets a time to come back and ends long before its next ping, with its demand."""
    monkeypatch.setattr("openbell.web.stream.PING_S", 600.0)
    async with site.watch("quote:AAPL") as stream:
        await eventually(lambda: stream.events)
        site.app.state.stopping.set()
        await eventually(lambda: stream.ended)
        retry = [line for line in stream.lines if line.startswith("retry: ")]
        assert len(retry) == 1
        assert 1_000 <= int(retry[0][7:]) <= 5_000
    await eventually(lambda: _is(site.count("demand"), 0))


@pytest.mark.parametrize("keys", [201])
async def test_a_stream_watches_a_bounded_number_of_keys(site: Site, keys: int) -> None:
    """A named limit on every payload."""
    query = [("watch", f"quote:A{n}") for n in range(keys)]
    answer = await site.http.get("/api/v1/stream", params=query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert await site.count("demand") == 0


async def test_nothing_is_read_when_nobody_watches(site: Site) -> None:
    """An idle process polls nothing."""
    hub: Hub = site.app.state.hub
    assert await hub.beat() == 60.0
    assert hub.reads == 0


async def _is(count: object, wanted: int) -> bool:
    return await count == wanted  # type: ignore[misc]


def _settle(html: str) -> str:
    """Without what differs between two moments: ages."""
    import re

    html = re.sub(r'data-age="[^"]*">[^<]*<', 'data-age=""><', html)
    return re.sub(r"\s+", " ", html)
