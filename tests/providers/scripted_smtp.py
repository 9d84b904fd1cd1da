"""A mail server that says what a test wrote down, hangs up where it is told to, and keeps what it was told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from tests.providers.listening import listening

Act = str | None | Callable[[], Awaitable[str | None]]
"""A reply, None for hanging up without one, or work that ends in one of these."""


@dataclass
class Script:
    """The reply to each word of a client; `greeting` before all, `content` after the final dot."""

    port: int = 0
    replies: dict[str, Act] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    encrypted: list[str] = field(default_factory=list)
    hang_up_after: str | None = None

    @property
    def accepts_data(self) -> bool:
        """Whether the content follows the answer to DATA."""
        reply = self.replies["DATA"]
        return not isinstance(reply, str) or reply.startswith("354")

    @property
    def words(self) -> list[str]:
        """What the client has said, first words only."""
        return [line.split(" ")[0].split(":")[0] for line in self.told]


DEFAULTS: dict[str, Act] = {
    "greeting": "220 mail.example ready",
    "EHLO": "250 mail.example",
    "STARTTLS": "220 go on",
    "AUTH": "235 2.7.0 welcome",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    "content": "250 2.0.0 Ok: queued as 4F2K9",
    "QUIT": "221 bye",
}


async def _answer(script: Script, word: str, writer: asyncio.StreamWriter) -> None:
    act = script.replies.get(word, "502 5.5.1 what?")
    said = act if act is None or isinstance(act, str) else await act()
    if said is None:
        raise ConnectionResetError
    writer.write(said.replace("\n", "\r\n").encode() + b"\r\n")
    await writer.drain()
    if word == script.hang_up_after:
        raise ConnectionResetError


async def _talk(
    script: Script, tls: ssl.SSLContext | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await _answer(script, "greeting", writer)
    while line := (await reader.readline()).decode().rstrip("\r\n"):
        script.told.append(line)
        word = script.words[-1]
        if writer.get_extra_info("sslcontext"):
            script.encrypted.append(word)
        await _answer(script, word, writer)
        if word == "STARTTLS" and tls is not None:
            await writer.start_tls(tls)
        if word == "DATA" and script.accepts_data:
            script.contents.append(await reader.readuntil(b"\r\n.\r\n"))
            await _answer(script, "content", writer)
        if word == "QUIT":
            return


@asynccontextmanager
async def mail_server(
    *, tls: ssl.SSLContext | None = None, implicit: bool = False, **replies: Act
) -> AsyncIterator[Script]:
    """The server, on a free port of this machine, for the length of the block."""
    script = Script(replies=DEFAULTS | replies)
    async with listening(partial(_talk, script, tls), tls if implicit else None) as script.port:
        yield script
