"""The watchlist of one browser: symbols in order, under headings, in a cookie. Pure functions, no I/O.

A list is one sequence of entries: symbols, and headings, which begin with an underscore as no symbol does. What stands
below a heading is its group, so moving a symbol up or down moves it from group to group as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

COOKIE = "openbell_watchlist"
FIRST_VISIT = ("AAPL", "MSFT", "IBM", "GOOG", "FB")
SYMBOLS_MAX = 50
GROUPS_MAX = 10
COOKIE_MAX = 3_000
EMPTY = "-"  # no symbol begins with a dash, so an emptied list differs from a first visit
SEPARATOR = "~"  # in no symbol, and needs no quoting in a cookie
SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,14}")


HEADING = "_"
NAME = re.compile(r"[^\W_](?:[\w &.,'\-]{0,22}[\w.])?")


def decode(cookie: str | None) -> list[str]:
    """The entries in a cookie; a missing one is a first visit. What is none is left out: cookies are input."""
    if cookie is None:
        return list(FIRST_VISIT)
    found = dict.fromkeys(entry for text in cookie[:COOKIE_MAX].split(SEPARATOR) if (entry := entry_of(text)))
    symbols = symbols_of(list(found))[:SYMBOLS_MAX]
    headings = [entry for entry in found if is_heading(entry)][:GROUPS_MAX]
    return [entry for entry in found if entry in symbols or entry in headings]


def entry_of(text: str) -> str:
    """A symbol or a heading; empty for anything else."""
    if text.startswith(HEADING):
        return heading(unquote(text[1:]))
    return text if SYMBOL.fullmatch(text) else ""


def heading(name: str) -> str:
    """The entry of a group of this name; empty when that is no name."""
    name = " ".join(name.split())
    return HEADING + name if NAME.fullmatch(name) else ""


def is_heading(entry: str) -> bool:
    """Whether the entry begins a group."""
    return entry.startswith(HEADING)


def symbols_of(entries: Sequence[str]) -> list[str]:
    """The symbols alone."""
    return [entry for entry in entries if not is_heading(entry)]


def groups_of(entries: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Each group's name and symbols; what stands above the first heading has an empty name."""
    groups: list[tuple[str, list[str]]] = [("", [])]
    for entry in entries:
        if is_heading(entry):
            groups.append((entry[1:], []))
        else:
            groups[-1][1].append(entry)
    return [(name, symbols) for name, symbols in groups if name or symbols]


def encode(entries: Sequence[str]) -> str:
    """The cookie of a list."""
    return SEPARATOR.join(HEADING + quote(e[1:], safe="") if is_heading(e) else e for e in entries) or EMPTY


def add(entries: Sequence[str], entry: str, group: str = "") -> list[str]:
    """The new entry comes last, in its group when one is named; one that is there already stays where it is."""
    if entry in entries:
        return list(entries)
    if not group or HEADING + group not in entries:
        return [*entries, entry]
    place = list(entries).index(HEADING + group) + 1
    while place < len(entries) and not is_heading(entries[place]):
        place += 1
    return [*entries[:place], entry, *entries[place:]]


def remove(entries: Sequence[str], entry: str) -> list[str]:
    """The list without the entry; the symbols of a removed group join the one above."""
    return [e for e in entries if e != entry]


def move(entries: Sequence[str], entry: str, by: int) -> list[str]:
    """Move by places, -1 up and 1 down; at either end nothing happens."""
    if entry not in entries:
        return list(entries)
    rest = remove(entries, entry)
    place = min(max(list(entries).index(entry) + by, 0), len(rest))
    return [*rest[:place], entry, *rest[place:]]
