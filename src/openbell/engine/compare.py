"""Comparing what two producers have made of one key, field by field. Pure policy: no clock, no database.

A value is taken apart into its leaves, each with its place (``rows[2026-01-02].close``) and its path (``rows.close``).
Rows are matched by their natural key, so that one row more is one row more and not everything after it shifted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Verdict = Literal["equal", "different", "missing", "extra", "moved"]
Side = Literal["different", "missing", "extra"]

ROUNDING = 1e-9
"""Two computations of one number differ by so little; it is no difference."""
MOST_KEPT = 50
LONGEST = 200


@dataclass(frozen=True, slots=True)
class Compare:
    """What counts as the same.

    ``ignore``  paths that may differ, with all that is below them
    ``within``  by path, by which share of the larger one two numbers may differ (0.01 is one percent)
    ``rows``    by the path of a list, the fields that tell its rows apart: names, or places where rows are lists
    """

    ignore: Sequence[str] = ()
    within: Mapping[str, float] = field(default_factory=dict)
    rows: Mapping[str, Sequence[str | int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """One leaf that is not the same; ``missing`` where the challenger has none, ``extra`` where readers have none."""

    place: str
    path: str
    side: Side
    live: Any
    new: Any

    def as_json(self) -> dict[str, Any]:
        """For the database; long texts are cut."""
        return {
            "place": self.place[:LONGEST],
            "path": self.path[:LONGEST],
            "side": self.side,
            "live": _short(self.live),
            "new": _short(self.new),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """The verdict, how many leaves were looked at, and those that are not the same."""

    verdict: Verdict
    fields: int
    differences: Sequence[Difference]

    def as_json(self) -> list[dict[str, Any]]:
        """The first differences, for the database."""
        return [one.as_json() for one in self.differences[:MOST_KEPT]]


def compare(
    live: Any,
    new: Any,
    by: Compare,
    *,
    live_time: datetime | None = None,
    new_time: datetime | None = None,
) -> Comparison:
    """How what the challenger has made (``new``) compares with what readers see; None stands for "nothing known".

    Where both differ and so do the times of their sources, the market has moved between them: ``moved``.
    """
    if live is None or new is None:
        return Comparison("equal" if live is new else "missing" if new is None else "extra", 0, ())
    ours = {place: (path, leaf) for place, path, leaf in _leaves(live, by)}
    theirs = {place: (path, leaf) for place, path, leaf in _leaves(new, by)}
    places = [*ours, *(place for place in theirs if place not in ours)]
    found = [one for place in places if (one := _differ(place, ours.get(place), theirs.get(place), by)) is not None]
    if not found:
        return Comparison("equal", len(places), ())
    moved = live_time is not None and new_time is not None and live_time != new_time
    return Comparison("moved" if moved else "different", len(places), found)


def _differ(place: str, live: tuple[str, Any] | None, new: tuple[str, Any] | None, by: Compare) -> Difference | None:
    path, here = live if live is not None else (new[0] if new is not None else "", None)
    there = new[1] if new is not None else None
    if here is None and there is None:
        return None
    if here is None or there is None:
        return Difference(place, path, "missing" if there is None else "extra", here, there)
    if _same(here, there, by.within.get(path, ROUNDING)):
        return None
    return Difference(place, path, "different", here, there)


def _same(one: Any, other: Any, within: float) -> bool:
    if _is_number(one) and _is_number(other):
        return bool(abs(one - other) <= within * max(abs(one), abs(other)))
    return type(one) is type(other) and one == other


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(value: Any, by: Compare, place: str = "", path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Each leaf with its place and its path. What is empty is no leaf: None, {} and [] are the same as nothing."""
    if path and any(path == one or path.startswith(f"{one}.") for one in by.ignore):
        return
    if isinstance(value, Mapping):
        dot = "." if path else ""
        for name, below in value.items():
            yield from _leaves(below, by, f"{place}{dot}{name}", f"{path}{dot}{name}")
    elif isinstance(value, list):
        seen: dict[str, int] = {}
        key = by.rows.get(path, ())
        for n, below in enumerate(value):
            mark = _mark(below, key, n)
            seen[mark] = seen.get(mark, 0) + 1
            here = f"{place}[{mark}#{seen[mark]}]" if seen[mark] > 1 else f"{place}[{mark}]"
            if key and isinstance(below, list):
                for at, leaf in enumerate(below):
                    yield from _leaves(leaf, by, f"{here}.{at}", f"{path}.{at}")
            else:
                yield from _leaves(below, by, here, path)
    elif value is not None:
        yield place, path, value


def _mark(row: Any, key: Sequence[str | int], n: int) -> str:
    """What a row is called: its natural key where it has one, else its place in the list."""
    try:
        parts = [str(row[part]) for part in key]
    except (KeyError, IndexError, TypeError):
        parts = []
    return " ".join(parts) or str(n)


def _short(value: Any) -> Any:
    return f"{value[:LONGEST]}…" if isinstance(value, str) and len(value) > LONGEST else value
