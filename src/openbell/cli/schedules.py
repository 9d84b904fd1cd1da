"""`openbell schedules`: what is due when, and how it last went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openbell.cli import reach
from openbell.cli.amounts import actor_option
from openbell.cli.exits import NOTHING_KNOWN, CliError
from openbell.cli.options import data_option, json_option, seen_option
from openbell.cli.output import print_json, print_table, when

if TYPE_CHECKING:
    from openbell.engine.schedules import ScheduleView


@click.group()
def schedules() -> None:
    """What is made at which times, and how it last went."""


@schedules.command("list")
@data_option
@json_option
def schedules_list(data: Path | None, as_json: bool) -> None:
    """List the schedules: their times, the next one, and the last success."""
    rows = [row.as_json() for row in reach.run_async(_list(data))]
    if as_json:
        print_json(rows)
        return
    print_table(
        ("schedule", "product", "key", "times", "zone", "next", "last due", "last success", "state"),
        [
            (
                row["name"],
                row["product"],
                row["key"],
                row["cron"],
                row["zone"],
                when(row["next_at"]) if row["next_at"] else "",
                when(row["last_due_at"]) if row["last_due_at"] else "",
                when(row["last_success_at"]) if row["last_success_at"] else "",
                _state(row),
            )
            for row in rows
        ],
        empty="No schedules yet. A worker enters those that the code declares when it starts.",
    )


@schedules.command("run")
@click.argument("name")
@click.option("--reason", default="", help="Why; it is kept in the audit log.")
@actor_option
@data_option
@json_option
def schedules_run(name: str, reason: str, actor: str, data: Path | None, as_json: bool) -> None:
    """Let a schedule happen now, besides its times. What is fresh already is not made again."""
    job_id = reach.run_async(_run(data, name, actor=actor, reason=reason))
    if as_json:
        print_json({"name": name, "job": job_id})
    elif job_id is None:
        click.echo(f"{name} got no job: its result is fresh, failed a moment ago, or there is no room for routine.")
        click.echo("What is still wanted is queued as soon as there is room (openbell jobs why PRODUCT KEY).")
    else:
        click.echo(f"{name} runs as job {job_id}: openbell jobs show {job_id}")


@schedules.command("set")
@click.argument("name")
@click.option("--cron", help='Minute, hour, day of month, month, day of week, as in "30 5 * * mon".')
@click.option("--zone", help="The time zone in which these are read, such as America/New_York.")
@click.option("--missed", type=click.Choice(["late", "skip"]), help="What becomes of a time that nobody could take.")
@click.option("--max-late", type=click.FloatRange(0, 168, min_open=True), help="How many hours late it may begin.")
@click.option("--on/--off", "enabled", default=None, help="Whether it happens at all.")
@click.option("--reason", default="", help="Why; it is kept in the audit log.")
@seen_option
@actor_option
@data_option
@json_option
def schedules_set(
    name: str,
    max_late: float | None,
    reason: str,
    seen: int | None,
    actor: str,
    data: Path | None,
    as_json: bool,
    **given: str | bool | None,
) -> None:
    """Change when a schedule happens, while everything runs; the change is audited and outlasts updates."""
    from datetime import timedelta

    late = None if max_late is None else timedelta(hours=max_late)
    changes = {field: value for field, value in (given | {"max_late": late}).items() if value is not None}
    if not changes:
        raise click.UsageError("Say what to change: --cron, --zone, --missed, --max-late, --on or --off.")
    row = reach.run_async(_set(data, name, changes, actor=actor, reason=reason, seen=seen)).as_json()
    if as_json:
        print_json(row)
        return
    state = "" if row["enabled"] else ", and is off"
    click.echo(f"{name} is due at {row['cron']} in {row['zone']}, missed ones {row['missed']}{state}.")


async def _list(data: Path | None) -> list[ScheduleView]:
    from openbell.engine.schedules import list_schedules

    async with reach.connected(data) as connection:
        return await list_schedules(connection)


async def _run(data: Path | None, name: str, **said: str) -> int | None:
    from openbell.engine.schedules import UnknownSchedule, run_now

    async with reach.connected(data) as connection:
        try:
            return await run_now(connection, name, **said)
        except UnknownSchedule as error:
            raise CliError(str(error), NOTHING_KNOWN) from None


async def _set(data: Path | None, name: str, changes: dict[str, Any], *, seen: int | None, **said: str) -> ScheduleView:
    from openbell.engine.cron import InvalidCron
    from openbell.engine.schedules import UnknownSchedule, set_schedule

    async with reach.connected(data) as connection:
        try:
            return await set_schedule(connection, name, changes, **said, seen=seen)
        except UnknownSchedule as error:
            raise CliError(str(error), NOTHING_KNOWN) from None
        except InvalidCron as error:
            raise click.UsageError(str(error)) from None


def _state(row: dict[str, Any]) -> str:
    """One or a few words for how it stands."""
    if not row["enabled"]:
        return "off"
    last = " ".join(part for part in (row["last_state"], row["last_note"]) if part)
    words = [row["problem"] or "", "overdue" if row["overdue"] else "", last]
    return "; ".join(word for word in words if word)
