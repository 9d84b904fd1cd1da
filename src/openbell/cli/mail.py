"""`openbell mail`: the queue of mails, what may be done to it, and the one switch that stops all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from openbell.cli.amounts import actor_option
from openbell.cli.exits import NOTHING_KNOWN, CliError
from openbell.cli.options import data_option, json_option
from openbell.cli.output import print_json, print_table, when
from openbell.cli.people import ask

if TYPE_CHECKING:
    import asyncpg


@click.group()
def mail() -> None:
    """Mails: what waits and what was sent; hold, release, cancel, undo, send now, stop."""


@mail.command("list")
@click.option("--kind", help="Only this kind, such as digest.")
@click.option("--state", help="Only this state, such as held.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@data_option
@json_option
def mail_list(kind: str | None, state: str | None, limit: int, data: Path | None, as_json: bool) -> None:
    """List mails: those that wait first, the soonest on top, then the latest."""
    from openbell.mail.control import read_switch
    from openbell.mail.deliveries import list_deliveries

    async def read(db: asyncpg.Connection) -> Any:
        return await list_deliveries(db, kind=kind, state=state, limit=limit), await read_switch(db)

    found, switch = ask(data, read)
    if as_json:
        print_json({"deliveries": [one.as_json() for one in found], "stopped": switch.stopped})
        return
    if switch.stopped:
        click.echo(f"All mail is stopped by {switch.actor}: {switch.reason}. Go on with: openbell mail resume\n")
    rows = [
        (one.id, one.kind, one.to, one.subject[:48], one.state, when(one.send_at.isoformat()), one.note)
        for one in found
    ]
    print_table(("id>", "kind", "to", "subject", "state", "due", "note"), rows, empty="No mail.")


@mail.command("show")
@click.argument("number", type=click.IntRange(1, 2**63 - 1))
@data_option
def mail_show(number: int, data: Path | None) -> None:
    """Print the text of a mail."""
    from openbell.mail.deliveries import read_letter

    found = ask(data, lambda db: read_letter(db, number))
    if found is None:
        raise CliError(f"There is no mail {number}, or its text is gone.", NOTHING_KNOWN)
    click.echo(f"Subject: {found[1].subject}\n\n{found[1].text}")


def _acts(name: str, words: str) -> None:
    """A command for one thing that may be done to mails."""

    @mail.command(name, help=words)
    @click.argument("numbers", nargs=-1, required=True, type=click.IntRange(1, 2**63 - 1))
    @actor_option
    @data_option
    def run(numbers: tuple[int, ...], actor: str, data: Path | None) -> None:
        async def do(db: asyncpg.Connection) -> list[int]:
            from openbell.mail.control import act

            return await act(db, name, numbers, actor=actor)  # type: ignore[arg-type]

        done = ask(data, do)
        left = sorted(set(numbers) - set(done))
        click.echo(f"{name}: {', '.join(map(str, done)) or 'none'}")
        if left:
            raise CliError(f"Not {', '.join(map(str, left))}: sent meanwhile, expired, or in a state that forbids it.")


for _name, _words in (
    ("hold", "Hold mails back until they are released."),
    ("release", "Let mails go that are held."),
    ("cancel", "Cancel mails; `undo` brings them back."),
    ("undo", "Bring cancelled mails back."),
    ("send-now", "Send mails at once; one that failed is tried once more."),
):
    _acts(_name, _words)


@mail.command("stop")
@click.option("--reason", required=True, help="For whoever finds it stopped.")
@actor_option
@data_option
def mail_stop(reason: str, actor: str, data: Path | None) -> None:
    """Stop all mail, everywhere, at once."""
    from openbell.mail.control import stop_all

    ask(data, lambda db: stop_all(db, reason=reason, actor=actor))
    click.echo("All mail is stopped. Go on with: openbell mail resume")


@mail.command("resume")
@actor_option
@data_option
def mail_resume(actor: str, data: Path | None) -> None:
    """Let mail go on; what has expired meanwhile is not sent."""
    from openbell.mail.control import resume_all

    count = ask(data, lambda db: resume_all(db, actor=actor))
    click.echo(f"Mail goes on; {count} due.")


@mail.command("suppress")
@click.argument("address")
@click.option("--reason", type=click.Choice(["bounced", "complained", "asked"]), default="bounced", show_default=True)
@actor_option
@data_option
def mail_suppress(address: str, reason: str, actor: str, data: Path | None) -> None:
    """Send nothing to an address any more, as when a bounce came back. Only its hash is kept."""
    from openbell.mail.control import suppress

    ask(data, lambda db: suppress(db, address, reason, actor=actor))  # type: ignore[arg-type]
    click.echo("Nothing is sent there any more. End that with: openbell mail unsuppress ADDRESS")


@mail.command("unsuppress")
@click.argument("address")
@actor_option
@data_option
def mail_unsuppress(address: str, actor: str, data: Path | None) -> None:
    """Let an address be sent to again."""
    from openbell.mail.control import unsuppress

    if not ask(data, lambda db: unsuppress(db, address, actor=actor)):
        raise CliError("That address is not suppressed.", NOTHING_KNOWN)
    click.echo("It is sent to again.")


@mail.command("bounce")
@click.argument("file", type=click.File("rb"), default="-")
@actor_option
@data_option
def mail_bounce(file: BinaryIO, actor: str, data: Path | None) -> None:
    """Take a bounce or complaint that came back as mail, from FILE or standard input.

    A mail server pipes what comes for the sender's address into this. Only reports about mails that were sent from here
    count; any other mail changes nothing, and is no error.
    """
    from openbell.mail.bounces import MOST_BYTES, take_report

    raw = file.read(MOST_BYTES + 1)
    report, number = ask(data, lambda db: take_report(db, raw, actor=actor))
    if report is None:
        click.echo("This is no report about a mail; nothing was changed.")
    elif number is None:
        click.echo(f"A report ({report.detail or report.kind}) that ends nothing; nothing was changed.")
    else:
        click.echo(f"Mail {number} came back ({report.detail}): nothing is sent to its address any more.")


@mail.command("environment")
@click.argument("environment", type=click.Choice(["development", "staging", "production"]))
@actor_option
@data_option
def mail_environment(environment: str, actor: str, data: Path | None) -> None:
    """Say whose database this is. A process of another ENVIRONMENT sends no mail from it."""
    from openbell.mail.gate import restamp

    ask(data, lambda db: restamp(db, environment, actor=actor))
    click.echo(f"This database is stamped {environment}.")
