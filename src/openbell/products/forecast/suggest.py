"""Suggestions while somebody types a term: from what has been looked up before. Asks nobody and stores nothing."""

from __future__ import annotations

from dataclasses import dataclass

from openbell.engine.database import Db
from openbell.products.forecast.database import SQL
from openbell.products.forecast.entities import COMPANIES, term_of_title
from openbell.products.forecast.keys import term_of

SUGGESTED = 8


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to write for a page, the page's title, and what it is about."""

    term: str
    title: str
    description: str = ""


async def suggest(db: Db, text: str) -> list[Suggestion]:
    """Up to eight pages for what begins like `text`; each meaning of an ambiguous term by its own title."""
    try:
        begin = term_of(text)
    except ValueError:
        return []
    found: dict[str, Suggestion] = {}
    for row in await db.fetch(SQL.get("list_terms"), begin, SUGGESTED):
        value = row["value"]
        pages = value["choices"] if value["kind"] == "ambiguous" else [value]
        for page in pages:
            term = row["key"] if value["kind"] == "page" else term_of_title(page["title"])
            if term:
                found.setdefault(page["title"], Suggestion(term, page["title"], page["description"]))
    for word, title in COMPANIES.items():
        if word.startswith(begin):
            found.setdefault(title, Suggestion(word, title, "company"))
    return list(found.values())[:SUGGESTED]
