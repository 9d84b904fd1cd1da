"""One chaos run: a database, workers, an outside world, a load, faults; then quiet, and the checker.

``Plan`` says how much of each. ``pace`` shortens the engine's leases and what depends on them: at 1 they are its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import asyncpg

from openbell.engine import persist
from openbell.engine.ledger import ensure_accounts
from openbell.engine.schedules import seed_schedules
from openbell.postgres.embedded import EmbeddedServer
from openbell.postgres.migrate import migrate
from openbell.postgres.pool import open_pool
from tests.chaos import mutants, world
from tests.chaos.checker import Report, check
from tests.chaos.faults import WEIGHTS, Faults, Staff
from tests.chaos.history import History
from tests.chaos.load import Load
from tests.chaos.outside import Line, Outside
from tests.chaos.rules import read_final
from tests.support import watch

log = logging.getLogger(__name__)

DATABASE_ERRORS = (*persist.DATABASE_ERRORS, asyncpg.InternalClientError)
"""The last is what asyncpg says of a connection that was cut at the wrong moment."""

LOOK_S = 0.1
"""How often a run looks whether what it waits for has come; more often would be a load of its own."""
RECORD = Path(__file__).with_name("record.sql")


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how hard, and with which seed."""

    seed: int
    seconds: float
    workers: int = 4
    pace: float = 1.0
    fault_every_s: float = 3.0
    load_pause_s: float = 0.03
    phase_s: float = 60.0
    """After so long the limits on what runs at once come or go, with all workers replaced in order."""
    seats: bool = False
    """Whether the first phase has them."""
    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)
    """How often each fault comes, beside the others."""
    acts: Mapping[str, float] = field(default_factory=dict)
    """Which acts of the load come more or less often than usual."""
    freeze_s: tuple[float, float] = (1.0, 20.0)
    latency_s: float = 0.05
    """The longest usual answer of the outside world."""
    calls: int = 20
    """How many calls may be made in any window."""
    mutant: str | None = None
    to_the_first: bool = False
    """Whether the run ends with the first promise that is seen to be broken."""
    exactly: float = 0.6
    """How many freezes end just when somebody else has taken over; the others end at any time."""
    slack_s: float = 0.0
    """How much later than it should a lease may end: short leases say little on a machine that is busy with other
    things. Where none ended at all, jobs would not come to an end."""
    quiet_s: float = 120.0
    """How long everything that was accepted may take to end when the faults have stopped."""


async def run(plan: Plan, folder: Path, server: EmbeddedServer, dsn: str) -> Report:
    """Play the plan on an empty database."""
    history = History(folder / "history.jsonl")
    await prepare(dsn, plan)
    mutants.change_statements(plan.mutant)
    outside = Outside(folder / "outside", history, Random(plan.seed + 1), latency_s=plan.latency_s)
    await outside.start()
    pool = await open_pool(dsn, name="chaos load", max_size=4)
    try:
        async with _watch_stalls(history):
            await _play(Stage(plan, folder, server, dsn, history, pool, Random(plan.seed)))
            final = await read_final(pool)
    finally:
        pool.terminate()
        await outside.stop()
        mutants.restore_statements()
    return check(history, final, plan)


