"""One HTTP exchange of a provider client: one attempt, marked as sent, metered, bounded, its failures typed.

Every client that speaks HTTP goes through :func:`exchange`, so that no request leaves without its mark and no answer is
larger than was bargained for. What an answer means is for the client to say; only network trouble and the provider's
own failures (HTTP 500 and above) are judged here.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic_core import from_json

from openbell.engine import answers
from openbell.engine.errors import Permanent, Transient
from openbell.engine.spends import Call

AROUND_S = 5.0
"""What a call may take beside one such wait: the way there, and a body that comes in pieces."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def text(self) -> str:
        """The body as text; bytes that are none are replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ``ValueError``."""
        return from_json(self.body)

    @property
    def synthetic(self) -> str | None:
        """As :func:`synthetic_of`."""
        return synthetic_of(self.headers)


def synthetic_of(headers: Mapping[str, str]) -> str | None:
    """What the data is, where its headers declare that it is not real (``X-Data-Class: synthetic; what it is``)."""
    kind, _, what = headers.get("x-data-class", "").partition(";")
    return (what.strip() or kind.strip()) if kind.strip() == "synthetic" else None


def call_time(timeout_s: float) -> timedelta:
    """How long a call may take in which each wait for the provider may take ``timeout_s``."""
    return timedelta(seconds=timeout_s + AROUND_S)


def open_http(base_url: str, *, timeout_s: float, headers: Mapping[str, str]) -> httpx.AsyncClient:
    """A connection pool to one provider. It follows no redirects, so that a key goes nowhere else."""
    return httpx.AsyncClient(
        base_url=base_url,
        headers={"user-agent": "openbell/0.1", **headers},
        timeout=httpx.Timeout(timeout_s),
        limits=httpx.Limits(max_connections=20, max_keepalive_connections=5),
    )


def host_of(http: httpx.AsyncClient) -> str:
    """Whom the client asks, for the source of a result: host and port, never more of the address."""
    return urlsplit(str(http.base_url)).netloc.rpartition("@")[2]


async def exchange(
    http: httpx.AsyncClient,
    call: Call,
    method: str,
    path: str,
    *,
    name: str,
    params: Mapping[str, str] | None = None,
    json: Any = None,
    content: bytes | None = None,
    files: Any = None,
    headers: Mapping[str, str] | None = None,
    most_bytes: int = 32 * 1024 * 1024,
) -> Answer:
    """Send one request and read its answer. ``name`` is the provider's, for people.

    Bytes are counted as transferred and told to the call. Raises :class:`Transient` with the code `unreachable`
    (nothing was sent, the spend is released), `timeout` or `broken` (it may have arrived), :class:`Permanent` with
    `too_large`, :class:`Fenced` when the attempt is no longer ours.
    """
    request = http.build_request(
        method, path, params=params, json=json, content=content, files=files, headers=dict(headers or {})
    )
    await call.sending()
    try:
        async with asyncio.timeout(None if math.isinf(call.left_s) else call.left_s):
            answer = await _send(http, call, request, most_bytes, name)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        call.never_sent("unreachable")
        call.trouble("unreachable")
        raise Transient(f"{name} could not be reached at {host_of(http)}", code="unreachable") from error
    except (httpx.TimeoutException, TimeoutError) as error:
        call.trouble("timeout")
        raise Transient(f"{name} did not answer in time", code="timeout") from error
    except httpx.HTTPError as error:
        call.trouble("broken")
        raise Transient(f"the connection to {name} broke: {type(error).__name__}", code="broken") from error
    if answer.status >= 500:
        call.trouble("outage")
        call.unclear(f"http_{answer.status}")
    elif answer.status < 300:
        answers.saw(name, call.operation, answer.body)
    return answer


async def _send(http: httpx.AsyncClient, call: Call, request: httpx.Request, most_bytes: int, name: str) -> Answer:
    response = await http.send(request, stream=True)
    try:
        body = bytearray()
        call.took(bytes=0)
        async for chunk in response.aiter_bytes():
            body += chunk
            call.took(bytes=response.num_bytes_downloaded)
            if len(body) > most_bytes:
                raise Permanent(f"the answer of {name} is larger than {most_bytes:,} bytes", code="too_large")
        return Answer(response.status_code, response.headers, bytes(body))
    finally:
        await response.aclose()
