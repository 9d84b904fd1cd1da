"""Fresh databases for tests, copied ahead of time.

A copy takes a tenth of a second, and nearly every test wants one: a thread makes the next ones while a test runs, and
drops those that are done with.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from tests.support import TestServer

AHEAD = 3
PATIENCE_S = 120.0
WEB_ROLE = "openbell_web_of_tests"
"""What web processes of tests come as; the template has granted it what they need."""


class Databases:
    """Copies of a template, one after the other."""

    def __init__(self, server: TestServer, template: str) -> None:
        self._server, self._template = server, template
        self._ready: queue.Queue[str | BaseException] = queue.Queue()
        self._wishes: queue.Queue[str | None] = queue.Queue()
        """Names to drop; an empty one asks for another copy, None for the end."""
        self._names = (f"openbell_test_{os.getpid()}_{n}" for n in itertools.count(1))

    def take(self) -> str:
        """The name of a fresh database; whoever takes it gives it back."""
        self._wishes.put("")
        name = self._ready.get(timeout=PATIENCE_S)
        if isinstance(name, BaseException):
            raise name
        return name

    def give_back(self, name: str) -> None:
        """Drop it, some time."""
        self._wishes.put(name)

    @contextmanager
    def made(self) -> Iterator[Databases]:
        """Makes and drops until the block ends; then none is left."""
        for _ in range(AHEAD):
            self._wishes.put("")
        thread = threading.Thread(target=lambda: asyncio.run(self._work()), name="databases")
        thread.start()
        try:
            yield self
        finally:
            self._wishes.put(None)
            thread.join()

    async def _work(self) -> None:
        connection = await asyncpg.connect(self._server.admin_dsn)
        try:
            while (wish := self._wishes.get()) is not None:
                try:
                    await self._fulfil(connection, wish)
                except Exception as error:  # noqa: BLE001 - the test that takes the next one tells
                    self._ready.put(error)
            while not self._ready.empty():
                if isinstance(left := self._ready.get(), str):
                    await connection.execute(f"drop database {left} with (force)")
        finally:
            await connection.close()

    async def _fulfil(self, connection: asyncpg.Connection, wish: str) -> None:
        if wish:
            await connection.execute(f"drop database {wish} with (force)")
            return
        name = next(self._names)
        await connection.execute(f"create database {name} template {self._template} strategy file_copy")
        self._ready.put(name)
