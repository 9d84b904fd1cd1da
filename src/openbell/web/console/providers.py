"""For operators: whom we ask, within which limits, how they answer, and what waits for them; breakers by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from openbell.engine.books import Book, Breaker, amount, dollars, forecast, list_books, list_breakers
from openbell.engine.breakers import BreakerRefused, close_breaker, open_breaker
from openbell.engine.costs import SUCCEEDED
from openbell.engine.errors import EngineError
from openbell.engine.naming import account_title, subject_name
from openbell.engine.revisions import list_changes
from openbell.web.api import database
from openbell.web.backend import SQL as WEB
from openbell.web.console.acts import status_of, time_given, told
from openbell.web.console.frame import SQL, console_page
from openbell.web.errors import NotHere
from openbell.web.protection import safe
from openbell.web.sign_in import Admin, actor, typed
from openbell.web.words import DASH, NARROW, clock, duration

router = APIRouter(dependencies=[safe("admin")], include_in_schema=False)

PAGE = "/console/providers"
SPANS = {"15": "15 min", "60": "1 h", "240": "4 h", "1440": "1 day", "10080": "7 days"}
"""For how long a breaker may be opened by hand, in minutes."""
CHANGES_SHOWN = 20


@router.get(PAGE)
async def providers_page(request: Request, _admin: Admin) -> Response:
    """Every provider in a line."""
    async with database(request).use() as db:
        named = await db.fetch(SQL.get("list_providers"))
        calls = {row["provider"]: row for row in await db.fetch(SQL.get("count_provider_calls"), None, list(SUCCEEDED))}
        waits = await db.fetch(SQL.get("list_provider_waits"), None)
        books, breakers = await list_books(db), await list_breakers(db)
    subjects = sorted({row["provider"] for row in named} | set(calls) | {one.provider for one in breakers})
    return await console_page(
        request,
        "console/providers.html",
        rows=[
            {
                "provider": subject,
                "name": subject_name(subject),
                "products": next((row for row in named if row["provider"] == subject), None),
                "breaker": _worst([one for one in breakers if one.provider == subject]),
                "calls": calls_of(dict(calls[subject])) if subject in calls else None,
                "waiting": sum(row["jobs"] for row in waits if row["provider"] == subject),
                "why": next((row["why"] for row in waits if row["provider"] == subject and row["why"]), ""),
                "limit": _fullest([one for one in books if owner(one) == subject]),
            }
            for subject in subjects
        ],
    )


def owner(book: Book) -> str:
    """The provider whose account it is, be it on one of its further keys."""
    provider, dot, key = book.subject.rpartition(".")
    return provider if dot and key.startswith("k") else book.subject


def _worst(breakers: Sequence[Breaker]) -> tuple[str, str]:
    """A mark and words for all breakers of a provider; that of the whole provider says most."""
    whole = next((one for one in breakers if not one.operation), None)
    if whole is not None:
        return state_of(whole)
    if breakers:
        return "stale", f"closed, but for {len(breakers)} {'operation' if len(breakers) == 1 else 'operations'}"
    return "fresh", "closed"


def state_of(one: Breaker) -> tuple[str, str]:
    """A mark and words. Pure."""
    if one.is_open:
        return "expired", f"open until {clock(one.open_until, one.now)}"
    return "stale", "half-open: the next call finds out"


def _fullest(books: Sequence[Book]) -> str:
    """The limit of which most is used, in words."""
    found = max((one for one in books if one.granted), key=lambda one: one.used / one.granted, default=None)
    if found is None:
        return DASH
    title = account_title(found.resource, found.period, found.closes)
    return f"{100 * found.used // found.granted}{NARROW}% of {title}"


def calls_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Counts and times in words. Pure."""
    return {
        "operation": row["operation"],
        "hour": f"{row['calls_hour']:,}",
        "day": f"{row['calls']:,}",
        "refused": _of(row["refused_hour"], row["refused"]),
        "failed": _of(row["failed_hour"], row["failed"]),
        "held_back": _of(row["held_back_hour"], row["held_back"]),
        "unknown": row["unknown"],
        "cost": dollars(row["cost_micro"] or 0),
        "hour_s": _times(row["hour_s"]),
        "day_s": _times(row["day_s"]),
        "bad": bool(row["refused_hour"] or row["failed_hour"]),
    }


