"""What an edition is called: whose it is, and the Monday of its week. Pure.

A week is a date of the calendar in a zone, counted from the parts of the local date, never from durations: clock
changes and New Year move nothing. It is computed once, where the work is queued, and is part of the key from then on.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from openbell.engine.keys import Key

ALL, FIGURES = "all", "figures"
DEFAULT_ZONE = "America/New_York"


def monday_of(day: date) -> date:
    """The Monday of the week in which ``day`` lies."""
    return day - timedelta(days=day.weekday())


def week_at(time: datetime, zone: str) -> date:
    """The Monday of the week that runs at ``time`` in ``zone``."""
    return monday_of(time.astimezone(ZoneInfo(zone)).date())


class EditionKey(Key):
    """An edition: ``42|2026-11-23`` of person 42, ``all|2026-11-23`` of everybody, ``figures|2026-11-23``."""

    __slots__ = ()

    pattern = re.compile(rf"(?:{ALL}|{FIGURES}|[1-9]\d{{0,17}})\|\d{{4}}-\d\d-\d\d")
    shape = "a person's number, all or figures, and a Monday, such as 42|2026-11-23"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key that ``text`` stands for. Raises ``ValueError``."""
        key = super().parse(text)
        if key.week.weekday() != 0:
            raise ValueError(f"{key.week} is not a Monday")
        return key

    @classmethod
    def of(cls, whose: int | str, week: date) -> Self:
        """The edition of a person's id, ``all`` or ``figures``."""
        return cls.parse(f"{whose}|{week.isoformat()}")

    @property
    def whose(self) -> str:
        """The person's number, or the word."""
        return self.partition("|")[0]

    @property
    def person_id(self) -> int | None:
        """Whose it is; None when it is everybody's."""
        return int(self.whose) if self.whose.isdecimal() else None

    @property
    def week(self) -> date:
        """Its Monday. Raises ``ValueError`` for what is no date."""
        return date.fromisoformat(self.partition("|")[2])


class BatchKey(Key):
    """A batch of the weekly run: ``2026-11-23|3``; number 0 is everybody's edition alone."""

    __slots__ = ()

    pattern = re.compile(r"\d{4}-\d\d-\d\d\|\d{1,6}")
    shape = "a Monday and a number, such as 2026-11-23|3"

    @property
    def week(self) -> date:
        """Its Monday."""
        return date.fromisoformat(self.partition("|")[0])

    @property
    def number(self) -> int:
        """Which batch of the week."""
        return int(self.partition("|")[2])
