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
