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
MARKET = 0.1
"""How many visits begin on the page of the whole market."""
SEARCH = 0.1
"""How many visits begin with a search."""
NEWCOMER = 0.25
"""How many looks are at a symbol like any other; the rest follow what is popular."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What there is to look at: the symbols, the data types of one, and the keys of the whole market."""

    symbols: Sequence[str]
    types: Sequence[str]
    market: Sequence[Watch] = ()


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody looks at these keys for a while."""

    begins: datetime
    ends: datetime
    watches: tuple[Watch, ...]


def visits(viewers: int, stock: Stock, days: Sequence[date], seed: int) -> list[Visit]:
    """All visits of the days, in the order in which they begin."""
    random = Random(seed)  # noqa: S311 -- a crowd, no secret
    found = []
    for day in days:
        for _ in range(viewers * VISITS_A_DAY):
            begins = _moment(day, random)
            ends = begins + timedelta(minutes=random.uniform(*STAY_MIN))
            found.append(Visit(begins, ends, _watches(stock, random)))
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


def session_of(at: datetime) -> tuple[datetime | None, datetime]:
    """When the last session that has begun by then closes, and when the next one opens."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    days = [midnight + timedelta(days=n) for n in range(-4, 5)]
    opens = [day + OPENS for day in days if day.weekday() <= FRIDAY]
    begun = [one for one in opens if one <= at]
    return begun[-1] - OPENS + CLOSES if begun else None, next(one for one in opens if one > at)


def _watches(stock: Stock, random: Random) -> tuple[Watch, ...]:
    found: list[Watch] = []
    if stock.market and random.random() < MARKET:
        found += stock.market
    if random.random() < PAGES:
        symbol = _popular(stock.symbols, random)
        if random.random() < SEARCH:
            found.append(("symbol-search", symbol[:-1].lower() or symbol.lower()))
        return (*found, *((product, symbol) for product in stock.types))
    chosen = {_popular(stock.symbols, random) for _ in range(random.randint(*LIST_LENGTH))}
    return (*found, *((product, symbol) for symbol in sorted(chosen) for product in ON_LISTS))


def _popular(symbols: Sequence[str], random: Random) -> str:
    """Some are looked at far more often than others."""
    if random.random() < NEWCOMER:
        return random.choice(symbols)
    return symbols[int(random.paretovariate(POPULAR) - 1) % len(symbols)]
