"""Processes of the benchmarks that are nothing but browsers: open streams that are read and counted, and no more.

They open ``streams`` streams, tell ``ready`` when each has told the state of a key, and count from ``go`` on.
"""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime
from functools import lru_cache
from typing import cast

from openbell.bench.errors import BenchError
from openbell.bench.stage import Options, Orders, Role, main, tell

HOST = "127.0.0.1"
OPENING_AT_ONCE = 100
DATA = b"data: "
PATIENCE_S = 120.0


class Hall:
    """All the browsers of this process: how long after its commit each new version has come, in milliseconds."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.since = float("inf")
        self.ended = 0

    def see(self, frame: bytes, here: float) -> None:
        """One state, at the moment at which it came."""
        _, changed = read_frame(frame)
        if changed >= self.since:
            self.waits.append((here - changed) * 1_000)


@lru_cache(maxsize=10_000)
def read_frame(frame: bytes) -> tuple[int, float]:
    """Version and time of change. All who watch a key get the same bytes, and reading them once is enough."""
    said = json.loads(frame)
    changed = said["changed_at"]
    return said["version"], datetime.fromisoformat(changed).timestamp() if changed else 0.0


class Browser(asyncio.Protocol):
    """One connection with one stream."""

    __slots__ = ("_hall", "_rest", "_transport", "told")

    def __init__(self, hall: Hall) -> None:
        self._hall, self._rest = hall, b""
        self._transport: asyncio.Transport | None = None
        self.told: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to speak."""
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, query: str) -> None:
        """Open the stream."""
        assert self._transport is not None
        self._transport.write(f"GET /api/v1/stream?{query} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """Take what is whole; the rest comes."""
        here = time.time()
        if not self.told.done() and data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 200"):
            self.told.set_exception(BenchError(f"A stream was refused: {data[-300:].decode(errors='replace')}"))
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(DATA):
                self._hall.see(line[len(DATA) :], here)
                if not self.told.done():
                    self.told.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side has ended it."""
        self._hall.ended += 1
        if self._transport is not None and not self.told.done():
            self.told.set_exception(BenchError(f"The web process has closed a connection. {exc or ''}"))


async def enter(hall: Hall, port: int) -> Browser:
    """Connect."""
    loop = asyncio.get_running_loop()
    _, browser = await loop.create_connection(lambda: Browser(hall), HOST, port)
    return browser


async def watch(_dsn: str, orders: Orders, options: Options) -> dict[str, object]:
    """``streams`` streams from number ``first`` on; stream n watches ``each`` of the keys, from key n * each on."""
    hall, door = Hall(), asyncio.Semaphore(OPENING_AT_ONCE)
    keys, each = options["keys"], options["each"]

    async def come(n: int) -> None:
        async with door:
            browser = await enter(hall, options["port"])
            browser.ask("&".join(f"watch={keys[(n * each + i) % len(keys)]}" for i in range(each)))
            await asyncio.wait_for(browser.told, PATIENCE_S)

    await asyncio.gather(*(come(n) for n in range(options["first"], options["first"] + options["streams"])))
    tell(ready=True)
    await orders.go.wait()
    hall.since = time.time()
    await orders.stop.wait()
    return {"waits": hall.waits, "ended": hall.ended}


ROLES: dict[str, Role] = {"watch": watch}

if __name__ == "__main__":
    main(ROLES)
