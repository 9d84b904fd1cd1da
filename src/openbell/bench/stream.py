"""`openbell bench stream`: from the commit of a new version to the browsers that watch it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from openbell.bench.errors import BenchError
from openbell.bench.figures import Figures, percentile
from openbell.bench.house import House, running_house
from openbell.bench.targets import STREAM

SYMBOLS = ("AAPL", "MSFT", "IBM", "GE", "KO", "JNJ", "XOM", "WMT", "PG", "INTC")
DAY_S = 12.0
"""A replayed day: a quote is a second old at most, so that there is something to see."""
SETTLE_S = 3.0
LINE_BYTES_MAX = 1024 * 1024


async def run(streams: int, seconds: float, say: Callable[[str], None]) -> Figures:
    """Open the streams, each on all the symbols, and watch for so long."""
    figures = Figures(STREAM)
    waits: list[float] = []
    async with running_house("--day-seconds", str(DAY_S)) as house:
        say(f"{streams} streams")
        watching = [asyncio.create_task(_watch(house, waits)) for _ in range(streams)]
        try:
            await asyncio.sleep(SETTLE_S)
            if ended := [one for one in watching if one.done()]:
                ended[0].result()
            waits.clear()
            say(f"watching for {seconds:g} s")
            await asyncio.sleep(seconds)
        finally:
            for one in watching:
                one.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
    if not waits:
        raise BenchError(f"No new version came in {seconds:g} s.")
    figures.add("stream_p50_ms", percentile(waits, 50))
    figures.add("stream_p99_ms", percentile(waits, 99))
    figures.add("stream_events", len(waits))
    return figures


@lru_cache(maxsize=len(SYMBOLS) * 4)
def _read_frame(line: bytes) -> tuple[str, int, float]:
    """Key, version and time of change; all streams get the same bytes, and reading them once is enough."""
    said = json.loads(line[6:])
    changed = said["changed_at"]
    return said["key"], said["version"], datetime.fromisoformat(changed).timestamp() if changed else 0.0


async def _watch(house: House, waits: list[float]) -> None:
    """One browser: how long after its commit each new version is here, in milliseconds, into ``waits``."""
    reader, writer = await asyncio.open_connection(house.host, house.port, limit=LINE_BYTES_MAX)
    query = "&".join(f"watch=quote:{symbol}" for symbol in SYMBOLS)
    writer.write(f"GET /api/v1/stream?{query} HTTP/1.1\r\nHost: {house.host}:{house.port}\r\n\r\n".encode())
    seen: dict[str, int] = {}
    try:
        while line := await reader.readline():
            if not line.startswith(b"data: "):
                continue
            here, (key, version, changed) = time.time(), _read_frame(line)
            before = seen.get(key)
            seen[key] = version
            if before is not None and version > before:
                waits.append((here - changed) * 1_000)
    finally:
        writer.close()
    raise BenchError("The web process has ended a stream.")
