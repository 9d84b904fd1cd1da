"""How the application is served: uvicorn over httptools, in production and in every test the same."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HEAD_BYTES_MAX = 64 * 1024
"""Of the head of a request; 200 watched keys need a tenth of it."""
HEAD_S = 15.0
"""For a head from its first byte, and for the first one from the connection on; slower ones are broken off."""


class Protocol(HttpToolsProtocol):
    """Breaks off a head that does not end, which the parser would collect; keeps little for a stream."""

    __slots__ = (
        "_head_bytes",
        "_head_timer",
        "_rests",
        "_silent",
    )  # not in the dict, which has no room for more without growing

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._head_bytes: int | None = 0  # None behind the head
        self._rests = False
        self._silent = True
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Somebody has come, and may take so long to say what for."""
        super().connection_made(transport)
        # asyncio does so only where the listening socket names its protocol, which ours does not: head and body leave
        # apart, and the body of each further answer on a connection would wait 40 ms for the other side to confirm.
        line = transport.get_extra_info("socket")
        if line is not None and line.family in (socket.AF_INET, socket.AF_INET6):
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._time()

    def connection_lost(self, exc: Exception | None) -> None:
        """They have gone."""
        self._untime()
        super().connection_lost(exc)

    def _time(self) -> None:
        self._untime()
        self._head_timer = self.loop.call_later(HEAD_S, self._too_slow)

    def _untime(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if self._silent:
            self.transport.close()
        elif not self.transport.is_closing():
            self.send_400_response(f"The head of the request did not come within {HEAD_S:g} seconds.")

    def data_received(self, data: bytes) -> None:
        """Take what came; nothing may come behind the request for a stream, which is not over."""
        if self._rests:
            self.transport.close()
            return
        self._silent = False
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self.send_400_response(f"The head of the request is above {HEAD_BYTES_MAX} bytes.")

    def on_message_begin(self) -> None:
        """A head begins."""
        self._head_bytes = 0
        if self._head_timer is None:
            self._time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head has ended."""
        self._head_bytes = None
        self._untime()
        super().on_headers_complete()

    def rest(self) -> None:
        """Keep no parser while a stream is open: it is 2 kB, and ten thousand of them 20 MB."""
        if not self.pipeline:
            self._rests, self.headers = True, []
            self.parser = None  # type: ignore[assignment]

    def on_response_complete(self) -> None:
        """Parse again, if the connection is kept."""
        if self._rests and not self.transport.is_closing():
            self._rests, self.parser = False, httptools.HttpRequestParser(self)
        super().on_response_complete()


def rest(line: RequestResponseCycle) -> None:
    """The answer on this line is a stream: keep for it what it needs."""
    protocol = getattr(line.on_response, "__self__", None)
    if isinstance(protocol, Protocol):
        protocol.rest()


def configure(app: ASGIApp, *, grace_s: int, **settings: Any) -> uvicorn.Config:
    """Settings of a server for this application; ``grace_s`` is what requests have left when it is asked to stop."""
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=grace_s,
        **settings,
    )
