"""`openbell bench ledger`: holds a second through the engine's ledger, beside one hold a transaction in plain SQL."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from openbell.bench.actors import acting
from openbell.bench.errors import BenchError
from openbell.bench.figures import Figures, percentile
from openbell.bench.holders import RESOURCES, VAULT
from openbell.bench.lab import SQL, Lab, open_lab
from openbell.bench.targets import LEDGER

Say = Callable[[str], None]

HOLDERS = (sys.executable, "-m", "openbell.bench.holders")
HOT_TASKS = 400
FIVE_TASKS = 64
ONE_TASKS = 16
"""Connections of the one-at-a-time form: more make it slower."""
ARRIVALS_PER_S = 1_000


@dataclass(frozen=True, slots=True)
class Size:
    """How long is measured; shorter is for trying it out."""

    seconds: float = 5.0
    rounds: int = 3


async def _hold(lab: Lab, role: str, seconds: float, **options: Any) -> dict[str, Any]:
    """What one process says that held so long; nothing that it held is left behind."""
    async with acting(role, lab.dsn, lab.log, command=HOLDERS, seconds=seconds, **options) as (holder,):
        holder.go()
        await holder.hear()
        said = await holder.stop()
    row = await lab.raw.fetchrow(SQL.get("sum_holds"), VAULT)
    assert row is not None
    if row["held"] != row["holds"]:
        raise BenchError(f"The accounts hold {row['held']}, and the holds add up to {row['holds']}.")
    await lab.raw.execute(SQL.get("empty_holds"))
    await lab.raw.execute(SQL.get("reset_accounts"), VAULT)
    await lab.raw.execute(SQL.get("begin_checkpoint"))
    return said


async def measure_hot(lab: Lab, size: Size, figures: Figures, say: Say) -> None:
    """One account that everybody wants; before and after it one hold a transaction, on as hot an account."""
    for n in range(size.rounds):
        say(f"one hot account: round {n + 1} of {size.rounds}")
        before = (await _hold(lab, "one", size.seconds, tasks=ONE_TASKS))["per_s"]
        said = await _hold(lab, "hold", size.seconds, tasks=HOT_TASKS, resources=RESOURCES[:1])
        single = (before + (await _hold(lab, "one", size.seconds, tasks=ONE_TASKS))["per_s"]) / 2
        figures.add("holds_per_s", said["per_s"])
        figures.add("holds_p99_ms", 1_000 * percentile(said["took"], 99))
        figures.add("one_hold_a_transaction_per_s", single)
        figures.add("holds_ratio", said["per_s"] / single)


async def measure_five(lab: Lab, size: Size, figures: Figures, say: Say) -> None:
    """Five accounts for each call, all of them or none."""
    for n in range(size.rounds):
        say(f"five accounts each: round {n + 1} of {size.rounds}")
        said = await _hold(lab, "hold", size.seconds, tasks=FIVE_TASKS, resources=RESOURCES)
        figures.add("five_holds_per_s", said["per_s"])
        figures.add("five_holds_p50_ms", 1_000 * percentile(said["took"], 50))
        figures.add("five_holds_p99_ms", 1_000 * percentile(said["took"], 99))


async def measure_admission(lab: Lab, size: Size, figures: Figures, say: Say) -> None:
    """What holding adds to a call when a thousand calls a second come, each at its own time."""
    for n in range(size.rounds):
        say(f"admission: round {n + 1} of {size.rounds}")
        said = await _hold(lab, "arrive", size.seconds, per_s=ARRIVALS_PER_S, resources=RESOURCES[:2])
        figures.add("admission_p50_ms", 1_000 * percentile(said["took"], 50))
        figures.add("admission_p99_ms", 1_000 * percentile(said["took"], 99))


Measure = Callable[[Lab, Size, Figures, Say], Awaitable[None]]
MEASURES: dict[str, Measure] = {
    "holds_per_s": measure_hot,
    "holds_ratio": measure_hot,
    "five_holds_per_s": measure_five,
    "five_holds_p99_ms": measure_five,
    "admission_p99_ms": measure_admission,
}


@asynccontextmanager
async def _open_vault() -> AsyncIterator[Lab]:
    async with open_lab() as lab:
        for statement in ("create_vault", "create_vault_hold", "fill_vault"):
            await lab.raw.execute(SQL.get(statement))
        yield lab


async def run(size: Size, only: Iterable[str], say: Say) -> Figures:
    """Measure everything, or only what is named."""
    figures = Figures(LEDGER)
    chosen = dict.fromkeys(MEASURES[name] for name in (tuple(only) or MEASURES))
    async with _open_vault() as lab:
        for measure in chosen:
            await measure(lab, size, figures, say)
    return figures
