"""`openbell up`: everything in one process tree."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openbell.cli import reach
from openbell.cli.exits import BAD_INPUT, CliError

if TYPE_CHECKING:
    from openbell.postgres.folder import FolderLock
    from openbell.settings import Settings

BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Plan:
    """What `up` is to bring up: decided, checked and reserved before anything starts."""

    live: bool
    folder: Path
    host: str
    door: socket.socket
    sandbox_port: int
    smtp_port: int
    sandbox_plan: str
    day_seconds: float
    settings: Settings

    @property
    def mode(self) -> str:
        """What the database is stamped with."""
        return "live" if self.live else "sandbox"

    @property
    def port(self) -> int:
        """The real one, also when 0 was asked for."""
        number: int = self.door.getsockname()[1]
        return number

    @property
    def address(self) -> str:
        """Where a person on this machine opens the page."""
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 (compared, not bound)
        return f"http://{f'[{shown}]' if ':' in shown and '[' not in shown else shown}:{self.port}"


@click.command()
@click.option("--live", is_flag=True, help="Real providers, those with a key, not the sandbox; needs FMP_API_KEY.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port of the pages [default: OPENBELL_PORT, else 8000].")
@click.option("--host", help="Address to listen on [default: OPENBELL_HOST, else 127.0.0.1].")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Data folder [default: OPENBELL_DATA, else .openbell/sandbox or .openbell/live].",
)
@click.option("--sandbox-port", type=click.IntRange(0, 65_535), default=0, hidden=True)
@click.option("--day-seconds", type=click.FloatRange(min=0.1), default=60.0, hidden=True)
def up(live: bool, port: int | None, host: str | None, data: Path | None, sandbox_port: int, day_seconds: float) -> int:
    """Bring up everything: database, sandbox (unless --live), web and worker. Ctrl-C ends it.

    Without --live the prices come from the sandbox, which replays real daily prices and marks them as synthetic.
    """
    from openbell.cli.house import House
    from openbell.settings import load, require_live_secrets

    settings = load()
    if live:
        require_live_secrets(settings)
    elif settings.environment == "production":
        raise CliError("ENVIRONMENT is production, where synthetic data has no place: add --live.", BAD_INPUT)
    folder = data or settings.openbell_data or reach.HOME / ("live" if live else "sandbox")
    claim = _claim(folder)
    host = host or settings.openbell_host
    plan = Plan(
        live=live,
        folder=folder,
        host=host,
        door=open_door(host, settings.openbell_port if port is None else port),
        sandbox_port=0 if live else _free_port(sandbox_port),
        smtp_port=0 if live else _free_port(0),
        sandbox_plan=settings.fmp_plan if settings.is_set("fmp_plan") else "premium",
        day_seconds=day_seconds,
        settings=settings,
    )
    if settings.dsn is None:
        claim.release()  # the embedded server takes it
    import asyncio

    return asyncio.run(House(plan).run())


def _claim(folder: Path) -> FolderLock:
    """The folder is ours, or an error says whose it is."""
    from openbell.postgres.folder import FolderLock

    lock = FolderLock(folder.absolute())
    lock.take()
    return lock


def open_door(host: str, port: int) -> socket.socket:
    """The listening socket of the web process.

    The parent opens it, so that a taken port is known before anything starts, and a web process that is started again
    finds its visitors still waiting.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CliError(_why_not(host, port, error, "--port")) from None


def _free_port(port: int) -> int:
    try:
        with socket.create_server(("127.0.0.1", port)) as taken:
            number: int = taken.getsockname()[1]
            return number
    except OSError as error:
        raise CliError(_why_not("127.0.0.1", port, error, "--sandbox-port")) from None


def _why_not(host: str, port: int, error: OSError, option: str) -> str:
    import errno

    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken: stop what uses it, or choose another with {option}."
    if error.errno == errno.EACCES:
        return f"Port {port} on {host} needs more rights than this user has: choose one above 1023 with {option}."
    return f"Openbell cannot listen on {host}, port {port}: {error.strerror or error}. Choose another with --host."
