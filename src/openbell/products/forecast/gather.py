"""Gathers the series of a pair from stored artifacts: each is fresh, or is waited for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from openbell.engine.artifacts import read_many
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
    """The series of both terms, and the version of each artifact they are from.

    One source that fails is listed as missing while another has the pair. Raises :class:`Ambiguous`,
    :class:`UnknownTerm`, Waiting while an artifact is on its way, Transient when nothing is left.
    """
    found: dict[str, dict[str, Points]] = {}
    missing: list[Missing] = []
    read: list[tuple[str, str]] = []
    failure: Transient | None = None
    for source in _sources_of(pair):
        if reason := _why_not(source, pair):
            missing.append(Missing(source, reason))
            continue
        try:
            places = len(read)
            found[source] = {term: await _series(attempt, pair, source, term, read) for term in (pair.a, pair.b)}
            series = [one for one in read[places:] if one[0] != "entity"]
            if len(series) != len(set(series)):
                raise UnknownTerm(f"Both terms name the same thing: {series[0][1]}.")
        except Transient as error:
            failure = error
            missing.append(Missing(source, str(error)[:200]))
    if not found and failure is not None:
        raise failure
    if not found:
        raise UnknownTerm(f"No source has this pair: {'; '.join(one.reason for one in missing)}.")
    return Gathered(pair, found, missing), await versions(attempt, read)


async def _series(attempt: Attempt, pair: Pair, source: str, term: str, read: list[tuple[str, str]]) -> Points:
    """One series by steps. Notes in ``read`` which artifacts it is from."""
    if source == "upload":
        points = await attempt.pool.fetchval(SQL.get("read_upload"), term.removeprefix(UPLOAD))
        daily = {date.fromisoformat(day): value for day, value in points or ()}
    else:
        product, key = await _where(attempt, pair, source, term, read)
        value = await attempt.artifact(product, key)
        read.append((product, key))
        daily = {} if value is None else of_prices(value) if source == "price" else of_interest(value)
    steps = by_step(daily, pair.frame)
    if not steps:
        raise UnknownTerm(f"{NAMES[source]} knows nothing of {term!r}.")
    return steps


async def versions(attempt: Attempt, keys: list[tuple[str, str]]) -> Inputs:
    """The versions in which artifacts are now. Where they are from is cited: made-up data stays labelled as such."""
    found = {(one.product, one.key): one for one in await read_many(attempt.pool, sorted(set(keys)))}
    attempt.sources.clear()
    for one in found.values():
        if one.product != "entity" and one.provenance:
            attempt.cite(**{name: one.provenance.get(name) for name in ("provider", "operation", "host", "synthetic")})
    return {key: one.version for key, one in found.items()}


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


async def _where(attempt: Attempt, pair: Pair, source: str, term: str, read: list[tuple[str, str]]) -> tuple[str, str]:
    """The artifact that holds the series of a term. Raises :class:`Ambiguous` and :class:`UnknownTerm`."""
    if source == "price":
        return "eod-prices", term.removeprefix(SYMBOL).upper().replace(" ", "-")
    if source == "search":
        return SLOT[source], join((term, pair.geo))
    entity: Mapping[str, Any] = await attempt.artifact("entity", term, any_age=True) or {"kind": "unknown"}
    read.append(("entity", term))
    if entity["kind"] == "ambiguous":
        titles = ", ".join(choice["title"] for choice in entity["choices"][:5])
        raise Ambiguous(f"{term!r} has several meanings. Choose one: {titles}.")
    if entity["kind"] != "page":
        raise UnknownTerm(f"Wikipedia has no page called {term!r}, nor one like it.")
    return "interest", entity["title"]
