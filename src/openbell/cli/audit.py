"""`openbell audit`: who did what to which, when and why."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbell.cli import reach
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, print_table, when

if TYPE_CHECKING:
    from openbell.engine.audit import Entry

TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


@click.command("audit")
@click.option("--actor", default="", help="Who did it; with * at the end, whoever is called so at the beginning.")
@click.option("--action", default="", help="What was done, such as flag.set, or 'flag.*'.")
@click.option("--object", "target", default="", help="What it was done to, or how its name begins, with * at the end.")
@click.option("--since", type=click.DateTime(TIMES), help="From this time on, UTC.")
@click.option("--until", type=click.DateTime(TIMES), help="Before this time, UTC.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True, help="The newest so many.")
@data_option
@json_option
def audit(
    actor: str,
    action: str,
    target: str,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    data: Path | None,
    as_json: bool,
) -> None:
    """Show what was done by hand or by command, newest first: by whom, to what, and why."""
    from openbell.engine.revisions import differences

    async def read() -> list[Entry]:
        from openbell.engine.audit import find_audit

        begin, end = (at and at.replace(tzinfo=UTC) for at in (since, until))
        async with reach.connected(data) as connection:
            return await find_audit(
                connection, actor=actor, action=action, target=target, since=begin, until=end, limit=limit
            )

    found = reach.run_async(read())
    if as_json:
        print_json([one.as_json() for one in found])
        return
    print_table(
        ("when", "who", "did", "to", "what", "why"),
        [
            (
                when(one.at.isoformat()),
                one.actor,
                one.action,
                one.target,
                ", ".join(differences(one.before, one.after)),
                (one.after or {}).get("reason", ""),
            )
            for one in found
        ],
        empty="Nothing matches.",
    )
