"""What stands around every page of the console: the places, the state of the house in one line, live or paused.

A page is a module of this package with a ``router``, a template under ``templates/console`` that extends
``console/frame.html``, and a line in :data:`PLACES`::

    return await console_page(request, "console/flags.html", rows=rows)

In the template, a region that is to stay true carries a name of its own, ``<section data-live="rows">``, and is
exchanged as a whole; a table whose rows are walked by j and k is a ``<table data-rows>`` with a link or a button in
each row; the field that / goes to carries ``data-filter``. Values that change are tinted where they stand in a
``data-figure="a-name"``. Everything works without the script, too: reload is then the reader's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from openbell.postgres.queries import Queries
from openbell.web.api import database
from openbell.web.pages import page

SQL = Queries("openbell.web.console")
HOUSE_S = 2.0
LATE = timedelta(seconds=10)
"""What has been due for longer is late; what is due for less is being refreshed, as all is that changes fast."""


@dataclass(frozen=True, slots=True)
class Place:
    """A page of the console: where it is, its name, the part of the house, and the question that it answers."""

    path: str
    name: str
    part: str
    answers: str


PLACES = (
    Place(
        "/console", "Overview", "Now", "Is everything fresh, what is late and why, what does today cost, what is stuck?"
    ),
    Place("/console/freshness", "Freshness", "Now", "What is wanted by whom, how fresh is it, and why not?"),
    Place("/console/alerts", "Alerts", "Now", "What fires, what to do about it, and what is over?"),
    Place("/console/jobs", "Jobs", "Work", "What waits, what runs, and what ended how?"),
    Place("/console/digests", "Digests", "Work", "How far are the editions of the morning, and what do they cost?"),
    Place("/types", "Data types", "Work", "How does each data type fare?"),
    Place("/console/accounts", "Accounts", "Money", "What is granted, held, spent and left?"),
    Place("/console/spends", "Spends", "Money", "Which calls were made for what, and which are in doubt?"),
    Place("/budgets", "Budgets", "Money", "What may be spent, what has been, and what is in doubt?"),
    Place(
        "/console/providers",
        "Providers",
        "Control",
        "Who is asked how much, how do they answer, and what waits for them?",
    ),
    Place("/console/flags", "Flags", "Control", "What is on for whom, who decided so, and what is off?"),
    Place("/console/schedules", "Schedules", "Control", "What is due when, and how did it last go?"),
    Place("/console/audit", "Audit", "Control", "Who did what to which, when and why?"),
    Place("/console/mail", "Mail", "People", "What leaves when, and to whom?"),
    Place("/console/people", "People", "People", "Who is here, and who waits for approval?"),
)
"""Every place of the navigation, in its order; those of one part stand together."""


def place_of(path: str) -> Place:
    """The place to which an address belongs: the one with the longest beginning in common."""
    own = [one for one in PLACES if path == one.path or path.startswith(f"{one.path}/")]
    return max(own, key=lambda one: len(one.path), default=PLACES[0])


def parts() -> list[tuple[str, list[Place]]]:
    """The navigation: each part with its places."""
    names = dict.fromkeys(one.part for one in PLACES)
    return [(name, [one for one in PLACES if one.part == name]) for name in names]


async def console_page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Draw a page of the console in its frame; ``values`` are the template's own, as with :func:`pages.page`."""
    house = await house_now(request)
    return page(request, template, status, place=place_of(request.url.path), parts=parts(), house=house, **values)


async def house_now(request: Request) -> Mapping[str, Any]:
    """The state of the house, as of two seconds ago at most: live pages share one look, the overview's too."""
    known: tuple[float, Mapping[str, Any]] | None = getattr(request.app.state, "house", None)
    if known is None or monotonic() - known[0] > HOUSE_S:
        async with database(request).use() as db:
            row = await db.fetchrow(SQL.get("read_house"), LATE)
        assert row is not None
        known = request.app.state.house = (monotonic(), dict(row))
    return known[1]
