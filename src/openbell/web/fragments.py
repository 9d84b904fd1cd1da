"""HTML for one key, drawn with the same macros as the first page."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from openbell.web import views
from openbell.web.marks import mark

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def row(reading: Reading, closes: Sequence[float]) -> Markup:
    """One line of the watchlist."""
    return Markup(_macros("row.html").row(views.row(reading, closes)))


def card(reading: Reading) -> Markup | None:
    """One part of a symbol's or a search page; None for a product that has no part."""
    macros = _macros("cards.html")
    if reading.product == "quote":
        return Markup(macros.quote(views.row(reading)))
    if reading.product == "profile":
        return Markup(macros.profile(views.profile(reading)))
    if reading.product == "eod-prices":
        return Markup(macros.prices(views.prices(reading)))
    if reading.product == "symbol-search":
        return Markup(macros.search(reading.key, views.matches(reading), mark(reading)))
    return None


def suggestions(reading: Reading) -> Markup:
    """The list under a search field."""
    return Markup(_macros("cards.html").suggestions(views.matches(reading, 6), reading.state == "missing"))
