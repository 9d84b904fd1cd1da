"""Who looks at what when. Pure and seeded: the same crowd comes every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random

Watch = tuple[str, str]  # product and key

OPENS, CLOSES = timedelta(hours=14, minutes=30), timedelta(hours=21)
"""The session of New York in winter, in UTC."""
FRIDAY = 4
VISITS_A_DAY = 2
STAY_MIN = (3, 30)
LIST_LENGTH = (3, 8)
ON_LISTS = ("quote", "profile", "eod-prices")
AT_NIGHT = 0.1
"""How many come while the market is closed."""
PAGES = 0.3
"""How many visits go to the page of one symbol, with all its figures; the others watch a list."""
POPULAR = 0.9
"""The smaller, the more do all look at the same symbols."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody looks at these keys for a while."""

    begins: datetime
    ends: datetime
    watches: tuple[Watch, ...]


def visits(viewers: int, symbols: Sequence[str], types: Sequence[str], days: Sequence[date], seed: int) -> list[Visit]:
    """All visits of the days, in the order in which they begin."""
    random = Random(seed)  # noqa: S311 -- a crowd, no secret
    found = []
    for day in days:
        for _ in range(viewers * VISITS_A_DAY):
            begins = _moment(day, random)
            ends = begins + timedelta(minutes=random.uniform(*STAY_MIN))
            found.append(Visit(begins, ends, _watches(symbols, types, random)))
    return sorted(found, key=lambda visit: visit.begins)


def ticks(days: Sequence[date], every: timedelta) -> list[datetime]:
    """The moments at which a week is looked at: often while the market is open, hourly otherwise."""
    found = set()
    for day in days:
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        found |= {midnight + timedelta(hours=hour) for hour in range(24)}
        steps = int((CLOSES - OPENS + timedelta(hours=1)) / every)
        found |= {midnight + OPENS + n * every for n in range(steps + 1)}
    return sorted(found)


def open_between(start: datetime, end: datetime) -> timedelta:
    """For how long the market was open between two moments of one or two days."""
    found, midnight = timedelta(0), start.replace(hour=0, minute=0, second=0, microsecond=0)
    while midnight < end:
        shared = min(end, midnight + CLOSES) - max(start, midnight + OPENS)
        if midnight.weekday() < FRIDAY + 1:
            found += max(shared, timedelta(0))
        midnight += timedelta(days=1)
    return found


def _moment(day: date, random: Random) -> datetime:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if random.random() < AT_NIGHT:
        return midnight + timedelta(hours=random.uniform(0, 23))
    return midnight + OPENS + random.random() * (CLOSES - OPENS)


def _watches(symbols: Sequence[str], types: Sequence[str], random: Random) -> tuple[Watch, ...]:
    if random.random() < PAGES:
        symbol = _popular(symbols, random)
        return tuple((product, symbol) for product in types)
    chosen = {_popular(symbols, random) for _ in range(random.randint(*LIST_LENGTH))}
    return tuple((product, symbol) for symbol in sorted(chosen) for product in ON_LISTS)


def _popular(symbols: Sequence[str], random: Random) -> str:
    """Some are looked at far more often than others."""
    return symbols[int(random.paretovariate(POPULAR) - 1) % len(symbols)]
