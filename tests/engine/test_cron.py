"""When schedules fire: pure, in every zone whose clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.engine.cron import PUNCTUAL, InvalidCron, next_times, plan
from openbell.engine.errors import InvalidDeclaration
from openbell.engine.registry import days, hours, seconds
from openbell.engine.schedules import schedule
from tests.engine.hand import declare

NOON = datetime(2030, 3, 4, 12, 0, tzinfo=UTC)


def local(cron: str, zone: str, after: datetime, count: int) -> list[str]:
    """The next times as the wall shows them."""
    return [f"{t.astimezone(ZoneInfo(zone)):%d %H:%M%z}" for t in islice(next_times(cron, zone, after), count)]


@pytest.mark.parametrize(
    ("zone", "cron", "day", "expected"),
    [
        ("America/New_York", "30 2 * * *", (2026, 3, 7), ["07 02:30-0500", "08 03:00-0400", "09 02:30-0400"]),
        ("America/New_York", "30 1 * * *", (2026, 10, 31), ["31 01:30-0400", "01 01:30-0400", "02 01:30-0500"]),
        ("America/New_York", "*/30 2 * * *", (2026, 3, 8), ["08 03:00-0400", "09 02:00-0400", "09 02:30-0400"]),
        ("Europe/Berlin", "15 2 * * *", (2026, 3, 28), ["28 02:15+0100", "29 03:00+0200", "30 02:15+0200"]),
        ("Europe/Berlin", "15 2 * * *", (2026, 10, 24), ["24 02:15+0200", "25 02:15+0200", "26 02:15+0100"]),
        ("Australia/Lord_Howe", "15 2 * * *", (2026, 10, 3), ["03 02:15+1030", "04 02:30+1100", "05 02:15+1100"]),
        ("Australia/Lord_Howe", "45 1 * * *", (2026, 4, 4), ["04 01:45+1100", "05 01:45+1100", "06 01:45+1030"]),
    ],
)
def test_a_time_of_day_fires_once_on_days_when_clocks_change(
    zone: str, cron: str, day: tuple[int, int, int], expected: list[str]
) -> None:
    """PF-32: in a repeated hour it fires the first time, and a time that is skipped fires at the moment of the skip."""
    assert local(cron, zone, datetime(*day, tzinfo=ZoneInfo(zone)), len(expected)) == expected


@pytest.mark.parametrize(
    ("zone", "cron", "after", "expected"),
    [
        ("America/New_York", "0 * * * *", (2026, 11, 1), ["00", "01", "01", "02"]),
        ("America/New_York", "0 * * * *", (2026, 3, 8), ["00", "01", "03", "04"]),
        ("Australia/Lord_Howe", "45 * * * *", (2026, 4, 5), ["00", "01", "01", "02"]),
        ("Australia/Lord_Howe", "0 */2 * * *", (2026, 4, 5), ["00", "02", "04", "06"]),
    ],
)
def test_an_interval_follows_the_time_that_passes(
    zone: str, cron: str, after: tuple[int, int, int], expected: list[str]
) -> None:
    """PF-32: what fires every hour fires every hour, also when the clock shows the same time twice."""
    begin = datetime(*after, tzinfo=ZoneInfo(zone)) - timedelta(seconds=1)
    assert [time[3:5] for time in local(cron, zone, begin, len(expected))] == expected


def changing_zones() -> dict[str, list[datetime]]:
    """Every zone whose clocks change in 2024 to 2027, with the hours (in UTC) in which they do."""
    found: dict[str, list[datetime]] = {}
    first, last = datetime(2024, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
    for name in sorted(available_timezones()):
        if name.startswith(("posix/", "right/")) or name in ("localtime", "posixrules", "Factory"):
            continue
        tz, at, changes = ZoneInfo(name), first, []
        while at < last:
            later = at + timedelta(days=7)
            if at.astimezone(tz).utcoffset() != later.astimezone(tz).utcoffset():
                hour = at
                while hour.astimezone(tz).utcoffset() == at.astimezone(tz).utcoffset():
                    hour += timedelta(hours=1)
                changes.append(hour)
            at = later
        if changes:
            found[name] = changes
    return found


CHANGES = changing_zones()


@st.composite
def days_of_change(draw: st.DrawFn) -> tuple[str, datetime, datetime]:
    """A zone, and a window of up to two days with a change of its clocks in it; it may begin at any minute."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    change = draw(st.sampled_from(CHANGES[zone]))
    begin = change - timedelta(minutes=draw(st.integers(-150, 1500)))
    return zone, begin, begin + timedelta(minutes=draw(st.integers(1500, 2880)))


minutes_of = st.lists(st.integers(0, 59), min_size=1, max_size=4, unique=True)
hours_of = st.lists(st.integers(0, 23), min_size=1, max_size=5, unique=True)


