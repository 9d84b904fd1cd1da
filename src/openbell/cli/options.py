"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

json_option = click.option("--json", "as_json", is_flag=True, help="JSON on stdout, for programs.")
data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Data folder of `openbell up` [default: OPENBELL_DATA, else .openbell/live or .openbell/sandbox].",
)
seen_option = click.option(
    "--seen",
    type=click.IntRange(min=1, max=2**31 - 1),
    metavar="REVISION",
    help="Change it only if it is still as you saw it: the revision that `show` or `--json` told.",
)
