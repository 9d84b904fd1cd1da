"""Every migration of the project while others read, sweep and work; and killed midway.

The load speaks SQL that every schema from the first on understands: what a web process reads, what a sweep queues, what
a worker claims, publishes and ends. `openbell drill deploy` does the same with the real processes of two versions.
"""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import signal
import sys
from pathlib import Path

import asyncpg

import openbell.postgres
from openbell.postgres.migrate import LOCK_TIMEOUT_MS, load, migrate, pending
from tests.support import eventually

HERE = Path(openbell.postgres.__file__).parent / "migrations"
LONGEST_S = 4 * LOCK_TIMEOUT_MS / 1_000
"""What a lock may be waited for here, where machines stall; `openbell drill deploy` measures against the limit."""

READ = (
    "select a.*, p.ttl from openbell.product p left join openbell.artifact a on a.product = p.name where p.name = 'p'"
)
WANT = (
    "insert into openbell.demand values ($1, 'p', $2, 1, 1, openbell.now() + interval '1 minute')"
    " on conflict (product, key, source) do update set expires_at = excluded.expires_at"
)
SWEEP = (
    "insert into openbell.job (product, key, job_class, max_attempts) select d.product, d.key, d.job_class, 3"
    " from openbell.demand d left join openbell.job j on j.product = d.product and j.key = d.key where j.id is null"
    " on conflict (product, key) do nothing"
)
CLAIM = (
    "update openbell.job set worker = 1, token = id, attempt = attempt + 1, started_at = openbell.now() where id ="
    " (select id from openbell.job where token is null and parked_until is null limit 1 for update skip locked)"
    " returning id"
)
END = "delete from openbell.job where id = $1"
WAITED = (
    "select coalesce(max(extract(epoch from clock_timestamp() - waitstart)), 0)::float8 from pg_locks"
    " where not granted and locktype <> 'advisory'"
)
SHAPE = (
    "select string_agg(x, e'\\n' order by x) from ("
    " select format('%s.%s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull)"
    " from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace"
    " where n.nspname = 'openbell' and a.attnum > 0 and not a.attisdropped"
    " union all select format('%s %s', conname, pg_get_constraintdef(k.oid)) from pg_constraint k"
    " join pg_namespace n on n.oid = k.connamespace where n.nspname = 'openbell'"
    " union all select md5(pg_get_functiondef(f.oid)) from pg_proc f join pg_namespace n on n.oid = f.pronamespace"
    " where n.nspname = 'openbell' and f.prokind = 'f') s(x)"
)


class Load:
    """Readers, a sweep and workers, each on a connection of its own."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.done = dict.fromkeys(("read", "sweep", "work"), 0)
        self.waited = 0.0
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        for role in (self._read, self._read, self._sweep, self._work, self._work, self._watch):
            self._tasks.append(asyncio.create_task(self._play(role)))
        await self.goes_on()

    async def stop(self) -> None:
        """Raises what any request failed with."""
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def goes_on(self) -> None:
        """Until everybody has done something more."""
        before = dict(self.done)
        await eventually(lambda: self._failed() or all(self.done[name] > before[name] + 3 for name in before))

    def _failed(self) -> bool:
        return any(task.done() for task in self._tasks)

    async def _play(self, role: object) -> None:
        connection = await asyncpg.connect(self.dsn, statement_cache_size=0)
        try:
            while not self._stop.is_set():
                await role(connection)  # type: ignore[operator]
                await asyncio.sleep(0.002)
        finally:
            await connection.close()

    async def _read(self, connection: asyncpg.Connection) -> None:
        await connection.fetch(READ)
        self.done["read"] += 1

    async def _sweep(self, connection: asyncpg.Connection) -> None:
        await connection.execute(WANT, "view", f"k{self.done['sweep'] % 200}")
        await connection.execute(SWEEP)
        self.done["sweep"] += 1

    async def _work(self, connection: asyncpg.Connection) -> None:
        if claimed := await connection.fetchval(CLAIM):
            await connection.execute(END, claimed)
            self.done["work"] += 1

    async def _watch(self, connection: asyncpg.Connection) -> None:
        self.waited = max(self.waited, await connection.fetchval(WAITED))


def copy_first(numbered: list[str], folder: Path) -> None:
    folder.mkdir()
    for name in numbered:
        shutil.copy(HERE / f"{name}.sql", folder)


async def test_every_migration_runs_under_load(empty_dsn: str, tmp_path: Path) -> None:
    """PF-43: one after the other while all go on: no request fails, no lock is waited for over half a second."""
    numbered = [one.name for one in load() if not one.repeats]
    copy_first(numbered[:1], tmp_path / "0")
    await migrate(empty_dsn, folder=tmp_path / "0")
    everyone = Load(empty_dsn)
    await everyone.start()
    for n in range(2, len(numbered) + 1):
        copy_first(numbered[:n], tmp_path / str(n))
        assert await migrate(empty_dsn, folder=tmp_path / str(n)) == [numbered[n - 1]]
        await everyone.goes_on()
    functions = await migrate(empty_dsn)
    assert functions
    assert all(name.startswith("functions/") for name in functions)
    await everyone.goes_on()
    await everyone.stop()
    assert everyone.waited <= LONGEST_S
    assert await pending(empty_dsn) == []


async def test_a_blocked_migration_lets_the_others_through(empty_dsn: str, tmp_path: Path) -> None:
    """PF-43: those who queue behind a migration that waits for its lock wait half a second at most."""
    numbered = [one.name for one in load() if not one.repeats]
    folder = tmp_path / "m"
    copy_first(numbered[:1], folder)
    await migrate(empty_dsn, folder=folder)
    everyone = Load(empty_dsn)
    await everyone.start()
    holder = await asyncpg.connect(empty_dsn)
    held = holder.transaction()
    await held.start()
    await holder.fetch("select from openbell.job limit 1")
    (folder / "0002_add_note.sql").write_text("-- phase: expand\nalter table openbell.job add note text;\n")
    running = asyncio.create_task(migrate(empty_dsn, folder=folder))
    await eventually(lambda: everyone.waited > 0.05)
    await everyone.goes_on()
    assert not running.done()
    await held.rollback()
    assert await asyncio.wait_for(running, 60) == ["0002_add_note"]
    await everyone.stop()
    await holder.close()
    assert everyone.waited <= LONGEST_S


async def test_a_killed_migration_resumes(empty_dsn: str, dsn: str) -> None:
    """PF-43: the runner is killed again and again in the middle; the next one goes on, and the schema is the same."""
    code = f"import asyncio, openbell.postgres.migrate as m; asyncio.run(m.migrate({empty_dsn!r}, on_step=print))"
    chance = random.Random(7)
    for _ in range(4):
        runner = await asyncio.create_subprocess_exec(
            *[sys.executable, "-u", "-c", code], stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        assert runner.stdout is not None
        for _ in range(chance.randint(1, 9)):
            if not await asyncio.wait_for(runner.stdout.readline(), 30):
                break
        if runner.returncode is None:
            runner.send_signal(signal.SIGKILL)
        await runner.communicate()
    left = await pending(empty_dsn)
    assert left
    assert await migrate(empty_dsn) == left
    once, resumed = await asyncpg.connect(dsn), await asyncpg.connect(empty_dsn)
    assert re.sub(r"_p\d{8}", "", await once.fetchval(SHAPE)) == re.sub(r"_p\d{8}", "", await resumed.fetchval(SHAPE))
    await once.close()
    await resumed.close()
