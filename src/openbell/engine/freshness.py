"""When a value counts as fresh, stale or expired. Pure: times are arguments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

State = Literal["missing", "fresh", "stale", "expired", "empty", "fallback"]
"""What a reader is told about a value.

``missing``   nothing has been checked yet · ``fresh`` within its time · ``stale`` older, still served ·
``expired``   too old to be served as current · ``empty`` checked, and the source has nothing · ``fallback`` a stand-in
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long things hold, counted from the check: a value fresh and servable, "nothing there", and a failure."""

    ttl: timedelta
    stale_ttl: timedelta
    empty_ttl: timedelta
    retry_ttl: timedelta

    def fresh_for(self, *, empty: bool) -> timedelta:
        """How long an answer is fresh from the moment of its check."""
        return self.empty_ttl if empty else self.ttl


@dataclass(frozen=True, slots=True)
class Hours:
    """The opening hours that a value keeps to, as they are known at some time.

    ``closes_at`` of the session that is on, or of the last one; ``settles_at`` when it is looked at once more after
    that; ``opens_at`` when the next one begins, None where nobody has written that down.
    """

    calendar: str
    is_open: bool
    closes_at: datetime
    settles_at: datetime
    opens_at: datetime | None


def state_of(
    stored: Literal["value", "empty", "fallback"] | None,
    fresh_until: datetime | None,
    stale_until: datetime | None,
    now: datetime,
) -> State:
    """The state of a stored result at ``now``; ``stored`` is None when there is none."""
    if stored is None or fresh_until is None or stale_until is None:
        return "missing"
    if stored != "value":
        return stored
    if now < fresh_until:
        return "fresh"
    return "stale" if now < stale_until else "expired"
