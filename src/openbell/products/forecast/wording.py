"""How a comparison is told to people: names, days, chances. Pure, from the stored value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

TOGETHER = 0.3
"""Below it, on either side of zero, changes are said not to go together."""


def name_of(term: str, title: str | None) -> str:
    """The page that a term names, without what only tells pages apart: ``Amazon`` for ``Amazon (company)``."""
    if title:
        return re.sub(r"\s*\([^()]*\)$", "", title) or title
    return term.upper() if term.startswith("$") else term


def names_of(value: Mapping[str, Any]) -> dict[str, str]:
    """The name of each term. Where both would have one name, they keep their own words."""
    names = {term: name_of(term, value["titles"].get(term)) for term in (value["a"], value["b"])}
    return names if len(set(names.values())) == len(names) else {term: term for term in names}


def day_words(day: str | date) -> str:
    """``17 Nov 2025``, from a date or as it is stored."""
    when = date.fromisoformat(day) if isinstance(day, str) else day
    return f"{when.day} {when:%b %Y}"


def chance_words(chance: float, error: float | None) -> str:
    """A chance in percent with its standard error: ``under 1 %``, ``about 30 %, give or take 4``."""
    percent, unsure = 100 * chance, 100 * (error or 0.0)
    if percent < 1:
        return "under 1 %"
    if percent > 99:
        return "over 99 %"
    return f"{percent:.0f} %, give or take {unsure:.0f}" if unsure >= 1 else f"{percent:.0f} %"


def together_words(correlation: float) -> str:
    """How the changes of two series go together; with a true minus sign."""
    figure = f"{abs(correlation):.2f}"
    signed = f"\N{MINUS SIGN}{figure}" if correlation < 0 and float(figure) else figure
    if abs(correlation) < TOGETHER:
        return f"Their changes do not go together (correlation {signed})."
    way = "go together" if correlation > 0 else "go in opposite directions"
    return f"Their changes {way} (correlation {signed})."
