"""The FMP client: from what is on the wire to what is done about it (table B1 of the domain notes)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.engine.artifacts import Reading, read
from openbell.engine.errors import (
    NothingKnown,
    NotInPlan,
    Permanent,
    ProducerError,
    ProviderStopped,
    RateLimited,
    Transient,
)
from openbell.products import registry
from openbell.products.context import contexts
from openbell.products.sources import Connections, Source
from openbell.providers import fmp
from openbell.providers.fmp import PLANS, Fmp, client, limits, read_answer, refusal
from openbell.providers.wire import Answer
from tests.engine.conftest import Employ
from tests.engine.hand import ended, job, queue
from tests.providers.conftest import KEY, Desk
from tests.sandbox.harness import Running, Start
from tests.support import Clock, eventually

DAY = timedelta(days=1)

# fault, error, code, how long to leave it alone
WIRE: list[tuple[str, type[ProducerError], str, timedelta | None]] = [
    ("unauthorized", ProviderStopped, "bad_key", None),
    ("suspended", ProviderStopped, "account_suspended", None),
    ("limit", RateLimited, "rate_limited", timedelta(minutes=1)),
    ("limit_in_200", RateLimited, "rate_limited", timedelta(minutes=1)),
    ("bandwidth", RateLimited, "bandwidth_used_up", DAY),
    ("restricted_endpoint", NotInPlan, "endpoint_not_in_plan", 7 * DAY),
    ("exclusive", NotInPlan, "endpoint_not_in_plan", 7 * DAY),
    ("premium_symbol", NotInPlan, "symbol_not_in_plan", 7 * DAY),
    ("premium_limit", NotInPlan, "parameter_not_in_plan", 7 * DAY),
    ("legacy", Permanent, "legacy_endpoint", None),
    ("html502", Transient, "outage", None),
    ("empty", NothingKnown, "nothing_known", None),
    ("drop", Transient, "broken", None),
]


@pytest.mark.parametrize(("fault", "kind", "code", "pause"), WIRE, ids=[row[0] for row in WIRE])
async def test_every_refusal_has_its_meaning(
    sandbox: Running, desk: Desk, fault: str, kind: type[ProducerError], code: str, pause: timedelta | None
) -> None:
    """MD-21, PF-8: each error of the provider, as it comes over the wire, is told apart, and the call has happened."""
    await sandbox.fault(fault, path="quote")
    with pytest.raises(ProducerError) as caught:
        await desk.fmp.quote("AAPL")
    assert isinstance(caught.value, kind)
    assert (caught.value.code, caught.value.retry_after) == (code, pause)
    (settlement,) = desk.attempt.take_ended()
    assert settlement.state == ("unanswered" if fault == "drop" else "settled")


async def test_a_hanging_provider_is_a_timeout(sandbox: Running, desk: Desk) -> None:
    """PF-24: an answer that does not come is a failure of its own; the call may have happened and counts."""
    await sandbox.fault("hang", path="quote")
    desk.http.timeout = httpx.Timeout(0.3)
    with pytest.raises(Transient) as caught:
        await desk.fmp.quote("AAPL")
    assert caught.value.code == "timeout"
    (settlement,) = desk.attempt.take_ended()
    assert (settlement.state, settlement.took) == ("unanswered", {})


async def test_a_provider_that_is_not_there_took_nothing(desk: Desk) -> None:
    """PF-21: only where no connection came about is the hold given back."""
    async with fmp.open_http("http://127.0.0.1:1", "sandbox") as nowhere:
        with pytest.raises(Transient) as caught:
            await Fmp(nowhere, desk.attempt).quote("AAPL")
    assert caught.value.code == "unreachable"
    assert "127.0.0.1" in str(caught.value)
    (settlement,) = desk.attempt.take_ended()
    assert settlement.state == "released"


async def test_bytes_are_metered_as_transferred(sandbox: Running, desk: Desk) -> None:
    """MD-20: what counts is what came over the wire."""
    await desk.fmp.quote("AAPL")
    await desk.fmp.end_of_day("AAPL")
    settled = [settlement.took["bytes"] for settlement in desk.attempt.take_ended()]
    billed = [entry["bytes"] for entry in (await sandbox.ledger())["entries"]]
    assert settled == billed


async def test_an_endless_answer_is_cut_off(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """MD-20, DG-9: an answer beyond all sense is not read to its end, and what was read of it counts."""
    monkeypatch.setattr(client, "MOST_BYTES", 10_000)
    with pytest.raises(Permanent) as caught:
        await desk.fmp.end_of_day("AAPL")
    assert caught.value.code == "too_large"
    (settlement,) = desk.attempt.take_ended()
    assert settlement.state == "settled"
    assert settlement.took["bytes"] > 10_000


async def test_a_short_history_is_taken_as_it_is(sandbox: Running, desk: Desk) -> None:
    """MD-15: rows that the provider leaves out are left out; what came is whole."""
    await sandbox.fault("truncate", path="historical-price-eod/*", rows=3)
    assert len(await desk.fmp.end_of_day("AAPL")) == 3


async def test_the_source_is_cited_with_what_it_is(desk: Desk) -> None:
    """DC-10: provider, operation and host go with the result, and that the data is not real."""
    await desk.fmp.quote("AAPL")
    source = desk.attempt.provenance
    assert (source["provider"], source["operation"], source["calls"]) == ("fmp", "quote", 1)
    assert "replay of real daily prices" in source["synthetic"]
    assert "sandbox" not in source["host"]


async def test_a_batch_leaves_out_what_is_unknown(desk: Desk) -> None:
    """MD-15: one unknown symbol does not spoil a batch."""
    rows = await desk.fmp.batch_quote(["AAPL", "NOSUCH", "MSFT"])
    assert {row["symbol"] for row in rows} == {"AAPL", "MSFT"}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"null", b"[1]", b'["a"]', b"[[]]", b"not json", b'"text"', b"\xff\xfe", b"[{]", b"[" * 10_000]
)
def test_whatever_is_not_rows_is_an_error(body: bytes) -> None:
    """MD-7: a 200 with anything but rows is never taken for data."""
    assert isinstance(read_answer(200, body), Transient)


@given(status=st.integers(100, 599), body=st.binary(max_size=300))
def test_any_answer_is_rows_or_a_typed_error(status: int, body: bytes) -> None:
    """MD-7: no answer of the provider, however strange, is an untyped failure."""
    answer = read_answer(status, body)
    assert isinstance(answer, ProducerError) or (status == 200 and all(isinstance(row, dict) for row in answer))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, ProviderStopped),
        (402, NotInPlan),
        (429, RateLimited),
        (404, Permanent),
        (500, Transient),
        (503, Transient),
    ],
)
def test_a_bare_status_decides_without_words(status: int, kind: type[ProducerError]) -> None:
    """MD-21: when the words are missing, the status says what it is."""
    assert isinstance(refusal(status, ""), kind)


def test_plans_become_limits() -> None:
    """MD-18, MD-20: a plan's calls and bytes are kept with a margin; an own figure is kept exactly."""
    by_name = {(one.resource, one.period): one for one in limits("starter")}
    assert by_name["calls", "minute"].granted == 285
    assert by_name["bytes", "30 days"].granted == 19_000_000_000
    assert {one.granted for one in limits("starter", calls_per_minute=60) if one.period == "minute"} == {60}
    assert [one.granted for one in limits("basic") if one.period == "day"] == [237]
    with pytest.raises(KeyError):
        limits("free lunch")


