"""`openbell migrate`: bring the database to the schema of this version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from openbell.cli import reach
from openbell.cli.exits import FAILED
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, progress


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when migrations are waiting.")
@click.option(
    "--contract", is_flag=True, help="Also remove what no code of this version uses: when nothing older runs any more."
)
@click.option(
    "--web-role", metavar="ROLE", help="Let this role of the database do what web processes must, and no more."
)
@data_option
@json_option
def migrate(check: bool, contract: bool, web_role: str | None, data: Path | None, as_json: bool) -> int:
    """Apply the migrations that are waiting, and make the views of the data types. `openbell up` does it by itself."""
    return reach.run_async(_migrate(check, contract, web_role, data, as_json))


async def _migrate(check: bool, contract: bool, web_role: str | None, data: Path | None, as_json: bool) -> int:
    from openbell.postgres.migrate import migrate as apply
    from openbell.postgres.migrate import pending
    from openbell.settings import load

    dsn = reach.find(load(keys=False), data).dsn
    applied: list[str] = []
    waiting = await pending(dsn)
    if waiting and not check:
        with progress("Applying migrations") as say:
            applied = await apply(dsn, on_step=numbered(say), contract=contract)
        waiting = [name for name in waiting if name not in applied]
    if not check:
        await _seed(dsn)
        if web_role:
            await _grant_web(dsn, web_role)
    if as_json:
        print_json({"applied": applied, "waiting": waiting})
    else:
        for title, names in (("Applied", applied), ("Waiting", waiting)):
            if names:
                click.echo(f"{title}: {', '.join(names)}")
        if not applied and not waiting:
            click.echo("The database is up to date.")
    return FAILED if check and waiting else 0


def numbered(say: Callable[[str], None]) -> Callable[[str], None]:
    """Tells each numbered step; the functions, one a file and many, are applied without a word."""

    def tell(name: str) -> None:
        if not name.startswith("functions/"):
            say(f"Applying {name}")

    return tell


async def _seed(dsn: str) -> None:
    """The registry's rows and views, as a worker makes them: here by a user who may, where a worker's may not."""
    from openbell.postgres.pool import connect
    from openbell.products import registry

    connection = await connect(dsn, name="migrate")
    try:
        await registry().seed(connection)
    finally:
        await connection.close(timeout=5)


async def _grant_web(dsn: str, role: str) -> None:
    """Products, results and the audit log are then out of reach of whoever gets hold of a web process (PF-45)."""
    import asyncpg

    from openbell.engine.database import SQL
    from openbell.postgres.pool import connect

    connection = await connect(dsn, name="migrate")
    try:
        await connection.execute(SQL.get("grant_web"), role)
    except asyncpg.UndefinedObjectError:
        raise click.UsageError(f"There is no role {role!r}: make it first, with `create role … login`.") from None
    finally:
        await connection.close(timeout=5)
