"""HTML for one key, drawn with the same macros as the first page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jinja2

from openbell.web import cards, compare_views, views
from openbell.web.marks import mark

if TYPE_CHECKING:
    from openbell.engine.artifacts import Reading

FORMS = ("json", "row", "card")


@cache
def environment() -> jinja2.Environment:
    """Escapes everything, and fails on a name that is not there."""
    folder = str(files("openbell.web").joinpath("templates"))
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


@cache
def _macros(template: str) -> Any:
    return environment().get_template(template).module


def row(reading: Reading, aside: views.Aside) -> str | None:
    """One line of the watchlist; None for a product that has no line of its own."""
    if reading.product != "quote":
        return None
    return str(_macros("row.html").row(views.row(reading, aside)))


def card(reading: Reading, aside: views.Aside) -> str:
    """One part of a page."""
    macros = _macros("cards.html")
    if reading.product == "quote":
        return str(macros.quote(views.row(reading, aside)))
    if reading.product == "profile":
        return str(macros.profile(views.profile(reading)))
    if reading.product == "eod-prices":
        return str(macros.prices(views.prices(reading, aside)))
    if reading.product == "intraday-prices":
        return str(macros.intraday(views.intraday(reading, aside)))
    if reading.product == "symbol-search":
        return str(macros.search(reading.key, views.matches(reading), mark(reading)))
    if reading.product == "comparison":
        return str(_macros("compare_parts.html").comparison(compare_views.view(reading)))
    return str(_macros("card.html").card(cards.card(reading, aside)))


def terms(found: Sequence[Any]) -> str:
    """The list under the field of a term of a comparison."""
    return str(_macros("compare_parts.html").terms(found))


def suggestions(reading: Reading) -> str:
    """The list under a search field."""
    return str(_macros("cards.html").suggestions(views.matches(reading, 6), reading.state == "missing"))
