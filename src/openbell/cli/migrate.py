"""`openbell migrate`: bring the database to the schema of this version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
from click.core import ParameterSource

from openbell.cli import reach
from openbell.cli.exits import FAILED
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, print_table, progress, when


@click.group(invoke_without_command=True)
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when migrations are waiting.")
@click.option(
    "--contract", is_flag=True, help="Also remove what no code of this version uses: when nothing older runs any more."
)
@click.option(
    "--web-role", metavar="ROLE", help="Let this role of the database do what web processes must, and no more."
)
@data_option
@json_option
@click.pass_context
def migrate(
    ctx: click.Context, check: bool, contract: bool, web_role: str | None, data: Path | None, as_json: bool
) -> int:
    """Apply the migrations that are waiting, and make the views of the data types. `openbell up` does it by itself.

    Backfills are only begun: workers move the data, at their rate; `openbell migrate status` says how far they are.
    """
    if ctx.invoked_subcommand is not None:
        if any(ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ctx.params):
            raise click.UsageError(
                f"Options stand behind the word: openbell migrate {ctx.invoked_subcommand} [OPTIONS]."
            )
        return 0
    return reach.run_async(_migrate(check, contract, web_role, data, as_json))


@migrate.command("status")
@data_option
@json_option
def status(data: Path | None, as_json: bool) -> int:
    """Say what waits, how far each backfill is, and which processes run older code."""
    return reach.run_async(_status(data, as_json))


@migrate.command("rate")
@click.argument("name")
@click.argument("rows_a_second", type=click.IntRange(1, 1_000_000))
@data_option
def rate(name: str, rows_a_second: int, data: Path | None) -> int:
    """Let a backfill go faster or slower from its next batch on."""
    return reach.run_async(_rate(name, rows_a_second, data))


async def _status(data: Path | None, as_json: bool) -> int:
    from openbell.postgres.backfill import list_backfills
    from openbell.postgres.migrate import newest, older_processes, pending
    from openbell.postgres.pool import connect
    from openbell.settings import load

    dsn = reach.find(load(keys=False), data).dsn
    waiting = await pending(dsn)
    connection = await connect(dsn, name="migrate")
    try:
        backfills = await list_backfills(connection)
        older = await older_processes(connection, newest())
    finally:
        await connection.close(timeout=5)
    if as_json:
        print_json({"waiting": waiting, "backfills": [one.as_json() for one in backfills], "older": older})
        return 0
    click.echo(f"Waiting: {', '.join(waiting)}" if waiting else "No migration waits.")
    if older:
        click.echo(f"Older code: {', '.join(older)}")
    print_table(
        ("backfill", "state", "rows>", "rows/s at most>", "since", "last batch", "error"),
        [
            (
                one.name,
                "finished" if one.finished_at else "failing" if one.error else "under way",
                f"{one.rows:,}",
                f"{one.rate:,}",
                when(one.started_at.isoformat()),
                when(one.moved_at.isoformat()) if one.moved_at else "–",
                one.error or "",
            )
            for one in backfills
        ],
        empty="There was no backfill.",
    )
    return 0


async def _rate(name: str, rows_a_second: int, data: Path | None) -> int:
    from openbell.postgres.backfill import list_backfills, set_rate
    from openbell.postgres.pool import connect
    from openbell.settings import load

    connection = await connect(reach.find(load(keys=False), data).dsn, name="migrate")
    try:
        known = await list_backfills(connection)
        done = bool(known) and await set_rate(connection, name, rows_a_second)
    finally:
        await connection.close(timeout=5)
    if not done:
        under_way = ", ".join(one.name for one in known if one.finished_at is None) or "none"
        raise click.UsageError(f"No backfill {name!r} is under way (under way: {under_way}).")
    click.echo(f"{name}: {rows_a_second:,} rows a second at most, from the next batch on.")
    return 0


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
    from openbell.engine.upkeep import queue_backfills
    from openbell.postgres.pool import connect
    from openbell.products import registry

    connection = await connect(dsn, name="migrate")
    try:
        await registry().seed(connection)
        await queue_backfills(connection)
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
