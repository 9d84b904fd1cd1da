"""What tests share besides fixtures."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

POLL_S = 0.02
PATIENCE_S = 60.0
"""What has not come about by then will not: long, since a test that passes never waits so long, and machines stall."""

Value = TypeVar("Value")


async def eventually(
    predicate: Callable[[], Value | Awaitable[Value]], timeout: float = PATIENCE_S, *, message: str = ""
) -> Value:
    """Poll until the predicate (plain or async) gives something true, and give that back; fail after `timeout` seconds.

    A condition, not a sleep: it costs no more time than the system under test needs.
    """
    value = await watch(predicate, timeout)
    if not value:
        raise AssertionError(message or f"not true within {timeout:g} s; the last value was {value!r}")
    return value


async def watch(predicate: Callable[[], Value | Awaitable[Value]], timeout: float, *, every_s: float = POLL_S) -> Value:
    """Poll until the predicate gives something true or `timeout` seconds are over; what it gave last."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    while True:
        answer = predicate()
        value: Any = await answer if inspect.isawaitable(answer) else answer
        if value or loop.time() > end:
            return value
        await asyncio.sleep(every_s)


async def happens(event: asyncio.Event, within_s: float) -> bool:
    """Whether the event is set within so many seconds; comes back as soon as it is."""
    try:
        await asyncio.wait_for(event.wait(), within_s)
    except TimeoutError:
        return False
    return True


@dataclass(frozen=True)
class TestServer:
    """The PostgreSQL of a test session: an address with the right to make databases."""

    __test__ = False

    admin_dsn: str

    def dsn_of(self, database: str) -> str:
        """The address of one database of this server."""
        return urlunsplit(urlsplit(self.admin_dsn)._replace(path=f"/{database}"))

    async def execute(self, statement: str) -> None:
        """Run one statement outside any test database."""
        connection = await asyncpg.connect(self.admin_dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


class Clock:
    """The one clock of a test database: moving it moves every process that uses this database, at once."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def advance(self, step: timedelta | None = None, **parts: float) -> None:
        """Go forward: `await clock.advance(minutes=5)`."""
        await self._pool.execute(
            "update openbell.clock set shift = shift + $1", (step or timedelta()) + timedelta(**parts)
        )

    async def reset(self) -> None:
        """Back to real time."""
        await self._pool.execute("update openbell.clock set shift = interval '0'")

    async def now(self) -> Any:
        """The time that all decisions use now."""
        return await self._pool.fetchval("select openbell.now()")