def _of(hour: int, whole_day: int) -> str:
    return f"{hour:,} / {whole_day:,}"


def _times(found: Sequence[float | None] | None) -> str:
    """Median and 95th percentile."""
    if not found or found[0] is None:
        return DASH
    return " / ".join(
        f"{value * 1000:,.0f}{NARROW}ms" if value < 10 else duration(value) for value in found if value is not None
    )


@router.get(PAGE + "/{provider}")
async def provider_page(request: Request, provider: str, _admin: Admin) -> Response:
    """One provider: its breakers, limits, calls by operation, and what waits."""
    return await _show(request, provider)


@router.post(PAGE + "/{provider}")
async def provider_act(request: Request, provider: str, admin: Admin) -> Response:
    """Leave it alone for a time, or let calls go out again; each with a reason."""
    async with request.form() as form:
        act, operation, reason, span = (typed(form, name) for name in ("act", "operation", "reason", "span"))
        seen = time_given(form, "seen")
    given: dict[str, Any] = {"operation": operation.strip(), "reason": reason, "actor": actor(admin), "seen": seen}
    try:
        async with database(request).use() as db:
            if act == "close":
                await close_breaker(db, provider, **given)
            elif act == "open" and span in SPANS:
                await open_breaker(db, provider, timedelta(minutes=int(span)), **given)
            else:
                raise BreakerRefused("A breaker is opened for one of the times offered, or closed.")
    except EngineError as error:
        return await _show(request, provider, status_of(error), str(error), reason)
    return RedirectResponse(f"{PAGE}/{provider}", 303)


async def _show(request: Request, provider: str, status: int = 200, notice: str = "", reason: str = "") -> Response:
    if not provider.isprintable():
        raise NotHere("There is no such provider.")
    async with database(request).use() as db:
        named = await db.fetch(SQL.get("list_providers"))
        calls = await db.fetch(SQL.get("count_provider_calls"), provider, list(SUCCEEDED))
        breakers = [one for one in await list_breakers(db) if one.provider == provider]
        books = [one for one in await list_books(db) if owner(one) == provider]
        if not (books or calls or breakers or any(row["provider"] == provider for row in named)):
            raise NotHere("There is no such provider.")
        waits = await db.fetch(SQL.get("list_provider_waits"), provider)
        now: datetime = await db.fetchval(WEB.get("read_now"))
        changes = [
            row
            for name in [provider, *(f"{provider} {one['operation']}" for one in calls)]
            for row in await list_changes(db, "breaker", name, CHANGES_SHOWN)
        ]
    changes.sort(key=lambda row: row["at"], reverse=True)
    return await console_page(
        request,
        "console/provider.html",
        status,
        provider=provider,
        name=subject_name(provider),
        breakers=[(one, *state_of(one), clock(one.opened_at, now)) for one in breakers],
        whole=next((one for one in breakers if not one.operation), None),
        limits=[_limit(one) for one in books],
        calls=[calls_of(dict(row)) for row in calls],
        waits=[_wait(dict(row), now) for row in waits],
        spans=SPANS,
        operations=[row["operation"] for row in calls],
        changes=[told(row, now) for row in changes[:CHANGES_SHOWN]],
        notice=notice,
        reason=reason,
    )


def _limit(book: Book) -> dict[str, Any]:
    """A limit and its window as it stands, in words. Pure."""
    return {
        "title": account_title(book.resource, book.period, book.closes),
        "key": subject_name(book.subject) if book.subject != owner(book) else "",
        "granted": amount(book.resource, book.granted),
        "used": amount(book.resource, book.used),
        "free": amount(book.resource, book.free),
        "share": f"{100 * book.used // book.granted}{NARROW}%" if book.granted else DASH,
        "outlook": forecast(book),
        "paused": f"Paused until {clock(book.blocked_until, book.now)}: {book.blocked_reason or 'no reason given'}"
        if book.blocked_until
        else "",
    }


def _wait(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What waits for the same, in words. Pure."""
    until = row["until"]
    return {
        "why": row["why"].removeprefix("Waiting: ") or "its turn",
        "jobs": f"{row['jobs']:,}",
        "products": ", ".join(row["products"]),
        "oldest": duration((now - row["since"]).total_seconds()),
        "until": clock(until, now) if until is not None and until > now else DASH,
    }
