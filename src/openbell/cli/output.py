"""What a person or a program reads: aligned tables, JSON, states in their colours, and progress on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

STATE_COLOURS = {
    "fresh": "green", "ok": "green", "done": "green", "running": "cyan", "stale": "yellow", "waiting": "yellow",
    "parked": "yellow", "fallback": "yellow", "warn": "yellow", "unknown": "yellow", "expired": "red", "failed": "red",
    "bad": "red", "empty": "dim", "missing": "dim", "info": "dim",
}  # fmt: skip
MICRO_PER_DOLLAR = 1_000_000
WHOLE_FROM = 100_000


def print_json(data: object) -> None:
    """One JSON document on stdout; times as ISO 8601 with their zone."""
    click.echo(json.dumps(data, default=_plain, ensure_ascii=False, indent=2))


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, frozenset | set):
        return sorted(value)
    return str(value)


def console() -> Console:
    """A rich console on stdout. It colours only a terminal, and honours NO_COLOR; a pipe gets lines of full length."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty(), width=None if sys.stdout.isatty() else 200)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Rows under their heads. A column whose head ends in `>` holds numbers and is right-aligned."""
    if not rows:
        click.echo(empty)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        right = column.endswith(">")
        table.add_column(column.rstrip(">"), justify="right" if right else "left", no_wrap=right)
    for row in rows:
        table.add_row(*(Text(text := cell(value), style=STATE_COLOURS.get(text, "")) for value in row))
    console().print(table)


def print_pairs(pairs: Sequence[tuple[str, object]]) -> None:
    """Names on the left, values on the right of them, all aligned."""
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        text = cell(value)
        click.echo(f"{name:<{width}}  {paint(text)}" if text else f"{name}")


def paint(text: str) -> str:
    """A state word in its colour; every other text as it is."""
    colour = STATE_COLOURS.get(text)
    if colour is None or "NO_COLOR" in os.environ:
        return text
    return click.style(text, dim=True) if colour == "dim" else click.style(text, fg=colour)


def cell(value: object) -> str:
    """One figure in the words of the house: true minus, thousands separated, times with their zone."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}".replace("-", "\N{MINUS SIGN}")
        case float():
            return number(value)
        case datetime():
            return when(value.isoformat())
        case _:
            return str(value)


def when(text: str) -> str:
    """An ISO time as people read it here: local, with its zone."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def number(value: float) -> str:
    """Two to four decimals, so that prices line up and small ones keep their digits; large whole figures have none."""
    if abs(value) >= WHOLE_FROM and value == int(value):
        return cell(int(value))
    whole, _, decimals = f"{value:,.4f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}".replace("-", "\N{MINUS SIGN}")


def age(seconds: float | None) -> str:
    """A duration as people say it: 12 s, 3 min, 5 h, 2 days."""
    if seconds is None:
        return "–"
    for limit, unit, name in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{max(0, seconds) / unit:.0f} {name}"
    return f"{seconds / 86_400:.0f} days"


def duration(seconds: float) -> str:
    """How long something took: 13 ms, 1.4 s, then as `age` says it."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else age(seconds)


def dollars(micro: int) -> str:
    """Micro-dollars as dollars: free, $0.0004, $3.12."""
    if micro == 0:
        return "free"
    amount = micro / MICRO_PER_DOLLAR
    return f"${amount:,.2f}" if amount >= 0.1 else f"${amount:.6f}".rstrip("0")


@contextmanager
def progress(first: str) -> Iterator[Callable[[str], None]]:
    """Say what is going on, on stderr: a live line on a terminal, one plain line for each new step elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True, highlight=False).status(first, spinner="line") as status:
            yield status.update
        return
    said = {first}
    click.echo(first, err=True)

    def say(step: str) -> None:
        if step not in said:
            said.add(step)
            click.echo(step, err=True)

    yield say


def flatten(value: object, prefix: str = "") -> list[tuple[str, object]]:
    """A JSON value as (name, value) lines; a long list shows how many rows it has and its last ones."""
    if isinstance(value, Mapping):
        return [line for name, inner in value.items() for line in flatten(inner, f"{prefix}{name}".replace("_", " "))]
    if isinstance(value, list):
        return _list_lines(value, prefix)
    return [(prefix, value)]


def _list_lines(rows: list[Any], prefix: str) -> list[tuple[str, object]]:
    lines: list[tuple[str, object]] = [(prefix, f"{len(rows):,}" + (", the last of them:" if len(rows) > 5 else ""))]
    for row in rows[-5:]:
        parts = row.values() if isinstance(row, Mapping) else row if isinstance(row, list) else [row]
        lines.append(("", "  ".join(cell(part) for part in parts)))
    return lines
