"""`openbell bench sweep`: what one look at all demand costs, with many leases and a million results stored."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from openbell.bench.errors import BenchError
from openbell.bench.figures import Figures
from openbell.bench.lab import SQL, Lab, open_lab
from openbell.bench.targets import SWEEP
from openbell.bench.tasks import paid
from openbell.engine.sweep import sweep

QUIET_SWEEPS = 5


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is; smaller is for trying it out."""

    artifacts: int = 1_000_000
    leases: int = 20_000
    keys: int = 5_000
    due: int = 500
    rounds: int = 11


async def run(size: Size, say: Callable[[str], None]) -> Figures:
    """Load, then sweep with nothing due and with some of the keys due, in turns."""
    figures = Figures(SWEEP)
    async with open_lab() as lab:
        await _load(lab, size, say)
        for n in range(size.rounds):
            say(f"sweeping: round {n + 1} of {size.rounds}")
            for _ in range(QUIET_SWEEPS):
                figures.add("sweep_quiet_ms", await _sweep(lab, queued=0))
            await lab.raw.execute(SQL.get("age_artifacts"), paid.name, size.due)
            figures.add("sweep_ms", await _sweep(lab, queued=size.due))
            figures.add("sweep_again_ms", await _sweep(lab, queued=0))
            await lab.raw.execute(SQL.get("renew_artifacts"), paid.name, timeout=600)
            await lab.raw.execute(SQL.get("empty_jobs"))
            await lab.tidy()
    return figures


async def _load(lab: Lab, size: Size, say: Callable[[str], None]) -> None:
    say(f"loading {size.artifacts:,} results and {size.leases:,} leases over {size.keys:,} keys")
    await lab.raw.execute(SQL.get("load_artifacts"), paid.name, size.artifacts, timeout=600)
    await lab.raw.execute(SQL.get("load_leases"), paid.name, size.leases, size.keys, size.artifacts)
    await lab.raw.execute(SQL.get("vacuum_all"), timeout=600)


async def _sweep(lab: Lab, *, queued: int) -> float:
    """Milliseconds of one sweep. Raises :class:`BenchError` unless it has queued just as many jobs."""
    began = time.perf_counter()
    jobs = await sweep(lab.pool)
    took = time.perf_counter() - began
    if (created := sum(job.created for job in jobs)) != queued:
        raise BenchError(f"A sweep has queued {created} jobs; {queued} keys were due.")
    return took * 1_000
