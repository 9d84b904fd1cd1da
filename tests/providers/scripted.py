"""A server that says what a test wrote down, byte for byte, and keeps what it was asked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.providers.listening import listening

Handler = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Asked:
    """One request as it arrived."""

    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Scripted:
    """Answers by the path of the request, without its query; the entry "*" answers all others."""

    port: int
    asked: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        return [one.target for one in self.asked]


def http(status: int, body: bytes = b"", **headers: str) -> bytes:
    """An answer of HTTP/1.1 with a length and one connection; header names with underscores for dashes."""
    lines = [f"HTTP/1.1 {status} Any", f"content-length: {len(body)}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def serving(
    answers: Mapping[str, bytes | Handler], *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Scripted]:
    """The server, on a free port of this machine, for the length of the block."""
    made = Scripted(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        target = head[0].split(" ")[1]
        made.asked.append(Asked(target, headers, body))
        answer = answers.get(target.partition("?")[0], answers.get("*", http(404)))
        if isinstance(answer, bytes):
            writer.write(answer)
            await writer.drain()
        else:
            await answer(writer)

    async with listening(serve, tls) as made.port:
        yield made
