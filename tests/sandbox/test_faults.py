"""Scripted misbehaviour as it arrives at a client."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.sandbox.harness import Running, Start

REFUSALS = [
    ("unauthorized", 401, True, "Invalid API KEY."),
    ("restricted_endpoint", 402, False, "Restricted Endpoint: "),
    ("premium_symbol", 402, False, "Premium Query Parameter: 'Special Endpoint : This value set for 'symbol' "),
    ("premium_limit", 402, False, "Premium Query Parameter: 'Special Parameters : The values for 'limit' must be "),
    ("exclusive", 403, True, "Exclusive Endpoint : "),
    ("legacy", 403, True, "Legacy Endpoint : "),
    ("suspended", 403, True, "Account suspended"),
    ("limit", 429, True, "Limit Reach . Please upgrade your plan"),
    ("bandwidth", 429, True, "Bandwidth Limit Reach . "),
    ("limit_in_200", 200, True, "Limit Reach . Please upgrade your plan"),
]


@pytest.mark.parametrize(("kind", "status", "is_json", "text"), REFUSALS)
async def test_refusals_word_for_word(sandbox: Running, kind: str, status: int, is_json: bool, text: str) -> None:
    """Each scripted refusal has the documented status and form: 402 is prose, the others an error object."""
    await sandbox.fault(kind, path="quote", times=1)
    answer = await sandbox.get("quote", symbol="AAPL")
    assert answer.status_code == status
    assert (answer.json()["Error Message"] if is_json else answer.text).startswith(text)
    assert "retry-after" not in answer.headers
    assert "x-data-class" not in answer.headers
    assert (await sandbox.ledger())["totals"]["billed"] == (1 if status == 402 else 0)
    assert await sandbox.rows("quote", symbol="AAPL")


async def test_html_502(sandbox: Running) -> None:
    """An outage is HTML."""
    await sandbox.fault("html502")
    answer = await sandbox.get("profile", symbol="AAPL")
    assert (answer.status_code, answer.headers["content-type"][:9]) == (502, "text/html")
    assert "<html>" in answer.text


async def test_fault_meets_only_its_calls(sandbox: Running) -> None:
    """A fault for one path glob and one symbol leaves all other calls alone, and counts what it met."""
    await sandbox.fault("restricted_endpoint", path="historical-price-eod/*", symbol="IBM")
    statuses = {
        (path, symbol): (await sandbox.get(path, symbol=symbol)).status_code
        for path in ("quote", "historical-price-eod/light")
        for symbol in ("IBM", "FB")
    }
    assert [key for key, status in statuses.items() if status == 402] == [("historical-price-eod/light", "IBM")]
    [fault] = (await sandbox.client.get("/_control/faults")).json()["faults"]
    assert fault["hits"] == 1


async def test_row_faults(sandbox: Running) -> None:
    """empty, truncate, nulls and older change the rows and nothing else."""
    good = await sandbox.rows("historical-price-eod/light", symbol="IBM")
    for kind, extra in (("empty", {}), ("truncate", {"rows": 250}), ("nulls", {}), ("older", {"days": 2})):
        await sandbox.fault(kind, times=1, **extra)
    assert await sandbox.rows("historical-price-eod/light", symbol="IBM") == []
    assert await sandbox.rows("historical-price-eod/light", symbol="IBM") == good[:250]
    nulls = await sandbox.rows("historical-price-eod/light", symbol="IBM")
    assert nulls[0] == {"symbol": "IBM", "date": good[0]["date"], "price": None, "volume": None}
    assert await sandbox.rows("historical-price-eod/light", symbol="IBM") == good[2:]


async def test_older_quote_has_an_older_timestamp(sandbox: Running) -> None:
    """The older fault answers as of an earlier market day."""
    [now] = await sandbox.rows("quote", symbol="IBM")
    await sandbox.fault("older", times=1)
    [then] = await sandbox.rows("quote", symbol="IBM")
    assert then["timestamp"] < now["timestamp"]


async def test_fault_on_one_symbol_of_a_batch(sandbox: Running) -> None:
    """In a batch a row fault touches only the row of its symbol."""
    await sandbox.fault("empty", symbol="FB", times=1)
    rows = await sandbox.rows("batch-quote", symbols="AAPL,FB,IBM")
    assert [row["symbol"] for row in rows] == ["AAPL", "IBM"]


async def test_slow_answers_late_but_right(sandbox: Running) -> None:
    """A slow call is answered after its delay, with the ordinary rows."""
    await sandbox.fault("slow", seconds=0.2, times=1)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await sandbox.rows("quote", symbol="AAPL")
    assert loop.time() - began >= 0.2


async def test_drop_is_billed_without_an_answer(sandbox: Running) -> None:
    """A dropped call is billed, and the client only sees the connection close: its outcome is unknown."""
    await sandbox.fault("drop", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        await sandbox.get("quote", symbol="AAPL")
    [entry] = (await sandbox.ledger())["entries"]
    assert (entry["billed"], entry["status"]) == (True, None)


async def test_hang_until_cleared(sandbox: Running) -> None:
    """A hanging call is billed at once and answered as soon as the fault is cleared."""
    await sandbox.fault("hang")
    call = asyncio.create_task(sandbox.rows("quote", symbol="AAPL"))
    await sandbox.billed(1)
    assert not call.done()
    assert (await sandbox.client.delete("/_control/faults")).json() == {"cleared": 1}
    assert (await call)[0]["symbol"] == "AAPL"


async def test_hang_survives_a_client_that_leaves(sandbox: Running) -> None:
    """A client that gives up on a hanging call harms nobody else."""
    await sandbox.fault("hang", times=1)
    with pytest.raises(httpx.ReadTimeout):
        await sandbox.client.get(
            "/stable/quote",
            params={"symbol": "AAPL"},
            headers={"apikey": "sandbox"},
            timeout=httpx.Timeout(10, read=0.1),
        )
    assert await sandbox.rows("quote", symbol="AAPL")


async def test_stops_with_hanging_calls(start: Start) -> None:
    """serve() ends soon after stop even while calls hang; they see the connection close."""
    running = await start()
    await running.fault("hang")
    calls = [asyncio.create_task(running.get("quote", symbol="AAPL")) for _ in range(3)]
    await running.billed(3)
    running.stop.set()
    async with asyncio.timeout(10):
        await running.task
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, httpx.RemoteProtocolError) for result in results)


@pytest.mark.parametrize(
    "spec",
    [{"kind": "nonsense"}, {"kind": "slow"}, {"kind": "drop", "secs": 1}, {"kind": "drop", "times": 0}, [], None],
)
async def test_senseless_fault_is_refused(sandbox: Running, spec: Any) -> None:
    """A misspelt fault is a 400 with a reason, never silently ignored."""
    answer = await sandbox.client.post("/_control/faults", json=spec)
    assert answer.status_code == 400
    assert answer.json()["error"]


async def test_a_request_that_breaks_off_has_not_been_made(sandbox: Running) -> None:
    """PF-10: of a client that dies while it sends nothing is entered or billed, as with a real provider."""
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
    head = "POST /perplexity/v1/files HTTP/1.1\r\nhost: sandbox\r\nauthorization: Bearer sandbox\r\n"
    writer.write(f"{head}content-type: multipart/form-data; boundary=x\r\ncontent-length: 500\r\n\r\n".encode())
    writer.write(b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nhalf')
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 30) == b""
    writer.close()
    assert (await sandbox.ledger())["entries"] == []
