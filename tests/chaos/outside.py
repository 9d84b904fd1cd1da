"""The outside world: one server on a Unix socket that answers paid calls, and remembers everything it was asked.

It stands for providers and for every other effect that cannot be taken back. It knows nothing of the engine; the worker
tells it, with each request, for which job, attempt (token), step and spend it is made. Requests and answers are one
JSON line each; a request with ``mute`` gets no answer.

Purchases (``buy``, ``find``, ``look``) go to the books of :mod:`tests.chaos.shop`. Such a request may name a moment and
a signal: whoever asks then gets the signal just there, ``before`` his purchase is accepted (it never will be), before
it is accepted all the same (``late``: it was on its way), ``after`` it was accepted, or when it is ``answered``.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos.history import History
from tests.chaos.shop import Shop

SLOW_S = 60.0
"""Longer than any attempt: such a call is cut off by its deadline, and its outcome is never known."""
LATE_S = 0.35
"""How long a purchase may be on its way."""
DEALS = frozenset({"buy", "find", "look"})


class Outside:
    """The server. Most answers come quickly; some fail, ask for a pause, or never come."""

    def __init__(
        self, path: Path, history: History | None, random: Random, *, latency_s: float, shop: Shop | None = None
    ) -> None:
        self.path, self._history, self._random, self._latency_s = path, history, random, latency_s
        self.shop = shop or Shop(random, moody=0.05)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._serve, self.path, limit=1 << 20)

    async def stop(self) -> None:
        """Hang up."""
        assert self._server is not None
        self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while line := await reader.readline():
                await self._answer(json.loads(line), writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if request["kind"] in DEALS:
            await self._deal(request, writer)
            return
        self._history.add(request.pop("kind"), **request)
        if request.get("mute"):
            return
        answer = {"status": "ok"}
        if "spend" in request:
            chance = self._random.random()
            await asyncio.sleep(self._random.uniform(0.002, self._latency_s))
            if chance < 0.01:
                await asyncio.sleep(SLOW_S)
            elif chance < 0.04 and request["effect"] == "repeat":
                answer = {"status": "broken"}
            elif chance < 0.045 and request["effect"] == "repeat":
                answer = {"status": "pause"}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()

    async def _deal(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        """Buy, find or look; the buyer gets his signal at the moment that he has named."""
        when = request.pop("when", None)
        if when in ("before", "late"):
            os.kill(request["pid"], request["signal"])
            await asyncio.sleep(LATE_S if when == "late" else 0)
        if when == "before":
            writer.close()
            return
        await asyncio.sleep(self._random.uniform(0, self._latency_s))
        before = len(self.shop.sales)
        answer = getattr(self.shop, request["kind"])(request)
        for sale in self.shop.sales[before:] if self._history else ():
            self._history.add("sale", **{name: value for name, value in sale.items() if name != "at"})
        if when == "after":
            os.kill(request["pid"], request["signal"])
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        if when == "answered":
            os.kill(request["pid"], request["signal"])


class Line:
    """A worker's line to the outside world. Everything said over it carries the worker's name.

    ``fate`` is what goes with a purchase beside its request: the moment of a signal, and to whom.
    """

    def __init__(self, path: str, name: str, fate: Callable[[str], dict[str, Any]] = lambda kind: {}) -> None:
        self._path, self._name, self._fate = path, name, fate
        self._mute: socket.socket | None = None

    async def ask(self, kind: str, **what: Any) -> str:
        """Tell it something; its answer's status. It knows of it before this returns."""
        return str((await self._ask({"kind": kind, "worker": self._name, **what}))["status"])

    async def deal(self, kind: str, **what: Any) -> dict[str, Any]:
        """Buy something, or look it up; the answer, which has the status ``broken`` when there was none."""
        return await self._ask({"kind": kind, "worker": self._name, **what, **self._fate(kind)})

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            line = await reader.readline()
        finally:
            writer.close()
        answer: dict[str, Any] = json.loads(line) if line else {"status": "broken"}
        return answer

    def tell(self, kind: str, **what: Any) -> None:
        """Tell it something without waiting for an answer. The kernel has it when this returns."""
        if self._mute is None:
            self._mute = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._mute.connect(self._path)
        self._mute.sendall(json.dumps({"kind": kind, "worker": self._name, "mute": True, **what}).encode() + b"\n")
