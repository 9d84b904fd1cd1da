"""Writing what must not be lost: a result that was paid for is written as soon as the database is back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

log = logging.getLogger(__name__)

PERSIST_S = 60.0

T = TypeVar("T")

DATABASE_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut while it was idle
    OSError,
    TimeoutError,
)
"""Everything that a database that is away, busy or restarting can answer with."""

_PASSING = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


def is_passing(error: BaseException) -> bool:
    """Whether the same statement may succeed later: the server is away or in conflict, the data is not at fault."""
    return isinstance(error, _PASSING) and not isinstance(error, asyncpg.DataError | ValueError)


async def persist(write: Callable[[], Awaitable[T]], *, within_s: float = PERSIST_S) -> T:
    """The answer of ``write``, tried again while the database is away or busy; raises its error after ``within_s``."""
    loop = asyncio.get_running_loop()
    until, pause_s = loop.time() + within_s, 0.05
    while True:
        try:
            return await write()
        except DATABASE_ERRORS as error:
            if not is_passing(error) or loop.time() > until:
                raise
            log.warning("database.write_delayed error=%s", type(error).__name__)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, 2.0)
