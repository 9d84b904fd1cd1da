"""What a week has shown, in words and in figures. Pure."""

from __future__ import annotations

from typing import Any

from openbell.drills.week import Played, Size

LEAST_SAVED = 0.8


def figures(size: Size, demand: Played, lists: Played) -> dict[str, Any]:
    """One line of figures; ``broken`` names the promises that were not kept."""
    saved = _saved(demand.all_calls, lists.all_calls)
    broken = [*demand.faults, *(f"fixed lists: {fault}" for fault in lists.faults)]
    if saved < LEAST_SAVED:
        broken.append(f"demand saves {saved:.0%} of the calls, not {LEAST_SAVED:.0%}")
    return {
        "viewers": size.viewers,
        "symbols": size.symbols,
        "days": size.days,
        "every_min": size.every_min,
        "seed": size.seed,
        "saved": round(saved, 4),
        "demand": demand.as_json(),
        "lists": lists.as_json(),
        "broken": broken,
    }


def tell(size: Size, demand: Played, lists: Played) -> str:
    """The report for people, in Markdown."""
    said = figures(size, demand, lists)
    rows = "\n".join(
        f"| {product} | {demand.calls.get(product, 0):,} | {lists.calls.get(product, 0):,} "
        f"| {_saved(demand.calls.get(product, 0), lists.calls.get(product, 0)):.0%} |"
        for product in sorted({*demand.calls, *lists.calls})
    )
    reasons = ", ".join(f"{word} {count:,}" for word, count in demand.reasons.most_common()) or "none"
    verdict = "\n".join(f"- **{fault}**" for fault in said["broken"]) or "Every promise was kept."
    return f"""# A trading week

Made by `openbell drill week` on synthetic data: {size.viewers} people a day, {size.symbols} symbols,
{size.days} days, looked at every {size.every_min} minutes while the market is open and hourly otherwise, seed
{size.seed}. The same week was played with fixed lists of all symbols and types, and nobody looking.

| | on demand | fixed lists |
|---|---:|---:|
| calls | {demand.all_calls:,} | {lists.all_calls:,} |
| bytes | {demand.bytes:,} | {lists.bytes:,} |
| refreshes | {demand.refreshes:,} | {lists.refreshes:,} |
| busiest minute, of {demand.allowed_a_minute} calls | {demand.busiest_minute:,} | {lists.busiest_minute:,} |

Demand takes **{said["saved"]:.0%} fewer calls**. Of {demand.looks:,} looks at a watched value
{demand.fresh:,} found it fresh; the others had a reason: {reasons}.

| data type | calls on demand | calls of fixed lists | saved |
|---|---:|---:|---:|
{rows}

{verdict}
"""


def _saved(calls: int, of: int) -> float:
    return 1 - calls / of if of else 0.0
