"""The HTTP API for programs: ask, wait, watch. One implementation; `blocking` runs it for those without a loop."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import date
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from openbell.client.errors import ClientError, Missing, NotOpenbell, Unavailable, Unreachable, from_answer
from openbell.client.events import Event, read_events
from openbell.client.results import SETTLED, Artifact, Costs, Explanation, Product, Table, Wanted

URL = "http://127.0.0.1:8000"
TIMEOUT_S = 10.0
CONNECTIONS_MAX, CONNECTIONS_IDLE = 1_000, 20
"""Connections at once: each watch has one, and each `get` while it waits."""
SILENCE_S = 45.0
"""A stream that says nothing for so long is dead: the server sends a sign of life every 15 seconds."""
PAUSE_FIRST_S, PAUSE_MAX_S = 0.5, 30.0
LEASE_MIN_S = 15.0
LEASE_MAX_S = 3_600.0

_TOKEN = re.compile(r"[\w.~+/=-]{8,200}", re.ASCII)

Key = tuple[str, str]
"""Product and key, such as ("quote", "AAPL")."""

R = TypeVar("R", bound=BaseModel)


class Client:
    """A web process of Openbell. Use it in ``async with``, or ``close`` it.

    ``token`` is one of those that the account page makes; without one the client is whoever sits at that machine, or a
    stranger. It is sent to ``url`` alone, and stands in no message. ``timeout_s`` is for connecting and for an answer,
    ``pause_max_s`` the longest wait before a watch connects again.

    Every method raises :class:`Unreachable`, :class:`NotOpenbell`, :class:`Unavailable`, and of :class:`ApiError` what
    it names. Raises :class:`ClientError` for a ``url`` that is no address.
    """

    def __init__(
        self,
        url: str = URL,
        *,
        token: str | None = None,
        timeout_s: float = TIMEOUT_S,
        pause_max_s: float = PAUSE_MAX_S,
    ) -> None:
        self.url = _address(url)
        self.pause_max_s = pause_max_s
        limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_IDLE)
        if token is not None and not _TOKEN.fullmatch(token):
            raise ClientError("That is no token: one is letters, digits and _ without blanks, and begins with ob_.")
        headers = {"Authorization": f"Bearer {token}"} if token else None
        self._http = httpx.AsyncClient(base_url=self.url, timeout=timeout_s, limits=limits, headers=headers)
        self._tables: dict[str, Table | None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def products(self) -> list[Product]:
        """The data types and the policy in force for each."""
        told = await self._ask("GET", "/api/v1/products")
        return [_parse(Product, one) for one in _list(told, "products")]

    async def read(self, product: str, key: str) -> Artifact:
        """What is known of one key now, whatever its age. Asks nobody to make anything.

        Raises :class:`Missing`, :class:`UnknownProduct`, :class:`InvalidKey`.
        """
        return await self._artifact(await self._ask("GET", _path(product, key)))

    async def demand(self, keys: Iterable[Key], seconds: float = 30.0) -> list[Wanted]:
        """Want these keys for some seconds (at most 3,600; at most 200 keys). What is not fresh is queued at once.

        Wanted keys are kept fresh, which may cost money within the operator's budgets. Raises :class:`InvalidRequest`.
        """
        wish = {"items": [{"product": product, "key": key} for product, key in keys], "seconds": seconds}
        told = await self._ask("POST", "/api/v1/demand", json=wish)
        return [_parse(Wanted, one) for one in _list(told, "items")]

    async def get(self, product: str, key: str, *, wait: float = 15.0) -> Artifact:
        """Demand a key, wait up to ``wait`` seconds until it is fresh, and give what is known then.

        An older value is given when the time is over or the key could not be made; ``state`` and ``reason`` say so.
        Raises :class:`Missing` when there is none at all, :class:`UnknownProduct`, :class:`InvalidKey`.
        """
        (wanted,) = await self.demand([(product, key)], seconds=min(max(wait, LEASE_MIN_S), LEASE_MAX_S))
        last = None if wait <= 0 or wanted.state in SETTLED else await self._settled(product, key, wait)
        if last is None:
            return await self.read(product, key)
        if last.state == "missing":
            raise Missing(
                f"There is no {last.product} of {last.key} after {wait:g} s. {last.reason}",
                code="artifact_missing",
                status=404,
            )
        return last

    async def why(self, product: str, key: str) -> Explanation:
        """Why a key is not running or not fresh: each gate in its way, and when work is expected to begin.

        Raises :class:`UnknownProduct`, :class:`InvalidKey`.
        """
        return _parse(Explanation, await self._ask("GET", f"{_path(product, key)}/why"))

    async def costs(self, by: str = "product", since: date | None = None) -> Costs:
        """What calls have cost since a day of UTC, by product, provider, user, week, operation or day.

        Without a day: the last 30 days, by week the last eight weeks. Raises :class:`InvalidRequest`.
        """
        asked = {"by": by} | ({"since": since.isoformat()} if since else {})
        return _parse(Costs, await self._ask("GET", "/api/v1/costs", params=asked))

    async def watch(self, keys: Iterable[Key]) -> AsyncGenerator[Artifact, None]:
        """The state of each key now, then every change of it; keys stay wanted and fresh for as long as you watch.

        A connection that breaks is opened again, and what changed meanwhile comes then: states in between may be
        missed, the last one never. At most 200 keys. Raises what the first connection meets, and later only what a
        reconnect cannot mend.
        """
        watched = [("watch", f"{product}:{key}") for product, key in keys]
        seen: dict[Key, tuple[object, ...]] = {}
        failures = 0
        while True:
            hint_s = None
            try:
                async with aclosing(self._stream(watched)) as events:
                    async for event in events:
                        failures = 0
                        hint_s = event.retry_s if event.retry_s is not None else hint_s
                        if event.name != "artifact":
                            continue
                        found = await self._artifact(_json(event.data))
                        if seen.get((found.product, found.key)) != (mark := _mark(found)):
                            seen[found.product, found.key] = mark
                            yield found
            except (Unreachable, Unavailable):
                if not seen:
                    raise
            failures += 1
            backoff_s = PAUSE_FIRST_S * 2 ** min(failures - 1, 10) * random.uniform(0.5, 1)  # noqa: S311 -- no secret
            await asyncio.sleep(min(hint_s if hint_s is not None else backoff_s, self.pause_max_s))

    async def _settled(self, product: str, key: str, wait: float) -> Artifact | None:
        """The last state within the time; at once when waiting longer cannot change it."""
        last = None
        try:
            async with asyncio.timeout(wait), aclosing(self.watch([(product, key)])) as changes:
                async for last in changes:
                    if last.settled:
                        break
        except TimeoutError:
            pass
        return last

    async def _stream(self, watched: Sequence[tuple[str, str]]) -> AsyncGenerator[Event, None]:
        """One connection, to its end."""
        timeout = httpx.Timeout(self._http.timeout.connect, read=SILENCE_S)
        try:
            async with self._http.stream("GET", "/api/v1/stream", params=tuple(watched), timeout=timeout) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise _error(answer, await answer.aread())
                async with aclosing(read_events(answer.aiter_bytes())) as events:
                    async for event in events:
                        yield event
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    async def _ask(self, method: str, path: str, **request: Any) -> Any:
        """The JSON of one answer. Raises :class:`ClientError` for all that is none."""
        try:
            answer = await self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if not answer.is_success:
            raise _error(answer, answer.content)
        return _json(answer.content)

    def _unreachable(self, error: Exception) -> Unreachable:
        what = str(error) or type(error).__name__
        return Unreachable(f"Openbell does not answer at {self.url} ({what}). Is `openbell up` running there?")

    async def _artifact(self, told: Any) -> Artifact:
        """With the columns of its rows, where it has rows; the columns are asked for once."""
        found = _parse(Artifact, told)
        if not isinstance(found.value, dict) or not any(isinstance(one, list) for one in found.value.values()):
            return found
        if self._tables is None or found.product not in self._tables:
            self._tables = {one.name: one.table for one in await self.products()}
        return found.model_copy(update={"table": self._tables.get(found.product)})


def _address(url: str) -> str:
    """The address without a slash at its end. Raises :class:`ClientError` for what is none."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL()
    if parts.scheme not in ("http", "https") or not parts.host:
        raise ClientError(f"{url!r} is no address: write one such as {URL}.")
    return url.rstrip("/")


def _path(product: str, key: str) -> str:
    return f"/api/v1/artifacts/{quote(product, safe='')}/{quote(key, safe='')}"


def _mark(found: Artifact) -> tuple[object, ...]:
    """Changes whenever a reader would see something else; an age alone is no change."""
    return found.version, found.state, found.checked_at, found.source_time, found.fresh_until, found.job, found.setback


def _json(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError as error:
        raise NotOpenbell("The answer is no JSON. Check the address.") from error


def _error(answer: httpx.Response, body: bytes) -> ClientError:
    try:
        told = _json(body)
    except NotOpenbell:
        told = None
    return from_answer(answer.status_code, told, answer.headers.get("retry-after"))


def _parse(kind: type[R], told: Any) -> R:
    try:
        return kind.model_validate(told)
    except ValidationError as error:
        raise NotOpenbell(f"The answer is no {kind.__name__} as this client knows it: {error}") from error


def _list(told: Any, name: str) -> list[Any]:
    found = told.get(name) if isinstance(told, Mapping) else None
    if not isinstance(found, list):
        raise NotOpenbell(f"The answer has no {name}. Check the address.")
    return found
