"""How the application is served: uvicorn over httptools, in production and in every test the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp

HEAD_BYTES_MAX = 64 * 1024
"""Of the head of a request; 200 watched keys need a tenth of it."""


class Protocol(HttpToolsProtocol):
    """Breaks off a head that does not end, which the parser itself would collect without a limit."""

    _in_head = True
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self.send_400_response(f"The head of the request is above {HEAD_BYTES_MAX} bytes.")

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head has ended."""
        self._in_head = False
        super().on_headers_complete()


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
