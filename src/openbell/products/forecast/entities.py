"""What a term names: a page of the English Wikipedia. Redirects are followed; several meanings are asked about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from openbell.engine.keys import Key
from openbell.engine.registry import Calls, days, minutes, product, seconds
from openbell.products.context import Context
from openbell.products.forecast.keys import MOST_TERM, term_of
from openbell.providers.wikipedia import Page

COMPANIES: Mapping[str, str] = {
    "alphabet": "Alphabet Inc.",
    "amazon": "Amazon (company)",
    "apple": "Apple Inc.",
    "block": "Block, Inc.",
    "ford": "Ford Motor Company",
    "gap": "Gap Inc.",
    "meta": "Meta Platforms",
    "oracle": "Oracle Corporation",
    "shell": "Shell plc",
    "target": "Target Corporation",
    "tesla": "Tesla, Inc.",
    "visa": "Visa Inc.",
}
"""Words that mean a company in this house; the page says so. Other words of several meanings are asked."""


class Term(Key):
    """A term as in a comparison."""

    __slots__ = ()

    shape = f"1 to {MOST_TERM} characters, without the word vs"

    @classmethod
    def canonical(cls, text: str) -> str:
        """As :func:`openbell.products.forecast.keys.term_of`; "" for what cannot be one."""
        try:
            return term_of(text)
        except ValueError:
            return ""


How = Literal["title", "redirect", "company", "spelling", "none"]


class Choice(BaseModel):
    """One meaning of a term."""

    title: str
    description: str


class Entity(BaseModel):
    """What a term names. `title` is the page; None while a person has to choose, or where there is no page at all."""

    term: str
    kind: Literal["page", "ambiguous", "unknown"]
    title: str | None = None
    description: str = ""
    how: How = "none"
    choices: list[Choice] = Field(default_factory=list, max_length=8)


@product(
    "entity",
    key=Term,
    version=1,
    ttl=days(30),
    stale=days(365),
    empty=days(1),
    retry=minutes(2),
    keep=days(30),
    timeout=seconds(50),
    spends={"wikimedia": Calls(2, bytes=40_000)},
    licence="cc0",
)
async def entity(term: Term, ctx: Context) -> Entity:
    """Ask for the page of that title, then for titles like it. Never guess between several meanings."""
    wanted = COMPANIES.get(term, term)
    page = await _step(ctx, "page", lambda: ctx.wikipedia.page(wanted))
    if page is not None and not page.ambiguous:
        same = term_of_title(page.title) == term
        how: How = "company" if term in COMPANIES else "title" if same else "redirect"
        return Entity(term=term, kind="page", title=page.title, description=page.description, how=how)
    found = [one for one in await _steps(ctx, "search", lambda: ctx.wikipedia.search(term)) if not one.ambiguous]
    exact = [one for one in found if term in (term_of_title(one.title), term_of_title(one.via))]
    if page is None and len(exact) == 1:
        [one] = exact
        how = "spelling" if term_of_title(one.title) == term else "redirect"
        return Entity(term=term, kind="page", title=one.title, description=one.description, how=how)
    choices = [Choice(title=one.title, description=one.description) for one in found]
    return Entity(term=term, kind="ambiguous" if choices else "unknown", choices=choices)


def term_of_title(title: str) -> str:
    """The term that a title is, for comparing; "" for a title that cannot be one."""
    try:
        return term_of(title)
    except ValueError:
        return ""


async def _step(ctx: Context, name: str, ask: Any) -> Page | None:
    said = await ctx.attempt.step(name, lambda: _kept(ask()))
    return Page(**said) if said else None


async def _steps(ctx: Context, name: str, ask: Any) -> list[Page]:
    said = await ctx.attempt.step(name, lambda: _kept_all(ask()))
    return [Page(**one) for one in said]


async def _kept(asking: Any) -> dict[str, Any] | None:
    page = await asking
    return _plain(page) if page else None


async def _kept_all(asking: Any) -> list[dict[str, Any]]:
    return [_plain(page) for page in await asking]


def _plain(page: Page) -> dict[str, Any]:
    return {"title": page.title, "description": page.description, "ambiguous": page.ambiguous, "via": page.via}
