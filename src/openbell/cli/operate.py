"""`openbell operate`: what changes the whole, planned first and done with the plan's token."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openbell.cli import reach
from openbell.cli.amounts import actor_option
from openbell.cli.exits import BAD_INPUT, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json

if TYPE_CHECKING:
    import asyncpg

    from openbell.engine.confirm import Proposed

NAMES = (
    "wipe-database", "commit-ticker-csv", "force-regenerate-all", "clean-feeds", "init", "clear-all-reports",
    "generate-user-reports", "send-all-ready",
)  # fmt: skip


@click.command()
@click.argument("name", type=click.Choice(NAMES))
@click.option("--file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CSV for commit-ticker-csv.")
@click.option("--confirm", "token", metavar="TOKEN", help="Do what was planned: the token that the plan came with.")
@actor_option
@data_option
@json_option
def operate(name: str, file: Path | None, token: str | None, actor: str, data: Path | None, as_json: bool) -> None:
    """Change the whole: dangerous operations show their plan first, and are done with its token, within two minutes.

    wipe-database, commit-ticker-csv and force-regenerate-all are disabled in production.
    """
    from openbell.engine.confirm import Proposed
    from openbell.products.operations import OPERATIONS, run
    from openbell.settings import load

    if (file is not None) != (name == "commit-ticker-csv"):
        raise CliError("commit-ticker-csv needs --file, and nothing else takes one.", BAD_INPUT)
    arguments = {"csv": _read(file)} if file is not None else {}
    environment = load(keys=False).environment

    async def work() -> Proposed | dict[str, Any]:
        async with reach.connected(data) as proxy:
            conn: asyncpg.Connection = proxy
            return await run(conn, OPERATIONS[name], arguments, actor=actor, environment=environment, token=token)

    done = reach.run_async(work())
    if not isinstance(done, Proposed):
        print_json(done) if as_json else click.echo(f"{name}: {_words(done)}.")
        return
    if as_json:
        print_json({"plan": done.plan.as_json(), "token": done.token, "expires_at": done.expires_at.isoformat()})
        return
    click.echo(done.plan.sentence)
    click.echo(f"  {_words(done.plan.rows)}")
    for one in done.plan.sample:
        click.echo(f"  {one}")
    rest = f" --file {file}" if file is not None else ""
    click.echo(
        f"Nothing was done yet. To do it, within two minutes: openbell operate {name}{rest} --confirm {done.token}"
    )


def _words(rows: Any) -> str:
    return ", ".join(
        f"{name}: {value:,}" if isinstance(value, int) else f"{name}: {value}" for name, value in rows.items()
    )


def _read(file: Path) -> str:
    from openbell.cli.reference import read_file

    return read_file(file)
