"""What a run or a batch is at a given time, from its record alone: no timers, and a restart changes nothing."""

from __future__ import annotations

from typing import Any

QUEUE_S = 0.05
WORK_S = 0.15
CHECK_S = 0.05  # a batch is validating, finalizing and cancelling so long each
BATCH_S = 0.2

Record = dict[str, Any]


def status_at(record: Record, now: float, *, cancel_s: float = 0.0) -> str:
    """A run: queued, in_progress, what it ends as (`status`), or cancelled.

    Keys: created, background, queue_s, work_s, status, cancelled_at, cancelled_while.
    """
    if record["cancelled_at"] is not None:
        return "cancelled" if now >= record["cancelled_at"] + cancel_s else str(record["cancelled_while"])
    age = now - record["created"]
    if not record["background"] or age >= record["queue_s"] + record["work_s"]:
        return str(record["status"])
    return "queued" if age < record["queue_s"] else "in_progress"


def bill_of(lines: list[Record]) -> dict[str, int]:
    """What lines of a batch are billed: micro-dollars, and one call for each that costs anything."""
    costs = [line["usd_micro"] for line in lines]
    return {"usd_micro": sum(costs), "calls": sum(cost > 0 for cost in costs)}


def lines_done(record: Record, now: float) -> int:
    """A batch: how many lines are answered by a time, one after the other; with inf those that ever will be.

    Keys: created, work_s, lines, expires_half_done, cancelling_at.
    """
    if record["cancelling_at"] is not None:
        now = min(now, record["cancelling_at"])
    share = (now - record["created"] - CHECK_S) / record["work_s"] if record["work_s"] else 1.0
    count = len(record["lines"])
    most = count // 2 if record["expires_half_done"] else count
    return min(most, max(0, int(min(share, 1.0) * count)))
