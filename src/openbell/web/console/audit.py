"""For operators: who did what to which, when and why; filters and pages live in the address."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from openbell.engine.audit import Entry, find_audit, list_audit_actions
from openbell.web.api import database
from openbell.web.backend import SQL as WEB
from openbell.web.console.acts import told
from openbell.web.console.frame import console_page
from openbell.web.protection import safe
from openbell.web.sign_in import Admin, typed
from openbell.web.words import moment

router = APIRouter(dependencies=[safe("admin")], include_in_schema=False)

PAGE = "/console/audit"
SHOWN = 50
LAST = 2**63 - 1
LONGEST = 4_000
"""Characters of a row before and after; the rest is for the command line."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for; an empty text asks for everything, one that ends in ``*`` for what begins so."""

    actor: str = ""
    action: str = ""
    object: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Filters:
        """Pure; a time that is none is left out, one without a zone is in UTC."""
        actor, action, about = (typed(given, name, 200).strip() for name in ("actor", "action", "object"))
        return cls(actor, action, about, _time(given, "from"), _time(given, "to"))

    def address(self, **more: str) -> str:
        """The page with these filters."""
        own = {"actor": self.actor, "action": self.action, "object": self.object}
        own |= {"from": minute(self.since), "to": minute(self.until)}
        given = {name: value for name, value in (own | more).items() if value}
        return f"{PAGE}?{urlencode(given)}" if given else PAGE


def _time(given: Mapping[str, Any], name: str) -> datetime | None:
    found = moment(typed(given, name, 40))
    try:
        return found.astimezone(UTC) if found is not None else None
    except OverflowError:
        return None


def minute(at: datetime | None) -> str:
    """As the field of a form takes it, in UTC, with as much as is not zero."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="auto" if at.second else "minutes") if at else ""


@router.get(PAGE)
async def audit_page(request: Request, _admin: Admin) -> Response:
    """A page of the log, newest first."""
    asked = Filters.of(request.query_params)
    before, number = _time(request.query_params, "before"), typed(request.query_params, "id", 19)
    below = min(int(number), LAST) if number.isdecimal() and number.isascii() else 0
    async with database(request).use() as db:
        rows = await find_audit(
            db, actor=asked.actor, action=asked.action, target=asked.object, since=asked.since, until=asked.until,
            before=(before, below) if before else None, limit=SHOWN + 1,
        )  # fmt: skip
        actions = await list_audit_actions(db)
        now = await db.fetchval(WEB.get("read_now"))
    older = ""
    if len(rows) > SHOWN:
        rows = rows[:SHOWN]
        older = asked.address(before=rows[-1].at.isoformat(), id=str(rows[-1].id))
    return await console_page(
        request,
        "console/audit.html",
        asked=asked,
        since=minute(asked.since),
        until=minute(asked.until),
        rows=[_row(row, now) for row in rows],
        actions=actions,
        older=older,
        later=before is not None,
        by=lambda **one: Filters(**one).address(),
        filtered=asked != Filters(),
    )


def _row(one: Entry, now: datetime) -> dict[str, Any]:
    """An entry in words, with both of its rows in full behind it. Pure."""
    return told({name: getattr(one, name) for name in one.__slots__}, now) | {
        "id": one.id,
        "target": one.target,
        "full": [(name, _json(row)) for name, row in (("Before", one.before), ("After", one.after)) if row],
    }


def _json(value: Any) -> str:
    text = json.dumps(value, indent=1, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… cut here"
