"""Reads of results ahead of the framework: what is known is answered by ready bytes, made once for all who ask now.

Only plain hits are answered here, with a value or with 304. Everything else (unknown products, wrong keys, nothing
known yet, a database that is away) goes on to the route of :mod:`openbell.web.api`, so that there is one definition of
errors, and one description of the API.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic_core import to_json
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from openbell.engine.artifacts import Reading
from openbell.engine.errors import EngineError
from openbell.products.forecast.uploads import brought_in
from openbell.products.licences import is_reserved
from openbell.web.errors import WebError, respond

if TYPE_CHECKING:
    from openbell.engine.registry import Registry
    from openbell.web.backend import Database

PATH = "/api/v1/artifacts/"
ASIDE = "/why"
"""A path below a result that is not a result."""
GZIP_BYTES_MIN = 1_000
GZIP_LEVEL = 6

RawHeaders = list[tuple[bytes, bytes]]


class Answer:
    """One reading as HTTP tells it; encoded when somebody first needs it, and shared by all who read with him."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    @cached_property
    def etag(self) -> str:
        """The weak tag."""
        return f'W/"{self.reading.etag}"'

    @cached_property
    def headers(self) -> dict[str, str]:
        """Tag and freshness, as of a 200 and a 304 alike."""
        return {"ETag": self.etag, "Cache-Control": cache_control(self.reading)}

    @cached_property
    def body(self) -> bytes:
        """The JSON."""
        return to_json(self.reading.as_json())

    @cached_property
    def same(self) -> RawHeaders:
        """What a 304 says."""
        return [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]

    @cached_property
    def plain(self) -> tuple[RawHeaders, bytes]:
        """Headers and body for those who take no other encoding."""
        return self._dressed(self.body, [])

    @cached_property
    def zipped(self) -> tuple[RawHeaders, bytes]:
        """The same for those who take gzip."""
        if len(self.body) < GZIP_BYTES_MIN:
            return self.plain
        return self._dressed(gzip.compress(self.body, GZIP_LEVEL, mtime=0), [(b"content-encoding", b"gzip")])

    def _dressed(self, body: bytes, encoding: RawHeaders) -> tuple[RawHeaders, bytes]:
        vary: RawHeaders = [(b"vary", b"Accept-Encoding")] if len(self.body) >= GZIP_BYTES_MIN else []
        length = (b"content-length", str(len(body)).encode())
        return [*self.same, length, (b"content-type", b"application/json"), *vary, *encoding], body


def cache_control(reading: Reading) -> str:
    """The same two times as everywhere: fresh until, and after that how long the old value may stand in.

    Private: a licence to show data to one reader is no licence for a shared cache.
    """
    if reading.fresh_until is None or reading.stale_until is None:
        return "private, no-cache"
    fresh = max(0, math.floor((reading.fresh_until - reading.now).total_seconds()))
    late = max(0, math.floor((reading.stale_until - max(reading.fresh_until, reading.now)).total_seconds()))
    if not fresh:
        return f"private, no-cache, stale-if-error={late}"
    return f"private, max-age={fresh}, stale-while-revalidate={late}, stale-if-error={late}"


def is_same(etag: str, none_match: str) -> bool:
    """Whether If-None-Match names this weak tag, or any there is: on a read the comparison is weak."""
    named = [tag.strip() for tag in none_match.split(",")]
    return etag in (tag if tag.startswith("W/") else f"W/{tag}" for tag in named) or named == ["*"]


class Reads:
    """Answers reads of what is known; passes everything else on. Plain ASGI."""

    def __init__(self, app: ASGIApp, *, database: Database, registry: Registry, held: Collection[str] = ()) -> None:
        self.app, self.database, self.registry, self.held = app, database, registry, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        is_read = scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith(PATH)
        try:
            answer = await self._known(scope["path"]) if is_read else None
        except WebError as error:
            await respond(Request(scope), error)(scope, receive, send)
            return
        if answer is None:
            await self.app(scope, receive, send)
            return
        had = wants_gzip = b""
        for name, value in scope["headers"]:
            if name == b"if-none-match":
                had = value
            elif name == b"accept-encoding":
                wants_gzip = value
        if had and is_same(answer.etag, had.decode("latin-1")):
            await send({"type": "http.response.start", "status": 304, "headers": answer.same})
            await send({"type": "http.response.body", "body": b""})
            return
        headers, body = answer.zipped if b"gzip" in wants_gzip else answer.plain
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _known(self, path: str) -> Answer | None:
        if path.endswith(ASIDE):
            return None
        product, _, key = path[len(PATH) :].partition("/")
        try:
            canonical = self.registry.artifact(product).parse_key(key)
        except EngineError:
            return None
        if brought_in(product, canonical):
            return None  # the route asks whose it is
        answer = await self.database.answer(product, canonical)
        is_plain = answer.reading.state != "missing" and not is_reserved(answer.reading, self.held)
        return answer if is_plain else None
