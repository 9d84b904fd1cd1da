"""A flag's report for the page: the old way and the new one side by side, figure by figure. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openbell.engine.books import dollars, size
from openbell.engine.rollout import FieldDiffers, Rehearsed, Report, Trials
from openbell.web.words import DASH, NARROW, duration

FIGURES = (
    "Keys",
    "Hours",
    "Refreshes",
    "Calls",
    "Calls a key and day",
    "Bytes",
    "Cost",
    "Failed",
    "Fresh now",
    "Age, median",
)


@dataclass(frozen=True, slots=True)
class Compared:
    """A table with a heading a column and a figure a row, a sentence or two, and the fields that were not the same."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]
    words: str
    fields: Sequence[FieldDiffers] = ()


def compared(found: Report) -> Compared | None:
    """The report; None for a flag of which nothing is compared, or nothing has been yet."""
    if found.trials is not None:
        return _trials(found, found.trials) if found.trials.trials or found.trials.failed else None
    columns: list[tuple[str, Sequence[str]]] = []
    if (base := found.baseline) is not None:
        columns += [("Before", _figures(one, base.hours)) for one in base.figures]
    columns += [
        ("On demand" if side.taken_over else "On the list", _figures(side.as_json(), _hours(found, side.since)))
        for side in found.sides
    ]
    if found.rehearsed is not None:
        hours = _hours(found, found.rehearsed.since)
        columns.append(("On demand, rehearsed", _rehearsed(found.rehearsed, hours)))
    if not columns:
        return None
    rows = [(name, [column[place] for _, column in columns]) for place, name in enumerate(FIGURES)]
    return Compared([head for head, _ in columns], rows, _said(found.rehearsed))


def _trials(found: Report, t: Trials) -> Compared:
    rows = [
        ("Calls", [f"{t.live_calls:,}", f"{t.calls:,}"]),
        ("Bytes", [size(t.live_bytes), size(t.bytes)]),
        ("Cost", [dollars(t.live_cost_micro), dollars(t.cost_micro)]),
        ("Took, median", [_seconds(t.live_took_s), _seconds(t.took_s)]),
        ("Age of the source, median", [_age(t.live_age_s), _age(t.age_s)]),
    ]
    words = (
        f"{t.trials:,} trials of {t.keys:,} keys. {t.seen.compared:,} compared: {t.equal:,} equal, {t.different:,} "
        f"different, {t.missing:,} missing, {t.extra:,} extra. {t.failed:,} failed"
        f"{f', mostly {t.most_frequent}' if t.most_frequent else ''}. Not counted: {t.moved:,} whose source moved on, "
        f"{t.dropped:,} without room."
    )
    return Compared(["Readers see", "In shadow"], rows, words, found.fields)


def _figures(one: Mapping[str, Any], hours: float) -> Sequence[str]:
    spread = one["calls"] / one["keys"] / hours * 24 if one["keys"] and hours else None
    return (
        f"{one['keys']:,}", f"{hours:.1f}", f"{one['refreshes']:,}", f"{one['calls']:,}",
        DASH if spread is None else f"{spread:.1f}", size(one["bytes"]), dollars(one["cost_micro"]),
        f"{one['failed']:,}", f"{one['fresh']:,}", _age(one["median_age_s"]),
    )  # fmt: skip


def _rehearsed(r: Rehearsed, hours: float) -> Sequence[str]:
    calls = r.would_take(r.calls)
    spread = calls / r.keys / hours * 24 if r.keys and hours else None
    return (
        f"{r.keys:,}", f"{hours:.1f}", f"{r.rehearsed:,}", f"{calls:,}", DASH if spread is None else f"{spread:.1f}",
        size(r.would_take(r.bytes)), dollars(r.would_take(r.cost_micro)), DASH, DASH, DASH,
    )  # fmt: skip


def _said(r: Rehearsed | None) -> str:
    if r is None:
        return ""
    return (
        f"Somebody began to look {r.looks:,} times, and would have waited for a fresh value {r.waits:,} times. Demand "
        f"would have refreshed {r.rehearsed:,} times, the list did {r.refreshes:,} times; {r.dearer:,} keys would have "
        "been refreshed more often."
    )


def _hours(found: Report, since: datetime) -> float:
    return max((found.now - since).total_seconds(), 0.0) / 3600


def _seconds(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f}{NARROW}s"


def _age(value: float | None) -> str:
    return DASH if value is None else duration(value)
