"""A few demands at a time: a crowd that asks for work must not keep the process from those who read what is there."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATH = "/api/v1/demand"
AT_ONCE = 8
"""Enough to fill a statement while another one runs. Each is a millisecond or two of processor time for the loop."""


class Turns:
    """Lets so many demands at once be worked at, each once its body is there; the others wait in order. Plain ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._room = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; a demand when it is its turn."""
        if scope["type"] != "http" or scope["path"] != PATH:
            await self.app(scope, receive, send)
            return
        has_turn = False

        async def heard() -> Message:
            nonlocal has_turn
            message = await receive()
            if not has_turn and message["type"] == "http.request" and not message.get("more_body"):
                await self._room.acquire()  # not before: a body that drips would keep the turn of another
                has_turn = True
            return message

        try:
            await self.app(scope, heard, send)
        finally:
            if has_turn:
                self._room.release()
