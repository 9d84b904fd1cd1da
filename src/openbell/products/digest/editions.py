"""The key of a digest: a ticker, an edition, and a date of the calendar in the operator's zone (DG-1, DC-7)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from openbell.engine.keys import Key
from openbell.products.keys import Symbol

Edition = Literal["daily", "weekly"]
EDITIONS: tuple[Edition, ...] = get_args(Edition)
WINDOWS: dict[Edition, timedelta] = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
"""How far back an edition looks for articles. Of a daily one after a weekend or holiday see :func:`window_of`."""

MONDAY = 0


class DigestKey(Key):
    """A ticker, an edition and a date, such as ``AAPL|daily|2026-11-24``. One digest serves all its subscribers."""

    __slots__ = ()

    pattern = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,14}\|(daily|weekly)\|(19|20|21)\d\d-\d\d-\d\d")
    shape = "TICKER|daily or weekly|YEAR-MONTH-DAY, such as AAPL|daily|2026-11-24"

    @classmethod
    def canonical(cls, text: str) -> str:
        """The ticker in its one spelling, the edition in lower case, a day that exists."""
        parts = text.split("|")
        if len(parts) != 3:
            return text.strip()
        ticker, edition, day = (part.strip() for part in parts)
        try:
            return f"{Symbol.canonical(ticker)}|{edition.lower()}|{date.fromisoformat(day)}"
        except ValueError:
            return ""

    @property
    def parts(self) -> Parts:
        """What it is made of."""
        ticker, edition, day = self.split("|")
        return Parts(ticker, "weekly" if edition == "weekly" else "daily", date.fromisoformat(day))


@dataclass(frozen=True, slots=True)
class Parts:
    """A key taken apart."""

    ticker: str
    edition: Edition
    day: date

    @property
    def key(self) -> DigestKey:
        """The key again."""
        return digest_key(self.ticker, self.edition, self.day)


def digest_key(ticker: str, edition: Edition, day: date) -> DigestKey:
    """The key of a digest. Raises ``ValueError`` for what is no ticker."""
    return DigestKey.parse(f"{ticker}|{edition}|{day.isoformat()}")


def edition_of(day: date) -> Edition:
    """Mondays are weekly, whatever the market does; every other day is daily."""
    return "weekly" if day.weekday() == MONDAY else "daily"


def local_day(now: datetime, zone: str) -> date:
    """The date of the calendar at ``now`` in ``zone``."""
    return now.astimezone(ZoneInfo(zone)).date()


def window_of(parts: Parts, zone: str, now: datetime) -> tuple[datetime, datetime]:
    """From when to when its articles were published, for a digest that is begun at ``now``.

    It ends now, or with its day if that is over. It begins 24 hours or 7 days before the time of day that it is begun
    at, counted from its day, so that a digest of a past day looks at that day. Computed once and pinned, never again
    for the same digest.
    """
    next_day = datetime.combine(parts.day + timedelta(days=1), time(), ZoneInfo(zone))
    end = min(now, next_day)
    return end - WINDOWS[parts.edition], end
