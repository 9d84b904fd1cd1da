"""Runs the suite for one engine: ``python -m tests.conformance.run_one ENGINE DSN...`` prints its row as JSON.

Each scenario gets an empty database of its own, in the order of the suite.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from typing import Any

from tests.conformance.suite import SCENARIOS, Verdict

ENGINES = {
    "openbell": "Openbell", "pgqueuer": "PgQueuer", "procrastinate": "Procrastinate", "absurd": "Absurd",
    "dbos": "Dbos", "awa": "Awa",
}  # fmt: skip
PATIENCE_S = 120.0


async def main(engine: str, dsns: list[str]) -> dict[str, Any]:
    """The row of one engine."""
    made = getattr(importlib.import_module(f"tests.conformance.engines.{engine}"), ENGINES[engine])
    row: dict[str, Any] = {"engine": made.name, "how": made.how}
    for (name, scenario), dsn in zip(SCENARIOS.items(), dsns, strict=True):
        one = made()
        row["version"] = await one.open(dsn)
        try:
            verdict = await asyncio.wait_for(scenario(one), PATIENCE_S)
        except Exception as error:  # noqa: BLE001 - the row says so
            verdict = Verdict(kept=None, seen=f"could not be asked: {type(error).__name__}: {error}")
        finally:
            await one.close()
        row[name] = {"kept": verdict.kept, "seen": verdict.seen}
    return row


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], sys.argv[2:]))))
