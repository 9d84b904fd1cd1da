"""`openbell export`: what is known, as a file for notebooks and BI tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openbell.cli import reach
from openbell.cli.exits import BAD_INPUT, FAILED, NOTHING_KNOWN, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from openbell.cli.files import Table
    from openbell.engine.registry import Product

AT_ONCE = 10_000
"""Rows that are in memory at a time; a group of rows in the file."""


@click.command()
@click.argument("product")
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--to", "path", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@click.option("--heads", is_flag=True, help="One row a key instead of the rows of a time series.")
@data_option
@json_option
def export(product: str, keys: tuple[str, ...], path: Path, heads: bool, data: Path | None, as_json: bool) -> int:
    """Write what is known of a product to FILE, which ends in .parquet or .csv; it asks nobody for anything.

    \b
    openbell export eod-prices AAPL MSFT --to bars.parquet
    openbell export quote --to quotes.csv

    Without keys: all of them. A time series is written with a row for each natural key, those included that the source
    no longer returns (`gone_at`); anything else with a row a key. Every row names its licence, and says when it is
    synthetic. Parquet needs pyarrow: pip install "openbell[parquet]". Exit code 3 when nothing is known.
    """  # noqa: D301 (click reads the mark itself, not its spelling)
    from openbell.cli.files import opener
    from openbell.products import registry

    declared = registry().get(product)
    if declared.model is None:
        raise CliError(f"{product} is a task, which leaves nothing to export.", BAD_INPUT)
    chosen = [declared.parse_key(key) for key in keys]
    open_file = opener(path)
    told = reach.run_async(_export(declared, chosen or None, path, open_file, heads, data))
    if as_json:
        print_json(told)
    elif told["rows"]:
        marks = "; ".join(
            [*(f"synthetic: {one}" for one in told["synthetic"]), f"licence: {', '.join(told['licences'])}"]
        )
        click.echo(f"Written: {told['rows']:,} rows of {product} to {path} ({marks}).")
    else:
        click.echo(f"Nothing is known of {' '.join([product, *chosen])}; no file was written.")
    return 0 if told["rows"] else NOTHING_KNOWN


async def _export(
    product: Product, keys: list[str] | None, path: Path, open_file: Any, heads: bool, data: Path | None
) -> dict[str, Any]:
    from openbell.postgres.pool import connect
    from openbell.settings import load

    dsn = reach.find(load(keys=False), data).dsn
    connection = await connect(dsn, name="export", statement_timeout_s=0, idle_in_transaction_s=600)
    try:
        table, order = await _table(connection, product, heads)
        with progress(f"Writing {path}"):
            return await _copy(connection, product.name, table, order, keys, path, open_file)
    finally:
        await connection.close(timeout=5)


async def _table(connection: asyncpg.Connection, product: Product, heads: bool) -> tuple[str, str]:
    """The relation to read, and its order, both as SQL. Raises CliError where it has not been made yet."""
    from openbell.engine.shapes import table_of, view_of
    from openbell.postgres.queries import Queries

    shape = await connection.fetchrow(Queries("openbell.cli").get("inspect_shape"), product.name)
    if shape is None:
        raise CliError(
            f"There is no view of {product.name} yet: a worker makes it at its start, or `openbell migrate`.", FAILED
        )
    rows = None if heads else shape["shape"]["rows"]
    if rows and shape["filling"]:
        click.echo("The table is still being filled from what was known before; older rows may be missing.", err=True)
    if rows and shape["trouble"]:
        click.echo(f"Rows may be missing: {shape['trouble']} ({shape['trouble_at']:%Y-%m-%d %H:%M} UTC).", err=True)
    if not rows:
        return _quoted(view_of(product.name)), "key"
    return _quoted(table_of(product.name)), ", ".join(["key", *map(_quoted, rows["key"])])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def _copy(
    connection: asyncpg.Connection,
    product: str,
    table: str,
    order: str,
    keys: Sequence[str] | None,
    path: Path,
    open_file: Any,
) -> dict[str, Any]:
    """The rows, some at a time and as they were at one moment; the file appears when it is whole."""
    from openbell.postgres.queries import Queries

    query = Queries("openbell.cli").get("read_rows").format(table=table, order=order)
    part = path.with_name(f".{path.name}.part")
    written, synthetic, licences = 0, set[str](), set[str]()
    file: Table | None = None
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            statement = await connection.prepare(query)
            columns = [(one.name, one.type.name) for one in statement.get_attributes()]
            cursor = await statement.cursor(keys)
            while rows := await cursor.fetch(AT_ONCE):
                file = file or open_file(part, columns)
                file.write([tuple(row) for row in rows])
                written += len(rows)
                synthetic |= {row["synthetic"] for row in rows if row["synthetic"]}
                licences |= {row["licence"] for row in rows if row["licence"]}
        marks = {"product": product, "synthetic": sorted(synthetic), "licences": sorted(licences)}
        if file is not None:
            file.close(marks)
            file = None
            part.replace(path)
    except OSError as error:
        raise CliError(f"{path} could not be written: {error.strerror or error}.", FAILED) from None
    finally:
        if file is not None:
            file.close({})
        part.unlink(missing_ok=True)
    return {**marks, "rows": written, "file": str(path) if written else None}
