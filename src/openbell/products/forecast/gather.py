"""Gathers the series of a pair from stored artifacts: each is fresh, or is waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from openbell.engine.artifacts import Reading
from openbell.engine.attempt import Attempt
from openbell.engine.errors import Permanent, Transient
from openbell.products.forecast.database import SQL
from openbell.products.forecast.keys import Pair, Points, join
from openbell.products.forecast.sources import Gathered, Missing, by_step, of_interest, of_prices

SYMBOL, UPLOAD = "$", "csv "
NAMES = {
    "wikipedia": "Wikipedia",
    "search": "Search interest",
    "price": "The store of prices",
    "upload": "The store of series that were brought",
}
SLOT: dict[str, str] = {}
"""For a provider of search interest: `SLOT["search"]` is the name of a product with values in the form of `interest`.

Its keys are the term and the region, joined as keys are.
"""

Inputs = dict[tuple[str, str], int]


class Ambiguous(Permanent):
    """A term has several meanings; somebody has to choose. Nothing was guessed."""

    code = "ambiguous_term"


class UnknownTerm(Permanent):
    """No source knows the term."""

    code = "unknown_term"


async def gather(attempt: Attempt, pair: Pair) -> tuple[Gathered, Inputs]:
    """The series of both terms, and the version of each artifact they are from, read together.

    One source that fails is listed as missing while another has the pair. Raises :class:`Ambiguous`,
    :class:`UnknownTerm`, Waiting while an artifact is on its way, Transient when nothing is left.
    """
    found: dict[str, dict[str, Points]] = {}
    missing: list[Missing] = []
    used: list[Reading] = []
    failure: Transient | None = None
    for source in _sources_of(pair):
        if reason := _why_not(source, pair):
            missing.append(Missing(source, reason))
            continue
        try:
            found[source], readings = await _series(attempt, pair, source)
            used += readings
        except Transient as error:
            failure = error
            missing.append(Missing(source, str(error)[:200]))
    if not found and failure is not None:
        raise failure
    if not found:
        raise UnknownTerm(f"No source has this pair: {'; '.join(one.reason for one in missing)}.")
    _cite(attempt, used)
    titles = {one.key: str(one.value["title"] or one.key) for one in used if one.product == "entity"}
    return Gathered(pair, found, missing, titles), {(one.product, one.key): one.version for one in used}


async def _series(attempt: Attempt, pair: Pair, source: str) -> tuple[dict[str, Points], list[Reading]]:
    """The series of both terms by steps, and what they are from."""
    terms, entities, readings = (pair.a, pair.b), list[Reading](), list[Reading]()
    if source == "upload":
        daily = [await _brought(attempt, term) for term in terms]
    else:
        if source == "wikipedia":
            entities = await attempt.artifacts([("entity", term) for term in terms], any_age=True)
        places = _places(pair, source, entities)
        if places[0] == places[1]:
            raise UnknownTerm(f"Both terms name the same thing: {places[0][1]}.")
        readings = await attempt.artifacts(places)
        read = of_prices if source == "price" else of_interest
        daily = [{} if one.value is None else read(one.value) for one in readings]
    series: dict[str, Points] = {term: by_step(points, pair.frame) for term, points in zip(terms, daily, strict=True)}
    for term, steps in series.items():
        if not steps:
            raise UnknownTerm(f"{NAMES[source]} knows nothing of {term!r}.")
    return series, [*entities, *readings]


async def _brought(attempt: Attempt, term: str) -> dict[date, float | None]:
    points = await attempt.pool.fetchval(SQL.get("read_upload"), term.removeprefix(UPLOAD))
    return {date.fromisoformat(day): value for day, value in points or ()}


def _cite(attempt: Attempt, used: Sequence[Reading]) -> None:
    """Where series are from is cited: made-up data stays labelled as such."""
    attempt.sources.clear()
    for one in used:
        if one.product != "entity" and one.provenance:
            attempt.cite(**{name: one.provenance.get(name) for name in ("provider", "operation", "host", "synthetic")})


def _sources_of(pair: Pair) -> tuple[str, ...]:
    """The sources that terms of this kind have. Raises :class:`UnknownTerm` for terms of two kinds."""
    kinds = {
        "price" if term.startswith(SYMBOL) else "upload" if term.startswith(UPLOAD) else "words"
        for term in (pair.a, pair.b)
    }
    if len(kinds) > 1:
        raise UnknownTerm(
            "The two terms are of different kinds: compare two symbols ($aapl), two words, or two series of your own."
        )
    kind = kinds.pop()
    return ("wikipedia", "search") if kind == "words" else (kind,)


def _why_not(source: str, pair: Pair) -> str:
    """Why a source cannot be asked for a pair; "" when it can."""
    if source == "search" and source not in SLOT:
        return "no provider of search interest is set up"
    if source == "wikipedia" and pair.geo:
        return f"page views are not told by region, so there are none for {pair.geo}"
    return ""


def _places(pair: Pair, source: str, entities: Sequence[Reading]) -> list[tuple[str, str]]:
    """The artifacts that hold the series of both terms. Raises :class:`Ambiguous` and :class:`UnknownTerm`."""
    terms = (pair.a, pair.b)
    if source == "price":
        return [("eod-prices", term.removeprefix(SYMBOL).upper().replace(" ", "-")) for term in terms]
    if source == "search":
        return [(SLOT[source], join((term, pair.geo))) for term in terms]
    return [("interest", _title(term, one.value)) for term, one in zip(terms, entities, strict=True)]


def _title(term: str, entity: Mapping[str, Any] | None) -> str:
    if entity is not None and entity["kind"] == "ambiguous":
        titles = ", ".join(choice["title"] for choice in entity["choices"][:5])
        raise Ambiguous(f"{term!r} has several meanings. Choose one: {titles}.")
    if entity is None or entity["kind"] != "page":
        raise UnknownTerm(f"Wikipedia has no page called {term!r}, nor one like it.")
    return str(entity["title"])
