"""Whole workers that buy all kinds of things at once, and are killed at any moment with all that they have at work.

Nothing is arranged here: leases run out by themselves, whoever beats next takes the jobs back, and the schedule of
deaths knows nothing of what a worker is at. Leases are short, so that many end in a minute.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from openbell.engine import worker
from openbell.engine.registry import Registry
from openbell.postgres.pool import open_pool
from tests.chaos import clients, deals
from tests.chaos.lane import Lane
from tests.chaos.outside import Line
from tests.chaos.worker import set_pace
from tests.support import watch

PACE = 0.1
FLEET = 3
SLOTS = 6
LIVE = 30
"""So many jobs are kept live."""
LIFE_S = 0.35
"""A worker is killed after about so long; its start is a good part of it."""
QUIET_S = 180.0
FORGIVE = "delete from openbell.breaker"
"""Providers in a mood are not left alone: then nobody would be killed with anything at work."""
HURRY = "update openbell.job set parked_until = null where parked_until > openbell.now() + interval '0.5 seconds'"
"""In the end nobody waits for what has failed several times to be tried again."""


async def work(options: Mapping[str, Any], reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """The engine's own worker, until the boss hangs up."""
    set_pace(PACE)
    pool = await open_pool(options["dsn"], name="storm", max_size=6, ordered=True)
    products = clients.everything(Line(options["outside"], f"p{os.getpid()}"), options["places"])
    limits = deals.limits() + clients.limits()
    one = worker.Worker(pool, options["dsn"], Registry(products), limits=limits, slots=SLOTS, grace_s=1.0)
    stop = asyncio.Event()
    working = asyncio.create_task(one.run(stop))
    await reader.read()
    stop.set()
    await working


async def blow(lane: Lane, kinds: Sequence[str], random: Random, kills: int) -> None:
    """Kill so many workers; then let the others bring everything to its end."""
    fleet = [await lane.nursery.child() for _ in range(FLEET)]
    loading = asyncio.create_task(_load(lane, kinds, random))
    for _ in range(kills):
        await asyncio.sleep(random.expovariate(FLEET / LIFE_S))
        one = fleet.pop(random.randrange(FLEET))
        os.kill(one.pid, signal.SIGKILL)
        await one.codes.get()
        await one.hang_up()
        lane.counts["kills"] += 1
        lane.counts["kill at any moment"] += 1
        fleet.append(await lane.nursery.child())
    loading.cancel()
    await watch(lambda: _is_done(lane), QUIET_S, every_s=0.1)
    for one in fleet:
        await one.hang_up()
        code = await one.codes.get()
        lane.counts["left" if code == 0 else f"died with {code} when asked to leave"] += 1


async def _is_done(lane: Lane) -> bool:
    for statement in (FORGIVE, HURRY):
        await lane.pool.execute(statement)
    return not await lane.pool.fetchval("select exists (select 1 from openbell.job)")


async def _load(lane: Lane, kinds: Sequence[str], random: Random) -> None:
    while True:
        live = await lane.pool.fetchval("select count(*) from openbell.job")
        for _ in range(LIVE - live):
            await lane.queue(random.choice(kinds), "storm")
        await lane.pool.execute(FORGIVE)
        await asyncio.sleep(0.02)
