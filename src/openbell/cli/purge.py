"""`openbell purge`: remove what is known from a provider or under a licence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbell.cli import reach
from openbell.cli.amounts import actor_option
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openbell.engine.confirm import Plan


@click.command()
@click.option("--provider", help="Whose data goes, such as fmp.")
@click.option("--licence", help="The licence class whose data goes, such as personal.")
@click.option("--confirm", metavar="TOKEN", help="Carry out the plan that this token was shown with.")
@actor_option
@data_option
@json_option
def purge(
    provider: str | None, licence: str | None, confirm: str | None, actor: str, data: Path | None, as_json: bool
) -> None:
    """Remove what is known from a provider or under a licence, as when its terms end.

    Shows the plan first, with a token; with --confirm TOKEN it is carried out if it is still the same. Books and
    history stay. Switch the products off before, or what is wanted is fetched again; backups keep what they hold.
    """
    plan, token, gone = reach.run_async(_purge(data, provider, licence, confirm, actor))
    if as_json:
        print_json({"plan": dict(plan.rows), "token": token, "removed": gone and dict(gone)})
        return
    shown = plan.rows if gone is None else gone
    print_table(("table", "rows>"), [(name, f"{n:,}") for name, n in shown.items()], empty="There is nothing of it.")
    if token:
        click.echo(f"Nothing was removed. To do so within two minutes, the same command with --confirm {token}")


async def _purge(
    data: Path | None, provider: str | None, licence: str | None, confirm: str | None, actor: str
) -> tuple[Plan, str | None, Mapping[str, int] | None]:
    from openbell.engine.purge import Purge

    meant = Purge(provider or None, licence or None)
    async with reach.connected(data) as connection:
        plan = await meant.plan(connection)
        if confirm is not None:
            return plan, None, await meant.carry_out(connection, confirm, actor=actor)
        if not plan.rows:
            return plan, None, None
        return plan, (await meant.propose(connection, actor=actor)).token, None
