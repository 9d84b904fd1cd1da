"""What the plans that the service sells allow (financialmodelingprep.com, pricing as of 22 July 2026)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from openbell.engine.ledger import Limit

PLANS: Mapping[str, tuple[int | None, int | None, int]] = {
    "basic": (None, 250, 500_000_000),
    "starter": (300, None, 20_000_000_000),
    "premium": (750, None, 50_000_000_000),
    "ultimate": (3_000, None, 150_000_000_000),
}
"""By plan: calls per minute, calls per day, bytes per trailing 30 days; None where the plan sets no limit."""

MOST_LIMIT: Mapping[str, int] = {"basic": 5}
"""By plan: the largest ``limit`` that a call may name; a larger one is refused."""


RESERVE = 0.1
"""Of each limit, what lists, schedules, trials and prefetches leave free for those who look."""


def limits(
    plan: str, *, calls_per_minute: int | None = None, margin: float = 0.95, reserve: float = RESERVE
) -> list[Limit]:
    """The limits of a plan as accounts, kept at ``margin`` of what the provider allows, ``reserve`` of it for viewers.

    ``calls_per_minute`` replaces the plan's figure and is kept exactly. Raises ``KeyError`` for an unknown plan.
    """
    per_minute, per_day, per_month = PLANS[plan]
    minute = (
        calls_per_minute if calls_per_minute is not None else int((per_minute or 60) * (margin if per_minute else 1))
    )
    accounts = [
        Limit("fmp", "calls", "minute", minute, span=timedelta(minutes=1)),
        Limit("fmp", "bytes", "30 days", int(per_month * margin), span=timedelta(days=30), grain=timedelta(hours=1)),
    ]
    if per_day is not None:
        accounts.append(
            Limit("fmp", "calls", "day", int(per_day * margin), span=timedelta(days=1), grain=timedelta(minutes=1))
        )
    return [replace(one, floors={"interactive": int(one.granted * reserve)}) for one in accounts]
