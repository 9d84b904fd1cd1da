"""When a schedule fires: cron expressions in named time zones. Pure.

An expression has five fields: minute, hour, day of month, month, day of week. On the two days on which clocks change:

- A **time of day** (the hour field does not begin with ``*``) fires once for each date: in a repeated hour the first
  time, and a time that the clock skips fires at the moment of the skip. Two skipped times at the same moment are one.
- An **interval** (the hour field begins with ``*``) fires whenever the clock shows a matching time: in a repeated hour
  both times, because as much time has passed, and in a skipped hour not at all.

So does Debian's cron, except that there an asterisk in the minute field makes an interval too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from openbell.engine.errors import EngineError

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)

PUNCTUAL = timedelta(seconds=90)
"""An occurrence that is taken within this is in time: schedulers look at the clock at least every 30 seconds."""
MOST_LATE = timedelta(days=7)
MOST_RECORDED = 100
"""So many skipped occurrences, the latest ones, get a row of their own after a long standstill."""


class InvalidCron(EngineError):
    """The expression or the zone is none."""

    code = "invalid_cron"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a scheduler does now: run one occurrence or none, record others as skipped, and come back at ``next_at``.

    ``next_at`` is None when the expression never fires again.
    """

    run: datetime | None
    skipped: tuple[datetime, ...]
    next_at: datetime | None


def check(cron: str, zone: str) -> None:
    """Raises :class:`InvalidCron` for an expression or zone that cannot be planned."""
    _parse(cron, zone, datetime(2000, 1, 1, tzinfo=UTC))


def next_times(cron: str, zone: str, after: datetime) -> Iterator[datetime]:
    """The times, in UTC, at which ``cron`` fires in ``zone`` later than ``after``: strictly increasing, without end
    unless no date matches. Raises :class:`InvalidCron`.
    """
    tz = _parse(cron, zone, after)
    return _intervals(cron, tz, after) if cron.split()[1].startswith("*") else _times_of_day(cron, tz, after)


def plan(cron: str, zone: str, *, missed: str, max_late: timedelta, next_at: datetime | None, now: datetime) -> Plan:
    """What is to be done at ``now`` for a schedule whose next occurrence was ``next_at``; None plans it anew.

    Of several that were missed only the latest is run, because they would all do the same work. With ``missed`` "late"
    it runs when it is not later than ``max_late``, with "skip" only when it is in time (:data:`PUNCTUAL`).
    Raises :class:`InvalidCron`.
    """
    if next_at is None:
        return Plan(None, (), next(next_times(cron, zone, now), None))
    if next_at > now:
        return Plan(None, (), next_at)
    due, upcoming = [next_at], None
    for time in next_times(cron, zone, max(next_at, now - max_late)):
        if time > now:
            upcoming = time
            break
        due.append(time)
    tolerance = max_late if missed == "late" else PUNCTUAL
    run = due.pop() if now - due[-1] <= tolerance else None
    return Plan(run, tuple(due[-MOST_RECORDED:]), upcoming)


def _parse(cron: str, zone: str, after: datetime) -> ZoneInfo:
    if len(cron.split()) != 5:
        raise InvalidCron(f"{cron[:80]!r} has not five fields: minute, hour, day of month, month, day of week.")
    try:
        tz = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise InvalidCron(f"There is no time zone {zone[:80]!r}; write it as Europe/Berlin or UTC.") from None
    try:
        CronSim(cron, _wall(after, tz))
    except CronSimError as error:
        raise InvalidCron(f"{cron[:80]!r} is no cron expression: {error}.") from None
    return tz


def _wall(time: datetime, tz: ZoneInfo) -> datetime:
    """What the clock on the wall shows."""
    return time.astimezone(tz).replace(tzinfo=None, fold=0)


def _instant(wall: datetime, tz: ZoneInfo, *, fold: int = 0) -> datetime | None:
    """When the clock shows ``wall``, the first (``fold`` 0) or second (1) time; None when it never does."""
    instant = wall.replace(tzinfo=tz, fold=fold).astimezone(UTC)
    return instant if _wall(instant, tz) == wall else None


def _times_of_day(cron: str, tz: ZoneInfo, after: datetime) -> Iterator[datetime]:
    last = after
    for wall in CronSim(cron, _wall(after, tz)):
        shown = wall
        while (instant := _instant(shown, tz)) is None:
            shown += MINUTE
        if instant > last:
            yield instant
            last = instant


def _intervals(cron: str, tz: ZoneInfo, after: datetime) -> Iterator[datetime]:
    while (instant := _next_shown(cron, tz, after)) is not None:
        yield instant
        after = instant


def _next_shown(cron: str, tz: ZoneInfo, after: datetime) -> datetime | None:
    """The first instant later than ``after`` at which the clock shows a matching time.

    Where the clock goes back near ``after``, times that it has shown come once more: the search begins before them.
    """
    goes_back = max(_offset(after - DAY, tz) - _offset(after + DAY, tz), timedelta(0))
    again: datetime | None = None
    for wall in CronSim(cron, _wall(after, tz) - goes_back):
        first = _instant(wall, tz)
        if first is None:
            continue
        second = _instant(wall, tz, fold=1)
        if again is None and second is not None and second > after and second != first:
            again = second
        if first > after:
            return first if again is None else min(first, again)
    return again


def _offset(time: datetime, tz: ZoneInfo) -> timedelta:
    return time.astimezone(tz).utcoffset() or timedelta(0)
