"""Hints: "look again at these keys". A hint may be lost, doubled or late; the rows are the truth.

A process tells its hints in bursts: the first at once, what comes within the next moments together. One connection per
process listens. Without LISTEN (behind a transaction pooler) everything works by polling, only later.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import asyncpg

from openbell.engine.database import SQL
from openbell.engine.persist import DATABASE_ERRORS
from openbell.postgres.pool import can_listen, connect
from openbell.telemetry.tally import swallowed

log = logging.getLogger(__name__)

CHANNEL = "openbell"
BURST_S = 0.01
MOST_BYTES = 7_500
"""PostgreSQL refuses payloads of 8,000 bytes; more keys than fit become "look at everything"."""

Kind = Literal["artifact", "work", "flag"]
"""The database itself tells of flags."""


@dataclass(frozen=True, slots=True)
class Hint:
    """``keys`` of a kind have changed; None means that anything may have, as after a lost connection."""

    kind: Kind
    keys: frozenset[tuple[str, str]] | None


class Hints:
    """One process's end of the hints: :meth:`tell` to send, :meth:`subscribe` to hear, between start and stop."""

    def __init__(self, pool: asyncpg.Pool, dsn: str | None, *, name: str = "hints") -> None:
        self._pool = pool
        self._dsn = dsn
        self._name = name
        self._callbacks: list[Callable[[Hint], None]] = []
        self._pending: dict[Kind, set[tuple[str, str]]] = {"artifact": set(), "work": set()}
        self._sender: asyncio.Task[None] | None = None
        self._listener: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()

    def subscribe(self, callback: Callable[[Hint], None]) -> None:
        """Call ``callback`` with every hint that arrives; it must not block."""
        self._callbacks.append(callback)

    def start(self) -> None:
        """Begin to listen, where there is a direct address to listen on."""
        if self._dsn is not None and can_listen(self._dsn):
            self._listener = asyncio.create_task(self._listen(self._dsn), name="hints")

    async def stop(self) -> None:
        """Send what is pending, then end."""
        if self._sender is not None:
            await asyncio.gather(self._sender, return_exceptions=True)
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    def tell(self, kind: Kind, product: str, key: str) -> None:
        """Tell every process about one key, soon and together with others. Call it after the commit."""
        self._pending[kind].add((product, key))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())

    async def _send(self) -> None:
        try:
            while any(self._pending.values()):
                pending, self._pending = self._pending, {"artifact": set(), "work": set()}
                for kind, keys in pending.items():
                    if keys:
                        await self._notify(kind, keys)
                await asyncio.sleep(BURST_S)
        finally:
            self._sender = None

    async def _notify(self, kind: Kind, keys: set[tuple[str, str]]) -> None:
        payload = json.dumps([kind, sorted(keys)], separators=(",", ":"))
        if len(payload.encode()) > MOST_BYTES:
            payload = json.dumps([kind, None])
        try:
            await self._pool.execute(SQL.get("send_hint"), CHANNEL, payload)
        except DATABASE_ERRORS as error:
            swallowed("hints.tell", error)
            log.warning("hints.lost kind=%s keys=%d error=%s", kind, len(keys), error)

    async def _listen(self, dsn: str) -> None:
        pause_s = 0.1
        while True:
            try:
                await self._hear(dsn)
            except DATABASE_ERRORS as error:
                swallowed("hints.listen", error)
                log.warning("hints.deaf error=%s: %s", type(error).__name__, error)
            self.listening.clear()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 5.0)

    async def _hear(self, dsn: str) -> None:
        conn = await connect(dsn, name=self._name)
        try:
            gone = asyncio.Event()
            conn.add_termination_listener(lambda _: gone.set())
            await conn.add_listener(CHANNEL, self._heard)
            self.listening.set()
            self._call(Hint("artifact", None))
            self._call(Hint("work", None))
            self._call(Hint("flag", None))
            await gone.wait()
        finally:
            await conn.close(timeout=1) if not conn.is_closed() else None

    def _heard(self, _conn: Any, _pid: int, _channel: str, payload: object) -> None:
        kind, keys = json.loads(str(payload))
        self._call(Hint(kind, None if keys is None else frozenset((product, key) for product, key in keys)))

    def _call(self, hint: Hint) -> None:
        for callback in self._callbacks:
            callback(hint)
