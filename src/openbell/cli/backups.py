"""`openbell backup` and `openbell restore`: everything in one file, and the way back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbell.cli import reach
from openbell.cli.amounts import actor_option
from openbell.cli.exits import NO_DATABASE, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, progress

if TYPE_CHECKING:
    from openbell.postgres.backup import Head


@click.command()
@click.argument("file", metavar="[FILE]", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), help="Write a file with the time as its name here."
)
@click.option("--keep", type=click.IntRange(1, 1_000), help="Of the folder's backups keep so many, the latest.")
@actor_option
@data_option
@json_option
def backup(
    file: Path | None, folder: Path | None, keep: int | None, actor: str, data: Path | None, as_json: bool
) -> None:
    """Write everything into one file, while all goes on. Settings and keys are not in it; addresses of people are.

    Give FILE, or --folder for a timer: `openbell backup --folder /var/backups/openbell --keep 14`.
    """
    if (file is None) == (folder is None) or (keep is not None and folder is None):
        raise click.UsageError("Give FILE, or --folder with or without --keep.")
    with progress("Writing the backup"):
        path, head, gone = reach.run_async(_backup(data, file, folder, keep, actor))
    if as_json:
        print_json({"file": str(path), "removed": [str(one) for one in gone], **head.as_json()})
        return
    click.echo(f"{path}: {head.bytes:,} bytes of {head.at}, SHA-256 {head.sha256}")
    if gone:
        click.echo(f"Removed {len(gone)} older: {', '.join(one.name for one in gone)}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--check", is_flag=True, help="Only say what the file is, and whether it is whole.")
@click.option("--replace", metavar="DATABASE", help="Replace what this database holds; say its name.")
@actor_option
@data_option
@json_option
def restore(file: Path, check: bool, replace: str | None, actor: str, data: Path | None, as_json: bool) -> None:
    """Put a backup into the database, all of it or nothing.

    What happened after the backup is unknown then, so nothing that could happen twice goes on by itself: paid budgets
    are paused, mail is stopped and what waited is held, and calls under way are in doubt. See docs/backups.md for what
    to look at before resuming.
    """
    if check:
        from openbell.postgres.backup import verify

        head = verify(file)
        if as_json:
            print_json(head.as_json())
        else:
            click.echo(f"{file} is whole: {head.bytes:,} bytes of {head.at}, from PostgreSQL {head.server}.")
        return
    with progress("Restoring"):
        head = reach.run_async(_restore(data, file, replace, actor))
    if as_json:
        print_json(head.as_json())
        return
    click.echo(f"Restored what was there at {head.at}. Paid budgets are paused and all mail is stopped. Next:")
    for line in (
        "openbell migrate                       to the schema of this version",
        "openbell spends list --unknown         calls that may have happened: resolve each",
        "openbell accounts list                 compare with the providers' statements, then `accounts resume`",
        "openbell mail list --state held        mails that may have been sent: release or cancel them",
        "openbell mail resume",
    ):
        click.echo(f"  {line}")


async def _backup(
    data: Path | None, file: Path | None, folder: Path | None, keep: int | None, actor: str
) -> tuple[Path, Head, list[Path]]:
    import asyncio
    from datetime import UTC, datetime

    from openbell.postgres.backup import SUFFIX, expired
    from openbell.postgres.backup import backup as write

    if file is None:
        assert folder is not None
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        file = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"
    async with _database(data) as dsn:
        head = await write(dsn, file, actor=actor)
    gone = expired(folder, keep) if folder is not None and keep is not None else []
    for one in gone:
        one.unlink()
    return file, head, gone


async def _restore(data: Path | None, file: Path, replace: str | None, actor: str) -> Head:
    from openbell.postgres.backup import restore as put_back

    async with _database(data) as dsn:
        return await put_back(dsn, file, actor=actor, replace=replace)


@asynccontextmanager
async def _database(data: Path | None) -> AsyncIterator[str]:
    """A direct address of the database; the embedded one of a folder is started for the time when it does not run."""
    from openbell.settings import load

    settings = load(keys=False)
    folder = data or settings.openbell_data
    try:
        place = reach.find(settings, data)
    except CliError as error:
        if error.code != NO_DATABASE or folder is None:
            raise
    else:
        yield place.listen_dsn
        return
    from openbell.postgres.embedded import EmbeddedServer

    server = EmbeddedServer(folder)
    try:
        yield await server.start()
    finally:
        await server.stop()
