"""What this process counts itself. Few counters, with few and fixed labels; /metrics and the heartbeat tell them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping

log = logging.getLogger(__name__)

_swallowed: Counter[tuple[str, str]] = Counter()
_counted: Counter[str] = Counter()


def swallowed(where: str, error: BaseException | None = None) -> None:
    """An error ends here and is not raised any further (PF-35). ``where`` is a word of the code, never of the data."""
    _swallowed[where, type(error).__name__ if error is not None else "none"] += 1


def count(what: str, by: int = 1) -> None:
    """One more of something."""
    _counted[what] += by


def swallowed_so_far() -> Mapping[tuple[str, str], int]:
    """How many errors ended where, by place and type."""
    return dict(_swallowed)


def counted_so_far() -> Mapping[str, int]:
    """The other counters."""
    return dict(_counted)


def for_heartbeat() -> dict[str, int]:
    """The swallowed errors of this process in the form of a worker's counters: ``swallowed:where``."""
    told: Counter[str] = Counter()
    for (where, _), times in _swallowed.items():
        told[f"swallowed:{where}"] += times
    return dict(told)
