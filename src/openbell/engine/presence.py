"""Which web processes run, and of which code: what a contract migration waits for."""

from __future__ import annotations

import os
import socket
from datetime import timedelta

import asyncpg

from openbell.engine.database import SQL
from openbell.engine.duty import Duty
from openbell.postgres.migrate import newest

BEAT_S = 30.0
LEASE = timedelta(seconds=90)


class Presence(Duty):
    """Says once in a while that this web process runs, and what it knows; forgotten when it leaves."""

    name = "presence"

    def __init__(self, pool: asyncpg.Pool) -> None:
        super().__init__()
        self._pool, self._name = pool, f"{socket.gethostname()}:{os.getpid()}"

    async def beat(self) -> float:
        """Say so once."""
        await self._pool.execute(SQL.get("beat_web"), self._name, newest(), LEASE)
        return BEAT_S

    async def stop(self) -> None:
        """Leave in order."""
        await super().stop()
        await self._pool.execute(SQL.get("remove_web"), self._name)
