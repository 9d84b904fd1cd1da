"""The database as the web process sees it: it may be away at the start, go away, and come back, without a restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import asyncpg

from openbell.engine.artifacts import Reading, read_many
from openbell.engine.combiner import Combiner
from openbell.engine.demand import Interest, Wish, want_all
from openbell.engine.hints import Hint, Hints
from openbell.engine.persist import DATABASE_ERRORS
from openbell.engine.presence import Presence
from openbell.engine.sweep import QueuedJob
from openbell.postgres.errors import PostgresError
from openbell.postgres.migrate import lacking
from openbell.postgres.pool import open_pool
from openbell.postgres.queries import Queries
from openbell.telemetry.tally import swallowed
from openbell.web.errors import DatabaseUnavailable
from openbell.web.reads import Answer

SQL = Queries("openbell.web")

log = logging.getLogger(__name__)

Watch = tuple[str, str]  # product and key

ANSWER_S = 5.0  # how long a request waits for the database before it says that there is none
RETRY_FIRST_S, RETRY_MAX_S = 0.2, 2.0
GONE = (
    OSError,
    TimeoutError,
    PostgresError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.QueryCanceledError,
)
NOT_MIGRATED = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.UndefinedFunctionError)


class Database:
    """One pool, one register of interest and one listener for hints; all three come when the server does."""

    def __init__(self, dsn: str, direct_dsn: str | None, source: str, on_hint: Callable[[Hint], None]) -> None:
        self.dsn = dsn
        self.direct_dsn = direct_dsn
        self.source = source
        self.on_hint = on_hint
        self.pool: asyncpg.Pool | None = None
        self.interest: Interest | None = None
        self.presence: Presence | None = None
        self.hints: Hints | None = None
        self._task: asyncio.Task[None] | None = None
        self._migrated = False
        self._reads = Combiner(self._read)
        self._wants = Combiner(self._want)

    def start(self) -> None:
        """Begin to connect; does not wait."""
        self._task = asyncio.create_task(self._connect(), name="database")

    async def stop(self) -> None:
        """End everything within a few seconds, whether or not the server still answers."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for part in (self.interest, self.presence, self.hints):
            if part is not None:
                await quietly(part.stop(), 2.0)
        if self.pool is not None and not await quietly(self.pool.close(), 1.0):
            self.pool.terminate()

    async def _connect(self) -> None:
        pool = await self._open()
        self.hints = Hints(pool, self.direct_dsn, name="web hints")
        self.hints.subscribe(self.on_hint)
        self.hints.start()
        self.interest = Interest(pool, self.source, self.hints)
        self.interest.start()
        self.presence = Presence(pool)
        self.presence.start()
        self.pool = pool
        log.info("database.ready")

    async def _open(self) -> asyncpg.Pool:
        """A pool, however long the server takes to come."""
        pause_s = RETRY_FIRST_S
        while True:
            try:
                return await open_pool(self.dsn, name="web", statement_timeout_s=ANSWER_S)
            except (*GONE, asyncpg.PostgresError) as error:
                swallowed("web.connect", error)
                log.warning("database.away error=%s: %s", type(error).__name__, error)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, RETRY_MAX_S)

    @asynccontextmanager
    async def use(self, limit_s: float = ANSWER_S) -> AsyncIterator[asyncpg.Pool]:
        """The pool; whatever says that the server is away becomes DatabaseUnavailable."""
        if self.pool is None:
            raise DatabaseUnavailable
        try:
            async with asyncio.timeout(limit_s):
                yield self.pool
        except GONE as error:
            log.warning("database.away error=%s: %s", type(error).__name__, error)
            raise DatabaseUnavailable from error
        except NOT_MIGRATED as error:
            self._migrated = False
            raise DatabaseUnavailable(
                "The database is not migrated to this version. An operator can run: openbell migrate",
                code="database_not_migrated",
            ) from error

    async def read(self, product: str, key: str) -> Reading:
        """What is known of one key now."""
        return (await self.answer(product, key)).reading

    async def answer(self, product: str, key: str) -> Answer:
        """The same, ready to be sent. All who ask at the same time share a statement, and an answer a key."""
        try:
            async with asyncio.timeout(ANSWER_S):  # of this reader: the statement before its own may hang, too
                return await self._reads.ask((product, key))
        except TimeoutError as error:
            raise DatabaseUnavailable from error

    async def _read(self, wanted: list[Watch]) -> list[Answer]:
        keys = list(dict.fromkeys(wanted))
        async with self.use() as db:
            known = dict(zip(keys, map(Answer, await read_many(db, keys)), strict=True))
        return [known[key] for key in wanted]

    async def want(self, keys: Sequence[Watch], *, source: str, seconds: float) -> list[QueuedJob]:
        """Demand for a time without a stream: what a request or a form asks for. Workers hear of it at once.

        All who ask at the same time share a connection: a crowd must not take them from those who read.
        """
        try:
            async with asyncio.timeout(2 * ANSWER_S):  # the statement before its own may take as long as its own
                return await self._wants.ask(Wish(keys, source, seconds))
        except TimeoutError as error:
            raise DatabaseUnavailable from error

    async def _want(self, wishes: list[Wish]) -> list[list[QueuedJob]]:
        async with self.use() as db:
            queued = await want_all(db, wishes)
        for job in {job.id: job for jobs in queued for job in jobs}.values():
            if self.hints is not None:
                self.hints.tell("work", job.product, job.key)
        return queued

    async def read_some(self, keys: Sequence[Watch]) -> list[Reading]:
        """What is known of some keys now, by the statement that readers share."""
        return [answer.reading for answer in await asyncio.gather(*(self.answer(*key) for key in keys))]

    async def watch(self, keys: Sequence[Watch]) -> None:
        """One more viewer of these keys, until `unwatch`. Raises DatabaseUnavailable, and then nothing is counted."""
        if self.interest is None:
            raise DatabaseUnavailable
        try:
            async with self.use():
                await self.interest.add(keys)
        except BaseException:
            await self.unwatch(keys)
            raise

    async def unwatch(self, keys: Sequence[Watch]) -> None:
        """One viewer less. If the database is away, the leases run out by themselves."""
        if self.interest is not None:
            await quietly(self.interest.drop(keys), 1.0)

    async def missing_migrations(self) -> list[str]:
        """What this code needs and the database has not; asked until nothing is missing, then remembered."""
        if self._migrated:
            return []
        missing = await lacking(self.dsn)
        self._migrated = not missing
        return missing


async def quietly(work: Awaitable[object], limit_s: float) -> bool:
    """Wait for a goodbye, but not long; True when it was said in time."""
    try:
        async with asyncio.timeout(limit_s):
            await work
    except DATABASE_ERRORS as error:
        swallowed("web.goodbye", error)
        return False
    return True
