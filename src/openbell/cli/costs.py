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

    Failed calls are included and shown, beside what was estimated, and what is in doubt. The sums are those of the
    ledger, to the millionth of a dollar. Days and weeks are those of UTC.
    """
    report = reach.run_async(_read(data, by, since))
    if as_json:
        print_json(report.as_json())
        return
    _print(report)


def _print(report: Report) -> None:
    total = report.total
    in_credits = bool(total.credits or total.unknown_credits)
    columns = [report.by, "calls>", "failed>", "cost>", "of it failed>", "estimate>", "in doubt>", "under way>"]
    columns += ["credits>"] if in_credits else []
    columns += ["one call takes"] if report.by == "operation" else []
    rows = [_line(report, row, row.name, in_credits) for row in report.rows]
    click.echo(f"Since {report.since.isoformat()} UTC\n")
    rows += [_line(report, total, "total", in_credits)] if len(rows) > 1 else []
    print_table(columns, rows, empty="No calls since then.")


def _line(report: Report, row: Costs, name: str, in_credits: bool) -> list[str]:
    from openbell.engine.books import dollars, words

    line = [
        name,
        cell(row.calls),
        cell(row.failed),
        dollars(row.cost_micro),
        dollars(row.failed_micro),
        dollars(row.estimate_micro),
        f"{dollars(row.unknown_micro)} ({row.unknown})" if row.unknown else "–",
        f"{dollars(row.open_micro)} ({row.open})" if row.open else "–",
    ]
    line += [cell(row.credits)] if in_credits else []
    if report.by == "operation":
        taken = (words(one.resource, round(one.average)) for one in report.estimates_of(row) if one.resource != "calls")
        line.append(", ".join(taken))
    return line


async def _read(data: Path | None, by: By, since: datetime | None) -> Report:
    from openbell.engine.costs import costs as read
    from openbell.engine.estimates import list_estimates

    async with reach.connected(data) as connection:
        estimates = await list_estimates(connection) if by == "operation" else []
        return await read(connection, by, since and since.date(), estimates=estimates)
