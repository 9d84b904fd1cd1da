"""One worker of a chaos run, as a process of its own: ``python -m tests.chaos.worker '{"dsn": ...}'``.

It is the engine's own worker with the products of :mod:`tests.chaos.world`. It leaves in order at SIGTERM, and at once
when whoever started it is gone.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
import signal
import sys
import threading
from random import Random
from typing import Any

from openbell.engine import sweep, upkeep, worker
from openbell.engine.persist import persist
from openbell.postgres.pool import open_pool
from tests.chaos import mutants, world
from tests.chaos.outside import Line


def main() -> None:
    """Work until SIGTERM or until the other end of standard input is closed."""
    options = json.loads(sys.argv[1])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    set_pace(options["pace"])
    mutants.change_statements(options["mutant"])
    asyncio.run(work(**options))


def set_pace(pace: float) -> None:
    """Shorten the engine's leases, so that a short run sees many end; 1 leaves them as they are.

    What is done once a minute is done more often either way: waiting for it would prove nothing.
    """
    if pace != 1:
        worker.LEASE, worker.BEAT = worker.LEASE * pace, worker.BEAT * pace
        worker.POLL_S *= pace
    upkeep.EVERY_S = 6.0 * pace
    quick = functools.partial(sweep.Pruner, every_s=6.0 * pace)
    worker.Pruner = quick  # type: ignore[misc,assignment]


async def work(
    *, dsn: str, outside: str, name: str, seats: bool, seed: int, calls: int, pace: float, slots: int = 8, **_: Any
) -> None:
    """Run the worker."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    pool = await persist(lambda: open_pool(dsn, name="chaos worker", max_size=6))
    line = Line(outside, name)
    line.tell("hello")
    registry = world.registry(line, Random(seed), pace)
    one = worker.Worker(
        pool,
        dsn,
        registry,
        limits=world.limits(calls),
        seats=world.SEAT_LIMITS if seats else (),
        slots=slots,
        name=name,
        grace_s=2.0,
    )
    await one.run(stop)
    pool.terminate()


def _leave_with_parent() -> None:
    while os.read(0, 1):  # no buffered reader: a thread that waits in one at exit aborts the interpreter
        pass
    os._exit(3)


if __name__ == "__main__":
    main()
