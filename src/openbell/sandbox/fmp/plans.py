"""What a subscription allows, and the meter that counts against it. Pure: the time is an argument.

Three dimensions: calls per minute of the clock, calls per New York day, and bytes in the last 30 days.
The meter lives in memory: a restart forgives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from openbell.sandbox.clock import NEW_YORK
from openbell.sandbox.fmp import refusals
from openbell.sandbox.fmp.refusals import Refusal

GB = 1_000_000_000
DAYS_OF_BYTES = 30
SMALL_LIMIT_MAX = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """A published subscription. None means no limit."""

    name: str
    calls_per_minute: int | None
    calls_per_day: int | None
    bytes_per_30_days: int
    batch: bool
    history_years: int
    small_limits: bool = False  # `limit` above 5 is refused
    every_symbol: bool = True  # otherwise a sample of large caps


PLANS: Mapping[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan("basic", None, 250, GB // 2, batch=False, history_years=5, small_limits=True, every_symbol=False),
        Plan("starter", 300, None, 20 * GB, batch=False, history_years=5),
        Plan("premium", 750, None, 50 * GB, batch=True, history_years=30),
        Plan("ultimate", 3_000, None, 150 * GB, batch=True, history_years=30),
    )
}


class Meter:
    """Counts calls and bytes and refuses what exceeds the plan. `now` is in epoch seconds."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._minute = (0, 0)  # minute number, calls in it
        self._day = (0, 0)  # New York day number, calls in it
        self._bytes: deque[list[int]] = deque()  # [day number, bytes] of the last 30 days

    def admit(self, now: float) -> Refusal | None:
        """Charge one call, or say why not. A refused call is not charged."""
        minute, day = int(now // 60), _new_york_day(now)
        in_minute = self._minute[1] if self._minute[0] == minute else 0
        in_day = self._day[1] if self._day[0] == day else 0
        if _reached(in_minute, self.plan.calls_per_minute) or _reached(in_day, self.plan.calls_per_day):
            return refusals.LIMIT
        while self._bytes and self._bytes[0][0] <= day - DAYS_OF_BYTES:
            self._bytes.popleft()
        if _reached(sum(count for _, count in self._bytes), self.plan.bytes_per_30_days):
            return refusals.BANDWIDTH
        self._minute, self._day = (minute, in_minute + 1), (day, in_day + 1)
        return None

    def add_bytes(self, now: float, count: int) -> None:
        """Charge the bytes of an answer's body."""
        day = _new_york_day(now)
        if self._bytes and self._bytes[-1][0] == day:
            self._bytes[-1][1] += count
        else:
            self._bytes.append([day, count])


def _reached(used: int, limit: int | None) -> bool:
    return limit is not None and used >= limit


def _new_york_day(now: float) -> int:
    return datetime.fromtimestamp(now, NEW_YORK).toordinal()
