"""What a provider says of when to come again: the header `Retry-After` (RFC 9110, 10.2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LEAST = timedelta(seconds=1)
MOST = timedelta(days=1)
"""Nobody is obeyed for longer than this at a time."""


def asked_pause(headers: Mapping[str, str]) -> timedelta | None:
    """The pause that an answer asks for, from a second to a day; None where it asks for none that can be read.

    A time of day is measured by the answer's own `Date`, so that a clock that is off, ours or theirs, does no harm.
    """
    said = headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        pause = timedelta(seconds=min(int(said[:12]), 10**9))
    else:
        until, now = _moment(said), _moment(headers.get("date", "")) or datetime.now(UTC)
        if until is None:
            return None
        pause = until - now
    return min(max(pause, LEAST), MOST)


def _moment(said: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(said)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