def walls(zone: str, begin: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Each minute later than ``begin``, and what the clock shows then."""
    tz = ZoneInfo(zone)
    span = int((end - begin).total_seconds() // 60)
    times = [begin + timedelta(minutes=n) for n in range(1, span + 1)]
    return [(time, time.astimezone(tz).replace(tzinfo=None, fold=0)) for time in times]


def fired(cron: str, zone: str, begin: datetime, end: datetime) -> list[datetime]:
    """What the code under test says."""
    found = []
    for time in next_times(cron, zone, begin):
        if time > end:
            break
        found.append(time)
    return found


@settings(max_examples=150, deadline=None)
@given(window=days_of_change(), minute=minutes_of, hour=hours_of)
def test_each_time_of_day_fires_when_the_clock_first_reaches_it(
    window: tuple[str, datetime, datetime], minute: list[int], hour: list[int]
) -> None:
    """PF-32: in every zone, a time of day fires once: when the clock first shows it or a later one."""
    zone, begin, end = window
    cron = f"{','.join(map(str, minute))} {','.join(map(str, hour))} * * *"
    shown = walls(zone, begin - timedelta(days=2), end)
    expected: set[datetime] = set()
    latest = shown[0][1]
    for time, wall in shown[1:]:
        while latest < wall:
            latest += timedelta(minutes=1)
            if latest.minute in minute and latest.hour in hour:
                expected.add(time)
    found = fired(cron, zone, begin, end)
    assert found == sorted(time for time in expected if time > begin)
    names = [time.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) for time in found]
    assert len(set(names)) == len(names)


@settings(max_examples=100, deadline=None)
@given(window=days_of_change(), minute=minutes_of, step=st.integers(1, 6))
def test_each_interval_fires_whenever_the_clock_shows_it(
    window: tuple[str, datetime, datetime], minute: list[int], step: int
) -> None:
    """PF-32: in every zone, an interval fires at each minute at which the clock shows a matching time."""
    zone, begin, end = window
    cron = f"{','.join(map(str, minute))} */{step} * * *"
    expected = [time for time, wall in walls(zone, begin, end) if wall.minute in minute and wall.hour % step == 0]
    assert fired(cron, zone, begin, end) == expected


@pytest.mark.parametrize(
    ("cron", "zone"),
    [
        ("", "UTC"),
        ("* * * *", "UTC"),
        ("0 0 0 * * *", "UTC"),
        ("61 * * * *", "UTC"),
        ("0 0 30 2 *", "UTC"),
        ("*/0 * * * *", "UTC"),
        ("0 0 * * *", "Berlin"),
        ("0 0 * * *", "../etc/passwd"),
        ("0 0 * * *", ""),
    ],
)
def test_what_cannot_be_planned_is_refused(cron: str, zone: str) -> None:
    """PF-32: a wrong expression or zone is refused when it is declared."""
    with pytest.raises(InvalidCron):
        list(islice(next_times(cron, zone, NOON), 1))
    with pytest.raises(InvalidDeclaration):
        schedule("wrong", declare(), "a", cron=cron, zone=zone, missed="late", max_late=hours(1))


def test_of_the_missed_the_latest_runs_late() -> None:
    """PF-32: after a standstill the latest missed occurrence runs, once; the others are recorded as skipped."""
    made = plan("0 * * * *", "UTC", missed="late", max_late=hours(2), next_at=NOON, now=NOON + hours(5.5))
    assert made.run == NOON + hours(5)
    assert made.skipped == (NOON, NOON + hours(4))  # of those that are too late to run, the first stands for all
    assert made.next_at == NOON + hours(6)


def test_what_is_too_late_is_skipped() -> None:
    """PF-32: an occurrence later than its bound does not run, nor one of a schedule that skips what it missed."""
    late = plan("0 12 * * *", "UTC", missed="late", max_late=hours(2), next_at=NOON, now=NOON + hours(3))
    assert (late.run, late.skipped, late.next_at) == (None, (NOON,), NOON + days(1))
    for delay, run in ((PUNCTUAL, NOON), (PUNCTUAL + seconds(1), None)):
        skip = plan("0 12 * * *", "UTC", missed="skip", max_late=hours(2), next_at=NOON, now=NOON + delay)
        assert skip.run == run


@given(
    missed=st.sampled_from(["late", "skip"]),
    hop=st.lists(st.integers(1, 400), min_size=1, max_size=30),
    cron=st.sampled_from(["*/7 * * * *", "0 * * * *", "30 1,2 * * *", "5,35 */3 * * *"]),
)
@settings(max_examples=150, deadline=None)
def test_no_occurrence_is_taken_twice_or_forgotten(missed: str, hop: list[int], cron: str) -> None:
    """PF-32: however long a scheduler sleeps between its looks, each time is run or skipped once, in order."""
    now = datetime(2026, 10, 24, 20, tzinfo=UTC)
    at = plan(cron, "Europe/Berlin", missed=missed, max_late=days(7), next_at=None, now=now).next_at
    seen: list[datetime] = []
    first = now
    for pause in hop:
        now += timedelta(minutes=pause)
        made = plan(cron, "Europe/Berlin", missed=missed, max_late=days(7), next_at=at, now=now)
        seen += [*made.skipped, *([made.run] if made.run else [])]
        at = made.next_at
    assert seen == fired(cron, "Europe/Berlin", first, now)
