"""How long to wait before the next attempt. Pure: the random number is an argument."""

from __future__ import annotations

from datetime import timedelta


def exponential(
    attempt: int, chance: float, *, first: timedelta = timedelta(seconds=2), most: timedelta = timedelta(minutes=10)
) -> timedelta:
    """The wait after ``attempt`` (1 is the first) that failed.

    Doubles with each attempt from ``first`` up to ``most``; ``chance`` in [0, 1) takes off up to half of it, so that
    jobs which failed together do not come back together.
    """
    full = min(first * 2.0 ** min(attempt - 1, 30), most)
    return full * (1 - chance / 2)
