"""`openbell bench idle`: what `openbell up` takes when nobody looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from openbell.bench.figures import Figures
from openbell.bench.house import running_house
from openbell.bench.lab import SQL
from openbell.bench.targets import IDLE
from openbell.postgres.embedded import DATABASE


async def run(seconds: float, settle_s: float, say: Callable[[str], None]) -> Figures:
    """Bring everything up, let it settle, watch for so long.

    An idle session may keep its statistics to itself for ten seconds; what follows a start should be over before.
    """
    figures = Figures(IDLE)
    say("Starting openbell up")
    async with running_house() as house:
        say(f"settling for {settle_s:g} s")
        await asyncio.sleep(settle_s)
        watcher = await house.watcher()
        try:
            say(f"watching for {seconds:g} s")
            before, used_s = await watcher.fetchval(SQL.get("read_commits"), DATABASE), house.processor_s()
            await asyncio.sleep(seconds)
            after, used_after_s = await watcher.fetchval(SQL.get("read_commits"), DATABASE), house.processor_s()
        finally:
            await watcher.close()
        figures.add("idle_system_queries_per_s", (after - before) / seconds)
        figures.add("idle_system_core_percent", 100 * max(0.0, used_after_s - used_s) / seconds)
        figures.add("idle_system_memory_mib", house.memory_mib())
        figures.add("idle_system_processes", len(house.tree()))
    return figures
