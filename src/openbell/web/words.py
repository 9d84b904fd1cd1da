"""Figures and times as a reader of a market page expects them. Pure functions, no I/O.

A true minus (U+2212), thousands separated, no more digits than are meant, and a zone on every time.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from functools import cache
from typing import TypeGuard
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MINUS = "\u2212"
NARROW = "\u202f"  # no-break, so that a figure never leaves its unit
DASH = "\u2013"
UNITS = ((1e12, "tn"), (1e9, "bn"), (1e6, "m"), (1e3, "k"))


def number(value: float | None, digits: int = 2) -> str:
    """`1234.5` -> `1,234.50`; a missing value is an en dash."""
    if not is_number(value):
        return DASH
    text = f"{abs(value):,.{digits}f}"
    negative = value < 0 and any(c in "123456789" for c in text)
    return MINUS + text if negative else text


def price(value: float | None) -> str:
    """Two digits, four below one unit of currency, where two would hide the move."""
    small = is_number(value) and 0 < abs(value) < 1
    return number(value, 4 if small else 2)


def signed(value: float | None, digits: int = 2) -> str:
    """`3.1` -> `+3.10`; the sign is always written, a zero has none."""
    text = number(value, digits)
    plus = is_number(value) and value > 0 and any(c in "123456789" for c in text)
    return "+" + text if plus else text


def percent(value: float | None) -> str:
    """`-0.531` -> `−0.53 %`."""
    return f"{signed(value)}{NARROW}%" if is_number(value) else DASH


def compact(value: float | None) -> str:
    """`12873500` -> `12.9 m`: three digits are all that a volume means."""
    if not is_number(value):
        return DASH
    for size, unit in UNITS:
        scaled = abs(value) / size
        if scaled >= 0.9995:
            digits = 0 if scaled >= 99.95 else 1 if scaled >= 9.995 else 2
            return number(math.copysign(scaled, value), digits) + NARROW + unit
    return number(value, 0)


def direction(value: float | None) -> str:
    """`up`, `down`, `flat`, or an empty string when nothing is known."""
    if not is_number(value):
        return ""
    return "up" if value > 0 else "down" if value < 0 else "flat"


def is_number(value: object) -> TypeGuard[int | float]:
    """A finite number; what a source writes instead of one is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def duration(seconds: float) -> str:
    """The largest whole unit: `12 s`, `3 min`, `2 h`, `5 d`. The page's script speaks the same way."""
    s = max(0, int(seconds))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if s >= size:
            return f"{s // size}{NARROW}{unit}"
    return f"{s}{NARROW}s"


def clock(moment: datetime, now: datetime) -> str:
    """`10:42:05 UTC`, with the date when it is not today's."""
    moment = moment.astimezone(UTC)
    if moment.date() == now.astimezone(UTC).date():
        return f"{moment:%H:%M:%S} UTC"
    return f"{day(moment.date())}, {moment:%H:%M} UTC"


def exchange_time(moment: datetime) -> str:
    """`Fri 18 May 2012, 16:00 ET`: the trading day is told in the exchange's own zone."""
    zone = new_york()
    local = moment.astimezone(zone or UTC)
    return f"{local:%a} {day(local.date())}, {local:%H:%M} {'ET' if zone else 'UTC'}"


def day(value: date) -> str:
    """`1 Jun 2012`."""
    return f"{value.day} {value:%b %Y}"


@cache
def new_york() -> ZoneInfo | None:
    """None on a system without a zone table; times are then told in UTC and say so."""
    try:
        return ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        return None


def money(micro: int) -> str:
    """A cost in micro-dollars: `$0.0042`; free is said in a word."""
    if micro == 0:
        return "nothing (within the plan)"
    dollars = micro / 1_000_000
    return f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.4f}"


def moment(value: object) -> datetime | None:
    """An ISO time from a stored value, always with a zone; anything else is None."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def share(value: float | None, digits: int = 1) -> str:
    """A plain ratio as per cent: `0.2534` -> `25.3 %`."""
    return f"{number(value * 100, digits)}{NARROW}%" if is_number(value) else DASH


def per_cent(value: float | None, digits: int = 2) -> str:
    """A figure that is per cent already: `4.5` -> `4.50 %`."""
    return f"{number(value, digits)}{NARROW}%" if is_number(value) else DASH


def iso_day(value: object) -> str:
    """An ISO date, or the date of an ISO time, as people read it; an en dash for what is none."""
    found = moment(value)
    return day(found.date()) if found else DASH


def growth(value: float | None, before: float | None) -> str:
    """The change in per cent; empty where it would mislead: nothing before, or nothing above zero."""
    if not is_number(value) or not is_number(before) or before <= 0:
        return ""
    return f"{signed((value / before - 1) * 100, 1)}{NARROW}%"
