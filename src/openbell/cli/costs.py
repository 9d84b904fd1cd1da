"""`openbell costs`: where every cent went."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbell.cli import reach
from openbell.cli.options import data_option, json_option
from openbell.cli.output import cell, print_json, print_table

if TYPE_CHECKING:
    from openbell.engine.costs import By, Costs, Report

PARTS = ("product", "provider", "user", "week", "operation", "day")


@click.command()
@click.option("--by", type=click.Choice(PARTS), default="product", show_default=True, help="What is told apart.")
@click.option(
    "--since",
    metavar="DATE",
    type=click.DateTime(["%Y-%m-%d"]),
    help="From this day on, such as 2026-08-04  [default: 30 days; 8 weeks by week].",
)
@data_option
@json_option
def costs(by: By, since: datetime | None, data: Path | None, as_json: bool) -> None:
    """Say what calls have cost.

    Failed calls are included and shown, beside what was held for the charged ones, what such calls are expected to
    take (the average learnt so far), and what is in doubt. The sums are those of the ledger, to the millionth of a
    dollar. Days and weeks are those of UTC.
    """
    report = reach.run_async(_read(data, by, since))
    if as_json:
        print_json(report.as_json())
        return
    _print(report)


def _print(report: Report) -> None:
    from openbell.engine.books import column

    rows = [*report.rows, *([report.total] if len(report.rows) > 1 else [])]
    names = [*(row.name for row in report.rows), "total"]
    columns: list[tuple[str, list[str]]] = [
        (report.by, names[: len(rows)]),
        ("calls>", [cell(row.calls) for row in rows]),
        ("failed>", [cell(row.failed) for row in rows]),
        ("cost>", column([row.cost_micro for row in rows])),
        ("of it failed>", column([row.failed_micro for row in rows])),
        ("held>", column([row.held_micro for row in rows])),
        ("estimate>", column([row.estimate_micro for row in rows])),
        ("in doubt>", _beside(column([row.unknown_micro for row in rows]), [row.unknown for row in rows])),
        ("under way>", _beside(column([row.open_micro for row in rows]), [row.open for row in rows])),
    ]
    if report.total.credits or report.total.unknown_credits:
        columns.append(("credits>", [cell(row.credits) for row in rows]))
    if report.by == "operation":
        columns.append(("one call takes", [_taken(report, row) for row in rows]))
    click.echo(f"Since {report.since.isoformat()} UTC\n")
    lines = list(zip(*(cells for _, cells in columns), strict=True))
    print_table([head for head, _ in columns], lines, empty="No calls since then.")


def _beside(amounts: list[str], counts: list[int]) -> list[str]:
    """Each amount with the number of its calls, a dash where there are none."""
    return [f"{amount} ({count})" if count else "–" for amount, count in zip(amounts, counts, strict=True)]


def _taken(report: Report, row: Costs) -> str:
    """What one call of this operation takes, by what was learnt."""
    from openbell.engine.books import words

    learnt = (one for one in report.estimates_of(row) if one.resource != "calls")
    return ", ".join(words(one.resource, round(one.average)) for one in learnt)


async def _read(data: Path | None, by: By, since: datetime | None) -> Report:
    from openbell.engine.costs import costs as read
    from openbell.engine.estimates import list_estimates

    async with reach.connected(data) as connection:
        estimates = await list_estimates(connection) if by == "operation" else []
        return await read(connection, by, since and since.date(), estimates=estimates)
