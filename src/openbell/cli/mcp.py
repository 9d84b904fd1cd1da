"""`openbell mcp`: tools for models over the Model Context Protocol, on stdin and stdout."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from openbell.cli import reach
from openbell.cli.exits import BAD_INPUT, FAILED, NO_DATABASE, CliError
from openbell.cli.options import data_option


@click.command()
@click.option("--url", metavar="URL", help="Where Openbell answers [default: that of `openbell up` in this folder].")
@click.option(
    "--demand",
    is_flag=True,
    help="Offer `get` too, which asks providers for what is not fresh: that may cost money within the budgets.",
)
@data_option
def mcp(url: str | None, demand: bool, data: Path | None) -> None:
    """Offer tools to programs that speak the Model Context Protocol, on stdin and stdout.

    \b
    list_products  what there is, and what keys look like
    read           what is known of a key, with state, age, source and cost
    why            why it is not fresh
    costs          what calls have cost
    get            a fresh value; only with --demand

    All but `get` only read. Needs the package mcp: pip install "openbell[mcp]".
    """  # noqa: D301 (click reads the mark itself, not its spelling)
    try:
        from openbell.cli.mcp_tools import serve
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise CliError('The package mcp is not installed: pip install "openbell[mcp]".', FAILED) from None
    address = url or _address(data)
    if not address.startswith(("http://", "https://")):
        raise CliError(f"{address!r} is no address: write one such as http://127.0.0.1:8000.", BAD_INPUT)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the SDK reads stdin in a thread, which nothing else interrupts
    reach.run_async(serve(address, demand=demand))


def _address(data: Path | None) -> str:
    """Where the pages of the running `openbell up` are. Raises CliError when nobody can know."""
    from openbell.settings import load

    found = reach.read_run(reach.find(load(keys=False), data).folder).get("address")
    if not isinstance(found, str):
        raise CliError("Where Openbell answers is not known here: say it with --url.", NO_DATABASE)
    return found
