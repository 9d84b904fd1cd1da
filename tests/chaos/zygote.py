"""A process with everything loaded that makes workers by forking: ``python -m tests.chaos.zygote '{"dsn": ...}'``.

To start Python anew for each of ten thousand deaths would take hours. It forks once for every line of its input, and
says of each child when it ends or stands still. A child dials the one who plans its fate (the boss) and does what its
role is: ``attempts`` takes one order after the other and makes an attempt at whatever job it can claim for each;
``siege`` and ``storm`` are told in the modules of these names.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
from datetime import timedelta
from typing import Any

import asyncpg

from openbell.engine.attempt import Claim
from openbell.engine.database import SQL
from openbell.engine.hints import Hints
from openbell.engine.ledger import ensure_accounts
from openbell.engine.registry import CLASSES, Registry
from openbell.engine.runner import Runner
from openbell.postgres.pool import open_pool
from tests.chaos import clients, deals, mutants, siege, storm
from tests.chaos.fate import Doomed, Fate, Watcher
from tests.chaos.outside import Line

LEASE = timedelta(days=1)
"""The boss knows when a child is gone and ends its lease himself, so that nobody waits for it."""


def main() -> None:
    """Fork, until the input ends; then end every child."""
    options = json.loads(sys.argv[1])
    mutants.change_statements(options["mutant"])
    mutants.change_code(options["mutant"])
    if options.get("places"):
        clients.hurry()
    gc.freeze()  # what is there for good is not copied when a child's collector looks at it
    children: set[int] = set()
    told, tells = os.pipe()
    os.set_blocking(tells, False)
    signal.set_wakeup_fd(tells, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poll = _poll(0, told)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if told in ready:
            os.read(told, 4096)
            _report(children)
        if 0 in ready:
            asked = os.read(0, 65536)
            if not asked:
                break
            for _ in range(asked.count(b"\n")):
                children.add(_fork(options))
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _poll(*fds: int) -> Any:
    import select

    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN | select.POLLHUP)
    return poll


def _report(children: set[int]) -> None:
    """Say who has ended or stopped."""
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
        if pid == 0:
            return
        if not os.WIFSTOPPED(status):
            children.discard(pid)
        code = None if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)
        os.write(1, json.dumps({"pid": pid, "code": code}).encode() + b"\n")


def _fork(options: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code = 1
    try:
        asyncio.run(live(options))
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


async def live(options: dict[str, Any]) -> None:
    """Do what children of this zygote do, until the boss hangs up."""
    match options["role"]:
        case "attempts":
            await make_attempts(options)
        case "siege":
            await siege.besiege(options, *await dial(options))
        case "storm":
            await storm.work(options, *await dial(options))


async def dial(options: dict[str, Any], worker: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The line to the boss, who now knows this process."""
    reader, writer = await asyncio.open_unix_connection(options["boss"])
    writer.write(json.dumps({"pid": os.getpid(), "worker": worker}).encode() + b"\n")
    return reader, writer


async def make_attempts(options: dict[str, Any]) -> None:
    """One attempt for each order, with the fate that is in it."""
    watcher = Watcher()
    pool: Any = Doomed(await open_pool(options["dsn"], name="crash", max_size=5, ordered=True), watcher)
    line = Line(options["outside"], f"p{os.getpid()}", watcher.wire)
    registry = Registry(clients.everything(line, options["places"]))
    runner = Runner(pool, registry, Hints(pool, None), lambda attempt: attempt, wake=_nothing, wake_parked=_nothing)
    runner.accounts = await ensure_accounts(pool, deals.limits() + clients.limits())
    hired = await pool.fetchval(SQL.get("register_worker"), f"p{os.getpid()}", 1, LEASE)
    reader, writer = await dial(options, hired)
    while order := await reader.readline():
        watcher.begin(Fate(**json.loads(order)))
        claimed = await attempt_one(pool, registry, runner, hired)
        writer.write(json.dumps({"claimed": claimed, **watcher.end()}).encode() + b"\n")
        await writer.drain()


async def attempt_one(pool: asyncpg.Pool, registry: Registry, runner: Runner, hired: int) -> int | None:
    """Claim a job and make an attempt at it; which it was."""
    columns = (list(registry.products), list(CLASSES.values()), hired, 1)
    rows = await pool.fetch(SQL.get("claim_jobs"), *columns)
    for row in rows:
        await runner.run(Claim(**row))
    return rows[0]["id"] if rows else None


def _nothing() -> None:
    pass


if __name__ == "__main__":
    main()
