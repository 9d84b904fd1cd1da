"""`openbell jobs stats`: how deep the queue is and was, what came out of it, and who works on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openbell.cli import reach
from openbell.cli.options import data_option, json_option
from openbell.cli.output import age, dollars, duration, print_json, print_pairs, print_table

if TYPE_CHECKING:
    from openbell.engine.figures import Figures

BARS = "▁▂▃▄▅▆▇█"
DAYS_MAX = 30


@click.command()
@click.option(
    "--hours", type=click.FloatRange(0.1, DAYS_MAX * 24), default=24.0, show_default=True, help="How far to look back."
)
@data_option
@json_option
def stats(hours: float, data: Path | None, as_json: bool) -> None:
    """Say how deep the queue is and was, how long jobs wait and run, and which workers there are."""
    found = reach.run_async(_ask(data, timedelta(hours=hours))).as_json()
    if as_json:
        print_json(found)
        return
    _print_now(found)
    _print_classes(found, hours)
    _print_outcomes(found)
    _print_oldest(found)
    _print_fleet(found)


def _print_now(found: dict[str, Any]) -> None:
    oldest = found["oldest_waiting_s"]
    print_pairs(
        [
            ("waiting", found["waiting"]),
            ("parked", found["parked"]),
            ("running", found["running"]),
            ("oldest", "nothing waits" if oldest is None else f"waits for {age(oldest)}"),
            ("workers", f"{found['workers']:,} with {found['slots']:,} slots"),
        ]
    )


def _print_classes(found: dict[str, Any], hours: float) -> None:
    live = {row["class"]: row for row in found["classes"]}
    series = found["depth"]["classes"]
    names = [name for name, points in series.items() if name in live or any(map(_deep, points))]
    if not names:
        return
    nothing = {"waiting": 0, "parked": 0, "running": 0, "oldest_wait_s": None}
    click.echo()
    print_table(
        ("class", "waiting>", "parked>", "running>", "oldest>", f"waiting and running, last {hours:g} h", "most>"),
        [
            (
                name,
                row["waiting"],
                row["parked"],
                row["running"],
                age(row["oldest_wait_s"]),
                sparkline([_deep(point) for point in series[name]]),
                max((_deep(point) or 0 for point in series[name]), default=0),
            )
            for name in names
            for row in [live.get(name, nothing)]
        ],
        empty="",
    )


def _deep(point: dict[str, Any] | None) -> int | None:
    return None if point is None else int(point["waiting"] + point["running"])


def sparkline(figures: Sequence[int | None]) -> str:
    """One bar a figure, the highest at full height; nothing is a low line, and a gap where nobody looked is a blank."""
    most = max((figure for figure in figures if figure is not None), default=0) or 1
    return "".join(" " if n is None else BARS[-(-n * (len(BARS) - 1) // most)] for n in figures)


def _print_outcomes(found: dict[str, Any]) -> None:
    click.echo()
    print_table(
        ("product", "outcome", "jobs>", "cost>", "waited p50>", "p99>", "ran p50>", "p99>"),
        [
            (
                row["product"],
                row["outcome"],
                row["jobs"],
                dollars(row["cost_micro"]),
                *(_took(row[name]) for name in ("wait_p50_s", "wait_p99_s", "run_p50_s", "run_p99_s")),
            )
            for row in found["outcomes"]
        ],
        empty="No job has ended in this time.",
    )


def _took(seconds: float | None) -> str:
    return "–" if seconds is None else duration(seconds)


def _print_oldest(found: dict[str, Any]) -> None:
    if found["oldest"]:
        click.echo()
        print_table(
            ("oldest waiting", "key", "job>", "class", "waits>"),
            [
                (row["product"], row["key"], str(row["id"]), row["class"], age(row["waited_s"]))
                for row in found["oldest"]
            ],
            empty="",
        )


def _print_fleet(found: dict[str, Any]) -> None:
    click.echo()
    print_table(
        ("worker", "id>", "state", "slots>", "last beat>", "classes", "since its start"),
        [
            (
                row["name"],
                str(row["id"]),
                row["state"],
                row["slots"],
                f"{age(row['last_beat_s'])} ago",
                "unknown" if row["classes"] is None else ", ".join(row["classes"]),
                ", ".join(f"{count:,} {what}" for what, count in sorted(row["counters"].items())),
            )
            for row in found["fleet"]
        ],
        empty="No worker is running. Start one: openbell worker.",
    )


async def _ask(data: Path | None, span: timedelta) -> Figures:
    from openbell.engine.figures import figures

    async with reach.connected(data) as connection:
        return await figures(connection, span)
