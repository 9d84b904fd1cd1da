"""A sandbox in a process of its own, and the way to it: what a client says passes here, and here the client may die.

To a client this is the provider: bytes go on to the sandbox and its answers come back. In between the client gets the
signal that its fate names, at the same moments as at the shop (:mod:`tests.chaos.outside`): before the request is
passed on, before it is passed on all the same, after it was accepted, when it is answered. In a mood, requests or
answers are lost.

What was bought and what it cost, the sandbox's own billing ledger says. The gateway only remembers for whom each thing
was made, by the mark in the request and the name in the answer, since that ledger knows nothing of our jobs.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import httpx

from tests.chaos.fate import SIGNALS, Fate
from tests.chaos.faults import ROOT
from tests.chaos.outside import LATE_S

MARK = re.compile(rb"\[deal (\d+) (\d+) ([a-z-]+:\d+)\]")
"""What a request carries: job, token and name, as :mod:`tests.chaos.clients` writes it."""
NAME = re.compile(rb'"id"\s*:\s*"([\w.-]+)"|queued as (\w+)')
MOST_BYTES = 1 << 20
KEEPS_ALIVE = re.compile(rb"(?i)\r\nconnection: [a-z-]+")

BOUGHT: Mapping[str, str] = {"v1/agent": "run", "v1/batches": "batch", "anthropic": "ask", "send": "mail"}
"""Our operations that make something, and the step that the books call them by."""
SPENDS = (
    "select id, job_id, token, provider, operation, idempotency_key, state::text as state from openbell.spend"
    " where operation = any ($1) order by id"
)


@dataclass(frozen=True, slots=True)
class Note:
    """For whom something was made."""

    job: int
    token: int
    name: str


@dataclass(slots=True)
class Gateway:
    """The way to one sandbox. ``moody`` is the share of requests that are lost, or whose answers are."""

    random: Random
    http: httpx.AsyncClient
    """To the sandbox itself."""
    moody: float = 0.0
    requests: int = 0
    """How many have passed since the last fate was told."""
    web: int = 0
    smtp: int = 0
    _mails: int = 0
    _fate: Fate | None = None
    _pid: int = 0
    _busy: set[asyncio.Task[Any]] = field(default_factory=set)
    _notes: dict[str, Note] = field(default_factory=dict)

    @property
    def places(self) -> dict[str, Any]:
        """Where clients find it."""
        return {"web": f"http://127.0.0.1:{self.web}", "smtp": self.smtp}

    def arm(self, fate: Fate | None, pid: int = 0) -> None:
        """What becomes of a client, if it meets it here."""
        self._fate, self._pid, self.requests = fate, pid, 0

    async def later(self, seconds: float) -> None:
        """It is later for the sandbox: what works in the background has gone on."""
        (await self.http.post("/_control/clock", json={"advance_s": seconds})).raise_for_status()

    async def ledger(self, provider: str) -> list[dict[str, Any]]:
        """All that the sandbox has entered for a provider."""
        entries: list[dict[str, Any]] = []
        more = True
        while more:
            since = entries[-1]["n"] if entries else 0
            page = (await self.http.get("/_control/ledger", params={"provider": provider, "since": since})).json()
            entries += page["entries"]
            more = page["more"]
        return entries

    async def sales(self, pool: asyncpg.Pool, provider: str) -> list[dict[str, Any]]:
        """What a provider has billed, each with its job and with the spend that was made for it."""
        spends = [dict(row) for row in await pool.fetch(SPENDS, list(BOUGHT)) if row["provider"] == provider]
        billed = [entry for entry in await self.ledger(provider) if entry["billed"]]
        return [self._sale(entry, spends) for entry in billed]

    def _sale(self, entry: Mapping[str, Any], spends: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        note = self._notes.get(entry["reference"], Note(0, 0, f"nobody:{entry['n']}"))
        mine = [spend for spend in spends if spend["job_id"] == note.job]
        spend = next((one for one in mine if one["token"] == note.token), mine[0] if mine else None)
        step = BOUGHT[spend["operation"]] if spend else entry["operation"]
        return {
            "ref": entry["reference"], "cost": entry["billed_usd_micro"], "job": note.job, "name": note.name,
            "spend": spend and spend["id"], "key": spend and spend["idempotency_key"], "step": step, "late": False,
            "effect": "resend" if step == "batch" else "never", "token": note.token,
        }  # fmt: skip

    # --- the way -----------------------------------------------------------------------------------------------------

    async def serve_web(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request; the connection ends with its answer."""
        self._hold()
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            head = KEEPS_ALIVE.sub(b"", head)[:-2] + b"connection: close\r\n\r\n"
            await self._pass(body, partial(self._ask, head + body), writer)
        writer.close()

    def _hold(self) -> None:
        """Nothing else keeps this task when its client dies; what has been passed on must still be noted."""
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)

    async def _ask(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.http.base_url.port, limit=MOST_BYTES)
        try:
            writer.write(request)
            return await reader.read(-1)
        finally:
            writer.close()

    async def serve_mail(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One conversation: only the content of a mail makes something, so only there it may end."""
        self._hold()
        there, to = await asyncio.open_connection("127.0.0.1", self._mails, limit=MOST_BYTES)

        async def say(words: bytes) -> bytes:
            to.write(words)
            return await _reply(there)

        with suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(await _reply(there))
            while line := await reader.readline():
                answer = await say(line)
                writer.write(answer)
                if answer.startswith(b"354"):
                    content = await reader.readuntil(b"\r\n.\r\n")
                    if not await self._pass(content, partial(say, content), writer):
                        break
        to.close()
        writer.close()

    async def _pass(self, request: bytes, on: Callable[[], Awaitable[bytes]], writer: asyncio.StreamWriter) -> bool:
        """Pass a request on, unless whoever asks dies of it first; whether it was answered."""
        self.requests += 1
        fate, pid, when = self._fate, self._pid, ""
        if fate is not None and fate.where == "wire" and fate.number == self.requests:
            when = fate.moment

        def signal(*moments: str) -> bool:
            if fate is not None and when in moments:
                os.kill(pid, SIGNALS[fate.how])
            return when in moments

        mood = self.random.random() / self.moody if self.moody else 1.0
        signal("before", "late")
        if when == "before" or mood < 0.5:
            return False
        await asyncio.sleep(LATE_S if when == "late" else 0)
        answer = await on()
        asked, name = MARK.search(request), NAME.search(answer)
        if asked and name:
            self._notes.setdefault((name[1] or name[2]).decode(), Note(int(asked[1]), int(asked[2]), asked[3].decode()))
        signal("after")
        if mood < 1.0:
            return False
        writer.write(answer)
        await writer.drain()
        signal("answered")
        return True


async def _reply(reader: asyncio.StreamReader) -> bytes:
    """One reply of a mail server, which may have several lines."""
    lines = [await reader.readuntil(b"\n")]
    while lines[-1][3:4] == b"-":
        lines.append(await reader.readuntil(b"\n"))
    return b"".join(lines)


@asynccontextmanager
async def open_gateway(folder: Path, random: Random) -> AsyncIterator[Gateway]:
    """A sandbox of our own and the way to it, until the block is left."""
    with (folder / "sandbox.log").open("wb") as log:
        sandbox = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "openbell.sandbox",
            "--port",
            "0",
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    assert sandbox.stdout is not None
    try:
        found = re.search(r"http://[\d.]+:\d+", (await asyncio.wait_for(sandbox.stdout.readline(), 30)).decode())
        assert found is not None
        async with httpx.AsyncClient(base_url=found[0], trust_env=False, verify=False, timeout=30) as http:
            made = Gateway(random, http)
            made._mails = (await http.get("/_control/ports")).json()["smtp"]
            web = await asyncio.start_server(made.serve_web, "127.0.0.1", 0, limit=MOST_BYTES)
            mail = await asyncio.start_server(made.serve_mail, "127.0.0.1", 0, limit=MOST_BYTES)
            made.web, made.smtp = web.sockets[0].getsockname()[1], mail.sockets[0].getsockname()[1]
            yield made
            web.close()
            mail.close()
    finally:
        sandbox.terminate()
        await sandbox.wait()
