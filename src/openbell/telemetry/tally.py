"""The errors that end where they come up, counted in this process; /metrics and the heartbeat tell them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

_swallowed: Counter[tuple[str, str]] = Counter()


def swallowed(where: str, error: BaseException) -> None:
    """An error ends here and is not raised any further (PF-35). ``where`` is a word of the code, never of the data."""
    _swallowed[where, type(error).__name__] += 1


def swallowed_so_far() -> Mapping[tuple[str, str], int]:
    """How many errors ended where, by place and type."""
    return dict(_swallowed)


def for_heartbeat() -> dict[str, int]:
    """The swallowed errors of this process in the form of a worker's counters: ``swallowed:where``."""
    told: Counter[str] = Counter()
    for (where, _), times in _swallowed.items():
        told[f"swallowed:{where}"] += times
    return dict(told)
