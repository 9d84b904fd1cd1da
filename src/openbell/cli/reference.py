"""`openbell reference`: the companies that digests are made for. They change by imports alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from openbell.cli import reach
from openbell.cli.amounts import actor_option
from openbell.cli.exits import BAD_INPUT, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, print_table

if TYPE_CHECKING:
    import asyncpg

    from openbell.products.digest.reference import Imported, Reference

SHOWN_ERRORS = 20
T = TypeVar("T")


@click.group()
def reference() -> None:
    """Companies that digests are made for: name, keywords, competitors, and who stands up and down the chain.

    A file is CSV with the columns ticker, name, cik, aliases, industry, competitors, upstream, downstream; several
    entries of a column are separated by ";", and a company with a ticker is written "MSFT: Microsoft".
    """


@reference.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@click.option("--starter", is_flag=True, help="The file of fifty well-known tickers that comes with openbell.")
@actor_option
@data_option
@json_option
def reference_import(file: Path | None, starter: bool, actor: str, data: Path | None, as_json: bool) -> None:
    """Import a file. Its tickers become what it says, others stay; with one bad row nothing changes."""
    from openbell.products.digest import reference as room

    if (file is None) != starter:
        raise CliError("Name one file, or --starter: openbell reference import companies.csv", BAD_INPUT)
    text = room.starter() if file is None else read_file(file)
    source = "starter" if file is None else file.name

    async def imported(connection: asyncpg.Connection) -> Imported:
        return await room.import_rows(connection, text, source=source, actor=actor)

    done = _ask(data, imported)
    if done.errors:
        shown = "\n".join(f"  {one}" for one in done.errors[:SHOWN_ERRORS])
        more = len(done.errors) - SHOWN_ERRORS
        rest = f"\n  and {more} more" if more > 0 else ""
        raise CliError(f"Nothing was imported; {source} has errors:\n{shown}{rest}", BAD_INPUT)
    if as_json:
        print_json({"added": done.added, "changed": done.changed, "unchanged": done.unchanged})
        return
    click.echo(f"{source}: {done.added} tickers added, {done.changed} changed, {done.unchanged} as they were.")


def read_file(file: Path) -> str:
    """The text of a file of reference data. Raises CliError."""
    from openbell.products.digest.reference import MOST_BYTES

    if file.stat().st_size > MOST_BYTES:
        raise CliError(f"{file.name} is larger than {MOST_BYTES:,} bytes; is it the right file?", BAD_INPUT)
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise CliError(f"{file.name} is not UTF-8 (byte {error.start}); save it as CSV in UTF-8.", BAD_INPUT) from None


@reference.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@data_option
def reference_export(file: Path | None, data: Path | None) -> None:
    """Write all reference data as a file that can be imported, or show it."""
    from openbell.products.digest.reference import list_references, write_rows

    rows: list[Reference] = _ask(data, list_references)
    text = write_rows(rows)
    if file is None:
        click.echo(text, nl=False)
        return
    file.write_text(text, "utf-8")
    click.echo(f"{len(rows)} tickers are in {file.name}.")


@reference.command("list")
@data_option
@json_option
def reference_list(data: Path | None, as_json: bool) -> None:
    """List the tickers that digests can be made for."""
    from openbell.products.digest.reference import list_references

    rows: list[Reference] = _ask(data, list_references)
    if as_json:
        print_json([row.as_row() for row in rows])
        return
    print_table(
        ("ticker", "name", "industry", "competitors"),
        [(r.ticker, r.name, ", ".join(r.industry), ", ".join(c.name for c in r.competitors)) for r in rows],
        empty="No company is known: openbell reference import --starter, or a file of your own.",
    )


def _ask(data: Path | None, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    async def ask() -> T:
        async with reach.connected(data) as connection:
            return await work(connection)

    return reach.run_async(ask())
