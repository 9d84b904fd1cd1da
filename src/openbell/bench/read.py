"""`openbell bench read`: reads of an artifact over HTTP, beside the bare framework that answers with the same bytes."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from openbell.bench.errors import BenchError
from openbell.bench.figures import Figures, percentile
from openbell.bench.house import House, running_house
from openbell.bench.targets import READ

PRODUCT, KEY = "profile", "AAPL"
"""A result that stays fresh for a day."""
PATIENCE_S = 30.0
PAUSE_S = 0.2
HEAD_END = b"\r\n\r\n"


async def run(readers: int, seconds: float, rounds: int, say: Callable[[str], None]) -> Figures:
    """Bring everything up, have one result made, and read it from so many connections; the bare framework in turns."""
    figures = Figures(READ)
    async with running_house() as house:
        say("waiting for a result to read")
        path, body = await _result(house)
        figures.add("read_bytes", len(body))
        async with _bare(house.folder, body) as port:
            for n in range(rounds):
                say(f"reading: round {n + 1} of {rounds}")
                before = await _load("127.0.0.1", port, "/", readers, seconds)
                ours = await _load(house.host, house.port, path, readers, seconds)
                after = await _load("127.0.0.1", port, "/", readers, seconds)
                bare_per_s = (len(before) + len(after)) / 2 / seconds
                figures.add("reads_per_s", len(ours) / seconds)
                figures.add("bare_per_s", bare_per_s)
                figures.add("read_ratio", len(ours) / seconds / bare_per_s)
                figures.add("read_p99_ms", percentile(ours, 99))
    return figures


async def _result(house: House) -> tuple[str, bytes]:
    """The path of a result, and what is read there, as soon as it is there."""
    wish = f'{{"items": [{{"product": "{PRODUCT}", "key": "{KEY}"}}], "seconds": 60}}'.encode()
    await _ask(house, _request("POST", house.host, "/api/v1/demand", wish))
    path, until = f"/api/v1/artifacts/{PRODUCT}/{KEY}", time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        status, body = await _ask(house, _request("GET", house.host, path))
        if status == 200:
            return path, body
        await asyncio.sleep(PAUSE_S)
    raise BenchError(f"There is no {PRODUCT} of {KEY} after {PATIENCE_S:g} s.")


async def _ask(house: House, request: bytes) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection(house.host, house.port)
    try:
        writer.write(request)
        return await answer_of(reader)
    finally:
        writer.close()


async def _load(host: str, port: int, path: str, readers: int, seconds: float) -> list[float]:
    """How long each answer took, in milliseconds; one connection a reader, one question at a time on each."""
    request, took, end = _request("GET", host, path), list[float](), time.perf_counter() + seconds

    async def read() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            while (began := time.perf_counter()) < end:
                writer.write(request)
                status, _ = await answer_of(reader)
                if status != 200:
                    raise BenchError(f"{path} was answered with {status}.")
                took.append(1_000 * (time.perf_counter() - began))
        finally:
            writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(readers):
            group.create_task(read())
    return took


def _request(method: str, host: str, path: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "Content-Type: application/json", "", ""]).encode() + body


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of one answer that tells its length."""
    head = (await reader.readuntil(HEAD_END)).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    return int(head[9:12]), await reader.readexactly(length)


@asynccontextmanager
async def _bare(folder: Path, body: bytes) -> AsyncIterator[int]:
    """The port of the bare framework's process."""
    said = folder / "bare.json"
    said.write_bytes(body)
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "openbell.bench.bare", str(said)],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()
