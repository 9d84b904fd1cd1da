"""What the service answers with: rows as they are on the wire, and the traps that all of them share.

Values are untouched: figures may be null, and dates and ``marketCap`` also the empty string. Fields come and go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from openbell.engine.errors import NothingKnown, Permanent

Row = dict[str, Any]

MOST_ROWS = 250
"""Rows at which many of the service's lists end, whatever the limit, without a word about it."""

_SECONDS = 100_000_000_000
"""Epoch seconds stay below this until the year 5138; milliseconds have been above it since 1973."""


class Rows(list[Row]):
    """Rows, with what is to be known about their end; both are False where nothing is missing.

    * ``full``: as many as one page holds, so that the next page may have more
    * ``cut``: fewer than were asked for, where the service or the plan ends a list: there may be more

    As JSON, so also in the memo of a step, they are plain rows: look at the marks first.
    """

    def __init__(self, rows: Iterable[Row] = (), *, full: bool = False, cut: bool = False) -> None:
        super().__init__(rows)
        self.full, self.cut = full, cut


def limited(rows: Iterable[Row], asked: int | None, sent: int | None) -> Rows:
    """The rows of a list that was asked for ``asked`` rows, of which the plan let ``sent`` be said."""
    marked = Rows(rows)
    count = len(marked)
    marked.full = count >= (sent or MOST_ROWS)
    short = asked is None or count < asked
    marked.cut = short and (count == MOST_ROWS or (sent is not None and sent != asked and count >= sent))
    return marked


def between(rows: Iterable[Row], since: date | None) -> Rows:
    """The rows of a range that begins with ``since``: cut when the list ends at the cap and does not reach that day."""
    marked = Rows(rows)
    if len(marked) == MOST_ROWS:
        marked.full = True
        marked.cut = since is None or min(str(row.get("date"))[:10] for row in marked) > since.isoformat()
    return marked


def of(wanted: str | Collection[str], rows: Rows, *, field: str = "symbol", named: bool = True) -> Rows:
    """The rows, if they are all of what was asked for: figures of the wrong company are worse than none.

    ``named`` where each row must say whose it is. Raises :class:`Permanent` `wrong_symbol`.
    """
    allowed = {wanted} if isinstance(wanted, str) else set(wanted)
    for row in rows:
        name = row.get(field)
        if (named or field in row) and not (isinstance(name, str) and name in allowed):
            other = str(name)[:20]
            asked = ", ".join(sorted(allowed)[:5])
            raise Permanent(f"FMP answered with {other!r} when asked for {asked}", code=f"wrong_{field}")
    return rows


async def every_page(ask: Callable[[int], Awaitable[Rows]], *, most: int = 10) -> Rows:
    """All rows of an endpoint with pages, asked from page 0 on, at most ``most`` pages and so many calls.

    ``cut`` when there may be more: ``most`` was reached, or the endpoint repeats itself and so does not turn pages.
    Raises :class:`NothingKnown` when the first page is empty. ::

        rows = await every_page(lambda page: fmp.earnings_calendar(since, until, page=page), most=4)
    """
    if most < 1:
        raise ValueError(f"{most} pages cannot be asked for; ask for at least 1")
    found = Rows()
    before: Rows | None = None
    for number in range(most):
        try:
            page = await ask(number)
        except NothingKnown:
            if number == 0:
                raise
            return found
        if page == before:
            break
        found += page
        if not page.full:
            found.cut = page.cut
            return found
        before = page
    found.cut = True
    return found


def local_time(text: str, zone: str = "America/New_York") -> datetime:
    """A time that the service writes without a zone ("2012-06-01 09:30:00"), in UTC.

    Bars are in the zone of their exchange; news are in New York's. The hour that a clock passes twice is the first one.
    Raises ``ValueError``.
    """
    written = datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - that it has no zone is the point
    try:
        return written.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} lies beyond the end of time") from None


def instant(timestamp: float) -> datetime:
    """A ``timestamp`` of the service in UTC: seconds in quotes, milliseconds outside trading hours."""
    return datetime.fromtimestamp(timestamp / 1_000 if abs(timestamp) >= _SECONDS else timestamp, UTC)
