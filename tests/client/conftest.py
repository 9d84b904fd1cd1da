"""A real web process for the client to ask."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

import asyncpg
import pytest

from openbell.client import Client
from openbell.products import registry
from tests.web.conftest import Site, serve


@pytest.fixture
async def site(dsn: str, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    """A web process whose database is there."""
    await registry().seed(pool)
    async with serve(dsn, pool) as running:
        await running.ready()
        yield running


@pytest.fixture
async def bell(site: Site) -> AsyncIterator[Client]:
    """A client of it, quick to connect again."""
    async with Client(site.address, pause_max_s=0.02) as client:
        yield client


@dataclass
class Wire:
    """Stands before the web process on an address of its own, and can break every connection."""

    target: int
    port: int = 0
    opened: int = 0
    broken: bool = False
    lines: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self, *, stay: bool = False) -> None:
        """Break what is open; with `stay`, whatever is opened next too."""
        self.broken = stay
        for line in self.lines:
            line.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        if self.broken:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        self.lines |= {writer, back}
        with suppress(OSError):
            await asyncio.gather(self.pump(reader, back), self.pump(there, writer))

    async def pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await source.read(65_536):
                sink.write(chunk)
                await sink.drain()
        sink.close()


@pytest.fixture
async def wire(site: Site) -> AsyncIterator[Wire]:
    """A wire to the web process that a test can cut."""
    made = Wire(int(site.address.rpartition(":")[2]))
    server = await asyncio.start_server(made.carry, "127.0.0.1", 0)
    made.port = socket_port(server)
    yield made
    made.cut()
    server.close()
    await server.wait_closed()


def socket_port(server: asyncio.Server) -> int:
    """The port that it listens on."""
    door: socket.socket = server.sockets[0]
    return int(door.getsockname()[1])
