"""What stands before every request: a limit on bodies, the origin of changes, and the headers of every answer.

Plain ASGI, so that a stream passes through without a buffer.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openbell.web.errors import OriginRefused, TooLarge, WebError, respond

log = logging.getLogger(__name__)

BODY_BYTES_MAX = 64 * 1024
BODY_S = 20.0
"""For a body, from when it is first asked for."""
SENTENCE_TOO_LARGE = f"The body is above {BODY_BYTES_MAX} bytes."
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
DEMANDS = ("GET", "/api/v1/stream")
"""The reading that has something done: an open stream is demand, and any page can open one, be it as an image."""
# The chart library writes one <style> for its logo; this is its hash, so that 'unsafe-inline' is not needed.
CHART_STYLE = "'sha256-3pRED1tOXas1FXFoPb9TGCjmYe9XQsmO9OV23khV2nY='"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        f"style-src 'self' {CHART_STYLE}",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


RAW_HEADERS = tuple((name.lower().encode(), value.encode()) for name, value in HEADERS.items())


class Guard:
    """The outermost layer. Pages of `allowed_origins` may change things and watch, as our own may."""

    def __init__(self, app: ASGIApp, *, allowed_origins: Sequence[str] = ()) -> None:
        self.app = app
        self.allowed = frozenset(o.rstrip("/") for o in allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = secrets.token_hex(6)
        scope.setdefault("state", {})["request_id"] = request_id
        began = time.perf_counter()

        started = False

        async def dress(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                took_ms = (time.perf_counter() - began) * 1_000
                given = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(one for one in RAW_HEADERS if one[0] not in given),
                    (b"x-request-id", request_id.encode()),
                    (b"server-timing", f"app;dur={took_ms:.1f}".encode()),
                ]
            await send(message)

        refusal = self.refuse(scope)
        if refusal is not None:
            await respond(Request(scope), refusal)(scope, receive, dress)
            return
        try:
            await self.app(scope, Limited(receive), dress)
        except Exception as error:
            route = getattr(scope.get("route"), "path", "?")  # not the path, which may hold the token of a link
            log.exception("request.failed id=%s route=%s", request_id, route)
            if started:
                raise
            await respond(Request(scope), error)(scope, receive, dress)

    def refuse(self, scope: Scope) -> WebError | None:
        """Why this request may not pass, or None."""
        if scope["method"] in SAFE and (scope["method"], scope["path"]) != DEMANDS:
            return None
        headers = Headers(scope=scope)
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > BODY_BYTES_MAX:
            return TooLarge(SENTENCE_TOO_LARGE)
        origin = headers.get("origin")
        if origin in self.allowed:
            return None
        site = headers.get("sec-fetch-site")
        foreign = site not in (None, "same-origin", "none")
        if origin is not None and (origin == "null" or _netloc(origin) != headers.get("host", "")):
            foreign = True
        if not foreign:
            return None
        return OriginRefused(
            "A page of another origin may not change anything here, nor ask for anything fresh.",
            todo="Add its origin to ALLOWED_ORIGINS if it is yours.",
        )


def _netloc(origin: str) -> str | None:
    """Host and port of an origin; None where it is none, such as `http://[`."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


class Limited:
    """A `receive` that breaks off a body above the limit, also one that did not tell its length, and one that drips."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.taken = 0
        self.until: float | None = 0.0

    async def __call__(self) -> Message:
        """The next part of the body."""
        if self.until is None:  # the body is there; what comes next is that the client goes, whenever it does
            return await self.receive()
        if not self.until:
            self.until = asyncio.get_running_loop().time() + BODY_S
        try:
            async with asyncio.timeout_at(self.until):
                message = await self.receive()
        except TimeoutError:
            self.until = None
            raise HTTPException(408, f"The body did not come within {BODY_S:g} seconds.") from None
        if not message.get("more_body"):
            self.until = None
        if message["type"] == "http.request":
            self.taken += len(message.get("body", b""))
            if self.taken > BODY_BYTES_MAX:
                raise HTTPException(413, SENTENCE_TOO_LARGE)  # the framework lets this kind through
        return message