def test_a_tenth_of_a_plan_is_kept_for_viewers() -> None:
    """MD-18, PF-19: of each limit of a plan, lists, trials and prefetches leave a tenth to those who look."""
    for plan in PLANS:
        assert all(dict(one.floors) == {"interactive": one.granted // 10} for one in limits(plan))
    assert next(dict(one.floors) for one in limits("basic", calls_per_minute=5)) == {"interactive": 0}
    assert {one.floors["interactive"] for one in limits("starter", reserve=0.5)} == {142, 9_500_000_000}


async def test_a_list_leaves_calls_for_viewers(
    pool: asyncpg.Pool, sandbox: Running, employ: Employ, connections: Connections
) -> None:
    """MD-18, PF-19: a list that could use up the minute leaves a tenth of it; out of that a viewer's key is made at
    once, although it is on the list, too.
    """
    await employ(*registry(), limits=limits("premium", calls_per_minute=10), context=contexts(connections))
    listed = [f"SYN{n:03d}" for n in range(1, 15)]
    await queue(pool, *listed, name="profile", source="list", job_class="scheduled")

    async def are_made() -> int:
        return sum([(await read(pool, "profile", symbol)).version for symbol in listed])

    async def all_but_reserve() -> bool:
        waiting = await pool.fetchval("select count(*) from openbell.job where reason like '%more urgent%'")
        return (await are_made(), waiting) == (9, 5)

    await eventually(all_but_reserve)
    one = await pool.fetchval("select key from openbell.job where product = 'profile' order by id limit 1")
    await queue(pool, one, name="profile", source="viewer")

    async def is_made() -> bool:
        return (await read(pool, "profile", one)).version == 1

    await eventually(is_made)
    assert await are_made() == 10


def test_only_what_says_so_is_synthetic() -> None:
    """DC-10: the answer itself declares that it is not real; anything else is real."""
    assert Answer(200, httpx.Headers({}), b"").synthetic is None
    assert Answer(200, httpx.Headers({"x-data-class": "real; as sold"}), b"").synthetic is None
    assert Answer(200, httpx.Headers({"x-data-class": "synthetic; a replay"}), b"").synthetic == "a replay"
    assert Answer(200, httpx.Headers({"x-data-class": "synthetic"}), b"").synthetic == "synthetic"


# --- what the worker does about it -----------------------------------------------------------------------------------


@pytest.fixture
async def connections(sandbox: Running) -> AsyncIterator[Connections]:
    """The connections of a worker to the sandbox."""
    made = Connections({"fmp": Source(sandbox.url, "sandbox")})
    yield made
    await made.close()


async def until(pool: asyncpg.Pool, holds: Any, symbol: str = "AAPL") -> Reading:
    async def look() -> Reading | None:
        reading = await read(pool, "quote", symbol)
        return reading if holds(reading) else None

    found = await eventually(look)
    assert found is not None
    return found


async def serve(employ: Employ, connections: Connections) -> None:
    await employ(*registry(), limits=limits("premium"), context=contexts(connections))


@pytest.mark.parametrize("fault", ["suspended", "limit_in_200"])
async def test_the_provider_pauses_for_everybody(
    pool: asyncpg.Pool, sandbox: Running, employ: Employ, connections: Connections, fault: str
) -> None:
    """MD-21, MD-19: what concerns the account pauses every symbol, with the reason shown; no attempt is used."""
    number = await sandbox.fault(fault, path="quote", symbol="AAPL")
    await serve(employ, connections)
    await queue(pool, "AAPL", name="quote")
    reading = await until(pool, lambda r: r.blockage and r.job and r.job.state == "waiting")
    assert (reading.state, reading.version) == ("missing", 0)
    assert "FMP" in reading.reason
    await queue(pool, "MSFT", name="quote")
    assert (await until(pool, lambda r: r.blockage, "MSFT")).version == 0
    waiting = await job(pool, "AAPL", "quote")
    assert waiting is not None
    assert waiting["attempt"] == 0
    assert (await sandbox.ledger())["totals"]["calls"] == 1
    await sandbox.client.delete("/_control/faults", params={"id": number})
    await pool.execute("update openbell.account set blocked_until = null")
    for symbol in ("AAPL", "MSFT"):
        await until(pool, lambda r: r.version == 1, symbol)


@pytest.mark.parametrize("fault", ["premium_symbol", "legacy"])
async def test_one_symbol_is_left_alone_and_others_go_on(
    pool: asyncpg.Pool, sandbox: Running, employ: Employ, connections: Connections, clock: Clock, fault: str
) -> None:
    """PF-8: what the plan does not include is not asked again in a loop; other symbols are served."""
    await sandbox.fault(fault, path="quote", symbol="AAPL")
    await serve(employ, connections)
    await queue(pool, "AAPL", "MSFT", name="quote")
    reading = await until(pool, lambda r: r.setback)
    assert (reading.version, reading.job) == (0, None)
    await until(pool, lambda r: r.version == 1, "MSFT")
    await clock.advance(seconds=30)
    assert await queue(pool, "AAPL", name="quote") == []


async def test_an_unknown_symbol_is_stored_as_nothing_known(
    pool: asyncpg.Pool, sandbox: Running, employ: Employ, connections: Connections
) -> None:
    """MD-6: an unknown symbol is a stored answer, not a failure, and is not asked again."""
    await serve(employ, connections)
    await queue(pool, "NOSUCH", name="quote")
    reading = await until(pool, lambda r: r.state == "empty", "NOSUCH")
    assert (reading.setback, reading.job) == (None, None)
    assert "nothing under this key" in reading.reason
    assert await queue(pool, "NOSUCH", name="quote") == []
    assert (await sandbox.ledger())["totals"]["calls"] == 1


@pytest.mark.parametrize("fault", ["html502", "drop"])
async def test_an_outage_is_tried_again_and_keeps_the_value(
    pool: asyncpg.Pool, sandbox: Running, employ: Employ, connections: Connections, clock: Clock, fault: str
) -> None:
    """PF-13, PF-8: while the provider is out of order the last good value stays, and the next attempt finds it well."""
    await serve(employ, connections)
    await queue(pool, "AAPL", name="quote")
    before = await until(pool, lambda r: r.version == 1)
    await sandbox.fault(fault, path="quote", times=1)
    await sandbox.clock(advance_days=1)
    await clock.advance(minutes=2)
    await queue(pool, "AAPL", name="quote", source="later")
    parked = await until(pool, lambda r: r.job and r.job.state == "parked")
    assert (parked.version, parked.value, parked.state) == (1, before.value, "stale")
    assert "FMP" in parked.reason
    await clock.advance(seconds=5)
    after = await until(pool, lambda r: r.version == 2)
    assert after.value["source_time"] > before.value["source_time"]
    assert [row["attempts"] for row in await ended(pool, "AAPL", "quote")] == [1, 2]


async def test_an_older_quote_is_discarded(
    pool: asyncpg.Pool, sandbox: Running, employ: Employ, connections: Connections, clock: Clock
) -> None:
    """MD-5: a provider that falls back to yesterday does not take today's value away."""
    await serve(employ, connections)
    await queue(pool, "AAPL", name="quote")
    before = await until(pool, lambda r: r.version == 1)
    await sandbox.fault("older", path="quote", days=1)
    await clock.advance(minutes=2)
    await queue(pool, "AAPL", name="quote", source="later")

    async def outdated() -> bool:
        return [row["word"] for row in await ended(pool, "AAPL", "quote")][-1] == "outdated"

    await eventually(outdated)
    assert (await read(pool, "quote", "AAPL")).value == before.value


async def test_the_key_is_nowhere(
    pool: asyncpg.Pool, start: Start, employ: Employ, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    """PF-41: the key is in no log line at the finest level, no error, no row, no address; only in the header."""
    caplog.set_level(logging.DEBUG)
    sandbox = await start(key=KEY)
    connections = Connections({"fmp": Source(sandbox.url, KEY)})
    await serve(employ, connections)
    symbols = ["AAPL", "MSFT", "IBM", "GOOG", "NOSUCH"]
    for symbol, fault in zip(symbols, ("unauthorized", "drop", "html502", "legacy"), strict=False):
        await sandbox.fault(fault, path="quote", symbol=symbol, times=1)
    await queue(pool, *symbols, name="quote")

    async def all_called() -> bool:
        paused = await pool.fetchval("select count(*) from openbell.account where blocked_until is not null")
        return bool((await sandbox.ledger())["totals"]["calls"] >= 4 and paused)

    await eventually(all_called)
    await pool.execute("update openbell.account set blocked_until = null")
    await clock.advance(seconds=5)
    await until(pool, lambda r: r.version == 1, "MSFT")
    tables = ("job", "job_history", "artifact", "version", "cooldown", "spend", "account", "worker", "audit")
    rows = [str(await pool.fetch(f"select to_jsonb(t) as row from openbell.{table} t")) for table in tables]
    shown = [record.getMessage() + str(record.exc_text) + str(record.args) for record in caplog.records]
    assert not [text for text in (*rows, *shown) if KEY in text]
    assert KEY not in repr(connections)
    assert len(caplog.records) > 20
    await connections.close()


async def test_a_wrong_key_stops_the_provider(pool: asyncpg.Pool, sandbox: Running, employ: Employ) -> None:
    """PF-40, MD-21: with a wrong key there is one call and then a pause that names the mend, and not the key."""
    connections = Connections({"fmp": Source(sandbox.url, KEY)})
    await serve(employ, connections)
    await queue(pool, "AAPL", name="quote")
    reading = await until(pool, lambda r: r.blockage and r.job and r.job.state == "waiting")
    assert "FMP_API_KEY" in reading.reason
    assert KEY not in reading.reason
    assert (await sandbox.ledger())["totals"]["calls"] == 1
    await connections.close()


async def test_the_key_follows_no_redirect(desk: Desk) -> None:
    """PF-41: a redirect is an error; the key is not carried to wherever it points."""
    asked: list[str] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /stable/other\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(elsewhere, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with fmp.open_http(f"http://127.0.0.1:{port}", KEY) as http:
        with pytest.raises(Permanent):
            await Fmp(http, desk.attempt).quote("AAPL")
    server.close()
    await server.wait_closed()
    assert len(asked) == 1
    assert KEY in asked[0]
    assert KEY not in asked[0].splitlines()[0]
