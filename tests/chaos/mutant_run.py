"""One mutant in a process of its own: ``python -m tests.chaos.mutant_run NAME DSN FOLDER TRY`` prints what it broke.

A name that no mutant has is the engine as it is. The run is short and hard: slow answers, so that every fault hits work
in flight, and freezes that end just after the lease. Each further try has another seed and takes longer.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from openbell.postgres.embedded import EmbeddedServer
from tests.chaos.mutants import MUTANTS
from tests.chaos.run import Plan, run


async def main(name: str, dsn: str, folder: Path, tried: int) -> dict[str, Any]:
    """Run it against a database of its own; nobody crashes the server, which others use."""
    mutant = MUTANTS.get(name)
    plan = Plan(
        **{
            "seed": 5 + tried, "seconds": 7, "workers": 3, "pace": 0.2, "fault_every_s": 0.7, "load_pause_s": 0.02,
            "weights": {"kill": 2, "freeze": 5, "cut": 1}, "freeze_s": (2.4, 3.4), "latency_s": 0.2, "calls": 100,
            "to_the_first": mutant is not None,
            "slack_s": 30 if mutant is None else 3,
            "quiet_s": 60 if mutant is None else 1, "mutant": mutant and name, **(mutant.plan if mutant else {}),
        }
    )  # fmt: skip
    plan = replace(plan, seconds=plan.seconds * (1 + tried), quiet_s=plan.quiet_s * (1 + tried))
    report = await run(plan, folder, EmbeddedServer(folder / "none"), dsn)
    return {"figures": report.figures, "broken": report.broken}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))))
