"""For operators: what is wanted by whom, how fresh it is, and why not; one key with all that decides about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import asyncpg
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from openbell.engine.artifacts import history, read, read_many
from openbell.engine.demand import refresh
from openbell.engine.inquiry import inquire
from openbell.engine.jobs import list_jobs
from openbell.web.api import database, registry
from openbell.web.console.frame import LATE, SQL, console_page
from openbell.web.protection import safe
from openbell.web.sign_in import Admin, actor, typed
from openbell.web.words import DASH, NARROW, clock, duration, money

router = APIRouter(dependencies=[safe("admin")], include_in_schema=False)

PAGE = "/console/freshness"
SHOWN, VERSIONS_SHOWN = 50, 10
STATES = {"late": "Late", "due": "Late or being refreshed", "missing": "Nothing known yet", "fresh": "Fresh"}


@dataclass(frozen=True, slots=True)
class Standing:
    """How fresh what is wanted of a product is; ``oldest`` is for how long the longest due has been so, in words."""

    product: str
    about: str
    wanted: int
    fresh: int
    missing: int
    late: int
    oldest: str
    first: tuple[str, str] | None

    @property
    def share(self) -> str:
        """What of it is fresh; it is never all while something is not."""
        return per_cent(self.fresh, self.wanted)


def per_cent(fresh: int, wanted: int) -> str:
    """Whole per cent, rounded down: it is never all while something is not."""
    return f"{100 * fresh // wanted}{NARROW}%" if wanted else DASH


async def standings(db: asyncpg.Pool) -> list[Standing]:
    """Every product that is wanted, those with something late first."""
    return [standing(dict(row)) for row in await db.fetch(SQL.get("list_products_due"), LATE)]


def standing(row: Mapping[str, Any]) -> Standing:
    """A row in words. Pure."""
    due, ttl = row["due_at"], row["ttl"]
    about = f"{row['provider']}, {'fresh for ' + duration(ttl.total_seconds()) if row['enabled'] else 'switched off'}"
    return Standing(
        row["product"],
        about,
        row["wanted"],
        row["fresh"],
        row["missing"],
        row["late"],
        duration((row["now"] - due).total_seconds()) if due is not None else DASH,
        (row["product"], row["first_key"]) if row["first_key"] is not None else None,
    )


def address(product: str, key: str) -> str:
    """The page of one key."""
    return f"{PAGE}/{quote(product, safe='')}/{quote(key, safe='')}"


@router.get(PAGE)
async def freshness_page(request: Request, _admin: Admin) -> Response:
    """Products, then keys, the longest due first; filters live in the address."""
    query = request.query_params
    product, key, state = typed(query, "product", 63), typed(query, "key"), typed(query, "state", 10)
    state = state if state in STATES else ""
    async with database(request).use() as db:
        products = await standings(db)
        rows = await db.fetch(SQL.get("list_keys_due"), product or None, key or None, state or None, LATE, SHOWN + 1)
        readings = await read_many(db, [(row["product"], row["key"]) for row in rows[:SHOWN]])
    kept = {name: value for name, value in (("product", product), ("key", key), ("state", state)) if value}
    known = product in registry(request).products
    return await console_page(
        request,
        "console/freshness.html",
        products=products,
        rows=[_row(dict(row), reading) for row, reading in zip(rows, readings, strict=False)],
        more=len(rows) > SHOWN,
        shown=SHOWN,
        product=product,
        key=key,
        state=state,
        states=STATES,
        names=sorted({one.product for one in products} | ({product} if product else set())),
        direct=address(product, key) if known and key else "",
        address=lambda **more: f"{PAGE}?{urlencode({k: v for k, v in (kept | more).items() if v})}",
        late_s=int(LATE.total_seconds()),
        total=len(products),
    )


def _row(row: Mapping[str, Any], reading: Any) -> dict[str, Any]:
    """One key in words. Pure."""
    now, due, checked = row["now"], row["due_at"], row["checked_at"]
    return {
        "product": row["product"],
        "key": row["key"],
        "href": address(row["product"], row["key"]),
        "wanted": wanted_by(row["viewers"], row["sources"], row["polled"]),
        "kind": "fresh" if due is None else "stale" if now - due <= LATE else "expired",
        "state": "fresh" if due is None else "being refreshed" if now - due <= LATE else "late",
        "since": "" if due is None else duration((now - due).total_seconds()),
        "why": reading.reason,
        "job": reading.job.id if reading.job is not None else None,
        "checked": f"{duration((now - checked).total_seconds())} ago" if checked is not None else "never",
    }


def wanted_by(viewers: int, sources: Sequence[str], polled: bool) -> str:
    """Who wants a key: how many look at it, and which lists and schedules."""
    told = [f"{viewers:,} {'viewer' if viewers == 1 else 'viewers'}"] if viewers else []
    told += [one.replace("schedule:", "schedule ") for one in sources]
    if polled and "poll" not in sources:
        told.append("on the list")
    return ", ".join(told) or "nobody"


@router.get(PAGE + "/{product}/{key:path}")
async def key_page(request: Request, product: str, key: str, _admin: Admin) -> Response:
    """Everything that decides when this key is made next, and what was made of it before."""
    return await _show(request, product, key)


async def _show(request: Request, product: str, key: str, status: int = 200, notice: str = "") -> Response:
    async with database(request).use() as db:
        told = await inquire(db, registry(request), product, key)
        reading = await read(db, told.product, told.key)
        versions = await history(db, told.product, told.key, VERSIONS_SHOWN)
        jobs = await list_jobs(db, product=told.product, key=told.key, limit=1) if told.job else []
    now = told.now
    return await console_page(
        request,
        "console/key.html",
        status,
        told=told,
        job=jobs[0] if jobs else None,
        setback=reading.setback,
        failed=clock(reading.setback.at, now) if reading.setback else "",
        checked=clock(reading.checked_at, now) if reading.checked_at else "never",
        until=clock(reading.fresh_until, now) if reading.fresh_until else DASH,
        begins=clock(told.expected_start, now) if told.expected_start else "nobody can say",
        gates=[(one, clock(one.opens_at, now) if one.opens_at else "") for one in told.gates],
        versions=[(one, clock(one.created_at, now), money(one.cost_micro)) for one in versions],
        task=told.state == "task",
        notice=notice,
        back=f"{PAGE}?{urlencode({'product': told.product})}",
        jobs_of=f"/console/jobs?{urlencode({'product': told.product, 'key': told.key, 'hours': '720'})}",
    )


@router.post(PAGE + "/{product}/{key:path}")
async def wish(request: Request, product: str, key: str, admin: Admin) -> Response:
    """Make it again now; who wished is in the audit log."""
    async with request.form() as form:
        back = typed(form, "back", 400)
    canonical = registry(request).get(product).parse_key(key)
    async with database(request).use() as db:
        queued = await refresh(db, product, canonical, actor=actor(admin))
    if queued is None:
        told = "A call for it may have been paid for, and nobody knows. Say first what became of it, under Spends."
        return await _show(request, product, canonical, 409, told)
    if (hints := database(request).hints) is not None:
        for job in queued:
            hints.tell("work", job.product, job.key)
    return RedirectResponse(back if back.startswith(f"{PAGE}?") else address(product, canonical), 303)
