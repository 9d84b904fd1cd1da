"""`openbell staging`: a place to try things, without anybody's data."""

from __future__ import annotations

from pathlib import Path

import click

from openbell.cli import reach
from openbell.cli.exits import BAD_INPUT, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json


@click.group()
def staging() -> None:
    """A database to try things in: the schema and a sample, nothing about a person."""


@staging.command("create")
@click.argument("target", metavar="DSN")
@click.option("--sample", type=click.IntRange(0, 100_000), default=1_000, show_default=True, help="Results at most.")
@data_option
@json_option
def staging_create(target: str, sample: int, data: Path | None, as_json: bool) -> None:
    """Make a staging of this database in the empty one at DSN (postgresql://…). This one is only read."""
    from openbell.products import registry
    from openbell.products.staging import create
    from openbell.settings import load

    if not target.startswith(("postgresql://", "postgres://")):
        raise CliError("The database to make it in is an address that starts with postgresql://", BAD_INPUT)
    place = reach.find(load(keys=False), data)
    if target == place.dsn:
        raise CliError("That is this database itself; name another, empty one.", BAD_INPUT)
    copied = reach.run_async(create(place.dsn, target, registry(), sample=sample))
    if as_json:
        print_json({"rows": copied.rows})
        return
    click.echo(", ".join(f"{rows:,} of {table}" for table, rows in copied.rows.items()) + ".")
    click.echo("It is stamped as staging. Run it with ENVIRONMENT=staging, DATABASE_URL and ADMIN_EMAIL set to yours.")
