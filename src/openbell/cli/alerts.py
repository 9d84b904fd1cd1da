"""`openbell alerts`: what fires, who is at it, and of what nobody is to be told for a time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbell.cli import reach
from openbell.cli.amounts import actor_option
from openbell.cli.exits import BAD_INPUT, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, print_pairs, print_table, when

if TYPE_CHECKING:
    from datetime import datetime

    from openbell.engine.alerts import Alert, AlertLimits

STATES = ("pending", "firing", "cleared")


@click.group()
def alerts() -> None:
    """What fires, and who is told of it."""


@alerts.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only those in this state [default: firing, then cleared].")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many.")
@data_option
@json_option
def alerts_list(state: str | None, limit: int, data: Path | None, as_json: bool) -> None:
    """List alerts: those that fire, then those that are over."""
    rows = reach.run_async(_list(data, state, limit))
    if as_json:
        print_json([row.as_json() for row in rows])
        return
    print_table(
        ("id>", "state", "since", "alert", "about", "what", "told"),
        [
            (
                str(row.id),
                row.state,
                when((row.cleared_at or row.fired_at or row.first_at).isoformat()),
                row.code,
                row.about or "–",
                row.message,
                _told(row),
            )
            for row in rows
        ],
        empty="Nothing fires.",
    )
    for row in rows:
        if row.state == "firing":
            click.echo(f"{row.id}: {row.mend}")


def _told(row: Alert) -> str:
    parts = [f"{one['event']} by {one['channel']}: {one['state']}" for one in row.notices]
    if row.acknowledged_by:
        parts.append(f"acknowledged by {row.acknowledged_by}")
    return ", ".join(parts) or "–"


@alerts.command("acknowledge")
@click.argument("alert_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@actor_option
@data_option
def alerts_acknowledge(alert_id: int, actor: str, data: Path | None) -> None:
    """Say that somebody is at it."""
    reach.run_async(_acknowledge(data, alert_id, actor))
    click.echo(f"Alert {alert_id} is acknowledged by {actor}. It stays until its cause is gone.")


@alerts.command("silence")
@click.argument("code")
@click.option("--about", default="", help="Only about this; by default about anything.")
@click.option("--minutes", type=click.IntRange(1, 43_200), default=60, show_default=True, help="For so long.")
@click.option("--reason", required=True, help="Kept with it.")
@actor_option
@data_option
@json_option
def alerts_silence(
    code: str, about: str, minutes: int, reason: str, actor: str, data: Path | None, as_json: bool
) -> None:
    """Tell nobody of alerts of this CODE for a time; '*' is every one. They are listed all the same."""
    until = reach.run_async(_silence(data, code, about, timedelta(minutes=minutes), reason, actor))
    if as_json:
        print_json({"code": code, "about": about, "until": until})
        return
    click.echo(f"Nobody is told of {code}{f' about {about}' if about else ''} until {when(until.isoformat())}.")


@alerts.command("limits")
@click.option("--set", "changes", metavar="NAME=NUMBER", multiple=True, help="Such as depth=5000; may be repeated.")
@click.option("--usual", is_flag=True, help="Back to what is usual, but for what --set names.")
@actor_option
@data_option
@json_option
def alerts_limits(changes: tuple[str, ...], usual: bool, actor: str, data: Path | None, as_json: bool) -> None:
    """Show from when on something is worth an alert, or change it while the system runs."""
    made = {}
    for one in changes:
        name, _, text = one.partition("=")
        try:
            made[name.strip()] = float(text)
        except ValueError:
            raise CliError(f"{one!r} is no NAME=NUMBER, such as depth=5000.", BAD_INPUT) from None
    limits = reach.run_async(_limits(data, made, usual, actor))
    if as_json:
        print_json(limits.as_json())
        return
    print_pairs([(name.replace("_", " "), f"{value:g}") for name, value in limits.as_json().items()])


async def _list(data: Path | None, state: str | None, limit: int) -> list[Alert]:
    from openbell.engine.alerts import list_alerts

    async with reach.connected(data) as connection:
        return await list_alerts(connection, state=state, limit=limit)


async def _acknowledge(data: Path | None, alert_id: int, actor: str) -> None:
    from openbell.engine.alerts import acknowledge

    async with reach.connected(data) as connection:
        await acknowledge(connection, alert_id, actor=actor)


async def _silence(data: Path | None, code: str, about: str, span: timedelta, reason: str, actor: str) -> datetime:
    from openbell.engine.alerts import silence

    async with reach.connected(data) as connection:
        return await silence(connection, code, about, span, actor=actor, reason=reason)


async def _limits(data: Path | None, changes: dict[str, float], usual: bool, actor: str) -> AlertLimits:
    from openbell.engine.alerts import read_limits, set_limits

    async with reach.connected(data) as connection:
        if not changes and not usual:
            return await read_limits(connection)
        return await set_limits(connection, changes, actor=actor, keep=not usual)
