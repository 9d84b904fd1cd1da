"""What is known of the markets, for the top bar: whether they are open, until when, and that a day is replayed. Pure.

Hours come with the readings, from the sessions that the engine keeps; here they only become words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from openbell.products.market.intraday_prices import ZONES
from openbell.web import words

if TYPE_CHECKING:
    from openbell.engine.artifacts import Reading
    from openbell.engine.freshness import Hours

NEW_YORK = "XNYS"
BETWEEN = "|"  # between the parts in an attribute; the page's script joins those of all rows
SHOWN = " \u00b7 "
WEEK_S = 6 * 86_400


def market_line(readings: Iterable[Reading]) -> str:
    """The line for all of them, each thing said once."""
    return SHOWN.join(parts(list(readings)))


def market_parts(reading: Reading) -> str:
    """The same of one reading, for an attribute."""
    return BETWEEN.join(parts([reading]))


def parts(readings: Sequence[Reading]) -> list[str]:
    """A replayed day, then each market by name; where no hours are known, the newest trade."""
    said = dict.fromkeys(replayed(str(r.synthetic)) for r in readings if r.synthetic)
    said |= dict.fromkeys(hours_words(r.hours, r.now) for r in readings if r.hours)
    newest = max((r.source_time for r in readings if r.source_time), default=None)
    if not said and newest:
        return [f"Newest trade {words.exchange_time(newest)}"]
    return list(said)


def replayed(synthetic: str) -> str:
    """`Replayed market day 1 Jun 2012`, or what the data says of itself."""
    found = re.search(r"market day (\d{4}-\d{2}-\d{2})", synthetic)
    return f"Replayed market day {words.iso_day(found.group(1))}" if found else synthetic


def hours_words(hours: Hours, now: datetime) -> str:
    """`New York open until 16:00 ET`, `London closed until Mon 08:00 GMT`."""
    name = market_name(hours.calendar)
    if hours.is_open:
        return f"{name} open until {local(hours.closes_at, now, hours.calendar)}"
    if hours.opens_at is None:
        return f"{name} closed"
    return f"{name} closed until {local(hours.opens_at, now, hours.calendar)}"


def market_name(calendar: str) -> str:
    """The city of the market, from its zone; the code where that is unknown."""
    zone = ZONES.get(calendar, "")
    return zone.rpartition("/")[2].replace("_", " ") or calendar


def local(at: datetime, now: datetime, calendar: str) -> str:
    """In the market's own time: without a day today, with the weekday within a week, else with the date."""
    zone = zone_of(calendar)
    there, today = at.astimezone(zone or UTC), now.astimezone(zone or UTC)
    name = "ET" if calendar == NEW_YORK and zone else f"{there:%Z}" if zone else "UTC"
    if there.date() == today.date():
        return f"{there:%H:%M} {name}"
    far = abs((at - now).total_seconds()) >= WEEK_S
    return f"{there:%a}{f' {words.day(there.date())},' if far else ''} {there:%H:%M} {name}"


@cache
def zone_of(calendar: str) -> ZoneInfo | None:
    """The zone of a market; None where it, or the system's table of zones, is unknown."""
    try:
        return ZoneInfo(ZONES[calendar])
    except (KeyError, ZoneInfoNotFoundError):
        return None
