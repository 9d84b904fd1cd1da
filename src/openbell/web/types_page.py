"""The page of the data types, for operators: is each of them fresh, in demand, and working, and what does it take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from openbell.engine.flags import extent
from openbell.web import words
from openbell.web.api import database
from openbell.web.backend import SQL
from openbell.web.errors import Malformed
from openbell.web.pages import page
from openbell.web.protection import safe

router = APIRouter(dependencies=[safe("everybody")], include_in_schema=False)

SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
SPAN_NAMES = {"hour": "Last hour", "day": "Last day", "week": "Last week"}
DEFAULT = "day"
HEAD = ("Type", "Success", "Wanted", "Fresh of them", "Oldest due", "Stored", "Calls", "Bytes", "Errors", "Mode")
LATE_S = 60.0  # a key that has just become due is no news


@dataclass(frozen=True, slots=True)
class Type:
    """One data type as the page shows it; `trouble` is what needs a look, in words."""

    name: str
    about: str
    cells: list[str]
    trouble: str


@router.get("/types")
async def types(request: Request) -> HTMLResponse:
    """Every data type; `?over=` is the time that is looked back, `?only=trouble` leaves out what is well."""
    over = request.query_params.get("over", DEFAULT)
    if over not in SPANS:
        raise Malformed(f"{over[:20]!r} is no time.", code="malformed_time", todo=f"Choose one of {', '.join(SPANS)}.")
    async with database(request).use() as db:
        rows = await db.fetch(SQL.get("read_types"), SPANS[over])
    every = [one_type(dict(row)) for row in rows]
    only = request.query_params.get("only") == "trouble"
    return page(
        request,
        "types.html",
        types=[one for one in every if one.trouble] if only else every,
        troubled=sum(bool(one.trouble) for one in every),
        count=len(every),
        head=HEAD,
        over=over,
        spans=SPAN_NAMES,
        only=only,
    )


def one_type(row: Mapping[str, Any]) -> Type:
    """A row in words and figures."""
    tried = row["succeeded"] + row["failed"]
    due = row["oldest_due_s"]
    ttl = words.duration(row["ttl_s"])
    return Type(
        name=row["product"],
        about=f"{row['provider']}, fresh for {ttl}",
        cells=[
            words.share(row["succeeded"] / tried) if tried else words.DASH,
            words.number(row["wanted"], 0),
            words.share(row["fresh"] / row["wanted"], 0) if row["wanted"] else words.DASH,
            words.duration(due) if due is not None else words.DASH,
            words.number(row["stored"], 0),
            words.number(row["calls"], 0),
            words.compact(row["bytes"]),
            words.number(row["failed"], 0),
            "; ".join(filter(None, (mode(row), prefetched(row)))),
        ],
        trouble=trouble(row),
    )


def mode(row: Mapping[str, Any]) -> str:
    """How it is refreshed: by demand, or by a fixed list of which a part has been taken over; and who challenges it."""
    if not row["enabled"]:
        return "switched off"
    challengers = [_challenger(one) for one in row["challengers"]]
    if not row["polled"]:
        return "; ".join(["demand", *challengers])
    flag = extent(row["flag"], row["share"]) if row["flag"] else "no flag"
    name = "demand" if row["taken_over"] == row["polled"] else "polled"
    taken = f"{name}: {row['taken_over']:,} of {row['polled']:,} keys taken over, flag {flag}"
    return "; ".join([taken, *challengers])


def _challenger(one: Mapping[str, Any]) -> str:
    far = extent(one["mode"], one["share"])
    if one["mode"] != "shadow":
        return f"made by {one['name']}" if one["mode"] == "on" else f"{far} made by {one['name']}"
    return f"{one['name']} in {far}: {one['compared']:,} compared, {one['unlike']:,} unlike"


def prefetched(row: Mapping[str, Any]) -> str:
    """What was made before anybody asked, in the chosen time, and what became of it; "" for nothing."""
    made, hits, missed = row["prefetched"], row["prefetch_hits"], row["prefetch_missed"]
    if not made and not hits and not missed:
        return ""
    return f"{made:,} prefetched: {hits:,} opened in time, {missed:,} gone stale unopened"


def trouble(row: Mapping[str, Any]) -> str:
    """What needs a look, in words; empty when nothing does."""
    said = []
    if not row["enabled"]:
        said.append("switched off by an operator")
    if row["failed"] > row["succeeded"]:
        said.append("more attempts fail than succeed")
    if row["failed"] and row["most_frequent"]:
        said.append(f"most frequent: {row['most_frequent'].replace('_', ' ')}")
    if row["refused"]:
        said.append(f"{row['refused']:,} answers did not pass")
    if row["cooling"]:
        said.append(f"{row['cooling']:,} keys left alone after a failure")
    if row["oldest_due_s"] and row["oldest_due_s"] > LATE_S:
        said.append(f"a wanted key is due since {words.duration(row['oldest_due_s'])}")
    return "; ".join(said)
