"""What a week has shown, in words and in figures. Pure."""

from __future__ import annotations

from typing import Any

from openbell.drills.week import Played, Size, Took

LEAST_SAVED = 0.8
NOTHING = Took(0, 0, 0)
NONE = "\N{EN DASH}"
REASONS = {
    "waiting": "waits for its turn",
    "running": "is being refreshed",
    "parked": "waits for something else",
    "retry": "has failed and is tried again",
}
"""The states of a job as a reader knows them; any other word is the code of a failure."""


def figures(size: Size, demand: Played, lists: Played) -> dict[str, Any]:
    """One line of figures; ``broken`` names the promises that were not kept."""
    saved = _saved(demand.calls, lists.calls)
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
    rows = "\n".join(_row(name, demand, lists) for name in sorted({*demand.types, *lists.types}))
    verdict = "\n".join(f"- **{fault}**" for fault in said["broken"]) or "Every promise was kept."
    share = demand.fresh / demand.looks if demand.looks else 0.0
    return f"""# A trading week

Made by `openbell drill week` on synthetic data: {size.viewers} people who come twice a day each, {size.symbols}
symbols, all data types, {size.days} days, looked at every {size.every_min} minutes while the market is open and hourly
otherwise, seed {size.seed}. At most {demand.most_viewers} were there at once; they watched {demand.keys:,} keys in all.

{_about(lists)}

The clock of the week goes on when the work of a moment is done: a slow machine takes longer, and nothing is late for
that. Where the provider's minute is full, the clock runs on, and what waits is late by as much. This run took
{demand.seconds + lists.seconds:,.0f} seconds.

| | on demand | fixed lists |
|---|---:|---:|
| keys | {demand.keys:,} | {lists.keys:,} |
| refreshes | {demand.refreshes:,} | {lists.refreshes:,} |
| calls | {demand.calls:,} | {lists.calls:,} |
| bytes | {demand.bytes:,} | {lists.bytes:,} |

Demand takes **{said["saved"]:.1%} fewer calls** and {_saved(demand.bytes, lists.bytes):.1%} fewer bytes.

## The promises

- No limit was exceeded: the busiest minute saw {demand.busiest_minute:,} calls of {demand.allowed_a_minute:,} allowed;
  by its own ledger the provider refused {demand.refused:,} of {demand.arrived:,} calls for a limit.
- Nothing unwatched was refreshed on demand: every refresh was of a key that somebody watched then.
- Of {demand.looks:,} looks at a watched key {demand.fresh:,} ({share:.2%}) found it fresh. {_reasons(demand)}

{verdict}
{_prefetched(demand)}
## By data type

Late is how long a refresh took from being due until it was stored, by the clock of the week: half of them at most the
median, 99 of 100 at most p99. Bytes are those on demand.

| data type | refreshes | calls | by lists | saved | bytes | median late | p99 late | empty | failed |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
{rows}

What is searched for, and what has a schedule of its own, stands on no list.
"""


def _about(lists: Played) -> str:
    beside = "Beside it stands the old way, a fixed list of all symbols for each data type, and nobody looking."
    if not lists.computed:
        return f"{beside} It was **played** in a house of its own, over the same moments."
    return (
        f"{beside}\nIt was **computed**, not played: as often as each key is due at the same moments, times the calls\n"
        "and bytes that a refresh of its type took on demand. It is counted low (`drills/fixed.py` says how), and\n"
        "`--play-lists` plays it."
    )


def _row(name: str, demand: Played, lists: Played) -> str:
    took, other = demand.types.get(name, NOTHING), lists.types.get(name)
    listed = (
        ("\N{EN DASH}", "\N{EN DASH}")
        if other is None
        else (f"{other.calls:,}", f"{_saved(took.calls, other.calls):.1%}")
    )
    late = [f"{one:.1f} s" if one is not None else "\N{EN DASH}" for one in (took.median_s, took.p99_s)]
    cells = [name, f"{took.refreshes:,}", f"{took.calls:,}", *listed, f"{took.bytes:,}", *late]
    return f"| {' | '.join([*cells, f'{took.empty:,}', f'{took.failed:,}'])} |"


def _reasons(demand: Played) -> str:
    if not demand.reasons:
        return "No other look was needed."
    told = ", ".join(f"{REASONS.get(word, word)} {count:,}" for word, count in demand.reasons.most_common())
    return f"The others said why: {told}."


def _prefetched(demand: Played) -> str:
    if not demand.prefetched:
        return ""
    rate = demand.opened / demand.prefetched
    return f"""
## Prefetch

It was on: {demand.prefetched:,} values were made from spare budget before anybody asked for them. {demand.opened:,} of
them ({rate:.0%}) were opened while they were fresh, {demand.missed:,} went stale unopened, the others are still fresh.
Their calls are among those on demand.
"""


def _saved(calls: int, of: int) -> float:
    return 1 - calls / of if of else 0.0
