"""``python -m tests.chaos``: a long run by hand, as ``make chaos`` does it.

With SECONDS: workers at all kinds of work while everything goes wrong that can. With KILLS instead: so many processes
die, at every line and every moment of a purchase that there is. With RESERVATIONS: so many of them by eight processes
against six small accounts. SEED chooses the faults.

Prints every broken promise, then one JSON line with the figures; the exit code is 1 when there was any.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg

from openbell.postgres.embedded import EmbeddedServer
from tests.chaos import kills as killing
from tests.chaos import siege
from tests.chaos.run import Plan, run
from tests.support import TestServer

SHOWN = 40
LANES = 3
"""Databases: two in which one job after the other is killed, and one for whole workers."""
SEED = int(os.environ.get("SEED", "1"))

Findings = tuple[dict[str, Any], Sequence[tuple[str, str]]]


async def main(folder: Path) -> int:
    """Run, report, and keep the folder only when there is something to look at."""
    kills, reservations = int(os.environ.get("KILLS") or 0), int(os.environ.get("RESERVATIONS") or 0)
    # Where only clients die, the server need not wait for its disk.
    settings = {"max_connections": "100", **({"fsync": "off"} if kills or reservations else {})}
    server = EmbeddedServer(folder / "database", settings=settings)
    try:
        dsn = await server.start()
        if kills:
            figures, violations = await _kill(kills, folder, dsn)
        elif reservations:
            figures, violations = await _besiege(reservations, folder, dsn)
        else:
            figures, violations = await _break(folder, server, dsn)
    finally:
        await server.stop()
    for rule, seen in violations[:SHOWN]:
        print(f"BROKEN {rule}: {seen}")
    if violations:
        counts = dict(Counter(rule for rule, _ in violations))
        print(f"{len(violations)} in all: {counts}; the record is in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(figures))
    return 1 if violations else 0


async def _break(folder: Path, server: EmbeddedServer, dsn: str) -> Findings:
    plan = Plan(
        seed=SEED,
        seconds=float(os.environ.get("SECONDS", "300")),
        mutant=os.environ.get("MUTANT"),
        pace=float(os.environ.get("PACE", "1")),
    )
    report = await run(plan, folder, server, dsn)
    return dict(report.figures), report.violations


async def _kill(deaths: int, folder: Path, dsn: str) -> Findings:
    dsns, began = [TestServer(dsn).dsn_of(f"lane{number}") for number in range(LANES)], time.monotonic()
    connection = await asyncpg.connect(dsn)
    for number in range(LANES):
        await connection.execute(f"create database lane{number}")
    await connection.close()
    outcome = await killing.run(dsns, folder, kills=deaths, seed=SEED)
    took_s = round(time.monotonic() - began, 1)
    return {"seed": SEED, "seconds": took_s, **outcome.figures()}, outcome.violations


async def _besiege(reservations: int, folder: Path, dsn: str) -> Findings:
    outcome = await siege.run(dsn, folder, reservations=reservations, seed=SEED)
    return {"seed": SEED, **outcome.figures()}, outcome.violations


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(prefix="ob-chaos-"))
    place.chmod(0o755)  # PostgreSQL runs as another user when we are root
    sys.exit(asyncio.run(main(place)))
