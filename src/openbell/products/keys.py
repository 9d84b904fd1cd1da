"""The keys of market products."""

from __future__ import annotations

import re
from datetime import date, timedelta

from openbell.engine.keys import Global, Key

__all__ = ["Global", "Query", "Symbol", "Week"]


_SHARE_CLASS = re.compile(r"([A-Z0-9]+)\.([ABC])(\.[A-Z]{1,3})?")
"""A class of shares written with a dot. No exchange has one of these letters alone as its suffix."""


class Symbol(Key):
    """A ticker symbol, in upper case: ``AAPL``, ``BRK-B``, ``VOD.L``.

    A class of shares is written with a hyphen, as the provider does: ``BRK.B`` and ``BRK-B`` are one key. A dot stands
    before an exchange: ``VOD.L``, ``TECK-B.TO``.
    """

    __slots__ = ()

    pattern = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,14}")
    shape = "1 to 15 letters, digits, dots or hyphens, such as AAPL or BRK-B"

    @classmethod
    def canonical(cls, text: str) -> str:
        """Upper case, without blanks around it. Letters beyond ASCII stay as they are, and are refused."""
        if not text.isascii():
            return text
        written = text.strip().upper()
        if share := _SHARE_CLASS.fullmatch(written):
            return f"{share[1]}-{share[2]}{share[3] or ''}"
        return written


class Query(Key):
    """What somebody types into a search: lower case, single blanks."""

    __slots__ = ()

    pattern = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,40}")
    shape = "1 to 40 characters"

    @classmethod
    def canonical(cls, text: str) -> str:
        """Lower case with single blanks."""
        return " ".join(text.lower().split())


class Week(Key):
    """A calendar week by ISO 8601, Monday to Sunday: ``2012-W23``; any day of it is accepted too."""

    __slots__ = ()

    pattern = re.compile(r"(19|20|21)\d\d-W(0[1-9]|[1-4]\d|5[0-3])")
    shape = "a week of the years 1900 to 2199, such as 2012-W23, or a day of it, such as 2012-06-04"

    @classmethod
    def canonical(cls, text: str) -> str:
        """The week itself, or that of the day."""
        written = text.strip().upper()
        try:
            if cls.pattern.fullmatch(written):
                _monday(written)
                return written
            return cls.of(date.fromisoformat(written))
        except ValueError:
            return ""

    @classmethod
    def of(cls, day: date) -> str:
        """The week in which a day lies."""
        year, week, _ = day.isocalendar()
        return f"{year:04d}-W{week:02d}"

    @property
    def days(self) -> tuple[date, date]:
        """Its Monday and its Sunday."""
        monday = _monday(self)
        return monday, monday + timedelta(days=6)


def _monday(week: str) -> date:
    """Raises ``ValueError`` for a 53rd week of a year that has 52."""
    return date.fromisocalendar(int(week[:4]), int(week[6:]), 1)
