"""absurd, by its own database functions, which are all that its clients call."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import absurdctl
import asyncpg

from tests.conformance.suite import Engine, NotOffered, Seen
from tests.support import watch


class Absurd(Engine):
    """A claim is a run: a second attempt is a run of its own."""

    name = "absurd"
    how = "its database functions"

    async def open(self, dsn: str) -> str:
        self.connection = await asyncpg.connect(dsn)
        await self.connection.execute(absurdctl.BUNDLED_SCHEMA_SQL)
        await self.connection.execute("select absurd.create_queue('q')")
        return version("absurd-sdk")

    async def close(self) -> None:
        await self.connection.close()

    async def add(self) -> None:
        options = '{"max_attempts": 5, "retry_strategy": {"kind": "none"}}'
        self.task = await self.connection.fetchval(
            "select task_id from absurd.spawn_task('q', 'work', '{}', $1::jsonb)", options
        )

    async def claim(self, worker: str) -> Any:
        statement = "select * from absurd.claim_task('q', $1, 30, 1)"
        # A new run may become due a moment after the old one was given up.
        row = await watch(lambda: self.connection.fetchrow(statement, worker), 10, every_s=0.1)
        if row is None:
            raise NotOffered("the job did not come back within 10 s")
        return row

    async def lapse(self, claim: Any) -> None:
        await self.connection.execute(
            "update absurd.r_q set claim_expires_at = absurd.current_time() - interval '1 second' where run_id = $1",
            claim["run_id"],
        )

    async def succeed(self, claim: Any) -> None:
        await self.connection.execute("select absurd.complete_run('q', $1, '{}')", claim["run_id"])

    async def fail(self, claim: Any) -> None:
        await self.connection.execute("select absurd.fail_run('q', $1, '{}')", claim["run_id"])

    async def beat(self, claim: Any) -> None:
        await self.connection.execute("select absurd.extend_claim('q', $1, 60)", claim["run_id"])

    async def is_lapsed(self, claim: Any) -> bool:
        lapsed: bool = await self.connection.fetchval(
            "select claim_expires_at <= absurd.current_time() from absurd.r_q where run_id = $1", claim["run_id"]
        )
        return lapsed

    async def look(self) -> Seen:
        row = await self.connection.fetchrow(
            "select t.state, r.claimed_by from absurd.t_q t"
            " join absurd.r_q r on r.run_id = t.last_attempt_run where t.task_id = $1",
            self.task,
        )
        if row["state"] == "running":
            return Seen("running", row["claimed_by"])
        if row["state"] == "completed":
            return Seen("succeeded", result=row["claimed_by"])
        return Seen("failed" if row["state"] in ("failed", "cancelled") else "waiting")
