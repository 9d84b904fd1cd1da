"""A shop on a real socket that keeps its own books: what was bought under which key, and how often it was charged."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx

SLOW_S = 0.25


@dataclass
class Till:
    """``charges`` counts what was charged under each key; one that is known is answered and not charged again."""

    address: str = ""
    charges: Counter[str] = field(default_factory=Counter)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One purchase: `POST /buy?key=…&once=1`; without `once` a key is charged each time."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii", "replace")
        asked = {name: found[0] for name, found in parse_qs(urlsplit(head.split(" ")[1]).query).items()}
        await asyncio.sleep(SLOW_S)
        if not (asked.get("once") and self.charges[asked["key"]]):
            self.charges[asked["key"]] += 1
        body = json.dumps({"n": self.charges[asked["key"]]}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    async def buy(self, key: str, *, once: bool) -> int:
        """As a client: how often the key has been charged by now."""
        async with httpx.AsyncClient(base_url=self.address, timeout=20) as client:
            answer = await client.post("/buy", params={"key": key} | ({"once": "1"} if once else {}))
        return int(answer.raise_for_status().json()["n"])


@asynccontextmanager
async def opened() -> AsyncIterator[Till]:
    """A till that is open."""
    till = Till()
    server = await asyncio.start_server(till.serve, "127.0.0.1", 0)
    till.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield till
    finally:
        server.close()
        await server.wait_closed()
