"""What fixed lists take: every type of every symbol refreshed as often as it is due, whoever looks. Pure.

The old way of the document, one cron for each data type. It is counted low: a list looks only at the moments at which
the week is looked at anyway, leaves a closed market alone, and where the provider has nothing for some symbols, a type
is refreshed as seldom as the longer of both times allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from openbell.drills import crowd

LEAD = timedelta(seconds=2)
"""So much before its end a value is refreshed already, as the engine does."""
AFTER_CLOSE = timedelta(minutes=20)


@dataclass(frozen=True, slots=True)
class Listed:
    """One data type on its list: how many keys, how long a value is fresh, and whether that runs while open only."""

    keys: int
    ttl: timedelta
    by_session: bool


def refreshes(listed: Listed, moments: Sequence[datetime]) -> int:
    """How often the type is refreshed in all, when each of ``moments`` refreshes every key that is due."""
    count, fresh_until = 0, None
    for moment in moments:
        if fresh_until is None or fresh_until <= moment + LEAD:
            count += 1
            fresh_until = until(moment, listed)
    return count * listed.keys


def until(checked: datetime, listed: Listed) -> datetime:
    """Until when a value that was checked then is fresh: by session it holds from the close to the next opening, and
    is looked at once more after the close.
    """
    usual = checked + listed.ttl
    closes, opens = crowd.session_of(checked)
    if not listed.by_session or closes is None or usual <= closes:
        return usual
    final = closes + AFTER_CLOSE
    if checked < final - LEAD:
        return max(usual, min(final, opens + LEAD))
    return max(usual, min(opens + LEAD, checked + timedelta(hours=24)))


def all_refreshes(lists: Mapping[str, Listed], moments: Sequence[datetime]) -> dict[str, int]:
    """The refreshes of each type."""
    return {product: refreshes(listed, moments) for product, listed in lists.items()}
