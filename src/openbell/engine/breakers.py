"""Leaving a provider alone by hand, and calling it again before its time; each with a reason, and audited.

A breaker that was opened by hand is as any other: until its time is over nobody calls, then one call, the probe, finds
out, and closes it or opens it for longer.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg

from openbell.engine.books import Breaker, list_books, list_breakers
from openbell.engine.database import SQL, Db
from openbell.engine.errors import EngineError
from openbell.engine.hints import CHANNEL
from openbell.engine.revisions import Overtaken, checked_reason, list_changes, tell

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=7)


class BreakerRefused(EngineError):
    """There is no such provider, or the breaker cannot be opened for so long."""

    code = "breaker_refused"


async def find_breaker(db: Db, provider: str, operation: str = "") -> Breaker | None:
    """The breaker; None while it is closed."""
    rows = await list_breakers(db)
    return next((one for one in rows if (one.provider, one.operation) == (provider, operation)), None)


async def open_breaker(
    db: Db,
    provider: str,
    span: timedelta,
    *,
    operation: str = "",
    reason: str,
    actor: str,
    seen: datetime | None = None,
) -> datetime:
    """Let nobody call the provider, or this operation of it, for a span of a minute to a week. Until when.

    ``seen`` is until when its author has seen it open, None for closed. Calls under way go on. Raises
    :class:`BreakerRefused`, :class:`BadReason` and :class:`Overtaken`.
    """
    why = checked_reason(reason, needed=True)
    if not SHORTEST <= span <= LONGEST:
        raise BreakerRefused(f"A breaker is opened for a minute to {LONGEST.days} days.")
    await _known(db, provider, operation)
    until: datetime | None
    try:
        until = await db.fetchval(SQL.get("shut_provider"), provider, operation, span, why, actor, seen)
    except asyncpg.DataError as error:
        raise BreakerRefused(f"There is no such operation of {provider}.") from error
    if until is None:
        raise await _overtaken(db, provider, operation)
    return until


async def close_breaker(
    db: Db, provider: str, *, operation: str = "", reason: str, actor: str, seen: datetime | None = None
) -> None:
    """Let calls go out again before the breaker's time. Enough that fail open it again.

    Raises :class:`BreakerRefused` where it is closed already, :class:`BadReason` and :class:`Overtaken`.
    """
    why = checked_reason(reason, needed=True)
    now = await find_breaker(db, provider, operation)
    if now is None and seen is None:
        raise BreakerRefused(f"The breaker of {f'{provider} {operation}'.strip()} is closed: nothing holds its calls.")
    at = seen or (now and now.open_until)
    if await db.fetchval(SQL.get("close_breaker"), provider, operation, why, actor, at) is None:
        raise await _overtaken(db, provider, operation)
    await db.execute(SQL.get("send_hint"), CHANNEL, '["work",null]')


async def _known(db: Db, provider: str, operation: str) -> None:
    if len(operation) > 100 or "\x00" in operation + provider:
        raise BreakerRefused("An operation has a name of at most 100 characters.")
    if not await list_books(db, provider, "calls"):
        known = ", ".join(dict.fromkeys(one.subject for one in await list_books(db, None, "calls")))
        raise BreakerRefused(f"There is no provider {provider[:60]!r}: there are {known or 'none yet'}.")


async def _overtaken(db: Db, provider: str, operation: str) -> Overtaken:
    name = f"{provider} {operation}".strip()
    rows = await list_changes(db, "breaker", name, 1)
    now = await find_breaker(db, provider, operation)
    state = "it is closed now" if now is None else f"it is open until {now.open_until:%H:%M:%S} UTC now: {now.reason}"
    return Overtaken(f"The breaker of {name}", [*map(tell, rows), state])