async def prepare(dsn: str, plan: Plan) -> None:
    """Migrations, the record's triggers, the products and accounts; then the mutant's changes."""
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(RECORD.read_text(encoding="utf-8"))
        await mutants.change_functions(connection, plan.mutant)
    finally:
        await connection.close()
    pool = await open_pool(dsn, name="chaos")
    registry = world.registry(Line("", ""), Random(), plan.pace)
    await registry.seed(pool)
    await seed_schedules(pool, registry.schedules.values())
    await ensure_accounts(pool, world.limits(plan.calls))
    await pool.close()


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a plan is played."""

    plan: Plan
    folder: Path
    server: EmbeddedServer
    dsn: str
    history: History
    pool: asyncpg.Pool
    random: Random


async def _play(stage: Stage) -> None:
    plan, history = stage.plan, stage.history
    options = {
        "dsn": stage.dsn,
        "outside": str(stage.folder / "outside"),
        "pace": plan.pace,
        "mutant": plan.mutant,
        "seed": plan.seed,
        "calls": plan.calls,
    }
    staff = Staff(options, stage.folder, history)
    try:
        seats, left = plan.seats, plan.seconds
        while left > 0:
            if staff.processes:
                await staff.dismiss()
            await watch(lambda seats=seats: _set_seats(stage.pool, seats), 30, every_s=LOOK_S)
            history.add("phase", seats=seats, calls=plan.calls)
            staff.options = options | {"seats": seats}
            for _ in range(plan.workers):
                staff.hire()
            await watch(staff.are_ready, 30, every_s=LOOK_S)
            await _phase(stage, staff, min(left, plan.phase_s))
            seats, left = not seats, left - plan.phase_s
        await _quieten(stage, staff)
        await staff.dismiss()
        history.add("closed")
    finally:
        staff.kill()


async def _phase(stage: Stage, staff: Staff, seconds: float) -> None:
    plan, stop = stage.plan, asyncio.Event()
    load = Load(
        stage.pool, world.products(Line("", ""), stage.random, plan.pace), stage.history, stage.random, plan.acts
    )
    faults = Faults(staff, stage.server, stage.dsn, stage.history, stage.random, plan)
    tasks = [
        asyncio.create_task(load.run(stop, plan.load_pause_s)),
        asyncio.create_task(faults.run(stop, plan.fault_every_s)),
    ]
    wrong = asyncio.create_task(watch(lambda: _is_wrong(stage), seconds, every_s=LOOK_S))
    await asyncio.wait([*tasks, wrong], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await asyncio.gather(*tasks, wrong)


async def _is_wrong(stage: Stage) -> bool:
    """Whether a run that ends with the first broken promise may end: only some are seen before its end."""
    if not stage.plan.to_the_first:
        return False
    try:
        seen: bool = await stage.pool.fetchval(
            "select exists (select 1 from chaos.event where wrong or kind = 'stolen')"
        )
    except DATABASE_ERRORS:
        return False
    return seen


async def _set_seats(pool: asyncpg.Pool, seats: bool) -> bool:
    """The limits are there before the first worker that keeps them, and are gone after the last."""
    try:
        await pool.execute("delete from openbell.seat_limit")
        for one in world.SEAT_LIMITS if seats else ():
            await pool.execute(
                "insert into openbell.seat_limit values ($1, $2, $3, $4)", one.scope, one.name, one.most, one.least
            )
    except DATABASE_ERRORS:
        return False
    return True


async def _quieten(stage: Stage, staff: Staff) -> None:
    """No more faults, no more load: everything that was accepted must now end, and every account come to rest.

    The clock then goes on by an hour, so that what waits for something that will never come loses its patience.
    """
    plan, pool = stage.plan, stage.pool
    stage.history.add("quiet")
    await watch(lambda: _ask_for_nothing(pool), 30, every_s=LOOK_S)
    await watch(lambda: _is_quiet(pool, staff, patient=True), plan.quiet_s, every_s=LOOK_S)
    began = time.time()
    await pool.execute("update openbell.clock set shift = shift + interval '1 hour'")
    stage.history.add("jump", began=began, seconds=3600.0)
    await watch(lambda: _is_quiet(pool, staff, patient=False), plan.quiet_s, every_s=LOOK_S)
    await pool.execute("select openbell.age_out(array(select id from openbell.account), openbell.now())")


async def _ask_for_nothing(pool: asyncpg.Pool) -> bool:
    try:
        await pool.execute("update openbell.schedule set enabled = false")
        await pool.execute("delete from openbell.demand")
    except DATABASE_ERRORS:
        return False
    return True


async def _is_quiet(pool: asyncpg.Pool, staff: Staff, *, patient: bool) -> bool:
    staff.look()
    try:
        busy = await pool.fetchval(
            "select exists (select 1 from openbell.job where not $1 or parked_until is distinct from 'infinity')"
            " or exists (select 1 from openbell.spend where ended_at is null)"
            " or exists (select 1 from openbell.occurrence where state = 'queued')",
            patient,
        )
    except DATABASE_ERRORS:
        return False
    return not busy


@asynccontextmanager
async def _watch_stalls(history: History) -> AsyncIterator[None]:
    """Notes when this machine kept us waiting: times are then not the engine's fault."""

    async def watch() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.1)
            if (late := time.monotonic() - before - 0.1) > 0.5:
                history.add("stall", seconds=late)

    task = asyncio.create_task(watch())
    yield
    task.cancel()
